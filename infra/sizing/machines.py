"""The machines a model may run on, and what rules one out before its memory is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.catalog.facts import Catalog, CpuInstanceFacts, GpuFacts, InstanceFacts
from infra.catalog.load import cpu_instances
from infra.catalog.markets import Market, usd_per_hour_in
from infra.errors import ConfigurationError
from infra.sizing import cpu
from infra.sizing.arrangement import Arrangement
from infra.sizing.engine import TITLES, Family
from infra.sizing.markets import refresh_command
from infra.sizing.refusal import Miss, Reason
from infra.sizing.request import PlanRequest
from infra.units import up_to_hundredth

__all__ = [
    "CONSTRAINTS",
    "Machine",
    "check_count",
    "check_limits",
    "check_machine",
    "check_market",
    "machine_flags",
    "machine_named",
    "machine_of",
    "machine_without_gpu",
]

MAX_OWNED_GPUS = 8

CONSTRAINTS = (Reason.PRICE, Reason.FAMILY, Reason.QUOTA, Reason.TTFT, Reason.MARKET)
"""Reasons that a person set, not the hardware."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Equal GPUs in one box: an EC2 type, or a node one owns. A type without GPU has its processor in their place."""

    name: str
    gpu: GpuFacts
    gpus: int
    instance: InstanceFacts | None
    cores: int = 0
    """Physical ones of a type without GPU."""

    def usd_per_hour(self, market: Market) -> float | None:
        """Of one machine; None for a node one owns, and where the catalogue has no price in that market."""
        return usd_per_hour_in(self.instance, market) if self.instance else None

    @property
    def memory_bytes(self) -> int:
        """GPU memory the engine can use; machines it does not run on count as none."""
        return self.gpu.usable_bytes * self.gpus if self.gpu.compute_capability else 0


def machine_of(instance: InstanceFacts, catalog: Catalog) -> Machine:
    """An EC2 type with the facts of its GPU."""
    return Machine(instance.instance_type, catalog.gpu(instance.gpu), instance.gpus, instance)


def machine_without_gpu(processor: CpuInstanceFacts) -> Machine:
    """An EC2 type without accelerator, for llama.cpp."""
    instance, gpu = cpu.as_instance(processor), cpu.as_accelerator(processor)
    return Machine(processor.instance_type, gpu, 1, instance, processor.cores)


def machine_named(
    request: PlanRequest, catalog: Catalog, processors: Sequence[CpuInstanceFacts] = ()
) -> Machine | None:
    """The machine the request fixes; None where it is to be chosen. `processors` may be named too."""
    if request.instance_type:
        name = request.instance_type.casefold()
        without = next((one for one in processors if one.instance_type == name), None)
        if without:
            return machine_without_gpu(without)
        _refuse_processor(name, request, catalog)
        return machine_of(catalog.instance(name), catalog)
    if request.gpu:
        gpu = catalog.gpu(request.gpu)
        count = request.gpus or MAX_OWNED_GPUS
        return Machine(f"{count} x {gpu.name}" if request.gpus else gpu.name, gpu, count, None)
    return None


def _refuse_processor(name: str, request: PlanRequest, catalog: Catalog) -> None:
    if any(one.instance_type == name for one in catalog.instances) or all(
        one.instance_type != name for one in cpu_instances()
    ):
        return
    raise ConfigurationError(
        f"instanceType: {name} has no GPU, which {TITLES[request.engine]} needs",
        code="SKS0203",
        key="instanceType",
        value=name,
        allowed="a type with accelerators: `seekstack instances` lists them",
        fix="add --engine llama.cpp to serve a small quantised model there, or name a type with GPUs",
    )


