"""What depends on the engine and its release: memory profile, MLA, defaults, oldest GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

from infra.errors import ConfigurationError

__all__ = ["FIRST_MEASURED", "NEWEST_OF", "SERVING", "TITLES", "Engine", "Family", "Generation"]

Version = tuple[int, int, int]

FIRST_MEASURED: Version = (0, 6, 5)
"""Oldest release we plan for: earlier ones profile a batch of the whole context (vLLM 10517)."""
FIRST_V1: Version = (0, 8, 0)
"""vLLM 0.8.0 made the V1 engine the default (release notes)."""
FIRST_MLA: Version = (0, 7, 1)
"""Before it the latent cache was stored as full heads, 71 times larger for V3 (Red Hat blog on vLLM 0.7.1)."""
FIRST_WITHOUT_ABSORBED_WEIGHTS: Version = (0, 7, 4)
"""0.7.1 to 0.7.3 kept products of the latent projections beside the weights (VLLM_MLA_PERFORM_MATRIX_ABSORPTION)."""
FIRST_LEAN_PROFILE: Version = (0, 12, 0)
"""Sampler 39 to 15.4 bytes an entry, collectives 0.55 to 2.1 GiB on two GPUs: llm-d-planner's reports on 0.11 and
0.19, and logs of December 2025 (R1 on 8 H200 with 41.60 GiB of cache, 70B in fp8 on 4 with 106.17) that only the later
figures meet."""
FIRST_GRAPHS_PROFILED: Version = (0, 21, 0)
"""The memory of CUDA graphs comes out of the budget: `default since v0.21.0` in the engine's own log line."""
FIRST_CUDA_13: Version = (0, 20, 0)
"""torch 2.11 and its CUDA 13.0 wheel, which drops Volta (wheel metadata, 2026-11-24)."""
FIRST_UTILIZATION_092: Version = (0, 20, 0)
"""0.90 in 0.19 (llm-d-planner), 0.92 in vllm/config/cache.py of 0.25; the release between is not known."""
FIRST_DOUBLE_IN_FLIGHT: Version = (0, 26, 0)
"""vLLM 47728, merged in July 2026: a sliding window keeps the tokens of two steps under asynchronous scheduling."""
LLAMA_CPP_SLOT = 256
"""llama.cpp pads the context of each slot to 256 tokens (llama-context.cpp, from knowledge)."""
NEWEST: Version = (0, 33, 0)
"""vLLM on PyPI on 2026-11-24; what a text without a version counts as."""


class Generation(StrEnum):
    """The two engine cores of vLLM, which profile memory differently."""

    V0 = "V0"
    V1 = "V1"


class Family(StrEnum):
    """Engines whose use of memory is modelled."""

    VLLM = "vllm"
    SGLANG = "sglang"
    LMDEPLOY = "lmdeploy"
    LLAMA_CPP = "llama.cpp"
    OLLAMA = "ollama"


SERVING = (Family.VLLM, Family.SGLANG, Family.LLAMA_CPP)
"""Engines that a plan can be made for: the others are modelled to be compared with what they measured."""
TITLES = {
    Family.VLLM: "vLLM",
    Family.SGLANG: "SGLang",
    Family.LMDEPLOY: "lmdeploy",
    Family.LLAMA_CPP: "llama.cpp",
    Family.OLLAMA: "Ollama",
}
"""As each project writes its name."""
NEWEST_OF = {Family.VLLM: NEWEST, Family.SGLANG: (0, 5, 23), Family.LLAMA_CPP: (11_063, 0, 0)}
"""SGLang on PyPI on 2026-11-24. llama.cpp: the newest build that a search of public issues found on that day
(xorbitsai/xllamacpp 188); it has no version but the number of its build, and later ones exist."""

BUILDS = {
    Family.VLLM: ("AMD", "AWS", "Huawei", "Intel"),
    Family.SGLANG: ("AMD", "Huawei", "Intel"),
    Family.LMDEPLOY: ("Huawei",),
    Family.LLAMA_CPP: ("AMD", "Intel"),
    Family.OLLAMA: ("AMD",),
}
"""Vendors beside NVIDIA each engine has a build or a maintained fork for (installation pages, from knowledge)."""


