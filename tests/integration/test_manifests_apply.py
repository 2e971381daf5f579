"""Rendered manifests on a real API server and scheduler: accepted as they are, kept as they are, placed as meant."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from infra.errors import ToolError
from infra.serving import render_checked, serving_spec
from k8s.manifest import Manifest
from k8s.spec import ServingSpec
from sandbox import kube
from sandbox.kubernetes_provider.client import APPLY_PATCH, Api, ApiError
from sandbox.kubernetes_provider.kubeconfig import load_connection
from sandbox.paths import SandboxHome
from tests.serving_factories import VARIANTS, make_spec, make_variant

WAIT_SECONDS = 180


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = SandboxHome(tmp_path_factory.mktemp("sandbox"))
    try:
        kubeconfig = kube.start(home)
    except ToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Kubernetes API server here: {error}")
    try:
        with contextlib.closing(Api(load_connection(str(kubeconfig)))) as client:
            yield client
    finally:
        kube.stop(home)


@pytest.mark.parametrize("model", VARIANTS)
def test_a_strict_server_accepts_every_object_and_rewrites_no_value(api: Api, model: str) -> None:
    spec = replace(spec_of(model, f"dry-{VARIANTS[model][0].lower()}"), api_key_secret="model-key")
    namespace, *others = render_checked(spec).manifests
    assert lost(namespace.body, apply(api, namespace)) == []  # a dry run inside it needs it to exist
    for manifest in others:
        assert lost(manifest.body, apply(api, manifest, dry_run=True)) == [], manifest.identity


def test_a_second_apply_changes_nothing(api: Api) -> None:
    manifests = render_checked(make_spec(namespace="twice", replicas=2)).manifests
    first = [apply(api, manifest)["metadata"] for manifest in manifests]
    second = [apply(api, manifest)["metadata"] for manifest in manifests]
    assert [item.get("generation") for item in first] == [item.get("generation") for item in second]


def test_a_misspelt_field_is_refused_by_the_strictness_used_here(api: Api) -> None:
    namespace, *_, service = render_checked(make_spec(namespace="strict")).manifests
    apply(api, namespace)
    with pytest.raises(ApiError, match="selektor"):
        apply(api, Manifest({**service.body, "spec": {**service.body["spec"], "selektor": {}}}), dry_run=True)


def test_the_restart_account_may_restart_its_server_and_nothing_else(api: Api) -> None:
    for manifest in render_checked(make_spec(namespace="rights")).manifests:
        apply(api, manifest)
    assert may(api, "patch", "deployments", "model-server")
    assert not may(api, "patch", "deployments", "another")
    assert not may(api, "delete", "deployments", "model-server")
    assert not may(api, "list", "secrets", "")


def test_the_server_runs_where_the_gpus_are_as_planned(api: Api) -> None:
    for manifest in render_checked(spec_of("7B", "placed")).manifests:
        apply(api, manifest)
    pod = wait_for_pod(api, "placed", lambda found: found["spec"].get("nodeName"))
    labels = api.get(f"/api/v1/nodes/{pod['spec']['nodeName']}")["metadata"]["labels"]
    assert int(labels["nvidia.com/gpu.memory"]) >= 22_731
    assert pod["spec"]["priority"] > 0


def test_the_server_waits_rather_than_run_on_gpus_that_are_too_small(api: Api) -> None:
    for manifest in render_checked(spec_of("32B", "waiting")).manifests:
        apply(api, manifest)
    pod = wait_for_pod(api, "waiting", lambda found: found["status"].get("conditions"))
    (condition,) = (item for item in pod["status"]["conditions"] if item["type"] == "PodScheduled")
    assert condition["reason"] == "Unschedulable"
    assert "affinity" in condition["message"]


def spec_of(model: str, namespace: str) -> ServingSpec:
    return replace(serving_spec(*make_variant(model)), namespace=namespace)


def apply(api: Api, manifest: Manifest, *, dry_run: bool = False) -> dict[str, Any]:
    query = {"fieldManager": "test", "fieldValidation": "Strict", **({"dryRun": "All"} if dry_run else {})}
    return api.request("PATCH", path_of(api, manifest), query=query, body=manifest.body, content_type=APPLY_PATCH)


def path_of(api: Api, manifest: Manifest) -> str:
    root = f"/{'apis' if '/' in manifest.api_version else 'api'}/{manifest.api_version}"
    resources = [item for item in api.get(root)["resources"] if "/" not in item["name"]]
    (resource,) = (item for item in resources if item["kind"] == manifest.kind)
    namespace = f"/namespaces/{manifest.namespace}" if resource["namespaced"] else ""
    return f"{root}{namespace}/{resource['name']}/{manifest.name}"


def lost(sent: Any, kept: Any, path: str = "") -> list[str]:
    """What the server dropped or wrote differently: each would be a difference in every later preview."""
    if isinstance(sent, dict) and isinstance(kept, dict):
        return [line for key, value in sent.items() for line in lost(value, kept.get(key), f"{path}.{key}")]
    if isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        pairs = enumerate(zip(sent, kept, strict=True))
        return [line for position, pair in pairs for line in lost(*pair, f"{path}[{position}]")]
    return [] if sent == kept else [f"{path}: sent {sent!r}, kept {kept!r}"]


def may(api: Api, verb: str, resource: str, name: str) -> bool:
    """Whether RBAC lets the restart account do it, as the API server itself decides."""
    attributes = {
        "namespace": "rights", "verb": verb, "resource": resource, "name": name,
        "group": "apps" if resource == "deployments" else "",
    }  # fmt: skip
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "system:serviceaccount:rights:model-server-restart", "resourceAttributes": attributes},
    }
    answer = api.request("POST", "/apis/authorization.k8s.io/v1/subjectaccessreviews", body=review)
    return bool(answer["status"]["allowed"])


def wait_for_pod(api: Api, namespace: str, condition: Any) -> dict[str, Any]:
    """The server's first pod once `condition` holds; the last state seen is in the failure."""
    deadline = time.monotonic() + WAIT_SECONDS
    found: list[dict[str, Any]] = []
    while time.monotonic() < deadline:
        found = api.get(f"/api/v1/namespaces/{namespace}/pods")["items"]
        if found and condition(found[0]):
            return found[0]
        time.sleep(0.2)
    pytest.fail(f"no such pod in {namespace} after {WAIT_SECONDS} s: {found}")
