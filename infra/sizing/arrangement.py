"""How the copies of a model are laid over machines of equal GPUs: tensor ranks inside one, stages across them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from infra.catalog.facts import Architecture, ModelFacts
from infra.sizing.objective import Objective
from infra.sizing.request import PlanRequest
from infra.sizing.step import Layout

__all__ = ["Arrangement", "arrangements", "layer_splits"]


@dataclass(frozen=True, slots=True)
class Arrangement:
    """`tensor_parallel` x `pipeline_parallel` GPUs for each of `data_parallel` copies."""

    tensor_parallel: int
    pipeline_parallel: int
    data_parallel: int
    machines: int
    """Needed for all copies."""
    machines_per_copy: int
    is_plain: bool = True
    """As few stages and copies as were asked for, or as the machines take; the rest is tried where it does not fit."""

    @property
    def gpus(self) -> int:
        """In use, on all machines."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel

    @property
    def gpus_per_machine(self) -> int:
        """In use on the fullest machine."""
        return -(-self.gpus // self.machines)

    def layout(self, model: ModelFacts) -> Layout:
        """For the estimate of speed; copies of a mixture share its experts, as the memory of the weights assumes."""
        shares = self.data_parallel > 1 and model.architecture is Architecture.MOE
        nodes = self.machines if shares else self.machines_per_copy
        return Layout(self.tensor_parallel, self.pipeline_parallel, self.data_parallel, nodes, shares)


def arrangements(
    splits: tuple[int, ...],
    gpus: int,
    request: PlanRequest,
    *,
    widest_first: bool,
    may_copy: bool,
    may_stage: bool,
) -> tuple[Arrangement, ...]:
    """Every way to lay a model over up to `request.nodes` machines of `gpus`, fewest machines and plainest first.

    `splits` are the tensor-parallel sizes its shape allows. Plain is one copy with as few stages as machines; where
    `may_stage` more of them inside a machine share the layers out without repeating anything, and where `may_copy` more
    copies share the requests. There is one way at least, even where it needs more machines than there are: its own
    shape may be the cause to name. `widest_first` takes all GPUs of a machine that is paid for, else the fewest come
    first.
    """
    sizes = (request.tensor_parallel,) if request.tensor_parallel else splits
    # Of a machine that is paid for the most stages hold the most; whoever asks for speed, or owns it, takes the fewest.
    is_paid = widest_first and request.objective == Objective.COST
    each = (lambda groups: sorted({1, groups})) if is_paid else (lambda groups: list(range(1, groups + 1)))
    ways = _Ways(request, may_copy, each if may_stage else lambda _: [1])
    found = [one for ranks in sizes for one in ways.of(ranks, gpus)]
    possible = dict.fromkeys(one for one in found if one.machines <= request.nodes)
    if not possible:
        return (max(found, key=lambda one: (one.is_plain, widest_first * one.tensor_parallel)),)
    return tuple(sorted(possible, key=_widest if widest_first else _smallest))


def _widest(one: Arrangement) -> tuple[int, ...]:
    return (one.machines, not one.is_plain, -one.tensor_parallel, one.pipeline_parallel, -one.data_parallel)


def _smallest(one: Arrangement) -> tuple[int, ...]:
    return (one.machines, not one.is_plain, one.gpus, one.pipeline_parallel, one.data_parallel)


@dataclass(frozen=True, slots=True)
class _Ways:
    """What one request allows; `stages` gives the numbers of stages to try in a machine with so many groups of GPUs."""

    request: PlanRequest
    may_copy: bool
    stages: Callable[[int], list[int]]

    def of(self, ranks: int, gpus: int) -> Iterator[Arrangement]:
        """Stages that were asked for lie close together; those of our own making are shared out over the machines."""
        groups, given, copies = max(1, gpus // ranks), self.request.pipeline_parallel, self.request.data_parallel or 1
        if given:
            span = -(-given // groups)
            for count in self._copies(groups // given):
                yield Arrangement(ranks, given, count, -(-given * count // groups), span, count == copies)
            return
        for stages in self.stages(groups):
            for count in self._copies(groups // stages):
                is_plain = stages == 1 and count == copies
                yield Arrangement(ranks, stages, count, -(-count // (groups // stages)), 1, is_plain)
        for machines in range(2, self.request.nodes + 1):
            for each in self.stages(groups):
                together = -(-copies // (groups // each))
                yield Arrangement(ranks, machines * each, copies, machines * together, machines, each == 1)

    def _copies(self, in_a_machine: int) -> Iterator[int]:
        """One, or as many as were asked for; else also those that fill a machine, or several, a request for each."""
        request = self.request
        yield request.data_parallel or 1
        if request.data_parallel or not self.may_copy or not in_a_machine:
            return
        most = request.concurrency if request.objective != Objective.THROUGHPUT else in_a_machine * request.nodes
        filled = {min(most, in_a_machine * machines) for machines in range(1, request.nodes + 1)}
        yield from sorted((filled | set(range(2, min(most, in_a_machine) + 1))) - {1})


def layer_splits(gpus: int, request: PlanRequest, *, widest_first: bool) -> tuple[Arrangement, ...]:
    """Every way llama.cpp lays a model over the GPUs of one machine: whole layers on each, as stages are."""
    given = request.pipeline_parallel
    counts = [given] if given else list(range(1, gpus + 1))
    ordered = reversed(counts) if widest_first else counts
    return tuple(Arrangement(1, stages, 1, -(-stages // gpus), -(-stages // gpus)) for stages in ordered)
