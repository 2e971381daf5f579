"""One model in one quantisation on a number of equal GPUs: does it fit, and with how much cache."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from infra.catalog.cache_dtypes import CacheDtype
from infra.catalog.facts import Attention, GpuFacts, ModelFacts, QuantizationFacts
from infra.sizing import budgets, cache_support, kernels, kv_cache, layout, weights
from infra.sizing.compressed_cache import BLOCK_TOKENS, CompressedCache, compressed_cache
from infra.sizing.cpu import is_cpu
from infra.sizing.engine import Engine, Family
from infra.sizing.memory import batch_defaults
from infra.sizing.refusal import Miss, Reason
from infra.sizing.result import Budget
from infra.units import gib, to_gib

__all__ = ["PLANNED_BATCHES", "Fit", "Workload", "fit"]

PLANNED_BATCHES = (8192, 4096, 2048)
"""Tokens of a step that a plan tries for a compressed cache, which holds those in flight for each request. 8,192 and
2,048 are vLLM's own defaults, by the size of the GPU; a plan pins the first that fits (`--max-num-batched-tokens`)."""
SGLANG_UNCOUNTED = gib(1.5)
"""SGLang's V4 pools hold less than their formula says: 1.79 GiB of 3.22 on 8x L20 (sglang pull request 28620)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What must fit beside the weights, on which engine."""

    context_tokens: int
    concurrency: int
    utilization: float
    engine: Engine
    kv_dtype: str = "auto"
    """A `CacheDtype` for a plan; what a log says otherwise."""
    reproduce: bool = False
    """Retrace what an engine did instead of planning: releases before `FIRST_MEASURED`, V0's own switch to chunked
    prefill (where a longer context can take less), and V4 with the engine's default steps and middle workspaces."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A layout that serves the workload."""

    model: ModelFacts
    quantization: QuantizationFacts
    gpu: GpuFacts
    tensor_parallel: int
    budget: Budget
    kv_bytes_per_token: int
    """The slope alone for a compressed cache."""
    kv_tokens: int
    max_context: int
    pipeline_parallel: int = 1
    data_parallel: int = 1
    kv_dtype: str = "auto"
    batch_tokens: int | None = None
    """Tokens of a step a compressed cache was sized with."""


@dataclass(frozen=True, slots=True)
class _Case:
    """The arguments of `fit` in one piece."""

    model: ModelFacts
    quantization: QuantizationFacts
    gpu: GpuFacts
    tensor_parallel: int
    workload: Workload
    pipeline_parallel: int
    data_parallel: int
    weights_bytes: int
    """On the fullest GPU."""

    @property
    def where(self) -> str:
        """`4 x H100-80`, for messages."""
        count = self.tensor_parallel * self.pipeline_parallel * self.data_parallel
        return f"{count} x {self.gpu.name}" if count > 1 else self.gpu.name

    def budget(self, context_tokens: int) -> Budget:
        """Of the fullest GPU."""
        return budgets.divide(
            self.model,
            self.gpu,
            self.workload.engine,
            weights_bytes=self.weights_bytes,
            tensor_parallel=self.tensor_parallel,
            utilization=self.workload.utilization,
            context_tokens=context_tokens,
            data_parallel=self.data_parallel,
            reproduce=self.workload.reproduce,
        )


def fit(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    tensor_parallel: int,
    workload: Workload,
    *,
    pipeline_parallel: int = 1,
    data_parallel: int = 1,
) -> Fit | Miss:
    """The layout, or the first cause that rules it out: kernels, then shape, then memory."""
    miss = (
        kernels.check_known(model)
        or (None if workload.reproduce else kernels.check_engine(model, workload.engine))
        or kernels.check_quantization(model, quantization)
        or (None if workload.reproduce else kernels.check_format(model, quantization, workload.engine))
        or kernels.check_gpu(model, quantization, gpu, workload.engine)
        or layout.check_tensor_parallel(model, quantization, tensor_parallel)
        or layout.check_pipeline_parallel(model, pipeline_parallel)
        or kernels.check_cache(model, gpu, workload.engine, estimate=workload.reproduce)
        or _check_cache_dtype(model, quantization, gpu, workload)
    )
    if miss:
        return miss
    held = weights.gpu_weights_bytes(
        model,
        quantization,
        tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        data_parallel=data_parallel,
        engine=workload.engine,
        gpu=gpu,
    )
    case = _Case(model, quantization, gpu, tensor_parallel, workload, pipeline_parallel, data_parallel, held)
    budget = case.budget(workload.context_tokens)
    outcome = _fit_memory(case, budget)
    if isinstance(outcome, Miss) and budget.cuda_graphs_bytes:
        return _blame_graphs(case, budget) or outcome
    return outcome


