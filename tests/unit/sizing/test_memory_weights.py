"""Weights on one GPU: formats, what every rank repeats, stages, replicas, and GGUF names."""

from __future__ import annotations

from dataclasses import replace

import pytest

from infra.catalog.facts import QuantizationFacts
from infra.catalog.load import load
from infra.sizing import gguf, weights
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import Miss, Workload, fit
from infra.sizing.refusal import Reason
from infra.units import to_gib

CATALOG = load()


def per_gpu(
    model: str, quantization: str | QuantizationFacts, ranks: int, release: str = "0.33.0", **over: int
) -> float:
    stored = CATALOG.quantization(quantization) if isinstance(quantization, str) else quantization
    engine = Engine.parse(release)
    return to_gib(weights.gpu_weights_bytes(CATALOG.model(model), stored, ranks, engine=engine, **over))


@pytest.mark.parametrize(
    ("model", "quantization", "ranks", "release", "stages", "measured"),
    [
        # llm-d-planner on 0.19: ranks, stages, and fp8 on load.
        ("8B", "bf16", 1, "0.19.0", 1, 14.99),
        ("8B", "bf16", 2, "0.19.0", 1, 7.51),
        ("8B", "bf16", 4, "0.19.0", 1, 3.77),
        ("8B", "bf16", 1, "0.19.0", 2, 7.51),
        ("8B", "bf16", 1, "0.19.0", 4, 4.26),
        ("R1-0528-Qwen3-8B", "bf16", 1, "0.19.0", 3, 5.48),
        ("8B", "fp8", 1, "0.19.0", 1, 8.49),
        ("V2-Lite", "bf16", 1, "0.19.0", 1, 29.43),
        # A log of December 2025, vLLM 14447, an AWS sample on 0.7.1, and a README on 0.7.3.
        ("R1", "fp8", 8, "0.12.0", 1, 79.739),
        ("70B", "fp8", 4, "0.12.0", 1, 16.96),
        ("R1", "awq", 16, "0.8.0", 1, 21.21),
        ("Coder-V2-Lite", "fp16", 8, "0.7.1", 1, 3.97),
        ("R1", "awq", 8, "0.7.3", 1, 46.6),
    ],
)
def test_weights_are_within_2_percent_of_the_log(
    model: str, quantization: str, ranks: int, release: str, stages: int, measured: float
) -> None:
    ours = per_gpu(model, quantization, ranks, release, pipeline_parallel=stages)
    assert ours == pytest.approx(measured, rel=0.02)


def test_parts_add_up_to_what_is_loaded() -> None:
    for model in CATALOG.models:
        native = CATALOG.quantization(model.native_dtype)
        parts = weights.parts(model, native)
        stored = parts.vocabulary + parts.experts + parts.sharded + parts.repeated
        draft = model.draft_parameters + (parts.vocabulary if model.draft_parameters else 0)
        assert stored <= model.weights_bytes - draft + 1
        assert min(parts.vocabulary, parts.experts, parts.sharded, parts.repeated, parts.derived) >= 0


def test_replicas_share_the_experts_and_repeat_the_rest() -> None:
    """V3: 17.1 B parameters outside the experts, counted from its shape 17.0."""
    v3 = CATALOG.model("V3")
    assert weights.dense_parameters(v3) == pytest.approx(17.0e9, rel=0.01)
    tensor, data = per_gpu("V3", "fp8", 8), per_gpu("V3", "fp8", 1, data_parallel=8)
    assert data - tensor == pytest.approx(15.9, abs=1.5)
    assert per_gpu("70B", "fp8", 1, data_parallel=8) == per_gpu("70B", "fp8", 1)


def test_v4_is_loaded_without_its_draft_and_repacked_by_sglang_on_hopper() -> None:
    v4, native, sglang = CATALOG.model("V4-Pro"), CATALOG.quantization("fp4_fp8"), Engine.read(Family.SGLANG, "")
    loaded = {
        name: to_gib(weights.gpu_weights_bytes(v4, native, 8, engine=sglang, gpu=CATALOG.gpu(name)))
        for name in ("H200", "B200", "L20-48", "MI300X")
    }
    assert loaded["H200"] == pytest.approx(125.65, rel=0.01)
    assert loaded["B200"] == loaded["MI300X"] == pytest.approx(per_gpu("V4-Pro", "fp4_fp8", 8))
    assert loaded["L20-48"] > loaded["H200"]
    assert per_gpu("V4-Flash-0731", "fp4_fp8", 1) == pytest.approx(144.6, abs=0.1)


def test_r1_in_nvfp4_keeps_its_attention_at_16_bit() -> None:
    """nvidia/DeepSeek-R1-FP4 is 397 GB."""
    size = weights.checkpoint_bytes(CATALOG.model("R1"), CATALOG.quantization("nvfp4"))
    assert size / 1e9 == pytest.approx(397, rel=0.02)


@pytest.mark.parametrize(
    ("model", "text", "gib"),
    [
        ("7B", "gguf Q4_K_M", 4.36),
        ("8B", "gguf Q2_K", 2.96),
        ("8B", "Q6_K", 6.15),
        ("8B", "gguf Q8_0", 7.95),
        ("8B", "f16 gguf", 14.99),
        ("14B", "q4_k_m", 8.38),
        ("70B", "gguf Q4_K_M", 40.0),
        ("R1", "gguf UD-IQ1_S", 130.6),
        ("R1", "gguf UD-Q2_K_XL", 233.85),
        ("R1", "gguf IQ3_XXS", 254.17),
        ("R1", "gguf IQ4_XS", 333.13),
        ("R1", "gguf Q4_K_M", 376.3),
        ("R1", "gguf 3.5 bpw class", 298.7),
    ],
)
def test_gguf_kinds_come_to_the_size_of_their_files(model: str, text: str, gib: float) -> None:
    facts = CATALOG.model(model)
    bits = gguf.bits_per_weight(facts, text)
    assert bits is not None
    assert to_gib(weights.checkpoint_bytes(facts, gguf.quantization(bits))) == pytest.approx(gib, rel=0.02)


def test_a_number_of_bits_is_taken_as_it_stands_for_a_dense_model() -> None:
    assert gguf.bits_per_weight(CATALOG.model("8B"), "4.25 bpw") == 4.25
    assert gguf.bits_per_weight(CATALOG.model("8B"), "gguf") is None
    assert gguf.bits_per_weight(CATALOG.model("8B"), "gguf Q9_Z") is None


def test_nf4_has_no_kernel_for_experts_and_gguf_is_made_of_every_model() -> None:
    work = Workload(8192, 1, 0.9, Engine.parse("0.33.0"), reproduce=True)
    refused = fit(CATALOG.model("R1"), CATALOG.quantization("nf4"), CATALOG.gpu("H200"), 8, work)
    assert isinstance(refused, Miss)
    assert refused.reason is Reason.KERNEL
    assert not isinstance(fit(CATALOG.model("8B"), CATALOG.quantization("nf4"), CATALOG.gpu("L4"), 1, work), Miss)
    llama = replace(work, engine=Engine.read(Family.LLAMA_CPP, ""), utilization=1.0)
    flash = fit(CATALOG.model("V4-Flash"), gguf.quantization(2.5), CATALOG.gpu("H200"), 1, llama)
    assert not isinstance(flash, Miss)
