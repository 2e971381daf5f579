"""Three public estimators, as their formulas stand in our reference (section 4), on the same facts as ours.

They get more than their own tables hold: the published file size, the memory the engine prints instead of the nominal
size, and our bytes a token. So a difference in the score is a difference of method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from benchmarks.sizing_rows import Case, is_compressed
from infra.catalog.facts import Architecture
from infra.sizing import kv_cache, weights
from infra.sizing.compressed_cache import compressed_cache
from infra.sizing.engine import NEWEST, Engine
from infra.units import to_gib

__all__ = ["BASELINES", "Estimate"]

KAITO_UTILIZATION, KAITO_OVERHEAD_GIB, KAITO_FACTOR, KAITO_WEIGHTS = 0.84, 2.3, 1.05, 1.02
GPUSTACK_FACTOR, GPUSTACK_CONSTANT_GIB = 1.2, 2.0
LLM_D_ACTIVATION_GIB = {"qwen": 5.6, "moe": 7.4, "other": 4.8}
"""Its constants of 0.11: Llama 4.8, Qwen 5.6, mixtures 7.4."""
LLM_D_NON_TORCH_GIB = (0.15, 0.55)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an estimator says of one GPU."""

    fits: bool
    weights_gib: float
    cache_gib: float


def kaito(case: Case, context_tokens: int) -> Estimate:
    """GPUs = 1.02 W / ((M x 0.84 - 2.3 GiB - KV / n) / 1.05) + 1, as an integer."""
    total, usable, cache = _sizes(case, context_tokens)
    room = (usable * KAITO_UTILIZATION - KAITO_OVERHEAD_GIB - cache / case.gpus) / KAITO_FACTOR
    needed = math.floor(KAITO_WEIGHTS * total / room) + 1 if room > 0 else math.inf
    each = KAITO_WEIGHTS * total / case.gpus
    left = usable * KAITO_UTILIZATION - KAITO_OVERHEAD_GIB - KAITO_FACTOR * each
    return Estimate(needed <= case.gpus, each, left)


def gpustack(case: Case, _: int) -> Estimate:
    """1.2 W + 2 GiB in all, against the memory it hands to the engine."""
    total, usable, _cache = _sizes(case, 1)
    claim = GPUSTACK_FACTOR * total + GPUSTACK_CONSTANT_GIB
    room = usable * case.utilization * case.gpus
    return Estimate(claim <= room, total / case.gpus, (room - claim) / case.gpus)


def llm_d(case: Case, context_tokens: int) -> Estimate:
    """Weights by dtype, an activation constant of the architecture, and what is left is cache."""
    total, usable, cache = _sizes(case, context_tokens)
    name = "qwen" if "qwen" in f"{case.model.label} {case.model.source}".casefold() else "other"
    kind = "moe" if case.model.architecture is Architecture.MOE else name
    overhead = LLM_D_ACTIVATION_GIB[kind] + LLM_D_NON_TORCH_GIB[case.tp > 1]
    left = usable * case.utilization - total / case.gpus - overhead
    return Estimate(left * case.gpus >= cache, total / case.gpus, left)


def _sizes(case: Case, context_tokens: int) -> tuple[float, float, float]:
    """Weights of all GPUs, memory of one, and the cache of one request over all GPUs, in GiB."""
    total = weights.checkpoint_bytes(case.model, case.quantization)
    usable = case.gpu.usable_bytes if case.gpu else 0
    return to_gib(total), to_gib(usable), to_gib(context_tokens * _rate(case))


def _rate(case: Case) -> float:
    if is_compressed(case):
        cache = compressed_cache(case.model)
        return cache.bytes_per_token if cache else 0.0
    return kv_cache.bytes_per_token(case.model, 1, Engine(NEWEST), kv_dtype=case.row.kv_dtype)


BASELINES = {"KAITO": kaito, "GPUStack": gpustack, "llm-d": llm_d}
