"""Tokens, ids and names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.kubernetes_provider import manifests
from sandbox.plugin import Secret

URN = "urn:pulumi:dev::tests::kubernetes:core/v1:ConfigMap::settings"


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("kubernetes:core/v1:Namespace", ("v1", "Namespace")),
        ("kubernetes:apps/v1:Deployment", ("apps/v1", "Deployment")),
        (
            "kubernetes:leaderworkerset.x-k8s.io/v1:LeaderWorkerSet",
            ("leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet"),
        ),
    ],
)
def test_reads_kinds_from_type_tokens(token: str, expected: tuple[str, str]) -> None:
    assert manifests.parse_token(token) == expected
    assert manifests.unsupported_reason(token) is None


@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:helm.sh/v3:Release",
        "kubernetes:helm.sh/v4:Chart",
        "kubernetes:yaml/v2:ConfigFile",
        "kubernetes:yaml:decode",
        "kubernetes:kustomize/v2:Directory",
        "kubernetes:core/v1:PodList",
        "kubernetes:apps/v1:DeploymentPatch",
        "kubernetes:rbac.authorization.k8s.io/v1:RolePatch",
    ],
)
def test_says_what_it_does_not_serve_and_names_the_official_plugin(token: str) -> None:
    assert "pulumi plugin install resource kubernetes" in (manifests.unsupported_reason(token) or "")


def test_a_custom_kind_may_end_in_patch_or_list() -> None:
    assert manifests.unsupported_reason("kubernetes:example.com/v1:AllowList") is None


@given(st.text(min_size=1).filter(lambda text: "/" not in text), st.text().filter(lambda text: "/" not in text))
def test_ids_are_read_back(name: str, namespace: str) -> None:
    assert manifests.parse_id(manifests.format_id(namespace or None, name)) == (namespace or None, name)


@given(st.text("abc-", min_size=1, max_size=100), st.integers(0, 5))
def test_made_names_fit_and_are_the_same_each_time(prefix: str, generation: int) -> None:
    name = manifests.auto_name(prefix, URN, generation)
    assert len(name) <= 63
    assert name == manifests.auto_name(prefix, URN, generation)


@given(st.integers(0, 20))
def test_a_successor_has_another_name_than_every_predecessor(generations: int) -> None:
    names = [manifests.auto_name("x", URN)]
    for _ in range(generations):
        names.append(manifests.next_auto_name("x", URN, names[-1]))
    assert len(set(names)) == len(names)


def test_the_successor_of_a_name_we_did_not_make_is_the_first_of_ours() -> None:
    assert manifests.next_auto_name("x", URN, "by-hand") == manifests.auto_name("x", URN)


def test_two_stacks_make_different_names_and_managers() -> None:
    other = URN.replace("dev", "prod")
    assert manifests.auto_name("x", URN) != manifests.auto_name("x", other)
    assert manifests.field_manager(URN, {}) != manifests.field_manager(other, {})


def test_the_field_manager_can_be_chosen() -> None:
    inputs = {"metadata": {"annotations": {"pulumi.com/patchFieldManager": "me"}}}
    assert manifests.field_manager(URN, inputs) == "me"


def test_a_renamed_resource_keeps_the_manager_that_owns_its_fields() -> None:
    state = manifests.outputs({"kind": "ConfigMap"}, manifests.field_manager(URN, {}))
    assert manifests.field_manager(f"{URN}-renamed", {}, state) == manifests.field_manager(URN, {})


def test_a_name_that_is_taken_is_not_made_again() -> None:
    first = manifests.free_auto_name("x", URN, ())
    assert first == manifests.auto_name("x", URN)
    assert manifests.free_auto_name("x", URN, {first}) == manifests.next_auto_name("x", URN, first)


def test_the_body_has_neither_nulls_nor_status_nor_pulumis_keys() -> None:
    inputs = {"spec": {"a": None, "b": [{"c": None, "d": 1}]}, "status": {}, "__fieldManager": "x"}
    assert manifests.body(inputs) == {"spec": {"b": [{"d": 1}]}}


def test_the_data_of_a_secret_are_marked_in_state() -> None:
    state = manifests.outputs({"kind": "Secret", "metadata": {}, "data": {"a": "MQ=="}}, "me")
    assert isinstance(state["data"], Secret)


def test_the_data_of_a_config_map_are_not() -> None:
    state = manifests.outputs({"kind": "ConfigMap", "metadata": {"managedFields": []}, "data": {}}, "me")
    assert (state["data"], state["metadata"]) == ({}, {})
