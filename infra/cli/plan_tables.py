"""A plan as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.cli.output import console, write_table
from infra.cli.plan_prices import market_rows, price_text
from infra.units import three_figures, to_gib

if TYPE_CHECKING:
    from infra.sizing.result import Alternative, Plan, Rejected
    from infra.sizing.step import Range
    from infra.sizing.training_plan import TrainingOutcome

__all__ = ["show", "show_training"]

FEW = 3
"""Rejected and alternative machines shown without `--explain`."""


def show(plan: Plan, *, explained: bool) -> None:
    """The plan as tables; `explained` adds the arithmetic and every rejected candidate."""
    write_table(("", "plan"), _summary(plan, explained=explained))
    write_table(("memory of each GPU" if plan.gpus else "memory of the machine", "GiB"), _budget(plan))
    out = console()
    for warning in plan.warnings:
        out.print(f"note: {warning}")
    _show_alternatives(plan, explained=explained)
    _show_rejected(plan.rejected, explained=explained)
    if explained:
        from infra.sizing.explain import explain

        out.print("arithmetic:")
        for line in explain(plan):
            out.print(f"  {line}")


def _summary(plan: Plan, *, explained: bool) -> list[tuple[str, str]]:
    volume = plan.volume
    speed = f"{volume.iops:,} IOPS, {volume.throughput_mib_per_second} MiB/s"
    return [
        ("model", plan.model.id),
        ("weights", f"{to_gib(plan.weights_bytes):.2f} GiB as {plan.quantization}{_computed(plan)}"),
        ("hardware", _hardware(plan)),
        ("price", _price(plan)),
        *market_rows(plan.price, explained=explained),
        ("cache", f"{plan.kv_tokens:,} tokens{_cache_dtype(plan)}; longest request {plan.max_context:,}"),
        ("asked for", f"{plan.concurrency} x {plan.context_tokens:,} tokens"),
        *_speed(plan),
        *_placement(plan),
        ("weight volume", f"gp3, {volume.size_gib} GiB, {speed}"),
        ("staging", _staging(plan)),
        ("start", f"weights read in {plan.load_seconds} s; failed after {plan.startup_budget_seconds} s"),
        ("host", f"{to_gib(plan.host_memory_bytes):g} GiB of memory, {plan.cpu_millicores / 1000:g} CPU"),
        ("engine", f"{plan.engine} {plan.engine_version} {' '.join(plan.engine_arguments)}"),
        *_launch(plan),
        ("software", _software(plan)),
    ]


def _staging(plan: Plan) -> str:
    each = " on each node" if plan.nodes > 1 else ""
    limit = f"the {plan.staging.limited_by} decides"
    return f"estimate: weights fetched once{each} in {_range(plan.staging.network_seconds)} s; {limit}"


def _computed(plan: Plan) -> str:
    """llama.cpp chooses a type for each operation."""
    return "" if plan.dtype == "auto" else f", computed in {plan.dtype}"


def _cache_dtype(plan: Plan) -> str:
    """Said where it is not the 16 bit that nearly all plans have."""
    return "" if plan.kv_cache_dtype in ("bf16", "fp16") else f" in {plan.kv_cache_dtype}"


def _hardware(plan: Plan) -> str:
    gpus = f"{plan.gpus} x {plan.gpu.name}" if plan.gpus else f"{plan.cpu_millicores // 1000} cores, no GPU"
    if plan.placement:
        return f"{plan.where} ({plan.tensor_parallel * plan.pipeline_parallel * plan.data_parallel} x {plan.gpu.name})"
    if plan.instance is None:
        return plan.where
    return f"{plan.where} ({gpus}{' each' if plan.nodes > 1 else ''})"


def _price(plan: Plan) -> str:
    if plan.instance is None:
        return "your own machine"
    price = plan.price
    if price is None or price.usd_per_month is None:
        return price_text(price)
    million = price.usd_per_million_tokens
    tokens = f"; {_range(million, expected=False)} USD a million tokens, busy (estimate)" if million else ""
    return f"{price_text(price)}; {price.usd_per_month:,.0f} USD a month{tokens}"


def _speed(plan: Plan) -> list[tuple[str, str]]:
    speed = plan.speed
    if speed is None:
        return [("speed", "not known")]
    users = "" if speed.users == 1 else f" a user, {_range(speed.total)} in all"
    rows = [("speed", f"estimate: {_range(speed.per_user)} tokens/s{users}; {_range(speed.ms_per_token)} ms a token")]
    if plan.objective == "throughput":
        most = speed.busiest
        rows.append(
            ("busiest", f"estimate: {_range(most.total)} tokens/s with {most.users:,} users, what the cache holds")
        )
    if speed.first_token_seconds:
        prompt = f"for a prompt of {speed.context_tokens:,} tokens"
        rows.append(("first token", f"estimate: {_range(speed.first_token_seconds)} s {prompt}"))
    return rows


def _placement(plan: Plan) -> list[tuple[str, str]]:
    shares = (f"{one.host}: copy {one.copy} stage {one.stage} on {one.gpus} GPUs" for one in plan.placement)
    return [("placement", "; ".join(shares))] if plan.placement else []


def _launch(plan: Plan) -> list[tuple[str, str]]:
    launch = plan.launch
    if launch is None or launch.method is None:
        return []
    heads = ", ".join(f"node {one.node}" for one in launch.nodes if one.role == "head")
    ports = ", ".join(map(str, launch.ports))
    how = f"{launch.method.replace('_', ' ')} on {len(launch.nodes)} nodes, requests to {heads}"
    return [("launch", f"{how}; open between them: {ports} (--explain shows what each node runs)")]


def _software(plan: Plan) -> str:
    software = plan.software
    named = (("torch", software.torch), ("CUDA", software.cuda), ("Python", software.python))
    parts = [f"{name} {version}" for name, version in named if version]
    if software.driver:
        branch = f"{software.driver_branch} to {software.driver_branch_end_of_life}"
        parts.append(f"driver {software.driver} ({software.min_driver} or later; recommended branch {branch})")
    return ", ".join(parts) or software.arithmetic[-1]


def _range(values: Range, *, expected: bool = True) -> str:
    text = f"{three_figures(values.low)} to {three_figures(values.high)}"
    return f"{text} ({three_figures(values.expected)} expected)" if expected else text


def _budget(plan: Plan) -> list[tuple[str, str]]:
    budget = plan.budget
    parts = (
        ("weights", budget.weights_bytes),
        (_beside(plan), budget.non_torch_bytes),
        ("activations", budget.activation_bytes),
        ("CUDA graphs", budget.cuda_graphs_bytes),
        ("KV cache", budget.kv_cache_bytes),
    )
    free = budget.usable_bytes - sum(value for _, value in parts)
    setting = "" if plan.utilization is None else f" (utilization {plan.utilization:g})"
    rows = (*parts, (f"left free{setting}", free), ("usable", budget.usable_bytes))
    return [(name, f"{to_gib(value):.2f}") for name, value in rows]


def _beside(plan: Plan) -> str:
    """What an engine takes that is neither weights nor work."""
    if plan.engine != "llama.cpp":
        return "outside torch (CUDA context, NCCL)"
    return "CUDA context" if plan.gpus else "the program itself"


def _uses(one: Alternative) -> str:
    gpus = f"{one.gpus} x {one.gpu}" if one.gpu else "no GPU"
    return f"{one.nodes} x {gpus}" if one.nodes > 1 else gpus


def _show_alternatives(plan: Plan, *, explained: bool) -> None:
    shown = plan.alternatives if explained else plan.alternatives[:FEW]
    if not shown:
        return
    rows = (
        (
            a.instance_type,
            _uses(a),
            f"{a.kv_tokens:,}",
            *_speed_and_price(a),
        )
        for a in shown
    )
    kind = "host" if plan.placement else "instance type"
    title = f"would also fit: {len(plan.alternatives)} {kind}{'s' if len(plan.alternatives) > 1 else ''}"
    columns = (kind, "uses", "cache tokens", "USD/h", "tokens/s", "ms a token", "USD a million tokens")
    write_table(columns, rows, title=f"{title} (speed and price of tokens: estimates)")


def _speed_and_price(one: Alternative) -> tuple[str | None, ...]:
    """US dollars an hour, tokens a second of all users, ms between two tokens of one, US dollars a million tokens."""
    speed = one.speed
    ranges = (speed.total, speed.ms_per_token) if speed else (None, None)
    hour = None if one.usd_per_hour is None else f"{one.usd_per_hour:.3f}"
    shown = (*ranges, one.usd_per_million_tokens(speed))
    return (hour, *(values and _range(values, expected=False) for values in shown))


def _show_rejected(rejected: tuple[Rejected, ...], *, explained: bool) -> None:
    if not rejected:
        return
    first_of_each = list({one.code: one for one in reversed(rejected)}.values())[::-1]
    shown = rejected if explained else first_of_each[:FEW]
    more = "" if len(shown) == len(rejected) else f", {len(shown)} shown (--explain shows all)"
    rows = ((one.candidate, one.quantization, one.code, one.message) for one in shown)
    write_table(("candidate", "as", "reason", ""), rows, title=f"rejected: {len(rejected)}{more}")


def show_training(outcome: TrainingOutcome, *, explained: bool) -> None:
    """A training run as tables."""
    run, memory, price = outcome.run, outcome.run.memory, outcome.price
    where = f"{outcome.machines} x {outcome.machine.name}" if outcome.machines > 1 else outcome.machine.name
    rows = [
        ("model", run.model.id),
        (
            "training",
            f"{outcome.workload}, {run.trainable_parameters:,} parameters, ZeRO stage {run.request.zero_stage}",
        ),
        ("hardware", f"{where} ({run.gpus} x {run.gpu.name} in all)"),
        ("price", price_text(price) if price else "not known"),
        *market_rows(price, explained=explained),
        ("step", f"{run.request.micro_batch} x {run.request.sequence_tokens:,} tokens on each GPU"),
        ("volume", f"gp3, {outcome.volume.size_gib} GiB: weights and one checkpoint"),
        ("host", f"{to_gib(run.host_bytes):.0f} GiB of memory in all"),
    ]
    write_table(("", "plan"), rows)
    parts = {
        "weights": memory.weights_bytes,
        "gradients": memory.gradients_bytes,
        "optimizer": memory.optimizer_bytes,
        "activations": memory.activations_bytes,
        "workspace": memory.workspace_bytes,
        "left free": run.gpu.usable_bytes - memory.total_bytes,
        "usable": run.gpu.usable_bytes,
    }
    write_table(("memory of each GPU", "GiB"), [(name, f"{to_gib(size):.2f}") for name, size in parts.items()])
    for warning in outcome.warnings:
        console().print(f"note: {warning}")
    _show_training_alternatives(outcome.alternatives, explained=explained)
    _show_rejected(outcome.rejected, explained=explained)


def _show_training_alternatives(alternatives: tuple[Alternative, ...], *, explained: bool) -> None:
    shown = alternatives if explained else alternatives[:FEW]
    if shown:
        rows = ((a.instance_type, a.gpu, a.usd_per_hour and f"{a.usd_per_hour:.3f}") for a in shown)
        write_table(
            ("instance type", "GPU", "USD/h"), rows, title=f"would also fit: {len(alternatives)} instance types"
        )
