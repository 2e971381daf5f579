"""Which machine trains a model: the cheapest EC2 type that holds the run, or the GPUs that were named."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from infra.catalog.compatibility import CompatibilityFacts, load_compatibility
from infra.catalog.facts import Catalog
from infra.catalog.markets import Market, price_in
from infra.errors import ConfigurationError, raise_all
from infra.sizing import cost, storage
from infra.sizing.advice import alias_note
from infra.sizing.machines import Machine, check_limits, check_machine, machine_named
from infra.sizing.markets import market_notes, market_prices
from infra.sizing.prepared import prepare
from infra.sizing.refusal import Miss, Reason
from infra.sizing.refused import PlanRefusal
from infra.sizing.request import PlanRequest
from infra.sizing.request_check import mistakes_of
from infra.sizing.result import Alternative, Price, Rejected, Volume
from infra.sizing.training import Method, Offload, TrainingMiss, TrainingPlan, TrainingRequest, estimate_training
from infra.sizing.training_software import TrainingSoftware
from infra.units import to_gib

__all__ = ["TrainingOutcome", "plan_training"]

Estimate = Callable[[TrainingRequest, str], TrainingPlan | TrainingMiss]
"""One run on a GPU by its name, asked once: types that differ only in processors share it."""

METHODS = {"train": Method.FULL, "lora": Method.LORA, "qlora": Method.QLORA}
STAGES = (0, 2, 3)
"""ZeRO stages that are tried, the fastest first: 1 saves less than 2 at the same speed."""
CHECKPOINT_BYTES = 14
"""A saved trainable parameter: 16-bit weight, fp32 weight and two moments of Adam."""
ONLY_SERVING = {
    "tensor_parallel": "--tp",
    "pipeline_parallel": "--pp",
    "data_parallel": "--dp",
    "quantization": "--quantization",
    "max_ttft_seconds": "--max-ttft-seconds",
    "hosts": "--inventory",
    "engine": "--engine",
    "engine_version": "--engine-version",
    "context_tokens": "--context",
    "concurrency": "--concurrency",
    "kv_cache_dtype": "--kv-cache-dtype",
    "utilization": "--utilization",
    "objective": "--objective",
}
"""Fields that only serving has, and how they are typed."""
ONLY_OF = {"bits": ("qlora",), "rank": ("lora", "qlora")}
"""Options of training by the workloads that have a use for them."""


@dataclass(frozen=True, slots=True)
class TrainingOutcome:
    """One run on one kind of machine."""

    workload: str
    requested_model: str
    run: TrainingPlan
    machine: Machine
    machines: int
    volume: Volume
    price: Price | None
    warnings: tuple[str, ...]
    alternatives: tuple[Alternative, ...]
    rejected: tuple[Rejected, ...]

    def to_json(self) -> dict[str, object]:
        """The top level of a serving plan; what training has none of is null."""
        run, model = self.run.to_json(), self.run.model
        instance = self.machine.instance
        return {
            "fits": True,
            "reasons": [],
            "workload": self.workload,
            "model": {"id": model.id, "label": model.label, "requested": self.requested_model},
            "training": {
                name: run[name] for name in ("method", "bits", "zero_stage", "offload", "trainable_parameters")
            },
            "gpu": self.run.gpu.name,
            "per_gpu": run["per_gpu"],
            "kv_tokens": None,
            "max_context": None,
            "parallel": {"tp": 1, "pp": 1, "dp": self.run.gpus, "ep": 1},
            "instance": instance.instance_type if instance else None,
            "nodes": self.machines,
            "volume": asdict(self.volume),
            "host_ram_gib": run["host_ram_gib"],
            "startup_seconds": None,
            "speed": None,
            "price": self.price.to_json() if self.price else None,
            "alternatives": [alternative.to_json() for alternative in self.alternatives],
            "rejected": [asdict(rejected) for rejected in self.rejected],
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, slots=True)
class _Option:
    machine: Machine
    machines: int
    run: TrainingPlan
    market: Market

    @property
    def usd_per_hour(self) -> float | None:
        return self.usd_per_hour_in(self.market)

    def usd_per_hour_in(self, market: Market) -> float | None:
        price = self.machine.usd_per_hour(market)
        return None if price is None else price * self.machines

    @property
    def rank(self) -> tuple[float, float, int, str]:
        """As in the choice of a server: what has no price comes last, by its price on demand."""
        price = self.usd_per_hour
        cost, instead = (math.inf, self.usd_per_hour_in(Market.ON_DEMAND)) if price is None else (price, 0.0)
        instead = math.inf if instead is None else instead
        return (cost, instead, self.run.gpus, self.machine.name)


def plan_training(
    workload: str,
    options: Mapping[str, Any],
    request: PlanRequest,
    catalog: Catalog,
    *,
    given: Collection[str] = (),
    facts: CompatibilityFacts | None = None,
) -> TrainingOutcome:
    """The cheapest machines that hold the run; `options` are fields of `TrainingRequest`.

    `given` are fields of the request that a person wrote, be it their default; `facts` is as for `plan`. Without a ZeRO
    stage the lowest that fits is taken; data parallel over all GPUs of a machine.
    """
    beside = list(_other_method(workload, options))
    usable = {name: value for name, value in options.items() if name not in {one.key for one in beside}}
    wanted = replace(TrainingRequest(method=METHODS[workload]), **_typed(usable))
    raise_all([*mistakes_of(request, catalog), *_serving_only(request, given), *wanted.mistakes(), *beside])
    request, model = request.folded(), catalog.model(request.model)
    stages = (wanted.zero_stage,) if "zero_stage" in options else STAGES
    named = machine_named(request, catalog)
    facts = facts or load_compatibility()
    software = TrainingSoftware.of(request, facts)
    impossible = software.check(None)
    if impossible:
        raise PlanRefusal([impossible], fixes=[impossible.fix or ""])
    machines = [named] if named else prepare(catalog, facts).machines
    found: list[_Option] = []
    missed: list[tuple[Machine, Miss, tuple[str, ...]]] = []
    estimate = cache(lambda run, gpu: estimate_training(run, model, catalog.gpu(gpu)))
    for machine in machines:
        outcome = _on_machine(machine, estimate, wanted, stages, request, software)
        if isinstance(outcome, _Option):
            found.append(outcome)
        else:
            missed.append((machine, *outcome))
    rejected = tuple(Rejected(one.name, miss.reason, miss.message, workload) for one, miss, _ in missed)
    if not found:
        raise _refusal(missed, rejected)
    best, *others = sorted(found, key=lambda option: option.rank)
    return _outcome(workload, request, best, others, rejected, software.notes(best.run.gpu))


def _typed(options: Mapping[str, Any]) -> dict[str, Any]:
    typed = dict(options)
    if "offload" in typed:
        typed["offload"] = Offload(typed["offload"])
    return typed


def _other_method(workload: str, options: Mapping[str, Any]) -> Iterator[ConfigurationError]:
    for name, workloads in ONLY_OF.items():
        if name in options and workload not in workloads:
            allowed = f"with --workload {' or '.join(workloads)}"
            yield ConfigurationError(
                f"{name}: {workload} takes none",
                code="SKS0205",
                key=name,
                value=options[name],
                allowed=allowed,
                fix=f"leave out {name}, or plan {allowed}",
            )


def _serving_only(request: PlanRequest, given: Collection[str]) -> Iterator[ConfigurationError]:
    default = PlanRequest(request.model)
    for name in ONLY_SERVING:
        if name in given or getattr(request, name) != getattr(default, name):
            yield ConfigurationError(
                f"{name}: training takes none",
                code="SKS0205",
                key=name,
                allowed="serving only",
                fix=f"leave out {ONLY_SERVING[name]}, or use --workload serve",
            )


def _on_machine(
    machine: Machine,
    estimate: Estimate,
    wanted: TrainingRequest,
    stages: Sequence[int],
    request: PlanRequest,
    software: TrainingSoftware,
) -> _Option | tuple[Miss, tuple[str, ...]]:
    """The lowest stage on the fewest machines; else what rules out the last one tried."""
    miss = check_machine(machine, request)
    if miss:
        return miss, ()
    if machine.gpu.compute_capability is None:
        message = f"{machine.name}: trainers of this kind need CUDA"
        return Miss(Reason.KERNEL, message, "gpu", machine.gpu.name, "an NVIDIA GPU"), ()
    if miss := software.check(machine.gpu):
        return miss, ()
    last: tuple[Miss, tuple[str, ...]] | None = None
    for machines in range(1, request.nodes + 1):
        limit = check_limits(machine, machines, request)
        if limit:
            return last or (limit, ())
        for stage in stages:
            run = estimate(_sized(machine, machines, stage, wanted, request), machine.gpu.name)
            if isinstance(run, TrainingPlan):
                return _Option(machine, machines, run, request.market)
            last = _miss(run), run.fixes
    assert last is not None  # noqa: S101 there is a stage, and a machine
    return last


def _sized(
    machine: Machine, machines: int, stage: int, wanted: TrainingRequest, request: PlanRequest
) -> TrainingRequest:
    """On all GPUs that are paid for; of an owned node without a count on the fewest, up to its eight."""
    memory = machine.instance.host_memory_bytes - storage.SYSTEM_HOST_BYTES if machine.instance else None
    gpus = None if machine.instance is None and request.gpus is None else machine.gpus * machines
    host = None if memory is None else memory * machines
    return replace(wanted, zero_stage=stage, gpus=gpus, host_memory_bytes=host)


def _miss(found: TrainingMiss) -> Miss:
    return Miss(Reason(found.cause), found.message, found.key, str(found.value), None, "; or ".join(found.fixes))


def _refusal(missed: Sequence[tuple[Machine, Miss, tuple[str, ...]]], rejected: tuple[Rejected, ...]) -> PlanRefusal:
    """The largest machine that its memory rules out, and what would do there."""
    _, miss, fixes = max(missed, key=lambda one: (bool(one[2]), one[0].memory_bytes))
    fix = "; or ".join(fixes) or miss.fix or "name another machine"
    return PlanRefusal([miss], fixes=[fix], rejected=rejected)


def _outcome(
    workload: str,
    request: PlanRequest,
    best: _Option,
    others: Sequence[_Option],
    rejected: tuple[Rejected, ...],
    notes: Sequence[str],
) -> TrainingOutcome:
    instance, run = best.machine.instance, best.run
    bytes_on_disk = run.model.weights_bytes + CHECKPOINT_BYTES * run.trainable_parameters
    ebs = instance.ebs_baseline_mib_per_second if instance else None
    hour = best.usd_per_hour
    price = None
    if instance:
        date, sold = price_in(instance, best.market).date, market_prices(instance, best.machines)
        month = cost.usd_per_month(hour)
        price = Price(hour, month, None, date, instance.price_region, best.market, sold)
    return TrainingOutcome(
        workload=workload,
        requested_model=request.model,
        run=run,
        machine=best.machine,
        machines=best.machines,
        volume=storage.volume(bytes_on_disk, request.load_target_seconds, ebs),
        price=price,
        warnings=(*_warnings(request, best), *notes),
        alternatives=tuple(
            Alternative(one.machine.name, one.machine.gpu.name, 1, 0, one.usd_per_hour, one.machines) for one in others
        ),
        rejected=rejected,
    )


def _warnings(request: PlanRequest, best: _Option) -> list[str]:
    run, notes = best.run, [alias_note(request.model, best.run.model)]
    if run.request.zero_stage:
        notes.append(f"ZeRO stage {run.request.zero_stage} over {run.gpus} GPUs")
    elif run.gpus > 1:
        notes.append(f"each of {run.gpus} GPUs holds the whole run; they share the texts")
    if best.machines > 1:
        notes.append(f"{best.machines} machines exchange gradients: they should have EFA or InfiniBand")
    if run.model.native_dtype not in ("bf16", "fp16") and run.request.base_bits == 16:
        notes.append(f"{run.model.label} is published in {run.model.native_dtype}: training needs a 16-bit copy")
    if best.machine.instance:
        notes += market_notes(best.machine.instance, best.market, request.region)
    spare = to_gib(run.gpu.usable_bytes - run.memory.total_bytes)
    notes.append(f"{spare:.1f} GiB of each GPU stay free: a larger micro batch may fit")
    return [note for note in notes if note]
