"""Which engine, torch, CUDA, driver and Python go together for a model on a GPU, and how far that can be trusted.

The few releases of the matrix are tried one by one, and the newest that keeps what is fixed is described.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from infra.catalog.compatibility import CompatibilityFacts, Version
from infra.catalog.facts import Attention, Catalog, GpuFacts, ModelFacts
from infra.sizing.compatibility_repair import Conflict, Problem, explain_conflict
from infra.sizing.compatibility_rules import Choice, Code, Matrix, Stack, Wanted, read_stack
from infra.sizing.engine import FIRST_MLA, Engine

__all__ = ["Code", "Conflict", "Problem", "Resolved", "Stack", "Verdict", "changed", "resolve"]


class Verdict(StrEnum):
    """How the driver runs the CUDA of the wheel."""

    NATIVE = "native"
    MINOR_COMPATIBILITY = "minor_compatibility"
    """Older than the driver of that CUDA, in the same major version."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """One consistent choice, and what it rests on."""

    engine: str
    engine_version: str
    torch: str
    cuda: str
    driver: str
    python: str
    gpu: GpuFacts | None
    model: ModelFacts | None
    verdict: Verdict
    wheel: str
    """Tag of the torch wheel, `cu130`."""
    dtype: str | None
    """16-bit type the GPU computes in; None while the GPU is open."""
    python_range: str
    transformers: str
    min_driver: str
    """From it on the verdict is native."""
    min_compatible_driver: str
    """Oldest branch that runs this CUDA on this GPU at all."""
    driver_branch: str
    """Recommended today."""
    driver_branch_end_of_life: str
    warnings: tuple[str, ...]
    explanations: tuple[str, ...]
    gpu_warnings: tuple[str, ...] = ()
    """Those of `warnings` about the GPU and the formats of the model, which a plan has words of its own for."""

    @property
    def stack(self) -> Stack:
        """The same choice with every part fixed."""
        return Stack(
            self.engine,
            self.engine_version,
            self.driver,
            self.cuda,
            self.python,
            self.torch,
            self.gpu,
            self.model,
        )


def resolve(
    stack: Stack, facts: CompatibilityFacts, catalog: Catalog, today: date | None = None
) -> Resolved | Conflict:
    """The newest choice that keeps all that is fixed, or every problem with the least change that mends them.

    `today` decides which driver branches have ended; without it the day the facts were read.
    """
    month = f"{today:%Y-%m}" if today else facts.date[:7]
    matrix = Matrix(facts, catalog, month)
    wanted = read_stack(stack)
    newest = next(matrix.choices(wanted), None)
    return _describe(wanted, newest, matrix) if newest else explain_conflict(wanted, matrix)


def changed(stack: Stack, change: Mapping[str, str], catalog: Catalog) -> Stack:
    """The stack with a `change` of a problem or conflict made; GPU and model by their names in the catalogue."""
    texts = {key: value for key, value in change.items() if key not in ("gpu", "model")}
    gpu = catalog.gpu(change["gpu"]) if "gpu" in change else stack.gpu
    model = catalog.model(change["model"]) if "model" in change else stack.model
    return replace(stack, gpu=gpu, model=model, **texts)


def _describe(wanted: Wanted, choice: Choice, matrix: Matrix) -> Resolved:
    gpu, cuda, branch = wanted.gpu, choice.cuda, choice.branch
    native = choice.driver >= cuda.min_driver
    major, minor = choice.wheel.cuda.minor
    return Resolved(
        engine="vllm",
        engine_version=str(choice.engine),
        torch=str(choice.release.torch),
        cuda=str(wanted.cuda or choice.wheel.cuda),
        driver=str(choice.driver),
        python=str(choice.python),
        gpu=gpu,
        model=wanted.model,
        verdict=Verdict.NATIVE if native else Verdict.MINOR_COMPATIBILITY,
        wheel=f"cu{major}{minor}",
        dtype=None if gpu is None else "bfloat16" if gpu.supports_bf16 else "float16",
        python_range=str(choice.python_range),
        transformers=choice.release.transformers,
        min_driver=str(max(cuda.min_driver, Version.of(str(choice.oldest_branch)))),
        min_compatible_driver=str(choice.oldest_branch),
        driver_branch=branch.name,
        driver_branch_end_of_life=branch.end_of_life,
        warnings=tuple(_warnings(wanted, choice, matrix)),
        explanations=tuple(_explanations(wanted, choice, matrix)),
        gpu_warnings=tuple(_gpu_warnings(wanted, choice, matrix)),
    )


def _explanations(wanted: Wanted, choice: Choice, matrix: Matrix) -> Iterator[str]:
    torch, cuda, branch = choice.release.torch, choice.cuda, choice.branch
    chosen = "as asked" if wanted.engine_version else "newest of the matrix that keeps what is fixed"
    yield f"vLLM {choice.engine}: {chosen}"
    if wanted.model:
        yield f"{wanted.model.label}: served from vLLM {matrix.floor(wanted.model)} on"
    yield f"torch {torch}: exact pin of vLLM {choice.release.version}"
    read = "" if torch == choice.wheel.version else f" (read from {choice.wheel.version})"
    yield f"CUDA {choice.wheel.cuda}: carried by the default PyPI wheel of torch {torch}{read}"
    major = cuda.version.major
    floors = f"CUDA {cuda.version} is native from {cuda.min_driver}, any {major}.x runs from {cuda.min_driver_branch}"
    yield f"driver {choice.driver}: {floors}"
    yield f"driver branch today: {branch.name} ({branch.designation}), fixes until {branch.end_of_life}"
    yield f"Python {choice.python}: vLLM {choice.release.version} and torch {torch} take {choice.python_range}"


def _warnings(wanted: Wanted, choice: Choice, matrix: Matrix) -> Iterator[str]:
    row, newest = choice.release, matrix.facts.engines[-1].version
    if choice.engine != row.version:
        why = f"newer than {newest}, the newest there" if choice.engine > newest else "between two of its releases"
        yield f"vLLM {choice.engine} is not in the matrix ({why}); taken as {row.version}, with torch {row.torch}"
    yield from _driver_warnings(choice, matrix)
    yield from _gpu_warnings(wanted, choice, matrix)
    model = wanted.model
    if model and model.attention is Attention.LATENT and not Engine(choice.engine.parts).stores_latent_cache:
        first = Engine(FIRST_MLA)
        yield f"vLLM before {first} stores the cache of {model.label} as full heads, many times larger"
    bound = next(other.python.below for other in matrix.facts.engines if other.python.below)
    if row.python.below is None and choice.python.minor >= bound:
        yield f"vLLM {choice.engine} names no newest Python; later releases stopped below {bound[0]}.{bound[1]}"


def _driver_warnings(choice: Choice, matrix: Matrix) -> Iterator[str]:
    driver, cuda = choice.driver, choice.cuda
    if driver < cuda.min_driver:
        yield (
            f"driver {driver} is older than CUDA {cuda.version} ({cuda.min_driver}) and runs it by minor-version "
            "compatibility: no PTX compiled at run time, no GPU newer than the driver"
        )
    branch, live = matrix.facts.driver_branch(driver), f"maintained now: {matrix.live_branches(choice)}"
    if branch is None:
        yield f"driver branch R{driver.major} is not in the matrix, so its end of life is not known; {live}"
    elif branch.end_of_life < matrix.month:
        yield f"driver branch {branch.name} reached its end of life in {branch.end_of_life}; {live}"
    if "." not in driver.text:
        yield f"driver {driver} names a branch; its first release was assumed"


def _gpu_warnings(wanted: Wanted, choice: Choice, matrix: Matrix) -> Iterator[str]:
    gpu, model, generation = wanted.gpu, wanted.model, choice.generation
    if gpu is None or gpu.compute_capability is None or generation is None:
        return
    if gpu.compute_capability != generation.compute_capability:
        have, taken = (".".join(map(str, pair)) for pair in (gpu.compute_capability, generation.compute_capability))
        yield f"compute capability {have} of {gpu.name} is not in the matrix; taken as {taken}"
    missing = matrix.missing_kernels(wanted, Engine(choice.engine.parts))
    if model and missing.get(model.native_dtype):
        ways = ", ".join(name for name, lack in missing.items() if not lack)
        yield f"{model.label} does not run as published: {missing[model.native_dtype]}; quantisations that run: {ways}"
    elif not gpu.supports_bf16:
        yield f"{gpu.name} has no bf16 (compute capability 8.0); the engine must run in float16"
