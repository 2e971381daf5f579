"""Which machines serve a model: those that were named, or the best of the catalogue or of an inventory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from infra.catalog.cache_dtypes import read_cache_dtype
from infra.catalog.facts import Architecture, Attention, Catalog, GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.markets import Market
from infra.sizing import budgets, nodes, performance, placement, storage, weights
from infra.sizing.arrangement import Arrangement, layer_splits
from infra.sizing.cache_support import planned_with
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.formats import attempts
from infra.sizing.hosts import Host
from infra.sizing.machines import CONSTRAINTS, Machine, check_count, check_limits, check_machine, machine_named
from infra.sizing.objective import Objective
from infra.sizing.placement import Placed
from infra.sizing.prepared import FitKey, Prepared
from infra.sizing.refusal import Miss, Reason
from infra.sizing.request import PlanRequest
from infra.sizing.result import Rejected
from infra.sizing.software import SoftwareOnGpus
from infra.sizing.speed import SpeedUnknown
from infra.units import up_to_hundredth

__all__ = ["Choice", "Failure", "Option", "Search"]

WITH_OTHER_LAYOUT = (Reason.WEIGHTS, Reason.KV_CACHE, Reason.GRAPH_RESERVE, Reason.HOST_RAM, Reason.TTFT)
"""Reasons that more stages or copies on the same machine may end."""
SOFTWARE = (Reason.DRIVER, Reason.CUDA, Reason.PYTHON, Reason.TORCH)


@dataclass(frozen=True, slots=True)
class Option:
    """Machines of one kind with a layout on them that serves the request."""

    machine: Machine
    arrangement: Arrangement
    fit: Fit
    engine: Engine
    placed: tuple[Placed, ...] = ()
    """On which hosts of an inventory."""
    market: Market = Market.ON_DEMAND

    @property
    def usd_per_hour(self) -> float | None:
        """Of all machines, in the market they are bought in."""
        return self.usd_per_hour_in(self.market)

    def usd_per_hour_in(self, market: Market) -> float | None:
        """Of all machines."""
        price = self.machine.usd_per_hour(market)
        return None if price is None else price * self.arrangement.machines


@dataclass(frozen=True, slots=True)
class Choice:
    """The best option, the best of each other machine, and everything that was ruled out on the way."""

    best: Option
    others: tuple[Option, ...]
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Nothing serves the request; `miss` is what rules out the largest machine in the first quantisation tried."""

    miss: Miss
    rejected: tuple[Rejected, ...]


Missed = tuple[Machine, str, Miss]


@dataclass(frozen=True, slots=True)
class _Kind:
    """What machines with the same GPU share in one attempt."""

    stored: QuantizationFacts
    engine: Engine | Miss
    lacks: Miss | None
    """What rules the GPU out in any layout."""


