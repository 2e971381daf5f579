"""V4 planned: the choice, the kernels, the layout and the launch, and that no plan is more than the engine holds."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.sizing_rows import Case, fit_context, read_rows, resolve
from infra.catalog.facts import Attention, GpuFacts, ModelFacts
from infra.sizing import layout, performance
from infra.sizing.arrangement import Arrangement
from infra.sizing.compressed_cache import CompressedCache, compressed_cache
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import PLANNED_BATCHES, Fit, Workload, fit
from infra.sizing.kernels import check_cache
from infra.sizing.refusal import Miss, Reason, Refusal
from infra.sizing.request import PlanRequest
from infra.sizing.traffic import cache_read_bytes
from infra.units import gib
from tests.unit.sizing.support_plan import CATALOG, make_plan, refusal

NEWEST = Engine.parse("0.33.0")
NATIVE = CATALOG.quantization("fp4_fp8")
PLANNED = [one for one in CATALOG.models if one.attention is Attention.COMPRESSED and one.layers]
OPEN_ROWS = Path(__file__).parents[3] / "benchmarks" / "sizing_open.csv"
CONTEXTS = (8192, 131_072, 1_048_576)


def cache_of(model: ModelFacts) -> CompressedCache:
    found = compressed_cache(model)
    assert found is not None
    return found


def planned(model: str, gpu: str, ranks: int, *work: Any, **over: Any) -> Fit | Miss:
    return fit(CATALOG.model(model), NATIVE, CATALOG.gpu(gpu), ranks, Workload(*work), **over)


@pytest.mark.parametrize("model", PLANNED, ids=lambda one: one.label)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_cheapest_equals_brute_force_over_instances(model: ModelFacts, concurrency: int) -> None:
    for context in CONTEXTS:
        work = Workload(context, concurrency, 0.92, NEWEST)
        prices = [
            one.usd_per_hour
            for one in CATALOG.instances
            if one.cpu_architecture == "x86_64"
            and any(
                isinstance(fit(model, NATIVE, CATALOG.gpu(one.gpu), ranks, work), Fit)
                for ranks in range(1, one.gpus + 1)
            )
        ]
        try:
            outcome = make_plan(model.label, context_tokens=context, concurrency=concurrency)
        except Refusal:
            assert prices == []
            continue
        assert outcome.usd_per_hour == min(price for price in prices if price is not None)


def test_the_planned_models_are_those_whose_layers_are_published() -> None:
    assert [one.label for one in PLANNED] == [
        "DeepSeek-V4-Flash",
        "DeepSeek-V4-Flash-0731",
        "DeepSeek-V4-Pro",
        "DeepSeek-V4-Pro-0813",
    ]


def known_rows() -> list[Case]:
    """Rows of V4 that say whether an engine started; those on formulas have steps of a size no plan takes."""
    cases = (resolve(row) for row in read_rows(OPEN_ROWS) if "V4" in row.model and row.fits is not None)
    return [
        one
        for one in cases
        if isinstance(one, Case) and one.gpu is not None and one.row.kind in ("capacity", "fit", "weights")
    ]


@pytest.mark.parametrize("case", known_rows(), ids=lambda case: case.row.id)
def test_known_deployments_agree_when_they_are_planned(case: Case) -> None:
    assert case.gpu is not None
    outcome = fit(
        case.model,
        case.quantization,
        case.gpu,
        case.tp,
        Workload(fit_context(case), 1, case.utilization, case.engine),
        pipeline_parallel=case.pp,
        data_parallel=case.dp,
    )
    assert isinstance(outcome, Fit) is case.row.fits


def test_the_known_deployments_are_there() -> None:
    assert {case.row.id for case in known_rows()} >= {"C24", "C25", "C27", "C29", "F21", "F23", "F25", "W02"}


@pytest.mark.parametrize(
    ("gpu", "engine", "reason"),
    [
        ("A100-80", "0.33.0", Reason.COMPUTE_CAPABILITY),
        ("L40S", "0.33.0", Reason.COMPUTE_CAPABILITY),
        ("H200", "0.19.0", Reason.ENGINE_VERSION),
        ("H200", "0.20.0", None),
        ("B200", "0.20.0", None),
        ("RTXPRO6000-BSE", "0.23.0", Reason.ENGINE_VERSION),
        ("RTXPRO6000-BSE", "0.24.0", None),
    ],
)
def test_kernels_by_gpu_and_release(gpu: str, engine: str, reason: Reason | None) -> None:
    outcome = planned("V4-Flash", gpu, 4, 8192, 1, 0.92, Engine.parse(engine))
    assert (outcome.reason if isinstance(outcome, Miss) else None) == reason


def test_a_generation_between_hopper_and_the_workstations_has_no_kernel() -> None:
    thor = replace(CATALOG.gpu("B200"), name="Thor", compute_capability=(11, 0))
    miss = check_cache(CATALOG.model("V4-Flash"), thor, NEWEST)
    assert miss is not None
    assert miss.reason is Reason.KERNEL


@pytest.mark.parametrize(
    ("model", "ranks", "reason"),
    [
        ("V4-Flash", 8, None),
        ("V4-Flash", 16, Reason.ATTENTION_HEADS),
        ("V4-Pro", 8, None),
        ("V4-Pro", 16, Reason.BLOCK_128),
        ("V4-Pro", 32, Reason.ATTENTION_HEADS),
    ],
)
def test_ranks_divide_the_output_groups_and_the_fp8_blocks(model: str, ranks: int, reason: Reason | None) -> None:
    miss = layout.check_tensor_parallel(CATALOG.model(model), NATIVE, ranks)
    assert (miss and miss.reason) == reason


def test_v41_is_refused_because_its_shape_is_not_published_and_says_what_to_use() -> None:
    error = refusal("V4.1-Flash", gpu="B300")
    assert error.reason is Reason.UNSUPPORTED_CACHE
    assert "not published" in error.sentence
    assert error.fix is not None
    assert "DeepSeek-V4-Flash-0731" in error.fix
    older = refusal("V4.1-Flash", gpu="B300", engine_version="0.29.0")
    assert [cause.code for cause in older.causes] == [Reason.UNSUPPORTED_CACHE, Reason.ENGINE_VERSION]


@pytest.mark.parametrize("over", [{}, {"cuda": "12.8"}])
def test_no_gpu_is_named_for_a_model_that_none_serves(over: dict[str, Any]) -> None:
    error = refusal("V4.1-Flash", gpu="L4", **over)
    assert error.reason is Reason.UNSUPPORTED_CACHE
    assert not [cause for cause in error.causes if "GPU" in cause.fix]


def test_the_launch_has_what_the_recipe_has_and_pins_the_step() -> None:
    outcome = make_plan("V4-Flash", gpu="H200", gpus=4)
    assert {
        "--kv-cache-dtype=fp8",
        "--block-size=256",
        "--tokenizer-mode=deepseek_v4",
        "--max-num-batched-tokens=8192",
    } <= set(outcome.engine_arguments)
    assert not any("max-num-batched" in one for one in make_plan("R1").engine_arguments)


def test_copies_share_the_experts() -> None:
    outcome = make_plan("V4-Flash", gpu="B300", gpus=4, data_parallel=4, tensor_parallel=1)
    assert "--enable-expert-parallel" in outcome.engine_arguments
    assert outcome.expert_parallel == 4


def test_smaller_steps_are_taken_where_only_they_fit_and_the_plan_says_so() -> None:
    """Two H20 run 121,344 tokens (vLLM 51041), which steps of 8,192 tokens would not leave room for."""
    wide = make_plan("V4-Flash-0731", gpu="H20-96", gpus=4, context_tokens=121_344, tensor_parallel=4)
    tight = make_plan("V4-Flash-0731", gpu="H20-96", gpus=2, context_tokens=121_344, tensor_parallel=2)
    assert (wide.batch_tokens, tight.batch_tokens) == (8192, 4096)
    assert any("4,096 tokens a step" in note for note in tight.warnings)
    assert not any("tokens a step" in note for note in wide.warnings)


def test_a_cache_for_no_step_is_refused_with_what_the_smallest_leaves() -> None:
    outcome = planned("V4-Flash", "H20-96", 2, 1_048_576, 8, 0.9, NEWEST)
    assert isinstance(outcome, Miss)
    assert outcome.reason is Reason.KV_CACHE


def test_the_longest_request_passes_the_engines_check_and_one_token_more_does_not() -> None:
    model = CATALOG.model("V4-Flash")
    found = planned("V4-Flash", "H20-96", 2, 8192, 1, 0.9, NEWEST)
    assert isinstance(found, Fit)
    assert found.batch_tokens is not None
    assert found.max_context < model.max_positions
    in_flight, cache = found.batch_tokens * NEWEST.steps_in_flight, cache_of(model)
    room = found.budget.kv_cache_bytes
    assert (
        cache.needed_bytes(found.max_context, in_flight) <= room < cache.needed_bytes(found.max_context + 1, in_flight)
    )


def test_a_cache_without_room_for_a_token_has_no_longest_request() -> None:
    assert cache_of(PLANNED[0]).longest_context(1, 16_384, 1_048_576) == 0


def test_tokens_are_requests_of_full_length_times_their_length() -> None:
    """The engine's own line: 20.43 requests of 1,048,576 tokens on 8x B200 (recipes 762); a plan errs low."""
    found = planned("V4-Flash-0731", "B200", 8, 1_048_576, 1, 0.95, Engine.parse("0.25.0"))
    assert isinstance(found, Fit)
    assert 20.43 * 0.98 < found.kv_tokens / 1_048_576 < 20.43


