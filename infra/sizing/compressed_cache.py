"""The cache of the V4 family: a constant for each request and a small slope, in pages that all groups share.

vLLM keeps five groups of one page size: compressed keys of the whole context, two halves of the sliding-window layers,
and the compressor's state at ratio 4 and at ratio 128. Only the first grows with the context; the others hold the
tokens in flight. Reproduces the engine's own figures: 6.66 GiB for 30,000 tokens and the longest context of 13,528
(vLLM 44376), 1.93 and 1.34 GiB (vllm-deepseek-v4-sm89 issues 41 and 54), 7,022 pages (vLLM 52495).
"""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalog.facts import ModelFacts

__all__ = ["BLOCK_TOKENS", "CompressedCache", "Group", "compressed_cache"]

BLOCK_TOKENS = 256
"""Tokens of one page of the compressed keys (`--block-size 256` in every recipe)."""
WINDOW_TOKENS = 128
WINDOW_BLOCK, STATE_BLOCK_4, STATE_BLOCK_128 = 64, 4, 8
"""Tokens of one page in the other groups (vllm/models/deepseek_v4/compressor.py)."""
STATE_WINDOW_4, STATE_WINDOW_128 = 8, 128
ENTRY_BYTES, INDEX_BYTES = 584, 132
"""A compressed key: 448 fp8, 64 bf16 and 8 bytes of scales; an indexer key: 128 fp8 and a scale."""
ALIGNMENT = 576


def _aligned(size: int) -> int:
    return -(-size // ALIGNMENT) * ALIGNMENT


KEYS_BYTES, INDEX_KEYS_BYTES, FEW_KEYS_BYTES = map(_aligned, (64 * ENTRY_BYTES, 64 * INDEX_BYTES, 2 * ENTRY_BYTES))
"""One layer's part of a page: 256 tokens compressed 4 times, their indexer keys; 256 tokens compressed 128 times."""

LAYERS_BY_RATIO = {43: (21, 20), 61: (30, 31)}
"""Layers compressed 4 and 128 times. Flash: 21 and 20 beside 2 plain ones (vLLM 0.22.1 on the real model); Pro: as
`compress_ratios` of its config.json and SGLang's 23,749.84 bytes a token say."""
PICKED = {43: 512, 61: 1024}
"""Compressed keys that the indexer picks for a token at ratio 4 (`index_topk` of Flash and Pro)."""
DSPARK_LAYERS = 3
"""Sliding-window layers of the DSpark draft, loaded for speculative decoding only."""

SGLANG_WINDOW_SHARE = 0.1
"""SGLang's `swa_full_tokens_ratio`: window and state pools for a tenth of the tokens."""
SGLANG_RING_4 = 8 / 128
"""Rows of state at ratio 4 for each window token (ring of 8 a page of 128); at ratio 128 it is one each."""


@dataclass(frozen=True, slots=True)
class Group:
    """Pages one request takes of one kind: `size` tokens a page, the window beside the tokens in flight, one spare."""

    name: str
    window: int
    size: int
    copies: int = 1

    def tokens(self, context_tokens: int, in_flight_tokens: int) -> int:
        """Held at the same time."""
        return min(self.window - 1 + in_flight_tokens, context_tokens)

    def pages(self, context_tokens: int, in_flight_tokens: int) -> int:
        """Of all copies."""
        return self.copies * (-(-self.tokens(context_tokens, in_flight_tokens) // self.size) + 1)


GROUPS = (
    Group("compressor state at ratio 4", STATE_WINDOW_4, STATE_BLOCK_4),
    Group("compressor state at ratio 128", STATE_WINDOW_128, STATE_BLOCK_128),
    Group("sliding windows", WINDOW_TOKENS, WINDOW_BLOCK, 2),
)
"""Beside the compressed keys, which take a page for each 256 tokens of the context."""


@dataclass(frozen=True, slots=True)
class CompressedCache:
    """Sizes of the pages of one model."""

    layers_4: int
    layers_128: int
    layers: int
    """All of them, a loaded draft included: each keeps a sliding window."""
    picked: int = 1024
    """Compressed keys a token reads at ratio 4."""

    @property
    def slots(self) -> int:
        """Layers of the largest group: one half of those with a sliding window."""
        return -(-self.layers // 2)

    @property
    def page_bytes(self) -> int:
        """What the check of one full request counts for a page: a slot for each layer of the largest group."""
        return self.slots * (KEYS_BYTES + INDEX_KEYS_BYTES + FEW_KEYS_BYTES)

    @property
    def packed_page_bytes(self) -> int:
        """What a page takes once allocated: 1,002,240 bytes for Flash."""
        return self.layers_4 * (KEYS_BYTES + INDEX_KEYS_BYTES) + self.layers_128 * FEW_KEYS_BYTES

    @property
    def bytes_per_token(self) -> int:
        """The slope alone, rounded up."""
        return -(-self.packed_page_bytes // BLOCK_TOKENS)

    def stage(self, stages: int) -> CompressedCache:
        """The longest of so many pipeline stages: ratios alternate from layer to layer, so each has half of its layers,
        rounded up, at most."""
        if stages == 1:
            return self
        longest = -(-self.layers // stages)
        four, many = min(self.layers_4, -(-longest // 2)), min(self.layers_128, longest // 2 + 1)
        return CompressedCache(four, many, longest, self.picked)

    def key_pages(self, context_tokens: int) -> int:
        """Pages of compressed keys: the only part that grows with the context."""
        return -(-context_tokens // BLOCK_TOKENS)

    def pages(self, context_tokens: int, in_flight_tokens: int) -> int:
        """Pages of one request of full length; `in_flight_tokens` are those of the steps not yet settled."""
        return self.key_pages(context_tokens) + sum(group.pages(context_tokens, in_flight_tokens) for group in GROUPS)

    def longest_context(self, cache_bytes: int, in_flight_tokens: int, most: int) -> int:
        """The longest request of up to `most` tokens that the check before the start lets pass; 0 where none does."""
        low, high = 0, most
        while low < high:
            middle = (low + high + 1) // 2
            fits = self.needed_bytes(middle, in_flight_tokens) <= cache_bytes
            low, high = (middle, high) if fits else (low, middle - 1)
        return low

    def read_bytes(self, context_tokens: int) -> float:
        """What one token reads: the indexer's keys, the compressed keys it picks, all of those at ratio 128, and the
        windows."""
        four = context_tokens / 4
        sparse = self.layers_4 * (four * INDEX_BYTES + min(four, self.picked) * ENTRY_BYTES)
        dense = self.layers_128 * context_tokens / 128 * ENTRY_BYTES
        return sparse + dense + self.layers * min(context_tokens, WINDOW_TOKENS) * ENTRY_BYTES

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
    return CompressedCache(four, many, model.layers + draft_layers, PICKED.get(model.layers, max(PICKED.values())))
