"""Scores of the sizing and of the baselines on rows of public logs, by kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field

from benchmarks.sizing_baselines import BASELINES
from benchmarks.sizing_rows import (
    Case,
    Row,
    Skip,
    assumptions,
    fit_context,
    is_compressed,
    profile_context,
    resolve,
)
from infra.catalog.facts import Catalog
from infra.sizing import budgets, kv_cache, layout, memory, weights
from infra.sizing.compressed_cache import BLOCK_TOKENS, compressed_cache
from infra.sizing.engine import FIRST_MEASURED, Engine, Family, Generation
from infra.sizing.fit import Fit, Workload, fit
from infra.units import gib, to_gib

__all__ = ["Judgement", "Score", "judge", "score"]

CONFIDENT = ("high", "medium")
CPU_CACHE = gib(4)
"""vLLM's CPU backend takes 4 GiB where VLLM_CPU_KVCACHE_SPACE is not set."""
CAPACITY_SHARE, CAPACITY_OF_GPU = 0.10, 0.02
WEIGHTS_SHARE, CONTEXT_SHARE = 0.03, 0.15


@dataclass(frozen=True, slots=True)
class Judgement:
    """One comparison of one row."""

    row: str
    metric: str
    confidence: str
    right: bool
    expected: str
    ours: str
    note: str
    baselines: dict[str, bool]


@dataclass(slots=True)
class Score:
    """Everything of one file."""

    rows: int = 0
    judgements: list[Judgement] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    """Row → why it is not scored."""
    dropped: dict[str, list[str]] = field(default_factory=dict)
    """Row → its cells that cannot be read, whose comparison is left out."""
    assumed: dict[str, list[str]] = field(default_factory=dict)
    """Row → what was filled in."""

    def of(self, metric: str) -> list[Judgement]:
        """The judgements of one metric."""
        return [one for one in self.judgements if one.metric == metric]

    def to_json(self) -> dict[str, object]:
        """For `--json`."""
        metrics = list(dict.fromkeys(one.metric for one in self.judgements))
        table = {metric: tally(self.of(metric)) for metric in metrics}
        return {
            "rows": self.rows,
            "scored": len({one.row for one in self.judgements}),
            "metrics": table,
            "judgements": [asdict(one) for one in self.judgements],
            "not_scored": self.skipped,
            "dropped": self.dropped,
            "assumed": self.assumed,
        }


def tally(judgements: list[Judgement]) -> dict[str, object]:
    """Right ones of all, for us and for each baseline."""
    names = [name for name in BASELINES if any(name in one.baselines for one in judgements)]
    return {
        "rows": len(judgements),
        "right": sum(one.right for one in judgements),
        "high": [
            sum(one.right for one in judgements if one.confidence == "high"),
            sum(one.confidence == "high" for one in judgements),
        ],
        "baselines": {name: sum(one.baselines.get(name, False) for one in judgements) for name in names},
    }


def score(rows: Iterable[Row], catalog: Catalog | None = None) -> Score:
    """Every row of high and medium confidence, compared in each way its columns allow."""
    result = Score()
    for row in rows:
        result.rows += 1
        if row.confidence not in CONFIDENT:
            result.skipped[row.id] = f"confidence {row.confidence or '(none)'}"
            continue
        if row.dropped:
            result.dropped[row.id] = list(row.dropped)
        case = resolve(row, catalog)
        judgements = [case] if isinstance(case, Skip) else list(judge(case))
        found = [one for one in judgements if isinstance(one, Judgement)]
        result.judgements += found
        reasons = [one.reason for one in judgements if isinstance(one, Skip)]
        if found:
            notes = [*assumptions(row), *_unknown_kind(row)]
            result.assumed.update({row.id: notes} if notes else {})
            continue
        reasons += [*_unknown_kind(row), f"nothing to compare in a row of kind {row.kind or '(none)'}"]
        result.skipped[row.id] = reasons[0]
    return result


