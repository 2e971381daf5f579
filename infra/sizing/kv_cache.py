"""Bytes of key-value cache one token takes on one GPU, and how the engine cuts the cache into blocks."""

from __future__ import annotations

from infra.catalog.facts import Attention, ModelFacts
from infra.sizing.engine import Engine

__all__ = ["block_tokens", "bytes_per_token", "capacity_tokens", "needed_tokens"]

ELEMENT_BYTES = 2
"""16-bit cache, the engine's default for each model except V3.2."""
SPARSE_BYTES_PER_LAYER = 656 + 128 + 4
"""V3.2: fp8_ds_mla entry (vLLM kv_cache_interface.py) and the indexer's key with its scale."""


def block_tokens(model: ModelFacts) -> int:
    """Tokens of one block: 16 by default, 64 for FlashMLA."""
    return 16 if model.attention is Attention.GROUPED else 64


def bytes_per_token(model: ModelFacts, tensor_parallel: int, engine: Engine) -> int:
    """Cache of one token on one rank, all layers.

    Grouped heads are split over the ranks, and repeated once there are more ranks than heads. The latent vector is the
    same on every rank: dividing it would be an error of 8 on 8 GPUs. Compressed caches (V4) are not linear in tokens.
    """
    if model.attention is Attention.COMPRESSED:
        raise ValueError(f"{model.label}: the cache is not a number of bytes per token")
    if model.attention is Attention.GROUPED:
        heads = model.kv_heads // min(tensor_parallel, model.kv_heads)
        return 2 * model.layers * heads * (model.head_dim or 0) * ELEMENT_BYTES
    if not engine.stores_latent_cache:
        return _full_heads_bytes(model, tensor_parallel)
    if model.attention is Attention.SPARSE_LATENT:
        return model.layers * SPARSE_BYTES_PER_LAYER
    return model.layers * ((model.kv_lora_rank or 0) + (model.qk_rope_head_dim or 0)) * ELEMENT_BYTES


def _full_heads_bytes(model: ModelFacts, tensor_parallel: int) -> int:
    key = (model.qk_nope_head_dim or 0) + (model.qk_rope_head_dim or 0)
    heads = model.attention_heads // min(tensor_parallel, model.attention_heads)
    return model.layers * heads * (key + (model.v_head_dim or 0)) * ELEMENT_BYTES


def capacity_tokens(cache_bytes: int, token_bytes: int, block: int) -> int:
    """Tokens in `cache_bytes`, whole blocks; 0 when there is no room."""
    return max(0, cache_bytes) // (token_bytes * block) * block


def needed_tokens(context_tokens: int, concurrency: int, block: int) -> int:
    """Tokens for `concurrency` requests of full length, each in whole blocks of its own."""
    return -(-context_tokens // block) * block * concurrency
