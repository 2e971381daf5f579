"""Which releases of engine, torch, CUDA, driver, GPU and Python go together: facts with source and date, no rules.

The rules over them are in `infra.sizing.compatibility`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from infra.catalog.facts import Attention

__all__ = [
    "CompatibilityFacts",
    "CudaRelease",
    "DriverBranch",
    "EngineRelease",
    "GpuGeneration",
    "PythonRange",
    "TorchRelease",
    "Version",
    "VgpuHostDriver",
    "load_compatibility",
]

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """Up to three numbers that compare, and the text they were written in (`535.154.02` keeps its zero)."""

    parts: tuple[int, int, int]
    text: str = field(compare=False)

    @classmethod
    def of(cls, text: str) -> Version:
        """The numbers of `text` in order: `12.4 U1` is 12, 4, 1; what is missing is 0."""
        numbers = [int(number) for number in re.findall("[0-9]+", text)]
        major, minor, patch = (*numbers, 0, 0, 0)[:3]
        return cls((major, minor, patch), text)

    @property
    def major(self) -> int:
        """Of a driver: its branch."""
        return self.parts[0]

    @property
    def minor(self) -> tuple[int, int]:
        """The first two numbers: what wheels, CUDA and Python are told apart by."""
        return self.parts[:2]

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class PythonRange:
    """A `Requires-Python` of one lower and at most one upper bound."""

    low: tuple[int, int]
    below: tuple[int, int] | None

    @classmethod
    def of(cls, text: str) -> PythonRange:
        """`>=3.9` or `>=3.9,<3.13`: the only two forms in the wheels read."""
        found = re.fullmatch(r">=(\d+)\.(\d+)(?:,<(\d+)\.(\d+))?", text)
        if not found:
            raise ValueError(f"not a range of Python versions: {text!r}")
        low_major, low_minor, major, minor = found.groups(default="-1")
        return cls((int(low_major), int(low_minor)), None if major == "-1" else (int(major), int(minor)))

    def __contains__(self, version: Version) -> bool:
        return version.minor >= self.low and (self.below is None or version.minor < self.below)

    def __and__(self, other: PythonRange) -> PythonRange:
        bounds = [bound for bound in (self.below, other.below) if bound is not None]
        return PythonRange(max(self.low, other.low), min(bounds, default=None))

    def __str__(self) -> str:
        low = f">={self.low[0]}.{self.low[1]}"
        return low if self.below is None else f"{low},<{self.below[0]}.{self.below[1]}"


@dataclass(frozen=True, slots=True)
class EngineRelease:
    """One vLLM wheel."""

    version: Version
    torch: Version
    """Exact pin of the wheel."""
    python: PythonRange
    transformers: str
    """Lower bound, with exclusions in words."""
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class TorchRelease:
    """One torch wheel of PyPI, the one `pip install torch` takes."""

    version: Version
    cuda: Version
    """CUDA it is built for and carries with it."""
    python: PythonRange
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class CudaRelease:
    """One CUDA toolkit; the third number of the version is its update."""

    version: Version
    min_driver: Version
    """Linux driver it was made with."""
    min_driver_branch: int
    """Oldest branch that runs it by minor-version compatibility, the same for its whole major version."""
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class DriverBranch:
    """One line of data-centre drivers."""

    name: str
    number: int
    designation: str
    end_of_life: str
    """Last month with fixes, `2028-06`."""
    max_cuda_major: int
    """Newest major version of CUDA it runs without a compatibility package."""
    newest_named: Version
    """Newest release of it that a CUDA toolkit names; the branch number alone where none does."""
    source: str
    date: str

    @property
    def is_long_term(self) -> bool:
        """NVIDIA's LTS branches: three years of fixes."""
        return self.designation == "LTS"


