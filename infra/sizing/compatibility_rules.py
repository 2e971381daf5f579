"""The rules of the compatibility matrix: what follows from an engine release, and what breaks it.

Everything follows from the release: it pins torch, whose default wheel carries one CUDA, which asks for a driver.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from infra.catalog.compatibility import (
    CompatibilityFacts,
    CudaRelease,
    DriverBranch,
    EngineRelease,
    GpuGeneration,
    PythonRange,
    TorchRelease,
    Version,
    VgpuHostDriver,
)
from infra.catalog.facts import Catalog, GpuFacts, ModelFacts
from infra.errors import ConfigurationError, raise_all
from infra.sizing.engine import Engine
from infra.sizing.kernels import check_gpu, check_quantization

__all__ = [
    "FORMS",
    "LIFTED_FIRST",
    "Choice",
    "Code",
    "Matrix",
    "Miss",
    "Stack",
    "Wanted",
    "host_package",
    "read_stack",
    "version_mistakes",
]

FORMS = {
    "engine_version": (r"v?(\d+\.\d+(?:\.\d+)?)(?:[.+-]?[a-z][a-z0-9.+-]*)?", "a vLLM release such as 0.33.0"),
    "driver": (r"R?(\d{3,4}(?:\.\d+){0,2})", "a driver such as 580.95.05, or its branch such as 580"),
    "cuda": (r"(\d+\.\d+(?:\.\d+)?)", "a CUDA release such as 12.8, or a wheel such as cu128"),
    "python": (r"(\d+\.\d+(?:\.\d+)?)", "a Python release such as 3.12"),
    "torch": (r"v?(\d+\.\d+(?:\.\d+)?)", "a torch release such as 2.14.0, without +cu130 (give cuda for it)"),
}
LONGEST = 40
"""Characters of a version."""
LIFTED_FIRST = ("cuda", "torch", "python", "engine_version", "driver", "gpu", "model")
"""From what follows by itself to what the work is about: no later one is changed where earlier ones suffice."""


class Code(StrEnum):
    """What disagrees."""

    DRIVER = "driver"
    CUDA = "cuda"
    ENGINE_VERSION = "engine_version"
    TORCH = "torch"
    COMPUTE_CAPABILITY = "compute_capability"
    PYTHON = "python"


@dataclass(frozen=True, slots=True)
class Stack:
    """What a person has fixed; None leaves a part open."""

    engine: str = "vllm"
    engine_version: str | None = None
    driver: str | None = None
    """A branch alone (`535`) is read as its first release, which is the safe side."""
    cuda: str | None = None
    """CUDA of the wheels; a toolkit installed beside them does not matter."""
    python: str | None = None
    torch: str | None = None
    """`2.5` allows each of its patch releases."""
    gpu: GpuFacts | None = None
    model: ModelFacts | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A `Stack` with its versions read."""

    engine_version: Version | None
    driver: Version | None
    cuda: Version | None
    python: Version | None
    torch: Version | None
    gpu: GpuFacts | None
    model: ModelFacts | None

    def fixed(self) -> list[str]:
        return [key for key in LIFTED_FIRST if getattr(self, key) is not None]


@dataclass(frozen=True, slots=True)
class Choice:
    """One engine release and all that follows from it."""

    engine: Version
    release: EngineRelease
    wheel: TorchRelease
    cuda: CudaRelease
    driver: Version
    python: Version
    python_range: PythonRange
    branch: DriverBranch
    generation: GpuGeneration | None
    oldest_branch: int
    """Older drivers run neither this CUDA nor this GPU."""


@dataclass(frozen=True, slots=True)
class Miss:
    """One rule that a choice breaks."""

    code: Code
    keys: tuple[str, ...]
    """Parts that take part in it, the subject of the message first."""
    message: str


