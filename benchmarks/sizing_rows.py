"""Rows of public logs in the shape of sizing_open.csv, and what the sizing makes of the names in them.

Nothing here looks a row up by its id. A name that is not known gives a `Skip` with the reason, never an exception.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

from infra.catalog.facts import Attention, Catalog, GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.load import load, model_facts
from infra.errors import ConfigurationError
from infra.sizing import budgets, gguf, layout
from infra.sizing.compressed_cache import DSPARK_LAYERS
from infra.sizing.engine import NEWEST, Engine, Family, Version
from infra.sizing.memory import LONG_CONTEXT

HERE = Path(__file__).resolve().parent

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
LARGEST_COUNT = 10**8
"""Counts above are no counts: ranks, tokens of one context."""
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
FORMATS = (
    (r"w4a8|w4afp8", "w4a8"),
    (r"awq", "awq"),
    (r"gptq|int4|w4a16|autoround", "gptq"),
    (r"nf4|bnb|bitsandbytes", "nf4"),
    (r"native|fp4.*fp8", "fp4_fp8"),
    (r"fp4", "nvfp4"),
    (r"fp8|f8_e4m3|e4m3", "fp8"),
    (r"int8|w8a8", "int8"),
    (r"bf16|bfloat16", "bf16"),
    (r"fp16|float16|\bf16\b|half", "fp16"),
    (r"\b4[- ]?bit", "gptq"),
    (r"\b8[- ]?bit", "int8"),
)
"""Spelling of a quantisation, in this order, and the catalogue's name; GGUF kinds are read before."""
SUFFIXES = re.compile(
    r"[-_](?:instruct|chat|base|it|fp8|fp8-dynamic|awq|gptq|gguf|int4|int8|w8a8|w4a8|nvfp4|fp4|dspark|bnb-4bit|bf16|hf"
    r"|dynamic|quantized\.w8a8|fp8-kv|terminus|zero|preview|exp|671b|0528|\d{4})$",
    re.IGNORECASE,
)

MOST_GIB = 10_000
"""No accelerator has more: a larger figure is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, with what is missing as None."""

    id: str
    kind: str
    model: str
    proxy_for: str
    quantization: str
    kv_dtype: str
    gpu: str
    gpu_count: int | None
    nodes: int
    tp: int | None
    pp: int
    dp: int
    context: int | None
    utilization: float | None
    engine: str
    version: str
    total_gib: float | None
    weights_gib: float | None
    kv_gib: float | None
    kv_digits: int
    kv_tokens: float | None
    fits: bool | None
    confidence: str
    source: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a row is not scored."""

    reason: str


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


def read_rows(path: Path) -> list[Row]:
    """Every row of the file; columns that are missing count as empty."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return [row_of(fields, number) for number, fields in enumerate(csv.DictReader(file), start=2)]


def row_of(fields: Mapping[str, str | None], number: int = 0) -> Row:
    """One row; numbers may have thousands separators, and words where a number should stand count as missing."""

    def text(name: str) -> str:
        return (fields.get(name) or "").strip()

    kv_gib = text("kv_gib_per_gpu")
    return Row(
        id=text("id") or f"line {number}",
        kind=text("kind").casefold(),
        model=text("model"),
        proxy_for=text("proxy_for"),
        quantization=text("weights_quant"),
        kv_dtype=text("kv_dtype") or "auto",
        gpu=text("gpu"),
        gpu_count=_whole(text("gpu_count")),
        nodes=_whole(text("nodes")) or 1,
        tp=_whole(text("tp")),
        pp=_whole(text("pp")) or 1,
        dp=_whole(text("dp")) or 1,
        context=_whole(text("max_model_len")),
        utilization=_share(text("mem_util")),
        engine=text("engine"),
        version=text("engine_version"),
        total_gib=_positive(text("total_gib_per_gpu")),
        weights_gib=_positive(text("weights_gib_per_gpu")),
        kv_gib=_number(kv_gib),
        kv_digits=len(kv_gib.partition(".")[2]) if "e" not in kv_gib.casefold() else 9,
        kv_tokens=_positive(text("kv_tokens")),
        fits={"yes": True, "true": True, "no": False, "false": False}.get(text("fits").casefold()),
        confidence=text("confidence").casefold(),
        source=text("source"),
    )


