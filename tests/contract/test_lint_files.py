"""scripts/lint_files.py: what it refuses in YAML, templates and shell scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.lint_files import check, template_problems, yaml_problems


@pytest.mark.parametrize("text", ["", "a: 1\nb: [x]\n", "a: 1\n---\na: 2\n", "x: &x {a: 1}\ny: {<<: *x, a: 2}\n"])
def test_accepts_plain_yaml(text: str) -> None:
    assert yaml_problems(text) == []


@pytest.mark.parametrize(
    "text", ["a: [", "a: 1\na: 2\n", "x:\n  - b: 1\n    b: 2\n", "a: !!python/object:os.system {}\n"]
)
def test_refuses_broken_yaml_doubled_keys_and_objects(text: str) -> None:
    assert yaml_problems(text)


def test_names_the_line_of_a_doubled_key() -> None:
    assert "line 3" in yaml_problems("a: 1\nb: 2\na: 3\n")[0]


def test_accepts_a_template_within_the_limits() -> None:
    text = "a: {{ a }}\n{% for x in xs %}\n- {{ x }}\n{% endfor %}\n" + "{% if a %}b: 1\n{% endif %}" * 3
    assert template_problems(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{% if a %}\n", "line"),
        ("{% set a = 1 %}", "set is not allowed"),
        ("{% macro f() %}{% endmacro %}", "macro is not allowed"),
        ("{{ a + 1 }}", "arithmetic is not allowed"),
        ("{{ a ~ b }}", "arithmetic is not allowed"),
        ("x\n" * 121, "121 lines"),
        ("{% if a %}{% endif %}" * 3 + "{{ 1 if a else 2 }}", "4 conditions"),
        ("{% for x in xs %}{% for y in x %}{% endfor %}{% endfor %}", "loop in a loop"),
    ],
)
def test_refuses_logic_in_templates(text: str, problem: str) -> None:
    assert problem in template_problems(text)[0]


def test_names_each_file_and_leaves_out_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [")
    (tmp_path / "bad.j2").write_text("{{ a + 1 }}")
    (tmp_path / "bad.sh").write_text("if then\n")
    (tmp_path / "good.py").write_text("not: [yaml")
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bad.yaml").write_text("a: [")
    assert {line.partition(":")[0] for line in check(tmp_path)} == {"bad.yaml", "bad.j2", "bad.sh"}
