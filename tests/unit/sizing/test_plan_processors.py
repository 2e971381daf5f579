"""EC2 types without accelerator: who may use them, what fits, and what is said of their price and speed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.catalog.facts import CpuInstanceFacts
from infra.catalog.load import cpu_instances
from infra.errors import ConfigurationError
from infra.sizing.cpu import as_accelerator
from infra.sizing.engine import Family
from infra.sizing.machines import check_machine, machine_without_gpu
from infra.sizing.plan import Plan, PlanRequest, plan
from infra.sizing.refusal import Reason
from infra.sizing.refused import PlanRefusal
from infra.units import gib
from tests.unit.sizing.support_plan import CATALOG, make_plan, refusal
from tests.unit.sizing.support_schema import PLAN_SCHEMA, problems

TYPES = {one.instance_type: one for one in cpu_instances()}


def on(instance: str = "c8i.4xlarge", model: str = "7B", quantization: str | None = "q4_k_m", **over: Any) -> Plan:
    return make_plan(model, engine=Family.LLAMA_CPP, instance_type=instance, quantization=quantization, **over)


def priced(**prices: float) -> tuple[CpuInstanceFacts, ...]:
    """The types with prices by family and size, `c8g_xlarge`; the others have none."""
    by_type = {name.replace("_", "."): price for name, price in prices.items()}
    return tuple(
        replace(one, usd_per_hour=by_type.get(one.instance_type), price_date="2026-11-24", offered_in=("us-east-1",))
        for one in cpu_instances()
    )


def with_prices(model: str = "7B", processors: tuple[CpuInstanceFacts, ...] = (), **over: Any) -> Plan:
    return plan(PlanRequest(model, engine=Family.LLAMA_CPP, **over), CATALOG, processors=processors)


def test_runs_a_thread_on_each_core_and_no_layer_on_a_gpu() -> None:
    outcome = on("c8i.4xlarge")
    words = " ".join(outcome.engine_arguments)
    assert "--threads 8" in words
    assert "n-gpu-layers" not in words
    assert "split" not in words
    assert (outcome.gpus, outcome.instance and outcome.instance.instance_type) == (0, "c8i.4xlarge")


def test_json_has_no_gpu_and_the_published_form() -> None:
    document = on().to_json()
    assert document["gpu"] is None
    assert problems(document, PLAN_SCHEMA) == []
    refused = refusal("32B", engine=Family.LLAMA_CPP, instance_type="c8i.xlarge")
    assert problems(refused.document(), PLAN_SCHEMA) == []


def test_weights_cache_and_program_share_the_memory_that_linux_leaves() -> None:
    outcome = on("c8i.4xlarge")
    budget = outcome.budget
    parts = (budget.weights_bytes, budget.non_torch_bytes, budget.activation_bytes, budget.kv_cache_bytes)
    assert sum(parts) == budget.usable_bytes
    assert gib(28) < budget.usable_bytes < gib(30)
    assert outcome.host_memory_bytes < budget.usable_bytes
    assert outcome.host_memory_bytes > budget.weights_bytes + 8192 * outcome.kv_bytes_per_token


def test_what_does_not_fit_names_the_weights_and_a_larger_machine() -> None:
    refused = refusal("32B", engine=Family.LLAMA_CPP, instance_type="c8i.2xlarge", quantization="q4_k_m")
    assert refused.reason is Reason.WEIGHTS
    assert "use instance type" in str(refused)
    assert "utilization" not in str(refused)


def test_a_long_context_names_the_cache() -> None:
    refused = refusal(
        "7B", engine=Family.LLAMA_CPP, instance_type="c8i.xlarge", quantization="q4_k_m", context_tokens=131072
    )
    assert refused.reason is Reason.KV_CACHE


def test_the_largest_kind_that_fits_is_taken_where_none_is_named() -> None:
    names = [on(name, "14B", None).quantization for name in ("m8i.4xlarge", "m8i.2xlarge", "m8i.xlarge")]
    assert names == ["bf16", "q8_0", "q5_k_m"]


@pytest.mark.parametrize("instance", ["c8g.4xlarge", "m8a.4xlarge", "r8i.4xlarge"])
def test_every_vendor_serves_graviton_too(instance: str) -> None:
    outcome = on(instance)
    assert outcome.software.cuda is None
    assert outcome.software.driver is None
    assert outcome.speed is not None
    assert outcome.speed.per_user.high > 4 * outcome.speed.per_user.low


def test_more_cores_read_faster_and_an_unknown_vendor_counts_as_the_slowest() -> None:
    one, two = (as_accelerator(TYPES[name]).bandwidth_bytes_per_second for name in ("c8g.4xlarge", "c8g.8xlarge"))
    assert two == 2 * one
    unknown = as_accelerator(replace(TYPES["c8g.4xlarge"], cpu_vendor="Else"))
    assert unknown.bandwidth_bytes_per_second == 16 * 3.2e9


def test_the_measured_prompt_of_the_source_lies_in_the_range() -> None:
    """llama.cpp 27086: 430 tokens/s of prompt for a 1.5B in Q4_0 with 16 threads on a c8g.4xlarge."""
    outcome = on("c8g.4xlarge", "1.5B", "q4_0", context_tokens=512)
    assert outcome.speed is not None
    assert outcome.speed.first_token_seconds is not None
    assert 512 / 430 in outcome.speed.first_token_seconds


def test_types_without_a_price_come_last_and_are_counted_in_a_note() -> None:
    outcome = make_plan("7B", engine=Family.LLAMA_CPP, quantization="q4_k_m")
    assert outcome.gpus == 1
    unpriced = [one for one in outcome.alternatives if one.gpu is None]
    assert len(unpriced) == 45
    assert all((one.gpus, one.usd_per_hour) == (0, None) for one in unpriced)
    assert any(note.startswith("45 types without GPU would also fit") for note in outcome.warnings)
    first = next(index for index, one in enumerate(outcome.alternatives) if one.gpu is None)
    assert all(one.usd_per_hour is None for one in outcome.alternatives[first:])


def test_one_type_is_one_type() -> None:
    processors = tuple(one for one in cpu_instances() if one.instance_type == "c8g.4xlarge")
    outcome = with_prices(processors=processors, quantization="q4_k_m")
    assert any(note.startswith("1 type without GPU would also fit") for note in outcome.warnings)


def test_with_a_price_the_cheapest_wins_whatever_it_is() -> None:
    outcome = with_prices(processors=priced(c8g_xlarge=0.16, c8g_2xlarge=0.31), quantization="q4_k_m", model="1.5B")
    assert outcome.where == "c8g.xlarge"
    assert outcome.price is not None
    assert outcome.price.usd_per_hour == 0.16
    dear = with_prices(processors=priced(c8g_2xlarge=5.0), quantization="q4_k_m")
    assert dear.gpus == 1


def test_of_those_without_a_price_the_smallest_comes_first() -> None:
    outcome = make_plan("7B", engine=Family.LLAMA_CPP, families=("c8g",), quantization="q4_k_m")
    order = [outcome.where, *(one.instance_type for one in outcome.alternatives)]
    assert order == ["c8g.xlarge", "c8g.2xlarge", "c8g.4xlarge", "c8g.8xlarge", "c8g.16xlarge"]


def test_a_limit_of_price_or_quota_holds_for_them_too() -> None:
    assert (
        refusal("7B", engine=Family.LLAMA_CPP, instance_type="c8g.4xlarge", max_usd_per_hour=9).reason is Reason.PRICE
    )
    assert refusal("7B", engine=Family.LLAMA_CPP, instance_type="c8g.4xlarge", quota_vcpus=8).reason is Reason.QUOTA


def test_a_region_where_the_type_is_not_sold_is_refused() -> None:
    assert on("c8g.4xlarge", region="us-east-1").where == "c8g.4xlarge"
    machine = machine_without_gpu(TYPES["c8g.4xlarge"])
    assert machine.instance is not None
    elsewhere = replace(machine, instance=replace(machine.instance, offered_in=()))
    request = PlanRequest("7B", engine=Family.LLAMA_CPP, region="us-east-1")
    missed = check_machine(elsewhere, request)
    assert missed is not None
    assert missed.reason is Reason.REGION
    assert check_machine(elsewhere, replace(request, region="eu-west-1")) is None


@pytest.mark.parametrize("engine", [Family.VLLM, Family.SGLANG])
def test_other_engines_refuse_them_and_name_llama_cpp(engine: Family) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", engine=engine, instance_type="c8i.4xlarge")
    assert caught.value.code == "SKS0203"
    assert "--engine llama.cpp" in (caught.value.fix or "")


def test_an_unknown_type_is_unknown_on_each_engine() -> None:
    for engine in (Family.VLLM, Family.LLAMA_CPP):
        with pytest.raises(ConfigurationError, match="not in the catalogue"):
            make_plan("7B", engine=engine, instance_type="c99.xlarge")


def test_other_engines_do_not_choose_them() -> None:
    for engine in (Family.VLLM, Family.SGLANG):
        outcome = make_plan("1.5B", engine=engine)
        assert all(one.gpu for one in outcome.alternatives)


def test_a_gpu_that_is_too_small_is_answered_with_a_type() -> None:
    types = priced(r8g_16xlarge=0.01)
    request = PlanRequest("70B", engine=Family.LLAMA_CPP, gpu="T4", quantization="bf16")
    with pytest.raises(PlanRefusal, match=r"use instance type r8g\.16xlarge"):
        plan(request, CATALOG, processors=types)
