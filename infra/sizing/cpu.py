"""EC2 types without accelerator as machines for llama.cpp: their memory and cores in place of a GPU's."""

from __future__ import annotations

import math

from infra.catalog.facts import CpuInstanceFacts, GpuFacts, InstanceFacts
from infra.units import gib

__all__ = ["VENDOR", "as_accelerator", "as_instance", "is_cpu"]

VENDOR = "CPU"
"""Vendor of what stands in for the GPU: nobody's accelerator has it."""

SYSTEM_BYTES = gib(2)
"""Left to the operating system and its agents, as on machines with GPUs."""
KERNEL_SHARE = 0.02
"""Of the memory of a type, what Linux does not report: 31.2 of 32 GiB on a c7g.4xlarge (from knowledge)."""

BANDWIDTH_PER_CORE = {"AWS": 5.6e9, "Intel": 7.2e9, "AMD": 3.2e9}
"""Bytes a second of memory for each core, if all cores of the socket read. Graviton4: 536.7 GB/s for 96 cores
(AnandTech, 2023-11-29). Xeon 6 of the 8i families: DDR5-7200 (AWS), 12 channels for 96 cores (from knowledge). EPYC
9005 of the 8a families: 12 channels of DDR5-6400 for up to 192 cores (from knowledge), so it errs low."""
TFLOPS_PER_CORE = 0.18
"""llama.cpp read prompts at 430 tokens/s on 16 cores of a c8g.4xlarge with flash attention (1.5B in Q4_0; llama.cpp
27086): 0.083 TFLOPS a core, which is this times the usual efficiency. Other processors were not measured."""


def is_cpu(gpu: GpuFacts) -> bool:
    """Whether this stands for the processor and the memory of a machine."""
    return gpu.vendor == VENDOR


def as_accelerator(cpu: CpuInstanceFacts) -> GpuFacts:
    """Memory that a process can have, and the part of the socket's bandwidth that the cores have."""
    usable = math.floor(cpu.host_memory_bytes * (1 - KERNEL_SHARE)) - SYSTEM_BYTES
    return GpuFacts(
        name=cpu.instance_type,
        aliases=(),
        vendor=VENDOR,
        architecture=cpu.cpu_architecture,
        compute_capability=None,
        nominal_gb=0,
        usable_bytes=usable,
        bandwidth_bytes_per_second=cpu.cores * BANDWIDTH_PER_CORE.get(cpu.cpu_vendor, min(BANDWIDTH_PER_CORE.values())),
        fp16_tflops=cpu.cores * TFLOPS_PER_CORE,
        supports_bf16=True,
        fp8="no",
        int8="yes",
        int4="yes",
        min_driver_branch=None,
        note="",
        source=cpu.source,
        date=cpu.date,
    )


def as_instance(cpu: CpuInstanceFacts) -> InstanceFacts:
    """The same type in the form of the types with accelerators, of which it has none.

    Where the catalogue has no price it has not asked either which region offers the type: it is taken as offered.
    """
    return InstanceFacts(
        instance_type=cpu.instance_type,
        family=cpu.family,
        gpu="",
        gpus=0,
        partition=1.0,
        vcpus=cpu.vcpus,
        host_memory_bytes=cpu.host_memory_bytes,
        cpu_architecture=cpu.cpu_architecture,
        local_nvme_gb=0,
        network=cpu.network,
        efa=False,
        ebs_baseline_mib_per_second=cpu.ebs_baseline_mib_per_second,
        offered_in=cpu.offered_in if cpu.usd_per_hour is not None else (cpu.price_region,),
        usd_per_hour=cpu.usd_per_hour,
        price_date=cpu.price_date,
        price_region=cpu.price_region,
        source=cpu.source,
        date=cpu.date,
    )