@dataclass(frozen=True, slots=True, order=True)
class Engine:
    """One release of an engine; alone, a vLLM for CUDA."""

    version: Version
    family: Family = Family.VLLM
    core: str = ""
    """`V0` or `V1` where a log names the core, which could be chosen in 0.6.5 to 0.10."""
    vendor: str = "NVIDIA"
    """Whose accelerators the build is for."""

    @classmethod
    @cache
    def parse(cls, text: str, family: Family = Family.VLLM) -> Engine:
        """`0.33.0`, `v0.7` or `0.7.4dev`; a missing patch number is 0. llama.cpp counts its builds: `b6000`."""
        if family is Family.LLAMA_CPP:
            build = re.fullmatch(r"b?([1-9]\d{2,5})", text, re.ASCII)
            if not build:
                raise _not_a_version(text, "a llama.cpp build such as b11063", "write b and the number of the build")
            return cls((int(build[1]), 0, 0), family)
        found = re.match(r"v?(\d+)\.(\d+)(?:\.(\d+))?", text)
        if not found:
            newest = ".".join(map(str, NEWEST_OF[family]))
            raise _not_a_version(text, f"a {TITLES[family]} release such as {newest}", "write major.minor.patch")
        major, minor, patch = found.groups(default="0")
        return cls((int(major), int(minor), int(patch)), family)

    @classmethod
    def read(cls, family: Family, text: str, vendor: str = "NVIDIA", newest: Version = NEWEST) -> Engine:
        """What a log or an issue says: `0.25-0.26 (V1)` is the later one; without a version, `newest`."""
        found = re.findall(r"(?<![\d-])(?:v)?(\d+)\.(\d+)(?:\.(\d+))?", text)
        versions = [(int(major), int(minor), int(patch or 0)) for major, minor, patch in found]
        later = re.search(r"\d-(\d+)\.(\d+)(?:\.(\d+))?", text)
        if later:
            versions.append((int(later[1]), int(later[2]), int(later[3] or 0)))
        core = re.search(r"\bV[01]\b", text)
        return cls(max(versions, default=newest), family, core[0] if core else "", vendor)

    @property
    def generation(self) -> Generation:
        """V1 from 0.8.0, unless the log says otherwise."""
        if self.core:
            return Generation(self.core)
        return Generation.V1 if self.version >= FIRST_V1 else Generation.V0

    @property
    def stores_latent_cache(self) -> bool:
        """Whether MLA models keep the compressed vector instead of full heads."""
        return self.family is not Family.VLLM or self.version >= FIRST_MLA

    @property
    def keeps_absorbed_weights(self) -> bool:
        """Whether MLA models hold the products of the latent projections too."""
        return self.family is Family.VLLM and FIRST_MLA <= self.version < FIRST_WITHOUT_ABSORBED_WEIGHTS

    @property
    def has_lean_profile(self) -> bool:
        """Whether the constants of 0.12 and later hold."""
        return self.version >= FIRST_LEAN_PROFILE

    @property
    def profiles_graphs(self) -> bool:
        """Whether the printed cache already leaves room for CUDA graphs."""
        return self.version >= FIRST_GRAPHS_PROFILED

    @property
    def steps_in_flight(self) -> int:
        """Steps whose tokens a sliding window must still hold."""
        return 2 if self.version >= FIRST_DOUBLE_IN_FLIGHT else 1

    @property
    def default_utilization(self) -> float:
        """`--gpu-memory-utilization` where nobody set it (vLLM)."""
        return 0.92 if self.version >= FIRST_UTILIZATION_092 else 0.90

    @property
    def label(self) -> str:
        """`vLLM 0.33.0`, `llama.cpp b11063`, for messages."""
        return f"{TITLES[self.family]} {self}"

    @property
    def slot_tokens(self) -> int:
        """What the cache of one request is rounded up to, beside the blocks of the model."""
        return LLAMA_CPP_SLOT if self.family is Family.LLAMA_CPP else 1

    @property
    def is_build_of_llama_cpp(self) -> bool:
        """A plan's engine; the llama.cpp of a log has no number of a build, and is retraced with fewer assumptions."""
        return self.family is Family.LLAMA_CPP and self.version[0] > 0

    def stage_layers(self, layers: int, stages: int) -> int:
        """Of the longest stage. llama.cpp shares the output out as one more layer, and the first GPU may get none of it
        (llama-model.cpp, from knowledge)."""
        beside = 1 if stages > 1 and self.is_build_of_llama_cpp else 0
        return -(-(layers + beside) // stages)

    @property
    def min_compute_capability(self) -> tuple[int, int]:
        """Oldest GPU the default wheel runs on; SGLang says `only supports sm75 and above` (load_model_utils.py)."""
        if self.family is Family.SGLANG:
            return (7, 5)
        return (7, 5) if self.version >= FIRST_CUDA_13 and self.family is Family.VLLM else (7, 0)

    def runs_on(self, vendor: str) -> bool:
        """Whether this build is for accelerators without CUDA of that vendor."""
        return vendor == self.vendor and vendor in BUILDS[self.family]

    def __str__(self) -> str:
        if self.is_build_of_llama_cpp:
            return f"b{self.version[0]}"
        return ".".join(map(str, self.version))


def _not_a_version(text: str, allowed: str, fix: str) -> ConfigurationError:
    message = f"engineVersion: {text!r} is not a version"
    return ConfigurationError(message, code="SKS0207", key="engineVersion", value=text, allowed=allowed, fix=fix)
