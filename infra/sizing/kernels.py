"""Whether the engine has code for a model, a quantisation and a GPU.

Memory is another question: V3.2 had room on 8x RTX PRO 6000 and failed for want of a kernel (vLLM issue 31936).
"""

from __future__ import annotations

from infra.catalog.facts import Architecture, Attention, GpuFacts, ModelFacts, QuantizationFacts
from infra.sizing.cpu import is_cpu
from infra.sizing.engine import FIRST_MEASURED, TITLES, Engine, Family
from infra.sizing.refusal import Miss, Reason

__all__ = ["check_cache", "check_engine", "check_format", "check_gpu", "check_known", "check_quantization"]

DENSE_ONLY = frozenset({"nf4"})
"""bitsandbytes quantises linear layers, not fused experts (vLLM's table of supported quantisations)."""
GGUF = "gguf"
"""Method of the kinds of llama.cpp. Community files of them exist of every model, V4 too."""

NATIVE_FP8 = (8, 9)
"""Ada and Hopper multiply fp8; below it a blocked fp8 checkpoint is run as a bf16 copy (GPUStack's guide for R1)."""
SGLANG_V4 = (8, 9)
"""SGLang raises V4's fp4 experts to fp8 where a GPU has no kernel for them (sglang PR 28620, 8x L20)."""
FIRST_V4_ON_SM120 = Engine((0, 24, 0))
"""vLLM pull request 43477 brought V4 to compute capability 12.x and is in 0.24.0; Hopper and the data-centre Blackwells
ran it from 0.20.0 on (recipes @0159550). Older GPUs have forks only (vLLM issues 40851 and 40902)."""
COMPRESSED_MAJORS, FIRST_SM120 = (9, 10, 12), 12
SPARSE_ATTENTION_MAJORS = (9, 10)
"""FlashMLA sparse kernels: Hopper and data-centre Blackwell (vLLM recipes, V3.2)."""


def check_engine(model: ModelFacts, engine: Engine) -> Miss | None:
    """The first release that serves the model, and the first whose use of memory is known here."""
    if engine.family is not Family.VLLM:
        return _check_other_engine(model, engine)
    floor = max(Engine.parse(model.min_engine_version).version, FIRST_MEASURED)
    if engine.version >= floor:
        return None
    allowed = f"{Engine(floor)} or later"
    message = f"vLLM {engine} is too old to serve or to size {model.label}"
    return Miss(Reason.ENGINE_VERSION, message, "engineVersion", str(engine), allowed, f"use vLLM {allowed}")


SGLANG_FLOORS = {
    Attention.GROUPED: (0, 4, 1),
    Attention.LATENT: (0, 4, 1),
    Attention.SPARSE_LATENT: (0, 5, 3),
    Attention.COMPRESSED: (0, 5, 13),
}
"""0.4.1 was the first with V3, and kept its settings of memory until today; 0.5.3 the first with V3.2 (release notes,
from knowledge); 0.5.13 is the oldest that is reported to run V4 (sglang 28189)."""
LLAMA_CPP_FLOORS = {Attention.GROUPED: (4000, 0, 0), Attention.LATENT: (8041, 0, 0)}
"""b4000 (November 2024) has all flags of a plan. Before PR 19067 (January 2026) the latent cache was almost twice as
large; b8041, of February 2026, is the first build known to be later."""


def _check_other_engine(model: ModelFacts, engine: Engine) -> Miss | None:
    floors = SGLANG_FLOORS if engine.family is Family.SGLANG else LLAMA_CPP_FLOORS
    floor = floors.get(model.attention)
    if floor is None:
        message = f"the memory that {TITLES[engine.family]} takes for the cache of {model.label} is not known here"
        fix = "use --engine vllm, or a model of the R1, V3, V2 or distill families"
        return Miss(Reason.UNSUPPORTED_CACHE, message, "engine", str(engine.family), "vllm", fix)
    oldest = Engine(floor, engine.family)
    if engine.version >= floor:
        return None
    message = f"{engine.label} is too old to serve or to size {model.label}"
    allowed = f"{oldest} or later"
    return Miss(Reason.ENGINE_VERSION, message, "engineVersion", str(engine), allowed, f"use {oldest.label} or later")


def check_format(model: ModelFacts, quantization: QuantizationFacts, engine: Engine) -> Miss | None:
    """llama.cpp loads GGUF and nothing else; SGLang reads it for models whose tensors it can name."""
    is_gguf, name = quantization.engine_method == GGUF, quantization.name
    if engine.family is Family.LLAMA_CPP and not (is_gguf or quantization.whole):
        message, allowed = (
            f"llama.cpp loads GGUF files, and {name} is not a kind of them",
            "q8_0, q6_k, q5_k_m or q4_k_m",
        )
        return Miss(Reason.DTYPE, message, "quantization", name, allowed, f"set quantization to {allowed}")
    plain = model.architecture is Architecture.DENSE and model.attention is Attention.GROUPED
    if engine.family is Family.SGLANG and is_gguf and not plain:
        message = (
            f"whether SGLang reads a GGUF file of {model.label} is not known: it names the tensors of dense models"
        )
        return Miss(Reason.KERNEL, message, "quantization", name, "fp8, awq or gptq", "use --engine llama.cpp")
    return None


