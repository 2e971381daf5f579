"""Our own source as syntax trees: what the contract tests walk."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PACKAGES", "ROOT", "Import", "Module", "dotted", "imports_of", "parse_module", "project_modules"]

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("infra", "k8s", "node", "sandbox", "stager")
"""What the wheel holds (pyproject.toml)."""


@dataclass(frozen=True, slots=True)
class Module:
    """One source file: dotted name, text and tree."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True)
class Import:
    """One imported module: `is_lazy` inside a function, `is_typing` under TYPE_CHECKING."""

    target: str
    line: int
    is_lazy: bool
    is_typing: bool


def parse_module(text: str, name: str = "sample", path: str = "sample.py") -> Module:
    """`text` as a module, for crafted samples as well as for files."""
    return Module(name, Path(path), text, ast.parse(text))


def project_modules(*packages: str) -> list[Module]:
    """Every module of `packages` (all by default), sorted by name."""
    return [
        parse_module(path.read_text(encoding="utf-8"), module_name(path), str(path.relative_to(ROOT)))
        for package in packages or PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    ]


def module_name(path: Path) -> str:
    """`infra/sizing/plan.py` → `infra.sizing.plan`; a package's `__init__.py` is the package."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(module: Module, known: frozenset[str] = frozenset()) -> Iterator[Import]:
    """Every import of `module`; `from a import b` is `a.b` where `known` has such a module, else `a`."""
    yield from _imports(module.tree, module, known, is_lazy=False, is_typing=False)


def _imports(
    node: ast.AST, module: Module, known: frozenset[str], *, is_lazy: bool, is_typing: bool
) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, is_lazy, is_typing) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _base(child, module)
            for alias in child.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in known else base, child.lineno, is_lazy, is_typing)
        else:
            lazy = is_lazy or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            typing = is_typing or (isinstance(child, ast.If) and dotted(child.test).endswith("TYPE_CHECKING"))
            yield from _imports(child, module, known, is_lazy=lazy, is_typing=typing)


def _base(node: ast.ImportFrom, module: Module) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".") if module.path.name == "__init__.py" else module.name.split(".")[:-1]
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or attribute chain; the part that can be named, with a leading dot, of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""
