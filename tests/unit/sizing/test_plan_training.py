"""Training: the cheapest machine that holds the run, with every part of its memory."""

from __future__ import annotations

from typing import Any

import pytest

from infra.errors import ConfigurationError
from infra.sizing.refusal import Reason
from infra.sizing.refused import PlanRefusal
from infra.sizing.training import Method, TrainingPlan, TrainingRequest, estimate_training
from infra.sizing.training_plan import METHODS
from infra.units import gib
from tests.unit.sizing.support_plan import CATALOG, make_training


@pytest.mark.parametrize(
    ("model", "workload", "instance"),
    [("7B", "lora", "g6.xlarge"), ("7B", "qlora", "g4dn.xlarge"), ("32B", "qlora", "g6e.xlarge")],
)
def test_takes_the_cheapest_machine(model: str, workload: str, instance: str) -> None:
    assert make_training(model, workload).machine.name == instance


@pytest.mark.parametrize("workload", METHODS)
@pytest.mark.parametrize("model", ["1.5B", "7B", "32B", "70B"])
def test_cheapest_equals_brute_force(model: str, workload: str) -> None:
    prices = [
        instance.usd_per_hour
        for instance in CATALOG.instances
        if instance.cpu_architecture == "x86_64" and instance.gpus and instance.usd_per_hour is not None
        for gpu in (CATALOG.gpu(instance.gpu),)
        if gpu.compute_capability
        and any(
            isinstance(estimate_training(request, CATALOG.model(model), gpu), TrainingPlan)
            for stage in (0, 2, 3)
            for request in [
                TrainingRequest(
                    METHODS[workload],
                    zero_stage=stage,
                    gpus=instance.gpus,
                    host_memory_bytes=instance.host_memory_bytes - gib(2),
                )
            ]
        )
    ]
    outcome = make_training(model, workload)
    assert outcome.price is not None
    assert outcome.price.usd_per_hour == min(prices)


def test_takes_the_lowest_stage_that_fits_unless_one_is_given() -> None:
    assert make_training("7B", "train", {"instance_type": "p5.48xlarge"}).run.request.zero_stage == 2
    assert make_training("7B", "train", {"instance_type": "p5.48xlarge"}, zero_stage=3).run.request.zero_stage == 3


def test_has_the_top_level_of_a_plan_and_parts_of_its_own() -> None:
    document = make_training("7B", "lora", rank=16).to_json()
    assert document["fits"] is True
    assert set(document["per_gpu"]) == {  # type: ignore[call-overload]
        *("usable_gib", "weights_gib", "gradients_gib", "optimizer_gib", "activations_gib", "workspace_gib"),
        "total_gib",
    }
    assert document["training"]["method"] == Method.LORA  # type: ignore[index]
    assert document["price"]["usd_per_hour"] == 0.8048  # type: ignore[index]


def test_every_type_is_chosen_an_alternative_or_rejected() -> None:
    outcome = make_training("7B", "lora")
    assert 1 + len(outcome.alternatives) + len(outcome.rejected) == len(CATALOG.instances)


def test_a_run_that_is_too_large_names_the_part_and_what_would_do() -> None:
    with pytest.raises(PlanRefusal) as caught:
        make_training("R1", "train")
    assert caught.value.reason is Reason.OPTIMIZER
    assert "use --workload lora" in (caught.value.fix or "")


def test_a_gpu_one_owns_is_used_as_often_as_the_run_needs() -> None:
    outcome = make_training("7B", "train", {"gpu": "A100-80", "gpus": 8})
    assert (outcome.run.gpus, outcome.price) == (8, None)


def test_families_and_prices_bind_training_too() -> None:
    outcome = make_training("7B", "lora", {"families": ("g5",), "max_usd_per_hour": 2})
    assert outcome.machine.name == "g5.xlarge"
    assert {"family", "price"} <= {one.code for one in outcome.rejected}


@pytest.mark.parametrize(
    ("request_over", "options"),
    [({"tensor_parallel": 2}, {}), ({}, {"rank": 0}), ({}, {"sequence_tokens": 0})],
)
def test_what_training_cannot_take_is_refused(request_over: dict[str, Any], options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_training("7B", "lora", request_over, **options)
    assert caught.value.code == "SKS0205"
