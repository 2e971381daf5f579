"""The engine's command line for a layout."""

from __future__ import annotations

from infra.catalog.cache_dtypes import read_cache_dtype
from infra.catalog.facts import Architecture, Attention
from infra.sizing import cache_support
from infra.sizing.compressed_cache import BLOCK_TOKENS
from infra.sizing.engine import Engine
from infra.sizing.fit import Fit
from infra.sizing.request import PlanRequest

__all__ = ["WEIGHTS_PATH", "dtype_of", "engine_arguments"]

WEIGHTS_PATH = "/weights"
"""Where the target mounts the staged weights, read-only."""

MARLIN = (8, 0)
"""Fast int4 kernels from Ampere on; Turing runs the plain AWQ and GPTQ ones."""


def dtype_of(layout: Fit) -> str:
    """Activations: what the quantisation fixes, else bf16 where the GPU has it."""
    return cache_support.compute_dtype(layout.quantization, layout.gpu)


def engine_arguments(layout: Fit, request: PlanRequest, engine: Engine) -> tuple[str, ...]:
    """vLLM flags, one token each; address, port and keys are the target's.

    `--quantization` names the method even though the checkpoint's config does: a checkpoint other than the one that was
    sized is then refused at once, instead of running out of memory minutes later.
    """
    method = _method(layout)
    flags = {
        "model": WEIGHTS_PATH,
        "served-model-name": layout.model.label,
        "dtype": dtype_of(layout),
        "quantization": method,
        "kv-cache-dtype": _cache(layout, request, engine),
        **(_compressed(layout) if layout.model.attention is Attention.COMPRESSED else {}),
        "max-model-len": str(request.context_tokens),
        "tensor-parallel-size": str(layout.tensor_parallel),
        "pipeline-parallel-size": str(layout.pipeline_parallel) if layout.pipeline_parallel > 1 else None,
        "data-parallel-size": str(layout.data_parallel) if layout.data_parallel > 1 else None,
        "gpu-memory-utilization": f"{request.utilization:g}",
    }
    switches = ("--enable-expert-parallel",) if _shares_experts(layout) else ()
    return (*(f"--{name}={value}" for name, value in flags.items() if value is not None), *switches)


def _cache(layout: Fit, request: PlanRequest, engine: Engine) -> str | None:
    asked = read_cache_dtype(request.kv_cache_dtype)
    effective = cache_support.in_effect(layout.model, layout.quantization, layout.gpu, engine, asked)
    return cache_support.cache_flag(layout.model, engine, asked, effective)


def _compressed(layout: Fit) -> dict[str, str]:
    """What V4's recipes add (vLLM recipes @0159550): pages of 256 tokens, and the encoding of prompts, since no release
    brings a chat template. The tokens of a step are pinned because the cache was sized with them."""
    return {
        "block-size": str(BLOCK_TOKENS),
        "tokenizer-mode": "deepseek_v4",
        "max-num-batched-tokens": str(layout.batch_tokens),
    }


def _shares_experts(layout: Fit) -> bool:
    """Copies of a mixture share its experts; the memory of the weights counts on it."""
    return layout.data_parallel > 1 and layout.model.architecture is Architecture.MOE


def _method(layout: Fit) -> str | None:
    """None for weights as published: their own config is the authority."""
    if layout.quantization.name == layout.model.native_dtype:
        return None
    method = layout.quantization.engine_method
    capability = layout.gpu.compute_capability
    if method in ("awq", "gptq") and capability is not None and capability >= MARLIN:
        return f"{method}_marlin"
    return method
