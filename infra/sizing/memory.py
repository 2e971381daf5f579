"""How vLLM divides the memory of one GPU.

    usable x utilization = weights + non-torch + activations + cache,  and CUDA graphs come out of what is left over

Each constant names what it was measured on. Between the measured sizes of GPU the figures rise linearly and slower than
the memory itself, so a larger GPU never holds less.
"""

from __future__ import annotations

import math

from infra.catalog.facts import Architecture, Attention, GpuFacts, ModelFacts
from infra.sizing.engine import Engine, Generation
from infra.sizing.result import Budget
from infra.units import gib

__all__ = ["activation_bytes", "batch_defaults", "default_sequences", "divide", "non_torch_bytes"]

NON_TORCH_ONE_GPU, NON_TORCH_ONE_GPU_LEAN = gib(0.15), gib(0.25)
"""0.13 to 0.15 GiB on H100 with 0.11 (llm-d), 0.24 to 0.27 from 0.12 (0.19 in llm-d's second report, 15 models)."""
NON_TORCH_PCIE = gib(0.25)
"""Cards without NVLink, whatever the count: 0.25 (2x 4090), 0.30 (2x L40S), 0.20 (16x 3090). From 0.12 as well: 2x RTX
PRO 6000 with 0.27.1 kept 1.66 GiB for buffers, activations and CUDA graphs together."""
NON_TORCH_TWO_GPUS, NON_TORCH_EIGHT_GPUS = gib(0.55), gib(2.1)
"""NCCL over NVLink before 0.12: 0.54 to 0.55 GiB on 2x H100 (llm-d), 2.1 on the 8 A100 of p4d.24xlarge."""
NON_TORCH_LEAN = gib(2.1)
"""Over NVLink from 0.12: 2.06 to 2.17 GiB on two and on four H100 (llm-d's second report)."""

SAMPLER_BYTES, SAMPLER_BYTES_LEAN = 39.0, 15.4
"""Profiled with the largest batch, for each sequence and vocabulary entry. 39: 1.19 GiB (8B, V0, 256 sequences), 4.76
and 5.64 (8B and Qwen3, 0.11, 1,024), 1.41 (14B on 4090). 15.4, from 0.12: 1.89, 2.21, 1.52 and 2.87 in 0.19 for
vocabularies of 128,256, 152,064, 100,352 and 201,088."""

SMALL_GPU, LARGE_GPU = gib(48), gib(70)
SMALL_SEQUENCES, LARGE_SEQUENCES = 256, 1024
SMALL_BATCH, LARGE_BATCH = 2048, 8192
"""vLLM get_batch_defaults: 1,024 sequences and 8,192 tokens a step for a server on GPUs of 70 GiB and more, 256 and
2,048 below and on every A100; V1 only. V0 takes 256 sequences everywhere."""
FIRST_SMALL_SEQUENCES = (0, 8, 4)
"""V1 before it takes 1,024 sequences on every GPU: 1.5B on a 4090 keeps 11.39 GiB of cache with 0.8.3, where 256 would
leave 16.3; a 7B on two 3090 fits 256 with 0.8.4. Only where V1 is named: these releases fall back to V0 for much."""
OFFLINE_SMALL_BATCH, OFFLINE_LARGE_BATCH = 8192, 16384
"""The same where vLLM runs as a library (`LLM(...)`)."""
FIRST_CHUNKED = (0, 5, 4)
"""Releases before it profile the whole context at any length (vLLM 6666, from knowledge)."""
LONG_CONTEXT = 32 * 1024
"""V0 prefills in chunks of `SMALL_BATCH` above this context, and in one piece up to it; MLA models always in one
piece."""

HIDDEN_COPIES, HIDDEN_COPIES_MOE = 3, 6
"""Tensors of hidden size alive at the peak of a layer. 3: 0.85 GiB for 8,192 tokens of the 8B and 2.07 for 20,000,
both exact (ai-on-eks; vLLM 10517). 6: R1 with 163,840 tokens in one piece and V3 on 8 H200 (vLLM 14842; Red Hat on
0.7.1)."""
EXPERT_CHUNK = 64 * 1024
"""Tokens the fused experts take at a time (VLLM_FUSED_MOE_CHUNK_SIZE)."""
INDEXER_BYTES = 4
"""V3.2's indexer scores every token of a step against the context in 32 bit."""

