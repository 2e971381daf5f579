"""What a refusal tells a person to type is accepted when it is typed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.errors import ConfigurationError
from infra.sizing.engine import Family
from infra.sizing.objective import Objective
from infra.sizing.refusal import Reason
from infra.sizing.refused import PlanRefusal
from infra.units import up_to_hundredth
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, make_training, refusal

FLAG = re.compile(r"--([a-z-]+) ([\w.-]+)")
NAMES = {
    "gpu": "gpu", "gpus": "gpus", "nodes": "nodes", "tp": "tensor_parallel", "pp": "pipeline_parallel",
    "dp": "data_parallel",
}  # fmt: skip
TRAINING = {"zero": "zero_stage", "offload": "offload", "bits": "bits", "rank": "rank", "sequence": "sequence_tokens",
            "micro-batch": "micro_batch"}  # fmt: skip


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"\d+(?:\.\d+)?", text)]


def typed(way: str) -> dict[str, Any]:
    """Fields of the flags in one way out."""
    found = {NAMES[name]: int(value) if value.isdigit() else value for name, value in FLAG.findall(way)}
    nodes = re.match(r"allow (\d+) nodes", way)
    return {**found, "nodes": int(nodes[1])} if nodes else found


def ways(fix: str | None) -> list[str]:
    return (fix or "").split("; or ")


@pytest.mark.parametrize(
    ("model", "over"),
    [("1.5B", {}), ("7B", {}), ("70B", {}), ("7B", {"instance_type": "g6.2xlarge"}), ("70B", {"region": "us-east-1"})],
)
def test_the_price_to_allow_is_enough_and_buys_that_machine(model: str, over: dict[str, Any]) -> None:
    error = refusal(model, max_usd_per_hour=0.01, **over)
    (price,) = numbers(ways(error.fix)[0])
    plan = make_plan(model, max_usd_per_hour=price, **over)
    assert plan.usd_per_hour is not None
    assert price - 0.011 < plan.usd_per_hour <= price
    assert error.sentence.startswith(f"{plan.where} costs")


@pytest.mark.parametrize("model", ["1.5B", "7B", "32B"])
def test_the_first_token_to_allow_is_late_enough(model: str) -> None:
    error = refusal(model, max_ttft_seconds=0.001)
    (seconds,) = numbers(ways(error.fix)[0])
    first = make_plan(model, max_ttft_seconds=seconds).speed
    assert first is not None
    assert first.first_token_seconds is not None
    assert first.first_token_seconds.expected <= seconds


@pytest.mark.parametrize(
    ("model", "over", "fix"),
    [
        ("7B", {"tensor_parallel": 8}, "use --tp 1, 2 or 4"),
        ("1.5B", {"tensor_parallel": 8}, "use --tp 1, 2, 4 or 6"),
        ("7B", {"gpu": "L4", "gpus": 2, "tensor_parallel": 4}, "use --tp 1 or 2; or use --gpu L4 --gpus 4"),
        ("7B", {"gpu": "L4", "gpus": 1, "tensor_parallel": 2}, "use --tp 1; or use --gpu L4 --gpus 2"),
        (
            "7B",
            {"gpu": "L4", "gpus": 2, "pipeline_parallel": 4},
            "use --pp 2; or allow 2 nodes; or use --gpu L4 --gpus 4",
        ),
        ("7B", {"gpu": "L4", "data_parallel": 16}, "use --dp 8; or allow 2 nodes"),
        (
            "7B",
            {"gpu": "L4", "gpus": 2, "pipeline_parallel": 4, "engine": Family.LLAMA_CPP},
            "use --pp 2; or use --gpu L4 --gpus 4",
        ),
        ("7B", {"gpu": "L4", "gpus": 2, "pipeline_parallel": 30}, "use --pp 2"),
        ("70B", {"gpu": "T4", "gpus": 2}, "use --gpu T4 --gpus 8"),
        ("R1", {"gpu": "T4", "gpus": 8}, "use --gpu RTXPRO6000-BSE --gpus 8 (fp8 fits there)"),
    ],
)
def test_a_layout_is_mended_by_what_the_fix_says(model: str, over: dict[str, Any], fix: str) -> None:
    error = refusal(model, **over)
    assert error.fix == fix
    for way in ways(fix):
        several = re.match(r"use --tp ((?:\d+, )*\d+ or \d+)", way)
        changes = [{"tensor_parallel": int(n)} for n in numbers(several[1])] if several else [typed(way)]
        for change in changes:
            make_plan(model, **{**over, **change})


def test_machines_of_several_nodes_are_told_as_nodes_and_gpus_of_a_node() -> None:
    over = {"quantization": "bf16", "nodes": 4}
    error = refusal("R1", gpu="RTX4090", gpus=1, **over)
    (way,) = (way for way in ways(error.fix) if "--gpu" in way)
    change = typed(way)
    assert change["gpus"] <= 8
    assert change["nodes"] > 1
    plan = make_plan("R1", **{**over, **change})
    assert (plan.gpus, plan.nodes) == (change["gpus"], change["nodes"])


def test_llama_cpp_is_never_told_to_take_more_machines() -> None:
    over = {"engine": Family.LLAMA_CPP, "context_tokens": 16384, "instance_type": "g7e.8xlarge"}
    error = refusal("70B", pipeline_parallel=5, **over)
    assert "nodes" not in (error.fix or "")
    make_plan("70B", **over, **typed(ways(error.fix)[0]))


def test_the_python_to_use_is_a_release() -> None:
    error = refusal(engine=Family.SGLANG, python="3.10")
    found = re.fullmatch(r"use Python ([\d.]+) or later", error.fix or "")
    assert found
    assert make_plan(engine=Family.SGLANG, python=found[1]).engine == "sglang"


@pytest.mark.parametrize(
    ("model", "over"),
    [("V4-Flash", {"gpu": "L4", "cuda": "12.8"}), ("V3.2", {"gpu": "L4", "driver": "580"})],
)
def test_another_gpu_that_is_named_serves_the_model(model: str, over: dict[str, Any]) -> None:
    error = refusal(model, **over)
    named = [cause.fix.rpartition(" ")[2] for cause in error.causes if cause.fix.startswith("use another GPU")]
    assert named
    make_plan(model, gpu=named[0])


def test_a_gpu_with_the_kernels_and_without_the_memory_is_not_named() -> None:
    workload = {"quantization": "fp8", "context_tokens": 163_840, "concurrency": 4096}
    error = refusal("V3.2", gpu="L4", driver="580", **workload)
    assert error.reason is Reason.COMPUTE_CAPABILITY
    assert not error.causes[0].fix.startswith("use another GPU")
    assert "serves it" in error.causes[0].fix


def test_without_a_sparse_kernel_only_what_serves_is_named() -> None:
    error = refusal("V3.2", gpu="L4")
    assert error.fix == "use --gpu H200 --gpus 8 (fp8 fits there)"
    make_plan("V3.2", **typed(error.fix))


@pytest.mark.parametrize(
    ("model", "workload", "gpu", "gpus"),
    [
        ("7B", "train", "RTX4090", 2),
        ("70B", "lora", "RTX4090", 4),
        ("32B", "train", "L40S", 8),
        ("7B", "lora", "T4", 1),
    ],
)
def test_every_flag_of_a_training_fix_mends_the_run(model: str, workload: str, gpu: str, gpus: int) -> None:
    error = refused_training(model, workload, gpu, gpus)
    tried = 0
    for way in ways(error.fix):
        flags = dict(FLAG.findall(way))
        if flags:
            options = {TRAINING[name]: _value(value) for name, value in flags.items() if name in TRAINING}
            machine = {name: _value(flags[name]) for name in ("gpu", "gpus", "nodes") if name in flags}
            request = {"gpu": gpu, "gpus": gpus, **machine}
            make_training(model, flags.get("workload", workload), request, **options)
            tried += 1
    assert tried >= 2
    assert "set " not in (error.fix or "")


def refused_training(model: str, workload: str, gpu: str, gpus: int) -> PlanRefusal:
    with pytest.raises(PlanRefusal) as caught:
        make_training(model, workload, {"gpu": gpu, "gpus": gpus})
    return caught.value


def _value(text: str) -> int | str:
    return int(text) if text.isdigit() else text


def test_unequal_hosts_are_the_cause_where_nodes_are_allowed() -> None:
    hosts = (make_host("a", "L4", 1), make_host("b", "T4", 1))
    error = refusal(hosts=hosts, nodes=2, data_parallel=2)
    assert error.reason is Reason.GPU_COUNT
    assert "only hosts of equal GPU and engine work together: their GPUs differ (L4, T4)" in error.sentence
    assert "2 nodes" not in (error.fix or "")
    assert "allowed are" not in error.sentence


def test_drivers_of_different_engines_keep_hosts_apart() -> None:
    hosts = (make_host("a", "L4", 1), make_host("b", "L4", 1, driver="535.183.06"))
    error = refusal(hosts=hosts, nodes=2, data_parallel=2)
    assert "their drivers take different engines" in error.sentence


def test_an_inventory_of_one_host_says_so() -> None:
    error = refusal(hosts=(make_host("a", "L4", 1),), nodes=2, data_parallel=2)
    assert error.sentence.endswith("the inventory has 1")
    assert ways(error.fix)[0] == "use --dp 1"


def test_an_inventory_that_is_too_small_is_told_what_to_take_instead() -> None:
    error = refusal("70B", hosts=(make_host("a", "T4", 1),))
    assert "instead of the inventory" in (error.fix or "")
    make_plan("70B", **typed(ways(error.fix)[-1]))


@pytest.mark.parametrize("gpu", [one.name for one in CATALOG.gpus if one.host_architecture == "arm64"])
def test_a_card_of_arm64_machines_says_that_the_image_must_be_for_them(gpu: str) -> None:
    said = [note for note in make_plan("1.5B", gpu=gpu).warnings if "built into arm64 machines" in note]
    assert len(said) == 1
    assert not [note for note in make_plan("1.5B", gpu=gpu, engine=Family.LLAMA_CPP).warnings if "arm64" in note]


def test_a_card_of_other_machines_says_nothing_of_the_kind() -> None:
    assert not [note for note in make_plan("1.5B", gpu="T4").warnings if "arm64" in note]


@pytest.mark.parametrize("objective", [Objective.COST, Objective.THROUGHPUT])
def test_the_busiest_rate_has_as_many_users_as_the_cache_holds(objective: Objective) -> None:
    plan = make_plan("7B", gpu="L4", context_tokens=8192, concurrency=1, objective=objective)
    speed = plan.speed
    assert speed is not None
    assert speed.busiest.users == plan.kv_tokens // 8192 * plan.data_parallel > 1
    assert speed.busiest.total.expected > speed.total.expected
    assert speed.to_json()["busiest"] == {
        "users": speed.busiest.users,
        "tokens_per_second": speed.busiest.total.to_json(),
    }


def test_the_busiest_rate_of_the_choice_for_throughput_is_the_highest() -> None:
    plan = make_plan("7B", objective=Objective.THROUGHPUT, nodes=1)
    assert plan.speed is not None
    others = [one.speed.busiest.total.expected for one in plan.alternatives if one.speed]
    assert plan.speed.busiest.total.expected >= max(others)


@pytest.mark.parametrize(
    ("value", "text"), [(0.8048, "0.81"), (0.8, "0.80"), (1.1, "1.10"), (98.32, "98.32"), (0.3 + 1e-9, "0.31")]
)
def test_a_limit_is_rounded_up_and_no_further_than_the_next_hundredth(value: float, text: str) -> None:
    assert up_to_hundredth(value) == text


@given(st.floats(0.001, 1e6))
def test_a_rounded_limit_always_lets_the_value_pass(value: float) -> None:
    assert value <= float(up_to_hundredth(value)) < value + 0.01 + 1e-9 * value


@pytest.mark.parametrize(
    ("options", "fix"),
    [
        ({"rank": 0}, "set --rank to a number from 1 to 1024"),
        ({"micro_batch": 0}, "set --micro-batch to a number from 1 to 4096"),
        ({"sequence_tokens": 0}, "set --sequence to a number from 1 to 1048576"),
        ({"bits": 3}, "set --bits to one of 8, 4, 2"),
    ],
)
def test_a_training_value_out_of_range_is_told_in_a_sentence(options: dict[str, int], fix: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_training("7B", "qlora", **options)
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    ("request_", "flag"),
    [({"hosts": (make_host(),)}, "--inventory"), ({"tensor_parallel": 2}, "--tp"), ({"pipeline_parallel": 2}, "--pp")],
)
def test_what_only_serving_takes_is_told_by_its_flag(request_: dict[str, Any], flag: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_training("7B", "lora", request_)
    assert caught.value.fix == f"leave out {flag}, or use --workload serve"
