"""The budget of one GPU on any engine: vLLM's is in `memory`, the others divide a GPU by other rules."""

from __future__ import annotations

import math

from infra.catalog.facts import GpuFacts, ModelFacts
from infra.sizing import memory
from infra.sizing.engine import Engine, Family
from infra.sizing.result import Budget
from infra.units import BYTES_PER_MIB, gib, to_gib

__all__ = ["default_context", "default_utilization", "divide", "planned_utilization"]

SGLANG_CONTEXT = gib(1.25)
"""CUDA context and NCCL before the weights: 0.86 to 1.25 GiB of 79.2 on H800 with 8 and 16 ranks (V4-Pro report)."""
SGLANG_STEPS = ((20, 2048, 8), (35, 2048, 24), (60, 4096, 80), (160, 8192, 512), (math.inf, 16384, 512))
"""GPU memory in GiB up to which SGLang takes that prefill chunk and that largest CUDA graph (server_args.py, from
knowledge). It keeps 1.5 MiB free for each token of the chunk, 2 MiB for each graph size, and 1 GiB for each 8 ranks."""
LMDEPLOY_CACHE_SHARE = 0.8
"""`cache_max_entry_count`: the part of what the weights leave free."""
LMDEPLOY_CONTEXT = gib(1.5)
"""CUDA context, NCCL and the largest prefill step; V3 in fp8 ran out of 80 GB and needs 83 (lmdeploy 2960)."""
LLAMA_CONTEXT = gib(0.5)
"""CUDA context and cuBLAS workspace of one card (from knowledge: 0.3 to 0.6 GiB in llama.cpp's fit logs)."""
LLAMA_BATCH = 512
"""Physical batch: its logits and hidden states are the compute buffer of the last card."""

MASK_BYTES = 6
"""For each token of the batch and of the context: the attention mask in 32 bit and its 16-bit copy (llama-graph.cpp,
from knowledge). Counted for plans; the rows that were measured say nothing of it."""
PLANNED_VLLM = 0.92
"""vLLM's own default since 0.20 (vllm/config/cache.py); a plan writes it on the command line of older ones too."""
OLLAMA_CONTEXTS = ((23, 4096), (47, 32_768), (math.inf, 262_144))
"""Default context by GPU memory (Ollama, docs/context-length.mdx): below 24 GiB, to 48 and above. A card of 24 GB
shows 23.5."""
LLAMA_CPP_CONTEXT = 4096
"""llama.cpp's `-c` before it fitted the context to the memory."""


def divide(
    model: ModelFacts,
    gpu: GpuFacts,
    engine: Engine,
    *,
    weights_bytes: int,
    tensor_parallel: int,
    utilization: float,
    context_tokens: int,
    data_parallel: int = 1,
    reproduce: bool = False,
    driver: bool = True,
    graphs_bytes: int = memory.CUDA_GRAPHS,
) -> Budget:
    """How `engine` divides `gpu`; `utilization` is its own setting of that sort, where it has one.

    `reproduce`, `driver` and `graphs_bytes` are vLLM's: see `memory.divide`.
    """
    if engine.family is Family.VLLM:
        return memory.divide(
            model,
            gpu,
            engine,
            weights_bytes=weights_bytes,
            tensor_parallel=tensor_parallel,
            utilization=utilization,
            context_tokens=context_tokens,
            data_parallel=data_parallel,
            chunked=reproduce,
            driver=driver,
            graphs_bytes=graphs_bytes,
        )
    if engine.family is Family.SGLANG:
        return _static_share(gpu, weights_bytes, utilization)
    if engine.family is Family.LMDEPLOY:
        return _share_of_the_rest(gpu, weights_bytes, utilization)
    return _what_is_left(model, gpu, weights_bytes, context_tokens if engine.is_build_of_llama_cpp else 0)


def default_utilization(engine: Engine, gpu: GpuFacts, ranks: int) -> float:
    """The engine's setting where nobody set one."""
    if engine.family is Family.VLLM:
        return engine.default_utilization
    if engine.family is Family.SGLANG:
        return _sglang_fraction(gpu, ranks)
    return LMDEPLOY_CACHE_SHARE if engine.family is Family.LMDEPLOY else 1.0


def planned_utilization(asked: float | None, engine: Engine, gpu: GpuFacts, ranks: int) -> float:
    """What a plan takes: as asked, else vLLM's newest default for each of its releases, and what SGLang would take."""
    if asked is not None:
        return asked
    return PLANNED_VLLM if engine.family is Family.VLLM else default_utilization(engine, gpu, ranks)


def default_context(engine: Engine, gpu: GpuFacts, model: ModelFacts) -> int | None:
    """The context the engine takes where nobody set one and it must hold all of it; None where it does not insist."""
    if engine.family is Family.VLLM:
        return model.max_positions or None
    if engine.family is Family.OLLAMA:
        size = next(tokens for limit, tokens in OLLAMA_CONTEXTS if to_gib(gpu.usable_bytes) < limit)
        return min(size, model.max_positions or size)
    return LLAMA_CPP_CONTEXT if engine.family is Family.LLAMA_CPP else None


def _sglang_fraction(gpu: GpuFacts, ranks: int) -> float:
    size = to_gib(gpu.usable_bytes)
    chunk, graphs = next((chunk, graphs) for limit, chunk, graphs in SGLANG_STEPS if size < limit)
    reserved = (512 + 1.5 * chunk + 2 * graphs + 1024 * ranks / 8) * BYTES_PER_MIB
    return round(max(0.3, 1 - reserved / gpu.usable_bytes), 3)


def _static_share(gpu: GpuFacts, weights_bytes: int, fraction: float) -> Budget:
    """SGLang: weights and cache share `mem-fraction-static` of what was free before loading; the rest is for
    activations."""
    free = gpu.usable_bytes - SGLANG_CONTEXT
    static = math.floor(free * fraction)
    return Budget(gpu.usable_bytes, weights_bytes, SGLANG_CONTEXT, free - static, 0, static - weights_bytes)


def _share_of_the_rest(gpu: GpuFacts, weights_bytes: int, share: float) -> Budget:
    """lmdeploy: the cache takes a share of what the weights leave."""
    free = gpu.usable_bytes - LMDEPLOY_CONTEXT - weights_bytes
    cache = math.floor(free * share) if free > 0 else free
    return Budget(gpu.usable_bytes, weights_bytes, LMDEPLOY_CONTEXT, max(0, free - cache), 0, cache)


def _what_is_left(model: ModelFacts, gpu: GpuFacts, weights_bytes: int, context_tokens: int) -> Budget:
    """llama.cpp and Ollama: everything on the GPU or layers go to the host."""
    compute = LLAMA_BATCH * (4 * model.vocabulary + 32 * model.hidden_size + MASK_BYTES * context_tokens)
    left = gpu.usable_bytes - weights_bytes - LLAMA_CONTEXT - compute
    return Budget(gpu.usable_bytes, weights_bytes, LLAMA_CONTEXT, compute, 0, left)
