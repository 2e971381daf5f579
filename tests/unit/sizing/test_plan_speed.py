"""Speed, first token, start and price of a plan: ranges, said to be estimates."""

from __future__ import annotations

import pytest

from infra.sizing.explain import explain
from tests.unit.sizing.support_plan import make_plan


def test_speed_is_a_range_of_all_users_together_and_of_one() -> None:
    speed = make_plan("7B", instance_type="g6.xlarge", concurrency=4).speed
    assert speed is not None
    assert speed.per_user.low < speed.per_user.expected < speed.per_user.high
    assert speed.total.expected == pytest.approx(4 * speed.per_user.expected)
    assert speed.ms_per_token.expected == pytest.approx(1000 / speed.per_user.expected)
    assert speed.to_json()["kind"] == "estimate"


def test_the_parts_of_a_step_are_those_of_the_speed() -> None:
    speed = make_plan("R1").speed
    assert speed is not None
    assert speed.step.seconds.expected * 1e3 == pytest.approx(speed.ms_per_token.expected)


def test_prices_an_hour_a_month_and_a_million_tokens() -> None:
    outcome = make_plan("7B", instance_type="g6.xlarge")
    price, speed = outcome.price, outcome.speed
    assert price is not None
    assert speed is not None
    assert price.usd_per_million_tokens is not None
    assert price.usd_per_month == pytest.approx(0.8048 * 730)
    assert price.usd_per_million_tokens.low == pytest.approx(0.8048 / (speed.total.high * 0.0036))
    document = price.to_json()
    assert (document["kind"], document["date"], document["region"]) == ("on-demand", "2026-01-21", "us-east-1")


def test_two_machines_cost_twice_as_much() -> None:
    outcome = make_plan("R1", quantization="bf16", nodes=2)
    assert (outcome.nodes, outcome.usd_per_hour) == (2, pytest.approx(2 * 63.296))


def test_more_users_make_a_token_slower_and_a_million_of_them_cheaper() -> None:
    one, many = (make_plan("7B", instance_type="g6e.xlarge", context_tokens=2048, concurrency=n) for n in (1, 16))
    assert one.speed is not None
    assert many.speed is not None
    assert many.speed.per_user.expected < one.speed.per_user.expected
    assert many.speed.total.expected > one.speed.total.expected


def test_loading_may_take_twice_as_long_as_reading() -> None:
    outcome = make_plan("7B", instance_type="g6.xlarge")
    assert (outcome.load.low, outcome.load.high) == (outcome.load_seconds, 2 * outcome.load_seconds)


def test_a_machine_one_owns_has_a_speed_and_no_price() -> None:
    outcome = make_plan("7B", gpu="RTX4090")
    assert outcome.price is None
    assert outcome.speed is not None


def test_every_number_of_speed_and_price_is_explained() -> None:
    outcome = make_plan("7B", instance_type="g6.xlarge")
    text = "\n".join(explain(outcome))
    assert "reading for 1 user, 8,192 tokens each: 14.6" in text
    assert "instance store: 250 GB, holds the weights (19 GB)" in text
    assert "latency: 28 layers x 0.035" in text
    assert "0.805 USD/h x 730 h = 587.50 USD a month, on-demand" in text
    assert "a million tokens (estimate)" in text
    assert "first token (estimate): 138.2 TFLOP" in text
