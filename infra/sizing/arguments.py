"""The engine's command line for a layout."""

from __future__ import annotations

from infra.catalog.cache_dtypes import read_cache_dtype
from infra.catalog.facts import Architecture, Attention
from infra.sizing import budgets, cache_support, kv_cache
from infra.sizing.choice import Option
from infra.sizing.compressed_cache import BLOCK_TOKENS
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import Fit
from infra.sizing.formats import is_gguf
from infra.sizing.request import PlanRequest

__all__ = ["WEIGHTS_PATH", "dtype_of", "engine_arguments"]

WEIGHTS_PATH = "/weights"
"""Where the target mounts the staged weights, read-only."""

MARLIN = (8, 0)
"""Fast int4 kernels from Ampere on; Turing runs the plain AWQ and GPTQ ones."""
SGLANG_METHODS = {"w4a8": "w4afp8"}
"""Formats whose method SGLang names otherwise than vLLM (arg_groups/choices.py of 0.5.23)."""
SGLANG_LOADERS = {"bitsandbytes": "bitsandbytes", "gguf": "gguf"}
"""Methods whose files `--load-format auto` does not tell from others (the same file)."""
FIRST_ATTENTION_COPIES = (0, 5, 23)
"""SGLang 0.5.23 has --attn-dp-size and calls `--dp-size N --enable-dp-attention` the old spelling of it
(arg_groups/fields/parallel.py); older releases were not read."""
ALL_LAYERS = "999"
"""More than any model has: `all` is not a word of older builds."""
FIRST_FLASH_VALUE = 6325
"""llama.cpp 15434 gave --flash-attn a value, in August 2025 (its build from knowledge)."""
FIRST_PROMPT_CACHE = 6800
"""llama.cpp 16391 brought --cache-ram in October 2025; this build is surely later (from knowledge)."""


def dtype_of(layout: Fit) -> str:
    """Activations: what the quantisation fixes, else bf16 where the GPU has it."""
    return cache_support.compute_dtype(layout.quantization, layout.gpu)


def engine_arguments(option: Option, request: PlanRequest) -> tuple[str, ...]:
    """Flags one by one; address, port and keys are the target's."""
    if request.engine is Family.SGLANG:
        return _sglang(option, request)
    if request.engine is Family.LLAMA_CPP:
        return _llama_cpp(option, request)
    return _vllm(option.fit, request, option.engine)


def _vllm(layout: Fit, request: PlanRequest, engine: Engine) -> tuple[str, ...]:
    """`--quantization` names the method even though the checkpoint's config does: a checkpoint other than the one that
    was sized is then refused at once, instead of running out of memory minutes later.
    """
    method = _method(layout)
    utilization = budgets.planned_utilization(request.utilization, engine, layout.gpu, layout.tensor_parallel)
    flags = {
        "model": _model_path(layout, engine),
        "served-model-name": layout.model.label,
        "dtype": dtype_of(layout),
        "quantization": method,
        "kv-cache-dtype": _cache(layout, request, engine),
        **(_compressed(layout) if layout.model.attention is Attention.COMPRESSED else {}),
        "max-model-len": str(request.context_tokens),
        "tensor-parallel-size": str(layout.tensor_parallel),
        "pipeline-parallel-size": str(layout.pipeline_parallel) if layout.pipeline_parallel > 1 else None,
        "data-parallel-size": str(layout.data_parallel) if layout.data_parallel > 1 else None,
        "gpu-memory-utilization": f"{utilization:g}",
    }
    switches = ("--enable-expert-parallel",) if _shares_experts(layout) else ()
    return (*_joined(flags), *switches)


