"""`Pulumi.<stack>.yaml` read with the line of each key, so that an error can say where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from infra.errors import ConfigurationError, ConfigurationErrors, Location

__all__ = ["PROJECT", "StackFile", "read_stack_file", "stack_file_path"]

PROJECT = "seekstack"
NAMESPACES = (PROJECT, "aws", "kubernetes", "pulumi")
MOST_LEVELS = 32
MOST_VALUES = 20_000

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class StackFile:
    """Configuration of one stack: full keys (`seekstack:model`) to values, and to 1-based lines."""

    file: str
    values: Mapping[str, Any]
    lines: Mapping[str, int]
    errors: tuple[ConfigurationError, ...] = ()
    """Doubled and misplaced keys: reported together with what the values have wrong."""

    def locate(self, key: str) -> Location:
        """Where `key` stands; the file alone for a key that is missing."""
        return Location(self.file, self.lines.get(key))

    def of_namespace(self, namespace: str) -> dict[str, Any]:
        """The values below `namespace:`, without the prefix."""
        prefix = f"{namespace}:"
        return {key.removeprefix(prefix): value for key, value in self.values.items() if key.startswith(prefix)}


def stack_file_path(root: Path, stack: str) -> Path:
    """Where Pulumi keeps the configuration of `stack`; an organisation before a slash is not part of the name."""
    return root / f"Pulumi.{stack.rpartition('/')[2]}.yaml"


def read_stack_file(path: Path) -> StackFile:
    """The configuration in `path`; raises ConfigurationErrors where there is no file or no YAML in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        stacks = sorted(found.name.split(".")[1] for found in path.parent.glob("Pulumi.*.yaml"))
        raise _one(
            "SKS0106", f"there is no {path.name}", path, None, f"a stack of {', '.join(stacks) or 'none yet'}",
            f"name another stack, or: pulumi stack init {path.name.split('.')[1]}",
        ) from None  # fmt: skip
    except (OSError, UnicodeDecodeError) as error:
        raise _one("SKS0106", f"cannot be read: {error}", path, None, "UTF-8 text", "mend the file") from None
    return _StackReader(path).read(text)


class _StackReader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.errors: list[ConfigurationError] = []
        self.values: dict[str, Any] = {}
        self.lines: dict[str, int] = {}
        self.nodes = 0

    def read(self, text: str) -> StackFile:
        root = self._compose(text)
        self._refuse_endless(root)
        for key, _, node in self._entries(root, "the file"):
            if key == "config":
                self._read_config(node)
        return StackFile(self.path.name, self.values, self.lines, tuple(self.errors))

    def _compose(self, text: str) -> yaml.Node | None:
        try:
            root: yaml.Node | None = yaml.compose(text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else None
            raise _one(
                "SKS0107", f"is not YAML: {error.problem or error}", self.path, line,
                "a mapping with `config:`", "mend the line; tabs and unclosed quotes are the usual causes",
            ) from None  # fmt: skip
        except RecursionError:
            raise _one(
                "SKS0107", "is nested too deep", self.path, None, f"at most {MOST_LEVELS} levels", "mend the file"
            ) from None
        except yaml.YAMLError as error:
            raise _one("SKS0107", f"is not YAML: {error}", self.path, None, "plain text", "mend the file") from None
        return root

    def _refuse_endless(self, node: yaml.Node | None, depth: int = 0) -> None:
        """A `&name` that holds `*name` has no end; aliases of aliases can name billions of values."""
        self.nodes += 1
        if depth > MOST_LEVELS or self.nodes > MOST_VALUES:
            raise _one(
                "SKS0107",
                "holds itself through an anchor (&) and an alias (*), or more than a person writes",
                self.path,
                node.start_mark.line + 1 if node else None,
                f"at most {MOST_LEVELS} levels and {MOST_VALUES:,} values",
                "write the value out",
            )
        if isinstance(node, yaml.CollectionNode):
            for child in node.value:
                for part in child if isinstance(child, tuple) else (child,):
                    self._refuse_endless(part, depth + 1)

    def _read_config(self, config: yaml.Node) -> None:
        for key, line, node in self._entries(config, "config"):
            full_key = key if ":" in key else f"{PROJECT}:{key}"
            self._check_namespace(full_key, line)
            self.values[full_key] = self._construct(node)
            self.lines[full_key] = line

    def _check_namespace(self, key: str, line: int) -> None:
        namespace, _, name = key.partition(":")
        near = get_close_matches(namespace, NAMESPACES, n=1, cutoff=0.7)
        if namespace not in NAMESPACES and near:
            self._refuse(
                "SKS0102", key, line, f"{key}: did you mean {near[0]}:{name}?",
                ", ".join(f"{known}:…" for known in NAMESPACES), f"rename it to {near[0]}:{name}",
            )  # fmt: skip

    def _entries(self, node: yaml.Node | None, what: str) -> Iterator[tuple[str, int, yaml.Node]]:
        """Keys of a mapping with their lines; a doubled one is refused and its first value kept."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.value == ""):
            return
        if not isinstance(node, yaml.MappingNode):
            self._refuse(
                "SKS0107", what, node.start_mark.line + 1, f"{what} is not a mapping", "key: value lines", "mend it"
            )
            if what != "the value":
                raise ConfigurationErrors(self.errors)  # every key would count as missing
            return
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in seen:
                self._refuse(
                    "SKS0108", key, line, f"{key} stands twice, first in line {seen[key]}", "each key once",
                    "remove one of the two lines",
                )  # fmt: skip
                continue
            seen[key] = line
            yield key, line, value_node

    def _construct(self, node: yaml.Node) -> Any:
        if isinstance(node, yaml.MappingNode):
            return {key: self._construct(child) for key, _, child in self._entries(node, "the value")}
        if isinstance(node, yaml.SequenceNode):
            return [self._construct(child) for child in node.value]
        loader = _Loader("")
        try:
            return loader.construct_object(node)
        except (yaml.YAMLError, ValueError) as error:
            self._refuse(
                "SKS0107", "value", node.start_mark.line + 1, f"cannot be read: {error}", "plain values", "quote it"
            )
            return None
        finally:
            loader.dispose()

    def _refuse(self, code: str, key: str, line: int, message: str, allowed: str, fix: str) -> None:
        location = Location(self.path.name, line)
        self.errors.append(ConfigurationError(message, code=code, key=key, location=location, allowed=allowed, fix=fix))


def _one(code: str, message: str, path: Path, line: int | None, allowed: str, fix: str) -> ConfigurationErrors:
    location = Location(path.name, line)
    return ConfigurationErrors([ConfigurationError(message, code=code, location=location, allowed=allowed, fix=fix)])
