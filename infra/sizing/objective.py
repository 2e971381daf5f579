"""What the best of several machines is."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Objective"]


class Objective(StrEnum):
    """Each falls back on the price, and for machines one owns on the number of GPUs."""

    COST = "cost"
    """Fewest US dollars an hour."""
    LATENCY = "latency"
    """Fewest milliseconds between two tokens of one user, expected, with the requests that were asked for."""
    THROUGHPUT = "throughput"
    """Most tokens a second of all users together, expected, with as many requests as the cache holds."""
