"""What hardware costs for a month and for a million tokens."""

from __future__ import annotations

from infra.sizing.step import Range

__all__ = ["HOURS_PER_MONTH", "usd_per_million_tokens", "usd_per_month"]

HOURS_PER_MONTH = 730
"""8,760 hours of a year / 12, as the AWS pricing calculator counts."""


def usd_per_month(usd_per_hour: float | None, machines: int = 1) -> float | None:
    """US dollars for `machines` that run all month; None where the price is not known."""
    return None if usd_per_hour is None else usd_per_hour * machines * HOURS_PER_MONTH


def usd_per_million_tokens(usd_per_hour: float | None, tokens_per_second: Range, machines: int = 1) -> Range | None:
    """US dollars for a million written tokens, from the speed of all users together: low is at the highest speed.

    The machine is taken as busy all the time; at a load of 10 % a token costs ten times as much.
    """
    if usd_per_hour is None or tokens_per_second.low <= 0:
        return None
    return tokens_per_second.scale(3600 / 1e6).inverse(usd_per_hour * machines)
