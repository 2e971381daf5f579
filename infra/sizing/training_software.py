"""Which driver, CUDA and Python a trainer runs on.

A trainer (LLaMA-Factory, TRL, axolotl) pins no torch as vLLM does, so no engine takes part: what was given has to go
together with the GPU and with the default wheel of some torch release of the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from infra.catalog.compatibility import CompatibilityFacts, GpuGeneration, TorchRelease
from infra.catalog.facts import GpuFacts
from infra.sizing.compatibility_rules import Stack, Wanted, host_package, read_stack
from infra.sizing.refusal import Miss, Reason
from infra.sizing.request import PlanRequest

__all__ = ["TrainingSoftware"]


@dataclass(frozen=True, slots=True)
class TrainingSoftware:
    """Answers for what a request gives of the software."""

    wanted: Wanted
    facts: CompatibilityFacts

    @classmethod
    def of(cls, request: PlanRequest, facts: CompatibilityFacts) -> TrainingSoftware:
        """Of a request whose versions can be read."""
        return cls(read_stack(Stack(driver=request.driver, cuda=request.cuda, python=request.python)), facts)

    def check(self, gpu: GpuFacts | None) -> Miss | None:
        """What cannot be together on that GPU; None for `gpu` asks what cannot be on any."""
        return next(self._driver(gpu), None) or self._wheels(gpu)

    def notes(self, gpu: GpuFacts) -> list[str]:
        """What was given, and how long it lasts; nothing was given: nothing to say."""
        driver, month = self.wanted.driver, self.facts.date[:7]
        if not self.wanted.fixed():
            return []
        newest = self._usable(gpu)[-1]
        asked = ", ".join(f"{key} {getattr(self.wanted, key)}" for key in reversed(self.wanted.fixed()))
        notes = [f"{asked}: the newest torch that goes with it is {newest.version}, for CUDA {newest.cuda}"]
        branch = self.facts.driver_branch(driver) if driver else None
        if branch and branch.end_of_life < month:
            notes.append(f"driver branch {branch.name} reached its end of life in {branch.end_of_life}")
        return notes

    def _driver(self, gpu: GpuFacts | None) -> Iterator[Miss]:
        driver = self.wanted.driver
        if driver is None:
            return
        host = self.facts.vgpu_host_driver(driver)
        if host:
            message = host_package(self.facts, driver, host, self.facts.date[:7])
            fix = f"install driver {host.guest} or a newer branch"
            yield Miss(Reason.DRIVER, message, "driver", str(driver), None, fix)
        generation = self._generation(gpu)
        if gpu is None or generation is None:
            return
        oldest, last = max(generation.first_driver_branch, gpu.min_driver_branch or 0), generation.last_driver_branch
        if driver.major < oldest:
            message = f"driver {driver} is older than {gpu.name}, which needs branch {oldest} or later"
            fix = f"install driver {oldest} or later"
            yield Miss(Reason.DRIVER, message, "driver", str(driver), f"{oldest} or later", fix)
        if last and driver.major > last:
            message = f"driver {driver} no longer supports {gpu.name}: branch {last} was the last"
            yield Miss(Reason.DRIVER, message, "driver", str(driver), f"up to {last}", f"install driver {last}")

    def _generation(self, gpu: GpuFacts | None) -> GpuGeneration | None:
        capability = gpu.compute_capability if gpu else None
        return self.facts.gpu_generation(capability) if capability else None

    def _wheels(self, gpu: GpuFacts | None) -> Miss | None:
        """The first part of what was given after which no torch is left."""
        left, parts = self.facts.torches, []
        for rule in self._rules(gpu):
            before, left = left, tuple(wheel for wheel in left if rule.holds(wheel))
            parts.append(rule.part)
            if not left:
                allowed = rule.allowed(before)
                message = f"no torch release of the matrix goes with {', '.join(parts)}"
                return Miss(rule.reason, message, rule.key, rule.value, allowed, f"set {rule.key} to {allowed}")
        return None

    def _usable(self, gpu: GpuFacts) -> list[TorchRelease]:
        rules = self._rules(gpu)
        return [wheel for wheel in self.facts.torches if all(rule.holds(wheel) for rule in rules)]

    def _rules(self, gpu: GpuFacts | None) -> list[_Rule]:
        """What a wheel has to be, from the hardware to what is changed the easiest."""
        driver, cuda, python, generation = self.wanted.driver, self.wanted.cuda, self.wanted.python, None
        rules: list[_Rule] = []
        if gpu and self.wanted.fixed() and (generation := self._generation(gpu)):
            known = generation
            rules.append(
                _Rule(Reason.COMPUTE_CAPABILITY, "gpu", gpu.name, lambda one: _runs_on(one, known), _other_gpu)
            )
        if driver:
            rules.append(
                _Rule(Reason.DRIVER, "driver", str(driver), lambda one: self._oldest(one) <= driver.major, self._newer)
            )
        if cuda:
            rules.append(_Rule(Reason.CUDA, "cuda", str(cuda), lambda one: one.cuda.minor == cuda.minor, _cudas))
        if python:
            rules.append(_Rule(Reason.PYTHON, "python", str(python), lambda one: python in one.python, _pythons))
        return rules

    def _oldest(self, wheel: TorchRelease) -> int:
        return self.facts.cuda(wheel.cuda).min_driver_branch

    def _newer(self, wheels: Sequence[TorchRelease]) -> str:
        return f"{min(map(self._oldest, wheels))} or later"


@dataclass(frozen=True, slots=True)
class _Rule:
    """One part of what was given; `allowed` names what it could be, by the wheels that the rules before it leave."""

    reason: Reason
    key: str
    value: str
    holds: Callable[[TorchRelease], bool]
    allowed: Callable[[Sequence[TorchRelease]], str]

    @property
    def part(self) -> str:
        return self.value if self.key == "gpu" else f"{self.key} {self.value}"


def _runs_on(wheel: TorchRelease, generation: GpuGeneration) -> bool:
    last = generation.last_cuda_major
    return wheel.cuda >= generation.first_cuda and not (last and wheel.cuda.major > last)


def _other_gpu(_: Sequence[TorchRelease]) -> str:
    return "one that a torch release of the matrix runs on"


def _cudas(wheels: Sequence[TorchRelease]) -> str:
    return " or ".join(dict.fromkeys(str(wheel.cuda) for wheel in wheels))


def _pythons(wheels: Sequence[TorchRelease]) -> str:
    return " or ".join(dict.fromkeys(str(wheel.python) for wheel in wheels))
