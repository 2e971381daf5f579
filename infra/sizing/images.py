"""What is known of the software in the images of SGLang and llama.cpp, and which drivers run it.

The matrix of `infra.catalog.compatibility` is of vLLM's releases. Its drivers, CUDA releases and GPUs hold for every
engine; torch and Python are left out where nobody published them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from infra.catalog.compatibility import CompatibilityFacts, GpuGeneration, PythonRange, Version
from infra.catalog.facts import Catalog, GpuFacts
from infra.sizing.compatibility_rules import Matrix, Stack, Wanted, read_stack
from infra.sizing.cpu import is_cpu
from infra.sizing.engine import NEWEST_OF, Engine, Family
from infra.sizing.refusal import Miss, Reason
from infra.sizing.request import PlanRequest
from infra.sizing.result import Software

__all__ = ["check_software", "engine_of", "software_of", "warnings_of"]

SGLANG_TORCH, SGLANG_PYTHON = "2.14.1", PythonRange((3, 11), None)
"""Exact pin and Requires-Python of the wheel of 0.5.23, read on 2026-11-24; other releases were not read."""
SGLANG_CUDA_13 = (0, 5, 20)
"""SGLang's installation page of November 2026: it needs CUDA 13, and 0.5.19 is the last release with a CUDA 12 lane."""
LLAMA_CPP_CUDA = {12: Version.of("12.8"), 13: Version((13, 0, 0), "13")}
"""llama.cpp docs/docker.md: `server-cuda` is built with CUDA 12.8.1, `server-cuda13` with one it does not name."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One engine on one GPU, or on a GPU that is open, with what was given of the software."""

    request: PlanRequest
    engine: Engine
    gpu: GpuFacts | None
    wanted: Wanted
    matrix: Matrix

    @property
    def generation(self) -> GpuGeneration | None:
        """What the matrix knows of GPUs of this compute capability."""
        capability = self.gpu.compute_capability if self.gpu else None
        return self.matrix.facts.gpu_generation(capability) if capability else None

    @property
    def cuda(self) -> Version | None:
        """CUDA of the image; None on a processor, and where it is not known."""
        if self.gpu is not None and self.generation is None:
            return None
        if self.engine.family is Family.SGLANG:
            return LLAMA_CPP_CUDA[13] if self.engine.version >= SGLANG_CUDA_13 else self.wanted.cuda
        if self.wanted.cuda:
            return LLAMA_CPP_CUDA.get(self.wanted.cuda.major, self.wanted.cuda)
        first = self.generation.first_cuda if self.generation else LLAMA_CPP_CUDA[12]
        return LLAMA_CPP_CUDA[13] if first > LLAMA_CPP_CUDA[12] else LLAMA_CPP_CUDA[12]

    @property
    def oldest_branch(self) -> int:
        """Of drivers: older ones run neither this CUDA nor this GPU; 0 where neither is known."""
        card = self.gpu.min_driver_branch or 0 if self.gpu else 0
        generation = self.generation.first_driver_branch if self.generation else 0
        runtime = self.matrix.facts.cuda(self.cuda).min_driver_branch if self.cuda else 0
        return max(card, generation, runtime)


def engine_of(request: PlanRequest) -> Engine:
    """The release that was named, else the newest known."""
    if request.engine_version:
        return Engine.parse(request.engine_version, request.engine)
    return Engine(NEWEST_OF[request.engine], request.engine)


def _case(
    request: PlanRequest, gpu: GpuFacts | None, driver: str | None, facts: CompatibilityFacts, all_: Catalog
) -> _Case:
    wanted = read_stack(Stack(driver=request.driver or driver, cuda=request.cuda, python=request.python))
    return _Case(request, engine_of(request), gpu, wanted, Matrix(facts, all_, facts.date[:7]))


def check_software(
    request: PlanRequest, gpu: GpuFacts | None, driver: str | None, facts: CompatibilityFacts, catalog: Catalog
) -> tuple[Miss, ...]:
    """Everything that was given and cannot be, or cannot be checked; `driver` is that of a machine one owns."""
    case = _case(request, gpu, driver, facts, catalog)
    return (*_python(case), *_cuda(case), *_driver(case))


def _python(case: _Case) -> Iterator[Miss]:
    python, name = case.wanted.python, case.engine.label
    if python is None:
        return
    if case.engine.family is Family.LLAMA_CPP:
        message = "llama.cpp is a program of its own and runs on no Python"
        yield Miss(Reason.PYTHON, message, "python", str(python), None, "leave out python")
    elif case.engine.version != NEWEST_OF[Family.SGLANG]:
        message = f"which Python {name} needs is not known here"
        yield Miss(Reason.PYTHON, message, "python", str(python), None, "leave out python")
    elif python not in SGLANG_PYTHON:
        message = f"{name} needs Python {SGLANG_PYTHON}, not {python}"
        fix = f"use Python {'.'.join(map(str, SGLANG_PYTHON.low))} or later"
        yield Miss(Reason.PYTHON, message, "python", str(python), str(SGLANG_PYTHON), fix)


