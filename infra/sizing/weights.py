"""Bytes of a model's weights: on disk, and on each GPU once loaded."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from infra.catalog.facts import Architecture, Attention, GpuFacts, ModelFacts, QuantizationFacts
from infra.sizing.engine import Engine, Family

__all__ = [
    "Parts",
    "Share",
    "checkpoint_bytes",
    "dense_parameters",
    "gpu_weights_bytes",
    "gpu_weights_shares",
    "least_weights_bytes",
    "parts",
]

HOPPER, NATIVE_FP4_MAJORS = (9, 0), (10, 12)
SGLANG_V4_HOPPER = 1.21
"""SGLang repacks V4's fp4 experts for Marlin on Hopper: 125.65 GiB on each of 8 H200, of 105.2 without the repacking
(InferenceX 2128); so 33.4 GiB on 32 H800 at TP 16 in two stages, where 33.92 were measured."""
COMPRESSED_REPEATED = 13_200
"""Bytes for each layer and hidden unit of V4 that every rank holds whole: compressors, indexer, low-rank projections.
37.96 and 37.91 GiB of Flash on each of 4 cards (August 2026, and dummy weights on A100), of 36.31 if all were split."""

ATTENTION_16_BIT = frozenset({"nvfp4"})
"""Formats whose checkpoints leave the attention at 16 bit (nvidia/DeepSeek-R1-FP4: 397 GB)."""
ROUTER_BYTES = 2
MIXED_FP4 = "fp4_fp8"
FP4_BYTES = 0.5 + 1 / 32
"""V4's experts: fp4 and a one-byte scale for 32. With the rest in fp8, Flash comes to 144.6 GiB: its files without the
MTP block (148.66), or without the DSpark draft (155.43 for 0731, of which 10.4 GB were seen loading apart)."""


@dataclass(frozen=True, slots=True)
class Parts:
    """A loaded model in bytes, by how the engine shards it."""

    vocabulary: float
    """Embedding and output head together: split over the ranks; a pipeline stage holds one at most."""
    experts: float
    """Split over every rank of all replicas."""
    sharded: float
    """The other matrices: split over the tensor-parallel ranks, repeated by each replica."""
    repeated: float
    """Latent down-projections, routers and V4's compressors: whole on every rank."""
    derived: float
    """What the engine computes from the weights and keeps: split like `sharded`."""
    rotary: float
    """Table of cosines and sines for every position: whole on every rank."""


def checkpoint_bytes(model: ModelFacts, quantization: QuantizationFacts) -> int:
    """Size of the files: the published size where the model is published so, else computed.

    Embeddings and output head stay at 16 bit unless the quantisation covers the whole model: for the 7B they are 14 %
    of all parameters.
    """
    if quantization.name == model.native_dtype:
        return model.weights_bytes
    if quantization.whole:
        return math.ceil(model.parameters * quantization.bytes_per_parameter)
    kept: float = _vocabulary_parameters(model)
    if quantization.name in ATTENTION_16_BIT and model.attention is not Attention.GROUPED:
        kept += _attention_parameters(model)
    return math.ceil((model.parameters - kept) * quantization.bytes_per_parameter + kept * 2)


class Share(NamedTuple):
    """One kind of weights on the fullest GPU: of `whole_bytes`, the part of its stage over `ranks`.

    A tuple, because five are made for each layout that is sized.
    """

    name: str
    whole_bytes: float
    ranks: int = 1
    stage: tuple[int, int] = (1, 1)
    """Layers of the fullest pipeline stage, of all that hold this kind."""

    @property
    def size_bytes(self) -> float:
        """On that GPU."""
        return self.whole_bytes * self.stage[0] / self.stage[1] / self.ranks