def _unknown_kind(row: Row) -> list[str]:
    if row.kind in COMPARISONS:
        return []
    return [f"kind {row.kind or '(none)'} is not known ({', '.join(COMPARISONS)}): only its weights could be compared"]


def judge(case: Case) -> Iterable[Judgement | Skip]:
    """All comparisons of one row."""
    for comparison in COMPARISONS.get(case.row.kind, (_weights,)):
        found = comparison(case)
        if found is not None:
            yield found


def _kv_formula(case: Case) -> Judgement | Skip | None:
    """Exact to the block and the last digit printed: the engine rounds the tokens down and the GiB to the nearest."""
    row = case.row
    if row.kv_gib is None or not row.kv_tokens:
        return Skip("a kv_formula row needs both GiB and tokens")
    if row.is_rounded:
        return Skip("a kv_formula row needs the figures that were printed, not rounded ones")
    tokens = row.kv_tokens
    printed = gib(0.5 * 10**-row.kv_digits)
    choices = _compressed_needs(case, tokens) if is_compressed(case) else _linear_needs(case, tokens)
    for note, needed, block in choices:
        if abs(needed - gib(row.kv_gib)) <= printed + block:
            return _judgement(case, "kv_formula", True, f"{row.kv_gib:g} GiB", f"{to_gib(needed):.6g} GiB", note)
    note, needed, _ = choices[0]
    return _judgement(case, "kv_formula", False, f"{row.kv_gib:g} GiB", f"{to_gib(needed):.6g} GiB", note)


def _linear_needs(case: Case, tokens: int) -> list[tuple[str, int, int]]:
    token = _token_bytes(case)
    block = 0 if tokens == 1 else token * kv_cache.block_tokens(case.model)
    return [(f"{token:,} bytes a token", tokens * token, block)]


def _compressed_needs(case: Case, tokens: int) -> list[tuple[str, int, int]]:
    """A row does not say whether vLLM ran as a server or as a library, which take steps of different size.

    Where it names no release either, one step or two may be in flight. No other unknown is tried.
    """
    cache = compressed_cache(case.model, case.draft_layers)
    assert cache is not None  # noqa: S101 a model without layers has no vLLM rows
    sizes = list(zip(("server", "library"), memory.batch_defaults(case.gpu), strict=True))
    steps = (case.engine.steps_in_flight,) if any(map(str.isdigit, case.row.version)) else (1, 2)
    return [
        (f"{name} default of {batch:,} tokens a step, {step} in flight", cache.needed_bytes(tokens, batch * step), 0)
        for step in steps
        for name, batch in sizes
    ]


def _token_bytes(case: Case) -> int:
    return kv_cache.bytes_per_token(
        case.model, case.tp, case.engine, kv_dtype=case.row.kv_dtype, pipeline_parallel=case.pp
    )


def _weights(case: Case) -> Judgement | Skip | None:
    row = case.row
    if row.weights_gib is None:
        return None
    ours = to_gib(_loaded(case))
    total = to_gib(weights.checkpoint_bytes(case.model, case.quantization)) / case.gpus
    guesses = {"KAITO": 1.02 * total, "GPUStack": total, "llm-d": total}
    right = {name: _near(guess, row.weights_gib, WEIGHTS_SHARE) for name, guess in guesses.items()}
    near = _near(ours, row.weights_gib, WEIGHTS_SHARE)
    return _judgement(
        case, "weights", near, f"{row.weights_gib:g}", f"{ours:.2f}", _percent(ours, row.weights_gib), right
    )


def _loaded(case: Case) -> int:
    return weights.gpu_weights_bytes(
        case.model,
        case.quantization,
        case.tp,
        pipeline_parallel=case.pp,
        data_parallel=case.dp,
        engine=case.engine,
        gpu=case.gpu,
    )


