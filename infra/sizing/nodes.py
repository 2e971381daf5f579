"""From a choice to what its nodes run: on which node each stage of each copy lies, and vLLM's commands for that."""

from __future__ import annotations

from collections.abc import Sequence

from infra.catalog.facts import Architecture
from infra.sizing.arrangement import Arrangement
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import Fit
from infra.sizing.launch import Cluster, Launch, launch_of, why_not
from infra.sizing.placement import Placed
from infra.sizing.refusal import Miss, Reason

__all__ = ["check_start", "cluster_of", "launch_on"]


def launch_on(
    arrangement: Arrangement,
    layout: Fit,
    engine: Engine,
    arguments: Sequence[str],
    placed: Sequence[Placed] = (),
    *,
    efa: bool = False,
) -> Launch | None:
    """None for a single node, and for an engine with flags of its own."""
    several = arrangement.machines > 1 and engine.family is Family.VLLM
    return launch_of(cluster_of(arrangement, layout, engine, placed, efa=efa), arguments) if several else None


def check_start(arrangement: Arrangement, layout: Fit, engine: Engine, placed: Sequence[Placed] = ()) -> Miss | None:
    """Whether the engine can start what would fit: a layout that no release starts serves nobody."""
    on = len({one.host for one in placed}) or arrangement.machines
    if on == 1 or engine.family is not Family.VLLM:
        return None
    why = why_not(cluster_of(arrangement, layout, engine, placed))
    if why is None:
        return None
    return Miss(Reason.GPU_COUNT, why, "dataParallel", arrangement.data_parallel, "copies that each fit one node")


def cluster_of(
    arrangement: Arrangement, layout: Fit, engine: Engine, placed: Sequence[Placed] = (), *, efa: bool = False
) -> Cluster:
    """Stages of a copy beside each other, and the nodes as evenly filled as they can be."""
    hosts = tuple(dict.fromkeys(one.host for one in placed))
    units = arrangement.pipeline_parallel * arrangement.data_parallel
    nodes = [hosts.index(one.host) for one in placed] or _spread(units, arrangement.machines)
    length = arrangement.pipeline_parallel
    return Cluster(
        stages=tuple(tuple(nodes[start : start + length]) for start in range(0, units, length)),
        tensor_parallel=arrangement.tensor_parallel,
        is_mixture=layout.model.architecture is Architecture.MOE,
        engine=engine,
        efa=efa,
        hosts=hosts,
    )


def _spread(units: int, machines: int) -> list[int]:
    """The first machines take one more where the number does not divide."""
    each, more = divmod(units, machines)
    return [node for node in range(machines) for _ in range(each + (node < more))]
