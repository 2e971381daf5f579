"""The engine release a plan rests on, and the torch, CUDA and driver that follow from it, for each GPU."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from infra.catalog.facts import GpuFacts, ModelFacts
from infra.sizing import images
from infra.sizing.compatibility import Conflict, Resolved, Stack
from infra.sizing.engine import Engine, Family
from infra.sizing.prepared import Prepared
from infra.sizing.refusal import Miss, Reason
from infra.sizing.request import DEFAULT_ENGINE_VERSION, PlanRequest

__all__ = ["SoftwareOnGpus", "misses_of"]


@dataclass(frozen=True, slots=True)
class SoftwareOnGpus:
    """Answers for one model and what was given of the software."""

    model: ModelFacts
    request: PlanRequest
    prepared: Prepared
    engines: dict[tuple[str, str | None], Engine | Miss] = field(default_factory=dict)

    def resolve(self, gpu: GpuFacts | None, driver: str | None = None) -> Resolved | Conflict:
        """What goes together on `gpu`; `driver` is that of a machine, where the request names none."""
        request, installed = self.request, self.request.driver or driver
        given = request.names_software or driver
        is_open = not (installed or request.cuda or request.python)
        return self.prepared.resolve(
            Stack(
                engine_version=request.engine_version or (DEFAULT_ENGINE_VERSION if is_open else None),
                driver=installed,
                cuda=request.cuda,
                python=request.python,
                gpu=gpu,
                model=self.model if given else None,
            )
        )

    def engine(self, gpu: GpuFacts, driver: str | None = None) -> Engine | Miss:
        """The engine to size with. Where nothing was given the newest release is taken without asking: `fit` checks
        its kernels. A GPU without CUDA is left to `fit` too, which has the reason."""
        key = (gpu.name, driver)
        if key not in self.engines:
            self.engines[key] = self._engine(gpu, driver)
        return self.engines[key]

    def _engine(self, gpu: GpuFacts, driver: str | None) -> Engine | Miss:
        if self.request.engine is not Family.VLLM:
            facts, catalog = self.prepared.facts, self.prepared.catalog
            misses = images.check_software(self.request, gpu, driver, facts, catalog)
            return misses[0] if misses else images.engine_of(self.request)
        given = self.request.names_software or driver
        if not given or gpu.compute_capability is None:
            return Engine.parse(self.request.engine_version or DEFAULT_ENGINE_VERSION)
        answer = self.resolve(gpu, driver)
        return misses_of(answer)[0] if isinstance(answer, Conflict) else Engine.parse(answer.engine_version)


def misses_of(conflict: Conflict) -> tuple[Miss, ...]:
    """Each problem with its own fix; together the fixes work."""
    return tuple(
        Miss(
            Reason(problem.code),
            problem.message,
            re.sub("_v", "V", problem.key),
            None,
            problem.allowed,
            problem.fix,
        )
        for problem in conflict.problems
    )
