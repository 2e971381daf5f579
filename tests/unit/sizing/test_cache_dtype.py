"""The format of the KV cache: which engines, models and GPUs take which, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.cache_dtypes import ALSO, CacheDtype, read_cache_dtype
from infra.catalog.facts import Attention, GpuFacts, ModelFacts, QuantizationFacts
from infra.errors import ConfigurationError
from infra.sizing import cache_support, traffic
from infra.sizing.cache_support import NAMES, cache_flag, check_cache_dtype, in_effect, quality_note, taken_by
from infra.sizing.engine import Engine, Family
from infra.sizing.explain import explain
from infra.sizing.fit import Fit, Workload, fit
from infra.sizing.kv_cache import element_bytes
from infra.sizing.refusal import Reason
from tests.unit.sizing.support_plan import CATALOG, make_plan, refusal

NEWEST = Engine.parse("0.33.0")
LLAMA = replace(NEWEST, family=Family.LLAMA_CPP)
SGLANG = replace(NEWEST, family=Family.SGLANG)
SIXTEEN = (CacheDtype.AUTO, CacheDtype.BF16, CacheDtype.FP16)


def test_every_engine_has_a_default_and_names_only_formats_whose_bytes_are_known() -> None:
    assert set(NAMES) == set(Family)
    for names in NAMES.values():
        assert CacheDtype.AUTO in names
        assert all(0.5 < element_bytes(dtype) <= 4 for dtype in names)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("FP8", CacheDtype.FP8), (" bfloat16 ", CacheDtype.BF16), ("f16", CacheDtype.FP16), ("auto", CacheDtype.AUTO)],
)
def test_an_engines_name_counts_as_ours(name: str, dtype: CacheDtype) -> None:
    assert read_cache_dtype(name) is dtype


def test_no_name_stands_for_two_formats() -> None:
    assert not set(ALSO) & set(CacheDtype)


def test_an_unknown_format_is_refused_with_the_near_match() -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", kv_cache_dtype="fp8_e4m")
    error = caught.value
    assert (error.code, error.key, error.value) == ("SKS0205", "kvCacheDtype", "fp8_e4m")
    assert error.fix == "did you mean fp8_e4m3? auto leaves it to the engine"
    assert error.allowed is not None
    assert "fp8_e5m2" in error.allowed


def test_a_name_like_none_has_no_near_match() -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_cache_dtype("zzz")
    assert caught.value.fix == "auto leaves it to the engine"


@pytest.mark.parametrize(
    ("family", "name"),
    [(Family.VLLM, "q8_0"), (Family.SGLANG, "fp8_ds_mla"), (Family.LLAMA_CPP, "fp8"), (Family.LMDEPLOY, "bf16")],
)
def test_a_format_another_engine_has_is_refused_with_what_this_one_takes(family: Family, name: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        taken_by(name, family)
    assert caught.value.allowed == ", ".join(NAMES[family])
    assert name not in NAMES[family]


@pytest.mark.parametrize(
    ("model", "quantization", "gpu", "dtype", "reason"),
    [
        ("7B", "awq", "T4", "fp8", Reason.KERNEL),
        ("7B", "awq", "T4", "fp16", None),
        ("7B", "awq", "T4", "bf16", Reason.DTYPE),
        ("7B", "bf16", "A10G", "fp8", None),
        ("7B", "bf16", "A10G", "fp16", Reason.DTYPE),
        ("7B", "fp8", "L4", "fp8_e5m2", Reason.DTYPE),
        ("7B", "bf16", "L4", "fp8_e5m2", None),
        ("7B", "bf16", "L4", "fp8_ds_mla", Reason.DTYPE),
        ("V2-Lite", "bf16", "A100-80", "fp8", Reason.KERNEL),
        ("V2-Lite", "bf16", "L40S", "fp8", None),
        ("V2-Lite", "bf16", "H100", "fp8_e5m2", Reason.KERNEL),
        ("V3.2", "fp8", "H200", "bf16", None),
        ("V3.2", "fp8", "H200", "fp8", None),
        ("V3.2", "fp8", "H200", "fp8_e4m3", Reason.DTYPE),
        ("V4-Flash", "fp4_fp8", "H200", "fp8", None),
        ("V4-Flash", "fp4_fp8", "H200", "bf16", Reason.DTYPE),
        ("V4-Flash", "fp4_fp8", "H200", "fp8_e5m2", Reason.DTYPE),
        ("7B", "bf16", "MI300X", "fp8", None),
    ],
)
def test_a_cache_without_a_kernel_is_refused_with_its_reason(
    model: str, quantization: str, gpu: str, dtype: str, reason: Reason | None
) -> None:
    case = CATALOG.model(model), CATALOG.quantization(quantization), CATALOG.gpu(gpu)
    miss = check_cache_dtype(*case, NEWEST, CacheDtype(dtype))
    assert (miss and miss.reason) == reason
    if miss:
        assert (miss.key, miss.value) == ("kvCacheDtype", dtype)
        assert miss.allowed
        assert miss.fix


def test_llama_cpp_converts_what_the_gpu_cannot() -> None:
    case = CATALOG.model("7B"), CATALOG.quantization("awq"), CATALOG.gpu("T4")
    assert check_cache_dtype(*case, LLAMA, CacheDtype.Q8_0) is None
    assert in_effect(*case, LLAMA, CacheDtype.AUTO) is CacheDtype.FP16
    assert cache_flag(case[0], LLAMA, CacheDtype.BF16, CacheDtype.BF16) == "bf16"


def test_the_refusal_of_a_plan_names_the_key_and_a_gpu_that_does() -> None:
    error = refusal("7B", instance_type="g4dn.xlarge", quantization="awq", kv_cache_dtype="fp8")
    assert (error.reason, error.key) == (Reason.KERNEL, "kvCacheDtype")
    assert error.fix is not None
    assert error.fix.startswith("leave out kvCacheDtype; or ")


@pytest.mark.parametrize(
    ("model", "over", "effective", "flag"),
    [
        ("7B", {"instance_type": "g6.xlarge"}, "bf16", None),
        ("7B", {"instance_type": "g4dn.xlarge", "quantization": "awq"}, "fp16", None),
        ("7B", {"kv_cache_dtype": "bfloat16"}, "bf16", "bfloat16"),
        ("7B", {"kv_cache_dtype": "fp8_e5m2"}, "fp8_e5m2", "fp8_e5m2"),
        ("R1", {"kv_cache_dtype": "fp8"}, "fp8", "fp8"),
        ("V3.2", {}, "fp8_ds_mla", "fp8_ds_mla"),
        ("V3.2", {"kv_cache_dtype": "fp8"}, "fp8_ds_mla", "fp8_ds_mla"),
        ("V3.2", {"kv_cache_dtype": "bf16"}, "bf16", "bfloat16"),
        ("V4-Flash", {}, "fp8", "fp8"),
        ("V4-Flash", {"kv_cache_dtype": "fp8_ds_mla"}, "fp8", "fp8"),
    ],
)
def test_the_plan_says_what_is_in_effect_and_tells_the_engine(
    model: str, over: dict[str, Any], effective: str, flag: str | None
) -> None:
    outcome = make_plan(model, **over)
    flags = [one for one in outcome.engine_arguments if one.startswith("--kv-cache-dtype=")]
    assert flags == ([] if flag is None else [f"--kv-cache-dtype={flag}"])
    assert outcome.to_json()["kv_cache_dtype"] == effective


def test_sglang_is_told_nothing_where_it_chooses_by_itself() -> None:
    model = CATALOG.model("V4-Flash")
    assert cache_flag(model, SGLANG, CacheDtype.AUTO, CacheDtype.FP8) is None


@pytest.mark.parametrize(("model", "ratio"), [("7B", 2), ("R1", 2), ("V3.2", 1284 / 788)])
def test_an_fp8_cache_halves_the_bytes_of_a_token(model: str, ratio: float) -> None:
    wide, narrow = (make_plan(model, instance_type="p5en.48xlarge", kv_cache_dtype=one) for one in ("bf16", "fp8"))
    assert wide.kv_bytes_per_token / narrow.kv_bytes_per_token == pytest.approx(ratio)
    assert narrow.kv_tokens > 1.6 * wide.kv_tokens


def test_a_plan_remembers_no_fit_of_another_cache() -> None:
    first, other, again = (make_plan("14B", kv_cache_dtype=one) for one in ("auto", "fp8", "auto"))
    assert first.kv_tokens == again.kv_tokens
    assert other.kv_tokens > first.kv_tokens


def test_a_refusal_of_one_cache_is_not_remembered_for_another() -> None:
    case = {"instance_type": "g4dn.xlarge", "quantization": "awq"}
    assert refusal("7B", kv_cache_dtype="fp8", **case).reason is Reason.KERNEL
    assert make_plan("7B", **case).quantization == "awq"


@pytest.mark.parametrize(
    ("model", "dtype", "word"),
    [
        ("7B", "fp8", "1.0 where it has none"),
        ("7B", "fp8_e5m2", "two bits of mantissa"),
        ("7B", "q4_0", "as few bits"),
        ("7B", "q8_0", None),
        ("7B", "auto", None),
        ("V3.2", "fp8", None),
        ("V4-Flash", "fp8", None),
    ],
)
def test_a_smaller_cache_says_what_it_may_cost(model: str, dtype: str, word: str | None) -> None:
    note = quality_note(CATALOG.model(model), CacheDtype(dtype))
    assert (word is None) == (note is None)
    assert word is None or word in str(note)


def test_the_plan_carries_the_note() -> None:
    assert any("compare answers" in note for note in make_plan("7B", kv_cache_dtype="fp8").warnings)
    assert not any("compare answers" in note for note in make_plan("7B").warnings)


@pytest.mark.parametrize(
    ("model", "over", "formula"),
    [
        ("7B", {"instance_type": "g6.xlarge"}, "2 x 28 layers x 4 KV heads / 1 x 128 x 1 byte = 28,672 bytes"),
        ("R1", {}, "61 layers x (512 + 64) x 1 byte, the same on every rank = 35,136 bytes"),
    ],
)
def test_explains_the_bytes_of_an_fp8_element(model: str, over: dict[str, Any], formula: str) -> None:
    assert any(line.endswith(formula) for line in explain(make_plan(model, kv_cache_dtype="fp8", **over)))


@pytest.mark.parametrize("model", ["7B", "R1"])
def test_a_token_reads_the_cache_in_the_size_it_is_stored_in(model: str) -> None:
    facts = CATALOG.model(model)
    wide, narrow = (traffic.cache_read_bytes(facts, 32_768, 1, dtype) for dtype in ("auto", "fp8"))
    assert wide == 2 * narrow > 0


def test_sparse_attention_reads_wider_entries_of_a_16_bit_cache() -> None:
    facts = CATALOG.model("V3.2")
    packed, same, wide = (traffic.cache_read_bytes(facts, 32_768, 8, one) for one in ("auto", "fp8_ds_mla", "bf16"))
    assert packed == same == 61 * (32_768 * 132 + 2048 * 656)
    assert wide == 61 * (32_768 * 132 + 2048 * 1152)


def test_a_smaller_cache_is_read_faster() -> None:
    case = {"instance_type": "p5.48xlarge", "context_tokens": 131_072, "concurrency": 8}
    wide, narrow = (make_plan("70B", kv_cache_dtype=one, **case) for one in ("auto", "fp8"))
    assert wide.speed is not None
    assert narrow.speed is not None
    assert narrow.speed.ms_per_token.expected < wide.speed.ms_per_token.expected
    assert narrow.speed.step.read_bytes < wide.speed.step.read_bytes


linear = st.sampled_from([one for one in CATALOG.models if one.attention is not Attention.COMPRESSED])
quantizations = st.sampled_from(CATALOG.quantizations)
gpus = st.sampled_from(CATALOG.gpus)
ranks = st.sampled_from([1, 2, 4, 8])
asked = st.tuples(st.integers(16, 163_840), st.integers(1, 64), st.floats(0.5, 0.99))


@settings(deadline=None)
@given(linear, quantizations, gpus, ranks, asked, st.sampled_from(SIXTEEN))
def test_an_fp8_cache_never_holds_fewer_tokens_than_16_bit(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    tp: int,
    work: tuple[int, int, float],
    wide: CacheDtype,
) -> None:
    large, small = (
        fit(model, quantization, gpu, tp, Workload(*work, NEWEST, dtype)) for dtype in (wide, CacheDtype.FP8)
    )
    if isinstance(large, Fit) and isinstance(small, Fit):
        assert small.kv_tokens >= large.kv_tokens
        assert small.max_context >= large.max_context


@settings(deadline=None)
@given(linear, quantizations, gpus, ranks, asked, st.sampled_from(list(NAMES[Family.VLLM])))
def test_a_smaller_cache_never_turns_a_fit_into_a_refusal_for_memory(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    tp: int,
    work: tuple[int, int, float],
    dtype: CacheDtype,
) -> None:
    wide = fit(model, quantization, gpu, tp, Workload(*work, NEWEST))
    narrow = fit(model, quantization, gpu, tp, Workload(*work, NEWEST, dtype))
    # V3.2's own cache is the small one: 16 bit is the larger there.
    if isinstance(wide, Fit) and model.attention is not Attention.SPARSE_LATENT:
        assert isinstance(narrow, Fit) or narrow.reason in (Reason.KERNEL, Reason.DTYPE)


def test_the_type_computed_in_decides_what_auto_means() -> None:
    stored = CATALOG.quantization("fp8")
    assert cache_support.compute_dtype(stored, CATALOG.gpu("L4")) == "bfloat16"
    assert cache_support.compute_dtype(CATALOG.quantization("fp16"), CATALOG.gpu("L4")) == "float16"
