"""Invariants: the shipped manifests hold all of them, and each breach is reported with its place and its mend."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from k8s.checks import check
from k8s.manifest import Manifest
from k8s.violation import Violation
from tests.serving_factories import make_manifests, make_spec

Edit = Callable[[dict[str, Any]], object]
DEPLOYMENT = "Deployment/deepseek/model-server"
CRON_JOB = "CronJob/deepseek/model-server-restart"
SERVICE = "Service/deepseek/model-server"
POLICY = "NetworkPolicy/deepseek/model-server"
CONTAINER = "spec.template.spec.containers[0]"
JOB_CONTAINER = "spec.jobTemplate.spec.template.spec.containers[0]"

POD = "spec>template>spec>"
ENGINE = f"{POD}containers>0>"
KUBECTL = "spec>jobTemplate>spec>template>spec>containers>0>"
PEERS = "spec>ingress>0>from"
"""Where edits go, with `>` between steps because label names have dots."""


def put(path: str, value: object) -> Edit:
    """Set the value at a dotted path, `0` counting as a list position."""

    def edit(body: dict[str, Any]) -> None:
        parent, key = step_to(body, path)
        parent[key] = value

    return edit


def drop(path: str) -> Edit:
    """Remove what stands at a dotted path."""

    def edit(body: dict[str, Any]) -> None:
        parent, key = step_to(body, path)
        del parent[key]

    return edit


def step_to(body: Any, path: str) -> tuple[Any, str]:
    *steps, last = path.split(">")
    for step in steps:
        body = body[int(step)] if step.isdigit() else body[step]
    return body, last


def violations(identity: str, edit: Edit) -> tuple[Violation, ...]:
    """What `check` says after `edit` changed the one object of `identity`."""
    bodies = [deepcopy(dict(manifest.body)) for manifest in make_manifests(make_spec())]
    (body,) = (body for body in bodies if Manifest(body).identity == identity)
    edit(body)
    return check([Manifest(body, "file.yaml") for body in bodies], make_spec())


def test_finds_nothing_wrong_with_the_shipped_templates() -> None:
    for spec in (
        make_spec(),
        make_spec(restart_schedule=None),
        make_spec(api_key_secret="k", gpu_memory_mib=9, gpus=2),
    ):
        assert check(make_manifests(spec), spec) == ()


@pytest.mark.parametrize(
    ("code", "identity", "path", "edit"),
    [
        ("SKS0511", DEPLOYMENT, f"{CONTAINER}.resources.limits", put(f"{ENGINE}resources>limits>nvidia.com/gpu", "2")),
        ("SKS0511", DEPLOYMENT, f"{CONTAINER}.resources.requests", drop(f"{ENGINE}resources>requests>nvidia.com/gpu")),
        (
            "SKS0511",
            CRON_JOB,
            f"{JOB_CONTAINER}.resources.limits",
            put(f"{KUBECTL}resources>limits>nvidia.com/gpu", "1"),
        ),
        ("SKS0512", DEPLOYMENT, f"{CONTAINER}.resources.limits.memory", put(f"{ENGINE}resources>limits>memory", "9Gi")),
        (
            "SKS0512",
            DEPLOYMENT,
            f"{CONTAINER}.resources.limits.memory",
            put(f"{ENGINE}resources>limits>memory", "much"),
        ),
        ("SKS0513", DEPLOYMENT, f"{CONTAINER}.resources", put(f"{ENGINE}resources>requests>cpu", "1")),
        ("SKS0513", DEPLOYMENT, f"{CONTAINER}.resources", drop(f"{ENGINE}resources")),
        ("SKS0514", DEPLOYMENT, f"{CONTAINER}.livenessProbe", drop(f"{ENGINE}livenessProbe")),
        ("SKS0514", DEPLOYMENT, f"{CONTAINER}.readinessProbe", drop(f"{ENGINE}readinessProbe")),
        ("SKS0514", DEPLOYMENT, f"{CONTAINER}.startupProbe", drop(f"{ENGINE}startupProbe")),
        ("SKS0515", DEPLOYMENT, f"{CONTAINER}.startupProbe", put(f"{ENGINE}startupProbe>failureThreshold", 36)),
        ("SKS0515", DEPLOYMENT, f"{CONTAINER}.startupProbe", put(f"{ENGINE}startupProbe>failureThreshold", "37")),
        ("SKS0515", DEPLOYMENT, f"{CONTAINER}.startupProbe", drop(f"{ENGINE}startupProbe>failureThreshold")),
        ("SKS0516", DEPLOYMENT, f"{CONTAINER}.image", put(f"{ENGINE}image", "vllm/vllm-openai:v0.33.0")),
        ("SKS0516", DEPLOYMENT, f"{CONTAINER}.image", put(f"{ENGINE}image", f"vllm:latest@sha256:{'1' * 64}")),
        ("SKS0516", DEPLOYMENT, f"{CONTAINER}.image", drop(f"{ENGINE}image")),
        ("SKS0517", DEPLOYMENT, "spec.template.spec.hostNetwork", put(f"{POD}hostNetwork", True)),
        ("SKS0517", DEPLOYMENT, "spec.template.spec.hostPID", put(f"{POD}hostPID", True)),
        (
            "SKS0517",
            DEPLOYMENT,
            f"{CONTAINER}.securityContext.privileged",
            put(f"{ENGINE}securityContext>privileged", True),
        ),
        ("SKS0517", DEPLOYMENT, f"{CONTAINER}.volumeMounts[0]", put(f"{ENGINE}volumeMounts", [{"name": "weights"}])),
        ("SKS0518", DEPLOYMENT, "spec.template.spec.securityContext.runAsNonRoot", drop(f"{POD}securityContext")),
        ("SKS0518", DEPLOYMENT, f"{CONTAINER}.securityContext.capabilities.drop", drop(f"{ENGINE}securityContext")),
        ("SKS0518", DEPLOYMENT, f"{CONTAINER}.securityContext", put(f"{ENGINE}securityContext>runAsUser", 0)),
        (
            "SKS0519",
            DEPLOYMENT,
            "spec.template.spec.automountServiceAccountToken",
            drop(f"{POD}automountServiceAccountToken"),
        ),
        ("SKS0531", POLICY, "spec.ingress[0].from", put(f"{PEERS}>0>ipBlock>cidr", "0.0.0.0/0")),
        ("SKS0531", POLICY, "spec.ingress[0].from", put(f"{PEERS}>0>ipBlock>cidr", "::/0")),
        ("SKS0531", POLICY, "spec.ingress[0].from", put(f"{PEERS}>0>ipBlock>cidr", "172.16.0.0/12")),
        ("SKS0531", POLICY, "spec.ingress[0].from", put(f"{PEERS}>0>ipBlock>cidr", "10.0.0.0/33")),
        ("SKS0531", POLICY, "spec.ingress[0].from", drop(PEERS)),
        ("SKS0531", POLICY, "spec.egress[0].to", put("spec>egress", [{"to": []}])),
        ("SKS0531", POLICY, "spec.egress[0].to", put("spec>egress", [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}])),
        ("SKS0532", SERVICE, "spec.type", put("spec>type", "LoadBalancer")),
        ("SKS0532", SERVICE, "spec.type", put("spec>type", "NodePort")),
        ("SKS0532", SERVICE, "spec.externalIPs", put("spec>externalIPs", ["10.0.0.1"])),
        ("SKS0533", CRON_JOB, "spec.concurrencyPolicy", put("spec>concurrencyPolicy", "Allow")),
        ("SKS0533", CRON_JOB, "spec.startingDeadlineSeconds", drop("spec>startingDeadlineSeconds")),
        (
            "SKS0534",
            DEPLOYMENT,
            f"{CONTAINER}.env[0].value",
            put(f"{ENGINE}env", [{"name": "VLLM_API_KEY", "value": "x"}]),
        ),
        ("SKS0534", DEPLOYMENT, f"{CONTAINER}.args[0]", put(f"{ENGINE}args", ["--api-key=x"])),
        ("SKS0534", DEPLOYMENT, f"{CONTAINER}.args[0]", put(f"{ENGINE}args", ["--api-key", "x"])),
        ("SKS0534", SERVICE, "data", put("kind", "Secret")),
        ("SKS0535", SERVICE, "metadata.labels", drop("metadata>labels>app.kubernetes.io/version")),
        ("SKS0535", SERVICE, "metadata.labels", drop("metadata>labels")),
        ("SKS0535", SERVICE, "spec.selector", put("spec>selector>app.kubernetes.io/version", "1")),
        ("SKS0535", DEPLOYMENT, "spec.selector.matchLabels", drop("spec>selector")),
        ("SKS0536", SERVICE, "metadata.namespace", put("metadata>namespace", "other")),
        ("SKS0536", "Namespace/deepseek", "metadata.name", put("metadata>name", "kube-system")),
    ],
)
def test_reports_the_breach_with_its_place(code: str, identity: str, path: str, edit: Edit) -> None:
    found = violations(identity, edit)
    matching = [violation for violation in found if (violation.code, violation.path) == (code, path)]
    assert matching, [str(violation) for violation in found]
    assert all(violation.fix and violation.message and violation.source == "file.yaml" for violation in matching)


@pytest.mark.parametrize("kind", ["Namespace", "Deployment", "Service", "PodDisruptionBudget", "CronJob"])
def test_reports_an_object_that_is_gone(kind: str) -> None:
    manifests = [manifest for manifest in make_manifests(make_spec()) if manifest.kind != kind]
    assert "SKS0521" in {violation.code for violation in check(manifests, make_spec())}


def test_reports_a_namespace_that_denies_nothing_by_default() -> None:
    manifests = [m for m in make_manifests(make_spec()) if m.name != "model-server-default-deny"]
    (found,) = check(manifests, make_spec())
    assert (found.code, found.message) == ("SKS0521", "nothing denies by default")


def test_reports_a_server_without_a_policy_of_its_own() -> None:
    manifests = [m for m in make_manifests(make_spec()) if m.identity != POLICY]
    (found,) = check(manifests, make_spec())
    assert (found.code, found.message) == ("SKS0521", "no policy for the server")


def test_reports_two_objects_of_one_identity() -> None:
    manifests = make_manifests(make_spec())
    (found,) = check([*manifests, manifests[-1]], make_spec())
    assert (found.code, found.object) == ("SKS0522", manifests[-1].identity)


def test_reports_everything_at_once() -> None:
    def ruin(body: dict[str, Any]) -> None:
        for edit in (put(f"{ENGINE}image", "vllm:latest"), drop(f"{ENGINE}livenessProbe"), put(f"{POD}hostPID", True)):
            edit(body)

    assert {"SKS0514", "SKS0516", "SKS0517"} <= {violation.code for violation in violations(DEPLOYMENT, ruin)}


def test_reports_an_edit_that_left_no_pod_at_all_instead_of_crashing() -> None:
    found = violations(DEPLOYMENT, put("spec>template>spec", {"containers": [None]}))
    codes = {violation.code for violation in found}
    assert {"SKS0511", "SKS0512", "SKS0513", "SKS0514", "SKS0515", "SKS0516", "SKS0518", "SKS0519"} <= codes


def test_reports_a_server_that_runs_no_container() -> None:
    found = violations(DEPLOYMENT, put(f"{POD}containers", None))
    assert ("SKS0521", "spec.template.spec.containers") in {(violation.code, violation.path) for violation in found}


def test_judges_init_containers_too() -> None:
    found = violations(DEPLOYMENT, put(f"{POD}initContainers", [{"name": "x", "image": "busybox"}]))
    assert ("SKS0516", "spec.template.spec.initContainers[0].image") in {(v.code, v.path) for v in found}


def test_says_where_what_and_how_to_mend_it_in_one_line() -> None:
    (found,) = violations(SERVICE, put("spec>type", "NodePort"))
    assert str(found) == f"SKS0532 {SERVICE} spec.type: NodePort opens a port on nodes or beyond; type: ClusterIP"
