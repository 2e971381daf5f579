"""The header of a GGUF file: metadata and tensor shapes, without one byte of weights.

Format: ggml docs/gguf.md, versions 2 and 3. Sizes of blocks: ggml's type traits, as in the package gguf 0.19.0. Every
count in the file is checked against what is left of a budget before anything of that size is made.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from infra.catalog.published import Origin, hostile, unreadable

__all__ = ["BLOCKS", "FILE_TYPES", "MAGIC", "Header", "Tensor", "read_header"]

MAGIC = b"GGUF"
VERSIONS = (2, 3)
MOST_HEADER_BYTES = 64 * 2**20
"""Published headers have 3 to 16 MiB: a vocabulary of 130,000 to 260,000 words with its merges."""
MOST_TENSORS = 200_000
MOST_KEYS = 10_000
MOST_TEXT_BYTES = 16 * 2**20
MOST_DIMENSIONS = 4
MOST_ARRAY_LEVELS = 4
KEPT_ARRAY = 1024
"""Longer arrays (vocabularies) and arrays of arrays are skipped; their length is what is kept."""
DEFAULT_ALIGNMENT = 32

TEXT, ARRAY = 8, 9
SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q", 11: "<q", 12: "<d"}

BLOCKS = {
    0: ("F32", 1, 4), 1: ("F16", 1, 2), 2: ("Q4_0", 32, 18), 3: ("Q4_1", 32, 20), 6: ("Q5_0", 32, 22),
    7: ("Q5_1", 32, 24), 8: ("Q8_0", 32, 34), 10: ("Q2_K", 256, 84), 11: ("Q3_K", 256, 110),
    12: ("Q4_K", 256, 144), 13: ("Q5_K", 256, 176), 14: ("Q6_K", 256, 210), 16: ("IQ2_XXS", 256, 66),
    17: ("IQ2_XS", 256, 74), 18: ("IQ3_XXS", 256, 98), 19: ("IQ1_S", 256, 50), 20: ("IQ4_NL", 32, 18),
    21: ("IQ3_S", 256, 110), 22: ("IQ2_S", 256, 82), 23: ("IQ4_XS", 256, 136), 24: ("I8", 1, 1),
    25: ("I16", 1, 2), 26: ("I32", 1, 4), 27: ("I64", 1, 8), 28: ("F64", 1, 8), 29: ("IQ1_M", 256, 56),
    30: ("BF16", 1, 2), 34: ("TQ1_0", 256, 54), 35: ("TQ2_0", 256, 66), 39: ("MXFP4", 32, 17),
    40: ("NVFP4", 64, 36),
}  # fmt: skip
"""Type of a tensor: name, elements of a block, bytes of a block."""

FILE_TYPES = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S", 12: "Q3_K_M",
    13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS", 20: "IQ2_XS",
    21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M", 28: "IQ2_S",
    29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4",
}  # fmt: skip
"""`general.file_type`: the recipe most tensors follow."""

Value = str | int | float | bool | tuple[object, ...] | range
"""An array that was skipped is a `range` of its length."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor's name, shape and type."""

    name: str
    dimensions: tuple[int, ...]
    type: int
    offset: int

    @property
    def elements(self) -> int:
        """Numbers in it."""
        return math.prod(self.dimensions)

    @property
    def size_bytes(self) -> int:
        """Bytes in the file, before padding; rows are whole blocks."""
        _, block, size = BLOCKS[self.type]
        return self.elements // block * size