@dataclass(frozen=True, slots=True)
class VgpuHostDriver:
    """A driver package for hypervisors: no machine that runs CUDA can use it."""

    version: Version
    release: str
    guest: Version
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class GpuGeneration:
    """What one compute capability needs, and where support for it ends."""

    compute_capability: tuple[int, int]
    architecture: str
    first_cuda: Version
    first_driver_branch: int
    last_cuda_major: int | None
    last_driver_branch: int | None
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class CompatibilityFacts:
    """The matrix; each table ascends."""

    date: str
    python_default: Version
    engines: tuple[EngineRelease, ...]
    torches: tuple[TorchRelease, ...]
    cudas: tuple[CudaRelease, ...]
    driver_branches: tuple[DriverBranch, ...]
    vgpu_host_drivers: tuple[VgpuHostDriver, ...]
    gpu_generations: tuple[GpuGeneration, ...]
    attention_floors: Mapping[Attention, Version]

    def engine(self, version: Version) -> EngineRelease:
        """The last row at or below `version`; the oldest for what is older still, which the rules refuse."""
        return self.engines[_last_at_or_below([row.version for row in self.engines], version)]

    def torch(self, version: Version) -> TorchRelease:
        """A row of the same minor release, which has the same wheel, else the last at or below, else the oldest."""
        same = [row for row in self.torches if row.version.minor == version.minor]
        below = self.torches[_last_at_or_below([row.version for row in self.torches], version)]
        return below if below in same or not same else same[0]

    def cuda(self, version: Version) -> CudaRelease:
        """The toolkit whose driver `version` asks for: `12.4` is its first release, `12.4.1` update 1."""
        return self.cudas[_last_at_or_below([row.version for row in self.cudas], version)]

    def driver_branch(self, driver: Version) -> DriverBranch | None:
        """The branch of a driver, where the matrix has it."""
        return next((branch for branch in self.driver_branches if branch.number == driver.major), None)

    def vgpu_host_driver(self, driver: Version) -> VgpuHostDriver | None:
        """The entry of a hypervisor package."""
        return next((entry for entry in self.vgpu_host_drivers if entry.version == driver), None)

    def gpu_generation(self, compute_capability: tuple[int, int]) -> GpuGeneration:
        """The last row at or below; the oldest for what is older still, which every engine refuses."""
        known = [row.compute_capability for row in self.gpu_generations]
        return self.gpu_generations[_last_at_or_below(known, compute_capability)]


def _last_at_or_below(known: Sequence[Any], wanted: Any) -> int:
    return max(bisect_right(known, wanted) - 1, 0)


@cache
def load_compatibility() -> CompatibilityFacts:
    """The shipped matrix: no network, no clock, the same object on each call."""
    import yaml

    text = files("infra.catalog").joinpath("compatibility.yaml").read_text(encoding="utf-8")
    return compatibility_facts(yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))  # noqa: S506 both are safe


def compatibility_facts(tables: Row) -> CompatibilityFacts:
    """The tables of compatibility.yaml, typed."""
    branch_by_major = {row["major"]: row["min_driver_branch"] for row in tables["cuda_majors"]}
    cudas = tuple(_cuda(row, branch_by_major) for row in tables["cudas"])
    return CompatibilityFacts(
        date=tables["date"],
        python_default=Version.of(tables["python_default"]),
        engines=tuple(_engine(row) for row in tables["engines"]),
        torches=tuple(_torch(row) for row in tables["torches"]),
        cudas=cudas,
        driver_branches=tuple(_branch(row, cudas) for row in tables["driver_branches"]),
        vgpu_host_drivers=tuple(_vgpu_host(row) for row in tables["vgpu_host_drivers"]),
        gpu_generations=tuple(_generation(row) for row in tables["gpu_generations"]),
        attention_floors={
            Attention(row["attention"]): Version.of(row["min_engine_version"]) for row in tables["attention_floors"]
        },
    )


def _engine(row: Row) -> EngineRelease:
    return EngineRelease(
        version=Version.of(row["version"]),
        torch=Version.of(row["torch"]),
        python=PythonRange.of(row["python"]),
        transformers=row["transformers"],
        source=row["source"],
        date=row["date"],
    )


def _torch(row: Row) -> TorchRelease:
    return TorchRelease(
        version=Version.of(row["version"]),
        cuda=Version.of(row["cuda"]),
        python=PythonRange.of(row["python"]),
        source=row["source"],
        date=row["date"],
    )


def _cuda(row: Row, branch_by_major: Mapping[int, int]) -> CudaRelease:
    version = Version.of(row["version"])
    return CudaRelease(
        version=version,
        min_driver=Version.of(row["min_driver"]),
        min_driver_branch=branch_by_major[version.major],
        source=row["source"],
        date=row["date"],
    )


def _branch(row: Row, cudas: Sequence[CudaRelease]) -> DriverBranch:
    number = row["name"].removeprefix("R")
    named = [cuda.min_driver for cuda in cudas if cuda.min_driver.major == int(number)]
    return DriverBranch(number=int(number), newest_named=max(named, default=Version.of(number)), **row)


def _vgpu_host(row: Row) -> VgpuHostDriver:
    return VgpuHostDriver(
        version=Version.of(row["version"]),
        release=row["release"],
        guest=Version.of(row["guest"]),
        source=row["source"],
        date=row["date"],
    )


def _generation(row: Row) -> GpuGeneration:
    major, minor = row["compute_capability"]
    return GpuGeneration(
        compute_capability=(major, minor),
        architecture=row["architecture"],
        first_cuda=Version.of(row["first_cuda"]),
        first_driver_branch=row["first_driver_branch"],
        last_cuda_major=row.get("last_cuda_major"),
        last_driver_branch=row.get("last_driver_branch"),
        source=row["source"],
        date=row["date"],
    )
