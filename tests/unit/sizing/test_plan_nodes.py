"""Several machines, stages and copies."""

from __future__ import annotations

import pytest

from infra.sizing.explain import explain
from infra.sizing.refusal import Reason
from tests.unit.sizing.support_plan import make_plan, refusal


def test_one_machine_is_preferred_even_where_several_are_allowed() -> None:
    assert make_plan("7B", nodes=4).nodes == 1


def test_a_model_too_large_for_a_machine_takes_a_stage_on_each_of_two() -> None:
    outcome = make_plan("R1", quantization="bf16", nodes=2)
    assert (outcome.tensor_parallel, outcome.pipeline_parallel, outcome.nodes, outcome.gpus) == (8, 2, 2, 8)
    assert {"--tensor-parallel-size=8", "--pipeline-parallel-size=2"} <= set(outcome.engine_arguments)
    assert any("the weakest link is 3200 Gigabit, EFA" in note for note in outcome.warnings)
    assert any("31 layers x (512 + 64)" in line for line in explain(outcome))


def test_a_link_without_efa_is_said_to_be_slow() -> None:
    outcome = make_plan("70B", instance_type="g6e.4xlarge", nodes=4)
    assert outcome.nodes == 4
    assert any("no EFA: slow" in note for note in outcome.warnings)


def test_says_how_many_machines_would_do_where_one_does_not() -> None:
    error = refusal("R1", quantization="bf16", context_tokens=163_840, concurrency=8, instance_type="p5en.48xlarge")
    assert error.reason is Reason.WEIGHTS
    wide = refusal("V2", quantization="bf16", gpu="L40S", gpus=8)
    assert wide.fix


def test_stages_that_were_asked_for_lie_in_one_machine() -> None:
    outcome = make_plan("70B", instance_type="g6e.12xlarge", tensor_parallel=2, pipeline_parallel=2)
    assert (outcome.nodes, outcome.gpus, outcome.pipeline_parallel) == (1, 4, 2)


def test_more_stages_than_there_are_machines_for_are_refused_with_the_number() -> None:
    error = refusal("7B", instance_type="g6.xlarge", pipeline_parallel=2)
    assert (error.reason, error.key) == (Reason.GPU_COUNT, "nodes")
    assert "allow 2 nodes" in (error.fix or "")


def test_copies_share_the_requests() -> None:
    one = make_plan("7B", instance_type="g6.12xlarge", tensor_parallel=1, concurrency=4, context_tokens=16384)
    two = make_plan(
        "7B", instance_type="g6.12xlarge", tensor_parallel=1, data_parallel=2, concurrency=8, context_tokens=16384
    )
    assert (two.kv_tokens, two.data_parallel, two.gpus) == (one.kv_tokens, 2, 2)
    assert "--data-parallel-size=2" in two.engine_arguments
    assert two.speed is not None
    assert one.speed is not None
    assert two.speed.per_user.expected == pytest.approx(one.speed.per_user.expected)


def test_copies_of_a_mixture_share_its_experts() -> None:
    outcome = make_plan("R1", instance_type="p5en.48xlarge", tensor_parallel=1, data_parallel=8)
    assert outcome.to_json()["parallel"] == {"tp": 1, "pp": 1, "dp": 8, "ep": 8}
    assert "--enable-expert-parallel" in outcome.engine_arguments


def test_tensor_parallel_stays_inside_a_machine() -> None:
    error = refusal("32B", instance_type="g6.xlarge", tensor_parallel=4, nodes=4)
    assert (error.reason, error.key) == (Reason.GPU_COUNT, "tensorParallel")


def test_several_nodes_one_owns_are_told_what_link_they_need() -> None:
    outcome = make_plan("70B", gpu="L40S", gpus=4, nodes=2, context_tokens=65536, concurrency=6)
    assert (outcome.nodes, outcome.pipeline_parallel, outcome.where) == (2, 2, "2 x 4 x L40S")
    assert any("the network between them is not stated" in note for note in outcome.warnings)
