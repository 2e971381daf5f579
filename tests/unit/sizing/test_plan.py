"""From a request to a plan: the choice, its price, its storage, its command line, and every refusal."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from infra.catalog.facts import Catalog
from infra.errors import ConfigurationError
from infra.sizing import kv_cache
from infra.sizing.engine import Engine
from infra.sizing.explain import explain
from infra.sizing.refusal import Reason, Refusal
from infra.units import gib
from tests.unit.sizing.support_plan import CATALOG, make_plan, refusal


def with_instance(instance_type: str, **changes: Any) -> Catalog:
    """The catalogue with one instance type altered."""
    changed = replace(CATALOG.instance(instance_type), **changes)
    kept = tuple(one for one in CATALOG.instances if one.instance_type != instance_type)
    return replace(CATALOG, instances=(*kept, changed))


@pytest.mark.parametrize(
    ("model", "quantization", "instance_type", "usd"),
    [
        ("1.5B", None, "g4dn.xlarge", 0.526),
        ("7B", "awq", "g4dn.xlarge", 0.526),
        ("7B", None, "g6.xlarge", 0.8048),
        ("8B", None, "g6.xlarge", 0.8048),
        ("14B", None, "g6e.xlarge", 1.861),
        ("32B", "awq", "g6e.xlarge", 1.861),
        ("32B", None, "g7e.2xlarge", 3.36312),
        ("70B", "fp8", "g7e.2xlarge", 3.36312),
        ("70B", None, "g7e.12xlarge", 8.28608),
        ("R1", "awq", "p4de.24xlarge", 27.44705),
        ("R1", None, "g7e.48xlarge", 33.14432),
        ("V3.2", None, "p5en.48xlarge", 63.296),
    ],
)
def test_chooses_the_cheapest_type_that_serves(
    model: str, quantization: str | None, instance_type: str, usd: float
) -> None:
    outcome = make_plan(model, quantization=quantization)
    assert outcome.instance is not None
    assert (outcome.instance.instance_type, outcome.usd_per_hour) == (instance_type, usd)
    assert outcome.price_date == "2026-01-21"


def test_every_type_is_chosen_an_alternative_or_rejected() -> None:
    outcome = make_plan("7B")
    assert 1 + len(outcome.alternatives) + len(outcome.rejected) == len(CATALOG.instances)
    prices = [one.usd_per_hour for one in outcome.alternatives if one.usd_per_hour is not None]
    assert prices == sorted(prices)
    assert outcome.alternatives[-1].usd_per_hour is None


def test_types_without_a_price_are_taken_only_when_nothing_else_serves() -> None:
    outcome = make_plan("R1", quantization="bf16", context_tokens=131_072)
    assert outcome.instance is not None
    assert outcome.instance.instance_type == "p6-b300.48xlarge"
    assert (
        "p6-b300.48xlarge has no on-demand price in the catalogue; "
        "`seekstack instances refresh --region us-east-1 --apply` asks AWS for it"
    ) in outcome.warnings
    price = outcome.to_json()["price"]
    assert isinstance(price, dict)
    assert (price["usd_per_hour"], price["usd_per_month"], price["date"]) == (None, None, None)
    assert [one["kind"] for one in price["markets"]] == ["on-demand", "spot", "capacity-block"]


def test_says_that_13b_was_never_released() -> None:
    assert "13B is an alias of DeepSeek-R1-Distill-Qwen-14B; DeepSeek released no 13B" in make_plan("13b").warnings


def test_says_what_7b_stands_for_and_nothing_for_a_full_name() -> None:
    assert "7B is an alias of DeepSeek-R1-Distill-Qwen-7B" in make_plan("7B").warnings
    assert not any("alias" in note for note in make_plan("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B").warnings)


def test_on_a_fixed_type_takes_the_largest_format_that_fits_and_says_so() -> None:
    outcome = make_plan("7B", instance_type="g4dn.xlarge")
    assert (outcome.quantization, outcome.dtype) == ("int8", "float16")
    assert any("bf16 is ruled out on g4dn.xlarge, so int8 was chosen" in note for note in outcome.warnings)
    assert [(one.quantization, one.code) for one in outcome.rejected] == [
        ("fp16", "weights"),
        ("fp8", "compute_capability"),
    ]
    assert "g4dn.xlarge" not in [one.instance_type for one in outcome.alternatives]
    assert outcome.alternatives[0].instance_type == "g4dn.2xlarge"


def test_a_t4_runs_published_bf16_weights_as_float16() -> None:
    outcome = make_plan("1.5B", instance_type="g4dn.xlarge")
    assert (outcome.quantization, outcome.dtype) == ("fp16", "float16")
    assert "the bf16 weights are converted to float16 on load: T4 has no bf16" in outcome.warnings


def test_float16_by_name_is_noted_without_blaming_the_gpu() -> None:
    outcome = make_plan("7B", instance_type="g6.xlarge", quantization="fp16")
    assert "the bf16 weights are converted to float16 on load" in outcome.warnings


def test_refuses_7b_fp16_on_a_t4_and_names_weights_as_the_cause() -> None:
    error = refusal("7B", instance_type="g4dn.xlarge", quantization="fp16")
    assert (error.reason, error.code, error.exit_code) == (Reason.WEIGHTS, "SKS0301", 2)
    assert "14.22 GiB" in error.message
    assert error.fix == "set quantization to int8; or use instance type g6.xlarge (fp16 fits there)"


def test_refuses_bf16_on_a_t4_and_names_the_dtype() -> None:
    error = refusal("1.5B", instance_type="g4dn.xlarge", quantization="bf16")
    assert error.reason is Reason.DTYPE
    assert error.fix is not None
    assert "set quantization to fp16" in error.fix


@pytest.mark.parametrize(
    ("over", "reason"),
    [
        ({"instance_type": "g5g.xlarge"}, Reason.CPU_ARCHITECTURE),
        ({"instance_type": "g6f.4xlarge"}, Reason.FRACTIONAL_GPU),
        ({"instance_type": "inf2.xlarge"}, Reason.KERNEL),
        ({"instance_type": "trn1.32xlarge"}, Reason.KERNEL),
        ({"instance_type": "p3dn.24xlarge"}, Reason.COMPUTE_CAPABILITY),
        ({"instance_type": "p5e.48xlarge", "region": "us-east-1"}, Reason.REGION),
        ({"instance_type": "g6.xlarge", "concurrency": 16, "quantization": "bf16"}, Reason.KV_CACHE),
        ({"gpu": "Ascend910B"}, Reason.KERNEL),
        ({"gpu": "T4", "quantization": "fp8"}, Reason.COMPUTE_CAPABILITY),
        ({"gpu": "B200", "quantization": "int8"}, Reason.KERNEL),
        ({"gpu": "H200", "quantization": "fp4_fp8"}, Reason.DTYPE),
        ({"gpu": "L4", "gpus": 1, "tensor_parallel": 2}, Reason.GPU_COUNT),
        ({"tensor_parallel": 3}, Reason.ATTENTION_HEADS),
        ({"engine_version": "0.6.4"}, Reason.ENGINE_VERSION),
    ],
)
def test_each_refusal_of_the_7b_names_its_cause(over: dict[str, Any], reason: Reason) -> None:
    error = refusal("7B", **over)
    assert error.reason is reason
    assert error.code == reason.code
    assert error.fix


@pytest.mark.parametrize(
    ("model", "over", "reason"),
    [
        ("R1", {"gpu": "A100-80", "quantization": "fp8"}, Reason.KERNEL),
        ("V3.2", {"gpu": "RTX PRO 6000", "gpus": 8}, Reason.KERNEL),
        ("R1", {"tensor_parallel": 32}, Reason.BLOCK_128),
        ("70B", {"tensor_parallel": 24}, Reason.ATTENTION_HEADS),
        ("V4-Flash", {"gpu": "A100-80"}, Reason.COMPUTE_CAPABILITY),
        ("V4.1-Flash", {}, Reason.UNSUPPORTED_CACHE),
        ("V4.1-Flash", {"gpu": "H200"}, Reason.UNSUPPORTED_CACHE),
        ("V4-Pro", {"quantization": "awq"}, Reason.DTYPE),
        ("V4-Flash", {"engine_version": "0.12.0"}, Reason.ENGINE_VERSION),
    ],
)
def test_each_refusal_of_a_large_model_names_its_cause(model: str, over: dict[str, Any], reason: Reason) -> None:
    assert refusal(model, **over).reason is reason


def test_a_refusal_lists_every_candidate_with_its_reason() -> None:
    error = refusal("V4.1-Flash")
    document = error.to_json()
    assert len(error.rejected) == len(CATALOG.instances)
    assert document["reason"] == "unsupported_cache"
    assert json.dumps(document)
    assert error.fix is not None
    assert error.fix.startswith("use DeepSeek-V4-Flash-0731 or DeepSeek-V4-Pro-0813")


def test_a_cache_that_is_too_small_says_what_would_hold() -> None:
    error = refusal("7B", instance_type="g6.xlarge", concurrency=16, quantization="bf16")
    assert error.fix is not None
    assert "contextTokens x concurrency up to" in error.fix
    assert "use instance type g6e.xlarge" in error.fix


@pytest.mark.parametrize(
    ("model", "over", "fix"),
    [
        ("70B", {"gpu": "RTX4090", "gpus": 1}, "use --gpu RTX4090 --gpus 8"),
        ("70B", {"gpu": "T4", "gpus": 1}, "use --gpu T4 --gpus 8"),
        ("R1", {"gpu": "L4", "gpus": 1}, "use --gpu RTXPRO6000-BSE --gpus 8 (fp8 fits there)"),
        ("R1", {"gpu": "L4"}, "use --gpu RTXPRO6000-BSE --gpus 8 (fp8 fits there)"),
    ],
)
def test_an_owned_node_that_is_too_small_is_told_what_would_do(model: str, over: dict[str, Any], fix: str) -> None:
    assert refusal(model, **over).fix == fix


def test_an_owned_node_gives_as_few_gpus_as_the_model_needs() -> None:
    outcome = make_plan("32B", gpu="L4")
    assert (outcome.tensor_parallel, outcome.gpus, outcome.instance, outcome.usd_per_hour) == (4, 4, None, None)
    assert outcome.alternatives == ()


def test_an_ec2_type_gives_all_gpus_that_the_heads_allow() -> None:
    assert make_plan("7B", instance_type="g5.12xlarge").tensor_parallel == 4
    wide = make_plan("7B", instance_type="g5.48xlarge")
    assert wide.tensor_parallel == 4
    assert "4 of 8 GPUs of g5.48xlarge stay idle" in wide.warnings


def test_a_fit_with_less_to_spare_than_the_estimate_may_err_says_so() -> None:
    note = "tight: 1.55 GiB to spare on each RTXPRO6000-BSE, less than the estimate may be off by"
    found = make_plan("R1", instance_type="g7e.48xlarge", context_tokens=32768)
    assert any(one.startswith(note) for one in found.warnings)
    assert not any("tight" in one for one in make_plan("R1", instance_type="p5en.48xlarge").warnings)


def test_a_host_without_room_for_the_engine_processes_is_refused() -> None:
    small = with_instance("g6.xlarge", host_memory_bytes=gib(8))
    error = refusal("7B", small, instance_type="g6.xlarge")
    assert error.reason is Reason.HOST_RAM


def test_weights_beyond_the_largest_volume_are_refused() -> None:
    r1 = CATALOG.model("R1")
    huge = replace(
        r1, label="huge", id="a/huge", aliases=(), weights_bytes=60_000 * 2**30, draft_parameters=59_800 * 2**30
    )
    error = refusal("huge", replace(CATALOG, models=(huge,)), quantization="fp8", gpu="H200")
    assert error.reason is Reason.DISK


def test_another_region_is_served_with_a_word_about_the_price() -> None:
    notes = make_plan("7B", region="eu-central-1").warnings
    assert any("whether eu-central-1 offers it is not in the catalogue" in note for note in notes)
    assert not any("us-east-1" in note for note in make_plan("7B", region="us-east-1").warnings)


def test_volume_holds_the_weights_and_reads_them_in_time() -> None:
    outcome = make_plan("70B", instance_type="p5.48xlarge", load_target_seconds=100)
    assert outcome.volume.size_gib == 165
    assert outcome.volume.throughput_mib_per_second == 1346
    assert outcome.volume.iops == 4 * 1346
    assert outcome.load_seconds == 100
    assert outcome.startup_budget_seconds == 510


def test_volume_is_never_faster_than_the_instance_and_says_when_that_is_late() -> None:
    outcome = make_plan("7B", instance_type="g5.xlarge", load_target_seconds=60)
    assert outcome.volume.throughput_mib_per_second == 125
    assert outcome.load_seconds == 175
    assert "reading the weights takes 175 s, above the target of 60 s" in outcome.warnings


def test_a_volume_for_an_owned_node_ends_at_the_limit_of_gp3() -> None:
    outcome = make_plan("R1", gpu="H200", load_target_seconds=60)
    assert (outcome.volume.throughput_mib_per_second, outcome.volume.iops) == (2000, 8000)


@pytest.mark.parametrize("instance", CATALOG.instances, ids=lambda one: one.instance_type)
def test_every_volume_respects_the_rules_of_gp3(instance: Any) -> None:
    try:
        store = make_plan("1.5B", instance_type=instance.instance_type, load_target_seconds=10).volume
    except Refusal:
        return
    assert 125 <= store.throughput_mib_per_second <= 2000
    assert 3000 <= store.iops <= min(80_000, 500 * store.size_gib)
    assert store.throughput_mib_per_second <= store.iops / 4


def test_host_memory_grows_with_the_ranks_and_not_with_the_weights() -> None:
    one, four = make_plan("32B", gpu="H200"), make_plan("32B", gpu="L4")
    assert (one.host_memory_bytes, four.host_memory_bytes) == (gib(11), gib(17))
    assert (one.shared_memory_bytes, four.shared_memory_bytes) == (gib(1), gib(16))
    assert (one.cpu_millicores, four.cpu_millicores) == (3000, 6000)


def test_warns_where_the_weights_cannot_stay_in_the_page_cache() -> None:
    note = "16 GiB of host memory cannot cache 14.2 GiB of weights: each start reads the volume"
    assert note in make_plan("7B", instance_type="g6.xlarge").warnings
    assert note not in make_plan("7B", instance_type="g6.2xlarge").warnings


def test_engine_arguments_of_a_published_model() -> None:
    assert make_plan("7B", instance_type="g6.xlarge").engine_arguments == (
        "--model=/weights",
        "--served-model-name=DeepSeek-R1-Distill-Qwen-7B",
        "--dtype=bfloat16",
        "--max-model-len=8192",
        "--tensor-parallel-size=1",
        "--gpu-memory-utilization=0.92",
    )


@pytest.mark.parametrize(
    ("model", "over", "flags"),
    [
        ("7B", {"gpu": "T4", "quantization": "awq"}, ("--quantization=awq", "--dtype=float16")),
        ("7B", {"gpu": "L4", "quantization": "awq"}, ("--quantization=awq_marlin", "--dtype=bfloat16")),
        ("7B", {"gpu": "A10G", "quantization": "gptq"}, ("--quantization=gptq_marlin",)),
        ("7B", {"gpu": "L4", "quantization": "fp8"}, ("--quantization=compressed-tensors",)),
        ("V3.2", {"gpu": "H200"}, ("--kv-cache-dtype=fp8_ds_mla", "--tensor-parallel-size=8")),
    ],
)
def test_engine_arguments_follow_the_format_and_the_gpu(
    model: str, over: dict[str, Any], flags: tuple[str, ...]
) -> None:
    assert set(flags) <= set(make_plan(model, **over).engine_arguments)


def test_published_fp8_weights_need_no_quantization_flag() -> None:
    assert not any(flag.startswith("--quantization") for flag in make_plan("R1").engine_arguments)


def test_fp8_below_ada_is_said_to_save_no_time() -> None:
    notes = make_plan("7B", gpu="A10G", quantization="fp8").warnings
    assert "A10G has no fp8 arithmetic: fp8 saves memory (Marlin kernels), not time" in notes


def test_another_format_than_the_published_one_asks_for_a_checkpoint() -> None:
    note = "DeepSeek-R1 is published in fp8: stage a checkpoint of it made in AWQ int4, group 128"
    assert note in make_plan("R1", quantization="awq").warnings


def test_int4_sizes_keep_embeddings_at_16_bit() -> None:
    assert make_plan("7B", quantization="awq").weights_bytes / 2**30 == pytest.approx(5.2, abs=0.1)
    assert make_plan("32B", quantization="awq").weights_bytes / 2**30 == pytest.approx(18.0, abs=0.3)


def test_json_has_the_published_shape() -> None:
    document = make_plan("7B", instance_type="g6.xlarge").to_json()
    assert {
        "fits",
        "reasons",
        "per_gpu",
        "kv_tokens",
        "max_context",
        "parallel",
        "instance",
        "nodes",
        "volume",
        "host_ram_gib",
        "startup_seconds",
        "speed",
        "price",
        "alternatives",
        "warnings",
    } <= set(document)
    assert document["parallel"] == {"tp": 1, "pp": 1, "dp": 1, "ep": 1}
    assert document["price"] == {
        "usd_per_hour": 0.8048,
        "usd_per_month": 587.5,
        "usd_per_million_tokens": {"low": 12.9, "high": 21.8},
        "date": "2026-01-21",
        "region": "us-east-1",
        "kind": "on-demand",
        "markets": [
            {"kind": "on-demand", "usd_per_hour": 0.8048, "date": "2026-01-21"},
            {"kind": "spot", "usd_per_hour": None, "date": None},
        ],
    }
    assert json.loads(json.dumps(document)) == document | {
        "alternatives": document["alternatives"],
    }


def test_json_of_an_owned_node_has_neither_instance_nor_price() -> None:
    document = make_plan("7B", gpu="L4").to_json()
    assert (document["instance"], document["price"]) == (None, None)


@pytest.mark.parametrize(
    ("over", "key"),
    [
        ({"context_tokens": 8}, "contextTokens"),
        ({"context_tokens": 163840}, "contextTokens"),
        ({"concurrency": 0}, "concurrency"),
        ({"gpu": "L4", "gpus": 0}, "gpus"),
        ({"gpus": 2}, "gpus"),
        ({"gpu": "L4", "instance_type": "g6.xlarge"}, "gpu"),
        ({"utilization": 0.1}, "gpuMemoryUtilization"),
        ({"load_target_seconds": 1}, "loadTargetSeconds"),
        ({"tensor_parallel": 0}, "tensorParallel"),
        ({"engine_version": "newest"}, "engineVersion"),
        ({"objective": "beauty"}, "objective"),
        ({"model": "9B"}, "model"),
        ({"instance_type": "g9.xlarge"}, "instanceType"),
        ({"gpu": "L5"}, "gpu"),
        ({"quantization": "int7"}, "quantization"),
    ],
)
def test_a_request_nothing_can_satisfy_names_its_key(over: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan(**{"model": "7B", **over})
    assert caught.value.key == key
    assert caught.value.allowed
    assert caught.value.fix


def test_reason_codes_are_stable() -> None:
    assert [reason.code for reason in (Reason.WEIGHTS, Reason.KV_CACHE, Reason.GPU_COUNT)] == [
        "SKS0301",
        "SKS0302",
        "SKS0315",
    ]


@pytest.mark.parametrize(
    ("model", "over", "formula"),
    [
        ("7B", {"instance_type": "g6.xlarge"}, "2 x 28 layers x 4 KV heads / 1 x 128 x 2 bytes = 57,344 bytes"),
        ("32B", {"gpu": "L4"}, "2 x 64 layers x 8 KV heads / 4 x 128 x 2 bytes = 65,536 bytes"),
        ("R1", {}, "61 layers x (512 + 64) x 2 bytes, the same on every rank = 70,272 bytes"),
        ("V3.2", {}, "61 layers x 788 bytes, the same on every rank = 48,068 bytes"),
    ],
)
def test_explains_the_cache_of_a_token(model: str, over: dict[str, Any], formula: str) -> None:
    assert any(line.endswith(formula) for line in explain(make_plan(model, **over)))


def test_explanation_ends_in_the_numbers_of_the_plan() -> None:
    outcome = make_plan("7B", instance_type="g6.xlarge")
    text = "\n".join(explain(outcome))
    assert f"whole blocks of 16 = {outcome.kv_tokens:,}" in text
    assert f"{outcome.budget.kv_cache_bytes / 2**30:.3f} GiB" in text
    assert f"{outcome.volume.size_gib} GiB" in text
    assert f"{outcome.startup_budget_seconds} s" in text


def test_a_compressed_cache_has_no_bytes_per_token() -> None:
    with pytest.raises(ValueError, match="not a number of bytes per token"):
        kv_cache.bytes_per_token(CATALOG.model("V4-Flash"), 1, Engine.parse("0.33.0"))
