"""The arithmetic of a plan, line by line, for `seekstack plan --explain`."""

from __future__ import annotations

from infra.sizing import storage
from infra.sizing.engine import Family
from infra.sizing.explain_budget import explain_budget
from infra.sizing.explain_cache import explain_cache
from infra.sizing.explain_speed import explain_price, explain_speed
from infra.sizing.explain_start import explain_launch, explain_staging
from infra.sizing.result import Plan
from infra.sizing.weights import Share
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
        *explain_staging(plan),
        *explain_launch(plan),
        *explain_speed(plan),
        *explain_price(plan),
    )


def _weights(plan: Plan) -> tuple[str, ...]:
    parameters = f"{plan.model.parameters / 1e9:.3f} B parameters"
    files = f"{plan.weights_bytes:,} bytes / 2^30 = {to_gib(plan.weights_bytes):.2f} GiB"
    parts = " + ".join(_share(share) for share in plan.weights_shares if share.whole_bytes)
    each = f"{to_gib(plan.budget.weights_bytes):.3f} GiB"
    return (
        f"checkpoint of {parameters} in {plan.quantization}: {files}",
        f"weights on each GPU: {parts} = {each}",
    )


def _share(share: Share) -> str:
    layers, of = share.stage
    stage = f" x {layers} / {of}" if of > 1 else ""
    ranks = f" / {share.ranks}" if share.ranks > 1 else ""
    return f"{share.name} {to_gib(share.whole_bytes):.3f}{stage}{ranks}"


def _budget(plan: Plan) -> tuple[str, ...]:
    if plan.engine != Family.VLLM:
        return explain_budget(plan)
    budget, utilization = plan.budget, plan.utilization or 0.0
    usable, graphs = to_gib(budget.usable_bytes), to_gib(budget.cuda_graphs_bytes)
    allowed = min(usable * utilization, usable - graphs)
    parts = [budget.weights_bytes, budget.non_torch_bytes, budget.activation_bytes]
    taken = " - ".join(f"{to_gib(part):.3f}" for part in parts)
    graphs_kept = f"{usable:.3f} - {graphs:.3f} for CUDA graphs"
    return (
        f"allowed to the engine: smaller of {usable:.3f} x {utilization:g} and {graphs_kept} = {allowed:.3f} GiB",
        f"cache: {allowed:.3f} - {taken} (weights, non-torch, activations) = {to_gib(budget.kv_cache_bytes):.3f} GiB",
    )


def _storage(plan: Plan) -> tuple[str, ...]:
    volume, speed = plan.volume, f"{plan.volume.throughput_mib_per_second} MiB/s"
    slowest = float(volume.throughput_mib_per_second)
    if plan.instance is not None:
        slowest = min(slowest, plan.instance.ebs_baseline_mib_per_second)
        speed = f"the smaller of {speed} and the instance's {plan.instance.ebs_baseline_mib_per_second:.0f} MiB/s"
    size = f"{to_gib(plan.weights_bytes):.2f} GiB"
    room = f"larger of {storage.MIN_VOLUME_GIB} and {size} x {storage.VOLUME_FACTOR}, rounded up"
    start = f"2 x {plan.load_seconds} + {storage.ENGINE_START_SECONDS}, up to a multiple of 30"
    return (
        *_instance_store(plan),
        f"volume: {room} = {volume.size_gib} GiB",
        f"seconds of reading at {speed}: {size} x 1,024 / {slowest:.2f}, rounded up = {plan.load_seconds} s",
        f"a start counts as failed after: {start} = {plan.startup_budget_seconds} s",
    )


def _instance_store(plan: Plan) -> tuple[str, ...]:
    """Disks of the machine itself, which a stop empties."""
    size_gb = plan.instance.local_nvme_gb if plan.instance else 0
    if not size_gb:
        return ()
    need_gb = plan.weights_bytes * storage.VOLUME_FACTOR / BYTES_PER_GB
    holds = "holds" if size_gb >= need_gb else "does not hold"
    return (f"instance store: {size_gb:,} GB, {holds} the weights ({need_gb:,.0f} GB); faster, and empty after a stop",)
