"""The arithmetic of a plan, line by line, for `seekstack plan --explain`."""

from __future__ import annotations

from infra.sizing import storage
from infra.sizing.explain_cache import explain_cache
from infra.sizing.explain_speed import explain_price, explain_speed
from infra.sizing.result import Plan
from infra.units import BYTES_PER_GB, to_gib

__all__ = ["explain"]


def explain(plan: Plan) -> tuple[str, ...]:
    """Each number of the plan with the numbers it was made from."""
    return (
        *(f"software: {line}" for line in plan.software.arithmetic),
        *_weights(plan),
        *_budget(plan),
        *explain_cache(plan),
        *_storage(plan),
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
