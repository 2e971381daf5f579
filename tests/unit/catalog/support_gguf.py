"""Writes small GGUF files: real headers, and sparse holes where the weights would be."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from infra.catalog.gguf import BLOCKS

__all__ = ["TYPES", "U8", "Bool", "array", "gguf_bytes", "llama_metadata", "llama_tensors", "text", "write_gguf"]

TYPES = {name: number for number, (name, _, _) in BLOCKS.items()}
ALIGNMENT = 32

TensorRow = tuple[str, Sequence[int], str]


class U8(int):
    """A number written as one byte."""


class Bool(int):
    """A number written as a truth value."""


def text(value: str) -> bytes:
    """A GGUF string."""
    content = value.encode()
    return struct.pack("<Q", len(content)) + content


def array(kind: int, values: Sequence[bytes]) -> bytes:
    """A GGUF array of encoded values."""
    return struct.pack("<IQ", kind, len(values)) + b"".join(values)


def _value(value: Any) -> bytes:
    """Type and content, as llama.cpp's converter writes them."""
    if isinstance(value, bytes):
        return struct.pack("<I", 9) + value
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    if isinstance(value, U8):
        return struct.pack("<IB", 0, value)
    if isinstance(value, Bool):
        return struct.pack("<IB", 7, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if value >= 2**32:
        return struct.pack("<IQ", 10, value)
    return struct.pack("<II", 4, value)


def _size(shape: Sequence[int], kind: str) -> int:
    _, block, size = BLOCKS[TYPES[kind]]
    elements = 1
    for side in shape:
        elements *= side
    return elements // block * size


def gguf_bytes(metadata: Mapping[str, Any], tensors: Sequence[TensorRow], version: int = 3) -> tuple[bytes, int]:
    """The header, and the size of the whole file."""
    header = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata))
    for name, value in metadata.items():
        header += text(name) + _value(value)
    offset = 0
    for name, shape, kind in tensors:
        header += text(name) + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
        header += struct.pack("<IQ", TYPES[kind], offset)
        offset += -(-_size(shape, kind) // ALIGNMENT) * ALIGNMENT
    start = -(-len(header) // ALIGNMENT) * ALIGNMENT
    last = _size(*tensors[-1][1:]) if tensors else 0
    return header, start + (offset - -(-last // ALIGNMENT) * ALIGNMENT) + last


def write_gguf(
    path: Path, metadata: Mapping[str, Any], tensors: Sequence[TensorRow], *, version: int = 3, whole: bool = True
) -> Path:
    """A file of the real size, sparse behind its header; `whole=False` ends where a partial fetch would."""
    header, size = gguf_bytes(metadata, tensors, version)
    with path.open("wb") as stream:
        stream.write(header)
        if whole:
            stream.truncate(size)
    return path


def llama_metadata(architecture: str = "llama", **over: Any) -> dict[str, Any]:
    """Llama 8B as llama.cpp's converter writes it; None removes a key,
    names without a dot get the architecture's prefix."""
    values: dict[str, Any] = {
        "block_count": 32,
        "context_length": 131072,
        "embedding_length": 4096,
        "feed_forward_length": 14336,
        "attention.head_count": 32,
        "attention.head_count_kv": 8,
        **over,
    }
    plain = {name: value for name, value in values.items() if value is not None}
    named = {name if name.startswith("general.") else f"{architecture}.{name}": one for name, one in plain.items()}
    words = array(8, [text(f"w{number}") for number in range(2000)])
    return {"general.architecture": architecture, "general.file_type": 15, "tokenizer.ggml.tokens": words, **named}


def llama_tensors(
    *, layers: int = 32, hidden: int = 4096, width: int = 14336, keys: int = 1024, words: int = 128256
) -> list[TensorRow]:
    """Llama 8B in Q4_K_M's mix: Q4_K, with Q6_K for the head,
    and for values and down projections of half the layers."""
    rows: list[TensorRow] = [
        ("token_embd.weight", (hidden, words), "Q4_K"),
        ("output.weight", (hidden, words), "Q6_K"),
        ("output_norm.weight", (hidden,), "F32"),
        ("rope_freqs.weight", (64,), "F32"),
    ]
    for number in range(layers):
        better = "Q6_K" if number % 2 else "Q4_K"
        rows += [
            (f"blk.{number}.attn_q.weight", (hidden, hidden), "Q4_K"),
            (f"blk.{number}.attn_k.weight", (hidden, keys), "Q4_K"),
            (f"blk.{number}.attn_v.weight", (hidden, keys), better),
            (f"blk.{number}.attn_output.weight", (hidden, hidden), "Q4_K"),
            (f"blk.{number}.ffn_gate.weight", (hidden, width), "Q4_K"),
            (f"blk.{number}.ffn_up.weight", (hidden, width), "Q4_K"),
            (f"blk.{number}.ffn_down.weight", (width, hidden), better),
            (f"blk.{number}.attn_norm.weight", (hidden,), "F32"),
            (f"blk.{number}.ffn_norm.weight", (hidden,), "F32"),
        ]
    return rows
