"""Parameters of a transformer, counted from its shape.

Counted in two kinds, because checkpoints store them apart: linear layers, which quantisation makes smaller, and what
stays at 16 bit (embeddings, output head, norms, routers). Tests compare it with every shipped model: it is exact.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Experts", "Indexer", "Latent", "Parameters", "Shape", "active", "draft", "draft_copies", "total"]


@dataclass(frozen=True, slots=True)
class Parameters:
    """How many there are, by how they are stored."""

    linear: int = 0
    kept: int = 0
    """At 16 bit in every quantisation."""

    @property
    def all(self) -> int:
        """Both kinds."""
        return self.linear + self.kept

    def __add__(self, other: Parameters) -> Parameters:
        return Parameters(self.linear + other.linear, self.kept + other.kept)

    def __mul__(self, times: int) -> Parameters:
        return Parameters(self.linear * times, self.kept * times)


@dataclass(frozen=True, slots=True)
class Latent:
    """Ranks of multi-head latent attention (MLA); `query_rank` 0 where queries are not compressed (V2-Lite)."""

    key_value_rank: int
    query_rank: int
    nope: int
    rope: int
    value: int


@dataclass(frozen=True, slots=True)
class Indexer:
    """The small attention of V3.2 that chooses which tokens the large one reads (inference/model.py, `Indexer`)."""

    heads: int
    head_dim: int


@dataclass(frozen=True, slots=True)
class Experts:
    """The mixture that replaces the dense block after `dense_layers` layers."""

    routed: int
    per_token: int
    width: int
    shared_width: int
    """All shared experts together; they are one wide block in the checkpoints."""
    dense_layers: int
    router_bias: bool
    """One correction a routed expert, for balance without a loss (V3's `noaux_tc`)."""
    shared_gate: bool
    """Qwen2-MoE weighs its shared expert with one more projection to a single number."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the number of parameters."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_dim: int
    intermediate: int
    vocabulary: int
    tied: bool = False
    qkv_bias: bool = False
    output_bias: bool = False
    mlp_bias: bool = False
    qk_norm: bool = False
    latent: Latent | None = None
    indexer: Indexer | None = None
    experts: Experts | None = None
    draft_layers: int = 0
    """Multi-token prediction blocks behind the last layer (V3)."""


def total(shape: Shape) -> Parameters:
    """What plain serving loads."""
    tables = Parameters(kept=shape.vocabulary * shape.hidden * (1 if shape.tied else 2) + shape.hidden)
    dense_layers = shape.experts.dense_layers if shape.experts else shape.layers
    counted = tables + _attention(shape) * shape.layers + _dense(shape, shape.intermediate) * dense_layers
    if shape.experts:
        counted += _mixture(shape, shape.experts, shape.experts.routed) * (shape.layers - dense_layers)
    return counted


def active(shape: Shape) -> int:
    """What one token passes through, the embedding table included (as the catalogue's published figures have it)."""
    experts = shape.experts
    if experts is None:
        return total(shape).all
    idle = _dense(shape, experts.width).all * (experts.routed - experts.per_token)
    return total(shape).all - idle * (shape.layers - experts.dense_layers)


def draft(shape: Shape) -> Parameters:
    """The draft (MTP) blocks: a whole layer each, a projection of two hidden states to one, and three norms."""
    if not shape.draft_layers or shape.experts is None:
        return Parameters()
    joint = Parameters(linear=2 * shape.hidden * shape.hidden, kept=3 * shape.hidden)
    return (_attention(shape) + _mixture(shape, shape.experts, shape.experts.routed) + joint) * shape.draft_layers


def draft_copies(shape: Shape) -> int:
    """Embeddings and head that each draft block brings in a copy of its own: in the files, nowhere else."""
    return shape.draft_layers * 2 * shape.vocabulary * shape.hidden


def _attention(shape: Shape) -> Parameters:
    """Projections of one layer, and its two norms."""
    norms = Parameters(kept=2 * shape.hidden)
    if shape.latent:
        return norms + _latent_attention(shape, shape.latent)
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    weights = shape.hidden * (queries + 2 * keys) + queries * shape.hidden
    biases = (queries + 2 * keys) * shape.qkv_bias + shape.hidden * shape.output_bias
    return norms + Parameters(linear=weights, kept=biases + 2 * shape.head_dim * shape.qk_norm)


def _latent_attention(shape: Shape, latent: Latent) -> Parameters:
    key = latent.nope + latent.rope
    if latent.query_rank:
        query = Parameters(latent.query_rank * (shape.hidden + shape.heads * key), latent.query_rank)
    else:
        query = Parameters(shape.hidden * shape.heads * key)
    down = shape.hidden * (latent.key_value_rank + latent.rope)
    up = latent.key_value_rank * shape.heads * (latent.nope + latent.value)
    output = shape.heads * latent.value * shape.hidden
    counted = query + Parameters(down + up + output, latent.key_value_rank)
    return counted + _index(shape, shape.indexer, latent) if shape.indexer else counted


def _index(shape: Shape, indexer: Indexer, latent: Latent) -> Parameters:
    linear = latent.query_rank * indexer.heads * indexer.head_dim + shape.hidden * indexer.head_dim
    return Parameters(linear, shape.hidden * indexer.heads + 2 * indexer.head_dim)


def _dense(shape: Shape, width: int) -> Parameters:
    """Gate, up and down projection of that width."""
    return Parameters(3 * shape.hidden * width, (2 * width + shape.hidden) * shape.mlp_bias)


def _mixture(shape: Shape, experts: Experts, count: int) -> Parameters:
    router = count * (shape.hidden + experts.router_bias)
    gate = shape.hidden * experts.shared_gate
    blocks = _dense(shape, experts.width) * count + _dense(shape, experts.shared_width)
    return blocks + Parameters(kept=router + gate)
