"""A GGUF header as a shape, with the parameters and bytes that its tensors really have.

Metadata names: llama.cpp gguf-py/gguf/constants.py (package gguf 0.19.0).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from infra.catalog.families import FAMILIES, Family, gguf_family_of, unsupported
from infra.catalog.fields import Fields
from infra.catalog.gguf import BLOCKS, FILE_TYPES, Header, Tensor, read_header
from infra.catalog.shapes import Experts, Indexer, Latent, Shape
from infra.errors import ConfigurationError, Location

__all__ = ["family_in", "fields_of", "is_draft", "native_name", "read_parts", "shape_of"]

PART = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
MOST_PARTS = 1000
NOT_WEIGHTS = ("rope_freqs", "rope_factors")
"""Constants of the position encoding, which the original checkpoint computes instead of storing."""
SIGMOID = 2
"""`expert_gating_func` of V3: the router with a bias an expert."""
PLAIN = {"F32": "fp32", "F16": "fp16", "BF16": "bf16"}


def read_parts(path: Path) -> tuple[Header, ...]:
    """The headers of all parts of a split model, in order; of one file where it is whole."""
    found = PART.search(path.name)
    count = int(found[2]) if found else 1
    if found is None or count <= 1:
        return (read_header(path),)
    names = [path.name[: found.start()] + f"-{number:05d}-of-{found[2]}.gguf" for number in range(1, count + 1)]
    missing = [name for name in names[:MOST_PARTS] if not (path.parent / name).is_file()]
    if missing or count > MOST_PARTS:
        raise ConfigurationError(
            f"{path.name} is one of {count:,} parts, and {len(missing)} are missing: {', '.join(missing[:3])}",
            code="SKS0216",
            key="FILE",
            location=Location(str(path)),
            allowed=f"all parts of a model in one folder, at most {MOST_PARTS:,}",
            fix="fetch the others; the first 20 MB of each part are enough",
        )
    return tuple(read_header(path.parent / name) for name in names)


def fields_of(headers: Sequence[Header]) -> Fields:
    """The metadata of the architecture, without its prefix, and what the tensors say in its place."""
    first = headers[0]
    prefix = f"{_architecture(first)}."
    values = {name.removeprefix(prefix): value for name, value in first.metadata.items()}
    words = values.get("tokenizer.ggml.tokens")
    table = next(
        (tensor for header in headers for tensor in header.tensors if tensor.name == "token_embd.weight"), None
    )
    if table is not None and len(table.dimensions) == 2:
        values["vocab_size"] = table.dimensions[1]
    elif isinstance(words, tuple | range):
        values.setdefault("vocab_size", len(words))
    return Fields(first.origin.name, values)


def family_in(headers: Sequence[Header]) -> Family:
    """The architecture; llama.cpp's name alone does not tell V2 from V3."""
    first = headers[0]
    name = _architecture(first)
    experts = first.metadata.get(f"{name}.expert_count", 0)
    gating = first.metadata.get(f"{name}.expert_gating_func", 0)
    has_bias = any("exp_probs_b" in tensor.name for header in headers for tensor in header.tensors)
    family = gguf_family_of(name, mixture=bool(experts), balanced_router=has_bias or gating == SIGMOID)
    if family is None:
        raise unsupported(first.origin.name, name or "(none named)", (one.gguf for one in FAMILIES))
    return family


def _architecture(header: Header) -> str:
    name = header.metadata.get("general.architecture", "")
    return name[:80] if isinstance(name, str) else ""


def shape_of(fields: Fields, family: Family, tensors: Sequence[Tensor]) -> Shape:
    """Every width and count; what is missing or wrong is noted in `fields`."""
    names = {tensor.name for tensor in tensors}
    draft = fields.number("nextn_predict_layers", least=0, most=64, default=0)
    layers = fields.number("block_count", least=draft + 1, most=10_000) - draft
    hidden, heads = fields.number("embedding_length"), fields.number("attention.head_count")
    experts = _experts(fields, names) if family.mixture else None
    is_dense = experts is None or bool(experts.dense_layers)
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads if family.latent else _kv_heads(fields, heads),
        head_dim=1 if family.latent else fields.number("attention.key_length", default=max(1, hidden // heads)),
        intermediate=fields.number("feed_forward_length", default=None if is_dense else 0),
        vocabulary=fields.number("vocab_size"),
        tied="output.weight" not in names,
        qkv_bias="blk.0.attn_q.bias" in names,
        output_bias="blk.0.attn_output.bias" in names,
        mlp_bias="blk.0.ffn_up.bias" in names,
        qk_norm="blk.0.attn_q_norm.weight" in names,
        latent=_latent(fields) if family.latent else None,
        indexer=_indexer(fields) if family.indexer else None,
        experts=experts,
        draft_layers=draft,
    )


def _kv_heads(fields: Fields, heads: int) -> int:
    given = fields.number("attention.head_count_kv", default=heads)
    if not fields.divides("attention.head_count_kv", given, "attention.head_count", heads):
        fields.refuse("attention.head_count_kv", given, f"a divisor of the {heads} attention heads")
    return given


def _latent(fields: Fields) -> Latent:
    """Since llama.cpp keeps the latent cache, `key_length` is its width, and `key_length_mla` the head's."""
    rope = fields.number("rope.dimension_count")
    key = fields.number("attention.key_length_mla", "attention.key_length")
    if key <= rope:
        fields.refuse("attention.key_length", key, f"more than the {rope} of rope.dimension_count")
    return Latent(
        key_value_rank=fields.number("attention.kv_lora_rank"),
        query_rank=fields.number("attention.q_lora_rank", default=0),
        nope=max(1, key - rope),
        rope=rope,
        value=fields.number("attention.value_length_mla", "attention.value_length"),
    )


def _indexer(fields: Fields) -> Indexer:
    return Indexer(fields.number("attention.indexer.head_count"), fields.number("attention.indexer.key_length"))


def _experts(fields: Fields, names: set[str]) -> Experts:
    routed = fields.number("expert_count", most=100_000)
    width = fields.number("expert_feed_forward_length", "feed_forward_length")
    shared_width = fields.number("expert_shared_feed_forward_length", least=0, default=0)
    shared = fields.number("expert_shared_count", least=0, most=1000, default=0)
    return Experts(
        routed=routed,
        per_token=fields.number("expert_used_count", most=routed),
        width=width,
        shared_width=shared_width or shared * width,
        dense_layers=fields.number("leading_dense_block_count", least=0, most=10_000, default=0),
        router_bias=any("exp_probs_b" in name for name in names),
        shared_gate=any("ffn_gate_inp_shexp" in name for name in names),
    )


def is_weight(tensor: Tensor) -> bool:
    """Whether the original checkpoint has it as a parameter."""
    return not tensor.name.startswith(NOT_WEIGHTS)


def is_draft(tensor: Tensor, layers: int) -> bool:
    """Whether it belongs to a block behind the last layer (multi-token prediction)."""
    found = re.match(r"blk\.(\d{1,6})\.", tensor.name)
    return found is not None and int(found[1]) >= layers


def native_name(headers: Sequence[Header]) -> str:
    """`q4_k_m` and so on: the recipe the file names, else the type that most numbers are stored in."""
    recipe = headers[0].metadata.get("general.file_type")
    kind = FILE_TYPES.get(recipe) if isinstance(recipe, int) else None
    if kind is None:
        stored: Counter[str] = Counter()
        for header in headers:
            for tensor in header.tensors:
                stored[BLOCKS[tensor.type][0]] += tensor.elements
        kind = max(stored, key=lambda name: stored[name], default="F16")
    return PLAIN.get(kind, kind.casefold())