def read_stack(stack: Stack) -> Wanted:
    """The versions read, or every one that cannot be."""
    if stack.engine != "vllm":
        raise _malformed("engine", stack.engine, "vllm")
    given = {key: getattr(stack, key) for key in FORMS}
    raise_all(version_mistakes(given))
    versions = {key: _version(key, text) if text is not None else None for key, text in given.items()}
    return Wanted(**versions, gpu=stack.gpu, model=stack.model)


def version_mistakes(given: Mapping[str, str | None]) -> list[ConfigurationError]:
    """Of the versions by their key in `FORMS`, each that has not that form."""
    unread = ((key, text) for key, text in given.items() if text is not None and not _match(key, text))
    return [_malformed(key, text, FORMS[key][1]) for key, text in unread]


def _match(key: str, text: str) -> re.Match[str] | None:
    wheel = re.fullmatch(r"cu([0-9]{2})([0-9])", text) if key == "cuda" else None
    spelled = f"{wheel[1]}.{wheel[2]}" if wheel else text
    return re.fullmatch(FORMS[key][0], spelled, re.ASCII) if len(text) <= LONGEST else None


def _version(key: str, text: str) -> Version:
    found = _match(key, text)
    assert found is not None  # noqa: S101 mistakes were raised before
    version = Version.of(found[1])
    return replace(version, text=".".join(map(str, version.parts))) if key == "engine_version" else version


def _malformed(key: str, text: str, allowed: str) -> ConfigurationError:
    key = re.sub("_v", "V", key)
    message, fix = f"{key}: {text!r} is not usable", f"write {allowed}"
    return ConfigurationError(message, code="SKS0207", key=key, value=text, allowed=allowed, fix=fix)


