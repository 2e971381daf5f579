"""Does a training run fit, on how many GPUs, and what to change where it does not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from infra.catalog.facts import GpuFacts, ModelFacts
from infra.errors import ConfigurationError, raise_all
from infra.sizing.adapters import ALL_TARGETS, Target, adapter_parameters
from infra.sizing.machines import MAX_OWNED_GPUS, machine_flags
from infra.sizing.training_memory import (
    QUANTIZED_BYTES,
    Method,
    Offload,
    TrainingMemory,
    activation_bytes,
    base_bytes,
    largest_layer,
    states,
    workspace_bytes,
)
from infra.units import gib, to_gib

__all__ = [
    "Method",
    "Offload",
    "Target",
    "TrainingCause",
    "TrainingMemory",
    "TrainingMiss",
    "TrainingPlan",
    "TrainingRequest",
    "estimate_training",
    "fits",
    "smallest_gpus",
    "training_memory",
]

USABLE_SHARE = 0.95
"""Of what the GPU shows; the rest is lost between blocks of PyTorch's allocator (from knowledge)."""
PROCESS_HOST_BYTES = gib(6)
"""Python, CUDA context and data loading of one rank; NIM's guideline is 5 to 10 GB for a machine."""
MAX_GPUS = 64
FLAGS = {
    "zeroStage": "--zero",
    "gpus": "--gpus",
    "sequenceTokens": "--sequence",
    "microBatch": "--micro-batch",
    "rank": "--rank",
    "bits": "--bits",
}
"""How a setting is typed: fixes are in these words."""


class TrainingCause(StrEnum):
    """Why a run is refused. The first four are parts of the memory."""

    WEIGHTS = "weights"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer"
    ACTIVATIONS = "activations"
    HOST_RAM = "host_ram"
    OFFLOAD = "offload"
    KERNEL = "kernel"
    DTYPE = "dtype"
    TARGETS = "targets"
    SHAPE = "shape"


@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """How to train. LLaMA-Factory's table is met with these defaults: 1,024 tokens (its `cutoff_len`), batch of 1."""

    method: Method = Method.LORA
    bits: int = 4
    """Of the frozen weights; QLoRA only."""
    zero_stage: int = 0
    offload: Offload = Offload.NONE
    gpus: int | None = None
    """Data-parallel ranks, one a GPU; None takes the fewest that fit, up to 64."""
    sequence_tokens: int = 1024
    micro_batch: int = 1
    """Sequences one GPU works on at a time."""
    gradient_checkpointing: bool = True
    rank: int = 8
    targets: tuple[Target, ...] = ALL_TARGETS
    host_memory_bytes: int | None = None
    """Memory of all hosts together; None leaves it out of the decision."""

    def check(self) -> None:
        """Refuse values that no trainer takes, all at once."""
        raise_all(list(self.mistakes()))

    def mistakes(self) -> Iterator[ConfigurationError]:
        """Values that no trainer takes."""
        ranges: tuple[tuple[str, float | None, float, float], ...] = (
            ("zeroStage", self.zero_stage, 0, 3),
            ("gpus", self.gpus, 1, 4096),
            ("sequenceTokens", self.sequence_tokens, 1, 2**20),
            ("microBatch", self.micro_batch, 1, 4096),
            ("rank", self.rank, 1, 1024),
        )
        for key, value, low, high in ranges:
            if value is not None and not low <= value <= high:
                yield _wrong(key, value, f"{low} to {high}")
        if self.bits not in QUANTIZED_BYTES:
            yield _wrong("bits", self.bits, ", ".join(map(str, QUANTIZED_BYTES)))

    @property
    def trains_adapters(self) -> bool:
        """Whether the model itself stays frozen."""
        return self.method in (Method.LORA, Method.QLORA)

    @property
    def base_bits(self) -> int:
        """Bits of a frozen weight."""
        return self.bits if self.method is Method.QLORA else 16


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A run that fits, with every part of its memory."""

    request: TrainingRequest
    model: ModelFacts
    gpu: GpuFacts
    gpus: int
    trainable_parameters: int
    memory: TrainingMemory

    @property
    def host_bytes(self) -> int:
        """Memory of all hosts together: offloaded states and one process a rank."""
        return self.memory.host_bytes + self.gpus * PROCESS_HOST_BYTES

    @property
    def host_bytes_per_rank(self) -> int:
        """The share of one GPU's process."""
        return math.ceil(self.memory.host_bytes / self.gpus) + PROCESS_HOST_BYTES

    def to_json(self) -> dict[str, object]:
        """Memory in GiB, two decimals."""
        memory = self.memory
        parts = ("weights", "gradients", "optimizer", "activations", "workspace", "total")
        return {
            "fits": True,
            "method": str(self.request.method),
            "bits": self.request.base_bits if self.request.trains_adapters else None,
            "gpu": self.gpu.name,
            "gpus": self.gpus,
            "zero_stage": self.request.zero_stage,
            "offload": str(self.request.offload),
            "trainable_parameters": self.trainable_parameters,
            "per_gpu": {
                "usable_gib": _gib(self.gpu.usable_bytes),
                **{f"{part}_gib": _gib(getattr(memory, f"{part}_bytes")) for part in parts},
            },
            "host_ram_gib": _gib(self.host_bytes),
            "host_ram_gib_per_rank": _gib(self.host_bytes_per_rank),
        }


