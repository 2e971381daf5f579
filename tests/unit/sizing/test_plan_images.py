"""Drivers, CUDA and Python around SGLang and llama.cpp: checked where it is known, refused by name where it is not."""

from __future__ import annotations

from typing import Any

import pytest

from infra.sizing.engine import Family
from infra.sizing.refusal import Reason
from tests.unit.sizing.support_plan import make_host, make_plan, refusal
from tests.unit.sizing.support_schema import PLAN_SCHEMA, problems

SGLANG, LLAMA_CPP = Family.SGLANG, Family.LLAMA_CPP


@pytest.mark.parametrize(
    ("engine", "over", "cuda", "floor", "torch"),
    [
        (SGLANG, {}, "13", "580.65.06", "2.14.1"),
        (SGLANG, {"engine_version": "0.5.21"}, "13", "580.65.06", None),
        (SGLANG, {"engine_version": "0.5.10"}, None, None, None),
        (SGLANG, {"engine_version": "0.5.10", "cuda": "12.8"}, "12.8", "570.26", None),
        (LLAMA_CPP, {}, "12.8", "570.26", None),
        (LLAMA_CPP, {"cuda": "13.0"}, "13", "580.65.06", None),
        (LLAMA_CPP, {"gpu": "B300"}, "13", "580.65.06", None),
        (LLAMA_CPP, {"gpu": "B200"}, "12.8", "570.26", None),
    ],
)
def test_states_what_is_known_and_claims_nothing_else(
    engine: Family, over: dict[str, Any], cuda: str | None, floor: str | None, torch: str | None
) -> None:
    outcome = make_plan("7B", engine=engine, **over)
    software = outcome.software
    assert (software.cuda, software.min_driver, software.torch) == (cuda, floor, torch)
    assert problems(outcome.to_json(), PLAN_SCHEMA) == []
    assert software.arithmetic[0].endswith("as asked" if "engine_version" in over else "seekstack knows")


@pytest.mark.parametrize(
    ("engine", "over", "reason", "says"),
    [
        (LLAMA_CPP, {"driver": "535.154.02"}, Reason.DRIVER, "vGPU 16.3 host package"),
        (LLAMA_CPP, {"driver": "470"}, Reason.DRIVER, "branch 525 or later"),
        (SGLANG, {"driver": "550"}, Reason.DRIVER, "branch 580 or later"),
        (SGLANG, {"driver": "500", "gpu": "H100", "engine_version": "0.5.10"}, Reason.DRIVER, "525 or later"),
        (LLAMA_CPP, {"driver": "610", "gpu": "V100-32"}, Reason.DRIVER, "branch 580 was the last"),
        (LLAMA_CPP, {"driver": "580", "instance_type": "c8i.4xlarge"}, Reason.DRIVER, "has no GPU"),
        (LLAMA_CPP, {"cuda": "12.8", "instance_type": "c8i.4xlarge"}, Reason.CUDA, "has no GPU"),
        (LLAMA_CPP, {"cuda": "11.8"}, Reason.CUDA, "CUDA 12 and 13"),
        (LLAMA_CPP, {"cuda": "12.8", "gpu": "B300"}, Reason.CUDA, "needs CUDA 12.9"),
        (LLAMA_CPP, {"cuda": "13.0", "gpu": "V100-32"}, Reason.COMPUTE_CAPABILITY, "dropped Volta"),
        (SGLANG, {"cuda": "12.8"}, Reason.CUDA, "--engine-version 0.5.19"),
        (LLAMA_CPP, {"python": "3.12"}, Reason.PYTHON, "no Python"),
        (SGLANG, {"python": "3.9"}, Reason.PYTHON, "needs Python >=3.11"),
        (SGLANG, {"python": "3.12", "engine_version": "0.5.10"}, Reason.PYTHON, "is not known here"),
    ],
)
def test_refuses_by_name_what_cannot_be_or_cannot_be_checked(
    engine: Family, over: dict[str, Any], reason: Reason, says: str
) -> None:
    refused = refusal("1.5B", engine=engine, quantization="fp16", **over)
    assert refused.reason is reason
    assert says in str(refused)


def test_what_goes_together_is_taken() -> None:
    sglang = make_plan("7B", engine=SGLANG, python="3.12", driver="580.95.05", cuda="13.0")
    assert (sglang.software.python, sglang.software.driver) == ("3.12", "580.95.05")
    assert make_plan("7B", engine=LLAMA_CPP, driver="570.133.20").gpus == 1


def test_an_older_driver_of_the_same_cuda_is_warned_of() -> None:
    outcome = make_plan("7B", engine=LLAMA_CPP, driver="535.274.02")
    assert any("minor-version compatibility" in note for note in outcome.warnings)
    assert any("end of life in 2026-06" in note for note in outcome.warnings)


def test_every_cause_is_named_at_once() -> None:
    refused = refusal("7B", engine=SGLANG, cuda="12.8", python="3.8", driver="535.154.02")
    assert {cause.code for cause in refused.causes} == {Reason.CUDA, Reason.PYTHON, Reason.DRIVER}


def test_the_driver_of_a_host_decides_what_runs_there() -> None:
    old, new = make_host("old", driver="535.274.02"), make_host("new")
    outcome = make_plan("7B", engine=SGLANG, hosts=(old, new))
    assert outcome.where == "new"
    assert [one.code for one in outcome.rejected if one.candidate == "old"] == ["driver"]
    assert make_plan("7B", engine=LLAMA_CPP, hosts=(old,)).where == "old"


def test_a_type_without_gpu_is_no_machine_with_a_driver() -> None:
    outcome = make_plan("7B", engine=LLAMA_CPP, driver="580.95.05", quantization="q4_k_m")
    assert all(one.gpu for one in outcome.alternatives)
