"""The chosen machine is the best of all that were tried one by one, under each objective and limit."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from infra.catalog.facts import Architecture, Attention, InstanceFacts, QuantizationFacts
from infra.errors import ConfigurationError
from infra.sizing import choice, kv_cache
from infra.sizing.engine import Engine
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.memory import default_sequences
from infra.sizing.objective import Objective
from infra.sizing.plan import Plan, PlanRequest, plan
from infra.sizing.refusal import Reason, Refusal
from infra.sizing.speed import SpeedRange, estimate_speed
from infra.sizing.step import Layout
from tests.unit.sizing.support_plan import CATALOG, make_plan, refusal

CONTEXTS = (2048, 8192, 32768, 131072)
NEWEST = Engine.parse("0.33.0")
GRID = list(itertools.product(CATALOG.models, CONTEXTS, CATALOG.quantizations))


def layouts(
    model: Any, stored: QuantizationFacts, instance: InstanceFacts, context: int, *, copied: bool = False
) -> list[Fit]:
    """Every layout on one instance that fits, one by one; the host is left to the plan. `copied` tries copies too."""
    if instance.cpu_architecture != "x86_64":
        return []
    gpu, workload = CATALOG.gpu(instance.gpu), Workload(context, 1, 0.92, NEWEST)
    may_copy = copied and model.architecture is Architecture.DENSE
    may_stage = model.attention is not Attention.COMPRESSED
    sizes = range(1, instance.gpus + 1)
    shapes = [
        (ranks, stages, copies)
        for ranks, stages, copies in itertools.product(sizes, sizes if may_stage else [1], sizes if may_copy else [1])
        if ranks * stages * copies <= instance.gpus
    ]
    found = (
        fit(model, stored, gpu, ranks, workload, pipeline_parallel=stages, data_parallel=copies)
        for ranks, stages, copies in shapes
    )
    return [one for one in found if isinstance(one, Fit)]


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda one: one.label)
def test_cheapest_equals_brute_force_for_each_context_and_quantisation(model: Any) -> None:
    for context, stored in itertools.product(CONTEXTS, CATALOG.quantizations):
        if model.max_positions and context > model.max_positions:
            continue
        served = [one for one in CATALOG.instances if layouts(model, stored, one, context)]
        prices = [one.usd_per_hour for one in served if one.usd_per_hour is not None]
        request = PlanRequest(model.id, quantization=stored.name, context_tokens=context)
        try:
            outcome = plan(request, CATALOG)
        except Refusal:
            assert served == [], (context, stored.name)
            continue
        assert outcome.usd_per_hour == min(prices, default=None), (context, stored.name)


@pytest.mark.parametrize("concurrency", [3, 64, 700])
@pytest.mark.parametrize("model", ["1.5B", "7B", "32B", "70B", "V2-Lite", "R1"])
def test_many_requests_equal_brute_force_with_stages_and_copies(model: str, concurrency: int) -> None:
    """Copies of a mixture are not chosen by themselves."""
    facts, context, stored = CATALOG.model(model), 8192, CATALOG.quantization("awq")
    served = []
    for instance in CATALOG.instances:
        gpu, sizes = CATALOG.gpu(instance.gpu), range(1, instance.gpus + 1)
        most = instance.gpus if facts.architecture is Architecture.DENSE else 1
        for ranks, stages, copies in itertools.product(sizes, sizes, range(1, most + 1)):
            if ranks * stages * copies > instance.gpus or instance.cpu_architecture != "x86_64":
                continue
            workload = Workload(context, math.ceil(concurrency / copies), 0.92, NEWEST)
            one = fit(facts, stored, gpu, ranks, workload, pipeline_parallel=stages, data_parallel=copies)
            if isinstance(one, Fit):
                served.append(instance)
                break
    try:
        outcome = make_plan(model, quantization="awq", context_tokens=context, concurrency=concurrency)
    except Refusal:
        assert served == []
        return
    prices = [one.usd_per_hour for one in served if one.usd_per_hour is not None]
    assert outcome.usd_per_hour == min(prices, default=None)


def speed_of(one: Fit, users: int, context: int) -> SpeedRange | None:
    """Of one layout inside one machine."""
    layout = Layout(one.tensor_parallel, one.pipeline_parallel, one.data_parallel)
    found = estimate_speed(one.model, one.quantization, one.gpu, layout, users=users, context_tokens=context)
    return found if isinstance(found, SpeedRange) else None


def shape_of(one: Fit | Plan) -> tuple[str, int, int, int]:
    return (one.gpu.name, one.tensor_parallel, one.pipeline_parallel, one.data_parallel)


def users_of(one: Fit, context: int) -> int:
    """Requests of full length in the cache, in whole blocks, as many as the engine runs at once."""
    block = kv_cache.reported_block(one.model)
    each = min(one.kv_tokens // (math.ceil(context / block) * block), int(default_sequences(one.gpu, NEWEST)))
    return each * one.data_parallel


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda one: one.label)
def test_fastest_and_busiest_equal_brute_force_for_each_quantisation(model: Any) -> None:
    context = min(8192, model.max_positions or 8192)
    for stored in CATALOG.quantizations:
        kinds = {(one.gpu, one.gpus): one for one in CATALOG.instances if one.cpu_architecture == "x86_64"}
        fits = [one for kind in kinds.values() for one in layouts(model, stored, kind, context, copied=True)]
        single = [one for one in fits if one.data_parallel == 1]
        alone = [speed.ms_per_token.expected for one in single if (speed := speed_of(one, 1, context))]
        full = [speed.total.expected for one in fits if (speed := speed_of(one, users_of(one, context), context))]
        if not alone:
            continue
        quick, busy = (
            make_plan(model.id, quantization=stored.name, context_tokens=context, objective=one)
            for one in (Objective.LATENCY, Objective.THROUGHPUT)
        )
        assert quick.speed is not None
        assert quick.speed.ms_per_token.expected == pytest.approx(min(alone)), stored.name
        best = next(one for one in fits if shape_of(one) == shape_of(busy))
        chosen = speed_of(best, users_of(best, context), context)
        assert chosen is not None
        assert chosen.total.expected == pytest.approx(max(full)), stored.name


def test_throughput_takes_a_machine_that_holds_more_users_than_the_cheapest() -> None:
    cheap, wide = (make_plan("14B", objective=one) for one in (Objective.COST, Objective.THROUGHPUT))
    assert (wide.usd_per_hour or math.inf) > (cheap.usd_per_hour or 0)
    assert wide.kv_tokens > cheap.kv_tokens
    assert wide.objective == "throughput"


def test_latency_under_a_price_is_the_fastest_that_one_can_pay() -> None:
    free, bound = (make_plan("70B", objective=Objective.LATENCY, max_usd_per_hour=most) for most in (None, 20))
    assert bound.usd_per_hour is not None
    assert free.speed is not None
    assert bound.speed is not None
    assert bound.usd_per_hour <= 20
    assert bound.speed.ms_per_token.expected >= free.speed.ms_per_token.expected


def test_families_bind_the_choice_and_the_others_say_so() -> None:
    outcome = make_plan("7B", families=("g5",))
    assert outcome.instance is not None
    assert outcome.instance.family == "g5"
    assert {one.code for one in outcome.rejected if one.candidate.startswith("p5")} == {"family"}


def test_an_unknown_family_is_refused_with_the_near_match() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", families=("g6d",))
    assert caught.value.key == "families"
    assert "did you mean" in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("over", "reasons"),
    [
        ({"max_usd_per_hour": 2.0}, [Reason.PRICE]),
        ({"families": ("g5",)}, [Reason.FAMILY]),
        ({"quota_vcpus": 16}, [Reason.QUOTA]),
        ({"max_ttft_seconds": 0.01}, [Reason.TTFT]),
        ({"max_usd_per_hour": 2.0, "families": ("g6",), "quota_vcpus": 8}, [Reason.FAMILY, Reason.PRICE, Reason.QUOTA]),
    ],
)
def test_a_limit_nothing_keeps_is_named_with_what_would_do(over: dict[str, Any], reasons: list[Reason]) -> None:
    error = refusal("70B", quantization="bf16", context_tokens=65536, **over)
    assert [cause.code for cause in error.causes] == reasons
    assert all(cause.fix for cause in error.causes)


def test_a_model_that_no_machine_holds_is_not_blamed_on_the_limit() -> None:
    assert refusal("V4-Pro", quantization="awq", max_usd_per_hour=1.0).reason is Reason.DTYPE


def test_the_first_token_binds_the_choice() -> None:
    slow, fast = make_plan("32B"), make_plan("32B", max_ttft_seconds=1.0)
    assert slow.speed is not None
    assert fast.speed is not None
    assert slow.speed.first_token_seconds is not None
    assert fast.speed.first_token_seconds is not None
    assert fast.speed.first_token_seconds.expected <= 1.0 < slow.speed.first_token_seconds.expected
    assert "ttft" in {one.code for one in fast.rejected}


@pytest.mark.parametrize("over", [{"max_usd_per_hour": -1}, {"quota_vcpus": 0}, {"max_ttft_seconds": 0}, {"nodes": 0}])
def test_a_limit_without_a_meaning_names_its_key(over: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", **over)
    assert caught.value.code == "SKS0205"


def test_the_whole_grid_sizes_each_layout_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time, 1 s, is measured in benchmarks/bench_grid.py; here the work that it comes from is counted."""
    sized: list[tuple[Any, ...]] = []

    def counted(*given: Any, **layout: Any) -> Any:
        model, stored, gpu, ranks, workload = given
        sized.append((model.id, stored.name, gpu.name, ranks, workload.context_tokens, *layout.values()))
        return fit(*given, **layout)

    monkeypatch.setattr(choice, "fit", counted)
    for model, context, stored in GRID:
        request = PlanRequest(model.id, quantization=stored.name, context_tokens=context)
        try:
            plan(request, CATALOG)
        except (Refusal, ConfigurationError):
            continue
    assert len(sized) < 17_000
    assert len(sized) - len(set(sized)) < 100
