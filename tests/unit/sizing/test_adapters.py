"""LoRA adapters: shapes of each attention and of experts, and what serving reserves for them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from infra.catalog.facts import Attention, ModelFacts
from infra.catalog.load import load
from infra.sizing.adapters import (
    ALL_TARGETS,
    Target,
    activated_width,
    adapter_parameters,
    attention_width,
    matrices,
    served_bytes,
)

CATALOG = load()
SEVEN = CATALOG.model("7B")


def test_rank_8_on_all_layers_of_the_8b_trains_21_million_parameters() -> None:
    # PEFT prints 20,971,520 for Llama-3 8B, r=8, all linear layers.
    assert adapter_parameters(CATALOG.model("8B"), 8, ALL_TARGETS) == 20_971_520


def test_targets_of_latent_attention_are_its_projections() -> None:
    v3, lite = CATALOG.model("V3"), CATALOG.model("V2-Lite")
    shapes = {(matrix.inputs, matrix.outputs) for matrix in matrices(v3, [Target.Q, Target.K, Target.V, Target.O])}  # type: ignore[union-attr]
    assert shapes == {(7168, 1536), (1536, 24_576), (7168, 576), (512, 32_768), (16_384, 7168)}
    assert [(m.inputs, m.outputs) for m in matrices(lite, [Target.Q])] == [(2048, 3072)]  # type: ignore[union-attr]
    assert adapter_parameters(v3, 8, [Target.K]) == adapter_parameters(v3, 8, [Target.K, Target.V])


def test_every_expert_has_an_adapter_of_its_own() -> None:
    expected = 8 * (3 * (7168 + 18_432) + 58 * 257 * (7168 + 2048))
    assert adapter_parameters(CATALOG.model("V3"), 8, [Target.GATE]) == expected
    mixtral = replace(CATALOG.model("V3"), first_dense_layers=0, shared_experts=0, attention=Attention.GROUPED)
    assert adapter_parameters(mixtral, 1, [Target.DOWN]) == 61 * 256 * (7168 + 2048)


def test_refuses_adapters_of_models_without_heads() -> None:
    for missing in (replace(SEVEN, attention_heads=0), replace(SEVEN, head_dim=None)):
        assert isinstance(adapter_parameters(missing, 8, [Target.Q]), str)


def test_served_adapters_cost_16_bit_slots_of_which_tensor_parallelism_cuts_one_side() -> None:
    assert served_bytes(SEVEN, 16, 4, targets=[Target.Q]) == 4 * 2 * 3_211_264
    assert served_bytes(SEVEN, 16, 1, targets=[Target.Q], tensor_parallel=4) == 2 * 28 * 16 * (3584 + 896)
    assert served_bytes(SEVEN, 16, 1, targets=[Target.DOWN], tensor_parallel=4) == 2 * 28 * 16 * (4736 + 3584)


def test_activated_experts_count_as_one_wide_mlp() -> None:
    v3 = CATALOG.model("V3")
    assert activated_width(v3) == 18_432 == 9 * 2048
    assert activated_width(replace(v3, intermediate_size=None)) == 9 * 2048
    assert activated_width(CATALOG.model("V4-Pro")) == 0


def test_widths_of_attention_follow_the_heads() -> None:
    assert attention_width(SEVEN) == 2 * 128 * 32
    assert attention_width(CATALOG.model("V3")) == 2 * 128 * (192 + 128)
    assert attention_width(CATALOG.model("V4-Flash")) == 4 * 4096
    assert attention_width(replace(SEVEN, head_dim=None)) == 4 * 3584


@settings(deadline=None)
@given(st.sampled_from(CATALOG.models), st.integers(1, 256), st.integers(1, 16), st.sampled_from([1, 2, 4, 8]))
def test_more_ranks_hold_less_each_and_more_together(model: ModelFacts, rank: int, count: int, ranks: int) -> None:
    whole, part = (served_bytes(model, rank, count, tensor_parallel=each) for each in (1, ranks))
    if isinstance(whole, int) and isinstance(part, int):
        assert whole / ranks <= part <= whole
