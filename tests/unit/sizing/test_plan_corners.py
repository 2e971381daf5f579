"""What few requests come to: figures the catalogue lacks, groups of GPUs that are not free, unusual training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.catalog.cache_dtypes import CacheDtype
from infra.catalog.compatibility import Version, load_compatibility
from infra.catalog.facts import Catalog
from infra.sizing import cache_support
from infra.sizing.engine import Engine, Family
from infra.sizing.objective import Objective
from infra.sizing.plan import PlanRequest, plan
from infra.sizing.prepared import forget, prepare
from infra.sizing.refusal import Reason
from infra.sizing.refused import PlanRefusal
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, make_training, refusal


def without_bandwidth(*gpus: str) -> Catalog:
    """A catalogue in which the bandwidth of these GPUs, or of all, is not known."""
    slow = tuple(
        replace(gpu, bandwidth_bytes_per_second=0.0) if not gpus or gpu.name in gpus else gpu for gpu in CATALOG.gpus
    )
    return replace(CATALOG, gpus=slow)


def test_a_gpu_of_unknown_speed_is_the_last_by_speed_and_is_no_answer_to_a_time() -> None:
    fastest = make_plan("7B", objective=Objective.LATENCY).gpu.name
    other = make_plan("7B", without_bandwidth(fastest), objective=Objective.LATENCY)
    assert other.gpu.name != fastest
    assert other.speed is not None
    assert make_plan("7B", without_bandwidth(), objective=Objective.LATENCY).speed is None
    missed = refusal("7B", without_bandwidth(), max_ttft_seconds=1.0, gpu="L4")
    assert missed.reason is Reason.TTFT
    assert "bandwidth of L4 is not in the catalogue" in missed.sentence


@pytest.mark.parametrize(("gpus", "ranks", "copies"), [((4, 1), 4, 2), ((4, 1), 2, 3), ((3, 3), 2, 3)])
def test_copies_without_free_groups_of_gpus_are_refused(gpus: tuple[int, int], ranks: int, copies: int) -> None:
    hosts = tuple(make_host(name, gpus=count) for name, count in zip("ab", gpus, strict=True))
    missed = refusal("7B", hosts=hosts, nodes=2, tensor_parallel=ranks, data_parallel=copies)
    assert missed.reason is Reason.GPU_COUNT
    assert f"{ranks * copies} GPUs in groups of {ranks} are not free on these hosts" in missed.sentence
    assert "a, b" in {one.candidate for one in missed.rejected}


def test_a_matrix_that_refuses_the_default_release_is_believed() -> None:
    facts = load_compatibility()
    later = tuple(
        replace(one, first_cuda=Version.of("99.0")) if one.compute_capability == (8, 9) else one
        for one in facts.gpu_generations
    )
    with pytest.raises(PlanRefusal):
        plan(PlanRequest("7B", gpu="L4", gpus=1), CATALOG, replace(facts, gpu_generations=later))


def test_what_no_four_machines_hold_is_said_to_need_a_smaller_model() -> None:
    small = replace(CATALOG, instances=(CATALOG.instance("g4dn.xlarge"),))
    missed = refusal("R1", small)
    assert missed.fix == "no single machine of the catalogue serves it: use a smaller model"


def test_a_measurement_starts_from_nothing() -> None:
    facts = load_compatibility()
    kept = prepare(CATALOG, facts)
    assert prepare(CATALOG, facts) is kept
    forget()
    assert prepare(CATALOG, facts) is not kept


def test_auto_is_a_cache_on_any_gpu() -> None:
    model, stored, gpu = CATALOG.model("7B"), CATALOG.quantization("fp16"), CATALOG.gpu("T4")
    for family in Family:
        engine = Engine((1, 0, 0), family)
        assert cache_support.check_cache_dtype(model, stored, gpu, engine, CacheDtype.AUTO) is None


def test_training_states_its_offload_copies_and_links() -> None:
    offloaded = make_training("7B", "train", offload="optimizer", zero_stage=3)
    assert offloaded.run.request.offload == "optimizer"
    several = make_training("70B", "train", request={"nodes": 4})
    assert several.machines > 1
    assert any("exchange gradients" in note for note in several.warnings)
    copies = make_training("1.5B", "lora", request={"instance_type": "g5.12xlarge"}, zero_stage=0)
    assert any("each of 4 GPUs holds the whole run" in note for note in copies.warnings)
    published = make_training("V2-Lite", "lora")
    assert not any("16-bit copy" in note for note in published.warnings)
    in_fp8 = make_training("R1", "lora", request={"nodes": 8})
    assert any("training needs a 16-bit copy" in note for note in in_fp8.warnings)


def test_training_stops_at_the_first_number_of_machines_beyond_a_limit() -> None:
    request = {"nodes": 4, "instance_type": "p5.48xlarge"}
    with pytest.raises(PlanRefusal) as caught:
        make_training("70B", "train", request={**request, "quota_vcpus": 192})
    assert caught.value.reason is Reason.OPTIMIZER
    with pytest.raises(PlanRefusal) as caught:
        make_training("70B", "train", request={**request, "quota_vcpus": 191})
    assert caught.value.reason is Reason.QUOTA
