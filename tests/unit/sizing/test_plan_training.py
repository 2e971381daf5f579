"""Training: the cheapest machine that holds the run, with every part of its memory."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.catalog.compatibility import load_compatibility
from infra.errors import ConfigurationError
from infra.sizing.refusal import Reason
from infra.sizing.refused import PlanRefusal
from infra.sizing.request import PlanRequest
from infra.sizing.training import Method, TrainingPlan, TrainingRequest, estimate_training
from infra.sizing.training_plan import METHODS, plan_training
from infra.units import gib
from tests.unit.sizing.support_plan import CATALOG, make_training, refusal


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


@pytest.mark.parametrize(
    ("workload", "options", "key"),
    [
        ("lora", {"bits": 4}, "bits"),
        ("train", {"bits": 4}, "bits"),
        ("train", {"rank": 8}, "rank"),
        ("lora", {"bits": 3}, "bits"),
    ],
)
def test_an_option_of_another_method_is_refused_by_name(workload: str, options: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_training("7B", workload, **options)
    assert (caught.value.code, caught.value.key) == ("SKS0205", key)
    assert "qlora" in (caught.value.fix or "")


def test_options_of_the_method_are_taken() -> None:
    assert make_training("7B", "qlora", rank=16, bits=8).run.request.bits == 8


@pytest.mark.parametrize(
    ("over", "reason", "words"),
    [
        ({"driver": "535.154.02"}, Reason.DRIVER, "host package for hypervisors"),
        ({"driver": "535.154.02", "instance_type": "g6.xlarge"}, Reason.DRIVER, "(a vGPU guest takes 535.154.05)"),
        ({"driver": "418"}, Reason.DRIVER, "goes with driver 418"),
        ({"driver": "470", "instance_type": "p5.48xlarge"}, Reason.DRIVER, "older than H100"),
        ({"driver": "590", "gpu": "V100-32", "gpus": 1}, Reason.DRIVER, "branch 580 was the last"),
        ({"driver": "470", "cuda": "12.8"}, Reason.CUDA, "driver 470, cuda 12.8"),
        ({"cuda": "12.9"}, Reason.CUDA, "goes with cuda 12.9"),
        ({"cuda": "13.0", "gpu": "V100-32", "gpus": 1}, Reason.CUDA, "V100-32, cuda 13.0"),
        ({"python": "3.6"}, Reason.PYTHON, "goes with python 3.6"),
        ({"python": "3.8", "cuda": "12.6"}, Reason.PYTHON, "cuda 12.6, python 3.8"),
    ],
)
def test_software_that_no_trainer_runs_on_is_refused(over: dict[str, Any], reason: Reason, words: str) -> None:
    with pytest.raises(PlanRefusal) as caught:
        make_training("7B", "lora", over)
    assert caught.value.reason is reason
    assert words in caught.value.sentence
    assert caught.value.fix


def test_a_hypervisors_driver_is_refused_in_the_words_of_serving() -> None:
    with pytest.raises(PlanRefusal) as caught:
        make_training("7B", "lora", {"driver": "535.154.02"})
    assert caught.value.sentence in [cause.message for cause in refusal(driver="535.154.02").causes]


def test_the_fixes_of_refused_software_work() -> None:
    for fixed in ({"driver": "535.154.05"}, {"driver": "450"}, {"driver": "470", "cuda": "11.7"}, {"python": "3.8"}):
        assert make_training("7B", "lora", fixed).machine


def test_an_old_driver_leaves_older_gpus() -> None:
    outcome = make_training("7B", "lora", {"driver": "470"})
    assert outcome.run.gpu.name == "A10G"
    assert {"driver"} <= {one.code for one in outcome.rejected}


@pytest.mark.parametrize(
    ("over", "notes"),
    [
        ({}, ()),
        ({"cuda": "cu128"}, ("cuda 12.8: the newest torch that goes with it is 2.10.0, for CUDA 12.8",)),
        ({"driver": "580.95.05"}, ("driver 580.95.05: the newest torch that goes with it is 2.14.1, for CUDA 13.0",)),
        (
            {"driver": "535.154.05", "python": "3.9"},
            (
                "driver 535.154.05, python 3.9: the newest torch that goes with it is 2.8.0, for CUDA 12.8",
                "driver branch R535 reached its end of life in 2026-06",
            ),
        ),
    ],
)
def test_software_that_was_given_is_answered(over: dict[str, Any], notes: tuple[str, ...]) -> None:
    outcome = make_training("7B", "lora", {"instance_type": "g6.xlarge", **over})
    told = tuple(note for note in outcome.warnings if "torch" in note or "branch" in note)
    assert told == notes


def test_a_gpu_that_no_torch_of_the_matrix_runs_on_is_refused() -> None:
    facts = load_compatibility()
    old = replace(facts, torches=facts.torches[:1])  # for CUDA 11.7; Ada begins with 11.8
    request = PlanRequest("7B", gpu="L4", gpus=1, driver="580.95.05")
    with pytest.raises(PlanRefusal) as caught:
        plan_training("lora", {}, request, CATALOG, facts=old)
    assert caught.value.reason is Reason.COMPUTE_CAPABILITY
    assert caught.value.key == "gpu"
