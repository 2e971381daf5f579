"""Manifests as Pulumi resources: the very objects of the YAML, typed, ordered, under names that are roles."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
import yaml

from infra.components.manifests import Manifests, ManifestsArgs
from infra.errors import ConfigurationErrors
from infra.serving import render_checked
from infra.targets import kubernetes as target
from k8s.manifest import Manifest
from tests.serving_factories import VARIANTS, make_spec, make_variant
from tests.support import Recording, record

both_modes = pytest.mark.parametrize("preview", [False, True], ids=["update", "preview"])
COMPONENT = "seekstack:kubernetes:Manifests"


def declare(*manifests: Manifest) -> Recording:
    return record(lambda: Manifests("serving", ManifestsArgs(manifests, 900)) and None)


def custom_object(**fields: object) -> Manifest:
    body = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": {"name": "x"}}
    return Manifest({**body, **fields})


def deploy(model: str, *, preview: bool = False) -> Recording:
    return record(lambda: target.deploy(*make_variant(model)).exports(), preview=preview)


@both_modes
@pytest.mark.parametrize("model", VARIANTS)
def test_gives_pulumi_the_same_objects_as_the_files(model: str, preview: bool) -> None:
    settings, plan = make_variant(model)
    files = render_checked(target.serving_spec(settings, plan)).files
    rendered = [document for file in files for document in yaml.safe_load_all(file.text)]
    registered = [item.inputs for item in deploy(model, preview=preview).registrations if "metadata" in item.inputs]
    assert sorted(map(repr, map(sort_keys, registered))) == sorted(map(repr, map(sort_keys, rendered)))


def test_previews_exactly_the_resources_that_an_update_creates() -> None:
    assert deploy("7B", preview=True).urns == deploy("7B").urns


def test_keeps_every_resource_when_the_model_changes() -> None:
    assert deploy("1.5B").urns == deploy("32B").urns


@both_modes
def test_types_every_object_and_hands_all_to_the_one_provider(preview: bool) -> None:
    found = deploy("1.5B", preview=preview)
    objects = [item for item in found.registrations if item.type.startswith("kubernetes:")]
    assert {item.type for item in objects} == {
        "kubernetes:core/v1:Namespace",
        "kubernetes:scheduling.k8s.io/v1:PriorityClass",
        "kubernetes:core/v1:ServiceAccount",
        "kubernetes:rbac.authorization.k8s.io/v1:Role",
        "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "kubernetes:core/v1:Service",
        "kubernetes:policy/v1:PodDisruptionBudget",
        "kubernetes:apps/v1:Deployment",
        "kubernetes:batch/v1:CronJob",
    }
    provider = found.one("pulumi:providers:kubernetes")
    assert {item.provider.rpartition("::")[0] for item in objects} == {provider.urn}
    assert {item.parent for item in objects} == {found.one(COMPONENT).urn}


def test_names_resources_by_role() -> None:
    assert sorted(item.name for item in deploy("1.5B").registrations if item.name.startswith("serving-")) == [
        "serving-isolation-network-policy",
        "serving-restart-cron-job",
        "serving-restart-network-policy",
        "serving-restart-role",
        "serving-restart-role-binding",
        "serving-restart-service-account",
        "serving-server-deployment",
        "serving-server-namespace",
        "serving-server-network-policy",
        "serving-server-pod-disruption-budget",
        "serving-server-priority-class",
        "serving-server-service",
        "serving-server-service-account",
    ]


def test_creates_the_namespace_first_and_the_server_only_behind_its_policies() -> None:
    found = deploy("1.5B")
    namespace = found.one("kubernetes:core/v1:Namespace")
    assert not [urn for urn in namespace.dependencies if "kubernetes:" in urn]
    for item in found.registrations:
        if item.inputs.get("metadata", {}).get("namespace"):
            assert namespace.urn in item.dependencies, item.name
    deployment = found.one("kubernetes:apps/v1:Deployment")
    assert {policy.urn for policy in found.of_type("kubernetes:networking.k8s.io/v1:NetworkPolicy")} <= (
        deployment.dependencies
    )


def test_lets_the_service_not_wait_for_the_server_nor_the_server_for_the_service() -> None:
    found = deploy("1.5B")
    service, server = found.one("kubernetes:core/v1:Service"), found.one("kubernetes:apps/v1:Deployment")
    assert server.urn not in service.dependencies
    assert service.urn not in server.dependencies


def test_waits_for_the_server_as_long_as_loading_may_take() -> None:
    _, plan = make_variant("32B")
    timeout = deploy("32B").one("kubernetes:apps/v1:Deployment").create_timeout
    assert int(timeout.removesuffix("s")) > plan.startup_budget_seconds


@both_modes
def test_knows_the_endpoint_before_the_cluster_is_asked(preview: bool) -> None:
    outputs = deploy("7B", preview=preview).result
    assert outputs["endpoint"] == "http://model-server.seekstack.svc:8000/v1"
    assert outputs["model"] == "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B"
    assert outputs["plan"]["gpus"] == 1
    assert "monthlyCostUsd" not in outputs


def test_registers_nothing_where_a_rule_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.serving.check", lambda *_: (make_violation(),))
    found: list[BaseException] = []

    def program() -> None:
        with pytest.raises(ConfigurationErrors) as refused:
            target.deploy(*make_variant("7B"))
        found.append(refused.value)

    assert record(program).registrations == []
    assert found


def test_registers_an_object_of_a_custom_kind_as_custom_resource() -> None:
    (_, found) = declare(custom_object(spec={"replicas": 2})).registrations
    assert (found.type, found.name) == (
        "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet", "serving-leader-worker-set",
    )  # fmt: skip
    assert found.inputs["spec"] == {"replicas": 2}


@pytest.mark.parametrize("api_version", ["gateway.networking.k8s.io/v1", "monitoring.coreos.com/v1"])
def test_does_not_take_a_custom_group_for_a_built_in_one(api_version: str) -> None:
    (_, found) = declare(custom_object(apiVersion=api_version, kind="Service")).registrations
    assert found.type == f"kubernetes:{api_version}:Service"


def test_refuses_a_custom_object_whose_content_the_sdk_would_lose() -> None:
    def program() -> None:
        with pytest.raises(pulumi.InputPropertyError, match="LeaderWorkerSet/x: data would be lost"):
            Manifests("serving", ManifestsArgs([custom_object(data={"a": 1})], 900))

    record(program)


def test_uses_the_sdks_own_class_for_built_in_kinds() -> None:
    def program() -> None:
        found = Manifests("serving", ManifestsArgs(render_checked(make_spec()).manifests, 900))
        assert isinstance(found.resources["Deployment/deepseek/model-server"], kubernetes.apps.v1.Deployment)

    record(program)


def make_violation() -> object:
    from k8s.violation import Violation

    return Violation("SKS0532", "Service/a/b", "spec.type", "is open", "close it")


def sort_keys(value: object) -> object:
    if isinstance(value, dict):
        return {key: sort_keys(value[key]) for key in sorted(value)}
    return [sort_keys(item) for item in value] if isinstance(value, list) else value
