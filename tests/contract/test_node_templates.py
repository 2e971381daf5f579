"""Rules that keep the templates of a GPU node readable: units without logic, scripts without templating."""

from __future__ import annotations

import re
from pathlib import Path

import jinja2
import pytest
from jinja2 import nodes

from node.render import SCRIPTS, environment_of
from tests.contract.test_templates import FORBIDDEN
from tests.node_factories import make_fleet_spec

TEMPLATES = sorted((Path(__file__).resolve().parents[2] / "templates" / "node").glob("*"))
SHELLS = re.compile(r"\b(?:ba|da|z)?sh\b -c|&&|\|\||[;|>]\s*$")
NAMES_OF_SCRIPTS = """
SEEKSTACK_RUN SEEKSTACK_ETC SEEKSTACK_LIB INSTANCE_ID_FILE UPTIME_FILE DNF_CONFIG ARRAY VOLUME_DISKS
LABEL OPTIONS EDGE ATTEMPTS ENGINE_USER UNIT MISSED MISSED_BUSY DRAIN_SECONDS POLL_SECONDS PATTERNS NF
"""
"""Constants of the scripts (NF is awk's), and folders that tests replace."""
READ_BY_AWS = frozenset({"AWS_DEFAULT_REGION"})

every_template = pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
every_script = pytest.mark.parametrize("path", sorted(SCRIPTS.glob("*.sh")), ids=lambda path: path.name)


def parse(path: Path) -> nodes.Template:
    return jinja2.Environment(autoescape=False).parse(path.read_text(encoding="utf-8"))  # noqa: S701 no HTML


def test_there_are_templates_but_not_too_many() -> None:
    assert 5 < len(TEMPLATES) <= 12


@every_template
def test_is_short(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
    assert max(map(len, lines)) <= 120


@every_template
def test_computes_and_decides_nothing(path: Path) -> None:
    assert not [type(node).__name__ for node in parse(path).find_all((*FORBIDDEN, nodes.If))]


@every_template
def test_runs_no_shell(path: Path) -> None:
    assert not [line for line in path.read_text(encoding="utf-8").splitlines() if SHELLS.search(line)]


@every_script
def test_a_script_is_no_template_and_reads_only_what_a_node_is_told(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "{{" not in text
    assert max(map(len, text.splitlines())) <= 135
    told = {*environment_of(make_fleet_spec()), *NAMES_OF_SCRIPTS.split()}
    assert set(re.findall(r"\$\{?([A-Z][A-Z0-9_]+)", text)) - told == set()


def test_every_value_that_a_node_is_told_is_read_by_a_script() -> None:
    texts = "".join(path.read_text(encoding="utf-8") for path in SCRIPTS.glob("*.sh"))
    told = set(environment_of(make_fleet_spec())) - READ_BY_AWS
    assert {key for key in told if not re.search(rf"\b{key}\b", texts)} == set()