COMPRESSED_PEAK = gib(6.5)
"""V4's workspaces, whatever the step: 5.2 GiB on 8x B200, 5.6 to 7.0 on 8x RTX PRO 5000, 6.3 on 2x H20, 5.7 to 7.3 on
4x 4090-48 (recipes 762; a 0.22.1 report; vLLM 51041; vllm-deepseek-v4-sm89 issues 41 and 54)."""
PLANNED_PEAK, PLANNED_PEAK_OF_STEP = gib(5.5), gib(2) / 4096
"""What a plan counts on instead: a constant, and what a step of 8,192 tokens adds for each element of hidden size. That
is 7.5 GiB for Flash, above all of these; with 16,384 tokens a step 9.9 were left out (vLLM 44376). Pro's 9.0 GiB follow
from its width and were not measured."""

CUDA_GRAPHS = gib(1)
"""-0.9 to +1.0 GiB in logs, 0.51 to 1.85 with a mean of 1.04 in llm-d's second report; without it a 70B on 8 GPUs
allocated its cache and died at warm-up (gpustack 1897)."""

PREFILL_WORKSPACE_TOKENS = 64 * 1024
"""Chunked-prefill workspace of MLA (vLLM mla/common.py): 8 requests of full length, at most 64 Ki tokens."""
A100 = (8, 0)
NVLINK = frozenset({(7, 0), (8, 0), (9, 0)})
NVLINK_MAJOR = 10
"""Data-centre chips by compute capability: their boards carry NVLink; 8.6, 8.9 and 12.0 are PCIe cards."""


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
    chunked: bool = False,
    driver: bool = True,
    graphs_bytes: int = CUDA_GRAPHS,
) -> Budget:
    """The budget of one GPU; `kv_cache_bytes` is below 0 when the weights leave no room.

    `chunked` follows V0's own switch to chunked prefill above 32 Ki tokens, where a longer context takes less; without
    it the larger figure counts, as does that of V4's workspaces. `driver` is the rank that samples, the fullest one in
    V0. The engine itself keeps no room for CUDA graphs before it prints its cache: `graphs_bytes` of 0 gives that
    figure.
    """
    non_torch = non_torch_bytes(tensor_parallel, gpu, engine)
    activation = activation_bytes(
        model,
        gpu,
        engine,
        tensor_parallel=tensor_parallel,
        context_tokens=context_tokens,
        data_parallel=data_parallel,
        chunked=chunked,
        driver=driver,
    )
    allowed = min(math.floor(gpu.usable_bytes * utilization), gpu.usable_bytes - graphs_bytes)
    return Budget(
        usable_bytes=gpu.usable_bytes,
        weights_bytes=weights_bytes,
        non_torch_bytes=non_torch,
        activation_bytes=activation,
        cuda_graphs_bytes=graphs_bytes,
        kv_cache_bytes=allowed - weights_bytes - non_torch - activation,
    )


def non_torch_bytes(tensor_parallel: int, gpu: GpuFacts, engine: Engine) -> int:
    """CUDA context and communication buffers; over NVLink linear between the measured counts, constant above eight."""
    lean = engine.has_lean_profile
    if tensor_parallel == 1:
        return NON_TORCH_ONE_GPU_LEAN if lean else NON_TORCH_ONE_GPU
    capability = gpu.compute_capability
    if capability is None or not (capability in NVLINK or capability[0] == NVLINK_MAJOR):
        return NON_TORCH_PCIE
    if lean:
        return NON_TORCH_LEAN
    part = (min(tensor_parallel, 8) - 2) / 6
    return round(NON_TORCH_TWO_GPUS + (NON_TORCH_EIGHT_GPUS - NON_TORCH_TWO_GPUS) * part)


def default_sequences(gpu: GpuFacts, engine: Engine) -> float:
    """Requests the engine profiles for; a ramp where vLLM has a step, so that it errs high between 48 and 70 GiB."""
    if engine.generation is Generation.V0:
        return SMALL_SEQUENCES
    if engine.core == Generation.V1 and engine.version < FIRST_SMALL_SEQUENCES:
        return LARGE_SEQUENCES
    return _ramp(gpu, SMALL_SEQUENCES, LARGE_SEQUENCES)


def batch_defaults(gpu: GpuFacts | None) -> tuple[int, int]:
    """Tokens of one step of V1, as a server and as a library."""
    if gpu is None:
        return SMALL_BATCH, OFFLINE_SMALL_BATCH
    return (
        math.ceil(_ramp(gpu, SMALL_BATCH, LARGE_BATCH)),
        math.ceil(_ramp(gpu, OFFLINE_SMALL_BATCH, OFFLINE_LARGE_BATCH)),
    )


