"""Model and workload in, hardware out, with the arithmetic that led there."""

from __future__ import annotations

from dataclasses import replace

from infra.catalog.cache_dtypes import read_cache_dtype
from infra.catalog.compatibility import CompatibilityFacts, load_compatibility
from infra.catalog.facts import Catalog, CpuInstanceFacts
from infra.catalog.load import cpu_instances
from infra.catalog.markets import price_in
from infra.sizing import budgets, cache_support, images, kv_cache, speed, staging, storage, weights
from infra.sizing.advice import refuse, warnings_for
from infra.sizing.arguments import dtype_of, engine_arguments
from infra.sizing.choice import Choice, Failure, Option, Search
from infra.sizing.compatibility import Conflict
from infra.sizing.engine import Family
from infra.sizing.estimates import alternative_of, price_of, speed_of
from infra.sizing.machines import machine_named
from infra.sizing.nodes import launch_on
from infra.sizing.prepared import prepare
from infra.sizing.refusal import Miss
from infra.sizing.request import PlanRequest
from infra.sizing.request_check import check_request
from infra.sizing.result import Alternative, Budget, HostShare, Plan, Rejected, Software, Volume
from infra.sizing.software import SoftwareOnGpus, misses_of

__all__ = ["Alternative", "Budget", "Plan", "PlanRequest", "Rejected", "Volume", "plan"]


def plan(
    request: PlanRequest,
    catalog: Catalog,
    facts: CompatibilityFacts | None = None,
    processors: tuple[CpuInstanceFacts, ...] | None = None,
) -> Plan:
    """The best hardware that serves `request`, or a `Refusal` naming each cause and what would fit.

    `facts` is the matrix of engine, torch, CUDA and driver releases, `processors` are the EC2 types without accelerator
    that llama.cpp may run on; None takes those shipped beside the catalogue.
    """
    usable = (cpu_instances() if processors is None else processors) if request.engine is Family.LLAMA_CPP else ()
    model = check_request(request, catalog, usable)
    request = replace(request.folded(), kv_cache_dtype=read_cache_dtype(request.kv_cache_dtype))
    prepared = prepare(catalog, facts or load_compatibility(), usable)
    software = SoftwareOnGpus(model, request, prepared)
    search = Search(model, request, software, prepared.fits_of(model, request))
    conflict = _conflict(search)
    outcome = search.choose()
    if conflict or isinstance(outcome, Failure):
        raise refuse(search, outcome, conflict)
    return _plan(search, outcome)


def _conflict(search: Search) -> tuple[Miss, ...]:
    """What was given of the software and cannot be together, on the GPU where that is given too."""
    request, prepared = search.request, search.prepared
    if not request.names_software:
        return ()
    named = machine_named(request, search.catalog, prepared.processors)
    gpu = named.gpu if named else None
    if request.engine is not Family.VLLM:
        return images.check_software(request, gpu, None, prepared.facts, search.catalog)
    answer = search.software.resolve(gpu if gpu and gpu.compute_capability else None)
    return misses_of(answer) if isinstance(answer, Conflict) else ()


def _plan(search: Search, choice: Choice) -> Plan:
    request, best = search.request, choice.best
    layout, instance, arrangement = best.fit, best.machine.instance, best.arrangement
    checkpoint = weights.checkpoint_bytes(layout.model, layout.quantization)
    ebs = instance.ebs_baseline_mib_per_second if instance else None
    store = storage.volume(checkpoint, request.load_target_seconds, ebs)
    load = storage.load_seconds(checkpoint, store, ebs)
    host = _host_need(search, best, checkpoint)
    software, notes = _software(search, best)
    found = speed_of(request, best)
    arguments = engine_arguments(best, request)
    efa = instance is not None and instance.efa
    launch = launch_on(arrangement, layout, best.engine, arguments, best.placed, efa=efa)
    return Plan(
        model=layout.model,
        requested_model=request.model,
        quantization=layout.quantization.name,
        dtype="auto" if request.engine is Family.LLAMA_CPP else dtype_of(layout),
        gpu=layout.gpu,
        gpus=0 if best.machine.cores else arrangement.gpus_per_machine,
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
        utilization=_utilization(request, best),
        volume=store,
        load_seconds=load,
        load=speed.estimate_load(checkpoint, store, ebs),
        staging=_staging(search, best, checkpoint, store),
        startup_budget_seconds=storage.startup_budget_seconds(load),
        host_memory_bytes=host.memory_bytes,
        shared_memory_bytes=host.shared_memory_bytes,
        cpu_millicores=host.cpu_millicores,
        usd_per_hour=best.usd_per_hour,
        price_date=price_in(instance, best.market).date if instance else None,
        price=price_of(best, found),
        speed=found,
        objective=str(request.objective),
        engine=str(request.engine),
        engine_version=str(best.engine),
        software=software,
        engine_arguments=arguments,
        warnings=(*warnings_for(search, choice, notes, load, checkpoint), *(launch.notes if launch else ())),
        alternatives=_alternatives(search, choice),
        rejected=choice.rejected,
        placement=tuple(HostShare(one.host, one.copy, one.stage, one.gpus) for one in best.placed),
        launch=launch,
    )


