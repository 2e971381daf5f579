"""Training memory: LLaMA-Factory's table, DeepSpeed's formulas, and what must hold for every request."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from infra.catalog.facts import Architecture, Attention, GpuFacts, ModelFacts
from infra.catalog.load import load
from infra.errors import ConfigurationError
from infra.sizing.adapters import ALL_TARGETS, Target, adapter_parameters, served_bytes
from infra.sizing.training import (
    Method,
    Offload,
    TrainingCause,
    TrainingMiss,
    TrainingPlan,
    TrainingRequest,
    estimate_training,
    fits,
    smallest_gpus,
    training_memory,
)
from infra.sizing.training_memory import States, activation_bytes, base_bytes, largest_layer, states
from infra.units import gib

CATALOG = load()
SEVEN, H100 = CATALOG.model("7B"), CATALOG.gpu("H100-80")
FULL = TrainingRequest(Method.FULL)

# LLaMA-Factory README, hardware table (GB); the catalogue's nearest sizes stand for its 7B, 14B, 30B and 70B.
LLAMA_FACTORY = (
    (Method.FULL, 32, {"7B": 120, "14B": 240, "30B": 600, "70B": 1200}),
    (Method.PURE_BF16, 16, {"7B": 60, "14B": 120, "30B": 300, "70B": 600}),
    (Method.LORA, 16, {"7B": 16, "14B": 32, "30B": 64, "70B": 160}),
    (Method.QLORA, 8, {"7B": 10, "14B": 20, "30B": 40, "70B": 80}),
    (Method.QLORA, 4, {"7B": 6, "14B": 12, "30B": 24, "70B": 48}),
    (Method.QLORA, 2, {"7B": 4, "14B": 8, "30B": 16, "70B": 24}),
)


def table_gb(method: Method, bits: int, model: str) -> float:
    """Our figure for a cell: the defaults of a request, 1,024 tokens and a batch of one, on one GPU."""
    request = TrainingRequest(method, bits=bits if method is Method.QLORA else 4)
    return training_memory(request, CATALOG.model(model), 1).total_bytes / 1e9


@pytest.mark.parametrize(
    ("method", "bits", "model", "gb"),
    [(method, bits, model, row[model]) for method, bits, row in LLAMA_FACTORY if bits >= 8 for model in row],
)
def test_is_within_a_quarter_of_llama_factorys_table_from_8_to_32_bit(
    method: Method, bits: int, model: str, gb: float
) -> None:
    assert table_gb(method, bits, model) == pytest.approx(gb, rel=0.25)


@pytest.mark.parametrize(("bits", "model", "gb"), [(4, "14B", 12), (4, "30B", 24), (2, "30B", 16), (2, "70B", 24)])
def test_low_bit_cells_are_met_where_the_16_bit_embeddings_are_a_small_part(bits: int, model: str, gb: float) -> None:
    assert table_gb(Method.QLORA, bits, model) == pytest.approx(gb, rel=0.25)


P, LARGEST = 7_615_616_512, 152_064 * 3584


def deepspeed(stage: int, offload: Offload, gpus: int) -> States:
    return states(Method.FULL, stage, offload, gpus, trainable=P, frozen_bytes=0, largest=LARGEST)


@pytest.mark.parametrize("gpus", [2, 3, 4, 8, 16, 64])
@pytest.mark.parametrize(
    ("stage", "offload", "on_gpu", "host"),
    [
        (2, Offload.NONE, lambda n: 4 * P + 16 * P / n, lambda n: 0),
        (2, Offload.OPTIMIZER, lambda n: 2 * P, lambda n: max(4 * n, 16) * P * 1.5),
        (3, Offload.NONE, lambda n: 18 * P / n + 4 * LARGEST, lambda n: 0),
        (3, Offload.OPTIMIZER, lambda n: 2 * P / n + 4 * LARGEST, lambda n: 16 * P * 1.5),
        (3, Offload.PARAMETERS_AND_OPTIMIZER, lambda n: 4 * LARGEST, lambda n: 18 * P * 1.5),
    ],
)
def test_is_deepspeeds_formula(stage: int, offload: Offload, on_gpu, host, gpus: int) -> None:  # type: ignore[no-untyped-def]
    held = deepspeed(stage, offload, gpus)
    assert held.weights_bytes + held.gradients_bytes + held.optimizer_bytes == pytest.approx(on_gpu(gpus), rel=1e-12)
    assert held.host_bytes == pytest.approx(host(gpus), rel=1e-12)


def test_offloading_from_one_gpu_is_deepspeeds_formula_too() -> None:
    assert deepspeed(3, Offload.OPTIMIZER, 1).weights_bytes == 2 * P + 4 * LARGEST
    assert deepspeed(3, Offload.PARAMETERS_AND_OPTIMIZER, 1).weights_bytes == 4 * LARGEST
    assert deepspeed(2, Offload.OPTIMIZER, 1).weights_bytes == 2 * P


def test_one_gpu_shards_nothing_so_every_stage_takes_18_bytes_a_parameter() -> None:
    for stage in range(4):
        held = deepspeed(stage, Offload.NONE, 1)
        assert held.weights_bytes + held.gradients_bytes + held.optimizer_bytes == 18 * P


def test_largest_layer_of_the_7b_is_its_embedding_and_of_v3_a_dense_mlp_or_embedding() -> None:
    assert largest_layer(SEVEN) == LARGEST
    assert largest_layer(CATALOG.model("V3")) == 129_280 * 7168
    assert largest_layer(replace(SEVEN, vocabulary=0, intermediate_size=None)) == 129_280 * 3584


def test_checkpointing_keeps_one_hidden_state_a_layer_and_one_layer() -> None:
    tokens, hidden, width = 4096, 3584, 18944
    layer = tokens * (9 * hidden + 2 * 2 * 128 * (28 + 4) + 8 * width)
    logits = tokens * 152_064 * 10
    kept = activation_bytes(SEVEN, tokens, checkpointing=True)
    assert kept == 2 * 28 * tokens * hidden + layer + logits
    assert activation_bytes(SEVEN, tokens, checkpointing=False) == 28 * layer + logits


def test_a_plain_transformer_keeps_34_bytes_a_hidden_element() -> None:
    plain = replace(SEVEN, intermediate_size=None, kv_heads=28)
    logits = 152_064 * 10
    assert activation_bytes(plain, 1, checkpointing=False) == 28 * 34 * 3584 + logits


def test_rank_16_on_q_of_the_7b_trains_3_2_million_parameters_in_58_mb() -> None:
    assert adapter_parameters(SEVEN, 16, [Target.Q]) == 28 * 16 * (3584 + 3584) == 3_211_264
    request = TrainingRequest(Method.LORA, rank=16, targets=(Target.Q,))
    memory = training_memory(request, SEVEN, 1)
    assert memory.states_bytes - 2 * SEVEN.parameters == 18 * 3_211_264


@pytest.mark.parametrize(
    ("model", "targets", "word"),
    [
        ("V4-Flash", ALL_TARGETS, "attention matrices"),
        ("V4-Pro", (Target.UP,), "number of experts"),
        ("7B", (), "at least one"),
    ],
)
def test_refuses_adapters_where_the_shape_is_not_known(model: str, targets: tuple[Target, ...], word: str) -> None:
    found = estimate_training(TrainingRequest(targets=targets), CATALOG.model(model), H100)
    assert isinstance(found, TrainingMiss)
    assert (found.cause, found.key) == (TrainingCause.TARGETS, "targets")
    assert word in found.message
    assert isinstance(served_bytes(CATALOG.model(model), 8, 1, targets=targets), str)


def test_qlora_leaves_embeddings_and_head_at_16_bit() -> None:
    kept = 2 * 152_064 * 3584
    assert base_bytes(SEVEN, 4) == pytest.approx((P - kept) * 0.516 + kept * 2)
    assert base_bytes(replace(SEVEN, tied_embeddings=True), 4) == pytest.approx((P - kept / 2) * 0.516 + kept)


def test_full_training_of_the_7b_takes_two_h100_with_zero_3() -> None:
    plan = estimate_training(replace(FULL, zero_stage=3), SEVEN, H100)
    assert isinstance(plan, TrainingPlan)
    assert (plan.gpus, plan.trainable_parameters) == (2, P)
    assert plan.to_json()["per_gpu"] == {
        "usable_gib": 79.18,
        "weights_gib": 9.12,
        "gradients_gib": 14.19,
        "optimizer_gib": 42.56,
        "activations_gib": 1.83,
        "workspace_gib": 0.75,
        "total_gib": 68.45,
    }
    assert plan.to_json()["host_ram_gib"] == 12.0
    assert plan.host_bytes_per_rank == gib(6)


def test_qlora_of_the_7b_fits_one_t4_and_lora_one_a10g() -> None:
    for request, gpu in ((TrainingRequest(Method.QLORA), "T4"), (TrainingRequest(Method.LORA), "A10G")):
        plan = estimate_training(request, SEVEN, CATALOG.gpu(gpu))
        assert isinstance(plan, TrainingPlan)
        assert plan.gpus == 1


def test_refuses_full_training_on_one_gpu_and_tells_each_way_out() -> None:
    miss = estimate_training(replace(FULL, gpus=1), SEVEN, H100)
    assert isinstance(miss, TrainingMiss)
    assert (miss.cause, miss.key) == (TrainingCause.OPTIMIZER, "method")
    assert "130.25 GiB on each of 1 x H100-80" in miss.message
    assert miss.fixes == (
        "use --zero 2 --offload optimizer",
        "use --zero 3 --offload optimizer",
        "use --zero 3 --offload parameters_and_optimizer",
        "use --workload lora",
        "use --workload qlora --bits 8",
        "use --workload qlora --bits 4",
        "use --gpu H100-80 --gpus 2 --zero 3",
        "use GPUs of 138 GiB or more",
    )


def test_refuses_a_large_batch_and_names_activations() -> None:
    request = TrainingRequest(Method.LORA, micro_batch=4, gradient_checkpointing=False)
    miss = estimate_training(request, CATALOG.model("14B"), CATALOG.gpu("L40S"))
    assert isinstance(miss, TrainingMiss)
    assert (miss.cause, miss.key, miss.value) == (TrainingCause.ACTIVATIONS, "microBatch", 4)
    assert "turn gradient checkpointing on" in miss.fixes
    assert "use --micro-batch 1" in miss.fixes


def test_refuses_a_rank_that_is_too_large_and_says_so() -> None:
    request = TrainingRequest(Method.LORA, rank=256)
    miss = estimate_training(request, SEVEN, CATALOG.gpu("A10G"))
    assert isinstance(miss, TrainingMiss)
    assert "use --rank 8" in miss.fixes


def test_says_how_many_more_gpus_are_enough() -> None:
    miss = estimate_training(replace(FULL, zero_stage=3, gpus=2), SEVEN, CATALOG.gpu("A100-40"))
    assert isinstance(miss, TrainingMiss)
    assert "use --gpu A100-40 --gpus 4" in miss.fixes
    assert smallest_gpus(replace(FULL, zero_stage=3), SEVEN, CATALOG.gpu("A100-40")) == 4


def test_no_number_of_gpus_helps_without_zero() -> None:
    assert smallest_gpus(FULL, SEVEN, H100) is None
    miss = estimate_training(replace(FULL, zero_stage=3), CATALOG.model("V3"), CATALOG.gpu("T4"))
    assert isinstance(miss, TrainingMiss)
    assert "64 x T4" in miss.message


def test_refuses_offload_that_the_host_cannot_hold() -> None:
    request = replace(FULL, zero_stage=3, offload=Offload.OPTIMIZER, gpus=1, host_memory_bytes=gib(128))
    miss = estimate_training(request, SEVEN, H100)
    assert isinstance(miss, TrainingMiss)
    assert miss.cause is TrainingCause.HOST_RAM
    assert miss.message == "1 x H100-80 need 176.2 GiB of host memory; there are 128.0"
    assert miss.fixes[-1] == "use hosts of 177 GiB in all"
    assert isinstance(estimate_training(replace(request, host_memory_bytes=gib(192)), SEVEN, H100), TrainingPlan)


@pytest.mark.parametrize(
    ("request_", "gpu", "cause", "fix"),
    [
        (TrainingRequest(Method.PURE_BF16), "T4", TrainingCause.DTYPE, "use --workload train (fp16 with fp32 states)"),
        (TrainingRequest(Method.QLORA), "Trainium1", TrainingCause.KERNEL, "use --workload lora"),
        (TrainingRequest(Method.QLORA, bits=8, zero_stage=3), "H100-80", TrainingCause.KERNEL, "use --zero 2"),
        (replace(FULL, offload=Offload.OPTIMIZER), "H100-80", TrainingCause.OFFLOAD, "use --zero 2"),
        (
            replace(FULL, zero_stage=2, offload=Offload.PARAMETERS_AND_OPTIMIZER),
            "H100-80",
            TrainingCause.OFFLOAD,
            "use --zero 3",
        ),
        (
            TrainingRequest(Method.QLORA, zero_stage=3, offload=Offload.PARAMETERS_AND_OPTIMIZER),
            "H100-80",
            TrainingCause.OFFLOAD,
            "use --workload lora --zero 3",
        ),
    ],
)
def test_refuses_what_no_trainer_does(request_: TrainingRequest, gpu: str, cause: TrainingCause, fix: str) -> None:
    miss = estimate_training(request_, SEVEN, CATALOG.gpu(gpu))
    assert isinstance(miss, TrainingMiss)
    assert miss.cause is cause
    assert fix in miss.fixes


def test_refuses_a_model_whose_layers_are_not_published() -> None:
    miss = estimate_training(FULL, CATALOG.model("V4.1-Flash"), H100)
    assert isinstance(miss, TrainingMiss)
    assert miss.cause is TrainingCause.SHAPE


@pytest.mark.parametrize(
    "over",
    [{"zero_stage": 4}, {"gpus": 0}, {"sequence_tokens": 0}, {"micro_batch": 0}, {"rank": 0}, {"bits": 3}],
)
def test_refuses_values_that_mean_nothing(over: dict[str, int]) -> None:
    with pytest.raises(ConfigurationError, match="not usable"):
        estimate_training(replace(FULL, **over), SEVEN, H100)  # type: ignore[arg-type]


shaped = st.sampled_from([model for model in CATALOG.models if model.layers])
adaptable = st.sampled_from([m for m in CATALOG.models if isinstance(adapter_parameters(m, 1, ALL_TARGETS), int)])
gpus = st.sampled_from(CATALOG.gpus)
counts = st.integers(1, 64)


@st.composite
def requests(draw: st.DrawFn) -> TrainingRequest:
    stage = draw(st.integers(0, 3))
    offloads = [Offload.NONE, *([Offload.OPTIMIZER] if stage else [])]
    offloads += [Offload.PARAMETERS_AND_OPTIMIZER] if stage == 3 else []
    return TrainingRequest(
        method=draw(st.sampled_from(Method)),
        bits=draw(st.sampled_from([8, 4, 2])),
        zero_stage=stage,
        offload=draw(st.sampled_from(offloads)),
        sequence_tokens=draw(st.integers(1, 65_536)),
        micro_batch=draw(st.integers(1, 64)),
        gradient_checkpointing=draw(st.booleans()),
        rank=draw(st.integers(1, 256)),
        targets=tuple(draw(st.sets(st.sampled_from(Target), min_size=1))),
    )


@settings(deadline=None)
@given(
    requests(),
    adaptable,
    counts,
    st.integers(0, 64),
    st.integers(0, 16),
    st.integers(0, 4096),
    st.integers(0, 10**10),
)
def test_more_of_anything_never_needs_less(
    request_: TrainingRequest, model: ModelFacts, count: int, rank: int, batch: int, tokens: int, parameters: int
) -> None:
    larger = replace(
        request_,
        rank=request_.rank + rank,
        micro_batch=request_.micro_batch + batch,
        sequence_tokens=request_.sequence_tokens + tokens,
        targets=ALL_TARGETS,
    )
    small = training_memory(request_, model, count)
    large = training_memory(larger, replace(model, parameters=model.parameters + parameters), count)
    assert small.total_bytes <= large.total_bytes
    assert small.host_bytes <= large.host_bytes
    assert min(small.activations_bytes, small.workspace_bytes, small.weights_bytes) > 0


@settings(deadline=None)
@given(requests(), shaped, counts, st.integers(0, 3))
def test_a_higher_stage_never_needs_more_of_a_gpu(
    request_: TrainingRequest, model: ModelFacts, count: int, stage: int
) -> None:
    # Parameters are offloaded at stage 3 only, and DeepSpeed's gather buffer is its own with one offloading GPU.
    assume(request_.offload is Offload.NONE or (request_.offload is Offload.OPTIMIZER and count > 1))
    low, high = sorted((request_.zero_stage, stage))
    assume(low > 0 or request_.offload is Offload.NONE)
    kept, sharded = (training_memory(replace(request_, zero_stage=each), model, count) for each in (low, high))
    assert sharded.total_bytes <= kept.total_bytes + 3


@settings(deadline=None)
@given(requests(), shaped, counts, st.integers(0, 64))
def test_more_gpus_never_need_more_of_each(request_: TrainingRequest, model: ModelFacts, count: int, more: int) -> None:
    few, many = (training_memory(request_, model, number) for number in (count, count + more))
    assert many.total_bytes <= few.total_bytes + 3


@settings(deadline=None)
@given(requests(), st.sampled_from(CATALOG.models), gpus, st.one_of(st.none(), counts))
def test_every_request_is_planned_or_refused_with_a_way_out(
    request_: TrainingRequest, model: ModelFacts, gpu: GpuFacts, count: int | None
) -> None:
    outcome = estimate_training(replace(request_, gpus=count), model, gpu)
    if isinstance(outcome, TrainingPlan):
        assert outcome.memory.total_bytes <= gpu.usable_bytes
        assert fits(outcome.request, model, gpu, outcome.gpus)
        assert outcome.to_json()["fits"]
    else:
        assert outcome.message
        assert outcome.fixes


@settings(deadline=None)
@given(requests(), shaped, st.sampled_from(Architecture), st.sampled_from(Attention))
def test_missing_fields_never_crash_it(
    request_: TrainingRequest, model: ModelFacts, architecture: Architecture, attention: Attention
) -> None:
    bare = replace(
        model,
        architecture=architecture,
        attention=attention,
        attention_heads=0,
        kv_heads=0,
        head_dim=None,
        intermediate_size=None,
        moe_intermediate_size=None,
        vocabulary=0,
        kv_lora_rank=None,
        q_lora_rank=None,
        qk_nope_head_dim=None,
        qk_rope_head_dim=None,
        v_head_dim=None,
    )
    assert training_memory(request_, bare, 1).total_bytes > 0
    for lacking in (bare, replace(bare, hidden_size=0), replace(bare, layers=0), replace(bare, parameters=0)):
        assert estimate_training(request_, lacking, H100)
