"""Builders of what the Kubernetes target works on: settings, plans, specs, manifests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from infra.catalog.load import load as load_catalog
from infra.planning import plan_for
from infra.settings import Settings, parse
from infra.sizing.result import Plan
from k8s.manifest import Manifest, load, ordered
from k8s.render import render
from k8s.spec import ServingSpec

ENGINE_IMAGE = f"registry.intranet.example/vllm/vllm-openai@sha256:{'1' * 64}"
RESTART_IMAGE = f"registry.intranet.example/kubectl@sha256:{'2' * 64}"

VARIANTS: dict[str, tuple[str, int]] = {
    "1.5B": ("T4", 1),
    "7B": ("A10G", 1),
    "14B": ("RTX4090", 2),
    "32B": ("A100-80", 2),
}
"""Model variant to the nodes it is planned for: GPU and how many a node has."""


def make_settings(**over: object) -> Settings:
    """The smallest stack of the Kubernetes target, by its configuration keys."""
    config: dict[str, object] = {
        "model": "1.5B",
        "target": "kubernetes",
        "gpu": "T4",
        "gpus": 1,
        "image": ENGINE_IMAGE,
        "restartImage": RESTART_IMAGE,
        "restartSchedule": "0 */12 * * *",
        "intranetCidrs": ["10.0.0.0/8", "192.168.10.0/24"],
        **over,
    }
    return parse(config, load_catalog())


def make_variant(model: str) -> tuple[Settings, Plan]:
    """Settings and plan of one of `VARIANTS`."""
    gpu, gpus = VARIANTS[model]
    settings = make_settings(model=model, gpu=gpu, gpus=gpus)
    return settings, plan_for(settings, load_catalog())


def make_spec(**over: Any) -> ServingSpec:
    """A spec that passes every check."""
    spec = ServingSpec(
        name="model-server",
        namespace="deepseek",
        model_id="deepseek-ai/DeepSeek-R1-Distill-Qwen-1.5B",
        served_model_name="DeepSeek-R1-Distill-Qwen-1.5B",
        image=ENGINE_IMAGE,
        engine_arguments=("/weights", "--max-model-len=8192"),
        replicas=1,
        gpus=1,
        gpu_name="T4",
        cpu_millicores=3500,
        memory_bytes=10 * 2**30,
        shared_memory_bytes=2**30,
        port=8000,
        startup_budget_seconds=365,
        intranet_cidrs=("10.0.0.0/8", "192.168.10.0/24"),
        weights_host_path="/var/lib/seekstack/weights",
        restart_schedule="0 */12 * * *",
        version="0.33.0",
        restart_image=RESTART_IMAGE,
    )
    return replace(spec, **over)


def make_manifests(spec: ServingSpec) -> tuple[Manifest, ...]:
    """The shipped templates filled in for `spec`."""
    return ordered(manifest for file in render(spec) for manifest in load(file.text, file.name))


def find(manifests: tuple[Manifest, ...], identity: str) -> Manifest:
    """The one object of `Kind/namespace/name`."""
    (found,) = (manifest for manifest in manifests if manifest.identity == identity)
    return found