@dataclass(frozen=True, slots=True)
class TrainingMiss:
    """A run that cannot be. `key` names the setting to change; each of `fixes` is enough alone."""

    cause: TrainingCause
    message: str
    key: str
    value: object = None
    fixes: tuple[str, ...] = ()


def estimate_training(request: TrainingRequest, model: ModelFacts, gpu: GpuFacts) -> TrainingPlan | TrainingMiss:
    """The run on the GPUs asked for, or on the fewest that hold it; else the cause and what would fit."""
    request.check()
    miss = _check_kernels(request, gpu) or _check_shape(request, model)
    if miss:
        return miss
    gpus = request.gpus or smallest_gpus(request, model, gpu)
    if gpus is None or not fits(request, model, gpu, gpus):
        return _no_room(request, model, gpu, gpus or (MAX_GPUS if request.zero_stage else 1))
    trainable = _trainable(request, model)
    return TrainingPlan(request, model, gpu, gpus, math.ceil(trainable), training_memory(request, model, gpus))


def training_memory(request: TrainingRequest, model: ModelFacts, gpus: int) -> TrainingMemory:
    """The parts of each of `gpus` GPUs; of a model whose shape is known (`estimate_training` refuses the others)."""
    held = states(
        request.method,
        request.zero_stage,
        request.offload,
        gpus,
        trainable=_trainable(request, model),
        frozen_bytes=base_bytes(model, request.base_bits) if request.trains_adapters else 0,
        largest=largest_layer(model),
    )
    tokens = request.sequence_tokens * request.micro_batch
    activations = activation_bytes(model, tokens, checkpointing=request.gradient_checkpointing)
    return TrainingMemory(
        weights_bytes=math.ceil(held.weights_bytes),
        gradients_bytes=math.ceil(held.gradients_bytes),
        optimizer_bytes=math.ceil(held.optimizer_bytes),
        activations_bytes=math.ceil(activations),
        workspace_bytes=workspace_bytes(model, request.method),
        host_bytes=math.ceil(held.host_bytes),
    )


def fits(request: TrainingRequest, model: ModelFacts, gpu: GpuFacts, gpus: int) -> bool:
    """Whether GPU and, where stated, host memory hold the run."""
    memory = training_memory(request, model, gpus)
    return _gpu_holds(memory, gpu) and _host_holds(request, memory, gpus)


