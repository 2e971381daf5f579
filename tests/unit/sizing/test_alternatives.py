"""What a person compares the choice with: the same figures as a plan on that machine would show."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.sizing import performance
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, make_training


@pytest.mark.parametrize("over", [{"model": "7B"}, {"model": "70B", "concurrency": 8}, {"model": "R1", "nodes": 2}])
def test_speed_and_price_are_those_of_a_plan_on_that_machine(over: dict[str, Any]) -> None:
    outcome = make_plan(**over)
    quantization = outcome.quantization
    for one in outcome.alternatives[:8]:
        same = make_plan(**over, instance_type=one.instance_type, quantization=quantization)
        assert one.speed == same.speed
        assert one.speed is not None
        million = one.usd_per_million_tokens(one.speed)
        assert million == (same.price.usd_per_million_tokens if same.price else None)


def test_a_million_tokens_costs_what_an_hour_does_over_its_tokens() -> None:
    one = make_plan("7B", concurrency=4).alternatives[0]
    assert one.speed is not None
    assert one.usd_per_hour is not None
    found = one.usd_per_million_tokens(one.speed)
    assert found is not None
    assert found.expected == pytest.approx(one.usd_per_hour / (one.speed.total.expected * 3600) * 1e6)
    document = one.to_json()
    assert document["usd_per_million_tokens"] == {
        "low": pytest.approx(found.low, rel=5e-3),
        "high": pytest.approx(found.high, rel=5e-3),
    }
    assert document["speed"] == one.speed.to_json()


def test_the_speed_of_an_alternative_is_computed_when_it_is_shown_and_not_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []
    real = performance.speed_with
    monkeypatch.setattr(performance, "speed_with", lambda *case: asked.append(case) or real(*case))
    outcome = make_plan("7B")
    assert len(asked) == 2  # of the choice, with those asked for and with the most
    outcome.to_json()
    assert len(asked) == 2 + 2 * len(outcome.alternatives) > 80


def test_plans_are_equal_whatever_was_shown_of_them() -> None:
    one, other = make_plan("7B"), make_plan("7B")
    one.to_json()
    assert one == other


def test_hosts_one_owns_have_a_speed_and_no_price() -> None:
    (other,) = make_plan("7B", hosts=(make_host("a"), make_host("b", gpu="A100-80"))).alternatives
    assert other.to_json()["speed"] is not None
    assert other.to_json()["usd_per_million_tokens"] is None


def test_a_gpu_of_unknown_bandwidth_has_neither() -> None:
    gpus = tuple(replace(gpu, bandwidth_bytes_per_second=0.0) for gpu in CATALOG.gpus)
    one = make_plan("7B", replace(CATALOG, gpus=gpus)).alternatives[0]
    assert (one.speed, one.to_json()["usd_per_million_tokens"]) == (None, None)


def test_training_runs_have_no_speed() -> None:
    assert make_training("7B").alternatives[0].to_json()["speed"] is None
