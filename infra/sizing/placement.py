"""On which hosts of an inventory the stages of each copy go."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from infra.sizing import storage
from infra.sizing.arrangement import Arrangement
from infra.sizing.hosts import Host
from infra.sizing.machines import Machine
from infra.sizing.refusal import Miss

__all__ = ["Placed", "check_host", "machine_of_host", "machine_of_hosts", "place", "widest_copy"]


@dataclass(frozen=True, slots=True)
class Placed:
    """One stage of one copy; both count from 0."""

    host: str
    copy: int
    stage: int
    gpus: int


def machine_of_host(host: Host) -> Machine:
    """A host as a candidate."""
    return Machine(host.name, host.gpu, host.gpus, None)


def machine_of_hosts(hosts: Sequence[Host]) -> Machine:
    """Hosts with the same GPU, as one candidate to name."""
    return Machine(", ".join(host.name for host in hosts), hosts[0].gpu, sum(host.gpus for host in hosts), None)


def check_host(host: Host, checkpoint_bytes: int, ranks: int) -> Miss | None:
    """Whether the host has memory for so many engine processes and room for the weights, as far as it is stated."""
    memory = storage.check_host(host.name, checkpoint_bytes, ranks, host.host_memory_bytes)
    return memory or storage.check_disk(host.name, checkpoint_bytes, host.disk_bytes)


def place(
    hosts: Sequence[Host], arrangement: Arrangement, checkpoint_bytes: int, most_hosts: int
) -> tuple[Placed, ...] | None:
    """Stages of a copy beside each other, on as few hosts as hold them: the smallest that holds all, else the largest
    first. None where `most_hosts` do not."""
    ranks, needed = arrangement.tensor_parallel, arrangement.pipeline_parallel * arrangement.data_parallel
    slots = {host.name: _slots(host, ranks, checkpoint_bytes) for host in hosts}
    fewest_first = sorted(hosts, key=lambda host: (slots[host.name], host.gpus, host.name))
    whole = [host for host in fewest_first if slots[host.name] >= needed][:1]
    largest_first = sorted(hosts, key=lambda host: (-slots[host.name], host.gpus, host.name))
    names = [host.name for host in whole or largest_first[:most_hosts] for _ in range(slots[host.name])][:needed]
    if len(names) < needed:
        return None
    stages = arrangement.pipeline_parallel
    return tuple(Placed(name, index // stages, index % stages, ranks) for index, name in enumerate(names))


def widest_copy(placed: Sequence[Placed]) -> int:
    """Hosts that the most scattered copy lies on."""
    copies = {one.copy for one in placed}
    return max(len({one.host for one in placed if one.copy == copy}) for copy in copies)


def _slots(host: Host, ranks: int, checkpoint_bytes: int) -> int:
    """Stages of `ranks` GPUs the host can hold."""
    most = host.gpus // ranks
    return next((n for n in range(most, 0, -1) if check_host(host, checkpoint_bytes, n * ranks) is None), 0)