def _sglang(option: Option, request: PlanRequest) -> tuple[str, ...]:
    """Of `python -m sglang.launch_server`, by the names in its arg_groups (wheel of 0.5.23).

    Copies of a mixture share its experts: SGLang counts their GPUs as tensor ranks, and the copies as those of the
    attention.
    """
    layout, machines = option.fit, option.arrangement.machines
    ranks, copies = layout.tensor_parallel, layout.data_parallel
    method = layout.quantization.name if layout.quantization.name in SGLANG_METHODS else _plain_method(layout)
    shares, has_flag = _shares_experts(layout), option.engine.version >= FIRST_ATTENTION_COPIES
    copies_of = "attn-dp-size" if shares and has_flag else "dp-size"
    utilization = budgets.planned_utilization(
        request.utilization, option.engine, layout.gpu, ranks * layout.pipeline_parallel
    )
    flags = {
        "model-path": _model_path(layout, option.engine),
        "served-model-name": layout.model.label,
        "dtype": dtype_of(layout),
        "load-format": SGLANG_LOADERS.get(method or ""),
        "quantization": SGLANG_METHODS.get(method or "", method),
        "kv-cache-dtype": _cache(layout, request, option.engine),
        "context-length": str(request.context_tokens),
        "tp-size": str(ranks * copies if shares else ranks),
        "pp-size": str(layout.pipeline_parallel) if layout.pipeline_parallel > 1 else None,
        copies_of: str(copies) if copies > 1 else None,
        "nnodes": str(machines) if machines > 1 else None,
        "mem-fraction-static": f"{utilization:g}",
    }
    return (*_joined(flags), *(("--enable-dp-attention",) if shares and not has_flag else ()))


def _llama_cpp(option: Option, request: PlanRequest) -> tuple[str, ...]:
    """Of `llama-server` (tools/server/README.md), which takes no `--flag=value`.

    `--ctx-size` is that of all slots together, so a slot gets its part: context x requests, each padded as the engine
    pads it. Flash attention is asked for, because the compute buffer was sized with it. The cache of old prompts in
    host memory, 8 GiB by default, is turned off: nothing here counts it.
    """
    layout, build, cores = option.fit, option.engine.version[0], option.machine.cores
    slots = kv_cache.needed_tokens(request.context_tokens, request.concurrency, option.engine.slot_tokens)
    cache = _cache(layout, request, option.engine)
    flags = {
        "model": _model_path(layout, option.engine),
        "alias": layout.model.label,
        "ctx-size": str(slots),
        "parallel": str(request.concurrency),
        "cache-type-k": cache,
        "cache-type-v": cache,
        "cache-ram": "0" if build >= FIRST_PROMPT_CACHE else None,
    }
    if cores:
        flags["threads"] = str(cores)
    else:
        stages = layout.pipeline_parallel
        flags["n-gpu-layers"] = ALL_LAYERS
        flags["split-mode"] = "layer" if stages > 1 else "none"
        flags["tensor-split"] = ",".join("1" * stages) if stages > 1 else None
    flash = ("--flash-attn", "on") if build >= FIRST_FLASH_VALUE else ("--flash-attn",)
    return (*(part for name, value in flags.items() if value is not None for part in (f"--{name}", value)), *flash)


def _joined(flags: dict[str, str | None]) -> tuple[str, ...]:
    return tuple(f"--{name}={value}" for name, value in flags.items() if value is not None)


def _model_path(layout: Fit, engine: Engine) -> str:
    """The folder of the checkpoint; a GGUF model is one file in it, or the first of its parts."""
    if not (is_gguf(layout.quantization) or engine.family is Family.LLAMA_CPP):
        return WEIGHTS_PATH
    kind = layout.quantization.name.upper().replace("FP16", "F16")
    return f"{WEIGHTS_PATH}/{layout.model.label}-{kind}.gguf"


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


def _plain_method(layout: Fit) -> str | None:
    """None for weights as published: their own config is the authority, which a GGUF file has not."""
    published = layout.quantization.name == layout.model.native_dtype and not is_gguf(layout.quantization)
    return None if published else layout.quantization.engine_method


def _method(layout: Fit) -> str | None:
    """vLLM's, with the faster kernel where the GPU has it."""
    method = _plain_method(layout)
    capability = layout.gpu.compute_capability
    if method in ("awq", "gptq") and capability is not None and capability >= MARLIN:
        return f"{method}_marlin"
    return method
