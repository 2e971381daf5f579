"""What a person asks the sizing for."""

from __future__ import annotations

from dataclasses import dataclass

from infra.errors import ConfigurationError

__all__ = ["DEFAULT_ENGINE_VERSION", "PlanRequest"]

DEFAULT_ENGINE_VERSION = "0.33.0"
"""Newest vLLM on PyPI on 2026-11-24 (wheel metadata: torch 2.14, CUDA 13.0, driver branch 580 or later)."""


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """A model and a workload, and what is already decided about the hardware."""

    model: str
    quantization: str | None = None
    """Catalogue name; None takes the published one, or on fixed hardware the best that fits."""
    context_tokens: int = 8192
    concurrency: int = 1
    """Requests of full `context_tokens` length that must fit in the cache at the same time."""
    instance_type: str | None = None
    gpu: str | None = None
    """GPU of a node one owns (Kubernetes); excludes `instance_type`."""
    gpus: int | None = None
    """GPUs of that node; None allows up to 8 and takes the fewest that fit."""
    tensor_parallel: int | None = None
    """None takes every GPU of an EC2 instance and the fewest of an owned node."""
    utilization: float = 0.92
    """vLLM's `--gpu-memory-utilization`; 0.92 is its own default (vllm/config/cache.py)."""
    load_target_seconds: int = 300
    """How long reading the weights from the volume may take."""
    region: str | None = None
    """AWS region; None leaves offerings out of the choice."""
    engine_version: str = DEFAULT_ENGINE_VERSION

    def check(self) -> None:
        """Refuse values no hardware can satisfy; the bounds are those of the engine and of EBS."""
        ranges: tuple[tuple[str, float | None, float, float], ...] = (
            ("contextTokens", self.context_tokens, 16, 2**20),
            ("concurrency", self.concurrency, 1, 4096),
            ("gpus", self.gpus, 1, 16),
            ("tensorParallel", self.tensor_parallel, 1, 64),
            ("gpuMemoryUtilization", self.utilization, 0.5, 0.99),
            ("loadTargetSeconds", self.load_target_seconds, 10, 86400),
        )
        for key, value, low, high in ranges:
            if value is not None and not low <= value <= high:
                raise _wrong(key, value, f"{low} to {high}")
        if self.instance_type and (self.gpu or self.gpus):
            raise _wrong("gpu", self.gpu or self.gpus, "either an instance type, or the GPU and GPU count of a node")
        if self.gpus and not self.gpu:
            raise _wrong("gpus", self.gpus, "a GPU count together with the name of the GPU")


def _wrong(key: str, value: object, allowed: str) -> ConfigurationError:
    fix = f"set {key} to {allowed}" if allowed[0].isdigit() else f"give {allowed}"
    return ConfigurationError(
        f"{key}: {value!r} is not usable", code="SKS0205", key=key, value=value, allowed=allowed, fix=fix
    )