def _staging(search: Search, best: Option, checkpoint: int, store: Volume) -> staging.Staging:
    """Of the node with the slowest network, as far as it is stated."""
    instance, write = best.machine.instance, float(store.throughput_mib_per_second)
    if instance is not None:
        write = min(write, instance.ebs_baseline_mib_per_second)
        network, disks = staging.network_of(instance), instance.local_nvme_gb
        return staging.stage(checkpoint, write, network, disks, storage.VOLUME_FACTOR)
    used = {one.host for one in best.placed}
    links = [host.network_gbit for host in search.request.hosts if host.name in used and host.network_gbit]
    return staging.stage(checkpoint, write, staging.network_of_host(min(links, default=None)))


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


def _host_need(search: Search, best: Option, checkpoint: int) -> storage.HostNeed:
    """Beside the GPUs; of a machine without any it is all that the engine takes."""
    if not best.machine.cores:
        return storage.host_need(checkpoint, search.processes(best.arrangement))
    budget, request = best.fit.budget, search.request
    slots = kv_cache.needed_tokens(request.context_tokens, request.concurrency, best.engine.slot_tokens)
    taken = budget.weights_bytes + budget.non_torch_bytes + budget.activation_bytes
    return storage.processor_need(taken + slots * best.fit.kv_bytes_per_token, best.machine.cores)


def _utilization(request: PlanRequest, best: Option) -> float | None:
    """The engine's setting of that sort; None where it has none."""
    if request.engine is Family.LLAMA_CPP:
        return None
    ranks = best.arrangement.tensor_parallel * best.arrangement.pipeline_parallel
    return budgets.planned_utilization(request.utilization, best.engine, best.fit.gpu, ranks)


def _software(search: Search, best: Option) -> tuple[Software, tuple[str, ...]]:
    """What is around the engine of the choice, with what to know of it; `fit` has let nothing pass that the matrix
    refuses."""
    request, prepared, gpu = search.request, search.prepared, best.fit.gpu
    drivers = {host.driver for host in request.hosts for one in best.placed if host.name == one.host}
    driver = min(filter(None, drivers), default=None)
    if request.engine is not Family.VLLM:
        case = (request, gpu, driver, prepared.facts, search.catalog)
        return images.software_of(*case), images.warnings_of(*case)
    resolved = search.software.resolve(gpu, driver)
    if isinstance(resolved, Conflict):
        raise refuse(search, Failure(misses_of(resolved)[0], ()), misses_of(resolved))
    notes = tuple(note for note in resolved.warnings if note not in resolved.gpu_warnings)
    engine, *follows = resolved.explanations
    if not request.names_software:
        engine = f"vLLM {resolved.engine_version}: the newest that this release of seekstack knows"
    software = Software(
        torch=resolved.torch,
        cuda=resolved.cuda,
        python=resolved.python,
        min_driver=resolved.min_driver,
        driver=resolved.driver,
        driver_branch=resolved.driver_branch,
        driver_branch_end_of_life=resolved.driver_branch_end_of_life,
        arithmetic=(engine, *follows),
    )
    return software, notes


def _alternatives(search: Search, choice: Choice) -> tuple[Alternative, ...]:
    """Other EC2 types or hosts for the same quantisation, best first; none beside a single node one owns."""
    best, others = choice.best, choice.others
    if best.machine.instance is not None and search.request.instance_type:
        others = tuple(search.again(instance_type=None).options_in(best.fit.quantization)[0])
    return tuple(alternative_of(search.request, other) for other in others if other.machine.name != best.machine.name)
