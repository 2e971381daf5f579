"""Refresh, import and delete on a real API server."""

from __future__ import annotations

import pytest

from sandbox.kubernetes_provider.paths import differences, render
from sandbox.plugin import PluginError
from tests.integration.kubernetes.support_objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    SECRET,
    SERVICE,
    config_map,
    deployment,
    secret,
    service,
)
from tests.support_kube import Stage, urn_of

DEPLOYMENTS = "/apis/apps/v1/namespaces/{}/deployments"


@pytest.mark.parametrize(
    ("urn", "inputs"),
    [(DEPLOYMENT, deployment()), (SERVICE, service()), (SECRET, secret()), (CONFIG_MAP, config_map())],
    ids=["deployment", "service", "secret", "config-map"],
)
def test_an_untouched_object_has_no_drift(stage: Stage, urn: str, inputs: dict[str, object]) -> None:
    resource_id, checked, state = stage.create(urn, inputs)
    found = stage.read(urn, resource_id, state, checked)
    assert found is not None
    assert differences(checked, found[1]) == {}


@pytest.mark.parametrize("manager", ["kubectl-edit", "helm"])
def test_a_change_by_somebody_else_is_drift_at_its_path(stage: Stage, manager: str) -> None:
    resource_id, checked, state = stage.create(DEPLOYMENT, deployment())
    containers = [{**state["spec"]["template"]["spec"]["containers"][0], "image": "evil:1"}]
    stage.edit(
        DEPLOYMENTS.format(stage.namespace) + "/web",
        {"spec": {"replicas": 2, "template": {"spec": {"containers": containers}}}},
        manager=manager,
    )
    found = stage.read(DEPLOYMENT, resource_id, state, checked)
    assert found is not None
    assert {render(path) for path in differences(checked, found[1])} == {
        "spec.replicas",
        "spec.template.spec.containers[0].image",
    }


def test_a_removed_field_is_drift(stage: Stage) -> None:
    resource_id, checked, state = stage.create(CONFIG_MAP, config_map(a="1", b="2"))
    stage.edit(f"/api/v1/namespaces/{stage.namespace}/configmaps/settings", {"data": {"a": None}})
    found = stage.read(CONFIG_MAP, resource_id, state, checked)
    assert found is not None
    assert found[1]["data"] == {"b": "2"}


def test_what_others_add_beside_our_fields_is_not_drift(stage: Stage) -> None:
    resource_id, checked, state = stage.create(DEPLOYMENT, deployment())
    containers = [state["spec"]["template"]["spec"]["containers"][0], {"name": "sidecar", "image": "proxy"}]
    stage.edit(
        DEPLOYMENTS.format(stage.namespace) + "/web",
        {"metadata": {"labels": {"team": "a"}}, "spec": {"template": {"spec": {"containers": containers}}}},
    )
    found = stage.read(DEPLOYMENT, resource_id, state, checked)
    assert found is not None
    assert differences(checked, found[1]) == {}


def test_a_changed_secret_is_drift_in_string_data(stage: Stage) -> None:
    resource_id, checked, state = stage.create(SECRET, secret())
    stage.edit(f"/api/v1/namespaces/{stage.namespace}/secrets/token", {"stringData": {"key": "stolen"}})
    found = stage.read(SECRET, resource_id, state, checked)
    assert found is not None
    assert found[1]["stringData"] == {"key": "stolen"}


def test_a_deleted_object_is_gone_for_refresh(stage: Stage) -> None:
    resource_id, checked, state = stage.create(SERVICE, service())
    stage.api.request("DELETE", f"/api/v1/namespaces/{stage.namespace}/services/web")
    assert stage.read(SERVICE, resource_id, state, checked) is None


def test_an_import_takes_what_was_written_and_then_changes_nothing(stage: Stage) -> None:
    body = {**deployment(), "apiVersion": "apps/v1", "kind": "Deployment"}
    stage.api.request("POST", DEPLOYMENTS.format(stage.namespace), body=body)
    found = stage.read(DEPLOYMENT, f"{stage.namespace}/web", {}, {})
    assert found is not None
    assert found[1]["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx:1"
    assert "status" not in found[1]
    assert "uid" not in found[1]["metadata"]
    diff = stage.resources.diff(DEPLOYMENT, found[1], stage.checked(DEPLOYMENT, deployment(), old=found[1]))
    assert diff.changes == {}


def test_deletes_and_waits_until_it_is_gone(stage: Stage) -> None:
    resource_id, _, state = stage.create(DEPLOYMENT, deployment(replicas=2))
    stage.delete(DEPLOYMENT, resource_id, state)
    assert stage.api.get(DEPLOYMENTS.format(stage.namespace))["items"] == []
    assert stage.api.get(f"/api/v1/namespaces/{stage.namespace}/pods")["items"] == []


def test_deleting_what_is_gone_is_fine(stage: Stage) -> None:
    resource_id, _, state = stage.create(SERVICE, service())
    stage.delete(SERVICE, resource_id, state)
    stage.delete(SERVICE, resource_id, state)


def test_a_finalizer_that_nobody_removes_is_named(stage: Stage) -> None:
    inputs = config_map()
    inputs["metadata"]["finalizers"] = ["example.com/keep"]
    resource_id, _, state = stage.create(CONFIG_MAP, inputs)
    with pytest.raises(PluginError, match=r"finalizers: example\.com/keep"):
        stage.delete(CONFIG_MAP, resource_id, state, seconds=1)
    stage.edit(f"/api/v1/namespaces/{stage.namespace}/configmaps/settings", {"metadata": {"finalizers": None}})


def test_a_namespace_goes_with_everything_in_it(stage: Stage) -> None:
    urn = urn_of("kubernetes:core/v1:Namespace")
    resource_id, _, state = stage.create(urn, {"metadata": {}})
    stage.create(DEPLOYMENT, {**deployment(), "metadata": {"name": "web", "namespace": resource_id}})
    stage.delete(urn, resource_id, state)
    assert stage.read(urn, resource_id, state, {}) is None
