"""Model and workload in, hardware out, with the arithmetic that led there."""

from __future__ import annotations

from infra.catalog.facts import Catalog, ModelFacts
from infra.errors import ConfigurationError
from infra.sizing import storage, weights
from infra.sizing.advice import fix_for, warnings_for
from infra.sizing.arguments import dtype_of, engine_arguments
from infra.sizing.choice import Choice, Failure, Machine, choose, rank_instances
from infra.sizing.fit import Fit
from infra.sizing.refusal import Refusal
from infra.sizing.request import PlanRequest
from infra.sizing.result import Alternative, Budget, Plan, Rejected, Volume

__all__ = ["Alternative", "Budget", "Plan", "PlanRequest", "Rejected", "Volume", "plan"]


def plan(request: PlanRequest, catalog: Catalog) -> Plan:
    """The cheapest hardware that serves `request`, or a `Refusal` naming the cause and what would fit."""
    request.check()
    model = catalog.model(request.model)
    _check_context(request, model)
    outcome = choose(model, request, catalog)
    if isinstance(outcome, Failure):
        fix = fix_for(outcome.miss, model, request, catalog)
        raise Refusal(outcome.miss, fix=fix, rejected=outcome.rejected)
    return _plan(request, outcome, catalog)


def _check_context(request: PlanRequest, model: ModelFacts) -> None:
    if model.max_positions and request.context_tokens > model.max_positions:
        raise ConfigurationError(
            f"contextTokens: {model.label} has {model.max_positions:,} positions",
            code="SKS0206",
            key="contextTokens",
            value=request.context_tokens,
            allowed=f"16 to {model.max_positions}",
            fix=f"set contextTokens to {model.max_positions} or less",
        )


def _plan(request: PlanRequest, choice: Choice, catalog: Catalog) -> Plan:
    layout, instance = choice.fit, choice.machine.instance
    checkpoint = weights.checkpoint_bytes(layout.model, layout.quantization)
    ebs = instance.ebs_baseline_mib_per_second if instance else None
    store = storage.volume(checkpoint, request.load_target_seconds, ebs)
    load = storage.load_seconds(checkpoint, store, ebs)
    host = storage.host_need(checkpoint, layout.tensor_parallel)
    return Plan(
        model=layout.model,
        requested_model=request.model,
        quantization=layout.quantization.name,
        dtype=dtype_of(layout),
        gpu=layout.gpu,
        gpus=layout.tensor_parallel,
        tensor_parallel=layout.tensor_parallel,
        nodes=1,
        instance=instance,
        weights_bytes=checkpoint,
        budget=layout.budget,
        kv_bytes_per_token=layout.kv_bytes_per_token,
        kv_tokens=layout.kv_tokens,
        max_context=layout.max_context,
        context_tokens=request.context_tokens,
        concurrency=request.concurrency,
        utilization=request.utilization,
        volume=store,
        load_seconds=load,
        startup_budget_seconds=storage.startup_budget_seconds(load),
        host_memory_bytes=host.memory_bytes,
        shared_memory_bytes=host.shared_memory_bytes,
        cpu_millicores=host.cpu_millicores,
        usd_per_hour=instance.usd_per_hour if instance else None,
        price_date=instance.price_date if instance else None,
        engine="vllm",
        engine_version=request.engine_version,
        engine_arguments=engine_arguments(layout, request),
        warnings=warnings_for(request, choice, load, checkpoint),
        alternatives=_alternatives(request, choice, catalog),
        rejected=choice.rejected,
    )


def _alternatives(request: PlanRequest, choice: Choice, catalog: Catalog) -> tuple[Alternative, ...]:
    """Other EC2 types for the same quantisation, cheapest first; none beside a node one owns."""
    chosen = choice.machine.instance
    if chosen is None:
        return ()
    others = choice.others
    if request.instance_type:
        others = tuple(rank_instances(choice.fit.model, choice.fit.quantization, request, catalog))
    return tuple(_alternative(machine, layout) for machine, layout in others if machine.instance != chosen)


def _alternative(machine: Machine, layout: Fit) -> Alternative:
    return Alternative(
        instance_type=machine.name,
        gpu=machine.gpu.name,
        tensor_parallel=layout.tensor_parallel,
        kv_tokens=layout.kv_tokens,
        usd_per_hour=machine.instance.usd_per_hour if machine.instance else None,
    )
