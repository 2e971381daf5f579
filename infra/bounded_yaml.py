"""YAML that a person wrote, as nodes that know their lines; what no person writes is refused before it costs anything.

libyaml composes by recursion without a limit: 100,000 open brackets end the process (SIGSEGV, libyaml 0.2.5). Aliases
of aliases name billions of values in a few lines. So the events are counted first, which needs no recursion, and the
nodes are walked once as if every alias were written out.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

__all__ = ["MOST_BYTES", "MOST_LEVELS", "MOST_VALUES", "UnreadableYamlError", "compose", "construct", "read_text"]

MOST_BYTES = 4 * 2**20
MOST_LEVELS = 32
MOST_VALUES = 20_000
SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class UnreadableYamlError(ValueError):
    """Why a text is refused; whoever reads it adds code, file and what it should hold.

    `line` is 1-based; `allowed` is the bound that was passed, None where the text is no YAML at all.
    """

    def __init__(
        self, message: str, line: int | None, *, allowed: str | None = None, fix: str = "mend the file"
    ) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.allowed = allowed
        self.fix = fix


def read_text(path: Path) -> str:
    """The text of a file of at most MOST_BYTES; OSError and UnicodeDecodeError are the caller's."""
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise UnreadableYamlError(f"has {size:,} bytes", None, allowed=f"at most {MOST_BYTES:,}", fix="shorten it")
    return path.read_text(encoding="utf-8")


def compose(text: str, *, loader: Any = SafeLoader, most_values: int = MOST_VALUES) -> yaml.Node | None:
    """The one document in `text`, None where it is empty; raises UnreadableYamlError."""
    bound = f"at most {MOST_LEVELS} levels and {most_values:,} values"
    try:
        _refuse_excess(text, loader, most_values, bound)
        root: yaml.Node | None = yaml.compose(text, Loader=loader)
    except yaml.YAMLError as error:
        raise _unreadable(error) from None
    if root is not None:
        _Walk(most_values, bound).count(root)
    return root


def construct(node: yaml.Node, *, loader: Any = SafeLoader) -> Any:
    """The plain value of one node; raises UnreadableYamlError, for `2026-13-45` and a tag that nobody knows too."""
    reader = loader("")
    try:
        return reader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:
        raise _unreadable(error) from None
    finally:
        reader.dispose()


def _unreadable(error: Exception) -> UnreadableYamlError:
    if not isinstance(error, yaml.MarkedYAMLError):
        return UnreadableYamlError(f"is not YAML: {error}", None)
    problem = error.problem or error
    return UnreadableYamlError(f"is not YAML: {problem}", _line(error.problem_mark), fix="mend the line")


def _line(mark: Any) -> int | None:
    return mark.line + 1 if mark else None


def _refuse_excess(text: str, loader: Any, most_values: int, bound: str) -> None:
    """What is written, aliases not followed; ends at the first event too many."""
    depth = values = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.NodeEvent):
            values += 1
            if depth > MOST_LEVELS or values > most_values:
                what = "is nested too deep" if depth > MOST_LEVELS else "holds more than a person writes"
                raise UnreadableYamlError(what, _line(event.start_mark), allowed=bound)
            depth += isinstance(event, yaml.CollectionStartEvent)


@dataclass(slots=True)
class _Walk:
    """Counts values as if every alias were written out; a `&name` that holds `*name` has no end."""

    most_values: int
    bound: str
    values: int = 0

    def count(self, node: yaml.Node, depth: int = 0) -> None:
        self.values += 1
        if depth > MOST_LEVELS or self.values > self.most_values:
            raise UnreadableYamlError(
                "holds itself through an anchor (&) and an alias (*), or more than a person writes",
                _line(node.start_mark),
                allowed=self.bound,
                fix="write the value out",
            )
        if isinstance(node, yaml.CollectionNode):
            for child in node.value:
                for part in child if isinstance(child, tuple) else (child,):
                    self.count(part, depth + 1)