def smallest_gpus(request: TrainingRequest, model: ModelFacts, gpu: GpuFacts, limit: int = MAX_GPUS) -> int | None:
    """The fewest GPUs that hold the run; None where `limit` do not. Without ZeRO more GPUs never help."""
    most = limit if request.zero_stage else 1
    return next((count for count in range(1, most + 1) if fits(request, model, gpu, count)), None)


def _trainable(request: TrainingRequest, model: ModelFacts) -> float:
    if not request.trains_adapters:
        return model.parameters
    found = adapter_parameters(model, request.rank, request.targets)
    return 0 if isinstance(found, str) else found


def _gpu_holds(memory: TrainingMemory, gpu: GpuFacts) -> bool:
    return memory.total_bytes <= USABLE_SHARE * gpu.usable_bytes


def _host_holds(request: TrainingRequest, memory: TrainingMemory, gpus: int) -> bool:
    limit = request.host_memory_bytes
    return limit is None or memory.host_bytes + gpus * PROCESS_HOST_BYTES <= limit


def _check_kernels(request: TrainingRequest, gpu: GpuFacts) -> TrainingMiss | None:
    quantized = request.method is Method.QLORA
    stage, offload = request.zero_stage, request.offload
    if request.method is Method.PURE_BF16 and gpu.compute_capability and not gpu.supports_bf16:
        ways = ("use --workload train (fp16 with fp32 states)", "use a GPU of compute capability 8.0 or later")
        return TrainingMiss(TrainingCause.DTYPE, f"{gpu.name} has no bf16", "method", request.method, ways)
    if quantized and gpu.compute_capability is None:
        message = f"the kernels of QLoRA (bitsandbytes) need CUDA; {gpu.name} has none"
        return TrainingMiss(TrainingCause.KERNEL, message, "method", request.method, ("use --workload lora",))
    if quantized and stage == 3 and request.bits != 4:
        message = f"ZeRO-3 shards 4-bit weights (PEFT, bnb_4bit_quant_storage), not {request.bits}-bit ones"
        return TrainingMiss(TrainingCause.KERNEL, message, "zeroStage", stage, ("use --zero 2", "use --bits 4"))
    if offload is Offload.PARAMETERS_AND_OPTIMIZER and (stage < 3 or quantized):
        message = "parameters are offloaded by ZeRO-3 only, and only those that are not quantised"
        way = "use --workload lora --zero 3" if quantized else "use --zero 3"
        return TrainingMiss(TrainingCause.OFFLOAD, message, "offload", offload, (way, "use --offload optimizer"))
    if offload is Offload.OPTIMIZER and stage == 0:
        message = "the optimizer is offloaded by ZeRO 1, 2 and 3, not by plain data parallelism"
        return TrainingMiss(TrainingCause.OFFLOAD, message, "offload", offload, ("use --zero 2",))
    return None


def _check_shape(request: TrainingRequest, model: ModelFacts) -> TrainingMiss | None:
    if not (model.parameters and model.layers and model.hidden_size):
        message = f"layers and hidden size of {model.label} are not in the catalogue"
        return TrainingMiss(TrainingCause.SHAPE, message, "model", model.label, ("use a model of known shape",))
    if not request.trains_adapters:
        return None
    found = adapter_parameters(model, request.rank, request.targets)
    if isinstance(found, str):
        named = ",".join(request.targets)
        return TrainingMiss(TrainingCause.TARGETS, found, "targets", named, ("name other target modules",))
    return None


