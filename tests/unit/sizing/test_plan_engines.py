"""Plans for SGLang and llama.cpp: their flags, their formats, and what they refuse by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from infra.catalog.facts import Catalog
from infra.catalog.load import cpu_instances
from infra.errors import ConfigurationError
from infra.sizing import gguf
from infra.sizing.engine import NEWEST_OF, Engine, Family
from infra.sizing.explain import explain
from infra.sizing.plan import Plan, PlanRequest, plan
from infra.sizing.refusal import Reason
from infra.units import to_gib
from tests.unit.sizing.support_plan import CATALOG, make_host, make_plan, make_training, refusal

SGLANG, LLAMA_CPP = Family.SGLANG, Family.LLAMA_CPP


def llama(model: str = "7B", catalog: Catalog = CATALOG, **over: Any) -> Plan:
    return make_plan(model, catalog, engine=LLAMA_CPP, **over)


def flags(outcome: Plan) -> dict[str, str]:
    """`--name=value` and `--name value` alike."""
    words = [part for word in outcome.engine_arguments for part in word.split("=", 1)]
    pairs = zip(words, [*words[1:], ""], strict=True)
    return {name: "" if value.startswith("--") else value for name, value in pairs if name.startswith("--")}


def own(native: str = "q4_k_m", bits: float = 4.89, **over: Any) -> Catalog:
    """The catalogue, and a Llama of 8 B parameters that is known from the header of a GGUF file alone."""
    model = replace(
        CATALOG.model("8B"),
        id="me/mine",
        label="mine",
        aliases=(),
        native_dtype=native,
        weights_bytes=round(8.03e9 * bits / 8),
        **over,
    )
    return replace(CATALOG, models=(*CATALOG.models, model))


def test_vllm_stays_the_engine_where_none_is_named() -> None:
    assert (make_plan("7B").engine, make_plan("7B", engine=Family.VLLM)) == ("vllm", make_plan("7B"))


def test_sglang_has_its_own_flags_and_fraction() -> None:
    outcome = make_plan("7B", engine=SGLANG, gpu="L4", gpus=1)
    assert (outcome.engine, outcome.engine_version) == ("sglang", "0.5.23")
    assert flags(outcome) == {
        "--model-path": "/weights",
        "--served-model-name": "DeepSeek-R1-Distill-Qwen-7B",
        "--dtype": "bfloat16",
        "--context-length": "8192",
        "--tp-size": "1",
        "--mem-fraction-static": "0.833",
    }
    assert outcome.utilization == pytest.approx(0.833)


def test_a_fraction_that_is_given_reaches_sglang() -> None:
    outcome = make_plan("7B", engine=SGLANG, utilization=0.8)
    assert (outcome.utilization, flags(outcome)["--mem-fraction-static"]) == (0.8, "0.8")


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"model": "7B", "quantization": "awq"}, {"--quantization": "awq"}),
        ({"model": "7B", "quantization": "nf4"}, {"--quantization": "bitsandbytes", "--load-format": "bitsandbytes"}),
        (
            {"model": "7B", "quantization": "q4_k_m"},
            {
                "--quantization": "gguf",
                "--load-format": "gguf",
                "--model-path": "/weights/DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf",
            },
        ),
        ({"model": "R1", "quantization": "w4a8", "gpu": "H20-96"}, {"--quantization": "w4afp8", "--tp-size": "8"}),
        ({"model": "V3.2"}, {"--kv-cache-dtype": "bf16", "--tp-size": "8"}),
        (
            {"model": "70B", "nodes": 2, "gpu": "L40S", "gpus": 2, "quantization": "bf16"},
            {"--pp-size": "2", "--nnodes": "2"},
        ),
        ({"model": "7B", "gpu": "L40S", "gpus": 2, "data_parallel": 2}, {"--dp-size": "2", "--tp-size": "1"}),
        (
            {"model": "V2-Lite", "gpu": "H100", "gpus": 4, "data_parallel": 2, "tensor_parallel": 2},
            {"--attn-dp-size": "2", "--tp-size": "4"},
        ),
        (
            {
                "model": "V2-Lite", "gpu": "H100", "gpus": 4, "data_parallel": 2, "tensor_parallel": 2,
                "engine_version": "0.5.10",
            },
            {"--dp-size": "2", "--tp-size": "4", "--enable-dp-attention": ""},
        ),
    ],
)  # fmt: skip
def test_sglang_flags_follow_the_format_and_the_layout(over: dict[str, Any], expected: dict[str, str]) -> None:
    found = flags(make_plan(engine=SGLANG, **over))
    assert {name: found.get(name) for name in expected} == expected


def test_several_machines_with_sglang_say_what_each_of_them_is_given() -> None:
    outcome = make_plan("70B", engine=SGLANG, nodes=2, gpu="L40S", gpus=2, quantization="bf16")
    assert any("--node-rank" in note for note in outcome.warnings)


def test_llama_cpp_shares_one_context_between_its_slots() -> None:
    outcome = llama(gpu="L4", gpus=1, context_tokens=1000, concurrency=3)
    assert flags(outcome)["--ctx-size"] == str(3 * 1024)
    assert flags(outcome)["--parallel"] == "3"
    assert all("=" not in word for word in outcome.engine_arguments)


def test_llama_cpp_lays_whole_layers_on_each_gpu() -> None:
    one, four = llama("32B", gpu="A100-80", gpus=1), llama("32B", gpu="L4", gpus=4, quantization="bf16")
    assert (four.tensor_parallel, four.pipeline_parallel, four.gpus) == (1, 4, 4)
    assert four.budget.weights_bytes == pytest.approx(one.budget.weights_bytes * 17 / 64, rel=0.05)
    assert flags(four)["--split-mode"] == "layer"
    assert flags(four)["--tensor-split"] == "1,1,1,1"
    assert flags(one)["--split-mode"] == "none"
    assert "--tensor-split" not in flags(one)
    assert flags(one)["--n-gpu-layers"] == "999"


def test_a_split_that_is_given_is_taken() -> None:
    assert llama("7B", gpu="L4", gpus=4, pipeline_parallel=3).gpus == 3
    refused = refusal("7B", engine=LLAMA_CPP, gpu="L4", gpus=2, pipeline_parallel=3)
    assert refused.reason is Reason.GPU_COUNT


@pytest.mark.parametrize(
    ("version", "flash", "has_cache"), [("b6000", "", False), ("b6700", "on", False), ("11063", "on", True)]
)
def test_flags_follow_the_build(version: str, flash: str, has_cache: bool) -> None:
    found = flags(llama(engine_version=version))
    assert found["--flash-attn"] == flash
    assert ("--cache-ram" in found) is has_cache


def test_llama_cpp_tries_the_published_weights_and_then_ever_smaller_kinds() -> None:
    sizes = (("1.5B", 65_536), ("7B", 65_536), ("8B", 65_536), ("14B", 32_768), ("32B", 8192))
    found = [llama(name, gpu="RTX4090", gpus=1, context_tokens=context).quantization for name, context in sizes]
    assert found == ["bf16", "bf16", "q8_0", "q8_0", "q4_k_m"]
    assert llama("7B").quantization == "bf16"
    assert llama("R1").quantization == "q8_0"


def test_a_card_without_bf16_is_given_float16() -> None:
    outcome = llama("1.5B", gpu="T4", gpus=1)
    assert (outcome.quantization, flags(outcome)["--model"][-9:]) == ("fp16", "-F16.gguf")
    assert any("made in float16" in note for note in outcome.warnings)
    assert any("convert_hf_to_gguf.py" in note for note in outcome.warnings)


@pytest.mark.parametrize("kind", [*gguf.kinds(), "Q4_K_M", "f16", "bf16"])
def test_every_kind_of_gguf_can_be_planned(kind: str) -> None:
    outcome = llama("8B", quantization=kind)
    bits = gguf.bits_of_kind(CATALOG.model("8B"), kind)
    assert bits is not None
    expected = CATALOG.model("8B").parameters * bits / 8
    assert outcome.weights_bytes == pytest.approx(expected, rel=0.001)
    assert outcome.quantization == {"Q4_K_M": "q4_k_m", "f16": "fp16"}.get(kind, kind)


def test_an_unknown_kind_names_those_there_are() -> None:
    with pytest.raises(ConfigurationError) as caught:
        llama(quantization="q9_k")
    assert caught.value.code == "SKS0204"
    assert "q4_k_m" in (caught.value.allowed or "")
    with pytest.raises(ConfigurationError) as others:
        make_plan("7B", quantization="q9_k")
    assert "q4_k_m" not in (others.value.allowed or "")


@pytest.mark.parametrize("name", ["fp8", "int8", "awq", "gptq", "nf4", "nvfp4"])
def test_llama_cpp_refuses_what_is_no_gguf(name: str) -> None:
    refused = refusal("7B", engine=LLAMA_CPP, quantization=name, gpu="B200")
    assert refused.reason is Reason.DTYPE
    assert "GGUF" in str(refused)


def test_vllm_takes_gguf_with_a_warning() -> None:
    outcome = make_plan("7B", quantization="q4_k_m")
    assert flags(outcome)["--quantization"] == "gguf"
    assert flags(outcome)["--model"] == "/weights/DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf"
    assert any("experimental" in note and "vllm-gguf-plugin" in note for note in outcome.warnings)
    older = make_plan("V2-Lite", quantization="q4_k_m", engine_version="0.20.0")
    assert any("garbled" in note and "plugin" not in note for note in older.warnings)


def test_sglang_takes_gguf_of_dense_models_only() -> None:
    outcome = make_plan("7B", engine=SGLANG, quantization="q4_k_m")
    assert any("GGUF of one file" in note for note in outcome.warnings)
    refused = refusal("V2-Lite", engine=SGLANG, quantization="q4_k_m")
    assert (refused.reason, "--engine llama.cpp" in str(refused)) == (Reason.KERNEL, True)


@pytest.mark.parametrize("engine", [Family.VLLM, SGLANG, LLAMA_CPP])
@pytest.mark.parametrize(("native", "bits"), [("q4_k_m", 4.89), ("iq4_xs", 4.4), ("q5_1", 6.0), ("fp32", 32.0)])
def test_a_model_known_from_a_gguf_header_is_planned_as_the_file_is(engine: Family, native: str, bits: float) -> None:
    catalog = own(native, bits)
    outcome = make_plan("mine", catalog, engine=engine)
    assert (outcome.quantization, outcome.weights_bytes) == (native, catalog.model("mine").weights_bytes)
    assert to_gib(outcome.budget.weights_bytes) == pytest.approx(to_gib(outcome.weights_bytes), abs=0.1)
    assert any(f"-{native.upper()}.gguf" in word for word in outcome.engine_arguments)


def test_a_gguf_model_can_be_named_in_its_own_kind_and_in_others() -> None:
    assert make_plan("mine", own(), quantization="Q4_K_M").quantization == "q4_k_m"
    assert llama("mine", own(), quantization="q8_0").weights_bytes > llama("mine", own()).weights_bytes


def test_a_gguf_file_with_a_draft_counts_whole() -> None:
    mixture = replace(CATALOG.model("V3"), id="me/moe", label="moe", aliases=(), native_dtype="q4_k_m")
    catalog = replace(CATALOG, models=(*CATALOG.models, replace(mixture, weights_bytes=404 * 10**9)))
    assert llama("moe", catalog, gpu="H200", gpus=8).budget.weights_bytes * 8 >= 404 * 10**9


@pytest.mark.parametrize("model", ["V3.2", "V4-Flash"])
def test_llama_cpp_refuses_caches_it_is_not_modelled_for(model: str) -> None:
    refused = refusal(model, engine=LLAMA_CPP)
    assert refused.reason is Reason.UNSUPPORTED_CACHE


@pytest.mark.parametrize(
    ("model", "engine", "version"),
    [("R1", LLAMA_CPP, "b6000"), ("7B", LLAMA_CPP, "b3000"), ("7B", SGLANG, "0.3.0"), ("V3.2", SGLANG, "0.5.2")],
)
def test_releases_that_are_too_old_are_named(model: str, engine: Family, version: str) -> None:
    refused = refusal(model, engine=engine, engine_version=version)
    assert refused.reason is Reason.ENGINE_VERSION
    assert version in str(refused)


def test_sglang_keeps_v3_2_in_16_bit() -> None:
    """DSA with a bf16 cache: (512 + 64) x 2 bytes and the indexer's key, where vLLM packs 656 + 132."""
    ours, theirs = (make_plan("V3.2", engine=one) for one in (SGLANG, Family.VLLM))
    assert (ours.kv_bytes_per_token, theirs.kv_bytes_per_token) == (61 * (576 * 2 + 132), 61 * 788)