def gpu_weights_bytes(
    model: ModelFacts,
    quantization: QuantizationFacts,
    tensor_parallel: int,
    *,
    pipeline_parallel: int = 1,
    data_parallel: int = 1,
    engine: Engine | None = None,
    gpu: GpuFacts | None = None,
) -> int:
    """Weights on the fullest GPU. Replicas of a mixture of experts share its experts (expert parallelism).

    Exact to 0.01 GiB for 8B on one card (14.99), in 2, 3 and 4 stages (7.51, 5.48, 4.26: llm-d-planner on 0.19), and
    within 0.5 % for R1 on 8 devices (79.41 GiB) and V2-Lite on 8 (3.97, with the absorbed weights of 0.7.1).
    """
    shares = gpu_weights_shares(
        model,
        quantization,
        tensor_parallel,
        pipeline_parallel=pipeline_parallel,
        data_parallel=data_parallel,
        engine=engine,
        gpu=gpu,
    )
    return math.ceil(sum(share.size_bytes for share in shares))


def gpu_weights_shares(
    model: ModelFacts,
    quantization: QuantizationFacts,
    tensor_parallel: int,
    *,
    pipeline_parallel: int = 1,
    data_parallel: int = 1,
    engine: Engine | None = None,
    gpu: GpuFacts | None = None,
) -> tuple[Share, ...]:
    """The same kind by kind."""
    loaded = parts(model, quantization, engine)
    stage, mixed = _stages(model, pipeline_parallel, engine)
    ends = (1, 1) if pipeline_parallel == 1 else (1, 2)
    spread = tensor_parallel * data_parallel if model.architecture is Architecture.MOE else tensor_parallel
    return (
        Share("experts", loaded.experts * _load_factor(model, quantization, engine, gpu), spread, mixed),
        Share("other layers", loaded.sharded + loaded.derived, tensor_parallel, stage),
        Share("on every rank", loaded.repeated, 1, stage),
        Share("vocabulary", loaded.vocabulary, tensor_parallel, ends),
        Share("rotary table", loaded.rotary),
    )


