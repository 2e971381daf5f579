"""How EC2's answers are read: names of accelerators, what is left out, and where the API does not say what we hold.

Each exception stands here with its reason, and nowhere else in the refresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.catalog.facts import GpuFacts
from infra.units import BYTES_PER_GB, BYTES_PER_GIB, BYTES_PER_MIB

__all__ = [
    "CPU_FAMILIES",
    "CPU_SIZES",
    "LEFT_OUT",
    "OVERRIDES",
    "Override",
    "accelerator",
    "gpu_name",
    "memory_agrees",
    "overridden",
]

LEFT_OUT = {
    "inf1": "Inferentia 1 has 8 GiB a chip, and vLLM's Neuron builds begin with Inferentia 2",
    "dl1": "Gaudi: no engine of the catalogue",
    "dl2q": "Qualcomm AI 100: no engine of the catalogue",
    "vt1": "video transcoders",
    "f1": "FPGA",
    "f2": "FPGA",
    "g4ad": "AMD V520, made for graphics",
    "g2": "Kepler: no kernels in any engine of the catalogue",
    "g3": "Maxwell: no kernels in any engine of the catalogue",
    "g3s": "Maxwell: no kernels in any engine of the catalogue",
    "p2": "Kepler: no kernels in any engine of the catalogue",
    "p3": "V100 with 16 GiB: vLLM's wheels for CUDA 13 dropped Volta; p3dn stays for the older ones",
}
"""Families with accelerators that nothing here runs on."""

CPU_FAMILIES = ("c8i", "m8i", "r8i", "c8a", "m8a", "r8a", "c8g", "m8g", "r8g")
CPU_SIZES = ("xlarge", "2xlarge", "4xlarge", "8xlarge", "16xlarge")
"""The current generation that every region's compute offer has; larger ones cost more than a GPU that is faster."""

NAMES = {
    "T4": "T4",
    "T4g": "T4g",
    "A10G": "A10G",
    "L4": "L4",
    "L40S": "L40S",
    "RTX PRO 4500": "RTXPRO4500",
    "RTX PRO Server 6000": "RTXPRO6000-BSE",
    "H100": "H100-80",
    "H200": "H200",
    "B200": "B200",
    "B300": "B300",
    "Inferentia2": "Inferentia2",
    "Trainium": "Trainium1",
    "Trainium2": "Trainium2",
    ("V100", 32768): "V100-32",
    ("A100", 40960): "A100-40",
    ("A100", 81920): "A100-80",
}
"""EC2's name, with MiB where it names two sizes, to the name in gpus.yaml."""


@dataclass(frozen=True, slots=True)
class Override:
    """One fact of a family that we hold otherwise than EC2 answers, or that is easily misread."""

    family: str
    fact: str
    answered: object
    held: object
    reason: str


FRACTION = "the API counts 0 GPUs and 1 logical one; GpuPartitionSize is the part of an L4 that a type holds"
OVERRIDES = (
    Override("g6f", "gpus", 0, 0, FRACTION),
    Override("gr6f", "gpus", 0, 0, FRACTION),
    Override(
        "trn2", "accelerator_mib", 524_288, 98_304, "the API gives 512 GiB a device; a Trainium2 has 96 GiB of HBM"
    ),
    Override(
        "g5g", "cpu", "arm64", "arm64", "the API is right: Graviton hosts, which the x86 engine image cannot run on"
    ),
)
MEMORY_TOLERANCE = 0.01
"""B200: 183,359 MiB answered, 180 GB by name."""


def overridden(family: str, fact: str, answered: object) -> object:
    """What the catalogue holds where EC2 answers that."""
    for rule in OVERRIDES:
        if (rule.family, rule.fact, rule.answered) == (family, fact, answered):
            return rule.held
    return answered


@dataclass(frozen=True, slots=True)
class Accelerator:
    """The devices of one type, in the API's words."""

    name: str
    count: int
    partition: float
    memory_mib: int
    """Of one device, or of the part of one that the type holds."""


def accelerator(answer: Mapping[str, Any]) -> Accelerator | None:
    """GPUs, else Neuron devices (Inferentia and Trainium); None for a type without either."""
    devices = answer.get("GpuInfo", {}).get("Gpus") or answer.get("NeuronInfo", {}).get("NeuronDevices")
    devices = devices or answer.get("InferenceAcceleratorInfo", {}).get("Accelerators")
    if not devices:
        return None
    first = devices[0]
    family = str(answer["InstanceType"]).split(".")[0]
    memory = overridden(family, "accelerator_mib", first.get("MemoryInfo", {}).get("SizeInMiB", 0))
    partition = first.get("GpuPartitionSize", 1.0) if not first["Count"] else 1.0
    count = overridden(family, "gpus", first["Count"])
    return Accelerator(first.get("Name", ""), int(str(count)), float(partition), int(str(memory)))


def gpu_name(found: Accelerator) -> str | None:
    """The name in gpus.yaml; None for a device that it does not hold."""
    return NAMES.get((found.name, found.memory_mib)) or NAMES.get(found.name)


def memory_agrees(found: Accelerator, gpu: GpuFacts) -> bool:
    """Whether the API's MiB are the nominal size: GiB for some (T4: 16,384), and GB for the odd ones (A10G: 22,888)."""
    answered = found.memory_mib / found.partition * BYTES_PER_MIB
    sizes = (gpu.nominal_gb * BYTES_PER_GIB, gpu.nominal_gb * BYTES_PER_GB)
    return any(abs(answered / size - 1) <= MEMORY_TOLERANCE for size in sizes)
