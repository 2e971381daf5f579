"""Rows of public logs in the shape of sizing_open.csv, and what the sizing makes of the names in them.

Nothing here looks a row up by its id. A name that is not known gives a `Skip` with the reason, never an exception.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from benchmarks.sizing_gpu_names import find_gpu, stated_count
from benchmarks.sizing_model_names import find_model, find_quantization
from benchmarks.sizing_table import Row, Skip, TableError, read_rows, row_of
from infra.catalog.facts import Attention, Catalog, GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.load import load
from infra.sizing import budgets, layout
from infra.sizing.compressed_cache import DSPARK_LAYERS
from infra.sizing.engine import NEWEST, Engine, Family, Version
from infra.sizing.memory import LONG_CONTEXT

__all__ = [
    "Case",
    "Row",
    "Skip",
    "TableError",
    "assumptions",
    "fit_context",
    "is_compressed",
    "profile_context",
    "read_rows",
    "resolve",
    "row_of",
]

RELEASES: tuple[tuple[str, Version], ...] = (
    ("2024-05", (0, 4, 2)),
    ("2024-08", (0, 5, 4)),
    ("2024-10", (0, 6, 3)),
    ("2024-12", (0, 6, 6)),
    ("2025-02", (0, 7, 3)),
    ("2025-03", (0, 8, 1)),
    ("2025-04", (0, 8, 5)),
    ("2025-07", (0, 9, 2)),
    ("2025-09", (0, 10, 2)),
    ("2025-10", (0, 11, 0)),
    ("2025-12", (0, 12, 0)),
    ("2026-02", (0, 14, 0)),
    ("2026-04", (0, 19, 0)),
    ("2026-05", (0, 20, 0)),
    ("2026-06", (0, 22, 0)),
    ("2026-07", (0, 25, 0)),
    ("2026-08", (0, 26, 0)),
)
"""vLLM's newest release in a month: what a dated row without a version ran (PyPI to 2025, issues dated and versioned
after)."""

ISSUES = (
    (0, "2023-06"),
    (2000, "2023-12"),
    (6100, "2024-07"),
    (10500, "2024-11"),
    (13000, "2025-02"),
    (14100, "2025-03"),
    (15900, "2025-04"),
    (23500, "2025-08"),
    (32300, "2026-01"),
    (37300, "2026-03"),
    (44300, "2026-06"),
    (51000, "2026-08"),
)
"""First numbers of vLLM's issues and pull requests in a month (both count up together): the date of a row that has no
other."""

PROVIDER_UTILIZATION = 0.95
"""A row that asks for the longest context and states no utilization comes from somebody who raised it to get there."""
SPARSE_16_BIT_SINCE: Version = (0, 12, 0)
"""vLLM packed V3.2's cache by default in 0.11 (PR 25988), not in 0.16 (R32); the release between is not known. Our own
plans name the packed format."""
WORKING_CONTEXT = 8192
"""Where a row states no context and the engine does not insist on one: the product's own default."""

ENGINES = {
    "ollama": Family.OLLAMA,
    "llama": Family.LLAMA_CPP,
    "sglang": Family.SGLANG,
    "lmdeploy": Family.LMDEPLOY,
    "vllm": Family.VLLM,
    "optimum-neuron": Family.VLLM,
}


@dataclass(frozen=True, slots=True)
class Case:
    """A row with its names resolved."""

    row: Row
    model: ModelFacts
    quantization: QuantizationFacts
    gpu: GpuFacts | None
    engine: Engine
    tp: int
    pp: int
    dp: int
    utilization: float
    draft_layers: int

    @property
    def gpus(self) -> int:
        """All ranks."""
        return self.tp * self.pp * self.dp


def resolve(row: Row, catalog: Catalog | None = None) -> Case | Skip:
    """The row's names as facts, and what it leaves out as a person would fill it in."""
    known = catalog or load()
    if row.unreadable:
        return Skip(f"not readable: {', '.join(row.unreadable)}")
    family = next((found for start, found in ENGINES.items() if start in row.engine.casefold()), None)
    if family is None:
        return Skip(f"engine {row.engine or '(none)'} is not modelled")
    model = find_model(row, known, _month(row))
    if model is None:
        return Skip(f"model {row.model or '(none)'} is not known")
    if not model.layers and row.kind != "weights":
        return Skip(f"the shape of {model.label} is not published")
    quantization = find_quantization(row, model, known)
    if quantization is None:
        return Skip(f"quantisation {row.quantization or row.model!r} of {model.label} is not known")
    gpu = _gpu(row, known)
    if isinstance(gpu, Skip):
        return gpu
    return _case(_counted(row), family, model, quantization, gpu)


