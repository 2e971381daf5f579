"""On demand, spot and capacity blocks are told apart: in the choice, the price, the notes and the refusals."""

from __future__ import annotations

import math
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.facts import InstanceFacts
from infra.catalog.markets import Market, price_in
from infra.errors import ConfigurationError
from infra.sizing.engine import Engine
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.objective import Objective
from infra.sizing.plan import PlanRequest, plan
from infra.sizing.refusal import Reason
from infra.sizing.refused import PlanRefusal
from infra.sizing.training_plan import plan_training
from tests.unit.sizing.support_markets import DAY, changed, priced
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, refusal
from tests.unit.sizing.support_schema import PLAN_SCHEMA, problems

NEWEST = Engine.parse("0.33.0")
REFRESH = "`seekstack instances refresh --region us-east-1 --apply`"


def uneven(instance: InstanceFacts, market: Market) -> float:
    """20 to 90 %, another for each type and market: the cheapest is another type in each."""
    return 0.2 + zlib.crc32(f"{instance.instance_type} {market}".encode()) % 71 / 100


PRICED = priced(uneven)


def serves(model: str, stored: str, instance: InstanceFacts, context: int) -> bool:
    if instance.cpu_architecture != "x86_64":
        return False
    gpu, workload = PRICED.gpu(instance.gpu), Workload(context, 1, 0.92, NEWEST)
    ways = (PRICED.model(model), PRICED.quantization(stored), gpu)
    return any(isinstance(fit(*ways, ranks, workload), Fit) for ranks in range(1, instance.gpus + 1))


@pytest.mark.parametrize("market", Market)
@pytest.mark.parametrize(
    ("model", "stored"),
    [
        ("1.5B", "bf16"),
        ("7B", "awq"),
        ("32B", "fp8"),
        ("70B", "bf16"),
        ("V2-Lite", "bf16"),
        ("R1", "fp8"),
    ],
)
def test_the_cheapest_in_a_market_equals_brute_force(model: str, stored: str, market: Market) -> None:
    prices = [
        price_in(one, market).usd_per_hour or math.inf
        for one in PRICED.instances
        if market in one.markets and serves(model, stored, one, 8192)
    ]
    outcome = make_plan(model, PRICED, quantization=stored, market=market)
    assert outcome.instance is not None
    assert outcome.usd_per_hour == min(prices)
    assert outcome.usd_per_hour == price_in(outcome.instance, market).usd_per_hour


def test_each_market_may_choose_another_type() -> None:
    chosen = [make_plan("7B", PRICED, market=market).where for market in Market]
    assert chosen == ["g6.xlarge", "g6.2xlarge", "p5.4xlarge"]


@settings(max_examples=25, deadline=None)
@given(
    shares=st.lists(st.floats(0.05, 0.999), min_size=74, max_size=74),
    model=st.sampled_from(["1.5B", "7B", "32B", "70B", "R1"]),
)
def test_spot_below_on_demand_never_makes_a_dearer_choice(shares: list[float], model: str) -> None:
    by_type = dict(zip((one.instance_type for one in CATALOG.instances), shares, strict=True))
    catalog = priced(lambda one, _: by_type[one.instance_type])
    spot, demand = (plan(PlanRequest(model, market=one), catalog) for one in (Market.SPOT, Market.ON_DEMAND))
    assert spot.usd_per_hour is not None
    assert demand.usd_per_hour is not None
    assert spot.usd_per_hour < demand.usd_per_hour


def test_types_that_are_not_sold_in_the_market_are_rejected_as_such() -> None:
    outcome = make_plan("7B", market=Market.CAPACITY_BLOCK)
    sold = {one.instance_type for one in CATALOG.instances if Market.CAPACITY_BLOCK in one.markets}
    by_market = {one.candidate for one in outcome.rejected if one.code == "market"}
    assert "g6.xlarge" in by_market
    assert by_market.isdisjoint(sold)
    assert {one.instance_type for one in outcome.alternatives} <= sold


@pytest.mark.parametrize("market", [Market.SPOT, Market.CAPACITY_BLOCK])
def test_an_unknown_price_comes_last_and_then_the_price_on_demand_decides(market: Market) -> None:
    outcome = make_plan("7B", market=market, families=("g6", "p5"))
    assert outcome.usd_per_hour is None
    expected = {Market.SPOT: "g6.xlarge", Market.CAPACITY_BLOCK: "p5.4xlarge"}[market]
    assert outcome.where == expected
    field = f"{market.replace('-', '_')}_usd_per_hour"
    known = changed(CATALOG, "p5.48xlarge", **{field: 1000.0})
    assert make_plan("7B", known, market=market, families=("g6", "p5")).where == "p5.48xlarge"


