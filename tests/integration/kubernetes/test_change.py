"""Diff, update, replace on a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes_provider.cluster import Cluster
from sandbox.kubernetes_provider.paths import render
from sandbox.kubernetes_provider.resources import Resources
from sandbox.kubernetes_provider.settings import Settings
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
from tests.support_kube import Stage, revealed, urn_of


def changed(stage: Stage, urn: str, old: dict[str, Any], new: dict[str, Any]) -> tuple[set[str], set[str], bool]:
    """Paths that change, paths that replace, and whether the old object goes first."""
    found = stage.resources.diff(urn, old, stage.checked(urn, new, old=old))
    return {render(path) for path in found.changes}, {render(path) for path in found.replaces}, found.delete_first


def test_the_same_program_changes_nothing(stage: Stage) -> None:
    _, inputs, _ = stage.create(DEPLOYMENT, deployment())
    assert changed(stage, DEPLOYMENT, inputs, deployment()) == (set(), set(), False)


def test_another_spelling_of_the_same_quantity_changes_nothing(stage: Stage) -> None:
    _, inputs, _ = stage.create(DEPLOYMENT, deployment(cpu="1000m"))
    assert changed(stage, DEPLOYMENT, inputs, deployment(cpu="1"))[0] == set()


def test_a_changed_field_is_an_update_of_its_path(stage: Stage) -> None:
    _, inputs, _ = stage.create(DEPLOYMENT, deployment())
    assert changed(stage, DEPLOYMENT, inputs, deployment(image="nginx:2")) == (
        {"spec.template.spec.containers[0].image"},
        set(),
        False,
    )


def test_an_update_is_applied_and_awaited(stage: Stage) -> None:
    _, inputs, state = stage.create(DEPLOYMENT, deployment())
    new = stage.checked(DEPLOYMENT, deployment(replicas=3), old=inputs)
    updated = stage.resources.update(DEPLOYMENT, state, new, seconds=30, preview=False)
    assert updated["status"]["availableReplicas"] == 3


def test_a_field_that_leaves_the_program_leaves_the_object(stage: Stage) -> None:
    _, inputs, state = stage.create(DEPLOYMENT, deployment())
    new = deployment()
    del new["spec"]["template"]["spec"]["containers"][0]["env"]
    assert "spec.template.spec.containers[0].env" in changed(stage, DEPLOYMENT, inputs, new)[0]
    updated = stage.resources.update(
        DEPLOYMENT, state, stage.checked(DEPLOYMENT, new, inputs), seconds=30, preview=False
    )
    assert "env" not in updated["spec"]["template"]["spec"]["containers"][0]


def test_an_immutable_field_replaces_the_object_old_one_first(stage: Stage) -> None:
    _, inputs, _ = stage.create(DEPLOYMENT, deployment())
    new = deployment()
    new["spec"]["selector"]["matchLabels"]["tier"] = "front"
    new["spec"]["template"]["metadata"]["labels"]["tier"] = "front"
    paths, replaces, delete_first = changed(stage, DEPLOYMENT, inputs, new)
    assert paths == {"spec.selector.matchLabels.tier", "spec.template.metadata.labels.tier"}
    assert replaces == {"spec.selector.matchLabels.tier"}
    assert delete_first


def test_what_the_server_calls_immutable_replaces_without_a_rule_of_ours(stage: Stage) -> None:
    urn = urn_of("kubernetes:core/v1:PersistentVolumeClaim")
    claim = {
        "metadata": {"name": "weights"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}},
    }
    _, inputs, _ = stage.create(urn, claim)
    smaller = {**claim, "spec": {**claim["spec"], "resources": {"requests": {"storage": "1Gi"}}}}  # type: ignore[dict-item]
    assert changed(stage, urn, inputs, smaller)[1] == {"spec.resources.requests.storage"}


def test_a_new_name_replaces_and_the_old_object_may_stay_meanwhile(stage: Stage) -> None:
    _, inputs, _ = stage.create(SERVICE, service())
    new = {**service(), "metadata": {"name": "other"}}
    assert changed(stage, SERVICE, inputs, new) == ({"metadata.name"}, {"metadata.name"}, False)


def test_changed_data_of_a_config_map_replaces_unless_configured_otherwise(stage: Stage) -> None:
    _, inputs, _ = stage.create(CONFIG_MAP, config_map())
    assert changed(stage, CONFIG_MAP, inputs, config_map(colour="red"))[1:] == ({"data.colour"}, True)
    stage.restart(Settings(mutable_config_map=True))
    assert changed(stage, CONFIG_MAP, inputs, config_map(colour="red"))[1:] == (set(), False)


def test_an_autonamed_object_is_replaced_beside_the_old_one(stage: Stage) -> None:
    _, inputs, _ = stage.create(CONFIG_MAP, config_map(name=None))
    assert changed(stage, CONFIG_MAP, inputs, config_map(name=None, colour="red"))[1:] == ({"data.colour"}, False)


def test_an_object_deleted_behind_our_back_is_made_again(stage: Stage) -> None:
    _, inputs, state = stage.create(SERVICE, service())
    stage.api.request("DELETE", f"/api/v1/namespaces/{stage.namespace}/services/web")
    assert changed(stage, SERVICE, inputs, service(port=81)) == ({"spec.ports[0].port"}, set(), False)
    stage.resources.update(SERVICE, state, stage.checked(SERVICE, service(port=81), inputs), seconds=5, preview=False)
    assert stage.api.get(f"/api/v1/namespaces/{stage.namespace}/services/web")["spec"]["ports"][0]["port"] == 81


def test_a_field_somebody_else_took_is_a_conflict_that_names_them(stage: Stage) -> None:
    _, inputs, state = stage.create(DEPLOYMENT, deployment())
    path = f"/apis/apps/v1/namespaces/{stage.namespace}/deployments/web"
    stage.edit(path, {"spec": {"replicas": 2}})
    new = stage.checked(DEPLOYMENT, deployment(replicas=3), old=inputs)
    with pytest.raises(PluginError, match=r'(?s)\.?spec\.replicas: conflict with "kubectl-edit".*patchForce'):
        stage.resources.update(DEPLOYMENT, state, new, seconds=5, preview=False)
    forced = deployment(replicas=3)
    forced["metadata"]["annotations"] = {"pulumi.com/patchForce": "true"}
    new = stage.checked(DEPLOYMENT, forced, old=inputs)
    assert stage.resources.update(DEPLOYMENT, state, new, seconds=30, preview=False)["spec"]["replicas"] == 3


def test_a_resource_renamed_with_an_alias_still_owns_its_fields(stage: Stage) -> None:
    _, inputs, state = stage.create(DEPLOYMENT, deployment())
    renamed = urn_of("kubernetes:apps/v1:Deployment", "renamed")
    smaller = deployment(replicas=2)
    del smaller["spec"]["template"]["spec"]["containers"][0]["env"]
    new = stage.checked(renamed, smaller, inputs)
    assert stage.resources.diff(renamed, inputs, new, state).changes
    updated = revealed(stage.resources.update(renamed, state, new, seconds=30, preview=False))
    assert updated["spec"]["replicas"] == 2
    assert "env" not in updated["spec"]["template"]["spec"]["containers"][0]
    found = stage.read(renamed, f"{stage.namespace}/web", updated, new)
    assert found is not None
    assert found[0]["__fieldManager"] == state["__fieldManager"]


def test_a_name_that_the_engine_has_written_down_is_not_taken_over(stage: Stage) -> None:
    """A forced replacement comes without old inputs: applied over its predecessor, it would be deleted with it."""
    resource_id, inputs, _ = stage.create(SERVICE, service())
    cluster = Cluster(stage.api, stage.namespace)
    recorded = {("kubernetes:core/v1:Service", resource_id)}
    after = Resources(lambda: cluster, Settings(upsert=True), lambda *_: None, stage.cancelled, lambda _: recorded)
    with pytest.raises(PluginError, match="delete_before_replace=True"):
        after.create(SERVICE, inputs, seconds=5, preview=False)


def test_string_data_reaches_the_server_and_a_change_of_it_is_seen(stage: Stage) -> None:
    stage.restart(Settings(mutable_secret=True))
    _, inputs, state = stage.create(SECRET, secret())
    assert state["data"] == {"key": "czNjcmV0"}
    assert changed(stage, SECRET, inputs, secret("other"))[:2] == ({"stringData.key"}, set())
