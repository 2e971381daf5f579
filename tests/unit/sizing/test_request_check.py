"""Everything wrong with a request comes at once; one mistake alone keeps the form it always had."""

from __future__ import annotations

from typing import Any

import pytest

from infra.errors import ConfigurationError, ConfigurationErrors
from infra.sizing.compatibility_rules import Stack, read_stack
from infra.sizing.engine import Family
from infra.sizing.request import NAMES, PlanRequest
from infra.sizing.request_check import mistakes_of, serving_mistakes
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, make_training
from tests.unit.sizing.support_schema import PLAN_SCHEMA, problems


def keys(over: dict[str, Any]) -> list[tuple[str, str | None]]:
    with pytest.raises(ConfigurationErrors) as caught:
        make_plan(**over)
    assert (caught.value.code, caught.value.exit_code) == ("SKS0100", 2)
    return [(error.code, error.key) for error in caught.value.errors]


def test_every_unreadable_version_is_named_at_once() -> None:
    assert keys({"driver": "x", "cuda": "y", "python": "z", "engine_version": "new"}) == [
        ("SKS0207", "engineVersion"),
        ("SKS0207", "driver"),
        ("SKS0207", "cuda"),
        ("SKS0207", "python"),
    ]


def test_values_names_and_versions_are_named_together() -> None:
    wrong = {"context_tokens": 2, "nodes": 0, "model": "7X", "quantization": "q", "gpu": "L5", "families": ("g6", "zz")}
    assert keys({**wrong, "python": "z"}) == [
        ("SKS0205", "contextTokens"),
        ("SKS0205", "nodes"),
        ("SKS0205", "families"),
        ("SKS0201", "model"),
        ("SKS0204", "quantization"),
        ("SKS0202", "gpu"),
        ("SKS0203", "families"),
        ("SKS0207", "python"),
    ]


def test_a_contradiction_does_not_hide_an_unknown_type() -> None:
    assert keys({"instance_type": "g6.tiny", "gpu": "L4"}) == [("SKS0205", "gpu"), ("SKS0203", "instanceType")]
    assert keys({"hosts": (make_host(),), "gpu": "L5"}) == [("SKS0205", "inventory"), ("SKS0202", "gpu")]


def test_a_context_beyond_the_model_is_named_with_the_rest() -> None:
    assert keys({"context_tokens": 1_000_000, "driver": "x"}) == [("SKS0207", "driver"), ("SKS0206", "contextTokens")]


@pytest.mark.parametrize(
    ("over", "count"),
    [
        ({"model": "7X", "context_tokens": 1_000_000}, 1),  # what the model has is not known
        ({"model": "7B", "context_tokens": 2**21}, 1),  # out of any range: said once
    ],
)
def test_what_follows_from_another_mistake_is_left_out(over: dict[str, Any], count: int) -> None:
    assert len(serving_mistakes(PlanRequest(**over), CATALOG)) == count