def test_the_objectives_count_whole_requests() -> None:
    found = planned("V4-Flash", "B300", 8, 10_000, 1, 0.92, NEWEST)
    assert isinstance(found, Fit)
    one = Arrangement(8, 1, 1, 1, 1)
    users = performance.most_users(found, one, PlanRequest("V4-Flash", context_tokens=10_000), NEWEST)
    assert users == found.kv_tokens // 10_000


@pytest.mark.parametrize("stages", [1, 2, 3, 4, 7, 61])
@pytest.mark.parametrize("model", PLANNED, ids=lambda one: one.label)
def test_the_longest_stage_holds_its_share_at_least(model: ModelFacts, stages: int) -> None:
    whole = cache_of(model)
    stage = whole.stage(stages)
    assert stage.packed_page_bytes * stages >= whole.packed_page_bytes
    assert stage.page_bytes * stages >= whole.page_bytes
    assert stage.page_bytes <= whole.page_bytes
    assert stage.layers_4 + stage.layers_128 >= min(stage.layers, whole.layers_4)


def test_a_token_reads_far_less_than_the_cache_stores() -> None:
    flash = CATALOG.model("V4-Flash")
    stored = cache_of(flash).bytes_per_token * 1_048_576
    short, long = (cache_read_bytes(flash, tokens, 8) for tokens in (8192, 1_048_576))
    assert 0 < short < long < stored / 4
    assert cache_read_bytes(CATALOG.model("V4.1-Flash"), 8192, 1) == 0


