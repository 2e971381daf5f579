"""Manifests: identity, order, and text that is none."""

from __future__ import annotations

import random

import pytest

from k8s.manifest import Manifest, ManifestError, kebab_case, load, ordered, stage
from tests.serving_factories import make_manifests, make_spec


def test_identifies_an_object_by_kind_namespace_and_name() -> None:
    (manifest,) = load("{apiVersion: v1, kind: Service, metadata: {namespace: a, name: b}}")
    assert (manifest.identity, manifest.api_version) == ("Service/a/b", "v1")


def test_identifies_a_cluster_wide_object_without_namespace() -> None:
    (manifest,) = load("{apiVersion: v1, kind: Namespace, metadata: {name: b}}")
    assert manifest.identity == "Namespace/b"


def test_names_a_role_that_does_not_depend_on_the_objects_name() -> None:
    spec = make_spec(name="other", namespace="elsewhere")
    assert {manifest.role for manifest in make_manifests(spec)} == {m.role for m in make_manifests(make_spec())}


def test_gives_every_object_a_role_of_its_own() -> None:
    roles = [manifest.role for manifest in make_manifests(make_spec())]
    assert sorted(set(roles)) == sorted(roles)
    assert {"server-deployment", "restart-cron-job", "isolation-network-policy"} <= set(roles)


def test_puts_namespace_then_isolation_and_identity_then_workloads() -> None:
    kinds = [manifest.kind for manifest in make_manifests(make_spec())]
    assert set(kinds[:2]) == {"Namespace", "PriorityClass"}
    assert kinds.index("NetworkPolicy") < kinds.index("Deployment")
    assert kinds.index("RoleBinding") < kinds.index("CronJob")


def test_orders_the_same_whatever_order_comes_in() -> None:
    manifests = list(make_manifests(make_spec()))
    shuffled = random.sample(manifests, len(manifests))
    assert list(ordered(shuffled)) == manifests


def test_lets_a_service_and_its_deployment_come_up_together() -> None:
    def of(kind: str) -> Manifest:
        return Manifest({"apiVersion": "v1", "kind": kind, "metadata": {"name": "x"}})

    assert stage(of("Service")) == stage(of("Deployment")) == stage(of("SomethingOfACrd"))


@pytest.mark.parametrize(
    ("kind", "kebab"),
    [("CronJob", "cron-job"), ("PodDisruptionBudget", "pod-disruption-budget"), ("APIService", "api-service")],
)
def test_writes_kinds_in_kebab_case(kind: str, kebab: str) -> None:
    assert kebab_case(kind) == kebab


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: x-svc'\n b: [", "not YAML"),
        ("- a list", "document 1 is not a mapping"),
        (
            "{apiVersion: v1, kind: Service, metadata: {name: x}}\n---\n{kind: Service}",
            "document 2 has no text at apiV",
        ),
        ("{apiVersion: v1, kind: Service, metadata: {name: no}}", "has no text at metadata.name"),
        ("{apiVersion: v1, kind: Service, metadata: text}", "has no text at metadata.name"),
    ],
)
def test_refuses_text_that_is_no_object_and_names_the_file(text: str, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem) as refused:
        load(text, "06-deployment.yaml")
    assert refused.value.source == "06-deployment.yaml"


def test_skips_empty_documents() -> None:
    assert load("---\n---\n# nothing\n") == ()
