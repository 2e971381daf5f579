"""The accuracy report: its scores on the shipped rows, and that no row in that shape can break it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.sizing_accuracy import BARS, report
from benchmarks.sizing_rows import Case, Row, Skip, read_rows, resolve, row_of
from benchmarks.sizing_score import Score, score
from infra.sizing.engine import Family

ROOT = Path(__file__).parents[2]
OPEN, OWN = ROOT / "benchmarks" / "sizing_open.csv", ROOT / "benchmarks" / "sizing_rows.csv"


def make_row(**over: object) -> Row:
    fields = {
        "id": "A01",
        "kind": "fit",
        "model": "R1-Distill-Llama-8B",
        "weights_quant": "bf16",
        "gpu": "H100-80",
        "gpu_count": "1",
        "engine": "vllm",
        "engine_version": "0.11.0",
        "max_model_len": "8192",
        "fits": "yes",
        "confidence": "high",
        "source": "vllm-project/vllm issue 1",
    }
    return row_of({**fields, **{key: str(value) for key, value in over.items()}})


def resolved(**over: object) -> Case:
    case = resolve(make_row(**over))
    assert isinstance(case, Case)
    return case


@pytest.mark.parametrize("path", [OPEN, OWN], ids=lambda path: path.stem)
@pytest.mark.parametrize("metric", list(BARS))
def test_every_bar_is_met_on_the_rows_we_hold(path: Path, metric: str) -> None:
    judgements = score(read_rows(path)).of(metric)
    assert sum(one.right for one in judgements) >= BARS[metric][0] * len(judgements) > 0


@pytest.mark.parametrize("path", [OPEN, OWN], ids=lambda path: path.stem)
def test_no_row_that_was_refused_counts_as_a_fit(path: Path) -> None:
    fits = score(read_rows(path)).of("fit")
    assert [one.row for one in fits if one.ours == "yes" and one.expected == "no"] == []
    assert all(one.note for one in fits if one.ours == "no")


def test_fits_of_high_confidence_are_all_right_and_beat_each_baseline_on_the_open_rows() -> None:
    found = score(read_rows(OPEN))
    assert all(one.right for one in found.of("fit") if one.confidence == "high")
    for metric in ("fit", "capacity"):
        ours = sum(one.right for one in found.of(metric))
        for name in ("KAITO", "GPUStack", "llm-d"):
            assert ours > sum(one.baselines.get(name, False) for one in found.of(metric))


def test_rows_of_low_confidence_and_unknown_names_are_counted_with_the_reason() -> None:
    rows = [
        make_row(id="low", confidence="low"),
        make_row(id="gpu", gpu="Groq-1"),
        make_row(id="model", model="Gemma-9"),
        make_row(id="format", weights_quant="ternary"),
        make_row(id="engine", engine="tgi"),
        make_row(id="shape", model="DeepSeek-V4.1-Flash"),
        make_row(id="empty", fits=""),
        make_row(id="cpu", kind="capacity", gpu="any"),
    ]
    found = score(rows)
    assert found.judgements == []
    assert found.rows == len(found.skipped) == len(rows)
    assert "Groq-1" in found.skipped["gpu"]
    text = report("rows.csv", found)
    assert "not scored: 8" in text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B-AWQ", "DeepSeek-R1-Distill-Qwen-32B"),
        ("DeepSeek-V2-Lite-Chat", "DeepSeek-V2-Lite"),
        ("DeepSeek-Coder-V2", "DeepSeek-Coder-V2-Instruct"),
        ("deepseek-llm-67b-chat", "deepseek-llm-67b-base"),
        ("DeepSeek-V3.1-Terminus", "DeepSeek-V3.1"),
        ("DeepSeek-R1 (GGUF 3.5 bpw class)", "DeepSeek-R1"),
        ("DeepSeek-V4-Flash-DSpark", "DeepSeek-V4-Flash"),
        ("Llama-3.3-70B-FP8", "Llama-3.3-70B-Instruct"),
        ("Llama-3.1-8B", "Llama-3.1-8B-Instruct"),
        ("Qwen3-32B", "Qwen3-32B"),
    ],
)
def test_finds_models_however_a_log_spells_them(text: str, label: str) -> None:
    assert resolved(model=text).model.label == label


def test_an_unknown_model_is_read_as_the_one_it_stands_for() -> None:
    assert resolved(model="Somebody-8B", proxy_for="R1-Distill-Llama-8B").model.label == "DeepSeek-R1-Distill-Llama-8B"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("", "bf16"),
        ("fp8 block 128", "fp8"),
        ("awq-int4", "awq"),
        ("GPTQ-Int4", "gptq"),
        ("w4a8", "w4a8"),
        ("INT8 (W8A8)", "int8"),
        ("nvfp4", "nvfp4"),
        ("bnb 4-bit", "nf4"),
        ("4bit", "gptq"),
        ("float16", "fp16"),
        ("f16 gguf", "gguf"),
        ("gguf UD-IQ1_S", "gguf"),
        ("q4_k_m", "gguf"),
    ],
)
def test_finds_quantisations_however_a_log_spells_them(text: str, name: str) -> None:
    assert resolved(weights_quant=text).quantization.name == name


def test_v4_has_one_published_form_whatever_part_of_it_is_named() -> None:
    for text in ("fp8 block 128", "native fp4+fp8", "fp4", ""):
        assert resolved(model="DeepSeek-V4-Pro", weights_quant=text).quantization.name == "fp4_fp8"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("NVIDIA H100-80", "H100-80"),
        ("H100 SXM5", "H100-80"),
        ("A100", "A100-80"),
        ("H200-141", "H200"),
        ("RTX 4090", "RTX4090"),
        ("RTX4090-48", "RTX4090-48"),
        ("GB200-192", "GB200-192"),
        ("GB300-252", "GB300-252"),
        ("GH200-96", "GH200-96"),
        ("L40-48", "L40-48"),
        ("L40", "L40-48"),
        ("L20", "L20-48"),
        ("H20", "H20-96"),
        ("H800", "H800-80"),
        ("A800-80", "A800-80"),
        ("MI308X", "MI308X"),
        ("Gaudi-96", "Gaudi2-96"),
        ("Trainium1-32", "Trainium1"),
        ("5060Ti", "RTX5060Ti-16"),
    ],
)
def test_finds_gpus_however_a_log_spells_them(text: str, name: str) -> None:
    gpu = resolved(gpu=text).gpu
    assert gpu is not None
    assert gpu.name == name


def test_the_memory_an_engine_printed_replaces_ours() -> None:
    gpu = resolved(total_gib_per_gpu="79.10").gpu
    assert gpu is not None
    assert gpu.usable_bytes == round(79.10 * 2**30)


@pytest.mark.parametrize(
    ("engine", "family"),
    [("vLLM", Family.VLLM), ("llama.cpp/ollama", Family.OLLAMA), ("llama.cpp", Family.LLAMA_CPP)],
)
def test_reads_the_engine(engine: str, family: Family) -> None:
    assert resolved(engine=engine).engine.family is family


def test_a_row_without_version_is_dated_by_its_month_or_its_issue() -> None:
    def version(source: str) -> tuple[int, int, int]:
        return resolved(engine_version="", source=source).engine.version

    assert version("model pages (2025-02/03)") == (0, 7, 3)
    assert version("vllm-project/vllm issue 15340") == (0, 8, 1)
    assert version("a blog") == (0, 33, 0)
    assert version("seen 2023-01") == (0, 4, 2)


def test_splits_inside_the_node_and_in_stages_across_nodes() -> None:
    def split(**over: object) -> tuple[int, int, int]:
        case = resolved(**over)
        return case.tp, case.pp, case.dp

    assert split(model="DeepSeek-R1", weights_quant="fp8", gpu_count=32, nodes=4) == (8, 4, 1)
    assert split(gpu_count=6) == (2, 3, 1)
    assert split(model="DeepSeek-R1", weights_quant="fp8", gpu_count=8, dp=4) == (2, 1, 4)
    assert split(gpu_count=8, pp=2) == (4, 2, 1)
    assert split(gpu_count=8, tp=4, pp=2) == (4, 2, 1)


def test_ranks_that_share_a_chip_share_its_memory() -> None:
    whole = resolved(gpu="Trainium1", gpu_count=16, tp=16).gpu
    half = resolved(gpu="Trainium1", gpu_count=16, tp=32).gpu
    assert whole is not None
    assert half is not None
    assert half.usable_bytes == whole.usable_bytes // 2


def test_a_count_over_all_replicas_is_divided_by_them() -> None:
    row = make_row(
        kind="capacity",
        model="DeepSeek-V4-Flash-0731",
        weights_quant="native fp4+fp8",
        gpu="B200",
        gpu_count=8,
        tp=1,
        dp=8,
        max_model_len=1_048_576,
        mem_util=0.95,
        engine_version="0.25.0",
        kv_tokens="164,521,574",
    )
    (capacity,) = score([row]).of("capacity")
    assert capacity.right


def test_a_compressed_cache_has_a_longest_context_too() -> None:
    row = make_row(
        kind="max_context",
        model="DeepSeek-V4-Flash",
        weights_quant="",
        gpu="H20",
        gpu_count=2,
        tp=2,
        max_model_len="",
        kv_tokens="400000",
    )
    (found,) = score([row]).of("max_context")
    assert found.ours != "0"


@pytest.mark.parametrize(
    ("engine", "version", "cache"), [("vllm", "0.11.0", "auto"), ("vllm", "0.16.0", "bf16"), ("sglang", "0.5", "bf16")]
)
def test_auto_is_what_the_engine_of_the_log_took_for_v3_2(engine: str, version: str, cache: str) -> None:
    case = resolved(model="DeepSeek-V3.2", weights_quant="fp8", kv_dtype="auto", engine=engine, engine_version=version)
    assert case.row.kv_dtype == cache


@pytest.mark.parametrize(("engine", "ours"), [("sglang", "yes"), ("vllm", "no")])
def test_only_an_engine_that_insists_on_the_context_must_hold_it(engine: str, ours: str) -> None:
    row = make_row(gpu="L4", gpu_count=4, tp=4, model="QwQ-32B", max_model_len=131072, engine=engine)
    (found,) = score([row]).of("fit")
    assert found.ours == ours


@pytest.mark.parametrize(("printed", "right"), [("6.92", True), ("6.93", False)])
def test_gib_and_tokens_agree_to_the_block_and_the_last_digit(printed: str, right: bool) -> None:
    row = make_row(kind="kv_formula", model="Qwen3-32B", gpu="any", pp=2, kv_gib_per_gpu=printed, kv_tokens=56640)
    (found,) = score([row]).of("kv_formula")
    assert found.right is right


def test_a_cpu_takes_its_fixed_cache() -> None:
    row = make_row(kind="capacity", gpu="CPU", model="R1-Distill-Qwen-14B", kv_tokens="21840", engine_version="CPU")
    (found,) = score([row]).of("capacity")
    assert found.right


words = st.one_of(
    st.sampled_from(
        [
            "",
            "any",
            "0",
            "-1",
            "1",
            "8",
            "16",
            "0.9",
            "1e9",
            "1e300",
            "yes",
            "no",
            "nan",
            "None",
            "1,024",
            "?",
            "x" * 40,
        ]
    ),
    st.text(max_size=12),
)
names = {
    "kind": st.sampled_from(["fit", "capacity", "weights", "kv_formula", "max_context", "parallel_rule", "other", ""]),
    "model": st.sampled_from(["R1", "8B", "V4-Flash", "V4.1-Flash", "V3.2", "Coder-V2-Lite", "V4-Pro", "1.5B", ""]),
    "gpu": st.sampled_from(
        ["H100-80", "CPU", "any", "T4g", "Trainium1-32", "MI300X", "GH200-96", "Ascend910B", "B300", ""]
    ),
    "engine": st.sampled_from(["vllm", "sglang", "lmdeploy", "llama.cpp", "ollama", ""]),
    "weights_quant": st.sampled_from(
        ["", "bf16", "fp8", "gguf Q4_K_M", "awq", "native fp4+fp8", "w4a8", "nf4", "nvfp4"]
    ),
    "engine_version": st.sampled_from(
        ["", "0.5.1 (V0)", "0.7 (V0)", "0.8 (V1)", "0.26", "CPU backend", "0.6 neuron", "2026-07"]
    ),
    "confidence": st.just("high"),
}
numbers = ["gpu_count", "nodes", "tp", "pp", "dp", "max_model_len", "mem_util", "total_gib_per_gpu", "fits", "note"]
numbers += ["weights_gib_per_gpu", "kv_gib_per_gpu", "kv_tokens", "kv_dtype", "proxy_for", "source"]
anything = st.fixed_dictionaries(dict(names), optional=dict.fromkeys(numbers, words))


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(anything)
def test_no_row_breaks_the_report(fields: dict[str, str]) -> None:
    found = score([row_of(fields, 2)])
    assert found.rows == 1
    assert found.judgements or found.skipped
    assert report("rows.csv", found)
    assert json.dumps(found.to_json())


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=6))
def test_no_column_is_needed(fields: dict[str, str]) -> None:
    assert isinstance(resolve(row_of(fields)), Skip)


def test_a_header_without_rows_is_a_report_without_rows(tmp_path: Path) -> None:
    header = tmp_path / "header.csv"
    header.write_text(OPEN.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    assert score(read_rows(header)) == Score()
    assert report("header.csv", Score()).startswith("header.csv: 0 rows, 0 scored")


def test_runs_from_any_folder_and_prints_json(tmp_path: Path) -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "benchmarks" / "sizing_accuracy.py"), *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    shown = run()
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "GPUStack" in shown.stdout
    document = json.loads(run(str(OPEN), "--json").stdout)
    assert document["rows"] == 60
    assert document["metrics"]["kv_formula"]["right"] == document["metrics"]["kv_formula"]["rows"]
    assert run(str(tmp_path / "missing.csv")).returncode == 2
