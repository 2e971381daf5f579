"""Which machine serves a model: the one that was named, or the cheapest of the catalogue."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from infra.catalog.facts import Catalog, GpuFacts, InstanceFacts, ModelFacts, QuantizationFacts
from infra.sizing import layout, storage, weights
from infra.sizing.engine import Engine
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.refusal import Miss, Reason
from infra.sizing.request import PlanRequest
from infra.sizing.result import Rejected

__all__ = ["Choice", "Failure", "Machine", "choose", "machine_named", "rank_instances", "serve", "workload_of"]

MAX_OWNED_GPUS = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """Equal GPUs in one box: an EC2 type, or a node one owns."""

    name: str
    gpu: GpuFacts
    gpus: int
    instance: InstanceFacts | None


@dataclass(frozen=True, slots=True)
class Choice:
    """A machine with the layout on it, and everything that was ruled out on the way."""

    machine: Machine
    fit: Fit
    others: tuple[tuple[Machine, Fit], ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Nothing serves the request; `miss` is what rules out the largest machine in the first quantisation tried."""

    miss: Miss
    rejected: tuple[Rejected, ...]


def workload_of(request: PlanRequest) -> Workload:
    """The part of a request that a layout has to serve."""
    engine = Engine.parse(request.engine_version)
    return Workload(request.context_tokens, request.concurrency, request.utilization, engine)


def machine_named(request: PlanRequest, catalog: Catalog) -> Machine | None:
    """The machine the request fixes; None where the choice is ours."""
    if request.instance_type:
        return _machine(catalog.instance(request.instance_type), catalog)
    if request.gpu:
        gpu = catalog.gpu(request.gpu)
        count = request.gpus or MAX_OWNED_GPUS
        return Machine(f"{count} x {gpu.name}" if request.gpus else gpu.name, gpu, count, None)
    return None


def _machine(instance: InstanceFacts, catalog: Catalog) -> Machine:
    return Machine(instance.instance_type, catalog.gpu(instance.gpu), instance.gpus, instance)


def attempts(model: ModelFacts, requested: str | None, catalog: Catalog) -> tuple[QuantizationFacts, ...]:
    """The quantisation that was named; else the published one and then ever smaller ones."""
    if requested is not None:
        return (catalog.quantization(requested),)
    native = catalog.quantization(model.native_dtype)
    smaller = [q for q in catalog.quantizations if q.bytes_per_parameter < native.bytes_per_parameter]
    usable = [q for q in smaller if q.name != "fp4_fp8"]
    return (native, *sorted(usable, key=lambda q: q.quality_rank))


def choose(model: ModelFacts, request: PlanRequest, catalog: Catalog) -> Choice | Failure:
    """The first quantisation that fits, on the machine that was named or else on the cheapest type."""
    named = machine_named(request, catalog)
    first_miss: Miss | None = None
    rejected: list[Rejected] = []
    for quantization in attempts(model, request.quantization, catalog):
        machines = [named] if named else [_machine(instance, catalog) for instance in catalog.instances]
        fits, misses = _sort_out(model, quantization, machines, request, catalog)
        rejected += [Rejected(machine.name, miss.reason, miss.message, name) for machine, name, miss in misses]
        if fits:
            best, *others = fits
            return Choice(best[0], best[1], tuple(others), tuple(rejected))
        first_miss = first_miss or max(misses, key=lambda missed: _memory_bytes(missed[0]))[2]
    assert first_miss is not None  # noqa: S101 there is always an attempt
    return Failure(first_miss, tuple(rejected))


def rank_instances(
    model: ModelFacts, quantization: QuantizationFacts, request: PlanRequest, catalog: Catalog
) -> list[tuple[Machine, Fit]]:
    """Every EC2 type that serves the request in that quantisation, cheapest first."""
    machines = [_machine(instance, catalog) for instance in catalog.instances]
    return _sort_out(model, quantization, machines, request, catalog)[0]


def _sort_out(
    model: ModelFacts,
    quantization: QuantizationFacts,
    machines: list[Machine],
    request: PlanRequest,
    catalog: Catalog,
) -> tuple[list[tuple[Machine, Fit]], list[tuple[Machine, str, Miss]]]:
    fits: list[tuple[Machine, Fit]] = []
    misses: list[tuple[Machine, str, Miss]] = []
    for machine in machines:
        on_gpu = _on_gpu(quantization, machine.gpu, request, catalog)
        outcome = serve(model, on_gpu, machine, request)
        if isinstance(outcome, Fit):
            fits.append((machine, outcome))
        else:
            misses.append((machine, on_gpu.name, outcome))
    return sorted(fits, key=lambda pair: _cost(pair[0])), misses