def _gpu(row: Row, catalog: Catalog) -> GpuFacts | Skip | None:
    """None for a row that needs no GPU."""
    if row.gpu.casefold() in ("", "any", "cpu"):
        return None
    counted = stated_count(row.gpu)
    if counted and row.gpu_count and row.gpu_count not in (counted, counted * row.nodes):
        return Skip(f"GPU {row.gpu} is not {row.gpu_count} GPUs")
    gpu = find_gpu(row, catalog)
    return None if isinstance(gpu, Skip) and row.kind in ("kv_formula", "parallel_rule") else gpu


def _counted(row: Row) -> Row:
    """With the number of GPUs that the GPU's name states, of one node, where the row has no other."""
    counted = stated_count(row.gpu)
    return replace(row, gpu_count=counted * row.nodes) if counted and not row.gpu_count else row


def assumptions(row: Row) -> list[str]:
    """What is filled in for a row that a reader of the report should know of."""
    counted = _counted(row)
    if row.gpu_count or (not counted.gpu_count and not row.tp):
        return []
    if counted.gpu_count:
        return [f"gpu_count is empty: {counted.gpu_count} from {row.gpu!r}"]
    return [f"gpu_count is empty: {(row.tp or 1) * row.pp * row.dp} from tp x pp x dp"]


def _case(row: Row, family: Family, model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts | None) -> Case:
    engine = Engine.read(family, row.version, gpu.vendor if gpu else "NVIDIA", _release_at(row))
    if model.attention is Attention.SPARSE_LATENT and row.kv_dtype == "auto" and not _packs(engine):
        row = replace(row, kv_dtype="bf16")
    tp, pp = _spread(row, model, quantization)
    if gpu is not None and row.gpu_count and tp * pp * row.dp > row.gpu_count:
        gpu = replace(gpu, usable_bytes=gpu.usable_bytes * row.gpu_count // (tp * pp * row.dp))
    utilization = row.utilization
    if utilization is None and row.kind == "max_context" and family is Family.VLLM:
        utilization = PROVIDER_UTILIZATION
    if utilization is None:
        utilization = budgets.default_utilization(engine, gpu, tp * pp) if gpu else engine.default_utilization
    draft = DSPARK_LAYERS if "dspark" in row.model.casefold() else 0
    return Case(row, model, quantization, gpu, engine, tp, pp, row.dp, utilization, draft)


def _packs(engine: Engine) -> bool:
    return engine.family is Family.VLLM and engine.version < SPARSE_16_BIT_SINCE


def _spread(row: Row, model: ModelFacts, quantization: QuantizationFacts) -> tuple[int, int]:
    if row.tp:
        return row.tp, row.pp
    gpus = row.gpu_count or 1
    if row.kind in ("parallel_rule", "kv_formula", "weights"):
        return gpus, row.pp
    ranks, stages = layout.spread(model, quantization, gpus, row.nodes, row.dp)
    return (max(1, gpus // (row.pp * row.dp)), row.pp) if row.pp > 1 else (ranks, stages)


def _release_at(row: Row) -> Version:
    """The release of the month a row names, in its version or its source; without a month the newest."""
    month = _month(row)
    if not month:
        return NEWEST
    return max((version for since, version in RELEASES if since <= month), default=RELEASES[0][1])


def _month(row: Row) -> str | None:
    return _month_of(row.version) or _month_of(row.source)


def _month_of(text: str) -> str | None:
    named = re.search(r"(20\d\d-[01]\d)", text)
    if named:
        return named[1]
    issue = re.search(r"vllm-project/vllm (?:issues?|PRs?) #?(\d+)", text, flags=re.IGNORECASE)
    return max(month for number, month in ISSUES if number <= int(issue[1])) if issue else None


def fit_context(case: Case) -> int:
    """The context a start must serve: the row's; for a `fit` row the engine's own default; else a working one.

    SGLang starts with a cache shorter than the context (R22, R23).
    """
    if case.row.context and case.engine.family is not Family.SGLANG:
        return case.row.context
    if case.row.kind == "fit" and case.gpu is not None:
        return budgets.default_context(case.engine, case.gpu, case.model) or WORKING_CONTEXT
    return WORKING_CONTEXT


def profile_context(case: Case) -> int:
    """The context behind a printed capacity; unstated, the model's own.

    V0 before 0.8 took a latent model's whole context in one piece, which nobody could run at full length: 32 Ki
    tokens, the length that Red Hat's two figures for V3 (0.7.0 and 0.7.1) have in common.
    """
    if case.row.context:
        return case.row.context
    own = case.model.max_positions or WORKING_CONTEXT
    in_one_piece = case.engine.family is Family.VLLM and case.engine.version < (0, 8, 0) and case.model.kv_lora_rank
    return min(own, LONG_CONTEXT) if in_one_piece else own


def is_compressed(case: Case) -> bool:
    """Whether tokens and bytes are no simple rate."""
    return case.model.attention is Attention.COMPRESSED
