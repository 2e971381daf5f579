"""Cells of a table that people filled in: numbers with units and separators, yes and no, words for "nothing".

Each reader gives the value, None for an empty cell, and raises `ValueError` for one that it cannot read for certain: a
figure that is guessed (`0,9` as 9) does more harm in a comparison than a row that is left out.
"""

from __future__ import annotations

import math
import re

__all__ = ["EMPTY", "confidence", "context", "count", "decimals", "gib", "is_rounded", "share", "tokens", "yes_or_no"]

EMPTY = frozenset({"", "-", "--", "?", "auto", "default", "n/a", "na", "nan", "none", "null", "unknown", "-1"})
"""Words for a value that was not stated; vLLM takes -1 as `choose yourself`."""
YES = frozenset({"yes", "y", "true", "t", "1", "ok", "fits", "works"})
NO = frozenset({"no", "n", "false", "f", "0", "oom", "out of memory", "fails", "failed", "refused"})
CONFIDENCE = {"h": "high", "hi": "high", "m": "medium", "med": "medium", "med.": "medium", "l": "low"}

LARGEST_COUNT = 10**8
"""Counts above are no counts: ranks, tokens of one context."""
LARGEST_TOKENS = 10**12
MOST_GIB = 10_000
"""No accelerator has more: a larger figure is a slip of the pen."""
UNITS = {"": 1.0, "gib": 1.0, "gb": 1.0, "g": 1.0, "mib": 1 / 1024, "mb": 1 / 1024}
"""Engines print GiB and call it GB (vLLM before 0.7: `took 14.9888 GB`), so both are read as GiB."""
NUMBER = re.compile(r"[+-]?[\d.][\d.,_ ]*(?:e[+-]?\d+)?", re.IGNORECASE)
GROUPED = re.compile(r"\d{1,3}(?:[ _]\d{3})+(?:\.\d+)?|\d{1,3}(?:,\d{3})+(?:\.\d+)?")
GROUPED_BY_POINTS = re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+")
MULTIPLES = re.compile(r"(.*\d)\s*([km])", re.IGNORECASE)


def _plain(text: str) -> str:
    """Without a remark in brackets and the sign of an approximation; empty for a word that states nothing."""
    value = re.sub(r"\(.*?\)", "", text).strip().lstrip("~≈").strip().casefold()
    return "" if value in EMPTY else value


def is_rounded(text: str) -> bool:
    """Whether the cell itself says that its figure is none of the engine's: `~4.17`, `37k`."""
    return text.strip().startswith(("~", "≈")) or bool(MULTIPLES.fullmatch(_without(_plain(text), "tokens?|tok")))


def decimals(text: str) -> int:
    """Digits after the decimal sign as printed; 9 for an exponent."""
    value = _plain(text)
    if re.search(r"\de[+-]?\d", value):
        return 9
    found = re.match(r"[+-]?[\d_ ]*[.,](\d+)", value)
    return len(found[1]) if found else 0


def _without(value: str, units: str) -> str:
    return re.sub(rf"\s*(?:{units})$", "", value).strip()


def _number(value: str) -> float:
    """A finite number; one comma is a decimal comma unless three digits follow, which could be either."""
    if not NUMBER.fullmatch(value):
        raise ValueError(value)
    if GROUPED.fullmatch(value) and (value.count(",") != 1 or "." in value):
        value = re.sub("[,_ ]", "", value)
    elif re.fullmatch(r"[+-]?(?:\d+,(?:\d{1,2}|\d{4,})|0,\d+)(?:e[+-]?\d+)?", value):
        value = value.replace(",", ".")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return number


def _whole(value: str, most: int) -> int | None:
    if GROUPED.fullmatch(value):
        value = re.sub("[,_ ]", "", value)
    number = _number(value)
    if number != int(number) or not 0 <= number <= most:
        raise ValueError(value)
    return int(number) or None


def _many(value: str, most: int) -> int | None:
    """Tokens: nobody runs 32 of them, so a point before three digits groups them."""
    return _whole(value.replace(".", "") if GROUPED_BY_POINTS.fullmatch(value) else value, most)


def _rounded(number: float, most: int) -> int | None:
    if not 0 <= number <= most:
        raise ValueError(f"{number}")
    return round(number) or None


def count(text: str) -> int | None:
    """Ranks, GPUs, nodes: `8`, `TP8`, `2 nodes`; 0 is none stated."""
    value = re.sub(r"^(?:tp|pp|dp)\s*[-=:]?\s*", "", _without(_plain(text), "gpus?|nodes?"))
    return _whole(value, LARGEST_COUNT) if value else None


def context(text: str) -> int | None:
    """Tokens of a context: `32,768 tokens`, `32k`.

    k is 1024 where that gives a length engines are run with (eighths: 8k, 40k, 160k), else 1000 (10k, 100k).
    """
    value = _without(_plain(text), "tokens?|tok")
    multiple = MULTIPLES.fullmatch(value)
    if not multiple:
        return _many(value, LARGEST_COUNT) if value else None
    number, is_mega = _number(multiple[1].strip()), multiple[2] == "m"
    binary = number % 8 == 0 or number in (1, 2, 4)
    return _rounded(number * (1024 if binary else 1000) ** (2 if is_mega else 1), LARGEST_COUNT)


def tokens(text: str) -> int | None:
    """Tokens that a cache holds: `81,536`, `1.6M` (round figures count in thousands)."""
    value = _without(_plain(text), "tokens?|tok")
    multiple = MULTIPLES.fullmatch(value)
    if not multiple:
        return _many(value, LARGEST_TOKENS) if value else None
    return _rounded(_number(multiple[1].strip()) * (10**6 if multiple[2] == "m" else 1000), LARGEST_TOKENS)


def gib(text: str) -> float | None:
    """GiB of one GPU: `4.17`, `~4.17 GiB`, `4,17`."""
    found = re.fullmatch(r"(.*?)\s*([a-z]*)", _plain(text))
    if found is None or found[2] not in UNITS:
        raise ValueError(text)
    value = _number(found[1]) * UNITS[found[2]] if found[1] else None
    if value is not None and abs(value) > MOST_GIB:
        raise ValueError(text)
    return value


def share(text: str) -> float | None:
    """0.9, 0,9, 90 or 90 %; anything else is no share of a GPU."""
    value = _plain(text)
    if not value:
        return None
    number = _number(value.removesuffix("%").strip())
    number = number / 100 if number > 1 or value.endswith("%") else number
    if not 0 < number <= 1:
        raise ValueError(text)
    return number


def yes_or_no(text: str) -> bool | None:
    """Whether it started."""
    value = re.sub(r"\(.*?\)", "", text).strip().casefold()
    if value in YES or value in NO:
        return value in YES
    if value in EMPTY:
        return None
    raise ValueError(text)


def confidence(text: str) -> str:
    """high, medium or low, also abbreviated."""
    value = text.strip().casefold()
    return CONFIDENCE.get(value, value)
