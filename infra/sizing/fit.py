"""One model in one quantisation on a number of equal GPUs: does it fit, and with how much cache."""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalog.facts import GpuFacts, ModelFacts, QuantizationFacts
from infra.sizing import kernels, kv_cache, layout, memory, weights
from infra.sizing.engine import Engine
from infra.sizing.refusal import Miss, Reason
from infra.sizing.result import Budget
from infra.units import to_gib

__all__ = ["Fit", "Workload", "fit"]


@dataclass(frozen=True, slots=True)
class Workload:
    """What must fit beside the weights, on which engine."""

    context_tokens: int
    concurrency: int
    utilization: float
    engine: Engine


@dataclass(frozen=True, slots=True)
class Fit:
    """A layout that serves the workload."""

    model: ModelFacts
    quantization: QuantizationFacts
    gpu: GpuFacts
    tensor_parallel: int
    budget: Budget
    kv_bytes_per_token: int
    kv_tokens: int
    max_context: int


def fit(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, tensor_parallel: int, workload: Workload
) -> Fit | Miss:
    """The layout, or the first cause that rules it out: kernels, then shape, then memory."""
    miss = (
        kernels.check_engine(model, workload.engine)
        or kernels.check_quantization(model, quantization)
        or kernels.check_gpu(model, quantization, gpu, workload.engine)
        or layout.check_tensor_parallel(model, quantization, tensor_parallel)
        or kernels.check_cache(model)
    )
    return miss or _fit_memory(model, quantization, gpu, tensor_parallel, workload)


def _fit_memory(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, tensor_parallel: int, workload: Workload
) -> Fit | Miss:
    block = kv_cache.block_tokens(model)
    token_bytes = kv_cache.bytes_per_token(model, tensor_parallel, workload.engine)
    budget = _budget(model, quantization, gpu, tensor_parallel, workload, workload.context_tokens)
    where = f"{tensor_parallel} x {gpu.name}" if tensor_parallel > 1 else gpu.name
    if budget.kv_cache_bytes < token_bytes * block:
        return _no_room_for_weights(model, quantization, budget, where, workload)
    tokens = kv_cache.capacity_tokens(budget.kv_cache_bytes, token_bytes, block)
    needed = kv_cache.needed_tokens(workload.context_tokens, workload.concurrency, block)
    if tokens < needed:
        return _no_room_for_cache(model, where, tokens, needed, workload)
    longest = _budget(model, quantization, gpu, tensor_parallel, workload, model.max_positions)
    max_context = min(model.max_positions, kv_cache.capacity_tokens(longest.kv_cache_bytes, token_bytes, block))
    return Fit(
        model,
        quantization,
        gpu,
        tensor_parallel,
        budget,
        token_bytes,
        tokens,
        max(max_context, workload.context_tokens),
    )


def _budget(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    tensor_parallel: int,
    workload: Workload,
    context_tokens: int,
) -> Budget:
    return memory.divide(
        model,
        gpu,
        workload.engine,
        weights_bytes=weights.gpu_weights_bytes(model, quantization, tensor_parallel),
        tensor_parallel=tensor_parallel,
        utilization=workload.utilization,
        context_tokens=context_tokens,
    )


def _no_room_for_weights(
    model: ModelFacts, quantization: QuantizationFacts, budget: Budget, where: str, workload: Workload
) -> Miss:
    overhead = budget.non_torch_bytes + budget.activation_bytes
    allowed = budget.weights_bytes + overhead + budget.kv_cache_bytes
    message = (
        f"{model.label} in {quantization.name} takes {to_gib(budget.weights_bytes):.2f} GiB on each GPU and the engine "
        f"{to_gib(overhead):.2f} GiB; {where} leaves {to_gib(allowed):.2f} GiB at utilization {workload.utilization:g}"
    )
    return Miss(Reason.WEIGHTS, message, "model", model.label)


def _no_room_for_cache(model: ModelFacts, where: str, tokens: int, needed: int, workload: Workload) -> Miss:
    message = (
        f"{model.label} on {where} leaves a cache of {tokens:,} tokens; {workload.concurrency} x "
        f"{workload.context_tokens:,} tokens need {needed:,}"
    )
    allowed = f"contextTokens x concurrency up to {tokens:,}"
    return Miss(Reason.KV_CACHE, message, "contextTokens", workload.context_tokens, allowed, f"ask for {allowed}")
