"""Custom resources, and kinds the server does not know (yet)."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from sandbox.plugin import PluginError
from tests.support_kube import Stage, urn_of

DEFINITION = urn_of("kubernetes:apiextensions.k8s.io/v1:CustomResourceDefinition")


@pytest.fixture
def group() -> str:
    return f"g{uuid.uuid4().hex[:8]}.example.com"


def definition(group: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {
            "spec": {
                "type": "object",
                "properties": {
                    "size": {"type": "integer", "minimum": 1},
                    "model": {
                        "type": "string",
                        "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "model is immutable"}],
                    },
                },
            }
        },
    }
    return {
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": "widgets", "singular": "widget", "kind": "Widget"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}],
        },
    }


def widget(**spec: object) -> dict[str, Any]:
    return {"metadata": {"name": "one"}, "spec": spec}


def test_a_definition_installed_by_the_same_run_is_found(stage: Stage, group: str) -> None:
    urn = urn_of(f"kubernetes:{group}/v1:Widget")
    inputs = stage.checked(urn, widget(size=2))  # asked before the definition exists
    assert inputs["metadata"]["namespace"] == stage.namespace
    assert stage.resources.create(urn, inputs, seconds=0, preview=True)[1] == inputs
    assert "does not know Widget" in stage.messages[0]
    stage.create(DEFINITION, definition(group))
    assert stage.resources.create(urn, inputs, seconds=5, preview=False)[0] == f"{stage.namespace}/one"


def test_custom_resources_are_validated_updated_and_replaced(stage: Stage, group: str) -> None:
    stage.create(DEFINITION, definition(group))
    urn = urn_of(f"kubernetes:{group}/v1:Widget")
    with pytest.raises(PluginError, match=r"spec\.size: .*greater than or equal to 1"):
        stage.create(urn, widget(size=0))
    _, inputs, _ = stage.create(urn, widget(size=1, model="7B"))
    larger = stage.resources.diff(urn, inputs, stage.checked(urn, widget(size=2, model="7B"), old=inputs))
    assert (set(larger.changes), larger.replaces) == ({("spec", "size")}, frozenset())
    other = stage.resources.diff(urn, inputs, stage.checked(urn, widget(size=1, model="13B"), old=inputs))
    assert other.replaces == {("spec", "model")}


def test_an_object_whose_definition_is_gone_is_gone(stage: Stage, group: str) -> None:
    definition_id, _, definition_state = stage.create(DEFINITION, definition(group))
    urn = urn_of(f"kubernetes:{group}/v1:Widget")
    resource_id, inputs, state = stage.create(urn, widget(size=1))
    stage.delete(DEFINITION, definition_id, definition_state)
    stage.restart()
    assert stage.read(urn, resource_id, state, inputs) is None
    stage.delete(urn, resource_id, state)


def test_a_missing_definition_is_named(stage: Stage, group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandbox.kubernetes_provider.resources.NEW_DEFINITION_SECONDS", 0)
    with pytest.raises(PluginError, match=rf"CustomResourceDefinition \(spec\.group {group}, kind Widget\)"):
        stage.create(urn_of(f"kubernetes:{group}/v1:Widget"), widget(size=1))


def test_a_wrong_kind_of_a_known_group_is_answered_with_the_kinds_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandbox.kubernetes_provider.resources.NEW_DEFINITION_SECONDS", 0)
    with pytest.raises(PluginError, match=r"apps/v1 has: .*Deployment"):
        stage.create(urn_of("kubernetes:apps/v1:Deploymnt"), widget())
