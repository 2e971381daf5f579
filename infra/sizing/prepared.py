"""What many requests over one catalogue share: its machines, which kernels are missing, and resolved software.

Only answers that follow from the facts alone are kept, so a second request gets what the first would have got.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from infra.catalog.compatibility import CompatibilityFacts
from infra.catalog.facts import Catalog, CpuInstanceFacts, GpuFacts, ModelFacts, QuantizationFacts
from infra.sizing import layout
from infra.sizing.arrangement import Arrangement, arrangements
from infra.sizing.compatibility import Conflict, Resolved, Stack, resolve
from infra.sizing.engine import Engine, Family, Version
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.machines import Machine, machine_of, machine_without_gpu
from infra.sizing.refusal import Miss, Reason
from infra.sizing.request import PlanRequest

__all__ = ["FitKey", "Prepared", "forget", "prepare"]

FitKey = tuple[str, str, Family, Version, int, int, int]
"""Quantisation, GPU, engine and release; tensor, pipeline and data parallel."""
KEPT = 4
LEAST = 16
"""Tokens of the smallest request, for a question that no amount of memory changes."""
WITHOUT_MEMORY = frozenset(
    {Reason.KERNEL, Reason.DTYPE, Reason.COMPUTE_CAPABILITY, Reason.ENGINE_VERSION, Reason.UNSUPPORTED_CACHE}
)
"""Causes that no context, number of requests or layout changes."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Answers over one catalogue and one matrix, each given once."""

    catalog: Catalog
    facts: CompatibilityFacts
    machines: tuple[Machine, ...]
    processors: tuple[CpuInstanceFacts, ...] = ()
    """EC2 types without accelerator that are machines too; only llama.cpp runs on them."""
    kernels: dict[tuple[str, str, str, Family, Version, str], Miss | None] = field(default_factory=dict)
    splits_of: dict[tuple[str, str, int], tuple[int, ...]] = field(default_factory=dict)
    ways: dict[tuple[object, ...], tuple[Arrangement, ...]] = field(default_factory=dict)
    software: dict[tuple[str | None, ...], Resolved | Conflict] = field(default_factory=dict)
    fits: dict[tuple[str | float | None, ...], dict[FitKey, Fit | Miss]] = field(default_factory=dict)

    def fits_of(self, model: ModelFacts, request: PlanRequest) -> dict[FitKey, Fit | Miss]:
        """Layouts sized for one model and workload; only the last few workloads are kept.

        The key is every field of the request that `fit` sees beside those of `FitKey`.
        """
        key = (
            model.id,
            str(request.engine),
            request.context_tokens,
            request.concurrency,
            request.utilization,
            str(request.kv_cache_dtype),
        )
        if key not in self.fits:
            while len(self.fits) >= KEPT:
                del self.fits[next(iter(self.fits))]
            self.fits[key] = {}
        return self.fits[key]

    def missing_kernel(
        self, model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, engine: Engine, kv_dtype: str
    ) -> Miss | None:
        """What rules the combination out whatever its memory."""
        key = (model.id, quantization.name, gpu.name, engine.family, engine.version, kv_dtype)
        if key not in self.kernels:
            outcome = fit(model, quantization, gpu, 1, Workload(LEAST, 1, 0.92, engine, kv_dtype))
            lacks = isinstance(outcome, Miss) and outcome.reason in WITHOUT_MEMORY
            self.kernels[key] = outcome if isinstance(outcome, Miss) and lacks else None
        return self.kernels[key]

    def splits(self, model: ModelFacts, quantization: QuantizationFacts, gpus: int) -> tuple[int, ...]:
        """Tensor-parallel sizes, ascending."""
        key = (model.id, quantization.name, gpus)
        if key not in self.splits_of:
            self.splits_of[key] = layout.splits(model, quantization, gpus)
        return self.splits_of[key]

    def arrangements(
        self, splits: tuple[int, ...], gpus: int, request: PlanRequest, **allowed: bool
    ) -> tuple[Arrangement, ...]:
        """Ways to lay a model over machines, by all that they depend on."""
        key = (
            splits,
            gpus,
            *allowed.values(),
            request.tensor_parallel,
            request.pipeline_parallel,
            request.data_parallel,
            request.nodes,
            request.concurrency,
            request.objective,
        )
        if key not in self.ways:
            self.ways[key] = arrangements(splits, gpus, request, **allowed)
        return self.ways[key]

    def resolve(self, stack: Stack) -> Resolved | Conflict:
        """The matrix's answer."""
        model, gpu = stack.model.id if stack.model else None, stack.gpu.name if stack.gpu else None
        key = (model, gpu, stack.engine_version, stack.driver, stack.cuda, stack.python, stack.torch)
        if key not in self.software:
            self.software[key] = resolve(stack, self.facts, self.catalog)
        return self.software[key]


_kept: list[Prepared] = []


def prepare(catalog: Catalog, facts: CompatibilityFacts, processors: tuple[CpuInstanceFacts, ...] = ()) -> Prepared:
    """The answers that belong to exactly these objects; the last few catalogues are kept."""
    for known in _kept:
        if known.catalog is catalog and known.facts is facts and known.processors is processors:
            return known
    accelerated = (machine_of(instance, catalog) for instance in catalog.instances)
    machines = (*accelerated, *(machine_without_gpu(one) for one in processors))
    _kept[:] = [Prepared(catalog, facts, machines, processors), *_kept[: KEPT - 1]]
    return _kept[0]


def forget() -> None:
    """Drop what was kept, so that a measurement starts from nothing."""
    _kept.clear()
