"""Everything `seekstack plan --json` writes has the published form."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from infra.errors import ConfigurationError
from infra.sizing.plan import PlanRequest, plan
from infra.sizing.refusal import Reason
from infra.sizing.refused import PlanRefusal
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, make_training, refusal
from tests.unit.sizing.support_schema import PLAN_SCHEMA, problems


def found(document: object) -> list[str]:
    return problems(json.loads(json.dumps(document)), PLAN_SCHEMA)


@pytest.mark.parametrize("model", CATALOG.models, ids=lambda one: one.label)
def test_plans_and_refusals_of_each_model_have_the_published_form(model: Any) -> None:
    for context, quantization in itertools.product((8192, 131072), (None, "fp8", "awq")):
        request = PlanRequest(model.id, context_tokens=context, quantization=quantization)
        try:
            document: object = plan(request, CATALOG).to_json()
        except PlanRefusal as error:
            document = error.document()
        except ConfigurationError as error:
            document = {"error": error.to_json()}
        assert found(document) == []


@pytest.mark.parametrize(
    "over",
    [
        {"gpu": "L4"},
        {"nodes": 2, "model": "R1", "quantization": "bf16"},
        {"hosts": (make_host("a"), make_host("b", driver="535.154.02"))},
        {"instance_type": "g7.2xlarge"},
        {"driver": "550", "objective": "throughput"},
    ],
)
def test_plans_of_each_kind_have_the_published_form(over: dict[str, Any]) -> None:
    assert found(make_plan(**over).to_json()) == []


@pytest.mark.parametrize("workload", ["train", "lora", "qlora"])
def test_training_has_the_published_form(workload: str) -> None:
    assert found(make_training("7B", workload).to_json()) == []


def test_several_causes_have_the_published_form() -> None:
    assert found(refusal("R1", driver="535.154.02", python="3.8", gpu="T4").document()) == []


def test_the_schema_lists_the_reasons_there_are() -> None:
    assert PLAN_SCHEMA["$defs"]["code"]["enum"] == [str(reason) for reason in Reason]


def test_a_document_of_another_form_is_found() -> None:
    document = make_plan("7B").to_json()
    assert found({**document, "extra": 1})
    assert found({**document, "kv_tokens": "many"})
    assert found({name: value for name, value in document.items() if name != "speed"})
