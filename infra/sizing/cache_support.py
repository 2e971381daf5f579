"""Which formats of the KV cache an engine takes, under which name, and on which model and GPU they run."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from infra.catalog.cache_dtypes import KEY, CacheDtype, read_cache_dtype
from infra.catalog.facts import Attention, GpuFacts, ModelFacts, QuantizationFacts
from infra.errors import ConfigurationError
from infra.sizing.engine import Engine, Family
from infra.sizing.refusal import Miss, Reason

__all__ = [
    "NAMES",
    "cache_flag",
    "check_cache_dtype",
    "compute_dtype",
    "in_effect",
    "planned_with",
    "quality_note",
    "taken_by",
]

NAMES: Mapping[Family, Mapping[CacheDtype, str]] = MappingProxyType(
    {
        # vllm/config/cache.py @002f10e, CacheDType. fp8_inc is for Gaudi; turboquant, nvfp4 and per-token-head formats
        # keep scales whose size is not measured here.
        Family.VLLM: {
            CacheDtype.AUTO: "auto",
            CacheDtype.BF16: "bfloat16",
            CacheDtype.FP16: "float16",
            CacheDtype.FP8: "fp8",
            CacheDtype.FP8_E4M3: "fp8_e4m3",
            CacheDtype.FP8_E5M2: "fp8_e5m2",
            CacheDtype.FP8_DS_MLA: "fp8_ds_mla",
        },
        # sglang/srt/server_args.py, `--kv-cache-dtype`, 2026-11-24; fp4_e2m1 keeps scales that are not sized here.
        Family.SGLANG: {
            CacheDtype.AUTO: "auto",
            CacheDtype.BF16: "bf16",
            CacheDtype.FP8_E4M3: "fp8_e4m3",
            CacheDtype.FP8_E5M2: "fp8_e5m2",
        },
        # llama.cpp tools/server/README.md, `--cache-type-k` and `--cache-type-v` (pull request 10802).
        Family.LLAMA_CPP: {
            CacheDtype.AUTO: "f16",
            CacheDtype.FP32: "f32",
            CacheDtype.BF16: "bf16",
            CacheDtype.FP16: "f16",
            CacheDtype.Q8_0: "q8_0",
            CacheDtype.Q5_1: "q5_1",
            CacheDtype.Q5_0: "q5_0",
            CacheDtype.Q4_1: "q4_1",
            CacheDtype.Q4_0: "q4_0",
            CacheDtype.IQ4_NL: "iq4_nl",
        },
        # Ollama docs/faq.mdx, OLLAMA_KV_CACHE_TYPE (from knowledge).
        Family.OLLAMA: {
            CacheDtype.AUTO: "f16",
            CacheDtype.FP16: "f16",
            CacheDtype.Q8_0: "q8_0",
            CacheDtype.Q4_0: "q4_0",
        },
        # lmdeploy `--quant-policy` 0, 4 and 8 keeps scales that are not sized here.
        Family.LMDEPLOY: {CacheDtype.AUTO: "0"},
    }
)
"""Formats whose bytes are known, and the engine's name for each."""

FP8 = frozenset({CacheDtype.FP8, CacheDtype.FP8_E4M3, CacheDtype.FP8_E5M2})
PACKED = frozenset({CacheDtype.FP8, CacheDtype.FP8_DS_MLA})
"""Two names for the packed entry where the model has one: vLLM rewrites `fp8` to `fp8_ds_mla`."""
FEW_BITS = frozenset({CacheDtype.Q5_1, CacheDtype.Q5_0, CacheDtype.Q4_1, CacheDtype.Q4_0, CacheDtype.IQ4_NL})
SIXTEEN_BIT = {CacheDtype.BF16: "bfloat16", CacheDtype.FP16: "float16"}

