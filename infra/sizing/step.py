"""Seconds of one decoding step, as a range.

    seconds = bytes read / (efficiency x bandwidth) + layers x latency of a layer

The second term is what a bandwidth bound leaves out, and most of the time of a mixture of experts with one user: R1 on
eight GPUs reaches 2 to 6 % of its bound. Both were fitted to the 13 public measurements with a stated GPU that are in
tests/unit/sizing/test_speed.py (D01 to D14 below, 2026-11-24). What they were not measured on says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infra.catalog.facts import Architecture, GpuFacts, ModelFacts, QuantizationFacts
from infra.sizing import traffic
from infra.sizing.cpu import is_cpu
from infra.sizing.engine import Engine, Family, Generation

__all__ = ["Layout", "Range", "Runtime", "Step", "peak_flops", "prompt_seconds", "step", "step_seconds"]


@dataclass(frozen=True, slots=True)
class Range:
    """Low, expected and high value of an estimate, in the unit its owner names."""

    low: float
    expected: float
    high: float

    def scale(self, factor: float) -> Range:
        """The same range in other units; `factor` is above 0."""
        return Range(self.low * factor, self.expected * factor, self.high * factor)

    def inverse(self, numerator: float = 1.0) -> Range:
        """`numerator` over each value, in order again."""
        return Range(numerator / self.high, numerator / self.expected, numerator / self.low)

    def plus(self, other: Range) -> Range:
        """Both after one another."""
        return Range(self.low + other.low, self.expected + other.expected, self.high + other.high)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def to_json(self) -> dict[str, float]:
        """Three figures: more would promise what an estimate cannot keep."""
        return {name: float(f"{getattr(self, name):.3g}") for name in ("low", "expected", "high")}


class Runtime(StrEnum):
    """Classes of engines whose latency of a layer differs."""

    CURRENT = "current"
    OLD = "old"
    LLAMA_CPP = "llama.cpp"

    @classmethod
    def of(cls, engine: Engine) -> Runtime:
        """The class of a release: vLLM's V0 core is old, and SGLang before March 2025."""
        if engine.family in (Family.LLAMA_CPP, Family.OLLAMA):
            return cls.LLAMA_CPP
        if engine.family is Family.VLLM:
            return cls.OLD if engine.generation is Generation.V0 else cls.CURRENT
        return cls.OLD if engine.family is Family.SGLANG and engine.version < FIRST_CURRENT_SGLANG else cls.CURRENT


FIRST_CURRENT_SGLANG = (0, 4, 4)
"""March 2025: fused latent attention and expert kernels for V3 (from knowledge)."""


class Reach(StrEnum):
    """How far apart the GPUs are that a token passes."""

    ONE_GPU = "one_gpu"
    ONE_NODE = "one_node"
    NODES = "nodes"


@dataclass(frozen=True, slots=True)
class Layout:
    """How the model is spread. One copy takes tensor x pipeline GPUs; data-parallel copies share the users."""

    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    """Stages that a token passes one after the other; llama.cpp's layer split is this."""
    data_parallel: int = 1
    nodes: int = 1
    """Machines that one copy spans."""
    expert_parallel: bool = False
    """Experts are spread over the data-parallel copies too."""

    @property
    def expert_ranks(self) -> int:
        """GPUs that read the experts of one layer at the same time."""
        return self.tensor_parallel * (self.data_parallel if self.expert_parallel else 1)

    @property
    def reach(self) -> Reach:
        """The longest way inside a copy, and between copies that share experts."""
        if self.nodes > 1:
            return Reach.NODES
        return Reach.ONE_NODE if self.expert_ranks * self.pipeline_parallel > 1 else Reach.ONE_GPU


EFFICIENCY = Range(0.55, 0.8, 0.92)
"""Of the GPU's bandwidth. 0.8 is the fit; D01 and D02 reach 0.65 and 0.72 with the latency of their layers in it."""
CPU_EFFICIENCY = Range(0.4, 0.8, 2.0)
"""Of the part of the socket's bandwidth that the cores of a virtual machine have: they get more while its neighbours
are quiet, and less where the cores are too few or too slow to ask for it (from knowledge, not measured)."""
NO_MARLIN = 0.5
"""AWQ and GPTQ before Ampere have no Marlin kernels: about half of the bandwidth (from knowledge, not measured)."""
NO_MARLIN_KINDS = ("awq", "gptq")
FIRST_MARLIN = (8, 0)

LATENCY_MS = {
    (Reach.ONE_GPU, Architecture.DENSE): Range(0.025, 0.035, 0.085),
    (Reach.ONE_GPU, Architecture.MOE): Range(0.07, 0.15, 0.33),
    (Reach.ONE_NODE, Architecture.DENSE): Range(0.06, 0.12, 0.26),
    (Reach.ONE_NODE, Architecture.MOE): Range(0.14, 0.27, 0.62),
    (Reach.NODES, Architecture.DENSE): Range(0.16, 0.3, 0.7),
    (Reach.NODES, Architecture.MOE): Range(0.22, 0.5, 0.95),
}
"""Milliseconds of a layer beside reading it: launches, routing, all-reduce. One GPU: 0.043 and 0.025 (D01, D02). One
node: 0.17 dense, by a V0 core (D03); experts 0.24 to 0.25 (D05, D10), 0.52 with sparse attention (D11). Two nodes:
0.50, 0.53 and 0.85 (D06, D09, D08). One GPU with experts, and dense over nodes, were not measured: they lie between."""
OLD_FACTOR = 1.8
"""Engines from before spring 2025: 0.48 and 0.62 on one node with experts (D07, D14), where current ones have 0.25. Not
measured on the other rows of the table."""
LLAMA_CPP_LATENCY_MS = {
    (Reach.ONE_GPU, Architecture.DENSE): Range(0.025, 0.035, 0.085),
    (Reach.ONE_GPU, Architecture.MOE): Range(0.08, 0.2, 0.38),
    (Reach.ONE_NODE, Architecture.DENSE): Range(0.03, 0.05, 0.12),
    (Reach.ONE_NODE, Architecture.MOE): Range(0.35, 0.75, 1.5),
    (Reach.NODES, Architecture.DENSE): Range(0.1, 0.25, 0.45),
    (Reach.NODES, Architecture.MOE): Range(0.5, 1.0, 2.2),
}
"""D01 and D02 on one GPU; R1 split by layers over 16 and over 2 GPUs: 0.51 and 1.33 (D13, D12). The others were not
measured."""

