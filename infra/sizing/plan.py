"""Model and workload in, hardware out, with the arithmetic that led there."""

from __future__ import annotations

import difflib
from dataclasses import replace

from infra.catalog.cache_dtypes import read_cache_dtype
from infra.catalog.compatibility import CompatibilityFacts, load_compatibility
from infra.catalog.facts import Catalog, ModelFacts
from infra.errors import ConfigurationError
from infra.sizing import cache_support, cost, performance, speed, storage, weights
from infra.sizing.advice import refuse, warnings_for
from infra.sizing.arguments import dtype_of, engine_arguments
from infra.sizing.choice import Choice, Failure, Option, Search
from infra.sizing.compatibility import Conflict, Resolved
from infra.sizing.prepared import prepare
from infra.sizing.request import PlanRequest
from infra.sizing.result import Alternative, Budget, HostShare, Plan, Price, Rejected, Software, Speed, Volume
from infra.sizing.software import SoftwareOnGpus, misses_of
from infra.sizing.speed import SpeedUnknown

__all__ = ["Alternative", "Budget", "Plan", "PlanRequest", "Rejected", "Volume", "plan"]


def plan(request: PlanRequest, catalog: Catalog, facts: CompatibilityFacts | None = None) -> Plan:
    """The best hardware that serves `request`, or a `Refusal` naming each cause and what would fit.

    `facts` is the matrix of engine, torch, CUDA and driver releases; None takes the one shipped beside the catalogue.
    """
    request.check()
    request = replace(request, kv_cache_dtype=read_cache_dtype(request.kv_cache_dtype))
    model = catalog.model(request.model)
    _check_context(request, model)
    _check_families(request, catalog)
    prepared = prepare(catalog, facts or load_compatibility())
    software = SoftwareOnGpus(model, request, prepared)
    search = Search(model, request, software, prepared.fits_of(model, request))
    conflict = _conflict(search)
    outcome = search.choose()
    if conflict or isinstance(outcome, Failure):
        raise refuse(search, outcome, misses_of(conflict) if conflict else ())
    return _plan(search, outcome)


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


