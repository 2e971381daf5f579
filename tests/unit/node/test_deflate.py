"""Our gzip: any reader gets the text back, and its bytes are pinned, whatever zlib Python was built with."""

from __future__ import annotations

import gzip
import hashlib
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.deflate import DISTANCES, LENGTHS, gzip_bytes


@settings(max_examples=100, deadline=None)
@given(data=st.one_of(st.binary(max_size=300), st.text(alphabet="ab\n", max_size=1000).map(str.encode)))
def test_reads_back_as_it_was(data: bytes) -> None:
    assert gzip.decompress(gzip_bytes(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(range(256)),
        b"a" * 100_000,
        b"abc" + random.Random(1).randbytes(32_765) + b"abcabc",
        b"abc" + random.Random(1).randbytes(32_766) + b"abcabc",
        b"".join(random.Random(2).randbytes(length) * 2 for length in range(1, 400, 7)),
    ],
    ids=["nothing", "every byte", "one long run", "window just reached", "window just missed", "every length"],
)
def test_reads_back_at_the_edges_of_the_format(data: bytes) -> None:
    assert gzip.decompress(gzip_bytes(data)) == data


def test_repeats_cost_almost_nothing() -> None:
    assert len(gzip_bytes(b"seekstack " * 1000)) < 150


def test_the_bytes_are_pinned() -> None:
    """A change here changes every launch template: write it in the changelog."""
    data = b"".join(f"line {number % 7} of {number}\n".encode() for number in range(500))
    assert (
        hashlib.sha256(gzip_bytes(data)).hexdigest()
        == "2d0df732a2a29eac5dcea6a60c793910fc28bc381429ff1222c95e6cc2d428d8"
    )


def test_code_tables_end_where_the_format_does() -> None:
    assert (LENGTHS[-1], DISTANCES[-1]) == (258, 24577)
