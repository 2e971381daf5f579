"""From a choice to what its nodes run: on which node each stage of each copy lies, and vLLM's commands for that."""

from __future__ import annotations

from collections.abc import Sequence

from infra.catalog.facts import Architecture
from infra.sizing.choice import Option
from infra.sizing.engine import Family
from infra.sizing.launch import Cluster, Launch, launch_of

__all__ = ["cluster_of", "launch_on"]


def launch_on(option: Option, arguments: Sequence[str]) -> Launch | None:
    """None for a single node, and for an engine with flags of its own."""
    several = option.arrangement.machines > 1 and option.engine.family is Family.VLLM
    return launch_of(cluster_of(option), arguments) if several else None


def cluster_of(option: Option) -> Cluster:
    """Stages of a copy beside each other, and the nodes as evenly filled as they can be."""
    arrangement, instance = option.arrangement, option.machine.instance
    hosts = tuple(dict.fromkeys(one.host for one in option.placed))
    units = arrangement.pipeline_parallel * arrangement.data_parallel
    nodes = [hosts.index(one.host) for one in option.placed] or _spread(units, arrangement.machines)
    length = arrangement.pipeline_parallel
    return Cluster(
        stages=tuple(tuple(nodes[start : start + length]) for start in range(0, units, length)),
        tensor_parallel=arrangement.tensor_parallel,
        is_mixture=option.fit.model.architecture is Architecture.MOE,
        engine=option.engine,
        efa=instance is not None and instance.efa,
        hosts=hosts,
    )


def _spread(units: int, machines: int) -> list[int]:
    """The first machines take one more where the number does not divide."""
    each, more = divmod(units, machines)
    return [node for node in range(machines) for _ in range(each + (node < more))]
