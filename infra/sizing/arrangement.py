"""How the copies of a model are laid over machines of equal GPUs: tensor ranks inside one, stages across them."""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalog.facts import Architecture, ModelFacts
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
    splits: tuple[int, ...], gpus: int, request: PlanRequest, *, widest_first: bool
) -> tuple[Arrangement, ...]:
    """Every way to lay a model over up to `request.nodes` machines of `gpus`, fewest machines first.

    `splits` are the tensor-parallel sizes its shape allows. There is one way at least, even where it needs more
    machines than there are: its own shape may be the cause to name. `widest_first` takes all GPUs of a machine that is
    paid for anyway, else the fewest come first.
    """
    given = request.tensor_parallel
    sizes = (given,) if given else splits
    ordered = tuple(reversed(sizes)) if widest_first else sizes
    stages = (request.pipeline_parallel,) if request.pipeline_parallel else tuple(range(1, request.nodes + 1))
    found = [_arrange(ranks, count, gpus, request) for count in stages for ranks in ordered]
    possible = sorted((one for one in found if one.machines <= request.nodes), key=lambda one: one.machines)
    return tuple(possible or found[:1])


def layer_splits(gpus: int, request: PlanRequest, *, widest_first: bool) -> tuple[Arrangement, ...]:
    """Every way llama.cpp lays a model over the GPUs of one machine: whole layers on each, as stages are."""
    given = request.pipeline_parallel
    counts = [given] if given else list(range(1, gpus + 1))
    ordered = reversed(counts) if widest_first else counts
    return tuple(Arrangement(1, stages, 1, -(-stages // gpus), -(-stages // gpus)) for stages in ordered)


def _arrange(ranks: int, stages: int, gpus: int, request: PlanRequest) -> Arrangement:
    """Stages that were asked for lie close together; those of our own making take a machine each."""
    copies, groups = request.data_parallel, max(1, gpus // ranks)
    if request.pipeline_parallel:
        return Arrangement(ranks, stages, copies, -(-stages * copies // groups), -(-stages // groups))
    return Arrangement(ranks, stages, copies, stages * -(-copies // groups), stages)