def _no_room(request: TrainingRequest, model: ModelFacts, gpu: GpuFacts, gpus: int) -> TrainingMiss:
    memory = training_memory(request, model, gpus)
    where = f"{gpus} x {gpu.name}"
    fixes = tuple(_fixes(request, model, gpu, gpus))
    if _gpu_holds(memory, gpu):
        need = memory.host_bytes + gpus * PROCESS_HOST_BYTES
        have = to_gib(request.host_memory_bytes or 0)
        message = f"{where} need {to_gib(need):.1f} GiB of host memory; there are {have:.1f}"
        more = f"use hosts of {math.ceil(to_gib(need))} GiB in all"
        return TrainingMiss(TrainingCause.HOST_RAM, message, "offload", request.offload, (*fixes, more))
    parts = {
        TrainingCause.WEIGHTS: memory.weights_bytes,
        TrainingCause.GRADIENTS: memory.gradients_bytes,
        TrainingCause.OPTIMIZER: memory.optimizer_bytes,
        TrainingCause.ACTIVATIONS: memory.activations_bytes,
    }
    cause = max(parts, key=lambda part: parts[part])
    told = ", ".join(f"{part} {to_gib(size):.2f}" for part, size in parts.items())
    message = (
        f"{model.label} needs {to_gib(memory.total_bytes):.2f} GiB on each of {where} ({told}, workspace "
        f"{to_gib(memory.workspace_bytes):.2f}); {to_gib(USABLE_SHARE * gpu.usable_bytes):.2f} GiB are usable"
    )
    key, value = (("microBatch", request.micro_batch), ("method", request.method))[cause != TrainingCause.ACTIVATIONS]
    larger = f"use GPUs of {math.ceil(to_gib(memory.total_bytes / USABLE_SHARE))} GiB or more"
    return TrainingMiss(cause, message, key, value, (*fixes, larger))


def _fixes(request: TrainingRequest, model: ModelFacts, gpu: GpuFacts, gpus: int) -> Iterator[str]:
    """Each single change after which the same GPUs, or more of them, hold the run; tried, not guessed."""
    for text, changed in _changes(request):
        possible = not (_check_kernels(changed, gpu) or _check_shape(changed, model))
        if possible and changed != request and fits(changed, model, gpu, gpus):
            yield text
    for text, stage in (("", request.zero_stage), (" --zero 3", 3)):
        sharded = replace(request, zero_stage=stage)
        enough = None if _check_kernels(sharded, gpu) else smallest_gpus(sharded, model, gpu)
        if enough is not None and enough > gpus:
            nodes = -(-enough // MAX_OWNED_GPUS)
            each = -(-enough // nodes)
            yield f"use {machine_flags(gpu.name, each, nodes)}{text}"
            return


def _changes(request: TrainingRequest) -> Iterator[tuple[str, TrainingRequest]]:
    half = max(1, request.sequence_tokens // 2)
    yield "turn gradient checkpointing on", replace(request, gradient_checkpointing=True)
    yield "use --micro-batch 1", replace(request, micro_batch=1)
    yield f"use --sequence {half}", replace(request, sequence_tokens=half)
    yield "use --rank 8", replace(request, rank=min(request.rank, 8))
    yield "use --zero 3", replace(request, zero_stage=3)
    yield "use --offload none", replace(request, offload=Offload.NONE)
    for stage in (2, 3):
        moved = replace(request, zero_stage=stage, offload=Offload.OPTIMIZER)
        yield f"use --zero {stage} --offload optimizer", moved
    every = replace(request, zero_stage=3, offload=Offload.PARAMETERS_AND_OPTIMIZER)
    yield "use --zero 3 --offload parameters_and_optimizer", every
    yield "use --workload lora", replace(request, method=Method.LORA)
    for bits in (8, 4):
        yield f"use --workload qlora --bits {bits}", replace(request, method=Method.QLORA, bits=bits)


def _wrong(key: str, value: object, allowed: str) -> ConfigurationError:
    return ConfigurationError(
        f"{key}: {value!r} is not usable",
        code="SKS0205",
        key=key,
        value=value,
        allowed=allowed,
        fix=f"set {FLAGS[key]} to {'a number from' if ' to ' in allowed else 'one of'} {allowed}",
    )


def _gib(value_bytes: float) -> float:
    return round(to_gib(value_bytes), 2)
