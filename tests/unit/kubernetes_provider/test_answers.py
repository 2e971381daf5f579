"""What the server's answers mean: immutable fields, readiness, conflicts, and the provider's settings."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.kubernetes_provider.client import ApiError
from sandbox.kubernetes_provider.failures import plugin_error
from sandbox.kubernetes_provider.immutability import identity_paths, known_immutable, refused_paths
from sandbox.kubernetes_provider.paths import Change, Path
from sandbox.kubernetes_provider.readiness import assess
from sandbox.kubernetes_provider.settings import Settings, read_settings
from sandbox.plugin import UNKNOWN, PluginError

IMAGE: Path = ("spec", "template", "spec", "containers", 0, "image")
REPLICAS: Path = ("spec", "replicas")


def refusal(*causes: tuple[str, str], status: int = 422, reason: str = "FieldValueInvalid") -> ApiError:
    details = [{"field": field, "message": message, "reason": reason} for field, message in causes]
    return ApiError(status, {"reason": "Invalid", "message": "no", "details": {"causes": details}})


def changes(*paths: Path) -> dict[Path, Change]:
    return dict.fromkeys(paths, Change.UPDATE)


@pytest.mark.parametrize(
    "message",
    [
        "Invalid value: {}: field is immutable",
        "Forbidden: spec is immutable after creation except resources.requests",
        "Forbidden: updates to statefulset spec for fields other than 'replicas' are forbidden",
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`",
        'Invalid value: ["10.96.0.1"]: may not change once set',
        "Invalid value: {}: cannot change roleRef",
        "Forbidden: updates to provisioner are forbidden.",
    ],
)
def test_every_wording_of_immutable_means_replace(message: str) -> None:
    assert refused_paths(refusal(("spec", message)), [IMAGE]) == {IMAGE}


def test_a_refusal_for_another_reason_replaces_nothing() -> None:
    assert refused_paths(refusal(("spec.replicas", "must be greater than 0")), [REPLICAS]) == set()
    mixed = refusal(("spec.selector", "field is immutable"), ("spec.replicas", "must be greater than 0"))
    assert refused_paths(mixed, [REPLICAS]) == set()
    unset = refusal(("spec.clusterIPs", "Invalid value: may not be set when `spec.type` is ExternalName"))
    assert refused_paths(unset, [REPLICAS]) == set()
    assert refused_paths(refusal(("spec", "field is immutable"), status=409), [REPLICAS]) == set()


def test_only_the_changes_under_the_refused_field_replace() -> None:
    error = refusal(("spec.template", "field is immutable"))
    assert refused_paths(error, [IMAGE, REPLICAS]) == {IMAGE}
    assert refused_paths(error, [REPLICAS]) == {("spec", "template")}


def test_rules_without_a_server() -> None:
    selector: Path = ("spec", "selector", "matchLabels", "app")
    found = known_immutable("apps/v1", "Deployment", changes(selector, REPLICAS), mutable_data={})
    assert found == {selector}
    data = changes(("data", "a"))
    assert known_immutable("v1", "ConfigMap", data, mutable_data={}) == set(data)
    assert known_immutable("v1", "ConfigMap", data, mutable_data={"ConfigMap": True}) == set()
    assert known_immutable("example.com/v1", "ConfigMap", data, mutable_data={}) == set()


def test_another_name_is_another_object() -> None:
    assert identity_paths(changes(("metadata", "name"), ("metadata", "labels", "name"))) == {("metadata", "name")}


def workload(kind: str, spec: dict[str, Any], status: dict[str, Any], *, group: str = "apps/v1") -> dict[str, Any]:
    return {
        "apiVersion": group,
        "kind": kind,
        "metadata": {"generation": 2},
        "spec": spec,
        "status": {"observedGeneration": 2, **status},
    }


def condition(name: str, status: str, message: str = "because") -> dict[str, Any]:
    return {"conditions": [{"type": name, "status": status, "reason": "Reason", "message": message}]}


@pytest.mark.parametrize(
    ("live", "ready", "failed"),
    [
        (workload("Deployment", {"replicas": 2}, {"updatedReplicas": 2, "availableReplicas": 2, "replicas": 2}), 1, 0),
        (workload("Deployment", {"replicas": 2}, {"updatedReplicas": 2, "availableReplicas": 2, "replicas": 3}), 0, 0),
        (workload("Deployment", {"replicas": 0}, {}), 1, 0),
        (workload("Deployment", {}, {"observedGeneration": 1}), 0, 0),
        (workload("Deployment", {}, condition("Progressing", "False")), 0, 1),
        (workload("Deployment", {}, condition("ReplicaFailure", "True", "exceeded quota")), 0, 1),
        (workload("Deployment", {}, condition("ReplicaFailure", "True", "error looking up service account")), 0, 0),
        (workload("StatefulSet", {"replicas": 1}, {"readyReplicas": 1}), 1, 0),
        (workload("StatefulSet", {"replicas": 1}, {"readyReplicas": 1, "updateRevision": "b"}), 0, 0),
        (
            workload(
                "StatefulSet",
                {"replicas": 1, "updateStrategy": {"type": "OnDelete"}},
                {"readyReplicas": 1, "updateRevision": "b"},
            ),
            1,
            0,
        ),
        (workload("DaemonSet", {}, {"desiredNumberScheduled": 2, "numberReady": 1}), 0, 0),
        (workload("ReplicaSet", {"replicas": 1}, {"availableReplicas": 1}), 1, 0),
        (workload("Job", {}, condition("Complete", "True"), group="batch/v1"), 1, 0),
        (workload("Job", {}, condition("Suspended", "True"), group="batch/v1"), 1, 0),
        (workload("Job", {}, condition("Failed", "True"), group="batch/v1"), 0, 1),
        (workload("Pod", {}, {"phase": "Succeeded"}, group="v1"), 1, 0),
        (workload("Pod", {}, {"phase": "Failed"}, group="v1"), 0, 1),
        (workload("Pod", {}, condition("Ready", "True"), group="v1"), 1, 0),
        (workload("Pod", {}, {}, group="v1"), 0, 0),
        (workload("ResourceQuota", {"hard": {"pods": "1"}}, {}, group="v1"), 0, 0),
        (workload("ResourceQuota", {"hard": {"pods": "1"}}, {"hard": {"pods": "1"}}, group="v1"), 1, 0),
        (
            workload(
                "CustomResourceDefinition", {}, condition("NamesAccepted", "False"), group="apiextensions.k8s.io/v1"
            ),
            0,
            1,
        ),
        (workload("ConfigMap", {}, {}, group="v1"), 1, 0),
        (workload("Deployment", {}, {}, group="example.com/v1"), 1, 0),
    ],
)
def test_readiness(live: dict[str, Any], ready: int, failed: int) -> None:
    found = assess(live)
    assert (found.ready, found.failed) == (bool(ready), bool(failed))
    assert found.ready or found.message


def test_a_refusal_shows_each_field_the_reason_and_the_urn() -> None:
    error = refusal(("spec.ports[0].port", "must be between 1 and 65535"), ("metadata.labels[a/b]", "bad"))
    text = str(plugin_error(error, "create space/web (v1 Service)", "urn:x"))
    assert text.splitlines() == [
        "create space/web (v1 Service): no (Invalid, HTTP 422)",
        "  spec.ports[0].port: must be between 1 and 65535",
        '  metadata.labels["a/b"]: bad',
        "  urn: urn:x",
    ]


def test_a_conflict_names_the_other_manager_and_the_way_out() -> None:
    message = 'conflict with "kubectl-edit" using apps/v1'
    field = '.spec.template.spec.containers[name="web"].image'
    text = str(plugin_error(refusal((field, message), status=409, reason="FieldManagerConflict"), "update x", "urn:x"))
    assert f"  {field.lstrip('.')}: {message}" in text
    assert "take the fields from kubectl-edit" in text


def test_settings_come_from_arguments_before_the_environment() -> None:
    environment = {"PULUMI_K8S_ENABLE_PATCH_FORCE": "true", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS": "true"}
    found = read_settings({"enablePatchForce": "false", "namespace": "space", "kubeconfig": ""}, environment)
    assert found == Settings(namespace="space", upsert=True)


def test_a_kubeconfig_that_is_not_known_yet_is_marked() -> None:
    assert not read_settings({"kubeconfig": UNKNOWN}, {}).is_known


@pytest.mark.parametrize("name", ["cluster", "renderYamlToDirectory", "helmReleaseSettings"])
def test_an_option_it_lacks_is_refused(name: str) -> None:
    with pytest.raises(PluginError, match=name):
        read_settings({name: "x"}, {})
