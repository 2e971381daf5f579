"""The arithmetic of a plan, line by line, for `seekstack plan --explain`."""

from __future__ import annotations

from infra.catalog.facts import Attention, ModelFacts
from infra.sizing import kv_cache, storage
from infra.sizing.result import Plan
from infra.units import to_gib

__all__ = ["explain"]


def explain(plan: Plan) -> tuple[str, ...]:
    """Each number of the plan with the numbers it was made from."""
    return (*_weights(plan), *_budget(plan), *_cache(plan), *_storage(plan))


def _weights(plan: Plan) -> tuple[str, ...]:
    parameters = f"{plan.model.parameters / 1e9:.3f} B parameters"
    files = f"{plan.weights_bytes:,} bytes = {to_gib(plan.weights_bytes):.2f} GiB"
    each = f"{to_gib(plan.budget.weights_bytes):.2f} GiB"
    return (
        f"checkpoint: {parameters} in {plan.quantization}: {files}",
        f"weights on each GPU: checkpoint / {plan.tensor_parallel} ranks, with what every rank repeats: {each}",
    )


def _budget(plan: Plan) -> tuple[str, ...]:
    budget = plan.budget
    usable, graphs = to_gib(budget.usable_bytes), to_gib(budget.cuda_graphs_bytes)
    allowed = min(usable * plan.utilization, usable - graphs)
    parts = [budget.weights_bytes, budget.non_torch_bytes, budget.activation_bytes]
    taken = " - ".join(f"{to_gib(part):.2f}" for part in parts)
    graphs_kept = f"{usable:.2f} - {graphs:.2f} for CUDA graphs"
    return (
        f"allowed to the engine: smaller of {usable:.2f} x {plan.utilization:g} and {graphs_kept}: {allowed:.2f} GiB",
        f"cache: {allowed:.2f} - {taken} (weights, non-torch, activations) = {to_gib(budget.kv_cache_bytes):.2f} GiB",
    )


def _cache(plan: Plan) -> tuple[str, ...]:
    block = kv_cache.block_tokens(plan.model)
    needed = kv_cache.needed_tokens(plan.context_tokens, plan.concurrency, block)
    formula = _token_formula(plan.model, plan.tensor_parallel)
    quotient = f"{plan.budget.kv_cache_bytes:,} / {plan.kv_bytes_per_token:,}"
    asked = f"{plan.concurrency} x {plan.context_tokens:,} need {needed:,}"
    return (
        f"cache of one token on each GPU: {formula} = {plan.kv_bytes_per_token:,} bytes",
        f"tokens: {quotient}, whole blocks of {block}: {plan.kv_tokens:,}; {asked}",
    )


def _token_formula(model: ModelFacts, ranks: int) -> str:
    if model.attention is Attention.GROUPED:
        heads = f"{model.kv_heads} KV heads / {min(ranks, model.kv_heads)}"
        return f"2 x {model.layers} layers x {heads} x {model.head_dim} x {kv_cache.ELEMENT_BYTES} bytes"
    if model.attention is Attention.SPARSE_LATENT:
        return f"{model.layers} layers x {kv_cache.SPARSE_BYTES_PER_LAYER} bytes, the same on every rank"
    size = f"({model.kv_lora_rank} + {model.qk_rope_head_dim})"
    return f"{model.layers} layers x {size} x {kv_cache.ELEMENT_BYTES} bytes, the same on every rank"


def _storage(plan: Plan) -> tuple[str, ...]:
    speed = f"{plan.volume.throughput_mib_per_second} MiB/s"
    if plan.instance is not None:
        speed = f"the smaller of {speed} and the instance's {plan.instance.ebs_baseline_mib_per_second:.0f} MiB/s"
    size, load = f"{to_gib(plan.weights_bytes):.2f} GiB", plan.load_seconds
    at_least = f"(at least {storage.MIN_VOLUME_GIB})"
    budget = f"2 x {load} + {storage.ENGINE_START_SECONDS} s: {plan.startup_budget_seconds} s"
    return (
        f"volume: {size} x {storage.VOLUME_FACTOR} {at_least}: {plan.volume.size_gib} GiB",
        f"reading: {size} at {speed}: {load} s; a start counts as failed after {budget}",
    )
