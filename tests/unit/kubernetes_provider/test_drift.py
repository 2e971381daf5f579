"""Inputs taken from a live object, on objects as a server stores them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes_provider.drift import imported_inputs, refreshed_inputs
from sandbox.kubernetes_provider.ownership import all_fields, has_manager, item_key, key_names, pick

PORTS = {'k:{"containerPort":80,"protocol":"TCP"}': {".": {}, "f:containerPort": {}}}
FIELDS = {"f:spec": {"f:ports": PORTS, "f:args": {}, "f:selector": {}, "f:tags": {'v:"a"': {}}}}


def live(spec: dict[str, Any], **metadata: Any) -> dict[str, Any]:
    entry = {"manager": "us", "operation": "Apply", "fieldsV1": FIELDS}
    return {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "one", "uid": "1", "managedFields": [entry], **metadata},
        "spec": spec,
        "status": {"phase": "on"},
    }


@pytest.mark.parametrize(
    ("wanted", "was", "now", "expected"),
    [
        pytest.param({"cpu": "1000m"}, {"cpu": "1"}, {"cpu": "1"}, {"cpu": "1000m"}, id="only-written-differently"),
        pytest.param({"cpu": "1000m"}, {"cpu": "1"}, {"cpu": "2"}, {"cpu": "2"}, id="changed"),
        pytest.param({"cpu": "1"}, {"cpu": "1"}, {}, {}, id="removed"),
        pytest.param({"hidden": "x"}, {}, {}, {"hidden": "x"}, id="write-only"),
        pytest.param({"a": 1}, {"a": 1, "b": 2}, {"a": 1, "b": 3}, {"a": 1}, id="default-of-the-server"),
        pytest.param({"args": ["x"]}, {"args": ["x"]}, {"args": ["x", "y"]}, {"args": ["x", "y"]}, id="whole-list"),
        pytest.param(
            {"selector": {"app": "a"}},
            {"selector": {"app": "a"}},
            {"selector": {"app": "a", "tier": "b"}},
            {"selector": {"app": "a", "tier": "b"}},
            id="whole-mapping",
        ),
        pytest.param(
            {"ports": [{"containerPort": 80}]},
            {"ports": [{"containerPort": 80, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 9, "protocol": "TCP"}, {"containerPort": 80, "protocol": "TCP"}]},
            {"ports": [{"containerPort": 80}]},
            id="keyed-list-with-an-item-of-somebody-else",
        ),
        pytest.param(
            {"ports": [{"containerPort": 80}]},
            {"ports": [{"containerPort": 80, "protocol": "TCP"}]},
            {"ports": []},
            {"ports": []},
            id="keyed-list-without-our-item",
        ),
    ],
)
def test_refresh_takes_what_changed_and_only_that(
    wanted: dict[str, Any], was: dict[str, Any], now: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert refreshed_inputs({"spec": wanted}, live(was), live(now))["spec"] == expected


@given(st.dictionaries(st.text(max_size=3), st.integers() | st.lists(st.integers()), max_size=4))
def test_an_untouched_object_gives_the_inputs_back(spec: dict[str, Any]) -> None:
    assert refreshed_inputs({"spec": spec}, live(spec), live(spec)) == {"spec": spec}


def test_string_data_is_compared_where_the_server_keeps_it() -> None:
    inputs = {"kind": "Secret", "stringData": {"a": "1", "b": "2", "c": "3"}}
    was = {"data": {"a": "MQ==", "b": "Mg==", "c": "Mw=="}, "metadata": {}}
    now = {"data": {"a": "MQ==", "b": "eA=="}, "metadata": {}}
    assert refreshed_inputs(inputs, was, now)["stringData"] == {"a": "1", "b": "x"}


def test_an_import_takes_what_was_applied() -> None:
    found = imported_inputs(live({"args": ["x"], "other": 1}, namespace="space"))
    assert found == {
        "apiVersion": "v1",
        "kind": "Thing",
        "metadata": {"name": "one", "namespace": "space"},
        "spec": {"args": ["x"]},
    }


def test_an_import_of_what_nobody_applied_leaves_out_what_is_the_servers() -> None:
    found = imported_inputs(live({"other": 1}, managedFields=[], labels={"a": "b"}))
    assert found["metadata"] == {"name": "one", "labels": {"a": "b"}}
    assert found["spec"] == {"other": 1}
    assert "status" not in found


def test_status_written_by_a_controller_is_no_ownership() -> None:
    entry = {"manager": "controller", "subresource": "status", "fieldsV1": {"f:status": {}}}
    owned = {"metadata": {"managedFields": [entry]}}
    assert all_fields(owned) == {}
    assert not has_manager(owned, "controller")


def test_picks_items_by_key_and_by_value() -> None:
    spec = {"ports": [{"containerPort": 80, "protocol": "TCP", "name": "x"}, {"containerPort": 9}], "tags": ["a", "b"]}
    assert pick({"spec": spec}, FIELDS) == {"spec": {"ports": [{"containerPort": 80}], "tags": ["a"]}}


def test_a_key_field_has_its_default() -> None:
    names = key_names(PORTS)
    assert item_key({"containerPort": 80}, names) in PORTS
    assert item_key({"name": "x"}, names) is None
    assert item_key("text", names) is None
