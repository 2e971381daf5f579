"""Bytes, GiB and GB.

GiB (2**30) is what engines and the EC2 API count memory in; GB (10**9) is what disks and prices are sold in.
Mixing them is a 7 % error, so every name in seekstack says which it is.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, Decimal

__all__ = [
    "BYTES_PER_GB",
    "BYTES_PER_GIB",
    "BYTES_PER_MIB",
    "gib",
    "round_up_gib",
    "three_figures",
    "to_gib",
    "up_to_hundredth",
]

BYTES_PER_MIB = 2**20
BYTES_PER_GIB = 2**30
BYTES_PER_GB = 10**9


def gib(value_gib: float) -> int:
    """Whole bytes in `value_gib` GiB, rounded to the nearest byte."""
    return round(value_gib * BYTES_PER_GIB)


def to_gib(value_bytes: float) -> float:
    """GiB in `value_bytes` bytes."""
    return value_bytes / BYTES_PER_GIB


def round_up_gib(value_bytes: float, *, step_gib: int = 1) -> int:
    """The smallest multiple of `step_gib` GiB that holds `value_bytes`; errs on the large side by at most one step."""
    return math.ceil(value_bytes / BYTES_PER_GIB / step_gib) * step_gib


def up_to_hundredth(value: float) -> str:
    """Two decimals that are no less than `value`: a limit that a person is told to set must let it pass."""
    return str(Decimal(repr(value)).quantize(Decimal("0.01"), ROUND_CEILING))


def three_figures(value: float) -> str:
    """An estimate as text: three figures, without an exponent."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 1000 else f"{value:.3g}"
