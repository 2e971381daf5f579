"""The names in public logs: a size that the catalogue lacks is no other size's row, and a format is never guessed."""

from __future__ import annotations

import pytest

from benchmarks.sizing_rows import Case, Skip, resolve
from benchmarks.sizing_score import score
from infra.units import to_gib
from tests.unit.test_sizing_accuracy import make_row, resolved


def skipped(**over: object) -> str:
    outcome = resolve(make_row(**over))
    assert isinstance(outcome, Skip)
    return outcome.reason


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("A100 40GB", "A100-40"),
        ("A100-SXM4-40GB", "A100-40"),
        ("NVIDIA A100-SXM4-40GB", "A100-40"),
        ("A100 PCIe 40GB", "A100-40"),
        ("A100 40G", "A100-40"),
        ("A100 (40 GB)", "A100-40"),
        ("A100_80GB", "A100-80"),
        ("NVIDIA A100 80GB PCIe", "A100-80"),
        ("V100-SXM2-16GB", "V100-16"),
        ("Tesla V100-SXM2-32GB", "V100-32"),
        ("H20 141GB", "H20-141"),
        ("RTX 4090 48GB", "RTX4090-48"),
        ("RTX 4090 24GB", "RTX4090"),
        ("NVIDIA H100 80GB HBM3", "H100-80"),
        ("H100 NVL", "H100-94"),
        ("H100-NVL-94GB", "H100-94"),
        ("NVIDIA GH200 480GB", "GH200-96"),
        ("L4 24GB", "L4"),
        ("L40S 48 GB", "L40S"),
        ("T4 15GB", "T4"),
        ("B200 192GB", "B200"),
        ("B200 180GB", "B200"),
        ("GB200 186GB", "GB200-192"),
        ("AMD Instinct MI300X 192GB", "MI300X"),
    ],
)
def test_the_size_in_a_gpus_name_chooses_the_card(text: str, name: str) -> None:
    gpu = resolved(gpu=text).gpu
    assert gpu is not None
    assert gpu.name == name


@pytest.mark.parametrize("text", ["H100 96GB", "A800 40GB", "A100 20GB", "H200 80GB", "RTX 3090 48GB", "L4-48"])
def test_a_size_that_the_catalogue_lacks_is_named(text: str) -> None:
    reason = skipped(gpu=text)
    assert text in reason
    assert "the catalogue has no" in reason


@pytest.mark.parametrize("text", ["A100 MIG 3g.20gb", "A100-SXM4-80GB (1g.10gb)", "A10 vGPU"])
def test_a_part_of_a_gpu_is_not_the_whole(text: str) -> None:
    assert "a part of one" in skipped(gpu=text)


@pytest.mark.parametrize("text", ["RTX 4090 Laptop", "H100/H200", "Quadro RTX 6000", "A10-24Q", "A100 8"])
def test_a_gpu_that_only_looks_like_a_known_one_is_not_known(text: str) -> None:
    assert "is not known" in skipped(gpu=text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("GeForce RTX 4090", "RTX4090"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("AMD Instinct MI300X", "MI300X"),
        ("Tesla V100", "V100-32"),
        ("A10", "A10G"),
        ("RTX PRO 6000 Blackwell", "RTXPRO6000-BSE"),
        ("NVIDIA RTX PRO 6000 Blackwell Server Edition", "RTXPRO6000-BSE"),
        ("RTX 6000 Ada Generation", "RTX6000Ada"),
        ("NVIDIA A100 Tensor Core GPU", "A100-80"),
        ("H20-3e", "H20-141"),
        ("GB200 NVL72", "GB200-192"),
        ("1x RTX 4090", "RTX4090"),
    ],
)
def test_makers_editions_and_boards_are_no_part_of_the_name(text: str, name: str) -> None:
    gpu = resolved(gpu=text).gpu
    assert gpu is not None
    assert gpu.name == name


