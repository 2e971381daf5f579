"""Bytes of key-value cache one token takes on one GPU, and how the engine cuts the cache into blocks."""

from __future__ import annotations

from infra.catalog.facts import Attention, ModelFacts
from infra.sizing.engine import Engine

__all__ = [
    "block_tokens",
    "bytes_per_token",
    "capacity_tokens",
    "element_bytes",
    "full_head_width",
    "needed_tokens",
    "reported_block",
]

ELEMENT_BYTES = 2
"""16-bit cache, the engine's default for each model except V3.2."""
ELEMENT_BYTES_BY_DTYPE = {
    "fp8": 1.0, "int8": 1.0, "q8_0": 34 / 32, "q5_1": 24 / 32, "q5_0": 22 / 32, "q4_1": 20 / 32, "q4_0": 18 / 32,
    "iq4_nl": 18 / 32, "fp32": 4.0,
}  # fmt: skip
"""By the start of the name (`fp8_e4m3`); llama.cpp's kinds with a scale for 32 elements. Any other name is 16 bit."""
SPARSE_BYTES_PER_LAYER = 656 + 128 + 4
"""V3.2: fp8_ds_mla entry (vLLM kv_cache_interface.py) and the indexer's key with its scale. `auto` stands for it:
a plan names it to the engine."""
INDEX_BYTES = 128 + 4
"""The indexer's key alone, beside a 16-bit entry."""
PADDED_HEAD, FIRST_NARROW_HEADS = 256, (0, 7, 0)
"""Before the latent cache, keys and values took the same width: 256 in December 2024 (V2-Lite, 5,373 blocks in 35.42
GiB: vLLM PR 10927), that of a key in 0.7.0 (V3, 54,560 tokens on 8 H200: Red Hat)."""


def block_tokens(model: ModelFacts) -> int:
    """Tokens of one block: 16 by default, 64 for FlashMLA. Compressed caches have pages of another sort."""
    return 16 if model.attention is Attention.GROUPED else 64


def reported_block(model: ModelFacts) -> int:
    """What a stated number of tokens counts a request in: a compressed cache counts whole requests already."""
    return 1 if model.attention is Attention.COMPRESSED else block_tokens(model)


def element_bytes(kv_dtype: str) -> float:
    """Bytes of one number of the cache; `auto` and unknown names are 16 bit."""
    name = kv_dtype.casefold()
    return next((size for start, size in ELEMENT_BYTES_BY_DTYPE.items() if name.startswith(start)), ELEMENT_BYTES)


def bytes_per_token(
    model: ModelFacts, tensor_parallel: int, engine: Engine, *, kv_dtype: str = "auto", pipeline_parallel: int = 1
) -> int:
    """Cache of one token on one rank, the layers of the longest stage.

    Grouped heads are split over the ranks, and repeated once there are more ranks than heads. The latent vector is the
    same on every rank: dividing it would be an error of 8 on 8 GPUs. Compressed caches (V4) are not linear in tokens.
    """
    layers, element = engine.stage_layers(model.layers, pipeline_parallel), element_bytes(kv_dtype)
    if model.attention is Attention.COMPRESSED:
        raise ValueError(f"{model.label}: the cache is not a number of bytes per token")
    if model.attention is Attention.GROUPED:
        heads = model.kv_heads // min(tensor_parallel, model.kv_heads)
        return round(2 * layers * heads * (model.head_dim or 0) * element)
    if not engine.stores_latent_cache:
        return round(_full_heads(model, tensor_parallel, engine) * layers * element)
    latent = (model.kv_lora_rank or 0) + (model.qk_rope_head_dim or 0)
    if model.attention is Attention.SPARSE_LATENT:
        packed = kv_dtype.casefold() == "auto" or element == 1
        return layers * (SPARSE_BYTES_PER_LAYER if packed else latent * ELEMENT_BYTES + INDEX_BYTES)
    return round(layers * latent * element)


def _full_heads(model: ModelFacts, tensor_parallel: int, engine: Engine) -> int:
    heads = model.attention_heads // min(tensor_parallel, model.attention_heads)
    return heads * 2 * full_head_width(model, engine)


def full_head_width(model: ModelFacts, engine: Engine) -> int:
    """Elements of a key, and of a value, in releases that do not keep the latent vector."""
    key = (model.qk_nope_head_dim or 0) + (model.qk_rope_head_dim or 0)
    return key if engine.version >= FIRST_NARROW_HEADS else max(key, PADDED_HEAD)


def capacity_tokens(cache_bytes: int, token_bytes: int, block: int) -> int:
    """Tokens in `cache_bytes`, whole blocks; 0 when there is no room."""
    return max(0, cache_bytes) // (token_bytes * block) * block


def needed_tokens(context_tokens: int, concurrency: int, block: int) -> int:
    """Tokens for `concurrency` requests of full length, each in whole blocks of its own."""
    return -(-context_tokens // block) * block * concurrency