def test_turing_is_the_oldest_card_of_sglang_and_volta_of_llama_cpp() -> None:
    refused = refusal("1.5B", engine=SGLANG, gpu="V100-32", quantization="fp16")
    assert refused.reason is Reason.COMPUTE_CAPABILITY
    assert make_plan("1.5B", engine=SGLANG, gpu="T4", quantization="fp16").gpus == 1
    assert llama("1.5B", gpu="V100-32").software.cuda == "12.8"


@pytest.mark.parametrize(
    ("key", "over"),
    [
        ("nodes", {"nodes": 2}),
        ("tensorParallel", {"tensor_parallel": 2}),
        ("dataParallel", {"data_parallel": 2}),
        ("gpuMemoryUtilization", {"utilization": 0.9}),
    ],
)
def test_llama_cpp_refuses_settings_it_has_not(key: str, over: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        llama(**over)
    assert (caught.value.code, caught.value.key) == ("SKS0205", key)


@pytest.mark.parametrize("engine", [Family.LMDEPLOY, Family.OLLAMA])
def test_engines_that_are_only_modelled_cannot_be_planned(engine: Family) -> None:
    with pytest.raises(ConfigurationError) as caught:
        make_plan("7B", engine=engine)
    assert (caught.value.code, caught.value.allowed) == ("SKS0205", "vllm, sglang, llama.cpp")


def test_training_takes_no_engine() -> None:
    with pytest.raises(ConfigurationError, match="engine: training takes none"):
        make_training("7B", request={"engine": SGLANG})


@pytest.mark.parametrize(
    ("family", "text", "version"),
    [
        (LLAMA_CPP, "b6000", (6000, 0, 0)),
        (LLAMA_CPP, "11063", (11_063, 0, 0)),
        (SGLANG, "v0.5.10.post1", (0, 5, 10)),
        (SGLANG, "0.5", (0, 5, 0)),
    ],
)
def test_reads_the_releases_of_each_engine(family: Family, text: str, version: tuple[int, int, int]) -> None:
    engine = Engine.parse(text, family)
    assert (engine.version, engine.family) == (version, family)


@pytest.mark.parametrize(
    ("family", "text", "like"),
    [(LLAMA_CPP, "0.33.0", "b11063"), (LLAMA_CPP, "b0", "b11063"), (SGLANG, "newest", "SGLang release such as 0.5.23")],
)
def test_refuses_what_is_no_release_of_the_engine(family: Family, text: str, like: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Engine.parse(text, family)
    assert caught.value.code == "SKS0207"
    assert like in (caught.value.allowed or "")


def test_names_of_releases() -> None:
    newest = [Engine(version, family).label for family, version in NEWEST_OF.items()]
    assert newest == ["vLLM 0.33.0", "SGLang 0.5.23", "llama.cpp b11063"]
    assert str(Engine.read(LLAMA_CPP, "")) == "0.33.0"


def test_the_arithmetic_of_each_engine_is_its_own() -> None:
    sglang = "\n".join(explain(make_plan("7B", engine=SGLANG)))
    assert "before loading) x 0.833" in sglang
    on_gpu = "\n".join(explain(llama("7B", context_tokens=1000)))
    assert "(CUDA context)" in on_gpu
    assert "1 x (1,000, up to a multiple of 256) = 1,024" in on_gpu
    assert "(the program)" in "\n".join(explain(llama("7B", instance_type="c8i.4xlarge")))


def test_hosts_of_an_inventory_serve_with_llama_cpp() -> None:
    outcome = llama("32B", hosts=(make_host("a"), make_host("b", gpus=1)), quantization="bf16")
    assert {share.host for share in outcome.placement} == {"a"}
    assert outcome.pipeline_parallel == len(outcome.placement)


def test_throughput_counts_the_slots_that_are_started() -> None:
    outcome = llama("7B", objective="throughput", concurrency=4, max_usd_per_hour=3)
    assert outcome.speed is not None
    assert outcome.speed.users == 4


def test_only_llama_cpp_reads_the_types_without_gpu() -> None:
    assert plan(PlanRequest("7B"), CATALOG, processors=cpu_instances()) == make_plan("7B")


def test_the_output_counts_as_a_layer_of_the_split() -> None:
    """28 layers and the output over two GPUs: 15 and 14, of which one GPU may hold 15 layers of cache."""
    one, two = (llama("7B", gpu="L4", gpus=count, quantization="bf16", pipeline_parallel=count) for count in (1, 2))
    assert (one.kv_bytes_per_token, two.kv_bytes_per_token) == (28 * 2048, 15 * 2048)
    assert "2 x 15 layers" in "\n".join(explain(two))


def test_a_long_context_takes_a_larger_mask() -> None:
    short, long = (llama("7B", context_tokens=size, gpu="H100", gpus=1) for size in (1024, 131_072))
    assert long.budget.activation_bytes - short.budget.activation_bytes == 512 * 6 * (131_072 - 1024)