def check_known(model: ModelFacts) -> Miss | None:
    """Whether the cache of the model can be sized at all: of one that it cannot no hardware is the cause."""
    if model.attention is not Attention.COMPRESSED or model.layers:
        return None
    message = (
        f"{model.label} keeps a compressed cache of a shape of its own, which is not published: "
        "its layers by compression ratio and the pages of the engine"
    )
    allowed = "DeepSeek-V4-Flash-0731 or DeepSeek-V4-Pro-0813, whose cache is known"
    return Miss(Reason.UNSUPPORTED_CACHE, message, "model", model.label, allowed, f"use {allowed}")


def check_cache(model: ModelFacts, gpu: GpuFacts, engine: Engine, *, estimate: bool = False) -> Miss | None:
    """Whether a compressed cache has kernels on that GPU; an estimate takes them as given."""
    if model.attention is not Attention.COMPRESSED:
        return None
    if estimate or engine.family is not Family.VLLM or gpu.compute_capability is None:
        return None
    return _check_compressed_kernel(model, gpu, gpu.compute_capability, engine)


def _check_compressed_kernel(model: ModelFacts, gpu: GpuFacts, have: tuple[int, int], engine: Engine) -> Miss | None:
    if have[0] not in COMPRESSED_MAJORS:
        message = f"{gpu.name}: no kernel of vLLM for the compressed cache of {model.label}"
        return Miss(Reason.KERNEL, message, "gpu", gpu.name, "H100, H200, H20, B200, B300 or RTX PRO 6000")
    if have[0] < FIRST_SM120 or engine >= FIRST_V4_ON_SM120:
        return None
    message = f"{model.label} runs on {gpu.name} (compute capability {_text(have)}) from vLLM {FIRST_V4_ON_SM120} on"
    allowed = f"{FIRST_V4_ON_SM120} or later"
    return Miss(Reason.ENGINE_VERSION, message, "engineVersion", str(engine), allowed, f"use vLLM {allowed}")


def check_quantization(model: ModelFacts, quantization: QuantizationFacts) -> Miss | None:
    """Mixed fp4 and fp8 is how V4 is published: it is not made from, or into, anything else."""
    mixed = "fp4_fp8"
    if quantization.name in DENSE_ONLY and model.architecture is Architecture.MOE:
        message = f"{model.label}: {quantization.name} has no kernel for a mixture of experts"
        return Miss(Reason.KERNEL, message, "quantization", quantization.name, "awq or gptq")
    if quantization.engine_method == GGUF:
        return None
    if (quantization.name == mixed) == (model.native_dtype == mixed):
        return None
    message = f"{model.label} is published in {model.native_dtype}; {quantization.name} is not made for it"
    return Miss(Reason.DTYPE, message, "quantization", quantization.name, f"{model.native_dtype}")


def check_gpu(model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, engine: Engine) -> Miss | None:
    """CUDA at all, the engine's wheel, then the kernels of the quantisation and of the attention."""
    have = gpu.compute_capability
    if is_cpu(gpu) and engine.family is Family.LLAMA_CPP:
        return None
    if have is None and engine.runs_on(gpu.vendor):
        return None
    if have is None:
        message = f"{gpu.name} ({gpu.vendor}) has no CUDA; the engine would need another build and other kernels"
        return Miss(Reason.KERNEL, message, "gpu", gpu.name, "an NVIDIA GPU")
    if have < engine.min_compute_capability:
        return _too_old(gpu, engine.label, engine.min_compute_capability)
    return _check_quantization_kernel(model, quantization, gpu, have, engine) or _check_attention_kernel(
        model, gpu, have
    )


def _check_quantization_kernel(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, have: tuple[int, int], engine: Engine
) -> Miss | None:
    name = quantization.name
    if engine.family in (Family.LLAMA_CPP, Family.OLLAMA):
        return None
    if name == "bf16" and not gpu.supports_bf16:
        message = f"{gpu.name} has compute capability {_text(have)}; bf16 needs 8.0"
        return Miss(Reason.DTYPE, message, "quantization", name, "fp16, int8, awq or gptq")
    oldest = SGLANG_V4 if name == "fp4_fp8" and engine.family is Family.SGLANG else quantization.min_compute_capability
    if have < oldest:
        return _too_old(gpu, name, oldest)
    newest = quantization.max_compute_capability
    if newest is not None and have > newest:
        message = f"{gpu.name}: no {name} kernel above compute capability {_text(newest)}"
        return Miss(Reason.KERNEL, message, "quantization", name, "fp8 or awq")
    blocked = model.quantization_block is not None and name == model.native_dtype
    if blocked and have < NATIVE_FP8:
        message = f"{gpu.name} cannot run the blocked {name} weights of {model.label} natively"
        return Miss(Reason.KERNEL, message, "quantization", name, "bf16, awq or gptq")
    return None


def _check_attention_kernel(model: ModelFacts, gpu: GpuFacts, have: tuple[int, int]) -> Miss | None:
    if model.attention is not Attention.SPARSE_LATENT or have[0] in SPARSE_ATTENTION_MAJORS:
        return None
    message = f"{gpu.name}: no sparse-attention kernel for {model.label}"
    return Miss(Reason.KERNEL, message, "gpu", gpu.name, "H100, H200, H20, B200 or B300")


def _too_old(gpu: GpuFacts, what: str, needed: tuple[int, int]) -> Miss:
    have = _text(gpu.compute_capability or (0, 0))
    message = f"{gpu.name} has compute capability {have}; {what} needs {_text(needed)}"
    return Miss(Reason.COMPUTE_CAPABILITY, message, "gpu", gpu.name, f"compute capability {_text(needed)} or later")


def _text(capability: tuple[int, int]) -> str:
    return f"{capability[0]}.{capability[1]}"