def test_sglang_plans_below_what_it_printed_and_keeps_room_for_what_is_not_counted() -> None:
    """8x L20: 120,576 tokens (sglang pull request 28620); the formula alone says 216,320."""
    sglang, l20 = Engine.read(Family.SGLANG, "2026-07"), CATALOG.gpu("L20-48")
    flash = CATALOG.model("V4-Flash")
    found = fit(flash, NATIVE, l20, 8, Workload(32_768, 1, 0.828, sglang))
    assert isinstance(found, Fit)
    assert found.kv_tokens < 120_576
    halves = fit(flash, NATIVE, l20, 4, Workload(32_768, 1, 0.828, sglang), pipeline_parallel=2)
    assert isinstance(halves, Fit)


models = st.sampled_from(PLANNED)
gpus = st.sampled_from([one for one in CATALOG.gpus if (one.compute_capability or (0, 0)) >= (9, 0)])
ranks = st.sampled_from([1, 2, 4, 8])
stages = st.sampled_from([1, 2, 3])
engines = st.sampled_from([Engine.parse(text) for text in ("0.25.0", "0.33.0")])
workloads = st.builds(Workload, st.integers(16, 1_048_576), st.integers(1, 64), st.floats(0.5, 0.99), engines)


@settings(deadline=None)
@given(models, gpus, ranks, stages, workloads, st.integers(0, 500_000), st.integers(0, 8))
def test_a_larger_workload_never_fits_where_a_smaller_one_does_not(
    model: ModelFacts, gpu: GpuFacts, tp: int, pp: int, workload: Workload, more_context: int, more_requests: int
) -> None:
    larger = replace(
        workload,
        context_tokens=workload.context_tokens + more_context,
        concurrency=workload.concurrency + more_requests,
    )
    if isinstance(fit(model, NATIVE, gpu, tp, larger, pipeline_parallel=pp), Fit):
        assert isinstance(fit(model, NATIVE, gpu, tp, workload, pipeline_parallel=pp), Fit)