@pytest.mark.parametrize(
    ("over", "code", "key"),
    [
        ({"driver": "x"}, "SKS0207", "driver"),
        ({"model": "7X"}, "SKS0201", "model"),
        ({"gpu": "L5"}, "SKS0202", "gpu"),
        ({"instance_type": "g6.tiny"}, "SKS0203", "instanceType"),
        ({"families": ("zz",)}, "SKS0203", "families"),
        ({"quantization": "q"}, "SKS0204", "quantization"),
        ({"concurrency": 0}, "SKS0205", "concurrency"),
        ({"objective": "fun"}, "SKS0205", "objective"),
        ({"context_tokens": 1_000_000}, "SKS0206", "contextTokens"),
    ],
)
def test_one_mistake_is_an_error_of_its_own(over: dict[str, Any], code: str, key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan(**over)
    assert (caught.value.code, caught.value.key) == (code, key)


@pytest.mark.parametrize("name", ["us-east1", "mars", "us_east_1", "su-east-1"])
@pytest.mark.parametrize("workload", ["serve", "lora"])
def test_a_name_that_is_no_region_is_refused_for_any_work(name: str, workload: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan(region=name) if workload == "serve" else make_training("7B", workload, {"region": name})
    assert (caught.value.code, caught.value.key) == ("SKS0104", "region")
    assert "set region to us-east-1" in (caught.value.fix or "")
    assert "pulumi" not in str(caught.value)


def test_a_region_in_capitals_is_the_same_region() -> None:
    assert make_plan(region="US-EAST-1").to_json() == make_plan(region="us-east-1").to_json()
    trained = [make_training("7B", "lora", {"region": name}) for name in ("US-EAST-1", "us-east-1")]
    assert trained[0] == trained[1]


@pytest.mark.parametrize("owned", [{"gpu": "L4"}, {"hosts": (make_host(),)}])
@pytest.mark.parametrize(
    ("over", "key"),
    [
        ({"families": ("g6",)}, "families"),
        ({"max_usd_per_hour": 3.0}, "maxUsdPerHour"),
        ({"quota_vcpus": 8}, "quotaVcpus"),
        ({"region": "us-east-1"}, "region"),
        ({"market": "spot"}, "market"),
    ],
)
def test_what_only_ec2_has_is_refused_beside_machines_one_owns(
    owned: dict[str, Any], over: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan(**owned, **over)
    assert (caught.value.code, caught.value.key) == ("SKS0205", key)
    assert f"leave out {key}" in (caught.value.fix or "")


def test_everything_that_only_ec2_has_is_named_at_once() -> None:
    over = {"families": ("g6",), "max_usd_per_hour": 3.0, "quota_vcpus": 8, "region": "us-east-1", "market": "spot"}
    named = ["market", "families", "maxUsdPerHour", "quotaVcpus", "region"]
    assert [key for _, key in keys({"gpu": "L4", **over})] == named


@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("engine", ["vllm", "sglang"])
@pytest.mark.parametrize("field", NAMES)
def test_blank_text_is_not_the_same_as_nothing(field: str, engine: str, blank: str) -> None:
    request = PlanRequest("7B", engine=Family(engine), **{field: blank})
    (mistake,) = serving_mistakes(request, CATALOG)
    assert (mistake.code, mistake.key) == ("SKS0205", NAMES[field])
    assert "unset variable" in mistake.message


@pytest.mark.parametrize(
    ("asked", "stated", "refused"),
    [
        ("580.95.05", "535.154.02", True),
        ("580.95.05", "580.65.06", True),
        ("570", "580.95.05", True),
        ("580.95.05", "580.95.05", False),
        ("580", "580.95.05", False),
        ("R580", "580.95.05", False),
        ("580.95.05", "580", False),
        ("580.95.05", None, False),
    ],
)
def test_a_driver_beside_an_inventory_that_states_another_is_refused(
    asked: str, stated: str | None, refused: bool
) -> None:
    hosts = (make_host("node-1", driver=stated), make_host("node-2", driver=None), make_host("node-3", driver=stated))
    found = serving_mistakes(PlanRequest("7B", hosts=hosts, driver=asked), CATALOG)
    assert [mistake.key for mistake in found] == ["driver"] * refused
    for mistake in found:
        assert all(word in mistake.message for word in (asked, str(stated), "node-1", "1 more"))
        assert "leave out --driver" in (mistake.fix or "")


def test_one_host_with_another_driver_is_the_only_one_named() -> None:
    hosts = (make_host("node-1"), make_host("node-2", driver="535"))
    (found,) = serving_mistakes(PlanRequest("7B", hosts=hosts, driver="580.95.05"), CATALOG)
    assert found.message.endswith("states 535 of node-2")


def test_a_driver_that_cannot_be_read_is_not_compared() -> None:
    (found,) = serving_mistakes(PlanRequest("7B", hosts=(make_host(),), driver="newest"), CATALOG)
    assert found.code == "SKS0207"


def test_a_good_request_has_no_mistakes() -> None:
    assert mistakes_of(PlanRequest("7B", quantization="int8", gpu="L4", gpus=2, driver="580"), CATALOG) == []


def test_a_training_request_is_checked_whole_too() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        make_training("7X", "lora", {"tensor_parallel": 2, "max_ttft_seconds": 1.0, "driver": "x"}, rank=0, bits=3)
    found = [error.key for error in caught.value.errors]
    assert found == ["model", "driver", "tensor_parallel", "max_ttft_seconds", "rank", "bits"]


@pytest.mark.parametrize(
    "over",
    [
        {"context_tokens": 4096},
        {"concurrency": 2},
        {"kv_cache_dtype": "fp8"},
        {"utilization": 0.9},
        {"data_parallel": 2},
        {"objective": "latency"},
        {"engine_version": "0.33.0"},
    ],
)
def test_training_refuses_by_name_what_only_serving_has(over: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_training("7B", "lora", over)
    assert [(caught.value.code, caught.value.key)] == [("SKS0205", name) for name in over]


def test_a_request_checks_its_own_values_all_at_once() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        PlanRequest("7B", nodes=0, concurrency=0).check()
    assert [error.key for error in caught.value.errors] == ["concurrency", "nodes"]


def test_a_stack_names_each_version_that_cannot_be_read() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        read_stack(Stack(driver="x", torch="y"))
    assert [error.key for error in caught.value.errors] == ["driver", "torch"]


def test_the_list_has_the_published_form() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        make_plan(driver="x", cuda="y")
    document = {"error": caught.value.to_json()}
    assert problems(document, PLAN_SCHEMA) == []
    document["error"]["errors"] = ["x"]
    assert problems(document, PLAN_SCHEMA)
