"""What fields of a hand-written model contradict each other, though each alone is of its type."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from infra.catalog.facts import Architecture, Attention
from infra.catalog.gguf import BLOCKS, FILE_TYPES, MOST_HEADER_BYTES

__all__ = ["GGUF_KINDS", "Contradiction", "contradictions"]

UNSLOTH_KINDS = ("Q2_K_L", "Q4_K_L", "Q2_K_XL", "Q3_K_XL", "Q4_K_XL")
"""Recipes that llama.cpp's `general.file_type` has no number for."""
GGUF_KINDS = tuple(
    dict.fromkeys(
        name.casefold() for name in (*FILE_TYPES.values(), *UNSLOTH_KINDS, *(name for name, *_ in BLOCKS.values()))
    )
)
"""What `models add` may write of a GGUF file, and what a person may."""
WHOLE_FLOAT = {"fp32": 4.0}
LEAST_OF_FORMAT, LEAST_OF_KIND, MOST = 0.9, 0.5, 1.3
"""Of the bytes that a format takes for a parameter. A GGUF recipe is named by the bits of most of its tensors, and some
of the others take half of them; a count of parameters is often rounded (7 of 7.6 billion)."""
KEPT_BYTES, KEPT_GGUF_BYTES = 2.0, 4.0
"""Embeddings, head and norms stay at 16 bit in a quantised checkpoint; in a GGUF file they may be fp32."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """One field that the others rule out."""

    key: str
    what: str
    allowed: str


def contradictions(row: Mapping[str, Any], formats: Mapping[str, float]) -> Iterator[Contradiction]:
    """Of a row whose fields have their types; `formats` are bytes a parameter by the catalogue's names."""
    yield from _heads(row)
    yield from _experts(row)
    native = row["native_dtype"]
    known = {**{kind: _kind_bytes(kind) for kind in GGUF_KINDS}, **WHOLE_FLOAT, **formats}
    if native not in known:
        allowed = f"{', '.join((*formats, *WHOLE_FLOAT))}, or a kind of GGUF such as q4_k_m"
        yield Contradiction("native_dtype", f"native_dtype is {native[:60]!r}", allowed)
        return
    is_kind = native not in formats and native not in WHOLE_FLOAT
    counted = row["parameters"] + (row.get("draft_parameters") or 0)
    least = round((LEAST_OF_KIND if is_kind else LEAST_OF_FORMAT) * known[native] * row["parameters"])
    widest = max(known[native], KEPT_GGUF_BYTES if is_kind else KEPT_BYTES)
    most = round(MOST * widest * counted) + MOST_HEADER_BYTES
    if not least <= row["weights_bytes"] <= most:
        what = f"weights_bytes is {row['weights_bytes']:,} for {counted:,} parameters in {native}"
        yield Contradiction("weights_bytes", what, f"{least:,} to {most:,}")


def _kind_bytes(kind: str) -> float:
    """Bits stand in the name: `iq4_xs`, `tq1_0`, `mxfp4`."""
    bits = re.search(r"\d+", kind)
    assert bits is not None  # noqa: S101 each kind has them
    return int(bits[0]) / 8


def _heads(row: Mapping[str, Any]) -> Iterator[Contradiction]:
    heads, shared = row.get("attention_heads") or 0, row.get("kv_heads") or 0
    if heads and shared and heads % shared:
        allowed = f"a divisor of the {heads} attention_heads"
        yield Contradiction("kv_heads", f"kv_heads is {shared}", allowed)


def _experts(row: Mapping[str, Any]) -> Iterator[Contradiction]:
    """Of V4 some were not published: its sizes follow from measured facts."""
    if row["architecture"] != Architecture.MOE or row["attention"] == Attention.COMPRESSED:
        return
    routed, chosen = row.get("routed_experts") or 0, row.get("experts_per_token") or 0
    if not routed or not chosen:
        lacking = " and ".join(name for name in ("routed_experts", "experts_per_token") if not row.get(name))
        allowed = "routed_experts and experts_per_token, or architecture: dense"
        yield Contradiction("architecture", f"architecture is moe without {lacking}", allowed)
    elif chosen > routed:
        yield Contradiction("experts_per_token", f"experts_per_token is {chosen}", f"1 to the {routed} routed_experts")
