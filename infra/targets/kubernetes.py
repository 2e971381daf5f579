"""Kubernetes target: the rendered manifests on an existing cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes

from infra.components.manifests import Manifests, ManifestsArgs
from infra.serving import render_checked, serving_spec
from infra.settings import Settings
from infra.sizing.result import Plan
from infra.targets.outputs import Outputs
from k8s.render import IMAGE_PULL_ALLOWANCE_SECONDS

__all__ = ["deploy"]


def deploy(settings: Settings, plan: Plan, provider_arguments: Mapping[str, Any] | None = None) -> Outputs:
    """Declare every object of the model server; without arguments the provider finds the cluster as kubectl does."""
    spec = serving_spec(settings, plan)
    rendered = render_checked(spec)
    provider = kubernetes.Provider("cluster", **(provider_arguments or {}))
    Manifests(
        "serving",
        ManifestsArgs(rendered.manifests, plan.startup_budget_seconds + IMAGE_PULL_ALLOWANCE_SECONDS),
        pulumi.ResourceOptions(providers={"kubernetes": provider}),
    )
    return Outputs(
        # The object names are ours, so the address is known before the cluster is asked.
        endpoint=f"http://{spec.name}.{spec.namespace}.svc:{spec.port}/v1",
        plan=plan,
        resources={"namespace": spec.namespace, "deployment": spec.name, "service": spec.name},
    )