@dataclass(frozen=True, slots=True)
class Search:
    """One request, with every layout sized once however often the search is repeated with other limits."""

    model: ModelFacts
    request: PlanRequest
    software: SoftwareOnGpus
    fits: dict[FitKey, Fit | Miss]

    @property
    def prepared(self) -> Prepared:
        """What does not depend on the request."""
        return self.software.prepared

    @property
    def catalog(self) -> Catalog:
        """Where everything is looked up."""
        return self.software.prepared.catalog

    def again(self, **changes: Any) -> Search:
        """The same search with other hardware, limits or quantisation; context, requests, cache and software must stay.

        A change of the software needs `SoftwareOnGpus` of its own.
        """
        return replace(self, request=replace(self.request, **changes))

    def choose(self) -> Choice | Failure:
        """The best machine in the first quantisation that any of them serves."""
        first: Miss | None = None
        rejected: list[Rejected] = []
        for quantization in attempts(self.model, self.request.quantization, self.catalog, self.request.engine):
            options, missed = self.options_in(quantization)
            rejected += [Rejected(machine.name, miss.reason, miss.message, name) for machine, name, miss in missed]
            if options:
                best, *others = options
                return Choice(best, tuple(others), tuple(rejected))
            first = first or max(missed, key=_weight)[2]
        assert first is not None  # noqa: S101 there is always an attempt
        return Failure(first, tuple(rejected))

    def options_in(self, quantization: QuantizationFacts) -> tuple[list[Option], list[Missed]]:
        """The best option on each machine, best first, and why the other machines do not serve."""
        if self.request.hosts:
            return self._on_hosts(quantization)
        options: list[Option] = []
        missed: list[Missed] = []
        kinds: dict[str, _Kind] = {}
        ways: dict[tuple[str, int], tuple[Arrangement, ...]] = {}
        named = machine_named(self.request, self.catalog, self.prepared.processors)
        for machine in (named,) if named else self.prepared.machines:
            name = machine.gpu.name
            if name not in kinds:
                kinds[name] = self._kind(quantization, machine.gpu)
            kind = kinds[name]
            outcome: Option | Miss | None = check_machine(machine, self.request) or kind.lacks
            if outcome is None:
                shape = (kind.stored.name, machine.gpus)
                if shape not in ways:
                    owned = machine.instance is None
                    ways[shape] = self._arrangements(kind.stored, machine.gpus, self.request, not owned)
                outcome = self._best_on(machine, kind, ways[shape])
            if isinstance(outcome, Option):
                options.append(outcome)
            else:
                missed.append((machine, kind.stored.name, outcome))
        return sorted(options, key=self.rank), missed

    def _kind(self, quantization: QuantizationFacts, gpu: GpuFacts) -> _Kind:
        stored, engine = self.stored(quantization, gpu), self.software.engine(gpu)
        lacks = None if isinstance(engine, Miss) else self._missing_kernel(gpu, stored, engine)
        return _Kind(stored, engine, lacks)

    def stored(self, quantization: QuantizationFacts, gpu: GpuFacts) -> QuantizationFacts:
        """bf16 weights run as fp16 where the GPU has no bf16, unless bf16 was asked for by name."""
        swap = self.request.quantization is None and quantization.name == "bf16" and not gpu.supports_bf16
        return self.catalog.quantization("fp16") if swap else quantization

    def rank(self, option: Option) -> tuple[float, float, float, int, int, int, int, str]:
        """The lower the better. What has no price, or no estimate, comes last: by its price on demand, and of
        processors the smallest first."""
        machine, price = option.machine, option.usd_per_hour
        gpus = machine.gpus * option.arrangement.machines if machine.instance else option.arrangement.gpus
        cost, instead = (math.inf, option.usd_per_hour_in(Market.ON_DEMAND)) if price is None else (price, 0.0)
        instead = math.inf if instead is None else instead
        size = machine.gpu.usable_bytes if machine.cores else 0
        machines = option.arrangement.machines
        return (self._merit(option), cost, instead, gpus, machines, machine.gpus, size, machine.name)

    def _merit(self, option: Option) -> float:
        objective, request = self.request.objective, self.request
        if objective == Objective.COST:
            return 0.0
        case = (option.fit, option.arrangement, request, option.engine)
        users = request.concurrency if objective == Objective.LATENCY else performance.most_users(*case)
        speed = performance.speed_with(users, *case)
        if isinstance(speed, SpeedUnknown):
            return math.inf
        return speed.ms_per_token.expected if objective == Objective.LATENCY else -speed.total.expected

    def _best_on(self, machine: Machine, kind: _Kind, ways: tuple[Arrangement, ...]) -> Option | Miss:
        """For cost the first arrangement that fits, all GPUs of an EC2 type or the fewest of an owned node; else the
        best of all."""
        if isinstance(kind.engine, Miss):
            return kind.engine
        found: list[Option] = []
        miss: Miss | None = None
        machines = 0
        for arrangement in ways:
            if not arrangement.is_plain and miss and not self._may_end(miss, machine.gpu, kind.stored, arrangement):
                continue
            outcome = self.option(machine, kind.stored, arrangement, kind.engine)
            if isinstance(outcome, Option):
                if self.request.objective == Objective.COST:
                    return outcome
                found.append(outcome)
            elif arrangement.is_plain and (machine.instance is None or arrangement.machines > machines):
                miss, machines = outcome, arrangement.machines
        if found:
            return min(found, key=self.rank)
        assert miss is not None  # noqa: S101 one arrangement is always tried
        return miss

    def _may_end(self, miss: Miss, gpu: GpuFacts, quantization: QuantizationFacts, arrangement: Arrangement) -> bool:
        """Whether more stages or copies on the same machine may serve where the plain layouts do not."""
        room = gpu.usable_bytes * arrangement.tensor_parallel * arrangement.pipeline_parallel
        return miss.reason in WITH_OTHER_LAYOUT and weights.least_weights_bytes(self.model, quantization) <= room

    def _arrangements(
        self, quantization: QuantizationFacts, gpus: int, request: PlanRequest, widest_first: bool
    ) -> tuple[Arrangement, ...]:
        if request.engine is Family.LLAMA_CPP:
            return layer_splits(gpus, request, widest_first=widest_first)
        splits = self.prepared.splits(self.model, quantization, gpus)
        # Copies of a mixture share its experts, which is another way to run it: that is asked for, not chosen.
        may_copy = self.model.architecture is Architecture.DENSE
        # Whether vLLM runs V4 in stages is not known: SGLang was seen to.
        may_stage = self.model.attention is not Attention.COMPRESSED or request.engine is not Family.VLLM
        return self.prepared.arrangements(
            splits, gpus, request, widest_first=widest_first, may_copy=may_copy, may_stage=may_stage
        )

    def option(
        self, machine: Machine, quantization: QuantizationFacts, arrangement: Arrangement, engine: Engine
    ) -> Option | Miss:
        """The layout on that many machines, if engine, host, limits and the first token allow it."""
        outcome = self.sized(quantization, machine.gpu, arrangement, engine)
        if isinstance(outcome, Miss):
            return outcome
        miss = (
            check_count(machine, arrangement, self.request)
            or self._check_host(quantization, machine, arrangement)
            or nodes.check_start(arrangement, outcome, engine)
            or check_limits(machine, arrangement.machines, self.request)
            or self.check_first_token(outcome, arrangement, engine)
        )
        return miss or Option(machine, arrangement, outcome, engine, market=self.request.market)

    def sized(
        self, quantization: QuantizationFacts, gpu: GpuFacts, arrangement: Arrangement, engine: Engine
    ) -> Fit | Miss:
        """`fit`, once for each layout: types that differ only in processors share it."""
        ranks, stages = arrangement.tensor_parallel, arrangement.pipeline_parallel
        copies = arrangement.data_parallel
        key = (quantization.name, gpu.name, engine.family, engine.version, ranks, stages, copies)
        if key not in self.fits:
            self.fits[key] = self._size(quantization, gpu, arrangement, engine)
        return self.fits[key]

    def _missing_kernel(self, gpu: GpuFacts, quantization: QuantizationFacts, engine: Engine) -> Miss | None:
        """What rules the GPU out in any layout; a layout that was given is looked at first, as `fit` does."""
        if self.request.tensor_parallel is not None:
            return None
        return self.prepared.missing_kernel(self.model, quantization, gpu, engine, self.request.kv_cache_dtype)

    def _size(
        self, quantization: QuantizationFacts, gpu: GpuFacts, arrangement: Arrangement, engine: Engine
    ) -> Fit | Miss:
        copies = arrangement.data_parallel
        request, each = self.request, -(-self.request.concurrency // copies)
        ranks = arrangement.tensor_parallel * arrangement.pipeline_parallel
        utilization = budgets.planned_utilization(request.utilization, engine, gpu, ranks)
        kv_dtype = planned_with(self.model, engine, read_cache_dtype(request.kv_cache_dtype))
        return fit(
            self.model,
            quantization,
            gpu,
            arrangement.tensor_parallel,
            Workload(request.context_tokens, each, utilization, engine, kv_dtype),
            pipeline_parallel=arrangement.pipeline_parallel,
            data_parallel=copies,
        )

    def check_first_token(self, layout: Fit, arrangement: Arrangement, engine: Engine) -> Miss | None:
        """Whether the first token is expected in time."""
        most = self.request.max_ttft_seconds
        if most is None:
            return None
        seconds = performance.first_token(layout, arrangement, self.request, engine)
        if isinstance(seconds, SpeedUnknown):
            return Miss(Reason.TTFT, seconds.message, "maxTtftSeconds", most)
        if seconds.expected <= most:
            return None
        message = (
            f"the first token of {self.request.context_tokens:,} on {arrangement.gpus} x {layout.gpu.name} is expected "
            f"after {seconds.expected:.2f} s, allowed are {most:g} s"
        )
        return Miss(Reason.TTFT, message, "maxTtftSeconds", most, None, f"allow {up_to_hundredth(seconds.expected)} s")

    def _check_host(self, quantization: QuantizationFacts, machine: Machine, arrangement: Arrangement) -> Miss | None:
        checkpoint = weights.checkpoint_bytes(self.model, quantization)
        memory = machine.instance.host_memory_bytes if machine.instance and not machine.cores else None
        return storage.check_host(machine.name, checkpoint, self.processes(arrangement), memory)

    def processes(self, arrangement: Arrangement) -> int:
        """Of the engine on the fullest machine: one for each GPU, but one in all of llama.cpp."""
        return 1 if self.request.engine is Family.LLAMA_CPP else arrangement.gpus_per_machine

    def _on_hosts(self, quantization: QuantizationFacts) -> tuple[list[Option], list[Missed]]:
        """Each host alone, and where several are allowed those of equal GPU and engine together."""
        options: list[Option] = []
        missed: list[Missed] = []
        groups: dict[tuple[str, Engine], list[Host]] = {}
        for host in self.request.hosts:
            stored = self.stored(quantization, host.gpu)
            engine = self.software.engine(host.gpu, host.driver)
            outcome = engine if isinstance(engine, Miss) else self._best_of_group([host], stored, engine)
            if isinstance(outcome, Option):
                options.append(outcome)
            else:
                missed.append((placement.machine_of_host(host), stored.name, outcome))
            if not isinstance(engine, Miss):
                groups.setdefault((host.gpu.name, engine), []).append(host)
        for (_, engine), hosts in groups.items():
            if min(self.request.nodes, len(hosts)) > 1:
                stored = self.stored(quantization, hosts[0].gpu)
                together = self._best_of_group(hosts, stored, engine)
                if isinstance(together, Option):
                    options.append(together)
                else:
                    missed.append((placement.machine_of_hosts(hosts), stored.name, together))
        missed = [(machine, name, _apart(miss, self.request, list(groups))) for machine, name, miss in missed]
        best = min(options, key=self.rank, default=None)
        used = {one.host for one in best.placed} if best else set()
        rest = [one for one in options if one is not best and used.isdisjoint({placed.host for placed in one.placed})]
        return [*([best] if best else []), *sorted(rest, key=self.rank)], [
            one for one in missed if one[0].name not in used
        ]

    def _best_of_group(self, hosts: Sequence[Host], quantization: QuantizationFacts, engine: Engine) -> Option | Miss:
        """The best layout over hosts with the same GPU and engine."""
        largest = placement.machine_of_host(max(hosts, key=lambda host: host.gpus))
        alone = replace(self.request, nodes=min(self.request.nodes, len(hosts)))
        checkpoint = weights.checkpoint_bytes(self.model, quantization)
        found: list[Option] = []
        miss: Miss | None = None
        for arrangement in self._arrangements(quantization, largest.gpus, alone, False):
            if found and not arrangement.is_plain and self.request.objective == Objective.COST:
                continue
            outcome = self.sized(quantization, largest.gpu, arrangement, engine)
            if not isinstance(outcome, Miss):
                missing = len(hosts) > 1 and arrangement.machines > len(hosts)
                outcome = (_too_few(arrangement) if missing else check_count(largest, arrangement, alone)) or outcome
            if not isinstance(outcome, Miss):
                outcome = self.check_first_token(outcome, arrangement, engine) or outcome
            if isinstance(outcome, Miss):
                miss = outcome
                continue
            placed = placement.place(hosts, arrangement, checkpoint, alone.nodes)
            if placed is None:
                miss = placement.check_host(hosts[0], checkpoint, arrangement.gpus_per_machine) or _too_few(arrangement)
                continue
            names = list(dict.fromkeys(one.host for one in placed))
            refused = nodes.check_start(arrangement, outcome, engine, placed)
            if refused:
                miss = refused
                continue
            spread = replace(arrangement, machines=len(names), machines_per_copy=placement.widest_copy(placed))
            found.append(Option(replace(largest, name=", ".join(names)), spread, outcome, engine, placed))
        if found:
            return min(found, key=self.rank)
        assert miss is not None  # noqa: S101 one arrangement is always tried
        return miss


def _too_few(arrangement: Arrangement) -> Miss:
    message = f"{arrangement.gpus} GPUs in groups of {arrangement.tensor_parallel} are not free on these hosts"
    return Miss(Reason.GPU_COUNT, message, "inventory", arrangement.gpus)


def _apart(miss: Miss, request: PlanRequest, groups: Sequence[tuple[str, Engine]]) -> Miss:
    """Why hosts that may be used together are not: the nodes that were allowed are then no cause."""
    if miss.key != "nodes" or request.nodes == 1:
        return miss
    gpus = list(dict.fromkeys(gpu for gpu, _ in groups))
    cause = f"the inventory has {len(request.hosts)}" if len(groups) == 1 else "their drivers take different engines"
    cause = f"their GPUs differ ({', '.join(gpus)})" if len(gpus) > 1 else cause
    message = f"{miss.message.partition(';')[0]}, and only hosts of equal GPU and engine work together: {cause}"
    return replace(miss, message=message, key="inventory", value=len(request.hosts), allowed="equal hosts")


def _weight(missed: Missed) -> tuple[bool, bool, int]:
    """Of two machines the larger one; and what the hardware rules out before what its software or a limit does."""
    machine, _, miss = missed
    return (miss.reason not in CONSTRAINTS, miss.reason not in SOFTWARE, machine.memory_bytes)
