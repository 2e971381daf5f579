"""The arithmetic of a plan's cache, line by line: bytes of a token, or pages of a request where they are compressed."""

from __future__ import annotations

from collections.abc import Iterator

from infra.catalog.facts import Attention
from infra.sizing import kv_cache
from infra.sizing.compressed_cache import (
    BLOCK_TOKENS,
    FEW_KEYS_BYTES,
    GROUPS,
    INDEX_KEYS_BYTES,
    KEYS_BYTES,
    CompressedCache,
    compressed_cache,
)
from infra.sizing.engine import Engine, Family
from infra.sizing.result import Plan

__all__ = ["explain_cache"]


def explain_cache(plan: Plan) -> Iterator[str]:
    """What one token or one request takes, and how many the cache holds."""
    cache = compressed_cache(plan.model) if plan.model.attention is Attention.COMPRESSED else None
    if cache is None:
        return _linear(plan)
    return _pages(plan, cache.stage(plan.pipeline_parallel)) if plan.batch_tokens else _pools(plan)


def _engine(plan: Plan) -> Engine:
    return Engine.parse(plan.engine_version, Family(plan.engine))


def _linear(plan: Plan) -> Iterator[str]:
    block = kv_cache.block_tokens(plan.model)
    each = -(-plan.concurrency // plan.data_parallel)
    engine = _engine(plan)
    slot = max(block, engine.slot_tokens)
    needed = kv_cache.needed_tokens(plan.context_tokens, each, slot)
    formula = _token_formula(plan, engine.stage_layers(plan.model.layers, plan.pipeline_parallel))
    yield f"cache of one token on each GPU: {formula} = {plan.kv_bytes_per_token:,} bytes"
    quotient = f"{plan.budget.kv_cache_bytes:,} / {plan.kv_bytes_per_token:,}"
    asked = f"asked for: {each} x ({plan.context_tokens:,}, up to a multiple of {slot}) = {needed:,}"
    yield f"tokens: {quotient}, whole blocks of {block} = {plan.kv_tokens:,}; {asked}"


def _token_formula(plan: Plan, layers: int) -> str:
    model, ranks = plan.model, plan.tensor_parallel
    element = kv_cache.element_bytes(plan.kv_cache_dtype)
    size = f"{element:g} byte{'' if element == 1 else 's'}"
    if model.attention is Attention.GROUPED:
        heads = f"{model.kv_heads} KV heads / {min(ranks, model.kv_heads)}"
        return f"2 x {layers} layers x {heads} x {model.head_dim} x {size}"
    if not _engine(plan).stores_latent_cache:
        heads = f"{model.attention_heads} heads / {min(ranks, model.attention_heads)}"
        return f"{layers} layers x {heads} x 2 x {kv_cache.full_head_width(model, _engine(plan))} x {size}"
    latent, repeated = f"({model.kv_lora_rank} + {model.qk_rope_head_dim})", "the same on every rank"
    if model.attention is Attention.LATENT:
        return f"{layers} layers x {latent} x {size}, {repeated}"
    if element == 1:
        return f"{layers} layers x {kv_cache.SPARSE_BYTES_PER_LAYER} bytes, {repeated}"
    return f"{layers} layers x ({latent} x {size} + {kv_cache.INDEX_BYTES} bytes), {repeated}"


def _pages(plan: Plan, cache: CompressedCache) -> Iterator[str]:
    """vLLM's pages: what its check at start counts for one request, and what its log line counts for all."""
    batch, context = plan.batch_tokens or 0, plan.context_tokens
    steps = _engine(plan).steps_in_flight
    in_flight = batch * steps
    counts = [group.pages(context, in_flight) for group in GROUPS]
    pages, room = cache.pages(context, in_flight), plan.budget.kv_cache_bytes
    yield f"tokens in flight: {steps} step{'s' if steps > 1 else ''} x {batch:,} = {in_flight:,}"
    yield f"pages of compressed keys: {context:,} / {BLOCK_TOKENS}, rounded up = {cache.key_pages(context):,}"
    for group, count in zip(GROUPS, counts, strict=True):
        held = group.tokens(context, in_flight)
        window = f"smaller of {group.window} - 1 + {in_flight:,} and {context:,} = {held:,}"
        copies = f"{group.copies} x " if group.copies > 1 else ""
        yield f"tokens of {group.name}: {window}"
        yield f"pages of {group.name}: {copies}({held:,} / {group.size}, rounded up, + 1) = {count:,}"
    parts = " + ".join(f"{count:,}" for count in (cache.key_pages(context), *counts))
    yield f"pages of one request: {parts} = {pages:,}; all but the first do not grow with the context"
    each = f"({KEYS_BYTES:,} + {INDEX_KEYS_BYTES:,} + {FEW_KEYS_BYTES:,})"
    yield f"a page in the check at start: {cache.slots} slots x {each} bytes = {cache.page_bytes:,} bytes"
    yield (
        f"check at start: {pages:,} pages x {cache.page_bytes:,} bytes = {cache.needed_bytes(context, in_flight):,}; "
        f"the cache has {room:,}"
    )
    four = f"{cache.layers_4} layers x ({KEYS_BYTES:,} + {INDEX_KEYS_BYTES:,})"
    packed = f"{four} + {cache.layers_128} layers x {FEW_KEYS_BYTES:,}"
    yield f"a page once allocated: {packed} = {cache.packed_page_bytes:,} bytes, the same on every rank"
    slope = f"{cache.packed_page_bytes:,} / {BLOCK_TOKENS}, rounded up"
    yield f"cache of one more token on each GPU: {slope} = {plan.kv_bytes_per_token:,} bytes"
    blocks, asked = room // cache.packed_page_bytes, -(-plan.concurrency // plan.data_parallel)
    yield f"pages of the cache: {room:,} / {cache.packed_page_bytes:,}, rounded down = {blocks:,}"
    yield (
        f"tokens, as the engine prints them: {blocks:,} x {context:,} / {pages:,}, rounded down = {plan.kv_tokens:,}; "
        f"asked for: {asked} x {context:,} = {asked * context:,}"
    )


def _pools(plan: Plan) -> Iterator[str]:
    """SGLang's pools are shares of the tokens, so a token has a size of its own."""
    yield f"cache of one token on each GPU, a share of every pool: {plan.kv_bytes_per_token:,} bytes, rounded"
    each = -(-plan.concurrency // plan.data_parallel)
    asked = f"asked for: {each} x {plan.context_tokens:,} = {each * plan.context_tokens:,}"
    yield f"tokens in whole blocks of {BLOCK_TOKENS}: {plan.kv_tokens:,}; {asked}"
