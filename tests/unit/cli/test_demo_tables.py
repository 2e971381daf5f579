"""What the demo shows of a preview."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.cli.demo_tables import UNKNOWN, _at, _parts, _shown, counted, rows
from sandbox.pulumi_run import Change


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("size", ["size"]),
        ("metadataOptions.httpTokens", ["metadataOptions", "httpTokens"]),
        ("ebs[0].volumeSize", ["ebs", "0", "volumeSize"]),
        ('tags["seekstack:model"]', ["tags", "seekstack:model"]),
        ('tags["a.b"].c', ["tags", "a.b", "c"]),
        ("", []),
    ],
)
def test_a_property_path_is_taken_apart(path, parts):
    assert _parts(path) == parts


def test_a_path_leads_to_its_value_or_to_nothing():
    inputs = {"tags": {"a.b": "x"}, "rules": [{"port": 80}]}
    assert _at(inputs, 'tags["a.b"]') == "x"
    assert _at(inputs, "rules[0].port") == 80
    assert _at(inputs, "rules[1].port") is None
    assert _at(inputs, "rules.port") is None
    assert _at(inputs, "gone.far") is None


@given(st.text())
def test_no_path_is_too_odd_to_look_up(path):
    _at({"a": [1, {"b": None}]}, path)


def test_values_are_shown_short_and_unknown_ones_in_words():
    assert _shown(None) == "-"
    assert _shown(UNKNOWN) == "(known after up)"
    assert _shown({"a": 1}) == "{'a': 1}"
    assert len(_shown("x" * 500)) == 48


def test_each_changed_property_is_a_row_and_a_whole_resource_one():
    update = Change("update", "s::p::t::volume", ("size", "tags.a"), {"size": 20}, {"size": 35})
    create = Change("create", "s::p::t::vpc", (), {}, {"cidr": "10.0.0.0/8"})
    found = rows((update, create))
    assert found[0] == ("update", "volume", "size", "20", "35")
    assert [row[:3] for row in found[1:]] == [("update", "volume", "tags.a"), ("create", "vpc", "")]


def test_counts_read_as_a_sentence():
    assert counted({"update": 2, "replace": 1}) == "2 update, 1 replace"
    assert counted({}) == "nothing to do"
