"""Which changes need a new object: what the server refused as immutable, and the few rules known without asking it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sandbox.kubernetes_provider.client import ApiError
from sandbox.kubernetes_provider.paths import Change, Path, is_within, parse_field

__all__ = ["identity_paths", "known_immutable", "refused_paths"]

UNPROCESSABLE = 422
IMMUTABLE = re.compile(
    r"immutable|may not (?:be )?change|cannot (?:be )?change|may not be updated"
    r"|updates? to .* (?:is|are) forbidden|updates may not change",
    re.IGNORECASE,
)
"""How Kubernetes' validation words it (pkg/apis/*/validation); definitions with CEL rules say `immutable` by custom."""

IDENTITY: tuple[Path, ...] = (("kind",), ("metadata", "name"), ("metadata", "namespace"))

RULES: Mapping[tuple[str, str], tuple[str, ...]] = {
    # (API group, kind): fields that cannot be changed in place. What the official plugin's force_new.go lists for the
    # kinds where a preview may have to decide without a server.
    ("apps", "DaemonSet"): ("spec.selector",),
    ("apps", "Deployment"): ("spec.selector",),
    ("apps", "ReplicaSet"): ("spec.selector",),
    ("apps", "StatefulSet"): (
        "spec.podManagementPolicy",
        "spec.selector",
        "spec.serviceName",
        "spec.volumeClaimTemplates",
    ),
    ("batch", "Job"): ("spec.completionMode", "spec.selector", "spec.template"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): ("roleRef",),
    ("rbac.authorization.k8s.io", "RoleBinding"): ("roleRef",),
    ("scheduling.k8s.io", "PriorityClass"): ("preemptionPolicy", "value"),
    ("storage.k8s.io", "StorageClass"): ("parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"),
    ("", "PersistentVolumeClaim"): (
        "spec.accessModes",
        "spec.selector",
        "spec.storageClassName",
        "spec.volumeMode",
        "spec.volumeName",
    ),
    ("", "Secret"): ("type",),
    ("", "Service"): ("spec.clusterIP",),
}
DATA_RULES: Mapping[str, tuple[str, ...]] = {"ConfigMap": ("data", "binaryData"), "Secret": ("data", "stringData")}
"""Replaced on a change so that pods that mount them roll, unless the provider is configured otherwise."""


def identity_paths(changes: Mapping[Path, Change]) -> set[Path]:
    """Changes of kind, name or namespace: another object."""
    return {path for path in changes if any(is_within(path, identity) for identity in IDENTITY)}


def known_immutable(
    api_version: str, kind: str, changes: Mapping[Path, Change], *, mutable_data: Mapping[str, bool]
) -> set[Path]:
    """Changes that the table above says need a new object; `mutable_data` switches the rule for data off, by kind."""
    group = api_version.rpartition("/")[0]
    fields = RULES.get((group, kind), ())
    if group == "" and not mutable_data.get(kind, False):
        fields += DATA_RULES.get(kind, ())
    prefixes = [parse_field(field) for field in fields]
    return {path for path in changes if any(is_within(path, prefix) for prefix in prefixes)}


def refused_paths(error: ApiError, changes: Iterable[Path]) -> set[Path]:
    """The changes that the server refused as immutable; empty where it refused for another reason as well."""
    if error.status != UNPROCESSABLE or not error.causes:
        return set()
    if not all(IMMUTABLE.search(cause.message) for cause in error.causes):
        return set()
    changed = list(changes)
    refused: set[Path] = set()
    for cause in error.causes:
        field = parse_field(cause.field)
        below = {path for path in changed if is_within(path, field) or is_within(field, path)}
        refused |= below or {field}
    return refused
