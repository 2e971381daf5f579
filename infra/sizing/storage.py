"""The weight volume, the time to read it, and what the host needs beside the GPUs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra.sizing.refusal import Miss, Reason
from infra.sizing.result import Volume
from infra.units import BYTES_PER_GIB, BYTES_PER_MIB, gib, round_up_gib, to_gib

__all__ = [
    "GP3_MAX_GIB",
    "HostNeed",
    "check_disk",
    "check_host",
    "host_need",
    "load_seconds",
    "processor_need",
    "startup_budget_seconds",
    "volume",
    "volume_gib",
]

GP3_MAX_GIB = 65_536
GP3_MIN_THROUGHPUT, GP3_MAX_THROUGHPUT = 125, 2000
"""MiB/s (EC2 CreateVolume and ModifyVolume reference). Older references still say 1,000 and 16 TiB."""
GP3_MIN_IOPS = 3000
IOPS_PER_MIB = 4
"""EBS grants 0.25 MiB/s of throughput for each provisioned IOPS."""
MIN_VOLUME_GIB = 20
"""gp3 allows 500 IOPS for each GiB: 20 GiB carry the 8,000 IOPS of the highest throughput."""
VOLUME_FACTOR = 1.25
"""File system, tokenizer, and room for the partial files of an interrupted download."""

ENGINE_START_SECONDS = 300
"""Beside reading: imports, compilation and graph capture, 1 to 4 minutes on a cold cache (from knowledge)."""

SHARD_BYTES = 5 * 10**9
"""Largest safetensors file of the catalogue's models: Hugging Face splits at 5 GB."""
ENGINE_HOST_BYTES = gib(6)
"""Python, CUDA context and pinned buffers of the first rank; NIM's guideline is 5 to 10 GB."""
RANK_HOST_BYTES = gib(2)
"""Each further tensor-parallel rank is a process of its own."""
SYSTEM_HOST_BYTES = gib(2)
"""Left to the operating system and its agents."""
SHARED_MEMORY_ONE_GPU, SHARED_MEMORY = gib(1), gib(16)
"""Shared memory; NIM asks for 16 GB where ranks exchange tensors without NVLink. A limit: pages count once used."""


@dataclass(frozen=True, slots=True)
class HostNeed:
    """What the engine processes take from the machine."""

    memory_bytes: int
    shared_memory_bytes: int
    cpu_millicores: int


def volume(weights_bytes: int, load_target_seconds: int, ebs_mib_per_second: float | None) -> Volume:
    """gp3 that reads the weights in `load_target_seconds`, never faster than the instance can take them."""
    wanted = math.ceil(weights_bytes / BYTES_PER_MIB / load_target_seconds)
    limit = GP3_MAX_THROUGHPUT if ebs_mib_per_second is None else min(GP3_MAX_THROUGHPUT, int(ebs_mib_per_second))
    throughput = max(GP3_MIN_THROUGHPUT, min(wanted, limit))
    return Volume(
        size_gib=volume_gib(weights_bytes),
        iops=max(GP3_MIN_IOPS, throughput * IOPS_PER_MIB),
        throughput_mib_per_second=throughput,
    )


def volume_gib(weights_bytes: int) -> int:
    """Room for the weights on a volume or disk."""
    return max(MIN_VOLUME_GIB, round_up_gib(weights_bytes * VOLUME_FACTOR))


def load_seconds(weights_bytes: int, store: Volume, ebs_mib_per_second: float | None) -> int:
    """Seconds to read the weights at the slower of volume and instance baseline (bursts are not counted on)."""
    limits = [float(store.throughput_mib_per_second)]
    if ebs_mib_per_second is not None:
        limits.append(ebs_mib_per_second)
    return math.ceil(weights_bytes / BYTES_PER_MIB / min(limits))


def startup_budget_seconds(load: int) -> int:
    """When a probe may call a start failed: twice the reading, plus the engine's own start, in whole half minutes."""
    return math.ceil((2 * load + ENGINE_START_SECONDS) / 30) * 30


def host_need(weights_bytes: int, tensor_parallel: int) -> HostNeed:
    """Weights pass through the page cache one file at a time, so one file counts and not the whole model."""
    shared = SHARED_MEMORY_ONE_GPU if tensor_parallel == 1 else SHARED_MEMORY
    memory = ENGINE_HOST_BYTES + RANK_HOST_BYTES * (tensor_parallel - 1) + min(weights_bytes, SHARD_BYTES)
    return HostNeed(
        memory_bytes=math.ceil(memory / BYTES_PER_GIB) * BYTES_PER_GIB,
        shared_memory_bytes=shared,
        cpu_millicores=1000 * (2 + tensor_parallel),
    )


def processor_need(memory_bytes: int, cores: int) -> HostNeed:
    """Of llama.cpp on a machine without GPU: the model, its cache and a thread on each core."""
    rounded = math.ceil(memory_bytes / BYTES_PER_GIB) * BYTES_PER_GIB
    return HostNeed(rounded, SHARED_MEMORY_ONE_GPU, 1000 * cores)


def check_host(name: str, weights_bytes: int, ranks: int, memory_bytes: int | None) -> Miss | None:
    """Whether gp3 ends before the weights do, and whether the machine has memory for `ranks` engine processes."""
    size_gib = volume_gib(weights_bytes)
    if size_gib > GP3_MAX_GIB:
        message = f"the weights need a volume of {size_gib:,} GiB; gp3 ends at {GP3_MAX_GIB:,} GiB"
        return Miss(Reason.DISK, message, "model")
    need = host_need(weights_bytes, ranks).memory_bytes + SYSTEM_HOST_BYTES
    if memory_bytes is None or need <= memory_bytes:
        return None
    message = (
        f"{name} has {to_gib(memory_bytes):g} GiB of host memory; {ranks} engine processes need {to_gib(need):g} GiB"
    )
    return Miss(Reason.HOST_RAM, message, "instanceType", name)


def check_disk(name: str, weights_bytes: int, disk_bytes: int | None) -> Miss | None:
    """Whether a disk one owns holds the weights and the partial files of a download."""
    need = volume_gib(weights_bytes)
    if disk_bytes is None or need <= to_gib(disk_bytes):
        return None
    message = f"{name} has {to_gib(disk_bytes):g} GiB of disk; the weights need {need:,} GiB"
    return Miss(
        Reason.DISK, message, "inventory", name, f"at least {need:,} GiB", f"give {name} a disk of {need:,} GiB"
    )