def _stages(model: ModelFacts, stages: int, engine: Engine | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Of all layers, and of those with experts, in the fullest stage: later stages hold no dense layer."""
    if not model.layers or stages == 1:
        return (1, stages), (1, stages)
    longest = engine.stage_layers(model.layers, stages) if engine else math.ceil(model.layers / stages)
    mixed = max(1, model.layers - model.first_dense_layers)
    return (longest, model.layers), (min(longest, mixed), mixed)


@lru_cache(maxsize=256)
def parts(model: ModelFacts, quantization: QuantizationFacts, engine: Engine | None = None) -> Parts:
    """What is loaded, without the draft block: plain serving leaves it on the disk.

    The published fp8 files hold the draft at one byte a parameter, and a second embedding and head for it: without
    them R1 comes to 79.5 GiB on each of 8 devices, where 79.41 was measured and a share of the files would be 80.16.
    """
    width = quantization.bytes_per_parameter if quantization.whole else 2
    vocabulary = _vocabulary_parameters(model) * width
    total: float = checkpoint_bytes(model, quantization)
    if quantization.name == model.native_dtype and model.draft_parameters and quantization.engine_method != "gguf":
        total -= model.draft_parameters + vocabulary
    if quantization.name == MIXED_FP4 and model.layers:
        dense = dense_parameters(model)
        total = min(total, (model.parameters - dense) * FP4_BYTES + dense + vocabulary / 2)
    layers = max(0.0, total - vocabulary)
    each = quantization.bytes_per_parameter
    repeated = min(layers, _down_projections(model) * each + _router_parameters(model) * ROUTER_BYTES)
    dense = _dense_bytes(model, quantization, layers, repeated)
    whole = _compressors(model, dense)
    return Parts(
        vocabulary=vocabulary,
        experts=layers - repeated - dense,
        sharded=dense - whole,
        repeated=repeated + whole,
        derived=_derived_bytes(model, quantization, engine),
        rotary=model.max_positions * (model.qk_rope_head_dim or model.head_dim or 0) * 2,
    )


def least_weights_bytes(model: ModelFacts, quantization: QuantizationFacts) -> float:
    """What all GPUs of a copy hold together at least, in any layout."""
    loaded = parts(model, quantization)
    return loaded.experts + loaded.sharded + loaded.repeated + loaded.vocabulary / 2


def _dense_bytes(model: ModelFacts, quantization: QuantizationFacts, layers: float, repeated: float) -> float:
    """Matrices outside the experts, in bytes; everything for a dense model."""
    if model.architecture is Architecture.DENSE:
        return layers - repeated
    own = max(0.0, dense_parameters(model) - _vocabulary_parameters(model) - _down_projections(model))
    each = max(1.0, quantization.bytes_per_parameter) if quantization.name in (MIXED_FP4, "w4a8") else None
    if quantization.name in ATTENTION_16_BIT and model.attention is not Attention.GROUPED:
        each = 2.0
    return min(layers - repeated, own * (each or quantization.bytes_per_parameter))


def dense_parameters(model: ModelFacts) -> float:
    """Parameters every token passes through, from the two published counts: active = dense + share x (all - dense).

    17.1 B for V3 (counted from its shape: 17.0), 6.5 B for V4-Flash (6.27 GiB measured). Where the number of experts
    is not published, half the active ones, which is right for V4-Pro's 6 of 384.
    """
    if model.architecture is Architecture.DENSE:
        return model.parameters
    if not model.routed_experts:
        return model.active_parameters / 2
    share = model.experts_per_token / model.routed_experts
    return max(0.0, (model.active_parameters - share * model.parameters) / (1 - share))


def _vocabulary_parameters(model: ModelFacts) -> int:
    return (1 if model.tied_embeddings else 2) * model.vocabulary * model.hidden_size


def _down_projections(model: ModelFacts) -> int:
    if not model.kv_lora_rank:
        return 0
    latent = model.kv_lora_rank + (model.qk_rope_head_dim or 0) + (model.q_lora_rank or 0)
    return model.layers * model.hidden_size * latent


def _compressors(model: ModelFacts, dense: float) -> float:
    if model.attention is not Attention.COMPRESSED:
        return 0.0
    return min(dense, model.layers * model.hidden_size * COMPRESSED_REPEATED)


def _router_parameters(model: ModelFacts) -> int:
    return (model.layers - model.first_dense_layers) * model.routed_experts * model.hidden_size


def _attention_parameters(model: ModelFacts) -> int:
    nope, rope, value = model.qk_nope_head_dim or 0, model.qk_rope_head_dim or 0, model.v_head_dim or 0
    heads, queries = model.attention_heads, model.q_lora_rank or model.hidden_size
    up = queries * heads * (nope + rope) + (model.kv_lora_rank or 0) * heads * (nope + value)
    return _down_projections(model) + model.layers * (up + heads * value * model.hidden_size)


def _derived_bytes(model: ModelFacts, quantization: QuantizationFacts, engine: Engine | None) -> float:
    """16-bit copies of the latent up-projections, and their products where the release keeps those too.

    The products follow the width of the weights: 2 bytes (V2-Lite on 0.7.1: 3.97 GiB on each of 8), 1 byte for fp8 and
    int4 (R1 AWQ on 0.7.3: about 46.6 GiB on each of 8, of 42.3 without them).
    """
    if not model.kv_lora_rank or (engine is not None and not engine.stores_latent_cache):
        return 0
    rank, heads = model.kv_lora_rank, model.attention_heads
    copies = model.layers * heads * rank * ((model.qk_nope_head_dim or 0) + (model.v_head_dim or 0)) * 2
    if engine is None or not engine.keeps_absorbed_weights:
        return copies
    products = model.layers * heads * rank * ((model.q_lora_rank or model.hidden_size) + model.hidden_size)
    return copies + products * (2 if quantization.bytes_per_parameter >= 2 else 1)


def _load_factor(
    model: ModelFacts, quantization: QuantizationFacts, engine: Engine | None, gpu: GpuFacts | None
) -> float:
    """Loaded over published bytes of the experts, where an engine has no kernel for fp4 and repacks or widens them."""
    if quantization.name != MIXED_FP4 or engine is None or engine.family is not Family.SGLANG or gpu is None:
        return 1.0
    capability = gpu.compute_capability
    if capability is None or capability[0] in NATIVE_FP4_MAJORS:
        return 1.0
    if capability >= HOPPER:
        return SGLANG_V4_HOPPER
    return model.parameters / model.weights_bytes
