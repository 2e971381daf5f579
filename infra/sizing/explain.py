"""The arithmetic of a plan, line by line, for `seekstack plan --explain`."""

from __future__ import annotations

from infra.catalog.facts import Attention, ModelFacts
from infra.sizing import kv_cache, storage
from infra.sizing.engine import LLAMA_CPP_SLOT, Family
from infra.sizing.explain_budget import explain_budget
from infra.sizing.explain_speed import explain_price, explain_speed
from infra.sizing.explain_start import explain_launch, explain_staging
from infra.sizing.result import Plan
from infra.units import BYTES_PER_GB, to_gib

__all__ = ["explain"]


def explain(plan: Plan) -> tuple[str, ...]:
    """Each number of the plan with the numbers it was made from."""
    return (
        *(f"software: {line}" for line in plan.software.arithmetic),
        *_weights(plan),
        *_budget(plan),
        *_cache(plan),
        *_storage(plan),
        *explain_staging(plan),
        *explain_launch(plan),
        *explain_speed(plan),
        *explain_price(plan),
    )


def _weights(plan: Plan) -> tuple[str, ...]:
    parameters = f"{plan.model.parameters / 1e9:.3f} B parameters"
    files = f"{plan.weights_bytes:,} bytes = {to_gib(plan.weights_bytes):.2f} GiB"
    each = f"{to_gib(plan.budget.weights_bytes):.2f} GiB"
    stages = f" / {plan.pipeline_parallel} stages" if plan.pipeline_parallel > 1 else ""
    ranks = f"checkpoint / {plan.tensor_parallel} ranks{stages}"
    return (
        f"checkpoint: {parameters} in {plan.quantization}: {files}",
        f"weights on each GPU: {ranks}, with what every rank repeats: {each}",
    )


def _budget(plan: Plan) -> tuple[str, ...]:
    if plan.engine != Family.VLLM:
        return explain_budget(plan)
    budget, utilization = plan.budget, plan.utilization or 0.0
    usable, graphs = to_gib(budget.usable_bytes), to_gib(budget.cuda_graphs_bytes)
    allowed = min(usable * utilization, usable - graphs)
    parts = [budget.weights_bytes, budget.non_torch_bytes, budget.activation_bytes]
    taken = " - ".join(f"{to_gib(part):.2f}" for part in parts)
    graphs_kept = f"{usable:.2f} - {graphs:.2f} for CUDA graphs"
    return (
        f"allowed to the engine: smaller of {usable:.2f} x {utilization:g} and {graphs_kept}: {allowed:.2f} GiB",
        f"cache: {allowed:.2f} - {taken} (weights, non-torch, activations) = {to_gib(budget.kv_cache_bytes):.2f} GiB",
    )


def _cache(plan: Plan) -> tuple[str, ...]:
    block = kv_cache.block_tokens(plan.model)
    each = -(-plan.concurrency // plan.data_parallel)
    slot = max(block, LLAMA_CPP_SLOT) if plan.engine == Family.LLAMA_CPP else block
    needed = kv_cache.needed_tokens(plan.context_tokens, each, slot)
    beside = 1 if plan.engine == Family.LLAMA_CPP and plan.pipeline_parallel > 1 else 0
    layers = -(-(plan.model.layers + beside) // plan.pipeline_parallel)
    formula = _token_formula(plan.model, plan.tensor_parallel, layers)
    quotient = f"{plan.budget.kv_cache_bytes:,} / {plan.kv_bytes_per_token:,}"
    asked = f"{each} x {plan.context_tokens:,} need {needed:,}"
    return (
        f"cache of one token on each GPU: {formula} = {plan.kv_bytes_per_token:,} bytes",
        f"tokens: {quotient}, whole blocks of {block}: {plan.kv_tokens:,}; {asked}",
    )


def _token_formula(model: ModelFacts, ranks: int, layers: int) -> str:
    if model.attention is Attention.GROUPED:
        heads = f"{model.kv_heads} KV heads / {min(ranks, model.kv_heads)}"
        return f"2 x {layers} layers x {heads} x {model.head_dim} x {kv_cache.ELEMENT_BYTES} bytes"
    if model.attention is Attention.SPARSE_LATENT:
        return f"{layers} layers x {kv_cache.SPARSE_BYTES_PER_LAYER} bytes, the same on every rank"
    size = f"({model.kv_lora_rank} + {model.qk_rope_head_dim})"
    return f"{layers} layers x {size} x {kv_cache.ELEMENT_BYTES} bytes, the same on every rank"


def _storage(plan: Plan) -> tuple[str, ...]:
    speed = f"{plan.volume.throughput_mib_per_second} MiB/s"
    if plan.instance is not None:
        speed = f"the smaller of {speed} and the instance's {plan.instance.ebs_baseline_mib_per_second:.0f} MiB/s"
    size, load = f"{to_gib(plan.weights_bytes):.2f} GiB", plan.load_seconds
    at_least = f"(at least {storage.MIN_VOLUME_GIB})"
    budget = f"2 x {load} + {storage.ENGINE_START_SECONDS} s: {plan.startup_budget_seconds} s"
    local = _instance_store(plan)
    return (
        *local,
        f"volume: {size} x {storage.VOLUME_FACTOR} {at_least}: {plan.volume.size_gib} GiB",
        f"reading: {size} at {speed}: {load} s; a start counts as failed after {budget}",
    )


def _instance_store(plan: Plan) -> tuple[str, ...]:
    """Disks of the machine itself, which a stop empties."""
    size_gb = plan.instance.local_nvme_gb if plan.instance else 0
    if not size_gb:
        return ()
    need_gb = plan.weights_bytes * storage.VOLUME_FACTOR / BYTES_PER_GB
    holds = "holds" if size_gb >= need_gb else "does not hold"
    return (f"instance store: {size_gb:,} GB, {holds} the weights ({need_gb:,.0f} GB); faster, and empty after a stop",)