@pytest.mark.parametrize(
    ("text", "total", "name", "usable_gib"),
    [
        ("A100", "39.39", "A100-40", 39.39),
        ("V100", "15.77", "V100-16", 15.77),
        ("RTX4090", "47.4", "RTX4090-48", 47.4),
        ("H100-80", "79.10", "H100-80", 79.10),
        ("L4", "24", "L4", 22.05),
        ("A100-40", "19.5", "A100-40", 19.5),
    ],
)
def test_the_printed_total_chooses_the_card_and_counts(text: str, total: str, name: str, usable_gib: float) -> None:
    gpu = resolved(gpu=text, total_gib_per_gpu=total).gpu
    assert gpu is not None
    assert gpu.name == name
    assert to_gib(gpu.usable_bytes) == pytest.approx(usable_gib, abs=0.01)


@pytest.mark.parametrize(("text", "total"), [("H100-80", "640"), ("A100-40", "79.15"), ("RTX4090", "94")])
def test_a_total_that_no_such_card_has_is_named(text: str, total: str) -> None:
    assert f"the row says {total}" in skipped(gpu=text, total_gib_per_gpu=total)


def test_a_count_in_the_name_agrees_with_the_column_or_fills_it() -> None:
    assert resolved(gpu="2x RTX 4090", gpu_count="2").gpus == 2
    assert resolved(gpu="2x RTX 4090", gpu_count="").gpus == 2
    assert resolved(gpu="H100 x8", gpu_count="16", nodes="2", model="R1", weights_quant="fp8").gpus == 16
    assert "is not 4 GPUs" in skipped(gpu="2x RTX 4090", gpu_count="4")


@pytest.mark.parametrize(
    ("over", "assumed"),
    [
        ({"gpu_count": "", "tp": "4"}, "gpu_count is empty: 4 from tp x pp x dp"),
        ({"gpu_count": "", "gpu": "4x H100"}, "gpu_count is empty: 4 from '4x H100'"),
    ],
)
def test_a_count_that_is_filled_in_is_reported(over: dict[str, object], assumed: str) -> None:
    assert score([make_row(**over)]).assumed == {"A01": [assumed]}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("DeepSeek R1 Distill Llama 70B", "DeepSeek-R1-Distill-Llama-70B"),
        ("deepseek_r1_distill_llama_8b", "DeepSeek-R1-Distill-Llama-8B"),
        ("deepseek-r1:1.5b", "DeepSeek-R1-Distill-Qwen-1.5B"),
        ("deepseek-r1:7b", "DeepSeek-R1-Distill-Qwen-7B"),
        ("ollama/deepseek-r1:70b", "DeepSeek-R1-Distill-Llama-70B"),
        ("deepseek-r1:671b", "DeepSeek-R1"),
        ("deepseek-r1:8b-llama-distill-q4_K_M", "DeepSeek-R1-Distill-Llama-8B"),
        ("deepseek-coder-v2:16b", "DeepSeek-Coder-V2-Lite-Instruct"),
        ("R1-Distill-Qwen-32B-quantized.w4a16", "DeepSeek-R1-Distill-Qwen-32B"),
        ("R1-Distill-Qwen-32B-Q4_K_M", "DeepSeek-R1-Distill-Qwen-32B"),
        ("DeepSeek-V3.2-Speciale", "DeepSeek-V3.2"),
        ("Qwen3-14B", "Qwen3-14B"),
        ("Qwen/Qwen3-30B-A3B-FP8", "Qwen3-30B-A3B"),
        ("Qwen2.5-72B", "Qwen2.5-72B-Instruct"),
        ("Mistral 7B Instruct v0.3", "Mistral-7B-Instruct-v0.3"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "Mixtral-8x7B-Instruct-v0.1"),
    ],
)
def test_finds_models_by_tag_and_with_spaces(text: str, label: str) -> None:
    assert resolved(model=text).model.label == label


@pytest.mark.parametrize(
    ("source", "label"),
    [("a blog, 2025-02", "DeepSeek-R1-Distill-Llama-8B"), ("a blog, 2025-09", "DeepSeek-R1-0528-Qwen3-8B")],
)
def test_the_date_tells_which_model_ollamas_8b_was(source: str, label: str) -> None:
    assert resolved(model="deepseek-r1:8b", engine="ollama", engine_version="", source=source).model.label == label
    assert "not known" in skipped(model="deepseek-r1:8b", engine="ollama", engine_version="", source="a blog")


@pytest.mark.parametrize("text", ["deepseek-r1:9b", "mystery:7b", "Mistral-7B-v0.1", "DeepSeek-Nano"])
def test_a_model_that_is_not_certain_is_left_out(text: str) -> None:
    assert text in skipped(model=text)


