"""Why hardware cannot serve a request: a stable reason, a sentence, and what to do instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum

from infra.errors import SizingError
from infra.sizing.result import Rejected

__all__ = ["Miss", "Reason", "Refusal"]


class Reason(StrEnum):
    """Stable causes; each has one SKS code."""

    WEIGHTS = "weights"
    KV_CACHE = "kv_cache"
    ATTENTION_HEADS = "attention_heads"
    BLOCK_128 = "block_128"
    DTYPE = "dtype"
    KERNEL = "kernel"
    COMPUTE_CAPABILITY = "compute_capability"
    ENGINE_VERSION = "engine_version"
    UNSUPPORTED_CACHE = "unsupported_cache"
    HOST_RAM = "host_ram"
    DISK = "disk"
    REGION = "region"
    CPU_ARCHITECTURE = "cpu_architecture"
    FRACTIONAL_GPU = "fractional_gpu"
    GPU_COUNT = "gpu_count"
    GRAPH_RESERVE = "graph_reserve"
    DRIVER = "driver"
    CUDA = "cuda"
    PYTHON = "python"
    TORCH = "torch"
    PRICE = "price"
    FAMILY = "family"
    TTFT = "ttft"
    QUOTA = "quota"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer"
    ACTIVATIONS = "activations"
    OFFLOAD = "offload"
    TARGETS = "targets"
    SHAPE = "shape"
    MARKET = "market"

    @property
    def code(self) -> str:
        """SKS0301 onwards, in the order above: append new reasons, never reorder."""
        return f"SKS{301 + list(Reason).index(self):04d}"


@dataclass(frozen=True, slots=True)
class Miss:
    """One candidate that cannot serve the request. `key` names the setting that a person would change."""

    reason: Reason
    message: str
    key: str
    value: object = None
    allowed: str | None = None
    fix: str | None = None


class Refusal(SizingError):  # noqa: N818 it is what the sizing answers
    """Nothing that was allowed serves the request."""

    def __init__(self, miss: Miss, *, fix: str, rejected: Sequence[Rejected] = ()) -> None:
        super().__init__(
            f"{miss.reason}: {miss.message}",
            code=miss.reason.code,
            key=miss.key,
            value=miss.value,
            allowed=miss.allowed,
            fix=fix,
        )
        self.reason = miss.reason
        self.sentence = miss.message
        self.rejected = tuple(rejected)

    def to_json(self) -> dict[str, object]:
        rejected = [asdict(candidate) for candidate in self.rejected]
        return {**super().to_json(), "reason": str(self.reason), "rejected": rejected}
