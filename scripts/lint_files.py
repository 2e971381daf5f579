"""Checks of the files that ruff and mypy do not read: YAML, jinja2 templates, shell scripts.

The limits on templates keep logic in Python, where it has types and tests: docs/adr/0004.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jinja2
import yaml
from jinja2 import nodes

__all__ = ["check", "main", "template_problems", "yaml_problems"]

TEMPLATE_MAX_LINES = 120
TEMPLATE_MAX_IFS = 3
TEMPLATE_MAX_FOR_DEPTH = 1
FORBIDDEN_IN_TEMPLATES: dict[type[nodes.Node], str] = {
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Concat: "arithmetic",
    **dict.fromkeys((nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Pow), "arithmetic"),
}
SKIPPED_FOLDERS = frozenset({".git", ".venv", ".tools", ".seekstack", "node_modules", "data"})


class StrictLoader(yaml.SafeLoader):
    """Refuses a key written twice: YAML keeps the last one silently, so the edit of the first does nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping of `node`; raises ConstructorError with the line of a doubled key."""
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is written twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def yaml_problems(text: str) -> list[str]:
    """What keeps `text` from being plain YAML documents with unique keys."""
    try:
        list(yaml.load_all(text, StrictLoader))
    except yaml.YAMLError as error:
        return [" ".join(str(error).split())]
    return []


def template_problems(text: str) -> list[str]:
    """What makes a template more than text: too long, too many conditions, nested loops, variables, arithmetic."""
    try:
        tree = jinja2.Environment(autoescape=False).parse(text)  # noqa: S701 parsed, never rendered
    except jinja2.TemplateSyntaxError as error:
        return [f"line {error.lineno}: {error.message}"]
    found = [
        f"line {n.lineno}: {word} is not allowed"
        for kind, word in FORBIDDEN_IN_TEMPLATES.items()
        for n in tree.find_all(kind)
    ]
    lines = len(text.splitlines())
    ifs = sum(1 for _ in tree.find_all((nodes.If, nodes.CondExpr)))
    if lines > TEMPLATE_MAX_LINES:
        found.append(f"{lines} lines, allowed are {TEMPLATE_MAX_LINES}: split it by object family")
    if ifs > TEMPLATE_MAX_IFS:
        found.append(f"{ifs} conditions, allowed are {TEMPLATE_MAX_IFS}: decide in Python")
    if _for_depth(tree) > TEMPLATE_MAX_FOR_DEPTH:
        found.append("a loop in a loop: flatten the list in Python")
    return found


def shell_problems(path: Path) -> list[str]:
    """Syntax errors of a bash script."""
    found = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True, check=False)
    return found.stderr.splitlines() if found.returncode else []


def check(root: Path) -> Iterator[str]:
    """Every problem below `root` as `file: problem`."""
    for path in _files(root):
        relative = path.relative_to(root)
        for problem in _checker(relative)(path):
            yield f"{relative}: {problem}"


def main() -> int:
    """Print each problem; 1 if there is one."""
    problems = list(check(Path(__file__).resolve().parent.parent))
    sys.stdout.write("".join(f"{line}\n" for line in problems) or "YAML, templates and scripts: no problems\n")
    return 1 if problems else 0


def _files(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(set(folders) - SKIPPED_FOLDERS)
        yield from (Path(folder, name) for name in sorted(names))


def _checker(relative: Path) -> Callable[[Path], list[str]]:
    if relative.suffix in {".yaml", ".yml"}:
        return lambda path: yaml_problems(path.read_text(encoding="utf-8"))
    if relative.suffix == ".j2":
        return lambda path: template_problems(path.read_text(encoding="utf-8"))
    if relative.suffix == ".sh" or relative.parent.name == ".ci":
        return shell_problems
    return lambda _path: []


def _for_depth(node: nodes.Node) -> int:
    inner = max((_for_depth(child) for child in node.iter_child_nodes()), default=0)
    return inner + isinstance(node, nodes.For)


if __name__ == "__main__":
    sys.exit(main())