@pytest.mark.parametrize("market", [Market.SPOT, Market.CAPACITY_BLOCK])
def test_an_unknown_price_says_what_fetches_it(market: Market) -> None:
    outcome = make_plan("32B", market=market)
    note = f"{outcome.where} has no {market} price in the catalogue; types were compared by their price on demand"
    assert f"{note}; {REFRESH} asks AWS for it" in outcome.warnings
    elsewhere = make_plan("32B", market=market, region="eu-west-1")
    assert any("refresh --region eu-west-1 --apply" in one for one in elsewhere.warnings)


@pytest.mark.parametrize(
    ("market", "words"),
    [
        (Market.SPOT, ["two minutes' notice", "launches on demand"]),
        (Market.CAPACITY_BLOCK, ["paid in full in advance", "up to 182 days", "11:30 UTC", "launches on demand"]),
    ],
)
def test_the_rules_of_a_market_stand_beside_its_price(market: Market, words: list[str]) -> None:
    notes = " ".join(make_plan("70B", PRICED, market=market).warnings)
    assert [word for word in words if word not in notes] == []
    assert not any(word in " ".join(make_plan("70B", PRICED).warnings) for word in words)


def test_hour_month_tokens_and_date_are_those_of_the_market() -> None:
    over: dict[str, Any] = {"instance_type": "p5.48xlarge"}
    spot, demand = (make_plan("70B", PRICED, market=one, **over) for one in (Market.SPOT, Market.ON_DEMAND))
    share = uneven(PRICED.instance("p5.48xlarge"), Market.SPOT)
    assert spot.price is not None
    assert demand.price is not None
    assert spot.price.usd_per_hour == pytest.approx(55.04 * share)
    assert spot.price.usd_per_month == pytest.approx(55.04 * share * 730)
    assert spot.price.usd_per_million_tokens is not None
    assert demand.price.usd_per_million_tokens is not None
    assert spot.price.usd_per_million_tokens.low == pytest.approx(demand.price.usd_per_million_tokens.low * share)
    assert (spot.price_date, demand.price_date) == (DAY, "2026-01-21")


def test_json_shows_each_market_of_the_type_for_all_nodes() -> None:
    outcome = make_plan("R1", PRICED, market=Market.SPOT, instance_type="p5.48xlarge", quantization="fp8", nodes=2)
    document = outcome.to_json()
    price = document["price"]
    assert isinstance(price, dict)
    assert price["kind"] == "spot"
    assert [(one["kind"], one["date"]) for one in price["markets"]] == [
        ("on-demand", "2026-01-21"),
        ("spot", DAY),
        ("capacity-block", DAY),
    ]
    assert outcome.nodes == 2
    assert price["markets"][0]["usd_per_hour"] == pytest.approx(2 * 55.04)
    assert price["markets"][1]["usd_per_hour"] == price["usd_per_hour"]
    assert problems(document, PLAN_SCHEMA) == []


@pytest.mark.parametrize("market", Market)
@pytest.mark.parametrize("catalog", [CATALOG, PRICED], ids=["shipped", "priced"])
def test_json_of_each_market_has_the_published_form(market: Market, catalog: Any) -> None:
    assert problems(make_plan("7B", catalog, market=market).to_json(), PLAN_SCHEMA) == []


def test_a_named_type_outside_the_market_is_refused_with_both_ways_out() -> None:
    error = refusal("7B", instance_type="g6.xlarge", market=Market.CAPACITY_BLOCK)
    assert [cause.code for cause in error.causes] == [Reason.MARKET]
    assert (error.key, error.allowed) == ("market", "on-demand, spot")
    assert error.fix == "set market to on-demand; or use instance type p5.4xlarge (bf16 fits there)"


def test_market_and_limits_that_nothing_keeps_are_named_together() -> None:
    over: dict[str, Any] = {"instance_type": "g6.xlarge", "market": Market.CAPACITY_BLOCK}
    error = refusal("7B", **over, families=("p5",), max_usd_per_hour=0.5)
    assert [cause.code for cause in error.causes] == [Reason.MARKET, Reason.FAMILY, Reason.PRICE]
    unfit = refusal("70B", **over, quantization="bf16")
    assert [cause.code for cause in unfit.causes] == [Reason.WEIGHTS]


@pytest.mark.parametrize(("market", "most"), [(Market.SPOT, 0.1), (Market.CAPACITY_BLOCK, 1.0)])
def test_a_limit_of_price_is_kept_in_the_market(market: Market, most: float) -> None:
    over: dict[str, Any] = {"quantization": "bf16", "market": market}
    cheapest = make_plan("7B", PRICED, **over).usd_per_hour
    assert cheapest is not None
    assert make_plan("7B", PRICED, **over, max_usd_per_hour=cheapest).usd_per_hour == cheapest
    error = refusal("7B", PRICED, **over, max_usd_per_hour=most)
    assert [cause.code for cause in error.causes] == [Reason.PRICE]
    assert f"costs {cheapest:.3f} USD/h" in error.sentence


def test_a_limit_of_price_needs_a_price_of_the_market() -> None:
    error = refusal("7B", market=Market.SPOT, max_usd_per_hour=5)
    assert (error.code, error.reason) == (Reason.PRICE.code, Reason.PRICE)
    assert "has no spot price in the catalogue, which maxUsdPerHour needs" in error.sentence
    assert error.fix is not None
    assert REFRESH in error.fix


@pytest.mark.parametrize("market", Market)
def test_a_type_outside_the_region_is_in_none_of_its_markets(market: Market) -> None:
    """EC2's list of a region has p5e where it is sold in blocks alone, so a type it lacks is not sold at all."""
    error = refusal("R1", instance_type="p5e.48xlarge", region="us-east-1", market=market)
    assert error.reason is Reason.REGION


def test_a_price_that_aws_named_for_the_region_is_an_offer() -> None:
    catalog = changed(CATALOG, "p5e.48xlarge", capacity_block_usd_per_hour=40.0, capacity_block_price_date=DAY)
    over: dict[str, Any] = {"instance_type": "p5e.48xlarge", "region": "us-east-1"}
    outcome = make_plan("R1", catalog, **over, market=Market.CAPACITY_BLOCK)
    assert outcome.usd_per_hour == 40.0
    assert refusal("R1", catalog, **over, market=Market.SPOT).reason is Reason.REGION


def test_the_fastest_is_sought_among_what_the_market_sells() -> None:
    outcome = make_plan("7B", PRICED, market=Market.CAPACITY_BLOCK, objective=Objective.LATENCY)
    assert outcome.instance is not None
    assert Market.CAPACITY_BLOCK in outcome.instance.markets


@pytest.mark.parametrize("market", Market)
@pytest.mark.parametrize("workload", ["lora", "qlora"])
def test_training_takes_the_cheapest_of_the_market(workload: str, market: Market) -> None:
    outcome = plan_training(workload, {}, PlanRequest("7B", market=market), PRICED)
    assert outcome.price is not None
    assert outcome.price.usd_per_hour is not None
    others = [one.usd_per_hour for one in outcome.alternatives]
    assert all(one is not None and one >= outcome.price.usd_per_hour for one in others)
    assert outcome.price.kind is market
    assert problems(outcome.to_json(), PLAN_SCHEMA) == []


def test_training_without_a_price_goes_by_the_price_on_demand_and_says_so() -> None:
    spot, demand = (plan_training("lora", {}, PlanRequest("7B", market=one), CATALOG) for one in list(Market)[1::-1])
    assert spot.machine == demand.machine
    assert any("has no spot price" in one for one in spot.warnings)


@pytest.mark.parametrize("over", [{"gpu": "L4"}, {"hosts": (make_host(),)}])
def test_a_machine_one_owns_is_in_no_market(over: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", market=Market.SPOT, **over)
    assert (caught.value.code, caught.value.key) == ("SKS0205", "market")


def test_an_unknown_market_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", market="reserved")
    assert (caught.value.key, caught.value.allowed) == ("market", "on-demand, spot, capacity-block")


def test_a_refusal_in_a_market_has_the_published_form() -> None:
    with pytest.raises(PlanRefusal) as caught:
        make_plan("7B", instance_type="g6.xlarge", market=Market.CAPACITY_BLOCK)
    assert problems(caught.value.document(), PLAN_SCHEMA) == []
