"""The chosen machine is the best of all that were tried one by one, under each objective and limit."""

from __future__ import annotations

import gc
import itertools
import math
import time
from typing import Any

import pytest

from infra.catalog.facts import InstanceFacts, QuantizationFacts
from infra.errors import ConfigurationError
from infra.sizing.engine import Engine
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.objective import Objective
from infra.sizing.plan import PlanRequest, plan
from infra.sizing.refusal import Reason, Refusal
from infra.sizing.speed import SpeedRange, estimate_speed
from infra.sizing.step import Layout
from tests.unit.sizing.support_plan import CATALOG, make_plan, refusal

CONTEXTS = (2048, 8192, 32768, 131072)
NEWEST = Engine.parse("0.33.0")
GRID = list(itertools.product(CATALOG.models, CONTEXTS, CATALOG.quantizations))


def layouts(model: Any, stored: QuantizationFacts, instance: InstanceFacts, context: int) -> list[Fit]:
    """Every layout on one instance that fits, one by one; the host is left to the plan."""
    if instance.cpu_architecture != "x86_64":
        return []
    gpu, workload = CATALOG.gpu(instance.gpu), Workload(context, 1, 0.92, NEWEST)
    found = (fit(model, stored, gpu, ranks, workload) for ranks in range(1, instance.gpus + 1))
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


@pytest.mark.parametrize("model", ["1.5B", "32B", "R1"])
def test_fastest_equals_brute_force(model: str) -> None:
    facts = CATALOG.model(model)
    stored = CATALOG.quantization("awq")
    speeds = [
        speed.ms_per_token.expected
        for instance in CATALOG.instances
        for one in layouts(facts, stored, instance, 8192)
        for speed in [estimate_speed(facts, stored, one.gpu, Layout(one.tensor_parallel), users=1, context_tokens=8192)]
        if isinstance(speed, SpeedRange)
    ]
    outcome = make_plan(model, quantization="awq", objective=Objective.LATENCY)
    assert outcome.speed is not None
    assert outcome.speed.ms_per_token.expected == pytest.approx(min(speeds))


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
    error = refusal("70B", quantization="bf16", context_tokens=32768, **over)
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


def cpu_of_a_million_steps() -> float:
    """0.1 s on the machine on which the grid takes one second; slow processors and coverage slow both."""
    start = time.process_time()
    found = 0
    for number in range(1_000_000):
        if number % 3:
            found += number
    assert found
    return time.process_time() - start


def test_the_whole_grid_is_planned_in_about_a_second() -> None:
    gc.collect()
    yardstick = min(cpu_of_a_million_steps() for _ in range(3))
    start = time.process_time()
    for model, context, stored in GRID:
        request = PlanRequest(model.id, quantization=stored.name, context_tokens=context)
        try:
            plan(request, CATALOG)
        except (Refusal, ConfigurationError):
            continue
    assert time.process_time() - start < max(3, 40 * yardstick)
