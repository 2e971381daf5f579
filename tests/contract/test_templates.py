"""Rules that keep templates readable: short, few branches, an expression is one whole YAML value, no program inside."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

TEMPLATES = sorted((Path(__file__).resolve().parents[2] / "templates" / "k8s").glob("*"))
MAX_LINES, MAX_IFS, MAX_FILES = 120, 3, 12

FORBIDDEN = (
    nodes.BinExpr, nodes.UnaryExpr, nodes.Concat, nodes.Compare, nodes.CondExpr, nodes.Call, nodes.Filter, nodes.Test,
    nodes.Macro, nodes.CallBlock, nodes.FilterBlock, nodes.Assign, nodes.AssignBlock,
    nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends, nodes.Block,
)  # fmt: skip
"""Arithmetic, calls and reuse: whatever needs them is computed in k8s/render.py, where it is tested."""

BEFORE_VALUE = re.compile(r"(?:[:,-] |\[)$")
WHOLE_VALUE = re.compile(r"\{\{ [a-z_]+ \}\}(?:$|,| \}|\])")
"""An expression follows `: `, `- `, or stands in a flow collection, and ends its line or its flow entry."""
SHELLS = re.compile(r"\b(?:ba|da|z)?sh\b.*-c\b|&&|\|\||;\s*$|\|\s*$|>\s*$")

every_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)


def parse(path: Path) -> nodes.Template:
    return jinja2.Environment(autoescape=False).parse(path.read_text(encoding="utf-8"))  # noqa: S701 YAML, not HTML


def test_there_are_templates_but_not_too_many() -> None:
    assert 5 < len(TEMPLATES) <= MAX_FILES
    assert all(path.name.endswith(".yaml.j2") for path in TEMPLATES)


@every_template
def test_is_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= MAX_LINES
    assert max(map(len, lines)) <= 120


@every_template
def test_branches_at_most_three_times(path: Path) -> None:
    assert len(list(parse(path).find_all(nodes.If))) <= MAX_IFS


@every_template
def test_nests_no_loop_in_a_loop(path: Path) -> None:
    loops = list(parse(path).find_all(nodes.For))
    assert not [inner for loop in loops for inner in loop.find_all(nodes.For)]


@every_template
def test_computes_nothing(path: Path) -> None:
    assert not [type(node).__name__ for node in parse(path).find_all(FORBIDDEN)]


@every_template
def test_writes_each_expression_as_one_whole_value(path: Path) -> None:
    for line in path.read_text(encoding="utf-8").splitlines():
        for position in (found.start() for found in re.finditer(r"\{\{", line)):
            assert BEFORE_VALUE.search(line[:position]), line
            assert WHOLE_VALUE.match(line[position:]), line


@every_template
def test_holds_no_expression_in_a_comment(path: Path) -> None:
    assert not [line for line in path.read_text(encoding="utf-8").splitlines() if re.match(r"\s*#.*\{\{", line)]


@every_template
def test_runs_no_shell(path: Path) -> None:
    assert not [line for line in path.read_text(encoding="utf-8").splitlines() if SHELLS.search(line)]