def _cost(machine: Machine) -> tuple[float, int, str]:
    """Types without a price in the snapshot come last."""
    price = machine.instance.usd_per_hour if machine.instance else None
    return (math.inf if price is None else price, machine.gpus, machine.name)


def _memory_bytes(machine: Machine) -> int:
    """GPU memory the engine can use; machines it does not run on count as none."""
    return machine.gpu.usable_bytes * machine.gpus if machine.gpu.compute_capability else 0


def _on_gpu(
    quantization: QuantizationFacts, gpu: GpuFacts, request: PlanRequest, catalog: Catalog
) -> QuantizationFacts:
    """bf16 weights run as fp16 where the GPU has no bf16, unless bf16 was asked for by name."""
    swap = request.quantization is None and quantization.name == "bf16" and not gpu.supports_bf16
    return catalog.quantization("fp16") if swap else quantization


def serve(model: ModelFacts, quantization: QuantizationFacts, machine: Machine, request: PlanRequest) -> Fit | Miss:
    """The layout on one machine: all GPUs of an EC2 type, which are paid for anyway, or the fewest of an owned node."""
    miss = _check_instance(machine, request)
    if miss:
        return miss
    workload = workload_of(request)
    largest: Miss | None = None
    for ranks in _ranks_to_try(model, quantization, machine, request):
        outcome = _serve_with(model, quantization, machine, ranks, workload)
        if isinstance(outcome, Fit):
            return outcome
        largest = outcome if machine.instance is None else largest or outcome
    assert largest is not None  # noqa: S101 one rank is always tried
    return largest


def _ranks_to_try(
    model: ModelFacts, quantization: QuantizationFacts, machine: Machine, request: PlanRequest
) -> Iterator[int]:
    if request.tensor_parallel is not None:
        return iter((request.tensor_parallel,))
    sizes = layout.splits(model, quantization, machine.gpus)
    return iter(sizes) if machine.instance is None else reversed(sizes)


def _serve_with(
    model: ModelFacts, quantization: QuantizationFacts, machine: Machine, ranks: int, workload: Workload
) -> Fit | Miss:
    outcome = fit(model, quantization, machine.gpu, ranks, workload)
    if isinstance(outcome, Miss):
        return outcome
    if ranks > machine.gpus:
        message = f"{machine.name} has {machine.gpus} GPUs; tensor parallel {ranks} needs as many"
        return Miss(Reason.GPU_COUNT, message, "tensorParallel", ranks, f"up to {machine.gpus}")
    return _check_host(weights.checkpoint_bytes(model, quantization), machine, ranks) or outcome


def _check_instance(machine: Machine, request: PlanRequest) -> Miss | None:
    instance = machine.instance
    if instance is None:
        return None
    name = instance.instance_type
    if instance.cpu_architecture != "x86_64":
        message = f"{name} is {instance.cpu_architecture}; the engine image is built for x86_64"
        return Miss(Reason.CPU_ARCHITECTURE, message, "instanceType", name, "an x86_64 type")
    if instance.gpus == 0:
        message = f"{name} holds {instance.partition:g} of an {instance.gpu}; the engine needs whole GPUs"
        return Miss(Reason.FRACTIONAL_GPU, message, "instanceType", name, "a type with whole GPUs")
    if request.region == instance.price_region and not instance.offered_in:
        message = f"{name} is not offered in {request.region}"
        return Miss(Reason.REGION, message, "instanceType", name, "another type or region")
    return None


def _check_host(checkpoint_bytes: int, machine: Machine, ranks: int) -> Miss | None:
    instance = machine.instance
    size_gib = storage.volume(checkpoint_bytes, 1, None).size_gib
    if size_gib > storage.GP3_MAX_GIB:
        message = f"the weights need a volume of {size_gib:,} GiB; gp3 ends at {storage.GP3_MAX_GIB:,} GiB"
        return Miss(Reason.DISK, message, "model")
    need = storage.host_need(checkpoint_bytes, ranks).memory_bytes + storage.SYSTEM_HOST_BYTES
    if instance is None or need <= instance.host_memory_bytes:
        return None
    have, want = instance.host_memory_bytes / 2**30, need / 2**30
    message = f"{machine.name} has {have:g} GiB of host memory; {ranks} engine processes need {want:g} GiB"
    return Miss(Reason.HOST_RAM, message, "instanceType", machine.name)