def check_machine(machine: Machine, request: PlanRequest) -> Miss | None:
    """Processor, whole GPUs, region, market, family and limits of one machine. llama.cpp has images for x86_64 and
    arm64, with and without CUDA (its docs/docker.md)."""
    instance = machine.instance
    if instance is None:
        return None
    name = instance.instance_type
    if instance.cpu_architecture != "x86_64" and request.engine is not Family.LLAMA_CPP:
        message = f"{name} is {instance.cpu_architecture}; the engine image is built for x86_64"
        return Miss(Reason.CPU_ARCHITECTURE, message, "instanceType", name, "an x86_64 type")
    if instance.gpus == 0 and not machine.cores:
        message = f"{name} holds {instance.partition:g} of an {instance.gpu}; the engine needs whole GPUs"
        return Miss(Reason.FRACTIONAL_GPU, message, "instanceType", name, "a type with whole GPUs")
    if request.region == instance.price_region and not _is_offered(instance, request.market):
        message = f"{name} is not offered in {request.region}"
        return Miss(Reason.REGION, message, "instanceType", name, "another type or region")
    if miss := check_market(machine, request.market):
        return miss
    if request.families and instance.family not in request.families:
        allowed = ", ".join(request.families)
        message = f"{name} is of family {instance.family}, allowed are {allowed}"
        return Miss(Reason.FAMILY, message, "families", allowed, None, f"allow family {instance.family}")
    return check_limits(machine, 1, request)


def machine_flags(gpu: str, gpus: int, nodes: int) -> str:
    """Machines one owns, as they are typed."""
    return f"--gpu {gpu} --gpus {gpus}" + (f" --nodes {nodes}" if nodes > 1 else "")


def _is_offered(instance: InstanceFacts, market: Market) -> bool:
    """Whether the region of the prices has the type. EC2's list of a region holds what is sold there in any market (in
    us-east-2 p5e, which is sold in capacity blocks), so a type outside it is in none, unless AWS named a price."""
    return bool(instance.offered_in) or usd_per_hour_in(instance, market) is not None


def check_market(machine: Machine, market: Market) -> Miss | None:
    """Whether EC2 sells the type in that market at all; whether today is another matter."""
    instance = machine.instance
    if instance is None or market in instance.markets:
        return None
    sold = ", ".join(instance.markets)
    message = f"{machine.name} cannot be bought as {market}; EC2 sells it as {sold}"
    return Miss(Reason.MARKET, message, "market", str(market), sold, f"set market to {instance.markets[0]}")


def check_limits(machine: Machine, machines: int, request: PlanRequest) -> Miss | None:
    """What so many machines may cost, and how many vCPUs they may have."""
    instance, most = machine.instance, request.max_usd_per_hour
    if instance is None:
        return None
    what = f"{machines} x {machine.name}" if machines > 1 else machine.name
    if most is not None:
        price = machine.usd_per_hour(request.market)
        if price is None:
            message = f"{what} has no {request.market} price in the catalogue, which maxUsdPerHour needs"
            fix = f"leave out maxUsdPerHour, or run {refresh_command(request.region or instance.price_region)}"
            return Miss(Reason.PRICE, message, "maxUsdPerHour", most, None, fix)
        if price * machines > most:
            message = f"{what} costs {price * machines:.3f} USD/h, allowed are {most:g}"
            return Miss(
                Reason.PRICE, message, "maxUsdPerHour", most, None, f"allow {up_to_hundredth(price * machines)} USD/h"
            )
    vcpus = instance.vcpus * machines
    if request.quota_vcpus is not None and vcpus > request.quota_vcpus:
        message = f"{what} has {vcpus} vCPUs, the quota is {request.quota_vcpus}"
        fix = f"ask AWS for a quota of {vcpus} vCPUs for {instance.family}"
        return Miss(Reason.QUOTA, message, "quotaVcpus", request.quota_vcpus, None, fix)
    return None


def check_count(machine: Machine, arrangement: Arrangement, request: PlanRequest) -> Miss | None:
    """Tensor ranks stay inside a machine, and there may not be enough machines."""
    ranks = arrangement.tensor_parallel
    if ranks > machine.gpus:
        message = f"{machine.name} has {machine.gpus} GPUs; tensor parallel {ranks} needs as many"
        return Miss(Reason.GPU_COUNT, message, "tensorParallel", ranks, f"up to {machine.gpus}")
    if arrangement.machines > request.nodes:
        message = f"{arrangement.gpus} GPUs take {arrangement.machines} x {machine.name}; allowed are {request.nodes}"
        most = "one machine" if request.engine is Family.LLAMA_CPP else f"at least {arrangement.machines}"
        return Miss(Reason.GPU_COUNT, message, "nodes", request.nodes, most)
    return None
