"""How long a node fetches the weights over the network, once, onto its volume: an estimate, always a range.

    seconds = bytes / smallest of (network, volume, source)

Expected is with what the instance sustains; low with its burst and many connections; high through an internet gateway,
from a source that is slow. Each node fetches for itself, all at the same time.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

from infra.catalog.facts import InstanceFacts
from infra.sizing.step import Range
from infra.units import BYTES_PER_GB, BYTES_PER_MIB

__all__ = ["SOURCE", "Limit", "Staging", "instance_store_seconds", "network_of", "network_of_host", "stage"]

MIB_PER_GBIT = 1e9 / 8 / BYTES_PER_MIB
MIB_PER_MB = 1e6 / BYTES_PER_MIB

FLOW_GBIT = 5
"""One TCP connection outside a cluster placement group; 10 inside one, where no store of weights is (EC2 user guide,
instance network bandwidth, read 2026-11-24)."""
GATEWAY_GBIT = 5
"""All connections through an internet gateway, of instances below `GATEWAY_VCPUS`; larger ones have half of their
bandwidth, and never less than this (same page)."""
GATEWAY_VCPUS = 32
CONNECTION_MB = 85
"""MB/s of one connection to S3: its performance guide asks for a connection for each 85 to 90 MB/s (from knowledge)."""
SLOW_CONNECTION_MB = 40
"""MB/s of one connection to the hub where it is throttled (reports of 2026; not measured by us)."""
CONNECTIONS, MANY_CONNECTIONS = 8, 64
"""`max_workers` of huggingface_hub's snapshot_download is 8; 64 is what S3 download libraries are tuned to."""

VOLUME_SHARE = 0.9
"""gp3 delivers at least 90 % of what is provisioned for 99 % of a year (EBS user guide; from knowledge)."""

BURST_SHARE = 8
"""What `Up to` is divided by where EC2 names no baseline: the smallest share of the catalogue (1.25 of 10 Gbit/s)."""
CARD_GBIT = 100
"""One card of a type with several, where EC2 names no baseline: the slowest of the catalogue (4x 100, 3200 Gigabit)."""

STORE_MB_PER_GB = 2.0
"""Read speed of an instance store for each GB: 300 GB of an m5d.4xlarge read 690 to 820 MB/s (hdparm), p4d's 8 TB
16 GB/s (AWS; from knowledge). Other generations were not measured."""
DISK_GB, DISK_MB = 3800, 2000.0
"""Largest NVMe device of the catalogue's types, and MB/s of one: a conservative figure, from knowledge."""
STORE_SPREAD = Range(0.5, 1.0, 2.0)
"""Of the seconds: a newer device is faster, a cold file system slower."""


class Limit(StrEnum):
    """What the expected time comes from."""

    NETWORK = "network"
    VOLUME = "volume"
    SOURCE = "source"


@dataclass(frozen=True, slots=True)
class Staging:
    """One fetch of the whole checkpoint by one node; the rates it comes from are in MiB/s."""

    network_seconds: Range
    limited_by: Limit
    network: Range | None
    """None where the network is not stated; then only the other two count."""
    volume_mib_per_second: float
    source: Range
    instance_store_seconds: Range | None
    """Reading the weights from the machine's own disks instead of the volume; None where they do not hold them."""

    def to_json(self) -> dict[str, object]:
        """Seconds; the rates are for `--explain`."""
        store = self.instance_store_seconds
        return {
            "kind": "estimate",
            "network_seconds": self.network_seconds.to_json(),
            "limited_by": str(self.limited_by),
            "instance_store_seconds": store.to_json() if store else None,
        }


def _source(connections: int, connection_mb: float) -> float:
    return connections * min(connection_mb * MIB_PER_MB, FLOW_GBIT * MIB_PER_GBIT)


SOURCE = Range(
    _source(CONNECTIONS, SLOW_CONNECTION_MB),
    _source(CONNECTIONS, CONNECTION_MB),
    _source(MANY_CONNECTIONS, CONNECTION_MB),
)
"""MiB/s of one store of weights, a bucket in the region or the hub."""


def stage(
    weights_bytes: int, volume_mib_per_second: float, network: Range | None, local_nvme_gb: int = 0, room: float = 1.0
) -> Staging:
    """The fetch at the slowest of three rates; `room` is how many times its size a checkpoint needs on a disk."""
    volume = Range(volume_mib_per_second * VOLUME_SHARE, volume_mib_per_second, volume_mib_per_second)
    rates = {Limit.NETWORK: network, Limit.VOLUME: volume, Limit.SOURCE: SOURCE}
    known = {limit: rate for limit, rate in rates.items() if rate}
    slowest = Range(
        min(rate.low for rate in known.values()),
        min(rate.expected for rate in known.values()),
        min(rate.high for rate in known.values()),
    )
    holds = local_nvme_gb * BYTES_PER_GB >= weights_bytes * room
    return Staging(
        network_seconds=slowest.inverse(weights_bytes / BYTES_PER_MIB),
        limited_by=min(known, key=lambda limit: known[limit].expected),
        network=network,
        volume_mib_per_second=volume_mib_per_second,
        source=SOURCE,
        instance_store_seconds=instance_store_seconds(weights_bytes, local_nvme_gb) if holds else None,
    )


def network_of(instance: InstanceFacts) -> Range:
    """MiB/s of plain TCP through the first interface: through a gateway, sustained, and in a burst."""
    fastest = _named_gbit(instance.network)
    is_burst = instance.network.startswith("Up to")
    sustained = instance.network_gbit_baseline or (fastest / BURST_SHARE if is_burst else min(fastest, CARD_GBIT))
    half = sustained / 2 if instance.vcpus >= GATEWAY_VCPUS else 0.0
    gateway = min(sustained, max(GATEWAY_GBIT, half))
    burst = max(sustained, fastest) if is_burst else sustained
    return Range(gateway * MIB_PER_GBIT, sustained * MIB_PER_GBIT, burst * MIB_PER_GBIT)


def network_of_host(gbit: float | None) -> Range | None:
    """MiB/s of a machine one owns, as its inventory states it; what lies beyond its own link is not known."""
    return None if gbit is None else Range(gbit, gbit, gbit).scale(MIB_PER_GBIT)


def _named_gbit(text: str) -> float:
    """`Up to 25 Gigabit`, `3200 Gigabit`, `4x 100 Gigabit` (one of them); the gateway's limit where it says neither."""
    found = re.search(r"([\d.]+) Gigabit", text)
    return float(found[1]) if found else GATEWAY_GBIT


def instance_store_seconds(weights_bytes: int, local_nvme_gb: int) -> Range:
    """Seconds to read the weights from NVMe disks of the machine, which a stop empties."""
    disks = math.ceil(local_nvme_gb / DISK_GB)
    speed_mb = min(local_nvme_gb * STORE_MB_PER_GB, disks * DISK_MB)
    return STORE_SPREAD.scale(weights_bytes / 1e6 / speed_mb)
