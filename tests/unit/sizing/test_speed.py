"""Speed and cost: the range against public measurements, and what must hold for every model and GPU."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.facts import Architecture, Attention, GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.load import load
from infra.sizing import cost, gguf, storage, traffic
from infra.sizing.engine import Engine, Family
from infra.sizing.speed import (
    Layout,
    Range,
    Runtime,
    SpeedRange,
    SpeedUnknown,
    bound_tokens_per_second,
    draft_gain,
    estimate_first_token,
    estimate_load,
    estimate_speed,
    is_possible,
)
from infra.sizing.step import LATENCY_MS, LLAMA_CPP_LATENCY_MS

CATALOG = load()


@dataclass(frozen=True)
class Row:
    """One published measurement of a single user."""

    id: str
    model: str
    quantization: QuantizationFacts
    gpu: str
    layout: Layout
    family: Family
    engine: str
    """As the source names the release; empty where it does not."""
    measured: float
    context: int = 0

    def estimate(self) -> SpeedRange | SpeedUnknown:
        return estimate_speed(
            CATALOG.model(self.model),
            self.quantization,
            CATALOG.gpu(self.gpu),
            self.layout,
            context_tokens=self.context,
            runtime=Runtime.of(Engine.read(self.family, self.engine)),
        )


BF16, FP16, FP8, AWQ = (CATALOG.quantization(name) for name in ("bf16", "fp16", "fp8", "awq"))
TP8, TWO_NODES = Layout(8), Layout(16, nodes=2)
ROWS = (
    # llm-speed blog 2026-07-02; Q4_K_M is 4.91 bits a weight (gguf-parser-go).
    Row("D01", "8B", gguf.quantization(4.91), "RTX4090", Layout(), Family.LLAMA_CPP, "", 134),
    Row("D02", "14B", gguf.quantization(4.91), "RTX4090", Layout(), Family.LLAMA_CPP, "", 81),
    # Public notes on the 32B; D04 is the same model on a GPU that is not stated.
    Row("D03", "32B", BF16, "H20-96", Layout(2), Family.VLLM, "0.8 V0", 47.5),
    # tt-inference-server issue 356.
    Row("D05", "R1-0528", AWQ, "H100-80", TP8, Family.VLLM, "", 62.1, 640),
    Row("D06", "R1-0528", FP8, "H100-80", TWO_NODES, Family.VLLM, "", 32.0, 640),
    # dzhsurf/deepseek-v3-r1-deploy-and-benchmarks.
    Row("D07", "R1", AWQ, "H100-80", TP8, Family.VLLM, "0.7.3", 33, 1152),
    # sglang issue 3656; no release named. Two nodes are taken as one tensor-parallel group here and in D06.
    Row("D08", "R1", FP8, "H100-80", TWO_NODES, Family.SGLANG, "", 19),
    Row("D09", "R1", FP8, "H100-80", TWO_NODES, Family.VLLM, "", 30),
    # vllm-project/recipes DeepSeek-V3.md @8959cf6; vLLM issue 30832.
    Row("D10", "R1-0528", FP8, "H200", TP8, Family.VLLM, "", 63.2, 8402),
    Row("D11", "V3.2", FP8, "H20-96", TP8, Family.VLLM, "0.13rc", 30),
    # unsloth issue 1591; ik_llama.cpp issue 263 (307.2 GiB for 671 B parameters).
    Row("D12", "R1", gguf.quantization(1.67), "H100-80", Layout(pipeline_parallel=2), Family.LLAMA_CPP, "", 11.89),
    Row("D13", "R1", gguf.quantization(3.93), "RTX3090", Layout(pipeline_parallel=16), Family.LLAMA_CPP, "", 17.9),
    # AWS Korea sample.
    Row("D14", "Coder-V2-Lite", FP16, "A100-40", TP8, Family.VLLM, "0.7.1", 57.7),
)


def id_of(row: Row) -> str:
    return row.id


@pytest.mark.parametrize("row", ROWS, ids=id_of)
def test_measured_speed_lies_in_the_range(row: Row) -> None:
    estimate = row.estimate()
    assert isinstance(estimate, SpeedRange)
    assert row.measured in estimate.per_user
    assert row.measured < estimate.bound_per_user


@pytest.mark.parametrize("row", ROWS, ids=id_of)
def test_expected_speed_is_within_a_factor_of_two_and_a_half(row: Row) -> None:
    estimate = row.estimate()
    assert isinstance(estimate, SpeedRange)
    assert 1 / 2.5 < row.measured / estimate.per_user.expected < 2.5


def test_refuses_115_tokens_of_the_7b_in_fp8_on_a_5060_ti_as_impossible() -> None:
    gpu = replace(CATALOG.gpu("RTX5090"), name="RTX5060Ti-16", bandwidth_bytes_per_second=448e9)
    assert not is_possible(115, CATALOG.model("7B"), FP8, gpu)
    assert is_possible(40, CATALOG.model("7B"), FP8, gpu)
    assert bound_tokens_per_second(CATALOG.model("7B"), FP8, gpu) == pytest.approx(59, rel=0.02)


def test_speculation_and_more_gpus_raise_what_is_possible() -> None:
    model, gpu = CATALOG.model("7B"), CATALOG.gpu("T4")
    assert not is_possible(80, model, FP8, gpu)
    assert is_possible(80, model, FP8, gpu, draft_tokens=1)
    assert is_possible(80, model, FP8, gpu, Layout(2))
    assert not is_possible(80, model, FP8, gpu, Layout(pipeline_parallel=2))


def test_says_that_it_is_an_estimate() -> None:
    assert str(ROWS[0].estimate()) == "estimate: 86.1 to 164 tokens/s a user, 138 expected"


def speed(model: str, gpu: str, layout: Layout | None = None, quantization: str | None = None, **over: object) -> Range:
    facts = CATALOG.model(model)
    quantized = CATALOG.quantization(quantization or facts.native_dtype)
    found = estimate_speed(facts, quantized, CATALOG.gpu(gpu), layout, **over)  # type: ignore[arg-type]
    assert isinstance(found, SpeedRange)
    return found.per_user


def test_long_context_slows_an_mha_model_more_than_a_gqa_model() -> None:
    for model, factor in (("coder-6.7b", 1.5), ("7B", 1.05)):
        empty, full = (speed(model, "A100-80", context_tokens=tokens).expected for tokens in (0, 16384))
        assert empty / full > factor
    assert speed("7B", "A100-80", context_tokens=16384).expected * 1.2 > speed("7B", "A100-80").expected


def test_sparse_attention_reads_less_than_plain_latent_attention_at_long_context() -> None:
    dense, sparse = (traffic.cache_read_bytes(CATALOG.model(name), 131_072, 8) for name in ("V3", "V3.2"))
    assert sparse < dense / 5


def test_latent_cache_is_read_whole_on_each_rank_and_grouped_heads_are_split() -> None:
    latent, grouped = CATALOG.model("R1"), CATALOG.model("70B")
    assert traffic.cache_read_bytes(latent, 1, 8) == traffic.cache_read_bytes(latent, 1, 1) == 70_272
    assert traffic.cache_read_bytes(grouped, 1, 16) == traffic.cache_read_bytes(grouped, 1, 1) / 8 == 40_960


@pytest.mark.parametrize(("users", "part"), [(1, 8 / 256), (32, 0.638), (4096, 1.0)])
def test_users_together_touch_ever_more_experts(users: int, part: float) -> None:
    model = CATALOG.model("V3")
    read = traffic.weights_read(model, FP8, users)
    routed = 58 * 256 * 3 * 7168 * 2048
    assert read.experts == pytest.approx(routed * part, rel=0.03)
    assert read.split + read.repeated == pytest.approx(18e9, rel=0.07)


def test_unknown_expert_counts_are_taken_from_the_shares_of_known_models() -> None:
    known = CATALOG.model("V3")
    guessed = replace(known, routed_experts=0, experts_per_token=0)
    for users in (1, 16):
        whole, part = (traffic.weights_read(model, FP8, users).total for model in (known, guessed))
        assert part == pytest.approx(whole, rel=0.1)


def test_shared_experts_over_data_parallel_copies_are_read_once() -> None:
    apart, together = (Layout(2, data_parallel=4, expert_parallel=shared) for shared in (False, True))
    slow, fast = (speed("V3", "H200", layout, users=256, context_tokens=4096).expected for layout in (apart, together))
    assert fast > slow


def test_pipeline_groups_follow_each_other() -> None:
    split = Layout(pipeline_parallel=4)
    one, four, five = (speed("70B", "A100-80", split, users=count, context_tokens=8192) for count in (1, 4, 5))
    assert four == one
    assert five.expected < one.expected


def test_many_users_are_bound_by_arithmetic_and_fp8_cores_help() -> None:
    few, many = (speed("8B", "L4", users=users, quantization="fp8") for users in (1, 1024))
    assert many.expected < few.expected / 3
    weight_only = replace(CATALOG.gpu("L4"), fp8="weight-only")
    slower = estimate_speed(CATALOG.model("8B"), FP8, weight_only, users=1024)
    assert isinstance(slower, SpeedRange)
    assert slower.per_user.expected < many.expected


def test_awq_without_marlin_kernels_is_slower() -> None:
    turing = CATALOG.gpu("T4")
    ampere = replace(turing, compute_capability=(8, 0))
    slow, fast = (estimate_speed(CATALOG.model("7B"), AWQ, gpu) for gpu in (turing, ampere))
    assert isinstance(slow, SpeedRange)
    assert isinstance(fast, SpeedRange)
    assert slow.per_user.expected < fast.per_user.expected * 0.7


def test_drafts_help_less_the_more_users_there_are() -> None:
    assert [draft_gain(1), draft_gain(32)] == pytest.approx([1.8, 1.5])
    assert draft_gain(10**9) == 1.0
    plain, drafted = (speed("R1", "H200", Layout(8), draft=draft) for draft in (False, True))
    assert drafted.expected == pytest.approx(1.8 * plain.expected)


@pytest.mark.parametrize(
    ("family", "text", "runtime"),
    [
        (Family.VLLM, "0.7.3", Runtime.OLD),
        (Family.VLLM, "0.8.5 (V0)", Runtime.OLD),
        (Family.VLLM, "0.33.0", Runtime.CURRENT),
        (Family.VLLM, "", Runtime.CURRENT),
        (Family.SGLANG, "0.4.3", Runtime.OLD),
        (Family.SGLANG, "0.5.2", Runtime.CURRENT),
        (Family.LMDEPLOY, "0.7.0", Runtime.CURRENT),
        (Family.OLLAMA, "0.9.0", Runtime.LLAMA_CPP),
        (Family.LLAMA_CPP, "", Runtime.LLAMA_CPP),
    ],
)
def test_engines_fall_in_three_classes(family: Family, text: str, runtime: Runtime) -> None:
    assert Runtime.of(Engine.read(family, text)) is runtime


def test_time_to_first_token_of_r1_on_eight_h200_holds_the_measured_560_ms() -> None:
    found = estimate_first_token(CATALOG.model("R1"), FP8, CATALOG.gpu("H200"), Layout(8), prompt_tokens=7902)
    assert isinstance(found, Range)
    assert 0.56 in found
    assert found.high / found.low < 5


def test_first_token_of_a_sparse_model_grows_less_at_long_prompts() -> None:
    dense, sparse = (traffic.prefill_flops(CATALOG.model(name), 131_072) for name in ("V3", "V3.2"))
    assert sparse < dense / 2


def test_what_is_missing_is_named() -> None:
    model, gpu = CATALOG.model("7B"), CATALOG.gpu("T4")
    without_bandwidth = replace(gpu, bandwidth_bytes_per_second=0)
    assert estimate_speed(model, FP16, without_bandwidth) == SpeedUnknown("the bandwidth of T4 is not in the catalogue")
    assert is_possible(1e6, model, FP16, without_bandwidth)
    unpublished = CATALOG.model("V4.1-Flash")
    found = estimate_first_token(unpublished, CATALOG.quantization("fp4_fp8"), gpu, prompt_tokens=100)
    assert isinstance(found, SpeedUnknown)
    assert "V4.1-Flash" in found.message
    without_flops = replace(gpu, fp16_tflops=0)
    assert isinstance(estimate_first_token(model, FP16, without_flops, prompt_tokens=1), SpeedUnknown)
    assert isinstance(estimate_speed(model, FP16, without_flops), SpeedRange)


def test_loading_is_as_slow_as_the_slowest_of_volume_instance_and_network() -> None:
    size, store = 15_231_233_024, storage.volume(15_231_233_024, 60, None)
    assert estimate_load(size, store).low == storage.load_seconds(size, store, None) == 60
    assert astuple(estimate_load(size, store, 113.2)) == pytest.approx((129, 154.8, 258))
    assert estimate_load(size, store, 113.2, 50).low == storage.load_seconds(size, store, 50)


def test_a_month_has_730_hours_and_a_million_tokens_cost_less_at_speed() -> None:
    assert cost.usd_per_month(1.006) == pytest.approx(734.38)
    assert cost.usd_per_month(1.006, 2) == pytest.approx(1468.76)
    price = cost.usd_per_million_tokens(3.6, Range(100, 200, 500))
    assert price is not None
    assert astuple(price) == pytest.approx((2, 5, 10))


def test_no_price_gives_no_cost() -> None:
    assert cost.usd_per_month(None) is None
    assert cost.usd_per_million_tokens(None, Range(1, 2, 3)) is None
    assert cost.usd_per_million_tokens(1.0, Range(0, 0, 0)) is None


models = st.sampled_from(CATALOG.models)
gpus = st.sampled_from(CATALOG.gpus)
quantizations = st.sampled_from([*CATALOG.quantizations, gguf.quantization(4.91)])
layouts = st.builds(
    Layout,
    st.sampled_from([1, 2, 4, 8, 16]),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([1, 2, 8]),
    st.sampled_from([1, 2]),
    st.booleans(),
)
users = st.integers(1, 512)
contexts = st.integers(0, 163_840)


@settings(deadline=None)
@given(models, quantizations, gpus, layouts, users, contexts, st.sampled_from(Runtime), st.booleans())
def test_ranges_are_ordered_and_not_wide(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    layout: Layout,
    number: int,
    context: int,
    runtime: Runtime,
    draft: bool,
) -> None:
    found = estimate_speed(
        model, quantization, gpu, layout, users=number, context_tokens=context, runtime=runtime, draft=draft
    )
    if isinstance(found, SpeedUnknown):
        assert found.message
        return
    for span in (found.per_user, found.total, found.ms_per_token):
        assert 0 < span.low <= span.expected <= span.high
    alone = layout.tensor_parallel * layout.pipeline_parallel * layout.nodes == 1 and not layout.expert_parallel
    dense_on_one = alone and model.architecture is Architecture.DENSE
    assert found.per_user.high / found.per_user.low <= (3.5 if dense_on_one else 5)
    assert found.per_user.high * found.ms_per_token.low == pytest.approx(1000)
    assert draft or number > 1 or found.per_user.high <= found.bound_per_user


@settings(deadline=None)
@given(models, quantizations, gpus, layouts, users, contexts, st.integers(0, 512), st.integers(0, 65_536))
def test_more_users_and_longer_contexts_never_speed_a_user_up(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    layout: Layout,
    number: int,
    context: int,
    more_users: int,
    more_context: int,
) -> None:
    few = estimate_speed(model, quantization, gpu, layout, users=number, context_tokens=context)
    many = estimate_speed(
        model, quantization, gpu, layout, users=number + more_users, context_tokens=context + more_context
    )
    if isinstance(few, SpeedRange) and isinstance(many, SpeedRange):
        assert many.per_user.expected <= few.per_user.expected * (1 + 1e-9)


@settings(deadline=None)
@given(models, quantizations, gpus, st.integers(1, 8), st.integers(1, 8))
def test_more_gpus_of_a_node_never_lower_the_bound(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, some: int, more: int
) -> None:
    few, many = (bound_tokens_per_second(model, quantization, gpu, Layout(n)) for n in (some, some + more))
    assert 0 < few <= many


@settings(deadline=None)
@given(models, quantizations, gpus, layouts, st.integers(1, 163_840), st.integers(0, 10_000))
def test_longer_prompts_never_answer_sooner(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, layout: Layout, prompt: int, more: int
) -> None:
    short = estimate_first_token(model, quantization, gpu, layout, prompt_tokens=prompt)
    long = estimate_first_token(model, quantization, gpu, layout, prompt_tokens=prompt + more)
    if isinstance(short, Range) and isinstance(long, Range):
        assert 0 < short.low <= short.expected <= short.high
        assert short.expected <= long.expected
        assert short.high / short.low <= 5


@settings(deadline=None)
@given(models, quantizations, gpus, st.sampled_from(Attention), users)
def test_missing_fields_never_crash_it(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, attention: Attention, number: int
) -> None:
    bare = replace(
        model,
        attention=attention,
        attention_heads=0,
        kv_heads=0,
        head_dim=None,
        intermediate_size=None,
        moe_intermediate_size=None,
        vocabulary=0,
        kv_lora_rank=None,
        qk_nope_head_dim=None,
        qk_rope_head_dim=None,
        v_head_dim=None,
        routed_experts=0,
        experts_per_token=0,
    )
    for active in (0, bare.active_parameters):
        changed = replace(bare, active_parameters=active)
        assert estimate_speed(changed, quantization, gpu, users=number, context_tokens=4096)
        assert estimate_first_token(changed, quantization, gpu, prompt_tokens=100)
        assert not math.isnan(bound_tokens_per_second(changed, quantization, gpu))
    empty = replace(
        bare, parameters=0, weights_bytes=0, draft_parameters=0, hidden_size=0, architecture=Architecture.DENSE
    )
    assert bound_tokens_per_second(empty, CATALOG.quantization(model.native_dtype), gpu) == math.inf


def test_every_latency_is_ordered_and_costs_more_the_farther_it_goes() -> None:
    for table in (LATENCY_MS, LLAMA_CPP_LATENCY_MS):
        assert all(0 < span.low < span.expected < span.high for span in table.values())
        for kind in Architecture:
            reaches = [span.expected for (_, architecture), span in table.items() if architecture is kind]
            assert reaches == sorted(reaches)