@pytest.mark.parametrize(
    ("model", "parameters_gib"),
    [
        ("Qwen3-14B", 27.51),
        ("Qwen3-30B-A3B", 56.87),
        ("Qwen2.5-72B", 135.43),
        ("Mistral-7B-Instruct-v0.3", 13.50),
        ("Mixtral-8x7B", 86.99),
    ],
)
def test_the_shape_of_a_proxy_adds_up_to_its_file(model: str, parameters_gib: float) -> None:
    facts = resolved(model=model).model
    assert to_gib(facts.weights_bytes) == pytest.approx(parameters_gib, abs=0.01)
    assert facts.weights_bytes == 2 * facts.parameters
    attention = 2 * facts.hidden_size * (facts.head_dim or 0) * (facts.attention_heads + facts.kv_heads)
    width = (facts.moe_intermediate_size or 0) * facts.routed_experts or facts.intermediate_size or 0
    matrices = facts.layers * (attention + 3 * facts.hidden_size * width) + 2 * facts.vocabulary * facts.hidden_size
    assert facts.parameters == pytest.approx(matrices, rel=0.001)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("R1-Distill-Qwen-32B-quantized.w4a16", "gptq"),
        ("R1-Distill-Qwen-32B-quantized.w8a8", "int8"),
        ("R1-Distill-Qwen-32B-AWQ", "awq"),
        ("neuralmagic/DeepSeek-R1-Distill-Llama-70B-FP8-dynamic", "fp8"),
        ("unsloth/DeepSeek-R1-Distill-Llama-8B-bnb-4bit", "nf4"),
        ("Qwen2.5-32B-Instruct-GPTQ-Int8", "int8"),
        ("R1-Distill-Qwen-32B-Q4_K_M", "gguf"),
        ("R1-Distill-Qwen-32B", "bf16"),
        ("DeepSeek-R1", "fp8"),
    ],
)
@pytest.mark.parametrize("cell", ["", "auto", "none", "N/A"])
def test_without_a_format_the_models_name_gives_it_or_the_files_do(model: str, name: str, cell: str) -> None:
    assert resolved(model=model, weights_quant=cell).quantization.name == name


@pytest.mark.parametrize(
    ("model", "bits"),
    [
        ("deepseek-r1:7b", 4.90),
        ("deepseek-r1:32b-qwen-distill-q8_0", 8.51),
        ("deepseek-llm:7b", 4.64),
        ("deepseek-r1:7b-qwen-distill-fp16", 16),
    ],
)
def test_a_tag_of_ollama_has_a_format(model: str, bits: float) -> None:
    quantization = resolved(model=model, weights_quant="", engine="ollama").quantization
    assert quantization.bytes_per_parameter * 8 == pytest.approx(bits)


@pytest.mark.parametrize("text", ["gptq int8", "gptq 8bit", "GPTQ-Int8", "bnb 8bit", "bitsandbytes int8", "w8a16"])
def test_eight_bits_are_eight_whoever_made_them_and_run_on_blackwell(text: str) -> None:
    case = resolved(weights_quant=text, gpu="B200")
    assert case.quantization.bytes_per_parameter == pytest.approx(1, abs=0.01)
    assert [one.ours for one in score([case.row]).of("fit")] == ["yes"]


def test_float32_takes_four_bytes() -> None:
    (found,) = score([make_row(kind="weights", weights_quant="fp32", weights_gib_per_gpu="29.92", fits="")]).of(
        "weights"
    )
    assert found.right


@pytest.mark.parametrize("text", ["TQ1_0", "gguf TQ1_0", "gptq 3bit", "fp6", "w2a16", "exl3", "Q4"])
def test_an_unknown_format_is_named(text: str) -> None:
    assert f"quantisation {text!r}" in skipped(weights_quant=text)


def test_a_file_whose_name_says_gguf_but_not_which_is_named() -> None:
    assert "DeepSeek-R1-GGUF" in skipped(model="DeepSeek-R1-GGUF", weights_quant="")
    assert isinstance(resolve(make_row(model="DeepSeek-R1-GGUF", weights_quant="Q4_K_M")), Case)
