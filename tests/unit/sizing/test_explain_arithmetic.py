"""What `--explain` prints is arithmetic: every equation of every line gives the number behind it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.sizing import storage
from infra.sizing.engine import Engine, Family
from infra.sizing.explain import explain
from infra.sizing.explain_cache import explain_cache
from infra.sizing.explain_speed import explain_price, explain_speed
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.result import Plan
from tests.unit.sizing.support_arithmetic import equations, holds
from tests.unit.sizing.support_plan import CATALOG, make_plan

FIGURES = ("tokens/s", "busiest", "first token", "a million tokens", "fetching once", "reading from the instance store")
"""Lines that print three figures."""
WITHOUT_EQUATION = ("software", "instance store", "speed", "node ", "open between")
MOE = {"gpu": "H200", "gpus": 8}
PLANS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("1.5B", {}),
    ("7B", {"instance_type": "g6.xlarge"}),
    ("7B", {"quantization": "awq", "instance_type": "g4dn.xlarge"}),
    ("7B", {"kv_cache_dtype": "fp8", "concurrency": 7, "context_tokens": 10_000}),
    ("32B", {"gpu": "L4", "concurrency": 3}),
    ("70B", {"quantization": "fp8", "kv_cache_dtype": "fp8_e4m3", "nodes": 2, "gpu": "L40S", "gpus": 4}),
    ("8B", {"engine_version": "0.6.6"}),
    ("8B", {"engine_version": "0.11.0", "utilization": 0.87}),
    ("V2-Lite", {"kv_cache_dtype": "fp8", "gpu": "L40S"}),
    ("V2-Lite", {"engine_version": "0.7.0", "gpu": "L40S", "gpus": 4}),
    ("V2-Lite", {"engine_version": "0.7.3", "gpu": "H100", "gpus": 1}),
    ("R1", {}),
    ("R1", {"gpu": "H100", "gpus": 8, "nodes": 2, "pipeline_parallel": 2}),
    ("R1", {"quantization": "bf16", "nodes": 2}),
    ("R1", {**MOE, "quantization": "awq", "data_parallel": 2, "concurrency": 5}),
    ("V3.2", {}),
    ("V3.2", {"kv_cache_dtype": "bf16", "context_tokens": 163_840}),
    ("V4-Flash", {}),
    ("V4-Flash-0731", {"context_tokens": 1_048_576, "gpu": "B300", "gpus": 8, "concurrency": 3}),
    ("V4-Flash", {"gpu": "H20-96", "gpus": 2, "context_tokens": 121_344}),
    ("V4-Flash", {"gpu": "H200", "gpus": 8, "tensor_parallel": 4, "data_parallel": 2, "concurrency": 3}),
    ("V4-Pro", {"engine_version": "0.25.0"}),
    ("7B", {"engine": Family.SGLANG}),
    ("R1", {"engine": Family.SGLANG, "utilization": 0.8}),
    ("7B", {"engine": Family.LLAMA_CPP, "context_tokens": 1000}),
    ("32B", {"engine": Family.LLAMA_CPP, "gpu": "L4", "gpus": 4, "quantization": "q8_0"}),
    ("7B", {"engine": Family.LLAMA_CPP, "instance_type": "c8i.4xlarge", "kv_cache_dtype": "q8_0"}),
    ("V4-Pro", {"gpu": "H200", "gpus": 8, "nodes": 3, "pipeline_parallel": 3, "tensor_parallel": 8}),
)


def wrong_lines(plan: Plan, lines: tuple[str, ...]) -> list[str]:
    exact = {f"{plan.utilization or 0:g}", str(storage.VOLUME_FACTOR)}
    return [
        line
        for line in lines
        for equation in equations(line)
        if not holds(equation, exact, figures=line.startswith(FIGURES))
    ]


@pytest.mark.parametrize(("model", "over"), PLANS, ids=lambda one: str(one))
def test_every_equation_gives_the_number_that_is_printed(model: str, over: dict[str, Any]) -> None:
    plan = make_plan(model, **over)
    lines = explain(plan)
    assert wrong_lines(plan, lines) == []
    assert [line for line in lines if " = " not in line and not line.startswith(WITHOUT_EQUATION)] == []


@pytest.mark.parametrize(("model", "over"), PLANS, ids=lambda one: str(one))
def test_the_printed_results_are_those_of_the_plan(model: str, over: dict[str, Any]) -> None:
    plan = make_plan(model, **over)
    results = {one.result for line in explain(plan) for one in equations(line)}
    assert {
        str(plan.kv_tokens),
        str(plan.kv_bytes_per_token),
        str(plan.volume.size_gib),
        str(plan.load_seconds),
    } <= results
    assert f"{plan.budget.kv_cache_bytes / 2**30:.3f}" in results
    assert f"{plan.budget.weights_bytes / 2**30:.3f}" in results


@pytest.mark.parametrize(("model", "over"), PLANS, ids=lambda one: str(one))
def test_a_result_that_is_three_percent_off_would_be_found(model: str, over: dict[str, Any]) -> None:
    plan = make_plan(model, **over)
    exact = {f"{plan.utilization or 0:g}", str(storage.VOLUME_FACTOR)}
    for line in explain(plan):
        for one in equations(line):
            if len(one.result.replace(".", "").lstrip("0")) > 2:
                wrong = replace(one, result=f"{float(one.result) * 1.03:.6f}")
                assert not holds(wrong, exact, figures=line.startswith(FIGURES)), line


@pytest.mark.parametrize(
    ("line", "right"),
    [
        ("a: 2 x 28 layers x 4 KV heads / 1 x 128 x 2 bytes = 57,344 bytes", True),
        ("a: 2 x 28 layers x 4 KV heads / 1 x 128 x 1 byte = 57,344 bytes", False),
        ("a: smaller of 22.05 x 0.92 and 22.05 - 1.00 for CUDA graphs = 20.29 GiB", True),
        ("a: smaller of 22.05 x 0.92 and 22.05 - 1.00 for CUDA graphs = 20.40 GiB", False),
        ("a: larger of 20 and 14.19 GiB x 1.25, rounded up = 20 GiB", True),
        (
            "a: 4,575,464,791 / 57,344, whole blocks of 16 = 79,776; 1 x (8,000, up to a multiple of 64) = 8,000",
            True,
        ),
        ("a: 4,575,464,791 / 57,344, whole blocks of 16 = 79,780", False),
        ("a: 2 x (16,511 / 64, rounded up, + 1) = 518", True),
        ("a: 2 x (16,511 / 64, rounded up, + 1) = 516", False),
        ("a: 5,769 x 8,192 / 1,722, rounded down = 27,444", True),
        ("a: longer of 5.72 and 0.52 + 11.61 = 17.33 (11.00 to 34.99) ms", True),
        ("a: longer of 5.72 and 0.52 + 11.61 = 12.13 (11.00 to 34.99) ms", False),
        ("a: 14.22 - 0.25 (weights, non-torch) = 13.97 GiB", True),
        ("a: 1,000 / 17.33 = 57.7 (28.6 to 90.9); x 2 in all = 115 (57.2 to 182)", True),
        ("a: 1,000 / 17.33 = 57.7; x 2 in all = 119", False),
        ("a: 15,231,233,024 bytes / 2^30 = 14.19 GiB", True),
    ],
)
def test_text_and_value_that_disagree_are_found(line: str, right: bool) -> None:
    figures = "in all" in line
    assert all(holds(one, {"0.92", "1.25"}, figures=figures) for one in equations(line)) is right


def test_what_is_not_known_is_not_explained() -> None:
    plan = make_plan("7B", gpu="A10G")
    slow = replace(plan.gpu, name="mine", fp16_tflops=0.0)
    catalog = replace(CATALOG, gpus=(*CATALOG.gpus, slow))
    lines = explain(make_plan("7B", catalog, gpu="mine"))
    assert not [line for line in lines if line.startswith(("arithmetic", "first token"))]
    (unknown,) = explain_speed(replace(plan, speed=None))
    assert unknown.startswith("speed: not known")
    assert list(explain_price(plan)) == []
    priced = make_plan("7B")
    assert priced.price is not None
    unspoken = replace(priced, price=replace(priced.price, usd_per_million_tokens=None))
    assert len(list(explain_price(unspoken))) == 1


def test_sglangs_pools_say_what_was_asked_for() -> None:
    plan = make_plan("V4-Flash", gpu="H200", gpus=8)
    sglang = Engine.read(Family.SGLANG, "2026-07")
    found = fit(plan.model, CATALOG.quantization("fp4_fp8"), plan.gpu, 8, Workload(8192, 1, 0.8, sglang))
    assert isinstance(found, Fit)
    assert found.batch_tokens is None
    pooled = replace(plan, batch_tokens=None, kv_tokens=found.kv_tokens, kv_bytes_per_token=found.kv_bytes_per_token)
    first, second = explain_cache(pooled)
    assert f"{found.kv_bytes_per_token:,} bytes" in first
    assert f"{found.kv_tokens:,}; asked for: 1 x 8,192 = 8,192" in second