@dataclass(frozen=True, slots=True)
class Matrix:
    """The facts, and the rules over them."""

    facts: CompatibilityFacts
    catalog: Catalog
    month: str

    def choices(self, wanted: Wanted) -> Iterator[Choice]:
        """Every choice without a miss, newest engine first."""
        for engine in self._engines(wanted):
            choice = self.choose(engine, wanted)
            if next(self.misses(wanted, choice), None) is None:
                yield choice

    def allows(self, wanted: Wanted) -> bool:
        """Whether there is any choice."""
        return next(self.choices(wanted), None) is not None

    def _engines(self, wanted: Wanted) -> list[Version]:
        """Releases to try. A floor between two rows is tried too: it may be all that a model needs."""
        if wanted.engine_version:
            return [wanted.engine_version]
        listed = [row.version for row in self.facts.engines]
        floor = [self.floor(wanted.model)] if wanted.model else []
        return sorted({*listed, *floor}, reverse=True)

    def floor(self, model: ModelFacts) -> Version:
        """First engine release with code for the model: its own floor or that of its attention."""
        own = Version.of(str(Engine.parse(model.min_engine_version)))
        return max(own, self.facts.attention_floors.get(model.attention, own), self.facts.engines[0].version)

    def choose(self, engine: Version, wanted: Wanted) -> Choice:
        """What follows from the release; open parts get what suits it best."""
        release = self.facts.engine(engine)
        wheel = self.facts.torch(release.torch)
        exact = wheel.cuda
        if wanted.cuda and wanted.cuda.minor == exact.minor:
            exact = wanted.cuda
        cuda = self.facts.cuda(exact)
        gpu = wanted.gpu
        generation = None
        if gpu and gpu.compute_capability:
            generation = self.facts.gpu_generation(gpu.compute_capability)
        card = max(generation.first_driver_branch, gpu.min_driver_branch or 0) if gpu and generation else 0
        oldest = max(cuda.min_driver_branch, card)
        branch = self.suitable_branch(cuda, oldest, generation)
        python_range = release.python & wheel.python
        return Choice(
            engine=engine,
            release=release,
            wheel=wheel,
            cuda=cuda,
            driver=wanted.driver or max(branch.newest_named, Version.of(str(oldest))),
            python=wanted.python or _default_python(python_range, self.facts.python_default),
            python_range=python_range,
            branch=branch,
            generation=generation,
            oldest_branch=oldest,
        )

    def suitable_branch(self, cuda: CudaRelease, oldest: int, generation: GpuGeneration | None) -> DriverBranch:
        """Suits CUDA and GPU, has not ended, is native, long-term, with a release we can name, and lives longest."""
        newest = (generation and generation.last_driver_branch) or math.inf

        def rank(branch: DriverBranch) -> tuple[bool, bool, bool, bool, bool, str]:
            driver = branch.newest_named
            native, named = driver >= cuda.min_driver, driver.text != str(branch.number)
            alive = branch.end_of_life >= self.month
            return oldest <= branch.number <= newest, alive, native, branch.is_long_term, named, branch.end_of_life

        return max(self.facts.driver_branches, key=rank)

    def live_branches(self, choice: Choice) -> str:
        """Branches that run the choice and still get fixes."""
        newest = (choice.generation and choice.generation.last_driver_branch) or math.inf
        suited = [one for one in self.facts.driver_branches if choice.oldest_branch <= one.number <= newest]
        live = [one for one in suited if one.end_of_life >= self.month]
        return ", ".join(f"{one.name} ({one.designation}, to {one.end_of_life})" for one in live) or "none known"

    def misses(self, wanted: Wanted, choice: Choice) -> Iterator[Miss]:
        """Every rule the choice breaks."""
        yield from self._engine_misses(wanted, choice)
        yield from self._gpu_misses(wanted, choice)
        yield from self._driver_misses(wanted, choice)
        if choice.python not in choice.python_range:
            message = f"vLLM {choice.engine} with torch {choice.release.torch} needs Python {choice.python_range}"
            keys = ("python", "engine_version", "torch", "cuda")
            yield Miss(Code.PYTHON, keys, f"{message}, not {choice.python}")

    def _engine_misses(self, wanted: Wanted, choice: Choice) -> Iterator[Miss]:
        engine, torch, oldest = choice.engine, choice.release.torch, self.facts.engines[0].version
        if engine < oldest:
            message = f"vLLM {engine} is older than {oldest}, the oldest release of the matrix"
            yield Miss(Code.ENGINE_VERSION, ("engine_version",), message)
        model = wanted.model
        if model and engine < self.floor(model):
            message = f"{model.label} needs vLLM {self.floor(model)} or later, not {engine}"
            yield Miss(Code.ENGINE_VERSION, ("engine_version", "torch", "cuda", "model"), message)
        if wanted.torch and not _is_release_of(torch, wanted.torch):
            message = f"vLLM {engine} is built for torch {torch} exactly, not {wanted.torch}"
            yield Miss(Code.TORCH, ("torch", "engine_version", "cuda"), message)
        if wanted.cuda and wanted.cuda.minor != choice.wheel.cuda.minor:
            message = f"the wheel of torch {torch} carries CUDA {choice.wheel.cuda}, not {wanted.cuda}"
            yield Miss(Code.CUDA, ("cuda", "torch", "engine_version"), message)

    def _gpu_misses(self, wanted: Wanted, choice: Choice) -> Iterator[Miss]:
        gpu, generation, engine = wanted.gpu, choice.generation, Engine(choice.engine.parts)
        if gpu is None:
            return
        keys = ("gpu", "engine_version", "torch", "cuda")
        have = gpu.compute_capability
        if generation is None or have is None:
            message = f"{gpu.name} ({gpu.vendor}) has no CUDA, which the wheels of vLLM are built for"
            yield Miss(Code.COMPUTE_CAPABILITY, ("gpu",), message)
            return
        cuda, last = choice.wheel.cuda, generation.last_cuda_major
        if have < engine.min_compute_capability or (last and cuda.major > last):
            need = _dotted(engine.min_compute_capability)
            end = f"; CUDA {cuda.major} dropped {generation.architecture}" if last and cuda.major > last else ""
            message = f"{gpu.name} has compute capability {_dotted(have)}; vLLM {engine} needs {need}{end}"
            yield Miss(Code.COMPUTE_CAPABILITY, keys, message)
            return
        if cuda < generation.first_cuda:
            message = (
                f"{gpu.name} ({generation.architecture}) needs CUDA {generation.first_cuda} or later; "
                f"vLLM {engine} with torch {choice.release.torch} carries {cuda}"
            )
            yield Miss(Code.CUDA, keys, message)
        missing = self.missing_kernels(wanted, engine)
        if wanted.model and missing and all(missing.values()):
            message = missing.get(wanted.model.native_dtype) or next(iter(missing.values()))
            yield Miss(Code.COMPUTE_CAPABILITY, ("gpu", "model"), message)

    def missing_kernels(self, wanted: Wanted, engine: Engine) -> dict[str, str]:
        """Quantisations the model comes in, each with what the GPU lacks for it (nothing: an empty text)."""
        if not (wanted.model and wanted.gpu):
            return {}
        model, gpu = wanted.model, wanted.gpu
        kinds = [kind for kind in self.catalog.quantizations if check_quantization(model, kind) is None]
        found = {kind.name: check_gpu(model, kind, gpu, engine) for kind in kinds}
        return {name: miss.message if miss else "" for name, miss in found.items()}

    def _driver_misses(self, wanted: Wanted, choice: Choice) -> Iterator[Miss]:
        driver, cuda, gpu, generation = choice.driver, choice.cuda, wanted.gpu, choice.generation
        host = self.facts.vgpu_host_driver(driver)
        if host:
            message = host_package(self.facts, driver, host, self.month)
            yield Miss(Code.DRIVER, ("driver",), message)
        if driver.major < cuda.min_driver_branch:
            message = (
                f"driver {driver} cannot run CUDA {choice.wheel.cuda} of vLLM {choice.engine} (torch "
                f"{choice.release.torch}): CUDA {cuda.version.major}.x needs branch {cuda.min_driver_branch} or later"
            )
            yield Miss(Code.DRIVER, ("driver", "engine_version", "torch", "cuda"), message)
        elif gpu and driver.major < choice.oldest_branch:
            message = f"driver {driver} is older than {gpu.name}, which needs branch {choice.oldest_branch} or later"
            yield Miss(Code.DRIVER, ("driver", "gpu"), message)
        last = generation and generation.last_driver_branch
        if gpu and generation and last and driver.major > last:
            end = f"branch {last} was the last for {generation.architecture}"
            message = f"driver {driver} no longer supports {gpu.name}: {end}"
            yield Miss(Code.DRIVER, ("driver", "gpu"), message)


def host_package(facts: CompatibilityFacts, driver: Version, host: VgpuHostDriver, month: str) -> str:
    """Why no machine that runs CUDA takes that driver, whatever runs on it."""
    branch = facts.driver_branch(driver)
    ended = branch and branch.end_of_life < month
    end = f"; branch {branch.name} reached its end of life in {branch.end_of_life}" if branch and ended else ""
    return (
        f"driver {driver} is the {host.release} host package for hypervisors, not for machines that run CUDA "
        f"(a vGPU guest takes {host.guest}){end}"
    )


def _is_release_of(torch: Version, wanted: Version) -> bool:
    return torch.minor == wanted.minor if wanted.text.count(".") == 1 else torch == wanted


def _default_python(allowed: PythonRange, usual: Version) -> Version:
    """The usual one where it is allowed, else the nearest minor release that is."""
    if usual in allowed:
        return usual
    if usual.minor < allowed.low or allowed.below is None:
        return Version.of(f"{allowed.low[0]}.{allowed.low[1]}")
    return Version.of(f"{allowed.below[0]}.{allowed.below[1] - 1}")


def _dotted(pair: tuple[int, int]) -> str:
    return f"{pair[0]}.{pair[1]}"