FP8_GROUPED: tuple[int, int] = (8, 0)
"""FlashInfer reads an fp8 cache from Ampere on; it left Turing in 0.24, where Triton refuses it below 8.9 (vLLM pull
request 45375 and issue 47549: `native FP8 (fp8e4nv) requires SM89+`)."""
FP8_LATENT: tuple[int, int] = (8, 9)
"""Ampere and Ada run MLA on Triton, whose fp8 needs 8.9; Hopper and Blackwell have FlashMLA, FlashInfer and CUTLASS
(vLLM docs/design/attention_backends.md; issue 48374 is about the missing Ampere path)."""
WITH_CUDA_KERNELS = frozenset({Family.VLLM, Family.SGLANG})
"""Engines these rules were read for; llama.cpp converts any format itself."""


def taken_by(name: str, family: Family) -> CacheDtype:
    """The format of that name where the engine takes it; else ConfigurationError with what it takes."""
    dtype, known = read_cache_dtype(name), NAMES[family]
    if dtype in known:
        return dtype
    raise ConfigurationError(
        f"{KEY}: {family} takes no cache in {name}, or none whose size is known here",
        code="SKS0205",
        key=KEY,
        value=name,
        allowed=", ".join(known),
        fix=f"set {KEY} to one of these, or leave it out",
    )


def check_cache_dtype(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, engine: Engine, dtype: CacheDtype
) -> Miss | None:
    """Whether the attention of the model has a kernel for that cache on that GPU."""
    if dtype is CacheDtype.AUTO:
        return None
    miss = _check_attention(model, dtype)
    if miss or engine.family not in WITH_CUDA_KERNELS:
        return miss
    return _check_compute(quantization, gpu, dtype) or _check_fp8(model, quantization, gpu, dtype)


def _check_attention(model: ModelFacts, dtype: CacheDtype) -> Miss | None:
    kind = model.attention
    if kind is Attention.COMPRESSED:
        # vllm/models/deepseek_v4/attention.py asserts fp8; FlashMLA has no bf16 path for it (pull request 44892).
        message = f"{model.label} keeps its compressed cache in one packed fp8 format; there is none in {dtype}"
        return None if dtype in PACKED else _miss(Reason.DTYPE, message, dtype, "auto, fp8 or fp8_ds_mla")
    if kind is Attention.SPARSE_LATENT:
        # FLASHMLA_SPARSE: auto, bfloat16, fp8_ds_mla (vLLM docs/design/attention_backends.md).
        message = f"{model.label}: sparse attention reads the packed fp8 cache or bf16, not {dtype}"
        allowed = "auto, fp8_ds_mla or bf16"
        return None if dtype in {*PACKED, CacheDtype.BF16} else _miss(Reason.DTYPE, message, dtype, allowed)
    if dtype is CacheDtype.FP8_DS_MLA:
        message = f"{dtype} is the packed cache of sparse attention, which {model.label} has not"
        return _miss(Reason.DTYPE, message, dtype, "auto or fp8")
    if kind is Attention.LATENT and dtype is CacheDtype.FP8_E5M2:
        # No MLA backend for CUDA lists e5m2 (vLLM docs/design/attention_backends.md).
        message = f"{model.label}: no kernel of latent attention reads {dtype}"
        return _miss(Reason.KERNEL, message, dtype, "auto, fp8 or fp8_e4m3")
    return None


def _check_compute(quantization: QuantizationFacts, gpu: GpuFacts, dtype: CacheDtype) -> Miss | None:
    """A 16-bit cache is of the type the model computes in: FlashAttention takes queries and keys of one type."""
    computed = compute_dtype(quantization, gpu)
    if dtype not in SIXTEEN_BIT or SIXTEEN_BIT[dtype] == computed:
        return None
    message = f"{quantization.name} on {gpu.name} computes in {computed}; a cache in {dtype} has no kernel beside it"
    return _miss(Reason.DTYPE, message, dtype, "auto or fp8")