def _capacity(case: Case) -> Judgement | Skip | None:
    row, gpu = case.row, case.gpu
    if gpu is None:
        return _cpu_capacity(case) if row.gpu.casefold() == "cpu" else Skip("a capacity needs the GPU")
    actual = _printed_cache(case)
    if actual is None:
        return None
    ours = to_gib(_cache(case))
    size = to_gib(gpu.usable_bytes)
    allowed = max(CAPACITY_SHARE * abs(actual), CAPACITY_OF_GPU * size)
    context = profile_context(case)
    guesses = {name: estimate(case, context).cache_gib for name, estimate in BASELINES.items()}
    right = {name: abs(guess - actual) <= allowed for name, guess in guesses.items()}
    metric = "capacity" if _is_measured(case.engine) else "capacity (other engines and releases)"
    note = f"allowed {allowed:.2f}; off {ours - actual:+.2f}"
    return _judgement(case, metric, abs(ours - actual) <= allowed, f"{actual:.2f} GiB", f"{ours:.2f} GiB", note, right)


def _cpu_capacity(case: Case) -> Judgement | Skip | None:
    """The CPU backend profiles nothing: it takes a fixed cache."""
    row = case.row
    if is_compressed(case) or (row.kv_gib is None and row.kv_tokens is None):
        return Skip("a capacity on a CPU needs GiB or tokens")
    actual = row.kv_gib if row.kv_gib is not None else to_gib((row.kv_tokens or 0) * _token_bytes(case))
    near = _near(to_gib(CPU_CACHE), actual, CAPACITY_SHARE)
    return _judgement(case, "capacity", near, f"{actual:.2f} GiB", f"{to_gib(CPU_CACHE):.2f} GiB", "CPU backend")


def _is_measured(engine: Engine) -> bool:
    return engine.family is Family.VLLM and engine.version >= FIRST_MEASURED


def _cache(case: Case) -> int:
    """Ours in bytes. In V0 the rank that samples is the fullest: it limits the tokens, but the line of another is
    printed."""
    assert case.gpu is not None  # noqa: S101 checked by the caller
    context, row = profile_context(case), case.row
    worker = case.engine.generation is Generation.V0 and row.kv_tokens is None
    return budgets.divide(
        case.model,
        case.gpu,
        case.engine,
        weights_bytes=_loaded(case),
        tensor_parallel=case.tp,
        utilization=case.utilization,
        context_tokens=context,
        data_parallel=case.dp,
        reproduce=True,
        driver=not worker,
        graphs_bytes=0,
    ).kv_cache_bytes


def _printed_cache(case: Case) -> float | None:
    """The row's cache in GiB on one GPU, from its GiB or from its tokens."""
    row = case.row
    if row.kv_gib is not None:
        return row.kv_gib
    if row.kv_tokens is None or case.gpu is None:
        return None
    size = case.gpu.usable_bytes
    each = _bytes_of_tokens(case, row.kv_tokens)
    # A count over all replicas cannot fit one GPU.
    return to_gib(each / case.dp if case.dp > 1 and each > size else each)


def _bytes_of_tokens(case: Case, tokens: int) -> float:
    if not is_compressed(case):
        return tokens * _token_bytes(case)
    cache = compressed_cache(case.model, case.draft_layers)
    assert cache is not None  # noqa: S101 a model without layers has no capacity rows
    if case.engine.family is Family.SGLANG:
        return tokens * cache.sglang_bytes_per_token() / case.pp
    in_flight = memory.batch_defaults(case.gpu)[0] * case.engine.steps_in_flight
    return cache.used_bytes(tokens, profile_context(case), in_flight) / case.pp


def _fit(case: Case) -> Judgement | Skip | None:
    row = case.row
    if row.fits is None or case.gpu is None:
        return None
    context = fit_context(case)
    workload = Workload(context, 1, case.utilization, case.engine, row.kv_dtype, reproduce=True)
    outcome = fit(
        case.model,
        case.quantization,
        case.gpu,
        case.tp,
        workload,
        pipeline_parallel=case.pp,
        data_parallel=case.dp,
    )
    fits = isinstance(outcome, Fit)
    cause = "" if isinstance(outcome, Fit) else f"{outcome.reason}: {outcome.message}"
    right = {name: estimate(case, context).fits is row.fits for name, estimate in BASELINES.items()}
    return _judgement(case, "fit", fits is row.fits, _yes(row.fits), _yes(fits), cause, right)