@settings(deadline=None)
@given(models, gpus, ranks, workloads, st.integers(1, 200 * 2**30))
def test_a_bigger_gpu_never_turns_a_fit_into_a_refusal(
    model: ModelFacts, gpu: GpuFacts, tp: int, workload: Workload, extra: int
) -> None:
    bigger = replace(gpu, usable_bytes=gpu.usable_bytes + extra)
    if isinstance(fit(model, NATIVE, gpu, tp, workload), Fit):
        assert isinstance(fit(model, NATIVE, bigger, tp, workload), Fit)


@settings(deadline=None)
@given(models, gpus, ranks, workloads)
def test_a_plan_holds_what_was_asked_for_by_the_engines_own_count(
    model: ModelFacts, gpu: GpuFacts, tp: int, workload: Workload
) -> None:
    found = fit(model, NATIVE, gpu, tp, workload)
    if isinstance(found, Fit):
        assert found.batch_tokens in PLANNED_BATCHES
        in_flight = (found.batch_tokens or 0) * workload.engine.steps_in_flight
        cache, room = cache_of(model), found.budget.kv_cache_bytes
        pages = cache.pages(workload.context_tokens, in_flight)
        assert room // cache.packed_page_bytes >= pages * workload.concurrency
        assert cache.needed_bytes(workload.context_tokens, in_flight) <= room
        assert workload.context_tokens <= found.max_context <= model.max_positions


@settings(deadline=None)
@given(models, st.integers(1, 1_048_576), st.integers(0, 500_000), st.sampled_from([2048, 4096, 8192, 16_384]))
def test_more_context_never_takes_fewer_pages(model: ModelFacts, context: int, more: int, in_flight: int) -> None:
    cache = cache_of(model)
    assert cache.pages(context, in_flight) <= cache.pages(context + more, in_flight)
    assert cache.pages(context, in_flight) <= cache.pages(context, 2 * in_flight)
    assert cache.read_bytes(context) <= cache.read_bytes(context + more)


@pytest.mark.parametrize(("gpu", "count"), list(itertools.product(("H200", "B300"), (4, 8))))
def test_planning_never_counts_more_than_scoring(gpu: str, count: int) -> None:
    """With equal steps: the plan's workspaces are the larger ones."""
    work = Workload(131_072, 1, 0.92, Engine.parse("0.25.0"))
    one, other = (
        fit(CATALOG.model("V4-Flash"), NATIVE, CATALOG.gpu(gpu), count, replace(work, reproduce=flag))
        for flag in (False, True)
    )
    assert isinstance(one, Fit)
    assert isinstance(other, Fit)
    assert one.kv_tokens < other.kv_tokens
    assert other.budget.kv_cache_bytes - one.budget.kv_cache_bytes == gib(1)
