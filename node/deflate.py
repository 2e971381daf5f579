"""gzip whose bytes depend on the text alone: LZ77 with the fixed Huffman codes of RFC 1951.

The compressor behind Python's gzip is whatever zlib the interpreter was built with (zlib, zlib-ng, of any release), and
those write different bytes for one text. User data that differs replaces instances, so it must not depend on who runs
the program. Fixed codes cost about a fifth of the size and save the code for dynamic ones.
"""

from __future__ import annotations

import struct
import zlib
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

__all__ = ["gzip_bytes"]

HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"
"""RFC 1952 §2.3: deflate, no name, no time, best compression, unknown system."""
WINDOW, SHORTEST, LONGEST = 32768, 3, 258
END = 256

# RFC 1951 §3.2.5: first length (distance) of each code and how many bits follow it.
LENGTHS = (
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
    11,
    13,
    15,
    17,
    19,
    23,
    27,
    31,
    35,
    43,
    51,
    59,
    67,
    83,
    99,
    115,
    131,
    163,
    195,
    227,
    258,
)
LENGTH_BITS = (0,) * 8 + tuple(bits for bits in range(1, 6) for _ in range(4)) + (0,)
DISTANCE_BITS = (0, 0, *(bits for bits in range(14) for _ in range(2)))
DISTANCES = tuple(1 + sum(1 << bits for bits in DISTANCE_BITS[:code]) for code in range(30))


def gzip_bytes(data: bytes) -> bytes:
    """`data` as one gzip member of one block."""
    bits = BitWriter()
    bits.write(0b011, 3)  # last block, fixed codes
    for length, distance, literal in _tokens(data):
        if not length:
            bits.write_symbol(literal)
            continue
        code = bisect_right(LENGTHS, length) - 1
        bits.write_symbol(257 + code)
        bits.write(length - LENGTHS[code], LENGTH_BITS[code])
        code = bisect_right(DISTANCES, distance) - 1
        bits.write_reversed(code, 5)
        bits.write(distance - DISTANCES[code], DISTANCE_BITS[code])
    bits.write_symbol(END)
    return HEADER + bits.finish() + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


class BitWriter:
    """Bits into bytes, the lowest first (RFC 1951 §3.1.1)."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._pending = 0
        self._count = 0

    def write(self, value: int, count: int) -> None:
        """`count` bits of `value`, the lowest first."""
        self._pending |= value << self._count
        self._count += count
        while self._count >= 8:
            self._bytes.append(self._pending & 0xFF)
            self._pending >>= 8
            self._count -= 8

    def write_reversed(self, value: int, count: int) -> None:
        """Huffman codes stand with their highest bit first."""
        self.write(int(f"{value:0{count}b}"[::-1], 2), count)

    def write_symbol(self, symbol: int) -> None:
        """A literal, the end or a length by its fixed code (RFC 1951 §3.2.6)."""
        if symbol < 144:
            self.write_reversed(0x30 + symbol, 8)
        elif symbol < 256:
            self.write_reversed(0x190 + symbol - 144, 9)
        elif symbol < 280:
            self.write_reversed(symbol - 256, 7)
        else:
            self.write_reversed(0xC0 + symbol - 280, 8)

    def finish(self) -> bytes:
        """All of it, padded with zeros to a whole byte."""
        return bytes(self._bytes) + (bytes([self._pending]) if self._count else b"")


def _tokens(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Length, distance, 0 of a repeat, or 0, 0, the byte: also where the repeat one byte later is longer."""
    seen: defaultdict[bytes, list[int]] = defaultdict(list)
    position, noted = 0, 0
    while position < len(data):
        while noted <= position:
            seen[data[noted : noted + SHORTEST]].append(noted)
            noted += 1
        length, distance = _longest(data, position, seen)
        if length >= SHORTEST and _longest(data, position + 1, seen)[0] <= length:
            yield length, distance, 0
            position += length
        else:
            yield 0, 0, data[position]
            position += 1


def _longest(data: bytes, position: int, seen: defaultdict[bytes, list[int]]) -> tuple[int, int]:
    """The longest repeat at `position`, the nearest of several."""
    best, found = 0, 0
    most = min(LONGEST, len(data) - position)
    for start in reversed(seen[data[position : position + SHORTEST]]):
        if start >= position:
            continue
        if position - start > WINDOW or best == most:
            break
        if data[start + best] != data[position + best]:
            continue
        length = 0
        while length < most and data[start + length] == data[position + length]:
            length += 1
        if length > best:
            best, found = length, position - start
    return best, found
