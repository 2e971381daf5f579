"""The cache of the V4 family: a constant for each request and a small slope, in pages that all groups share.

vLLM keeps five groups of one page size: compressed keys of the whole context, two halves of the sliding-window layers,
and the compressor's state at ratio 4 and at ratio 128. Only the first grows with the context; the others hold the
tokens in flight. Reproduces the engine's own figures: 6.66 GiB for 30,000 tokens and the longest context of 13,528
(vLLM 44376), 1.93 and 1.34 GiB (vllm-deepseek-v4-sm89 issues 41 and 54), 7,022 pages (vLLM 52495).
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalog.facts import ModelFacts

__all__ = ["BLOCK_TOKENS", "CompressedCache", "compressed_cache"]

BLOCK_TOKENS = 256
"""Tokens of one page of the compressed keys (`--block-size 256` in every recipe)."""
WINDOW_TOKENS = 128
WINDOW_BLOCK, STATE_BLOCK_4, STATE_BLOCK_128 = 64, 4, 8
"""Tokens of one page in the other groups (vllm/models/deepseek_v4/compressor.py)."""
STATE_WINDOW_4, STATE_WINDOW_128 = 8, 128
ENTRY_BYTES, INDEX_BYTES = 584, 132
"""A compressed key: 448 fp8, 64 bf16 and 8 bytes of scales; an indexer key: 128 fp8 and a scale."""
ALIGNMENT = 576

LAYERS_BY_RATIO = {43: (21, 20), 61: (30, 31)}
"""Layers compressed 4 and 128 times. Flash: 21 and 20 beside 2 plain ones (vLLM 0.22.1 on the real model); Pro: as
SGLang's 23,749.84 bytes a token implies."""
DSPARK_LAYERS = 3
"""Sliding-window layers of the DSpark draft, loaded for speculative decoding only."""

SGLANG_WINDOW_SHARE = 0.1
"""SGLang's `swa_full_tokens_ratio`: window and state pools for a tenth of the tokens."""
SGLANG_RING_4 = 8 / 128
"""Rows of state at ratio 4 for each window token (ring of 8 a page of 128); at ratio 128 it is one each."""


@dataclass(frozen=True, slots=True)
class CompressedCache:
    """Sizes of the pages of one model."""

    layers_4: int
    layers_128: int
    layers: int
    """All of them, a loaded draft included: each keeps a sliding window."""

    @property
    def page_bytes(self) -> int:
        """What the check of one full request counts for a page: as many slots as the largest group has layers."""
        return -(-self.layers // 2) * sum(
            _aligned(size) for size in (64 * ENTRY_BYTES, 64 * INDEX_BYTES, 2 * ENTRY_BYTES)
        )

    @property
    def packed_page_bytes(self) -> int:
        """What a page takes once allocated: 1,002,240 bytes for Flash."""
        four = _aligned(64 * ENTRY_BYTES) + _aligned(64 * INDEX_BYTES)
        return self.layers_4 * four + self.layers_128 * _aligned(2 * ENTRY_BYTES)

    @property
    def bytes_per_token(self) -> int:
        """The slope alone, rounded up."""
        return -(-self.packed_page_bytes // BLOCK_TOKENS)

    def pages(self, context_tokens: int, in_flight_tokens: int) -> int:
        """Pages of one request of full length; `in_flight_tokens` are those of the steps not yet settled."""

        def held(window: int, block: int) -> int:
            return -(-min(window - 1 + in_flight_tokens, context_tokens) // block) + 1

        states = held(STATE_WINDOW_4, STATE_BLOCK_4) + held(STATE_WINDOW_128, STATE_BLOCK_128)
        return -(-context_tokens // BLOCK_TOKENS) + states + 2 * held(WINDOW_TOKENS, WINDOW_BLOCK)

    def needed_bytes(self, context_tokens: int, in_flight_tokens: int) -> int:
        """What the engine asks for before it starts with that context."""
        return self.pages(context_tokens, in_flight_tokens) * self.page_bytes

    def reported_tokens(self, cache_bytes: int, context_tokens: int, in_flight_tokens: int) -> int:
        """The engine's line `GPU KV cache size`: requests of full length that fit, times that length; not a rate."""
        blocks = max(0, cache_bytes) // self.packed_page_bytes
        return blocks * context_tokens // self.pages(context_tokens, in_flight_tokens)

    def used_bytes(self, tokens: int, context_tokens: int, in_flight_tokens: int) -> int:
        """The other way round: the cache behind a reported number of tokens."""
        return tokens * self.pages(context_tokens, in_flight_tokens) * self.packed_page_bytes // context_tokens

    def sglang_bytes_per_token(self) -> float:
        """SGLang divides every pool by the full tokens: `bytes_per_full_token` (23,749.84 in its log for V4-Pro)."""
        share, four, state = SGLANG_WINDOW_SHARE, self.layers_4, 4 * 512 * 4
        keys = share * ENTRY_BYTES * (self.layers + 1) + ENTRY_BYTES * (four / 4 + self.layers_128 / 128)
        states = share * (SGLANG_RING_4 * (state + state / 4) * four + state / 2 * self.layers_128)
        return keys + INDEX_BYTES * four / 4 + states


def compressed_cache(model: ModelFacts, draft_layers: int = 0) -> CompressedCache | None:
    """The cache of that model; None where the layers are not published (V4.1)."""
    if not model.layers:
        return None
    four, many = LAYERS_BY_RATIO.get(model.layers, (model.layers // 2, model.layers - model.layers // 2))
    return CompressedCache(four, many, model.layers + draft_layers)


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT
