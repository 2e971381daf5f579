"""How EC2 sells the shipped types, and what the refresh makes of its answers on spot prices and capacity blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import botocore.session
import pytest
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

from infra.catalog.load import instance_facts, shipped
from infra.catalog.markets import Market, MarketPrice, price_in, prices_of
from infra.catalog.refresh import Answers, Row, compare, merge
from infra.catalog.refresh_markets import LINUX, capacity_block_prices, spot_prices, with_market_prices

CATALOG = shipped()
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
TODAY = "2026-12-01"
SPOT, BLOCKS = "describe_spot_price_history", "describe_capacity_block_offerings"


@contextmanager
def ec2() -> Iterator[Stubber]:
    """A real client that answers from a queue; botocore checks parameters and answers against EC2's own model."""
    session = botocore.session.get_session()
    client = session.create_client(
        "ec2", region_name="us-east-1", aws_access_key_id="testing", aws_secret_access_key="testing"
    )
    with Stubber(client) as stub:
        yield stub


def spot(name: str, zone: str, usd: str, *, hours_ago: float = 1) -> dict[str, Any]:
    when = NOW - timedelta(hours=hours_ago)
    return {
        "InstanceType": name, "AvailabilityZone": zone, "SpotPrice": usd, "Timestamp": when,
        "ProductDescription": "Linux/UNIX",
    }  # fmt: skip


def block(name: str, fee: str, *, hours: int = 24, minutes: int = 0, count: int = 1, currency: str = "USD") -> Any:
    return {
        "CapacityBlockOfferingId": "cbr-1", "InstanceType": name, "AvailabilityZone": "us-east-1a",
        "InstanceCount": count, "StartDate": NOW, "EndDate": NOW + timedelta(hours=hours, minutes=minutes),
        "CapacityBlockDurationHours": hours, "CapacityBlockDurationMinutes": minutes, "UpfrontFee": fee,
        "CurrencyCode": currency, "Tenancy": "default",
    }  # fmt: skip


def asked_for_block(name: str) -> dict[str, object]:
    return {"InstanceType": name, "InstanceCount": 1, "CapacityDurationHours": 24}


def make_answers(*rows: Row, offered: tuple[str, ...] | None = None) -> Answers:
    names = frozenset(row["type"] for row in rows) if offered is None else frozenset(offered)
    return Answers("us-east-1", rows, (), names, None, ())


def row(name: str, **over: Any) -> Row:
    facts = {"type": name, "family": name.split(".")[0], "gpu": "L4", "gpus": 1, "vcpus": 4, "memory_gib": 16}
    facts |= {"cpu": "x86_64", "network": "10 Gigabit", "ebs_mbit_per_second": 1000}
    return {**facts, "source": "moto", "date": "2026-11-24", **over}


def test_every_type_is_sold_on_demand_and_as_spot_and_eleven_in_blocks() -> None:
    assert all(set(one.markets) >= {Market.ON_DEMAND, Market.SPOT} for one in CATALOG.instances)
    assert sum(Market.CAPACITY_BLOCK in one.markets for one in CATALOG.instances) == 11


def test_no_spot_or_block_price_is_shipped() -> None:
    """There is no dated public source that we could ship; the refresh asks AWS."""
    for one in CATALOG.instances:
        assert (one.spot_usd_per_hour, one.spot_price_date) == (None, None)
        assert (one.capacity_block_usd_per_hour, one.capacity_block_price_date) == (None, None)


def test_a_row_with_all_prices_says_each_with_its_date() -> None:
    prices = {"usd_per_hour": 3.0, "price_date": "2026-01-21", "spot_usd_per_hour": 1.0, "spot_price_date": TODAY}
    prices |= {"capacity_block_usd_per_hour": 2.0, "capacity_block_price_date": "2026-11-30"}
    facts = instance_facts(row("p4d.24xlarge", markets=list(Market), **prices), "us-east-1")
    assert prices_of(facts) == (
        MarketPrice(Market.ON_DEMAND, 3.0, "2026-01-21"),
        MarketPrice(Market.SPOT, 1.0, TODAY),
        MarketPrice(Market.CAPACITY_BLOCK, 2.0, "2026-11-30"),
    )
    usual = replace(facts, markets=(Market.ON_DEMAND,))
    assert [one.market for one in prices_of(usual)] == [Market.ON_DEMAND]
    assert price_in(usual, Market.SPOT).usd_per_hour == 1.0


def test_spot_is_the_newest_price_of_the_dearest_zone() -> None:
    pages = [
        [spot("g6.xlarge", "us-east-1a", "0.9", hours_ago=9), spot("g6.xlarge", "us-east-1a", "0.3")],
        [spot("g6.xlarge", "us-east-1b", "0.4", hours_ago=5), spot("g6.xlarge", "us-east-1b", "0.2", hours_ago=8)],
    ]
    asked = {"InstanceTypes": ["g6.xlarge"], "ProductDescriptions": list(LINUX), "StartTime": NOW}
    with ec2() as stub:
        stub.add_response(SPOT, {"SpotPriceHistory": pages[0], "NextToken": "more"}, asked)
        stub.add_response(SPOT, {"SpotPriceHistory": pages[1], "NextToken": ""}, {**asked, "NextToken": "more"})
        assert spot_prices(stub.client, "us-east-1", ["g6.xlarge"], NOW) == ({"g6.xlarge": 0.4}, ())
        stub.assert_no_pending_responses()


@pytest.mark.parametrize(
    "left_out",
    [
        spot("g6.xlarge", "us-east-1-atl-1a", "9.0"),
        spot("g6.xlarge", "us-east-1a", "9.0", hours_ago=24 * 91),
    ],
    ids=["of a Local Zone", "older than EC2's history"],
)
def test_a_spot_price_that_nobody_would_pay_here_today_is_left_out(left_out: dict[str, Any]) -> None:
    with ec2() as stub:
        stub.add_response(SPOT, {"SpotPriceHistory": [left_out, spot("g6.xlarge", "us-east-1b", "0.4")]})
        assert spot_prices(stub.client, "us-east-1", ["g6.xlarge"], NOW) == ({"g6.xlarge": 0.4}, ())
        stub.add_response(SPOT, {"SpotPriceHistory": [left_out]})
        found, notes = spot_prices(stub.client, "us-east-1", ["g6.xlarge"], NOW)
    assert found is None
    assert notes == ("spot prices are left as they are: AWS has none of the last 90 days for us-east-1",)


@pytest.mark.parametrize(
    ("offers", "usd_per_hour"),
    [
        ([block("p5.48xlarge", "960.00")], 40.0),
        ([block("p5.48xlarge", "960.00", hours=22, minutes=30)], 42.666667),
        ([block("p5.48xlarge", "1920.00", count=2)], 40.0),
        ([block("p5.48xlarge", "960.00"), block("p5.48xlarge", "1200.00")], 50.0),
        ([block("p5.48xlarge", "960.00"), block("p5.48xlarge", "9999.00", currency="CNY")], 40.0),
    ],
    ids=["a day", "22 h 30 min", "two instances", "the dearest", "US dollars only"],
)
def test_a_block_costs_its_fee_over_hours_and_instances(offers: list[Any], usd_per_hour: float) -> None:
    with ec2() as stub:
        stub.add_response(BLOCKS, {"CapacityBlockOfferings": offers}, asked_for_block("p5.48xlarge"))
        assert capacity_block_prices(stub.client, ["p5.48xlarge"]) == ({"p5.48xlarge": usd_per_hour}, ())


def test_a_type_without_a_block_on_offer_has_no_price_and_is_named() -> None:
    with ec2() as stub:
        stub.add_response(BLOCKS, {"CapacityBlockOfferings": []}, asked_for_block("p4d.24xlarge"))
        stub.add_response(BLOCKS, {"CapacityBlockOfferings": [block("p5.48xlarge", "24")]})
        found, notes = capacity_block_prices(stub.client, ["p4d.24xlarge", "p5.48xlarge"])
    assert found == {"p5.48xlarge": 1.0}
    assert notes == ("no capacity block of a day in US dollars is on offer, so no price: p4d.24xlarge",)


def test_a_refusal_of_one_type_does_not_stop_the_others() -> None:
    with ec2() as stub:
        stub.add_client_error(BLOCKS, "InvalidParameterValue", "not in this region", 400)
        stub.add_response(BLOCKS, {"CapacityBlockOfferings": [block("p5.48xlarge", "24")]})
        found, notes = capacity_block_prices(stub.client, ["p4d.24xlarge", "p5.48xlarge"])
    assert found == {"p5.48xlarge": 1.0}
    assert notes[0].startswith("p4d.24xlarge: no capacity-block price:")


def test_an_account_that_may_not_ask_keeps_all_it_knows_and_is_told_once() -> None:
    facts = row("p5.48xlarge", markets=list(map(str, Market)))
    old = facts | {"spot_usd_per_hour": 9.0, "spot_price_date": "2026-11-30"}
    old |= {"capacity_block_usd_per_hour": 8.0, "capacity_block_price_date": "2026-11-29"}
    with ec2() as stub:
        stub.add_client_error(SPOT, "UnauthorizedOperation", "no", 403)
        stub.add_client_error(BLOCKS, "UnauthorizedOperation", "no", 403)
        answers = with_market_prices(
            make_answers(facts, row("p4d.24xlarge", markets=["capacity-block"])), stub.client, NOW
        )
        stub.assert_no_pending_responses()
    assert [note.split(":")[0] for note in answers.notes] == [
        "spot prices are left as they are",
        "capacity-block prices are left as they are",
    ]
    assert all("UnauthorizedOperation" in note for note in answers.notes)
    merged = merge([old], answers.accelerated, answers, TODAY, same_region=True)
    assert not compare([old], merged[:1])
    assert merged[0]["spot_price_date"] == "2026-11-30"
    elsewhere = merge([old], answers.accelerated, answers, TODAY, same_region=False)
    assert not {"spot_usd_per_hour", "capacity_block_price_date"} & set(elsewhere[0])


@pytest.mark.parametrize(
    ("call", "answer"),
    [
        (SPOT, {"SpotPriceHistory": [{"InstanceType": "p5.48xlarge"}]}),
        (SPOT, {"SpotPriceHistory": [spot("p5.48xlarge", "us-east-1a", "a lot")]}),
        (BLOCKS, {"CapacityBlockOfferings": [block("p5.48xlarge", "1", hours=0)]}),
        (BLOCKS, {"CapacityBlockOfferings": [{"UpfrontFee": "1"}]}),
    ],
)
def test_an_answer_that_cannot_be_read_is_a_note(call: str, answer: Any) -> None:
    with ec2() as stub:
        stub.add_response(call, answer)
        found, notes = (
            spot_prices(stub.client, "us-east-1", ["p5.48xlarge"], NOW)
            if call == SPOT
            else capacity_block_prices(stub.client, ["p5.48xlarge"])
        )
    assert found is None
    assert "are left as they are: Describe" in notes[0]


def test_a_page_instead_of_an_answer_is_a_note_of_one_line() -> None:
    """moto's server has no capacity blocks, and answers a page of HTML with status 500."""

    class Fake:
        def get_paginator(self, _: str) -> Any:
            raise ResponseParserError("Unable to parse response\n<!doctype html>")

    found, notes = capacity_block_prices(Fake(), ["p5.48xlarge"])
    assert found is None
    assert notes == (
        "capacity-block prices are left as they are: DescribeCapacityBlockOfferings: Unable to parse response",
    )


def test_asks_only_for_types_that_the_region_offers_in_that_market() -> None:
    rows = (row("g6.xlarge"), row("p5.48xlarge", markets=list(map(str, Market))), row("p5e.48xlarge", markets=["spot"]))
    with ec2() as stub:
        wanted = {"InstanceTypes": ["g6.xlarge", "p5.48xlarge"], "ProductDescriptions": list(LINUX), "StartTime": NOW}
        stub.add_response(SPOT, {"SpotPriceHistory": [spot("g6.xlarge", "us-east-1a", "0.4")]}, wanted)
        stub.add_response(BLOCKS, {"CapacityBlockOfferings": []}, asked_for_block("p5.48xlarge"))
        found = with_market_prices(make_answers(*rows, offered=("g6.xlarge", "p5.48xlarge")), stub.client, NOW)
        nothing = with_market_prices(make_answers(), stub.client, NOW)
        stub.assert_no_pending_responses()
    assert (found.spot_prices, found.capacity_block_prices) == ({"g6.xlarge": 0.4}, {})
    assert (nothing.spot_prices, nothing.capacity_block_prices, nothing.notes) == ({}, {}, ())


def test_new_prices_are_dated_today_and_shown_as_prices() -> None:
    old = row("g6.xlarge", spot_usd_per_hour=0.5, spot_price_date="2026-11-30")
    answers = replace(make_answers(row("g6.xlarge")), spot_prices={"g6.xlarge": 0.4}, capacity_block_prices={})
    merged = merge([old], answers.accelerated, answers, TODAY, same_region=True)
    assert (merged[0]["spot_usd_per_hour"], merged[0]["spot_price_date"]) == (0.4, TODAY)
    differences = compare([old], merged)
    assert differences.changed == ()
    assert [(one.field, one.shipped, one.found) for one in differences.prices] == [("spot_usd_per_hour", 0.5, 0.4)]


def test_a_price_that_aws_no_longer_names_goes() -> None:
    old = row("g6.xlarge", spot_usd_per_hour=0.5, spot_price_date="2026-11-30")
    answers = replace(make_answers(row("g6.xlarge")), spot_prices={"g6.2xlarge": 1.0})
    assert "spot_usd_per_hour" not in merge([old], answers.accelerated, answers, TODAY, same_region=True)[0]
