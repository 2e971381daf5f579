"""Files of a node: complete, the same each time, and every value reads back as what it was."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import jinja2
import pytest

from node.render import TEMPLATES, environment_of, fill_in, render, unit_value
from node.spec import NodeError
from tests.node_factories import VARIANTS, make_fleet_spec, make_spec


def texts_of(**over: object) -> dict[str, str]:
    return {file.path: file.text for file in render(make_spec(**over))}


@pytest.mark.parametrize("variant", VARIANTS)
def test_renders_the_same_bytes_each_time(variant: str) -> None:
    assert render(VARIANTS[variant]) == render(VARIANTS[variant])


def test_writes_one_argument_a_line_the_program_first() -> None:
    text = texts_of(engine_command=("python3", "-m"), engine_arguments=("--a=$HOME %h", "", "'\""))[
        "/etc/seekstack/engine.args"
    ]
    assert text == "python3\n-m\n--a=$HOME %h\n\n'\"\n"


@pytest.mark.parametrize("variant", VARIANTS)
def test_environment_values_need_no_quoting(variant: str) -> None:
    assert all(re.fullmatch(r"[\w./:@+=*-]*", value, re.ASCII) for value in environment_of(VARIANTS[variant]).values())


def test_only_scripts_may_be_executed() -> None:
    assert {file.permissions for file in render(make_spec()) if file.path.endswith(".sh")} == {"0755"}
    assert {file.permissions for file in render(make_spec()) if not file.path.endswith(".sh")} == {"0644"}


def test_a_machine_without_restarts_has_no_restart_units() -> None:
    assert not [path for path in texts_of(restart_period_hours=None) if "seekstack-restart" in path]
    assert [path for path in texts_of() if "seekstack-restart" in path]


@pytest.mark.parametrize("budget", [30, 365, 7200])
def test_time_limits_follow_the_startup_budget(budget: int) -> None:
    texts = texts_of(startup_budget_seconds=budget)
    limits = [
        int(re.search(pattern, texts[f"/etc/systemd/system/{name}"], re.MULTILINE)[1])  # type: ignore[index]
        for name, pattern in (
            ("seekstack-engine.service", r"^StartLimitIntervalSec=(\d+)$"),
            ("seekstack-restart.service", r"^TimeoutStartSec=(\d+)$"),
        )
    ]
    assert limits[0] >= 5 * budget
    assert limits[1] >= budget
    lock = re.search(r"^LOCK_SECONDS=(\d+)$", texts["/etc/seekstack/node.env"], re.MULTILINE)
    assert lock is not None
    assert int(lock[1]) >= limits[1]  # the restart ends before its lock does


@pytest.mark.parametrize("value", ["", "a b", "50%", "$HOME", "a\\b", '"a"', "'a'", "a\n", "ä"])
def test_a_unit_file_takes_only_values_that_stand_for_themselves(value: str) -> None:
    with pytest.raises(TypeError, match="does not stand for itself"):
        unit_value(value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Port={{ prot }}", "prot"),
        ("{% for %}", "Expected an expression"),
        ("Description={{ words }}", "does not stand for itself"),
    ],
)
def test_a_template_that_cannot_be_filled_in_is_named(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.service.j2").write_text(text)
    with pytest.raises(NodeError, match=reason) as refused:
        fill_in(tmp_path, "a.service.j2", {"words": "two words"}, unit_value)
    assert refused.value.code == "SKS0542"
    assert refused.value.key == "templates/node/a.service.j2"


def test_a_missing_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match=r"hardening\.conf\.j2"):
        render(make_spec(), tmp_path)


def test_undefined_names_are_refused_by_the_value_too() -> None:
    with pytest.raises(jinja2.UndefinedError):
        unit_value(jinja2.StrictUndefined(name="port"))


def test_a_spec_that_is_wrong_is_refused_before_any_template_is_read(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="port"):
        render(replace(make_fleet_spec(), port=1), tmp_path)


def test_templates_and_scripts_are_in_the_package() -> None:
    assert TEMPLATES.is_dir()
    assert "/usr/local/lib/seekstack/common.sh" in texts_of()