def _check_families(request: PlanRequest, catalog: Catalog) -> None:
    known = list(dict.fromkeys(instance.family for instance in catalog.instances))
    for family in request.families:
        if family not in known:
            near = difflib.get_close_matches(family, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            raise ConfigurationError(
                f"families: {family!r} is not in the catalogue",
                code="SKS0203",
                key="families",
                value=family,
                allowed=", ".join(known),
                fix=f"{hint}`seekstack instances` lists them",
            )


def _conflict(search: Search) -> Conflict | None:
    """What was given of the software and cannot be together, on the GPU where that is given too."""
    request = search.request
    if not request.names_software:
        return None
    gpu = search.catalog.gpu(request.gpu) if request.gpu else None
    if request.instance_type:
        gpu = search.catalog.gpu(search.catalog.instance(request.instance_type).gpu)
    answer = search.software.resolve(gpu if gpu and gpu.compute_capability else None)
    return answer if isinstance(answer, Conflict) else None


def _plan(search: Search, choice: Choice) -> Plan:
    request, best = search.request, choice.best
    layout, instance, arrangement = best.fit, best.machine.instance, best.arrangement
    checkpoint = weights.checkpoint_bytes(layout.model, layout.quantization)
    ebs = instance.ebs_baseline_mib_per_second if instance else None
    store = storage.volume(checkpoint, request.load_target_seconds, ebs)
    load = storage.load_seconds(checkpoint, store, ebs)
    host = storage.host_need(checkpoint, arrangement.gpus_per_machine)
    resolved = _resolved(search, best)
    speed_of = _speed(request, best)
    return Plan(
        model=layout.model,
        requested_model=request.model,
        quantization=layout.quantization.name,
        dtype=dtype_of(layout),
        gpu=layout.gpu,
        gpus=arrangement.gpus_per_machine,
        tensor_parallel=arrangement.tensor_parallel,
        pipeline_parallel=arrangement.pipeline_parallel,
        data_parallel=arrangement.data_parallel,
        nodes=arrangement.machines,
        instance=instance,
        weights_bytes=checkpoint,
        weights_shares=_weights_shares(best),
        budget=layout.budget,
        kv_cache_dtype=_cache_dtype(best, request),
        batch_tokens=layout.batch_tokens,
        kv_bytes_per_token=layout.kv_bytes_per_token,
        kv_tokens=layout.kv_tokens,
        max_context=layout.max_context,
        context_tokens=request.context_tokens,
        concurrency=request.concurrency,
        utilization=request.utilization,
        volume=store,
        load_seconds=load,
        load=speed.estimate_load(checkpoint, store, ebs),
        startup_budget_seconds=storage.startup_budget_seconds(load),
        host_memory_bytes=host.memory_bytes,
        shared_memory_bytes=host.shared_memory_bytes,
        cpu_millicores=host.cpu_millicores,
        usd_per_hour=best.usd_per_hour,
        price_date=instance.price_date if instance else None,
        price=_price(best, speed_of),
        speed=speed_of,
        objective=str(request.objective),
        engine="vllm",
        engine_version=str(best.engine),
        software=_software(request, resolved),
        engine_arguments=engine_arguments(layout, request, best.engine),
        warnings=warnings_for(search, choice, resolved, load, checkpoint),
        alternatives=_alternatives(search, choice),
        rejected=choice.rejected,
        placement=tuple(HostShare(one.host, one.copy, one.stage, one.gpus) for one in best.placed),
    )


def _weights_shares(best: Option) -> tuple[weights.Share, ...]:
    layout = best.fit
    return weights.gpu_weights_shares(
        layout.model,
        layout.quantization,
        layout.tensor_parallel,
        pipeline_parallel=layout.pipeline_parallel,
        data_parallel=layout.data_parallel,
        engine=best.engine,
        gpu=layout.gpu,
    )


def _cache_dtype(best: Option, request: PlanRequest) -> str:
    asked = read_cache_dtype(request.kv_cache_dtype)
    return cache_support.in_effect(best.fit.model, best.fit.quantization, best.fit.gpu, best.engine, asked)


def _resolved(search: Search, best: Option) -> Resolved:
    """The software around the engine of the choice; `fit` has let nothing pass that the matrix refuses."""
    drivers = {host.driver for host in search.request.hosts for one in best.placed if host.name == one.host}
    answer = search.software.resolve(best.fit.gpu, min(filter(None, drivers), default=None))
    if isinstance(answer, Conflict):
        raise refuse(search, Failure(misses_of(answer)[0], ()), misses_of(answer))
    return answer


def _software(request: PlanRequest, resolved: Resolved) -> Software:
    engine, *follows = resolved.explanations
    if not request.names_software:
        engine = f"vLLM {resolved.engine_version}: the newest that this release of seekstack knows"
    return Software(
        torch=resolved.torch,
        cuda=resolved.cuda,
        python=resolved.python,
        min_driver=resolved.min_driver,
        driver=resolved.driver,
        driver_branch=resolved.driver_branch,
        driver_branch_end_of_life=resolved.driver_branch_end_of_life,
        arithmetic=(engine, *follows),
    )


def _speed(request: PlanRequest, best: Option) -> Speed | None:
    case = (best.fit, best.arrangement, request, best.engine)
    found, first = performance.speed_with(request.concurrency, *case), performance.first_token(*case)
    if isinstance(found, SpeedUnknown):
        return None
    return Speed(
        users=request.concurrency,
        context_tokens=request.context_tokens,
        per_user=found.per_user,
        total=found.total,
        ms_per_token=found.ms_per_token,
        first_token_seconds=None if isinstance(first, SpeedUnknown) else first,
        step=performance.step_with(request.concurrency, *case),
    )


def _price(best: Option, found: Speed | None) -> Price | None:
    instance, hour = best.machine.instance, best.usd_per_hour
    month = cost.usd_per_month(hour)
    if instance is None or hour is None or month is None:
        return None
    million = cost.usd_per_million_tokens(hour, found.total) if found else None
    return Price(hour, month, million, instance.price_date, instance.price_region)


def _alternatives(search: Search, choice: Choice) -> tuple[Alternative, ...]:
    """Other EC2 types or hosts for the same quantisation, best first; none beside a single node one owns."""
    best, others = choice.best, choice.others
    if best.machine.instance is not None and search.request.instance_type:
        others = tuple(search.again(instance_type=None).options_in(best.fit.quantization)[0])
    return tuple(_alternative(other) for other in others if other.machine.name != best.machine.name)


def _alternative(option: Option) -> Alternative:
    return Alternative(
        instance_type=option.machine.name,
        gpu=option.machine.gpu.name,
        tensor_parallel=option.fit.tensor_parallel,
        kv_tokens=option.fit.kv_tokens,
        usd_per_hour=option.usd_per_hour,
        nodes=option.arrangement.machines,
    )