def _number(text: str) -> float | None:
    try:
        value = float(text.replace(",", "").removesuffix("%"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _positive(text: str) -> float | None:
    value = _number(text)
    return value if value is not None and value > 0 else None


def _share(text: str) -> float | None:
    """0.9, 90 or 90 %; anything else is no share of a GPU."""
    value = _positive(text)
    if value is not None and value > 1:
        value /= 100
    return value if value is not None and value <= 1 else None


def _whole(text: str) -> int | None:
    value = _number(text)
    return int(value) if value is not None and 1 <= value <= LARGEST_COUNT else None


def resolve(row: Row, catalog: Catalog | None = None) -> Case | Skip:
    """The row's names as facts, and what it leaves out as a person would fill it in."""
    known = catalog or load()
    family = next((found for start, found in ENGINES.items() if start in row.engine.casefold()), None)
    if family is None:
        return Skip(f"engine {row.engine or '(none)'} is not modelled")
    model = find_model(row, known)
    if model is None:
        return Skip(f"model {row.model or '(none)'} is not known")
    if not model.layers and row.kind != "weights":
        return Skip(f"the shape of {model.label} is not published")
    quantization = find_quantization(row, model, known)
    if quantization is None:
        return Skip(f"quantisation {row.quantization!r} of {model.label} is not known")
    gpu = find_gpu(row, known)
    if gpu is None and row.gpu.casefold() not in ("", "any", "cpu") and row.kind not in ("kv_formula", "parallel_rule"):
        return Skip(f"GPU {row.gpu} is not known")
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
    month = _month_of(row.version) or _month_of(row.source)
    if not month:
        return NEWEST
    return max((version for since, version in RELEASES if since <= month), default=RELEASES[0][1])


def _month_of(text: str) -> str | None:
    named = re.search(r"(20\d\d-[01]\d)", text)
    if named:
        return named[1]
    issue = re.search(r"vllm-project/vllm (?:issues?|PRs?) #?(\d+)", text, flags=re.IGNORECASE)
    return max(month for number, month in ISSUES if number <= int(issue[1])) if issue else None


def find_model(row: Row, catalog: Catalog) -> ModelFacts | None:
    """By the name, by the name without its suffixes, else by the model it stands for."""
    table = proxies()
    for name in (*_spellings(row.model), *_spellings(row.proxy_for)):
        folded = name.casefold()
        if folded in table:
            return table[folded]
        try:
            return catalog.model(name)
        except ConfigurationError:
            continue
    return None


def _spellings(text: str) -> Iterator[str]:
    """`deepseek-ai/DeepSeek-V2-Lite-Chat (note)` → with and without prefix and suffixes, longest first."""
    name = re.sub(r"\(.*?\)", "", text).strip().rpartition("/")[2].strip()
    seen: list[str] = []
    while name and name not in seen:
        seen.append(name)
        yield name
        if not name.casefold().startswith("deepseek-"):
            yield f"DeepSeek-{name}"
        if not name.casefold().endswith(("-instruct", "-base")):
            yield f"{name}-instruct"
            yield f"{name}-base"
        name = SUFFIXES.sub("", name)


@cache
def proxies() -> dict[str, ModelFacts]:
    """Models of other makers that public logs name, by lower-case name and alias."""
    document = yaml.safe_load((HERE / "proxy_models.yaml").read_text(encoding="utf-8"))
    models = [model_facts(row) for row in document["models"]]
    return {name.casefold(): model for model in models for name in (model.label, *model.aliases)}


def find_quantization(row: Row, model: ModelFacts, catalog: Catalog) -> QuantizationFacts | None:
    """A GGUF kind where one is named, else the first spelling that occurs; empty is as published."""
    text = row.quantization.casefold()
    if not text:
        return catalog.quantization(model.native_dtype)
    kind = gguf.KIND.search(row.quantization.upper())
    if "gguf" in text or (kind and not kind[1].endswith(("F16", "F32"))):
        bits = gguf.bits_per_weight(model, row.quantization) or gguf.bits_per_weight(model, row.model)
        return gguf.quantization(bits, row.quantization) if bits else None
    name = next((name for pattern, name in FORMATS if re.search(pattern, text)), None)
    if model.native_dtype == "fp4_fp8" and name in ("fp8", "nvfp4"):
        name = model.native_dtype  # V4 is published in one mixed form only, which logs call by either part
    return catalog.quantization(name) if name else None


USUAL_SIZES = {"h20": "H20-96"}
"""What a log means that names no size: the H20 with 141 GB came two years later."""


def find_gpu(row: Row, catalog: Catalog) -> GpuFacts | None:
    """By name or alias, without maker and without the size; the total that the row's engine printed replaces ours."""
    name = re.sub(r"\(.*?\)", "", row.gpu).strip()
    name = re.sub(r"^(NVIDIA|AMD|Intel|AWS)\s+", "", name, flags=re.IGNORECASE)
    sizeless = re.sub(r"[- ]?\d+ ?GB$|[- ]\d+$", "", name)
    boardless = re.sub(r"[- ](SXM\d?|PCIe|NVL)\b.*", "", name)
    for spelling in filter(None, dict.fromkeys((name, name.replace(" ", ""), sizeless, boardless))):
        gpu = _gpu_named(spelling, catalog)
        if gpu is not None:
            stated = row.total_gib if row.total_gib and row.total_gib < MOST_GIB else None
            return replace(gpu, usable_bytes=round(stated * 2**30)) if stated else gpu
    return None


def _gpu_named(spelling: str, catalog: Catalog) -> GpuFacts | None:
    """The GPU of that name; of several sizes the usual one, else the largest."""
    try:
        return catalog.gpu(USUAL_SIZES.get(spelling.casefold(), spelling))
    except ConfigurationError:
        sizes = [gpu for gpu in catalog.gpus if gpu.name.casefold().startswith(f"{spelling.casefold()}-")]
        return max(sizes, key=lambda gpu: gpu.usable_bytes, default=None)


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
