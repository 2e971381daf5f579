"""Checked manifests to one typed Kubernetes resource each, so that a preview lists every object and field."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType

import pulumi
import pulumi_kubernetes as kubernetes

from infra.sdk_names import snake_case
from k8s.manifest import Manifest, ordered, stage

__all__ = ["Manifests", "ManifestsArgs"]

AWAITED = frozenset({"Deployment", "StatefulSet", "DaemonSet", "Service", "Job"})
"""Kinds that the official provider waits for, 10 minutes by default (pulumi-kubernetes, await)."""


@dataclass(frozen=True, slots=True)
class ManifestsArgs:
    """Objects that passed `k8s.checks`, and how long the slowest of them may take to become ready."""

    manifests: Sequence[Manifest]
    ready_timeout_seconds: int


class Manifests(pulumi.ComponentResource):
    """One child per object. Its logical name is the object's role, so renaming an object is no new resource."""

    resources: dict[str, pulumi.CustomResource]
    """By `Kind/namespace/name`."""

    def __init__(self, name: str, args: ManifestsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:kubernetes:Manifests", name, None, opts)
        self._name, self._args = name, args
        self.resources = {}
        earlier: list[pulumi.Resource] = []
        current: list[pulumi.Resource] = []
        reached = 0
        for manifest in ordered(args.manifests):
            if stage(manifest) != reached:
                reached, earlier, current = stage(manifest), [*earlier, *current], []
            resource = self._resource(manifest, earlier)
            self.resources[manifest.identity] = resource
            current.append(resource)
        self.register_outputs({"objects": list(self.resources)})

    def _resource(self, manifest: Manifest, earlier: list[pulumi.Resource]) -> pulumi.CustomResource:
        timeout = f"{self._args.ready_timeout_seconds}s"
        awaited = pulumi.CustomTimeouts(create=timeout, update=timeout) if manifest.kind in AWAITED else None
        opts = pulumi.ResourceOptions(parent=self, depends_on=earlier, custom_timeouts=awaited)
        fields = {key: value for key, value in manifest.body.items() if key not in ("apiVersion", "kind")}
        logical_name = f"{self._name}-{manifest.role}"
        typed = _typed_class(manifest)
        if typed is not None:
            return typed(logical_name, opts=opts, **{snake_case(key): value for key, value in fields.items()})
        beside = sorted(set(fields) - {"metadata", "spec"})
        if beside:
            raise pulumi.InputPropertyError(
                "manifests", f"{manifest.identity}: {', '.join(beside)} would be lost: a custom object has a spec only"
            )
        return kubernetes.apiextensions.CustomResource(
            logical_name, api_version=manifest.api_version, kind=manifest.kind, opts=opts, **fields
        )


def _typed_class(manifest: Manifest) -> Callable[..., pulumi.CustomResource] | None:
    """The SDK's class for a built-in kind; None for the kinds of CustomResourceDefinitions.

    `apps/v1` is `pulumi_kubernetes.apps.v1`, `rbac.authorization.k8s.io/v1` is `pulumi_kubernetes.rbac.v1`. A group
    with further dots before `k8s.io`, such as `gateway.networking.k8s.io`, has no such module.
    """
    group, _, version = manifest.api_version.rpartition("/")
    if group and "." in group and not group.endswith(".k8s.io"):
        return None
    module = _module(f"pulumi_kubernetes.{group.partition('.')[0] or 'core'}.{version}")
    return getattr(module, manifest.kind, None)


def _module(name: str) -> ModuleType | None:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return None
