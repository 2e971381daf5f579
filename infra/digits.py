"""Numbers as a person types them: plain digits.

Python's int() and float() also take `1_000`, digits of every script (full-width ones) and, for float, `nan`: in a flag
or a file each is a slip of the keyboard or of a copy, and the number that comes out is not the one that was meant.
"""

from __future__ import annotations

import re

__all__ = ["read_number", "read_whole"]

WHOLE = re.compile(r"[+-]?[0-9]+")
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def read_whole(text: str) -> int:
    """A whole number; raises ValueError for anything else."""
    if not WHOLE.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no whole number in plain digits")
    return int(text)


def read_number(text: str) -> float:
    """A decimal number; raises ValueError for anything else."""
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text[:60]!r} is no number in plain digits")
    return float(text)