def _parallel_rule(case: Case) -> Judgement | Skip | None:
    row = case.row
    if row.fits is None:
        return Skip("a parallel_rule row needs yes or no")
    miss = layout.check_tensor_parallel(case.model, case.quantization, case.tp)
    cause = f"{miss.reason}: {miss.message}" if miss else ""
    return _judgement(case, "parallel_rule", (miss is None) is row.fits, _yes(row.fits), _yes(miss is None), cause)


def _max_context(case: Case) -> Judgement | Skip | None:
    row = case.row
    if not row.kv_tokens or case.gpu is None:
        return Skip("a max_context row needs the GPU and tokens")
    ours = longest_context(case)
    cache = compressed_cache(case.model) if is_compressed(case) else None
    token = cache.bytes_per_token if cache else _token_bytes(case)
    guesses = {
        name: min(case.model.max_positions, max(0.0, gib(estimate(case, 1).cache_gib) / token))
        for name, estimate in BASELINES.items()
    }
    right = {name: _near(guess, row.kv_tokens, CONTEXT_SHARE) for name, guess in guesses.items()}
    near = _near(ours, row.kv_tokens, CONTEXT_SHARE)
    note = f"{_percent(ours, row.kv_tokens)}, utilization {case.utilization:g}"
    return _judgement(case, "max_context", near, f"{row.kv_tokens:,.0f}", f"{ours:,}", note, right)


def longest_context(case: Case) -> int:
    """The longest context whose own cache fits: V0 profiles less above 32 Ki tokens, so both sides are tried."""
    assert case.gpu is not None  # noqa: S101 checked by the caller
    if is_compressed(case):
        return _longest_compressed(case)
    token, block = _token_bytes(case), kv_cache.block_tokens(case.model)

    def holds(context: int) -> int:
        budget = budgets.divide(
            case.model,
            case.gpu,  # type: ignore[arg-type]
            case.engine,
            weights_bytes=_loaded(case),
            tensor_parallel=case.tp,
            utilization=case.utilization,
            context_tokens=context,
            data_parallel=case.dp,
            reproduce=True,
        )
        return min(case.model.max_positions, kv_cache.capacity_tokens(budget.kv_cache_bytes, token, block))

    long = holds(case.model.max_positions)
    if long > memory.LONG_CONTEXT:
        return long
    low, high = 0, memory.LONG_CONTEXT
    while high - low > block:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) >= middle else (low, middle)
    return low


def _longest_compressed(case: Case) -> int:
    """What is left beside the constant of one request, in whole pages."""
    cache = compressed_cache(case.model, case.draft_layers)
    assert cache is not None  # noqa: S101 resolve() leaves models without layers out
    in_flight = memory.batch_defaults(case.gpu)[0] * case.engine.steps_in_flight
    pages = _cache(case) // cache.page_bytes - cache.pages(in_flight, in_flight) + -(-in_flight // BLOCK_TOKENS)
    return max(0, min(case.model.max_positions, pages * BLOCK_TOKENS))


def _near(value: float, target: float, share: float) -> bool:
    return abs(value - target) <= share * abs(target)


def _percent(value: float, target: float) -> str:
    return f"{100 * (value / target - 1):+.1f} %" if target else ""


def _yes(fits: bool) -> str:
    return "yes" if fits else "no"


def _judgement(
    case: Case, metric: str, right: bool, expected: str, ours: str, note: str, baselines: dict[str, bool] | None = None
) -> Judgement:
    return Judgement(case.row.id, metric, case.row.confidence, right, expected, ours, note, baselines or {})


Comparison = Callable[[Case], Judgement | Skip | None]
COMPARISONS: dict[str, tuple[Comparison, ...]] = {
    "capacity": (_capacity, _weights, _fit),
    "fit": (_fit, _weights),
    "weights": (_weights, _fit),
    "kv_formula": (_kv_formula,),
    "max_context": (_max_context,),
    "parallel_rule": (_parallel_rule,),
}