@dataclass(frozen=True, slots=True)
class Header:
    """What one GGUF file says of itself."""

    metadata: Mapping[str, Value]
    tensors: tuple[Tensor, ...]
    header_bytes: int
    file_bytes: int
    """As it lies on this disk: less than `claimed_bytes` where only the beginning was fetched."""
    origin: Origin

    @property
    def claimed_bytes(self) -> int:
        """Size of the whole file by its tensor table."""
        alignment = _alignment(self.metadata)
        start = -(-self.header_bytes // alignment) * alignment
        return start + max((tensor.offset + tensor.size_bytes for tensor in self.tensors), default=0)


def read_header(path: Path) -> Header:
    """The header of the GGUF file at `path`; refuses what is no GGUF, cut off, or beyond any model."""
    with path.open("rb") as stream:
        reader = _Reader(path, stream)
        metadata, count = _read_metadata(reader)
        tensors = tuple(_read_tensor(reader) for _ in range(count))
    _check_tensors(path, tensors)
    digest = Origin(path.name, reader.digest.hexdigest(), "sha256 of its header")
    return Header(metadata, tensors, reader.position, path.stat().st_size, digest)


def _read_metadata(reader: _Reader) -> tuple[Mapping[str, Value], int]:
    if reader.take(4) != MAGIC:
        reader.refuse("is no GGUF file: it does not begin with GGUF")
    version = reader.number("<I")
    if version not in VERSIONS:
        turned = " (big-endian)" if int.from_bytes(struct.pack("<I", version), "big") in VERSIONS else ""
        reader.refuse(f"is GGUF of version {version}{turned}; 2 and 3, little-endian, are read")
    tensors = reader.count(MOST_TENSORS, "tensors", smallest=24)
    keys = reader.count(MOST_KEYS, "metadata keys", smallest=13)
    metadata = {}
    for _ in range(keys):
        name = reader.text()
        metadata[name] = reader.value(reader.number("<I"))
    return metadata, tensors


def _read_tensor(reader: _Reader) -> Tensor:
    name = reader.text()
    dimensions = reader.number("<I")
    if dimensions > MOST_DIMENSIONS:
        raise hostile(reader.path, f"has a tensor of {dimensions:,} dimensions", f"at most {MOST_DIMENSIONS}")
    shape = tuple(reader.number("<Q") for _ in range(dimensions))
    kind, offset = reader.number("<I"), reader.number("<Q")
    return Tensor(name, shape, kind, offset)


def _check_tensors(path: Path, tensors: tuple[Tensor, ...]) -> None:
    for tensor in tensors:
        if tensor.type not in BLOCKS:
            raise unreadable(path, f"stores {tensor.name} as type {tensor.type}, which is not known here")
        if not 0 < tensor.elements < 2**50 or tensor.offset > 2**50:
            raise hostile(path, f"claims a tensor of {tensor.elements:,} numbers", "1 to 2**50 numbers a tensor")
        block = BLOCKS[tensor.type][1]
        if tensor.dimensions[0] % block:
            raise unreadable(path, f"has rows of {tensor.dimensions[0]} in blocks of {block} ({tensor.name})")


def _alignment(metadata: Mapping[str, Value]) -> int:
    value = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    return value if isinstance(value, int) and 0 < value <= 2**20 else DEFAULT_ALIGNMENT


class _Reader:
    """Takes from a stream within the budget, and remembers the digest of what was taken."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path = path
        self.stream = stream
        self.position = 0
        self.digest = hashlib.sha256()
        self.left = min(MOST_HEADER_BYTES, path.stat().st_size)

    def take(self, size: int) -> bytes:
        if size > self.left - self.position:
            self.refuse("ends within its header") if size <= MOST_HEADER_BYTES else self.too_much(size)
        content = self.stream.read(size)
        if len(content) != size:
            self.refuse("ends within its header")
        self.position += size
        self.digest.update(content)
        return content

    def number(self, form: str) -> int:
        value: int = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return value

    def count(self, most: int, what: str, *, smallest: int) -> int:
        """A count of things that take at least `smallest` bytes each."""
        value = self.number("<Q")
        if value > most:
            raise hostile(self.path, f"claims {value:,} {what}", f"at most {most:,}")
        if value * smallest > self.left - self.position:
            self.refuse(f"claims {value:,} {what} and ends before them")
        return value

    def text(self) -> str:
        size = self.number("<Q")
        if size > MOST_TEXT_BYTES:
            raise hostile(self.path, f"claims a text of {size:,} bytes", f"at most {MOST_TEXT_BYTES:,}")
        return self.take(size).decode("utf-8", "replace")

    def value(self, kind: int, level: int = 0) -> Value:
        if kind == TEXT:
            return self.text()
        if kind == ARRAY:
            return self.array(level)
        if kind not in SCALARS:
            self.refuse(f"has a value of type {kind}, which GGUF does not know")
        return self.number(SCALARS[kind])

    def array(self, level: int) -> Value:
        if level >= MOST_ARRAY_LEVELS:
            raise hostile(self.path, "nests arrays in arrays", f"at most {MOST_ARRAY_LEVELS} levels")
        kind = self.number("<I")
        size = struct.calcsize(SCALARS[kind]) if kind in SCALARS else 8
        length = self.count(MOST_HEADER_BYTES, "array values", smallest=size)
        if length <= KEPT_ARRAY and kind != ARRAY and level == 0:
            return tuple(self.value(kind, level + 1) for _ in range(length))
        if kind in SCALARS:
            self.take(length * size)
        else:
            for _ in range(length):
                self.value(kind, level + 1)
        return range(length)

    def refuse(self, what: str) -> NoReturn:
        raise unreadable(self.path, what)

    def too_much(self, size: int) -> NoReturn:
        raise hostile(self.path, f"claims {size:,} bytes in its header", f"at most {MOST_HEADER_BYTES:,}")
