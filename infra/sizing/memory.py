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

__all__ = ["activation_bytes", "default_sequences", "divide", "non_torch_bytes"]

NON_TORCH_ONE_GPU = gib(0.15)
"""0.13 to 0.15 GiB: llm-d, H100, vLLM 0.11, one GPU."""
NON_TORCH_TWO_GPUS = gib(0.55)
"""0.54 to 0.55 GiB: llm-d, the same with two; NCCL buffers."""
NON_TORCH_EIGHT_GPUS = gib(2.1)
"""2.1 GiB: Coder-V2-Lite on p4d.24xlarge with eight."""

ACTIVATION_V0 = gib(1.2)
"""0.2 to 1.4 GiB in the logs of V0 engines; 1.26 for 32B on 2x L40S and 8B on H100."""
ACTIVATION_V1_FLOOR = gib(1.8)
"""V1 on cards below 48 GB: five-constant fit over the open rows of vLLM 0.6.5 and later."""
SAMPLER_BYTES = 39.0
"""V1 profiles its sampler with the largest batch. llm-d on H100 (1,024 sequences): 4.76 GiB for a vocabulary of 128,256
and 5.64 GiB for 151,936, which is 38.9 bytes for each sequence and vocabulary entry in both."""
ACTIVATION_MOE_V1 = gib(7.4)
"""Mixture of experts on H100, vLLM 0.11 (llm-d), at 1,024 sequences."""

SMALL_GPU, LARGE_GPU = gib(48), gib(70)
SMALL_SEQUENCES, LARGE_SEQUENCES = 256, 1024
"""vLLM get_batch_defaults: 1,024 sequences on GPUs of 70 GiB and more, else 256 (A100-80 too: this errs high there)."""

CUDA_GRAPHS = gib(1)
"""-0.9 to +1.0 GiB in logs; without it a 70B on 8 GPUs allocated its cache and died at warm-up (gpustack 1897)."""

PREFILL_WORKSPACE_TOKENS = 64 * 1024
"""Chunked-prefill workspace of MLA (vLLM mla/common.py): 8 requests of full length, at most 64 Ki tokens."""


def divide(
    model: ModelFacts,
    gpu: GpuFacts,
    engine: Engine,
    *,
    weights_bytes: int,
    tensor_parallel: int,
    utilization: float,
    context_tokens: int,
) -> Budget:
    """The budget of one GPU; `kv_cache_bytes` is below 0 when the weights leave no room."""
    non_torch = non_torch_bytes(tensor_parallel)
    activation = activation_bytes(model, gpu, engine, tensor_parallel=tensor_parallel, context_tokens=context_tokens)
    allowed = min(math.floor(gpu.usable_bytes * utilization), gpu.usable_bytes - CUDA_GRAPHS)
    return Budget(
        usable_bytes=gpu.usable_bytes,
        weights_bytes=weights_bytes,
        non_torch_bytes=non_torch,
        activation_bytes=activation,
        cuda_graphs_bytes=CUDA_GRAPHS,
        kv_cache_bytes=allowed - weights_bytes - non_torch - activation,
    )


def non_torch_bytes(tensor_parallel: int) -> int:
    """CUDA context and communication buffers; linear between the measured counts, constant above eight."""
    if tensor_parallel == 1:
        return NON_TORCH_ONE_GPU
    part = (min(tensor_parallel, 8) - 2) / 6
    return round(NON_TORCH_TWO_GPUS + (NON_TORCH_EIGHT_GPUS - NON_TORCH_TWO_GPUS) * part)


def default_sequences(gpu: GpuFacts) -> float:
    """Requests the engine profiles for; a ramp where vLLM has a step, so that it errs high between 48 and 70 GiB."""
    part = (gpu.usable_bytes - SMALL_GPU) / (LARGE_GPU - SMALL_GPU)
    return SMALL_SEQUENCES + (LARGE_SEQUENCES - SMALL_SEQUENCES) * min(1.0, max(0.0, part))


def activation_bytes(
    model: ModelFacts, gpu: GpuFacts, engine: Engine, *, tensor_parallel: int, context_tokens: int
) -> int:
    """Peak of the engine's profile run on one GPU, with the prefill workspace of latent attention."""
    sequences = default_sequences(gpu)
    workspace = _prefill_workspace_bytes(model, tensor_parallel, context_tokens)
    if engine.generation is Generation.V0:
        return ACTIVATION_V0 + workspace
    peak = max(float(ACTIVATION_V1_FLOOR), sequences * model.vocabulary * SAMPLER_BYTES)
    if model.architecture is Architecture.MOE:
        peak = max(peak, ACTIVATION_MOE_V1 * sequences / LARGE_SEQUENCES)
    return math.ceil(peak) + workspace


def _prefill_workspace_bytes(model: ModelFacts, tensor_parallel: int, context_tokens: int) -> int:
    if model.attention is Attention.GROUPED:
        return 0
    tokens = min(8 * context_tokens, PREFILL_WORKSPACE_TOKENS)
    nope, rope, value = model.qk_nope_head_dim or 0, model.qk_rope_head_dim or 0, model.v_head_dim or 0
    latent = (model.kv_lora_rank or 0) + rope
    up_projected = -(-model.attention_heads // tensor_parallel) * (nope + rope + nope + value)
    return tokens * (latent + up_projected) * 2
