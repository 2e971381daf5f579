"""Everything wrong with a request comes at once; one mistake alone keeps the form it always had."""

from __future__ import annotations

from typing import Any

import pytest

from infra.errors import ConfigurationError, ConfigurationErrors
from infra.sizing.compatibility_rules import Stack, read_stack
from infra.sizing.request import PlanRequest
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


def test_a_good_request_has_no_mistakes() -> None:
    assert mistakes_of(PlanRequest("7B", quantization="int8", gpu="L4", gpus=2, driver="580"), CATALOG) == []


def test_a_training_request_is_checked_whole_too() -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        make_training("7X", "lora", {"tensor_parallel": 2, "max_ttft_seconds": 1.0, "driver": "x"}, rank=0, bits=3)
    found = [error.key for error in caught.value.errors]
    assert found == ["model", "driver", "tensor_parallel", "max_ttft_seconds", "rank", "bits"]


def test_training_does_not_ask_for_the_context_of_requests() -> None:
    assert make_training("deepseek-coder-1.3b-instruct", "lora", {"context_tokens": 1_000_000}).machine


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
