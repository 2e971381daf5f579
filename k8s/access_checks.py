"""Rules for who reaches what: networks, services, secrets, schedules, names and labels."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_network

from k8s.manifest import Manifest
from k8s.spec import ServingSpec
from k8s.violation import Violation, dig, items, pod_template

__all__ = ["ACCESS_CHECKS"]

LABELS = tuple(
    f"app.kubernetes.io/{key}" for key in ("name", "instance", "version", "component", "part-of", "managed-by")
)
SELECTOR_LABELS = set(LABELS[:2])
SELECTOR_PATHS = {
    "Deployment": "spec.selector.matchLabels",
    "StatefulSet": "spec.selector.matchLabels",
    "PodDisruptionBudget": "spec.selector.matchLabels",
    "Service": "spec.selector",
}
CLUSTER_WIDE = {"Namespace", "PriorityClass", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"}
SECRET_NAME = re.compile(r"(^|[_-])(key|token|password|passwd|secret|credentials?)$", re.IGNORECASE)
SECRET_OPTIONS = ("--api-key", "--hf-token")


def check_networks(manifest: Manifest, spec: ServingSpec) -> Iterator[Violation]:
    """No rule names the whole internet or leaves out its peers, and only the intranet comes in."""
    if manifest.kind != "NetworkPolicy":
        return
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for position, rule in enumerate(items(manifest.body, f"spec.{direction}")):
            path = f"spec.{direction}[{position}].{peers}"
            if not items(rule, peers):
                yield _violation("SKS0531", manifest, path, "is open to everyone", f"list networks or pods in {peers}")
            for peer in items(rule, peers):
                cidr = dig(peer, "ipBlock.cidr")
                if cidr is not None:
                    yield from _wrong_network(manifest, path, str(cidr), spec, inbound=direction == "ingress")


def check_services(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """Services stay inside the cluster; the way in from the intranet is a decision of its own."""
    kind = dig(manifest.body, "spec.type")
    if manifest.kind == "Service" and kind not in (None, "ClusterIP"):
        yield _violation("SKS0532", manifest, "spec.type", f"{kind} opens a port on nodes or beyond", "type: ClusterIP")
    if manifest.kind == "Service" and items(manifest.body, "spec.externalIPs"):
        yield _violation("SKS0532", manifest, "spec.externalIPs", "opens a port outside the cluster", "remove it")


def check_schedules(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """A scheduled job never overlaps itself and never starts late without bound."""
    if manifest.kind != "CronJob":
        return
    policy = dig(manifest.body, "spec.concurrencyPolicy")
    if policy != "Forbid":
        path = "spec.concurrencyPolicy"
        yield _violation("SKS0533", manifest, path, f"{policy} lets two runs overlap", "concurrencyPolicy: Forbid")
    if not dig(manifest.body, "spec.startingDeadlineSeconds"):
        path = "spec.startingDeadlineSeconds"
        yield _violation("SKS0533", manifest, path, "a missed run starts at any later time", "set it, such as 600")


def check_secrets(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """A secret is named, never written out: manifests land in git."""
    if manifest.kind == "Secret":
        yield _violation("SKS0534", manifest, "data", "a Secret is written out", "refer to an existing Secret by name")
    pod = pod_template(manifest)
    for container in pod.containers() if pod else ():
        for position, variable in enumerate(items(container.body, "env")):
            if SECRET_NAME.search(str(dig(variable, "name"))) and dig(variable, "value") is not None:
                path = f"{container.path}.env[{position}].value"
                yield _violation("SKS0534", manifest, path, "a secret as literal", "use valueFrom.secretKeyRef")
        for key in ("command", "args"):
            for position, argument in enumerate(items(container.body, key)):
                if str(argument).split("=", 1)[0] in SECRET_OPTIONS:
                    path = f"{container.path}.{key}[{position}]"
                    fix = "use an environment variable with valueFrom.secretKeyRef"
                    yield _violation("SKS0534", manifest, path, "a secret on a command line", fix)


def check_labels(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """The six recommended labels on everything; selectors on the two that never change, because selectors cannot."""
    found = dig(manifest.body, "metadata.labels")
    missing = [label for label in LABELS if dig(manifest.body, "metadata.labels") is None or label not in found]
    if missing:
        fix = "take the labels of the other objects"
        yield _violation("SKS0535", manifest, "metadata.labels", f"lacks {', '.join(missing)}", fix)
    path = SELECTOR_PATHS.get(manifest.kind)
    if path and set(dig(manifest.body, path) or {}) != SELECTOR_LABELS:
        fix = f"select on {' and '.join(sorted(SELECTOR_LABELS))}"
        yield _violation("SKS0535", manifest, path, "selects on other labels than name and instance", fix)


def check_namespace(manifest: Manifest, spec: ServingSpec) -> Iterator[Violation]:
    """Everything lives in the stack's own namespace: its default-deny policy would cut off neighbours."""
    if manifest.kind == "Namespace" and (manifest.name == "default" or manifest.name.startswith("kube-")):
        path = "metadata.name"
        yield _violation(
            "SKS0536", manifest, path, "belongs to the cluster", "set seekstack:namespace to one of its own"
        )
    wanted = None if manifest.kind in CLUSTER_WIDE else spec.namespace
    if manifest.namespace != wanted:
        path = "metadata.namespace"
        yield _violation("SKS0536", manifest, path, f"is {manifest.namespace}, not {wanted}", f"set it to {wanted}")


ACCESS_CHECKS = (check_networks, check_services, check_schedules, check_secrets, check_labels, check_namespace)


def _wrong_network(
    manifest: Manifest, path: str, cidr: str, spec: ServingSpec, *, inbound: bool
) -> Iterator[Violation]:
    try:
        network = ip_network(cidr)
    except ValueError:
        yield _violation("SKS0531", manifest, path, f"{cidr} is no network", "write it as 10.0.0.0/8")
        return
    if network.prefixlen == 0:
        yield _violation("SKS0531", manifest, path, f"{cidr} is the internet", "list private networks")
    elif inbound and cidr not in spec.intranet_cidrs:
        allowed = ", ".join(spec.intranet_cidrs)
        yield _violation("SKS0531", manifest, path, f"{cidr} is not in intranetCidrs", f"one of {allowed}")


def _violation(code: str, manifest: Manifest, path: str, message: str, fix: str) -> Violation:
    return Violation(code, manifest.identity, path, message, fix, manifest.source)