def _check_fp8(model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, dtype: CacheDtype) -> Miss | None:
    have = gpu.compute_capability
    if dtype not in FP8 or have is None or model.attention in (Attention.COMPRESSED, Attention.SPARSE_LATENT):
        return None
    needed = FP8_GROUPED if model.attention is Attention.GROUPED else FP8_LATENT
    if have < needed:
        message = (
            f"{gpu.name} has compute capability {have[0]}.{have[1]}; reading an {dtype} cache of {model.label} needs "
            f"{needed[0]}.{needed[1]}"
        )
        return _miss(Reason.KERNEL, message, dtype, "auto")
    if dtype is CacheDtype.FP8_E5M2 and quantization.name == "fp8":
        # vllm/model_executor/layers/attention/attention.py: "not supported with fp8 checkpoints".
        message = f"vLLM refuses an {dtype} cache beside fp8 weights"
        return _miss(Reason.DTYPE, message, dtype, "auto, fp8 or fp8_e4m3")
    return None


def compute_dtype(quantization: QuantizationFacts, gpu: GpuFacts) -> str:
    """Activations: what the quantisation fixes, else bf16 where the GPU has it."""
    if quantization.dtype != "auto":
        return quantization.dtype
    return "bfloat16" if gpu.supports_bf16 else "float16"


def planned_with(model: ModelFacts, engine: Engine, dtype: CacheDtype) -> CacheDtype:
    """SGLang takes V3.2's cache in 16 bit on Hopper and in fp8 on Blackwell where nothing is said: the larger one is
    planned with, and asked for."""
    is_open = dtype is CacheDtype.AUTO and engine.family is Family.SGLANG
    return CacheDtype.BF16 if is_open and model.attention is Attention.SPARSE_LATENT else dtype


def in_effect(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, engine: Engine, dtype: CacheDtype
) -> CacheDtype:
    """What `auto` stands for; V4's cache is `fp8` as its recipe writes it, V3.2's the packed one by default."""
    if model.attention is Attention.COMPRESSED:
        return CacheDtype.FP8
    if model.attention is Attention.SPARSE_LATENT:
        wide = planned_with(model, engine, dtype) is CacheDtype.BF16
        return CacheDtype.BF16 if wide else CacheDtype.FP8_DS_MLA
    if dtype is not CacheDtype.AUTO:
        return dtype
    if engine.family not in WITH_CUDA_KERNELS:
        return CacheDtype.FP16
    computed = compute_dtype(quantization, gpu)
    return next(dtype for dtype, name in SIXTEEN_BIT.items() if name == computed)


def cache_flag(model: ModelFacts, engine: Engine, asked: CacheDtype, effective: CacheDtype) -> str | None:
    """The engine's word for the cache; None where it takes that one by itself.

    V3.2 and V4 are told even then: V4 asserts an fp8 cache on some GPUs where nothing is said (vLLM issue 47174).
    """
    packed = model.attention in (Attention.COMPRESSED, Attention.SPARSE_LATENT)
    told = packed and (engine.family is Family.VLLM or effective is CacheDtype.BF16)
    if asked is CacheDtype.AUTO and not told:
        return None
    return NAMES[engine.family].get(effective if packed else asked)


def quality_note(model: ModelFacts, dtype: CacheDtype) -> str | None:
    """What a smaller cache may cost in answers. The packed caches of V3.2 and V4 are what these were published with."""
    if model.attention in (Attention.COMPRESSED, Attention.SPARSE_LATENT):
        return None
    if dtype in (CacheDtype.FP8, CacheDtype.FP8_E4M3):
        return (
            f"a cache in {dtype} takes the scales of the checkpoint, and 1.0 where it has none: "
            "compare answers with a 16-bit cache before you rely on it"
        )
    if dtype is CacheDtype.FP8_E5M2:
        return f"a cache in {dtype} has two bits of mantissa and no scales: compare answers with a 16-bit cache"
    if dtype in FEW_BITS:
        return f"a cache in {dtype} loses more than the weights do at as few bits: compare answers with a 16-bit cache"
    return None


def _miss(reason: Reason, message: str, dtype: CacheDtype, allowed: str) -> Miss:
    fix = f"leave out {KEY}" if allowed == "auto" else f"set {KEY} to {allowed}"
    return Miss(reason, message, KEY, str(dtype), allowed, fix)
