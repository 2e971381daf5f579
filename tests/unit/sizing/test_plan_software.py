"""What a plan says of engine, torch, CUDA and driver, and what it refuses of them."""

from __future__ import annotations

from typing import Any

import pytest

from infra.catalog.compatibility import load_compatibility
from infra.errors import ConfigurationError
from infra.sizing.explain import explain
from infra.sizing.refusal import Reason
from infra.sizing.request import DEFAULT_ENGINE_VERSION
from tests.unit.sizing.support_plan import make_plan, refusal


def test_says_what_goes_with_the_engine() -> None:
    outcome = make_plan("7B")
    software = outcome.software
    assert (outcome.engine_version, software.torch, software.cuda) == ("0.33.0", "2.14.0", "13.0")
    assert (software.min_driver, software.driver_branch) == ("580.65.06", "R580")
    assert any("CUDA 13.0: carried by the default PyPI wheel" in line for line in explain(outcome))


def test_the_default_engine_is_the_newest_of_the_matrix() -> None:
    assert str(load_compatibility().engines[-1].version) == DEFAULT_ENGINE_VERSION


def test_refuses_the_driver_of_a_hypervisor_and_says_what_to_use_now() -> None:
    error = refusal("7B", driver="535.154.02")
    assert (error.reason, error.code, error.exit_code) == (Reason.DRIVER, "SKS0317", 2)
    for part in ("vGPU 16.3 host package", "535.154.05", "end of life in 2026-06"):
        assert part in error.message
    assert error.fix == "install driver 580.95.05 (branch R580, LTS, fixes until 2028-06)"


def test_an_older_driver_takes_an_older_engine_with_a_warning() -> None:
    outcome = make_plan("7B", driver="535.154.05", gpu="L4")
    assert (outcome.engine_version, outcome.software.cuda) == ("0.18.0", "12.8")
    assert any("minor-version compatibility" in note for note in outcome.warnings)
    assert any("R535 reached its end of life" in note for note in outcome.warnings)


def test_names_every_problem_of_software_and_hardware_at_once() -> None:
    error = refusal("R1", driver="535.154.02", python="3.8", instance_type="p4d.24xlarge")
    assert [cause.code for cause in error.causes] == [Reason.DRIVER, Reason.PYTHON, Reason.KERNEL]
    assert all(cause.fix for cause in error.causes)
    assert error.causes[2].fix.endswith("use instance type g7e.48xlarge (fp8 fits there)")
    assert str(error).count("fix:") == 3
    assert [reason["code"] for reason in error.document()["reasons"]] == ["driver", "python", "kernel"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"python": "3.6"}, Reason.PYTHON),
        ({"cuda": "13.0", "engine_version": "0.10.2"}, Reason.CUDA),
        ({"driver": "470", "engine_version": "0.33.0"}, Reason.DRIVER),
        ({"driver": "550", "gpu": "B200"}, Reason.DRIVER),
        ({"engine_version": "0.6.4"}, Reason.ENGINE_VERSION),
        ({"engine_version": "0.33.0", "gpu": "V100-32"}, Reason.COMPUTE_CAPABILITY),
    ],
)
def test_each_disagreement_names_its_cause(over: dict[str, Any], reason: Reason) -> None:
    assert refusal("7B", **over).reason is reason


def test_a_driver_rules_out_only_the_types_that_need_a_newer_one() -> None:
    outcome = make_plan("7B", driver="550")
    assert outcome.instance is not None
    reasons = {one.candidate: one.code for one in outcome.rejected}
    assert reasons["p6-b200.48xlarge"] == "driver"
    assert "p5.48xlarge" not in reasons


@pytest.mark.parametrize(
    ("over", "key"),
    [({"driver": "new"}, "driver"), ({"cuda": "thirteen"}, "cuda"), ({"python": "pypy"}, "python")],
)
def test_a_version_that_cannot_be_read_names_its_key(over: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", **over)
    assert (caught.value.code, caught.value.key) == ("SKS0207", key)


def test_a_gpu_without_cuda_keeps_its_own_reason() -> None:
    assert refusal("7B", gpu="Trainium1", driver="580").reason is Reason.KERNEL
