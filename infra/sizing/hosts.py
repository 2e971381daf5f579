"""A machine one owns, as an inventory file describes it."""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalog.facts import GpuFacts

__all__ = ["Host"]


@dataclass(frozen=True, slots=True)
class Host:
    """What of a machine decides whether it can serve; None is not stated, and then not checked."""

    name: str
    gpu: GpuFacts
    gpus: int
    host_memory_bytes: int | None = None
    disk_bytes: int | None = None
    """Free, where the weights are to lie."""
    driver: str | None = None
    network_gbit: float | None = None
    """To the other hosts."""