def _check_cache_dtype(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, workload: Workload
) -> Miss | None:
    """A log's own words for the cache are taken as they are: that engine did run."""
    if workload.reproduce or workload.kv_dtype == "auto" or workload.kv_dtype not in list(CacheDtype):
        return None
    return cache_support.check_cache_dtype(model, quantization, gpu, workload.engine, CacheDtype(workload.kv_dtype))


def _blame_graphs(case: _Case, budget: Budget) -> Miss | None:
    """Where only the room kept for CUDA graphs is missing: the cache would be allocated, and the warm-up would die."""
    allowed = int(budget.usable_bytes * case.workload.utilization)
    held = budget.weights_bytes + budget.non_torch_bytes + budget.activation_bytes
    roomier = replace(budget, kv_cache_bytes=allowed - held)
    if roomier.kv_cache_bytes <= budget.kv_cache_bytes or isinstance(_fit_memory(case, roomier), Miss):
        return None
    missing = to_gib(roomier.kv_cache_bytes - budget.kv_cache_bytes)
    message = (
        f"{case.model.label} on {case.where} leaves {to_gib(budget.usable_bytes - allowed):.2f} GiB beside the cache; "
        f"CUDA graphs and the warm-up need {missing:.2f} GiB more"
    )
    allowed_text = f"at most {1 - budget.cuda_graphs_bytes / budget.usable_bytes:.2f}"
    value = case.workload.utilization
    return Miss(
        Reason.GRAPH_RESERVE, message, "gpuMemoryUtilization", value, allowed_text, "lower gpuMemoryUtilization"
    )


def _fit_memory(case: _Case, budget: Budget) -> Fit | Miss:
    if case.model.attention is Attention.COMPRESSED:
        cache = compressed_cache(case.model)
        assert cache is not None  # noqa: S101 kernels.check_cache refuses a model without layers
        return _fit_compressed(case, budget, cache)
    workload, block = case.workload, kv_cache.block_tokens(case.model)
    token_bytes = _token_bytes(case)
    if budget.kv_cache_bytes < token_bytes * block:
        return _no_room_for_weights(case, budget)
    tokens = kv_cache.capacity_tokens(budget.kv_cache_bytes, token_bytes, block)
    slot = block if workload.reproduce else max(block, workload.engine.slot_tokens)
    needed = kv_cache.needed_tokens(workload.context_tokens, workload.concurrency, slot)
    if tokens < needed:
        return _no_room_for_cache(case, tokens, needed)
    longest = case.budget(case.model.max_positions)
    max_context = min(case.model.max_positions, kv_cache.capacity_tokens(longest.kv_cache_bytes, token_bytes, block))
    return _fit_of(case, budget, token_bytes, tokens, max(max_context, workload.context_tokens))


def _token_bytes(case: _Case) -> int:
    return kv_cache.bytes_per_token(
        case.model,
        case.tensor_parallel,
        case.workload.engine,
        kv_dtype=case.workload.kv_dtype,
        pipeline_parallel=case.pipeline_parallel,
    )


def _fit_compressed(case: _Case, budget: Budget, cache: CompressedCache) -> Fit | Miss:
    """Every request takes its constant; the pool must hold as many full requests as are asked for."""
    workload, room = case.workload, budget.kv_cache_bytes * case.pipeline_parallel
    if workload.engine.family is Family.SGLANG:
        return _fit_in_pools(case, budget, cache)
    if workload.reproduce:
        return _fit_pages(case, budget, cache, room, batch_defaults(case.gpu)[0])
    stage = cache.stage(case.pipeline_parallel)
    outcomes = (_fit_pages(case, budget, stage, budget.kv_cache_bytes, batch) for batch in PLANNED_BATCHES)
    return _first_fit(outcomes)


