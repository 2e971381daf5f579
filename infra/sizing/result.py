"""The outcome of sizing, with every number it rests on."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from infra.catalog.facts import GpuFacts, InstanceFacts, ModelFacts
from infra.units import to_gib

__all__ = ["Alternative", "Budget", "Plan", "Rejected", "Volume"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that cannot serve the request, and why."""

    candidate: str
    """Instance type, or the GPUs of a node one owns."""
    code: str
    """One of `infra.sizing.refusal.Reason`."""
    message: str
    quantization: str


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another instance type that serves the request."""

    instance_type: str
    gpu: str
    tensor_parallel: int
    kv_tokens: int
    usd_per_hour: float | None


@dataclass(frozen=True, slots=True)
class Budget:
    """Memory of one GPU in bytes; the parts never exceed `usable_bytes`."""

    usable_bytes: int
    weights_bytes: int
    non_torch_bytes: int
    activation_bytes: int
    cuda_graphs_bytes: int
    kv_cache_bytes: int


@dataclass(frozen=True, slots=True)
class Volume:
    """gp3 volume that holds the weights."""

    size_gib: int
    iops: int
    throughput_mib_per_second: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One model on one kind of hardware: what to create and how to start the engine."""

    model: ModelFacts
    requested_model: str
    quantization: str
    dtype: str
    gpu: GpuFacts
    gpus: int
    """GPUs used on each node."""
    tensor_parallel: int
    nodes: int
    instance: InstanceFacts | None
    """None for a node one owns."""
    weights_bytes: int
    """Size of the checkpoint on disk."""
    budget: Budget
    kv_bytes_per_token: int
    """On one GPU."""
    kv_tokens: int
    """Tokens the cache of one GPU holds, whole blocks."""
    max_context: int
    """Longest single request: the smaller of the cache and the model's positions."""
    context_tokens: int
    concurrency: int
    utilization: float
    volume: Volume
    load_seconds: int
    startup_budget_seconds: int
    host_memory_bytes: int
    """Host memory of the engine processes: limit of the pod."""
    shared_memory_bytes: int
    cpu_millicores: int
    usd_per_hour: float | None
    price_date: str | None
    engine: str
    engine_version: str
    engine_arguments: tuple[str, ...]
    """vLLM flags; host and port are the caller's."""
    warnings: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    rejected: tuple[Rejected, ...]

    def to_json(self) -> dict[str, object]:
        """The published shape of `seekstack plan --json`; memory in GiB, two decimals."""
        budget = self.budget
        return {
            "fits": True,
            "reasons": [],
            "model": {"id": self.model.id, "label": self.model.label, "requested": self.requested_model},
            "quantization": self.quantization,
            "dtype": self.dtype,
            "gpu": self.gpu.name,
            "per_gpu": {
                "usable_gib": _gib(budget.usable_bytes),
                "weights_gib": _gib(budget.weights_bytes),
                "non_torch_gib": _gib(budget.non_torch_bytes),
                "activation_gib": _gib(budget.activation_bytes),
                "cuda_graphs_gib": _gib(budget.cuda_graphs_bytes),
                "kv_cache_gib": _gib(budget.kv_cache_bytes),
            },
            "kv_bytes_per_token": self.kv_bytes_per_token,
            "kv_tokens": self.kv_tokens,
            "max_context": self.max_context,
            "context_tokens": self.context_tokens,
            "concurrency": self.concurrency,
            "utilization": self.utilization,
            "parallel": {"tp": self.tensor_parallel, "pp": 1, "dp": 1, "ep": 1},
            "instance": self.instance.instance_type if self.instance else None,
            "nodes": self.nodes,
            "weights_bytes": self.weights_bytes,
            "volume": asdict(self.volume),
            "load_seconds": self.load_seconds,
            "startup_seconds": self.startup_budget_seconds,
            "host_ram_gib": _gib(self.host_memory_bytes),
            "cpu_millicores": self.cpu_millicores,
            "price": self._price(),
            "engine": {"name": self.engine, "version": self.engine_version, "arguments": list(self.engine_arguments)},
            "alternatives": [asdict(alternative) for alternative in self.alternatives],
            "rejected": [asdict(rejected) for rejected in self.rejected],
            "warnings": list(self.warnings),
        }

    def _price(self) -> dict[str, object] | None:
        if self.instance is None or self.usd_per_hour is None:
            return None
        region = self.instance.price_region
        return {"usd_per_hour": self.usd_per_hour, "date": self.price_date, "region": region, "kind": "on-demand"}


def _gib(value_bytes: int) -> float:
    return round(to_gib(value_bytes), 2)
