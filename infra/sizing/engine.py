"""What depends on the release of vLLM: memory profile, MLA, oldest GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from infra.errors import ConfigurationError

__all__ = ["FIRST_MEASURED", "Engine", "Generation"]

Version = tuple[int, int, int]

FIRST_MEASURED: Version = (0, 6, 5)
"""Oldest release whose memory constants we hold: earlier ones profile a batch of the whole context (vLLM 10517)."""
FIRST_V1: Version = (0, 8, 0)
"""vLLM 0.8.0 made the V1 engine the default (release notes)."""
FIRST_MLA: Version = (0, 7, 1)
"""Before it the latent cache was stored as full heads, 71 times larger for V3 (Red Hat blog on vLLM 0.7.1)."""
FIRST_CUDA_13: Version = (0, 20, 0)
"""torch 2.11 and its CUDA 13.0 wheel, which drops Volta (wheel metadata, 2026-11-24)."""


class Generation(StrEnum):
    """The two engine cores, which profile memory differently."""

    V0 = "V0"
    V1 = "V1"


@dataclass(frozen=True, slots=True, order=True)
class Engine:
    """One vLLM release."""

    version: Version

    @classmethod
    def parse(cls, text: str) -> Engine:
        """`0.33.0`, `v0.7` or `0.7.4dev`; a missing patch number is 0."""
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
        if not found:
            raise ConfigurationError(
                f"engineVersion: {text!r} is not a version",
                code="SKS0207",
                key="engineVersion",
                value=text,
                allowed="a vLLM release such as 0.33.0",
                fix="write major.minor.patch",
            )
        major, minor, patch = found.groups(default="0")
        return cls((int(major), int(minor), int(patch)))

    @property
    def generation(self) -> Generation:
        """V1 from 0.8.0."""
        return Generation.V1 if self.version >= FIRST_V1 else Generation.V0

    @property
    def stores_latent_cache(self) -> bool:
        """Whether MLA models keep the compressed vector instead of full heads."""
        return self.version >= FIRST_MLA

    @property
    def min_compute_capability(self) -> tuple[int, int]:
        """Oldest GPU the default wheel runs on."""
        return (7, 5) if self.version >= FIRST_CUDA_13 else (7, 0)

    def __str__(self) -> str:
        return ".".join(map(str, self.version))