def _first_fit(outcomes: Iterator[Fit | Miss]) -> Fit | Miss:
    """The first that fits, else the last, which needs least."""
    outcome = next(outcomes)
    while isinstance(outcome, Miss):
        following = next(outcomes, None)
        if following is None:
            break
        outcome = following
    return outcome


def _fit_pages(case: _Case, budget: Budget, cache: CompressedCache, room: int, batch_tokens: int) -> Fit | Miss:
    """vLLM's check of one full request, and the requests its log line counts."""
    workload = case.workload
    in_flight = batch_tokens * workload.engine.steps_in_flight
    if room < cache.needed_bytes(1, in_flight):
        return _no_room_for_weights(case, budget)
    tokens = cache.reported_tokens(room, workload.context_tokens, in_flight)
    needed = workload.context_tokens * workload.concurrency
    if cache.needed_bytes(workload.context_tokens, in_flight) > room or tokens < needed:
        return _no_room_for_cache(case, min(tokens, needed - 1), needed)
    max_context = cache.longest_context(room, in_flight, case.model.max_positions)
    return _fit_of(case, budget, cache.bytes_per_token, tokens, max_context, batch_tokens)


def _fit_in_pools(case: _Case, budget: Budget, cache: CompressedCache) -> Fit | Miss:
    """SGLang keeps no constant for each request: its pools are shares of the tokens."""
    workload, each = case.workload, cache.sglang_bytes_per_token()
    room: float = budget.kv_cache_bytes * case.pipeline_parallel
    if not workload.reproduce:
        longest = -(-case.model.layers // case.pipeline_parallel)
        room = (budget.kv_cache_bytes - SGLANG_UNCOUNTED) * case.model.layers / longest
    if room < each * BLOCK_TOKENS:
        return _no_room_for_weights(case, budget)
    tokens = int(room / each) // BLOCK_TOKENS * BLOCK_TOKENS
    if tokens < workload.context_tokens * workload.concurrency:
        return _no_room_for_cache(case, tokens, workload.context_tokens * workload.concurrency)
    return _fit_of(case, budget, round(each), tokens, min(case.model.max_positions, tokens))


def _fit_of(
    case: _Case, budget: Budget, token_bytes: int, tokens: int, max_context: int, batch_tokens: int | None = None
) -> Fit:
    return Fit(
        case.model,
        case.quantization,
        case.gpu,
        case.tensor_parallel,
        budget,
        token_bytes,
        tokens,
        max_context,
        case.pipeline_parallel,
        case.data_parallel,
        case.workload.kv_dtype,
        batch_tokens,
    )


def _no_room_for_weights(case: _Case, budget: Budget) -> Miss:
    overhead = budget.non_torch_bytes + budget.activation_bytes
    allowed = budget.weights_bytes + overhead + budget.kv_cache_bytes
    has_setting = case.workload.engine.family is not Family.LLAMA_CPP
    utilization = f" at utilization {case.workload.utilization:g}" if has_setting else ""
    each = "" if is_cpu(case.gpu) else " on each GPU"
    message = (
        f"{case.model.label} in {case.quantization.name} takes {to_gib(budget.weights_bytes):.2f} GiB{each} and "
        f"the engine {to_gib(overhead):.2f} GiB; {case.where} leaves {to_gib(allowed):.2f} GiB{utilization}"
    )
    return Miss(Reason.WEIGHTS, message, "model", case.model.label)


def _no_room_for_cache(case: _Case, tokens: int, needed: int) -> Miss:
    workload = case.workload
    message = (
        f"{case.model.label} on {case.where} leaves a cache of {tokens:,} tokens; {workload.concurrency} x "
        f"{workload.context_tokens:,} tokens need {needed:,}"
    )
    allowed = f"contextTokens x concurrency up to {tokens:,}"
    return Miss(Reason.KV_CACHE, message, "contextTokens", workload.context_tokens, allowed, f"ask for {allowed}")