def _ramp(gpu: GpuFacts, small: float, large: float) -> float:
    if gpu.compute_capability == A100:
        return small
    part = (gpu.usable_bytes - SMALL_GPU) / (LARGE_GPU - SMALL_GPU)
    return small + (large - small) * min(1.0, max(0.0, part))


def activation_bytes(
    model: ModelFacts,
    gpu: GpuFacts,
    engine: Engine,
    *,
    tensor_parallel: int,
    context_tokens: int,
    data_parallel: int = 1,
    chunked: bool = False,
    driver: bool = True,
) -> int:
    """Peak of the engine's profile run on one GPU: a step of the model or the sampler, beside the buffers that stay."""
    sample = SAMPLER_BYTES_LEAN if engine.has_lean_profile else SAMPLER_BYTES
    sampler = default_sequences(gpu, engine) * model.vocabulary * sample if driver or tensor_parallel == 1 else 0.0
    if engine.generation is Generation.V0:
        tokens = _profiled_tokens(model, engine, context_tokens, chunked)
        return math.ceil(
            max(sampler, _step_bytes(model, tokens, tensor_parallel) + _experts(model, tokens, tensor_parallel))
        )
    tokens = batch_defaults(gpu)[0]
    if model.attention is Attention.COMPRESSED:
        planned = PLANNED_PEAK + PLANNED_PEAK_OF_STEP * model.hidden_size
        return math.ceil(max(COMPRESSED_PEAK if chunked else planned, sampler))
    step = _step_bytes(model, tokens, tensor_parallel) + _up_projection(model, tensor_parallel, context_tokens)
    if model.attention is Attention.SPARSE_LATENT:
        step += tokens * context_tokens * INDEXER_BYTES
    if data_parallel > 1 and model.architecture is Architecture.MOE:
        step += 2 * tokens * (data_parallel - 1) * model.hidden_size * 2
    ranks = 1 if data_parallel > 1 else tensor_parallel
    graphs = CUDA_GRAPHS if engine.profiles_graphs else 0
    return math.ceil(
        max(step, sampler) + graphs + _experts(model, tokens * data_parallel, ranks) + _latent(model, context_tokens)
    )


def _profiled_tokens(model: ModelFacts, engine: Engine, context_tokens: int, chunked: bool) -> int:
    """The batch V0 profiles: the whole context, unless it prefills in chunks."""
    whole = max(context_tokens, SMALL_BATCH)
    if model.attention is not Attention.GROUPED and engine.stores_latent_cache and engine.version < (0, 8, 0):
        return whole
    if context_tokens <= LONG_CONTEXT or engine.version < FIRST_CHUNKED:
        return whole
    return SMALL_BATCH if chunked else LONG_CONTEXT


def _step_bytes(model: ModelFacts, tokens: int, tensor_parallel: int) -> float:
    """One layer's tensors: hidden states, and gate, up and their product for a dense block. 16 bit."""
    if model.architecture is Architecture.MOE:
        return tokens * HIDDEN_COPIES_MOE * model.hidden_size * 2
    width = 3 * (model.intermediate_size or 4 * model.hidden_size) / tensor_parallel
    return tokens * (width + HIDDEN_COPIES * model.hidden_size) * 2


def _experts(model: ModelFacts, tokens: int, tensor_parallel: int) -> float:
    """Inputs and outputs of the chosen experts: 0.39 GiB for V2-Lite at 8,192 tokens (0.43 measured with 0.19)."""
    if model.architecture is Architecture.DENSE or not model.experts_per_token:
        return 0.0
    width = (model.moe_intermediate_size or model.hidden_size // 2) / tensor_parallel
    each = max(2 * width, model.hidden_size) + width
    return min(tokens, EXPERT_CHUNK) * model.experts_per_token * each * 2


def _up_projection(model: ModelFacts, tensor_parallel: int, context_tokens: int) -> float:
    if not model.kv_lora_rank:
        return 0.0
    nope, rope, value = model.qk_nope_head_dim or 0, model.qk_rope_head_dim or 0, model.v_head_dim or 0
    heads = -(-model.attention_heads // tensor_parallel)
    return min(8 * context_tokens, PREFILL_WORKSPACE_TOKENS) * heads * (nope + rope + nope + value) * 2


def _latent(model: ModelFacts, context_tokens: int) -> float:
    latent = (model.kv_lora_rank or 0) + (model.qk_rope_head_dim or 0)
    return min(8 * context_tokens, PREFILL_WORKSPACE_TOKENS) * latent * 2 if model.kv_lora_rank else 0.0