COMPUTE_EFFICIENCY = {
    Architecture.DENSE: Range(0.25, 0.45, 0.8),
    Architecture.MOE: Range(0.05, 0.1, 0.2),
}
"""Of the data sheet's dense TFLOPS, for prompts and many users. Experts: R1 read 7,902 tokens in 0.56 s on eight H200,
which is 0.084 of their fp8 rate (D10). Dense: from knowledge."""
FP8_KINDS = ("fp8", "fp4_fp8", "w4a8", "nvfp4")
"""Twice the 16-bit rate where the tensor cores have fp8; nvfp4 on Blackwell would be four times, so this errs slow."""


@dataclass(frozen=True, slots=True)
class Step:
    """The parts of one step: reading and arithmetic overlap, latencies do not."""

    read_bytes: float
    """By the busiest GPU."""
    flops: float
    """Of the busiest GPU."""
    reading: Range
    """Seconds, as the two below."""
    computing: Range
    layer: Range
    """Latency of one layer."""
    layers: int

    @property
    def seconds(self) -> Range:
        """The whole step."""
        read, done = self.reading, self.computing
        busy = Range(max(read.low, done.low), max(read.expected, done.expected), max(read.high, done.high))
        return busy.plus(self.layer.scale(self.layers))


def step_seconds(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    layout: Layout,
    *,
    users: int,
    context_tokens: int,
    runtime: Runtime,
    kv_dtype: str = "auto",
) -> Range:
    """Seconds until each of `users` has one more token."""
    return step(
        model,
        quantization,
        gpu,
        layout,
        users=users,
        context_tokens=context_tokens,
        runtime=runtime,
        kv_dtype=kv_dtype,
    ).seconds


def step(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    layout: Layout,
    *,
    users: int,
    context_tokens: int,
    runtime: Runtime,
    kv_dtype: str = "auto",
) -> Step:
    """What one more token for each of `users` takes.

    Pipeline stages cut the users of a copy in as many groups, which follow each other through the stages: the step is
    that of a group, and with one user only one stage works at a time.
    """
    group = -(-users // (layout.data_parallel * layout.pipeline_parallel))
    read_bytes = _read_bytes(model, quantization, layout, group, context_tokens, kv_dtype)
    flops = 2.0 * model.active_parameters * group / layout.tensor_parallel
    table = LLAMA_CPP_LATENCY_MS if runtime is Runtime.LLAMA_CPP else LATENCY_MS
    factor = OLD_FACTOR if runtime is Runtime.OLD else 1.0
    return Step(
        read_bytes=read_bytes,
        flops=flops,
        reading=_bandwidth(gpu, quantization).inverse(read_bytes),
        computing=_computing(model, quantization, gpu, flops),
        layer=table[layout.reach, model.architecture].scale(factor / 1e3),
        layers=model.layers,
    )


def prompt_seconds(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, layout: Layout, prompt_tokens: int
) -> Range:
    """Seconds of the arithmetic of one prompt; stages work one after the other, which errs on the slow side."""
    flops = traffic.prefill_flops(model, prompt_tokens) / layout.tensor_parallel
    return _computing(model, quantization, gpu, flops)


def peak_flops(quantization: QuantizationFacts, gpu: GpuFacts) -> float:
    """Dense operations a second of one GPU in the type it computes in: fp8 runs twice as fast on cores that have it."""
    factor = 2 if quantization.name in FP8_KINDS and gpu.fp8 == "yes" else 1
    return gpu.fp16_tflops * 1e12 * factor


def _computing(model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, flops: float) -> Range:
    peak = peak_flops(quantization, gpu)
    if peak <= 0:
        return Range(0.0, 0.0, 0.0)
    return COMPUTE_EFFICIENCY[model.architecture].scale(peak).inverse(flops)


def _bandwidth(gpu: GpuFacts, quantization: QuantizationFacts) -> Range:
    if is_cpu(gpu):
        return CPU_EFFICIENCY.scale(gpu.bandwidth_bytes_per_second)
    capability = gpu.compute_capability
    slow = quantization.name in NO_MARLIN_KINDS and capability is not None and capability < FIRST_MARLIN
    return EFFICIENCY.scale(gpu.bandwidth_bytes_per_second * (NO_MARLIN if slow else 1.0))


def _read_bytes(
    model: ModelFacts,
    quantization: QuantizationFacts,
    layout: Layout,
    group: int,
    context_tokens: int,
    kv_dtype: str,
) -> float:
    """Bytes one rank reads, all stages after one another."""
    ranks = layout.tensor_parallel
    tokens = group * (layout.data_parallel if layout.expert_parallel else 1)
    read = traffic.weights_read(model, quantization, tokens)
    cache = group * traffic.cache_read_bytes(model, context_tokens, ranks, kv_dtype)
    return read.split / ranks + read.repeated + read.experts / layout.expert_ranks + cache
