"""Kubernetes quantities in the form the API server itself writes, so that a re-read object equals what was sent.

`4000m` would come back as `4` and `2048Mi` as `2Gi`: each then shows as a difference that nobody made
(apimachinery pkg/api/resource/quantity.go, CanonicalizeBytes).
"""

from __future__ import annotations

import re
from decimal import Decimal

__all__ = ["cpu", "memory", "parse"]

BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
FORM = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]?)|[eE]([+-]?\d{1,3}))", re.ASCII)


def cpu(millicores: int) -> str:
    """`millicores` thousandths of a core."""
    whole, rest = divmod(millicores, 1000)
    return f"{millicores}m" if rest else str(whole)


def memory(size_bytes: int) -> str:
    """`size_bytes` in the largest binary unit up to Gi that is exact; plain bytes otherwise."""
    if size_bytes:
        for suffix in ("Gi", "Mi", "Ki"):
            if size_bytes % BINARY[suffix] == 0:
                return f"{size_bytes // BINARY[suffix]}{suffix}"
    return str(size_bytes)


def parse(text: object) -> Decimal:
    """The number behind a quantity (bytes, cores, pieces); ValueError where it is none."""
    found = FORM.fullmatch(str(text)) if not isinstance(text, bool) else None
    if found is None:
        raise ValueError(f"{text!r} is not a Kubernetes quantity")
    number, suffix, exponent = Decimal(found[1]), found[2], found[3]
    if suffix in BINARY:
        return number * BINARY[suffix]
    return number.scaleb(int(exponent) if exponent is not None else DECIMAL[suffix])