def _cuda(case: _Case) -> Iterator[Miss]:
    asked, cuda, generation, name = case.wanted.cuda, case.cuda, case.generation, case.engine.label
    if asked and case.gpu and is_cpu(case.gpu):
        yield Miss(
            Reason.CUDA, f"{case.gpu.name} has no GPU, which CUDA is for", "cuda", str(asked), None, "leave out cuda"
        )
        return
    if asked and cuda and asked.major != cuda.major:
        message = f"{name} comes for CUDA {cuda}, not {asked}"
        fix = "leave out cuda, or take --engine-version 0.5.19, the last for CUDA 12"
        yield Miss(Reason.CUDA, message, "cuda", str(asked), str(cuda), fix)
    elif asked and asked.major not in LLAMA_CPP_CUDA:
        message, allowed = f"{name} comes for CUDA 12 and 13, not {asked}", "12.8 or 13.0"
        yield Miss(Reason.CUDA, message, "cuda", str(asked), allowed, f"set cuda to {allowed}")
    if cuda is None or generation is None or case.gpu is None:
        return
    last = generation.last_cuda_major
    if last and cuda.major > last:
        message = f"CUDA {cuda.major}, which {name} comes for, dropped {generation.architecture}: {case.gpu.name}"
        yield Miss(Reason.COMPUTE_CAPABILITY, message, "gpu", case.gpu.name, None, "take a newer GPU")
    if cuda < generation.first_cuda:
        message = (
            f"{case.gpu.name} ({generation.architecture}) needs CUDA {generation.first_cuda}; the image has {cuda}"
        )
        yield Miss(Reason.CUDA, message, "cuda", str(cuda), None, "leave out cuda")


def _driver(case: _Case) -> Iterator[Miss]:
    driver, facts = case.wanted.driver, case.matrix.facts
    if driver is None:
        return
    if case.gpu and is_cpu(case.gpu):
        message = f"{case.gpu.name} has no GPU, which a driver is for"
        yield Miss(Reason.DRIVER, message, "driver", str(driver), None, "leave out driver")
        return
    host, last = facts.vgpu_host_driver(driver), case.generation and case.generation.last_driver_branch
    if host:
        message = (
            f"driver {driver} is the {host.release} host package for hypervisors (a vGPU guest takes {host.guest})"
        )
        yield Miss(
            Reason.DRIVER, message, "driver", str(driver), None, f"install driver {host.guest} or a newer branch"
        )
    if driver.major < case.oldest_branch:
        what = f"{case.engine.label} for CUDA {case.cuda}" if case.cuda else case.engine.label
        where = f" on {case.gpu.name}" if case.gpu else ""
        message = f"driver {driver} is too old for {what}{where}: branch {case.oldest_branch} or later is needed"
        fix = f"install driver {case.oldest_branch} or later"
        yield Miss(Reason.DRIVER, message, "driver", str(driver), f"{case.oldest_branch} or later", fix)
    elif case.gpu and last and driver.major > last:
        message = f"driver {driver} no longer supports {case.gpu.name}: branch {last} was the last"
        yield Miss(Reason.DRIVER, message, "driver", str(driver), f"up to {last}", f"install driver {last}")


def software_of(
    request: PlanRequest, gpu: GpuFacts, driver: str | None, facts: CompatibilityFacts, catalog: Catalog
) -> Software:
    """What is known around the engine on that GPU or processor; None for the rest."""
    case = _case(request, gpu, driver, facts, catalog)
    engine, cuda = case.engine, case.cuda
    newest = engine.family is Family.SGLANG and engine.version == NEWEST_OF[Family.SGLANG]
    how = "as asked" if request.engine_version else "the newest that this release of seekstack knows"
    lines = [f"{engine.label}: {how}"]
    if newest:
        lines.append(f"torch {SGLANG_TORCH}: exact pin of its wheel; Python {SGLANG_PYTHON}")
    if cuda is None:
        lines.append(
            "no CUDA: it runs on the processor" if is_cpu(gpu) else "CUDA and driver: not known for this release"
        )
        return Software(SGLANG_TORCH if newest else None, None, None, None, None, None, None, tuple(lines))
    release, oldest = facts.cuda(cuda), case.oldest_branch
    branch = case.matrix.suitable_branch(release, oldest, case.generation)
    floor = max(release.min_driver, Version.of(str(oldest)))
    given = case.wanted.driver or max(branch.newest_named, Version.of(str(oldest)))
    lines.append(f"CUDA {cuda}: of the image; native from driver {release.min_driver}, runs from branch {oldest}")
    lines.append(f"driver branch today: {branch.name} ({branch.designation}), fixes until {branch.end_of_life}")
    return Software(
        torch=SGLANG_TORCH if newest else None,
        cuda=str(cuda),
        python=str(case.wanted.python) if case.wanted.python else None,
        min_driver=str(floor),
        driver=str(given),
        driver_branch=branch.name,
        driver_branch_end_of_life=branch.end_of_life,
        arithmetic=tuple(lines),
    )


def warnings_of(
    request: PlanRequest, gpu: GpuFacts, driver: str | None, facts: CompatibilityFacts, catalog: Catalog
) -> tuple[str, ...]:
    """What works, and not for ever or not in full."""
    case = _case(request, gpu, driver, facts, catalog)
    installed, cuda = case.wanted.driver, case.cuda
    if installed is None or cuda is None:
        return ()
    notes, branch = [], facts.driver_branch(installed)
    if installed < facts.cuda(cuda).min_driver:
        notes.append(
            f"driver {installed} is older than CUDA {cuda} ({facts.cuda(cuda).min_driver}) and runs it by "
            "minor-version compatibility: no PTX compiled at run time, no GPU newer than the driver"
        )
    if branch and branch.end_of_life < case.matrix.month:
        notes.append(f"driver branch {branch.name} reached its end of life in {branch.end_of_life}")
    return tuple(notes)
