"""Small modules of small functions; the limits are those of the code bases we look like (httpx, starlette)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.contract.support_source import Module, parse_module, project_modules

MODULE_MAX_LINES = 400
FUNCTION_MAX_LINES = 60
MODULES = [*project_modules(), *project_modules("scripts")]


def size_problems(module: Module) -> Iterator[str]:
    """What is longer than the limits."""
    lines = len(module.text.splitlines())
    if lines > MODULE_MAX_LINES:
        yield f"{module}: {lines} lines, allowed are {MODULE_MAX_LINES}: split it by noun"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_MAX_LINES:
                yield f"{module}:{node.lineno}: {node.name} has {length} lines, allowed are {FUNCTION_MAX_LINES}"


def test_modules_and_functions_are_small() -> None:
    assert [problem for module in MODULES for problem in size_problems(module)] == []


def test_what_is_too_long_is_found() -> None:
    assert list(size_problems(parse_module("x = 1\n" * (MODULE_MAX_LINES + 1))))
    assert list(size_problems(parse_module("def f():\n" + "    x = 1\n" * FUNCTION_MAX_LINES)))
    assert not list(size_problems(parse_module("def f():\n" + "    x = 1\n" * (FUNCTION_MAX_LINES - 1))))
