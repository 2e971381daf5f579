"""`seekstack plan`: from a model and a workload to hardware, with the reasons."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from infra.cli.output import add_json_flag, console, write_json, write_table

if TYPE_CHECKING:
    from infra.sizing.result import Plan

__all__ = ["add_parser", "show"]

GIB = 2**30
FEW = 3
"""Rejected and alternative machines shown without `--explain`."""


def add_parser(subparsers: Any) -> None:
    """Register the command. Defaults are left to PlanRequest, so that they stand in one place."""
    text = "which hardware a model needs, what it costs, and why (no cloud, no account)"
    parser = subparsers.add_parser("plan", help=text, description=text, allow_abbrev=False)
    parser.add_argument("--model", required=True, help="label, repository or short name: see `seekstack models`")
    parser.add_argument("--quantization", help="bf16, fp16, fp8, int8, awq or gptq; default: as published, if it fits")
    parser.add_argument("--context", type=int, dest="context_tokens", metavar="TOKENS", help="longest request (8192)")
    parser.add_argument("--concurrency", type=int, metavar="N", help="full-length requests at the same time (1)")
    parser.add_argument("--instance", dest="instance_type", metavar="TYPE", help="a fixed EC2 instance type")
    parser.add_argument("--gpu", metavar="NAME", help="GPU of a machine you own: see `seekstack gpus`")
    parser.add_argument("--gpus", type=int, metavar="N", help="how many of them it has")
    parser.add_argument("--tp", type=int, dest="tensor_parallel", metavar="N", help="GPUs that share one model")
    parser.add_argument("--utilization", type=float, metavar="0.92", help="part of GPU memory the engine may take")
    parser.add_argument("--load-target-seconds", type=int, metavar="S", help="time to read the weights (300)")
    parser.add_argument("--region", metavar="NAME", help="AWS region")
    parser.add_argument("--explain", action="store_true", help="show the arithmetic and every rejected candidate")
    add_json_flag(parser)
    parser.set_defaults(run=run)


FIELDS = (
    "model",
    "quantization",
    "context_tokens",
    "concurrency",
    "instance_type",
    "gpu",
    "gpus",
    "tensor_parallel",
    "utilization",
    "load_target_seconds",
    "region",
)


def run(options: argparse.Namespace) -> int:
    """Plan and show it; a refusal is an error with exit code 2, in JSON with `fits: false`."""
    from infra.catalog.load import load
    from infra.sizing.plan import PlanRequest, plan
    from infra.sizing.refusal import Refusal

    given = {name: value for name in FIELDS if (value := getattr(options, name)) is not None}
    try:
        outcome = plan(PlanRequest(**given), load())
    except Refusal as refusal:
        if not options.json:
            raise
        write_json(_refusal_document(refusal))
        return refusal.exit_code
    if options.json:
        write_json(outcome.to_json())
    else:
        show(outcome, explained=options.explain)
    return 0


def _refusal_document(refusal: Any) -> dict[str, object]:
    error = refusal.to_json()
    reason = {"code": str(refusal.reason), "message": refusal.sentence, "fix": refusal.fix}
    return {"fits": False, "reasons": [reason], "rejected": error["rejected"], "error": error}


def show(plan: Plan, *, explained: bool) -> None:
    """The plan as tables; `explained` adds the arithmetic and every rejected candidate."""
    write_table(("", "plan"), _summary(plan))
    write_table(("memory of each GPU", "GiB"), _budget(plan))
    out = console()
    for warning in plan.warnings:
        out.print(f"note: {warning}")
    _show_alternatives(plan, explained=explained)
    _show_rejected(plan, explained=explained)
    if explained:
        from infra.sizing.explain import explain

        out.print("arithmetic:")
        for line in explain(plan):
            out.print(f"  {line}")


def _summary(plan: Plan) -> list[tuple[str, str]]:
    volume = plan.volume
    speed = f"{volume.iops:,} IOPS, {volume.throughput_mib_per_second} MiB/s"
    return [
        ("model", plan.model.id),
        ("weights", f"{plan.weights_bytes / GIB:.2f} GiB as {plan.quantization}, computed in {plan.dtype}"),
        ("hardware", _hardware(plan)),
        ("price", _price(plan)),
        ("cache", f"{plan.kv_tokens:,} tokens; longest request {plan.max_context:,}"),
        ("asked for", f"{plan.concurrency} x {plan.context_tokens:,} tokens"),
        ("weight volume", f"gp3, {volume.size_gib} GiB, {speed}"),
        ("start", f"weights read in {plan.load_seconds} s; failed after {plan.startup_budget_seconds} s"),
        ("host", f"{plan.host_memory_bytes / GIB:g} GiB of memory, {plan.cpu_millicores / 1000:g} CPU"),
        ("engine", f"{plan.engine} {plan.engine_version} {' '.join(plan.engine_arguments)}"),
    ]


def _hardware(plan: Plan) -> str:
    gpus = f"{plan.gpus} x {plan.gpu.name}"
    return f"{plan.instance.instance_type} ({gpus})" if plan.instance else gpus


def _price(plan: Plan) -> str:
    if plan.instance is None:
        return "your own machine"
    if plan.usd_per_hour is None:
        return "not in the catalogue"
    return f"{plan.usd_per_hour:.3f} USD/h on demand, {plan.instance.price_region}, {plan.price_date}"


def _budget(plan: Plan) -> list[tuple[str, str]]:
    budget = plan.budget
    parts = (
        ("weights", budget.weights_bytes),
        ("outside torch (CUDA context, NCCL)", budget.non_torch_bytes),
        ("activations", budget.activation_bytes),
        ("CUDA graphs", budget.cuda_graphs_bytes),
        ("KV cache", budget.kv_cache_bytes),
    )
    free = budget.usable_bytes - sum(value for _, value in parts)
    rows = (*parts, (f"left free (utilization {plan.utilization:g})", free), ("usable", budget.usable_bytes))
    return [(name, f"{value / GIB:.2f}") for name, value in rows]


def _show_alternatives(plan: Plan, *, explained: bool) -> None:
    shown = plan.alternatives if explained else plan.alternatives[:FEW]
    if not shown:
        return
    rows = (
        (
            a.instance_type,
            f"{a.tensor_parallel} x {a.gpu}",
            f"{a.kv_tokens:,}",
            a.usd_per_hour and f"{a.usd_per_hour:.3f}",
        )
        for a in shown
    )
    title = f"would also fit: {len(plan.alternatives)} instance types"
    write_table(("instance type", "uses", "cache tokens", "USD/h"), rows, title=title)


def _show_rejected(plan: Plan, *, explained: bool) -> None:
    if not plan.rejected:
        return
    first_of_each = list({one.code: one for one in reversed(plan.rejected)}.values())[::-1]
    shown = plan.rejected if explained else first_of_each[:FEW]
    more = "" if len(shown) == len(plan.rejected) else f", {len(shown)} shown (--explain shows all)"
    rows = ((one.candidate, one.quantization, one.code, one.message) for one in shown)
    write_table(("candidate", "as", "reason", ""), rows, title=f"rejected: {len(plan.rejected)}{more}")
