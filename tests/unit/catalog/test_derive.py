"""Entries derived from published configs: exact for every shipped model, and refused where a field is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.catalog.derive import Derivation, derive
from infra.catalog.facts import Attention, ModelFacts
from infra.catalog.load import shipped
from infra.catalog.own import row_of
from infra.catalog.own_checks import contradictions
from infra.errors import ConfigurationError, ConfigurationErrors
from tests.unit.catalog.support_configs import config_of, qwen_config, write_json

TODAY = "2026-11-24"
CATALOG = shipped()
KNOWN = [model for model in CATALOG.models if model.attention is not Attention.COMPRESSED]
CACHE_BYTES = {
    "1.5B": 28_672, "7B": 57_344, "8B": 131_072, "R1-0528-Qwen3-8B": 147_456, "14B": 196_608, "32B": 262_144,
    "70B": 327_680, "llm-7b": 491_520, "67B": 389_120, "coder-1.3b": 196_608, "coder-6.7b": 524_288,
    "coder-33b": 253_952,
    "V2-Lite": 31_104, "V2": 69_120, "V3": 70_272, "R1": 70_272, "V3.2": 70_272,
}  # fmt: skip
"""Bytes a token at 16 bit, as measured and published (KAITO's test value for V3)."""
FP8 = {"quant_method": "fp8", "weight_block_size": [128, 128]}


def derived(tmp_path: Path, config: dict[str, Any], name: str | None = "owner/model") -> Derivation:
    return derive([write_json(tmp_path / "model", config)], name=name, today=TODAY)


def cache_bytes(model: ModelFacts) -> int:
    if model.attention is Attention.GROUPED:
        return 2 * model.layers * model.kv_heads * (model.head_dim or 0) * 2
    return model.layers * ((model.kv_lora_rank or 0) + (model.qk_rope_head_dim or 0)) * 2


@pytest.mark.parametrize("model", KNOWN, ids=lambda model: model.label)
def test_agrees_with_every_shipped_model(model: ModelFacts, tmp_path: Path) -> None:
    facts = derived(tmp_path, config_of(model)).facts
    assert facts.parameters == model.parameters
    assert facts.active_parameters == pytest.approx(model.active_parameters, rel=0.001)
    # README_WEIGHTS rounds, and leaves out the projection of two hidden states to one.
    assert facts.draft_parameters == pytest.approx(model.draft_parameters, rel=0.012)
    assert facts.weights_bytes == pytest.approx(model.weights_bytes, rel=0.0005)
    same = (
        "architecture", "attention", "layers", "attention_heads", "kv_heads", "head_dim", "hidden_size",
        "intermediate_size", "moe_intermediate_size", "vocabulary", "kv_lora_rank", "q_lora_rank", "qk_nope_head_dim",
        "qk_rope_head_dim",
        "v_head_dim", "max_positions", "native_dtype", "quantization_block", "min_engine_version", "routed_experts",
        "experts_per_token", "shared_experts", "first_dense_layers", "tied_embeddings",
    )  # fmt: skip
    assert {name: getattr(facts, name) for name in same} == {name: getattr(model, name) for name in same}


@pytest.mark.parametrize(("name", "size"), CACHE_BYTES.items())
def test_the_cache_of_a_token_is_exact(name: str, size: int, tmp_path: Path) -> None:
    assert cache_bytes(derived(tmp_path, config_of(CATALOG.model(name))).facts) == size


PUBLISHED = [
    # Counts of the safetensors on Hugging Face, from knowledge; the shapes are those of the published configs.
    ("Qwen2.5-0.5B", 494_032_768, qwen_config(hidden_size=896, intermediate_size=4864, num_attention_heads=14,
     num_hidden_layers=24, num_key_value_heads=2, vocab_size=151936, tie_word_embeddings=True)),
    ("Llama-3.2-1B", 1_235_814_400, {"architectures": ["LlamaForCausalLM"], "hidden_size": 2048,
     "intermediate_size": 8192, "num_attention_heads": 32, "num_key_value_heads": 8, "num_hidden_layers": 16,
     "vocab_size": 128256, "head_dim": 64,
     "tie_word_embeddings": True, "max_position_embeddings": 131072, "torch_dtype": "bfloat16"}),
    ("Mistral-7B-v0.3", 7_248_023_552, {"architectures": ["MistralForCausalLM"], "hidden_size": 4096,
     "vocab_size": 32768, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
     "num_hidden_layers": 32,
     "max_position_embeddings": 32768, "torch_dtype": "bfloat16"}),
    ("Mixtral-8x7B", 46_702_792_704, {"architectures": ["MixtralForCausalLM"], "hidden_size": 4096,
     "vocab_size": 32000, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
     "num_hidden_layers": 32,
     "num_local_experts": 8, "num_experts_per_tok": 2, "max_position_embeddings": 32768,
     "torch_dtype": "bfloat16"}),
    ("Qwen3-30B-A3B", 30_532_122_624, {"architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 2048,
     "vocab_size": 151936, "intermediate_size": 6144, "num_attention_heads": 32, "num_key_value_heads": 4,
     "num_hidden_layers": 48,
     "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768,
     "decoder_sparse_step": 1, "mlp_only_layers": [], "max_position_embeddings": 40960, "torch_dtype": "bfloat16"}),
    ("Qwen1.5-MoE-A2.7B", 14_315_784_192, qwen_config(architectures=["Qwen2MoeForCausalLM"], hidden_size=2048,
     intermediate_size=5632, num_attention_heads=16, num_key_value_heads=16, num_hidden_layers=24, vocab_size=151936,
     num_experts=60, num_experts_per_tok=4, moe_intermediate_size=1408, shared_expert_intermediate_size=5632)),
    ("deepseek-moe-16b", 16_375_728_128, {"architectures": ["DeepseekForCausalLM"], "hidden_size": 2048,
     "vocab_size": 102400, "intermediate_size": 10944, "num_attention_heads": 16, "num_key_value_heads": 16,
     "num_hidden_layers": 28, "n_routed_experts": 64, "n_shared_experts": 2, "num_experts_per_tok": 6,
     "moe_intermediate_size": 1408, "first_k_dense_replace": 1, "max_position_embeddings": 4096,
     "torch_dtype": "bfloat16"}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "count", "config"), PUBLISHED, ids=[row[0] for row in PUBLISHED])
def test_counts_models_of_other_publishers(name: str, count: int, config: dict[str, Any], tmp_path: Path) -> None:
    assert derived(tmp_path, config).facts.parameters == count


def test_the_source_names_the_file_with_its_digest_and_the_day(tmp_path: Path) -> None:
    found = derived(tmp_path, qwen_config())
    assert found.origins[0].name == "config.json"
    assert len(found.origins[0].sha256) == 64
    assert found.origins[0].sha256 in found.facts.source
    assert found.facts.date == TODAY


def test_says_that_size_and_shards_are_computed_without_an_index(tmp_path: Path) -> None:
    found = derived(tmp_path, qwen_config())
    assert found.facts.shards == 0
    assert any("model.safetensors.index.json" in note for note in found.notes)


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("Qwen2.5-7B-Instruct", "Qwen2.5-7B-Instruct"),
        ("models--Qwen--Qwen2.5-7B/snapshots/0123abc", "Qwen/Qwen2.5-7B"),
    ],
)
def test_takes_the_name_from_the_folder(folder: str, name: str, tmp_path: Path) -> None:
    facts = derive([write_json(tmp_path / folder, qwen_config())], name=None, today=TODAY).facts
    assert (facts.id, facts.label) == (name, name.rpartition("/")[2])


@pytest.mark.parametrize("name", ["../etc", "a b", "a/b/c", "-x", "o/", "x" * 200, "a\nb", "ä"])
def test_refuses_what_cannot_be_a_name(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        derived(tmp_path, qwen_config(), name)
    assert caught.value.code == "SKS0217"


def test_yarn_multiplies_the_context_and_linear_scaling_does_not(tmp_path: Path) -> None:
    yarn = qwen_config(rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32768})
    linear = qwen_config(rope_scaling={"type": "linear", "factor": 4.0})
    assert derived(tmp_path, yarn).facts.max_positions == 131_072
    assert derived(tmp_path, linear).facts.max_positions == 32_768


def test_a_sliding_window_is_told(tmp_path: Path) -> None:
    windowed = PUBLISHED[2][2] | {"sliding_window": 4096}
    assert any("window of 4,096" in note for note in derived(tmp_path, windowed).notes)
    assert not any("window" in note for note in derived(tmp_path, qwen_config()).notes)


def group(bits: int, kind: str = "int") -> dict[str, Any]:
    return {"config_groups": {"group_0": {"weights": {"type": kind, "num_bits": bits, "group_size": 128}}}}


@pytest.mark.parametrize(
    ("method", "native", "gib"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128}, "awq", 5.19),
        ({"quant_method": "gptq", "bits": 4, "group_size": -1}, "gptq", 5.07),
        ({"quant_method": "fp8"}, "fp8", 8.11),
        (FP8, "fp8", 8.11),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "nf4", 5.45),
        ({"quant_method": "compressed-tensors", **group(8)}, "int8", 8.11),
        ({"quant_method": "compressed-tensors", **group(8, "float")}, "fp8", 8.11),
        ({"quant_method": "compressed-tensors", **group(4)}, "gptq", 5.19),
    ],
)
def test_reads_the_quantisation(method: dict[str, Any], native: str, gib: float, tmp_path: Path) -> None:
    facts = derived(tmp_path, qwen_config(quantization_config=method)).facts
    assert facts.native_dtype == native
    assert facts.weights_bytes / 2**30 == pytest.approx(gib, abs=0.01)
    formats = {one.name: one.bytes_per_parameter for one in shipped().quantizations}
    assert not list(contradictions(row_of(facts), formats))


@pytest.mark.parametrize(
    ("over", "code", "words"),
    [
        ({"architectures": ["GemmaForCausalLM"]}, "SKS0213", "Qwen3ForCausalLM"),
        ({"architectures": ["DeepseekV4ForCausalLM"]}, "SKS0213", "LlamaForCausalLM"),
        ({"architectures": None, "model_type": "t5"}, "SKS0213", "DeepseekV3ForCausalLM"),
        ({"architectures": 7, "model_type": None}, "SKS0213", "(none named)"),
        ({"hidden_size": None, "vocab_size": None}, "SKS0214", "hidden_size, vocab_size"),
        ({"num_key_value_heads": None}, "SKS0214", "num_key_value_heads"),
        ({"torch_dtype": None}, "SKS0214", "torch_dtype"),
        ({"torch_dtype": "int4"}, "SKS0215", "bfloat16"),
        ({"num_hidden_layers": -1}, "SKS0215", "1 to 10,000"),
        ({"num_hidden_layers": 10**9}, "SKS0215", "1 to 10,000"),
        ({"hidden_size": "3584"}, "SKS0215", "a whole number"),
        ({"hidden_size": True}, "SKS0215", "a whole number"),
        ({"hidden_size": 3585}, "SKS0215", "a multiple of the 28"),
        ({"num_key_value_heads": 5}, "SKS0215", "a divisor of the 28"),
        ({"tie_word_embeddings": "yes"}, "SKS0215", "true or false"),
        ({"quantization_config": {"quant_method": "quip"}}, "SKS0215", "awq"),
        ({"quantization_config": [1]}, "SKS0215", "an object"),
        ({"quantization_config": {"quant_method": "awq", "bits": 3}}, "SKS0215", "4"),
        ({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128]}}, "SKS0215", "two equal"),
        ({"quantization_config": {"quant_method": "compressed-tensors"}}, "SKS0215", "8-bit"),
    ],
)
def test_refuses_and_says_what_is_allowed(over: dict[str, Any], code: str, words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        derived(tmp_path, qwen_config(**over))
    assert caught.value.code == code
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ({"quant_method": "gptq", "bits": 8}, "bits is 8: the catalogue has gptq of 4 bits alone"),
        ({"quant_method": "awq", "bits": 8}, "bits is 8: the catalogue has awq of 4 bits alone"),
        ({"quant_method": "gptq"}, "bits is None"),
        ({"quant_method": "compressed-tensors"}, "config_groups is missing"),
        ({"quant_method": "compressed-tensors", "config_groups": {}}, "config_groups is missing"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {}}}, "names no weights in its first group"),
        ({"quant_method": "compressed-tensors", **group(3)}, "holds weights of type int in 3 bits"),
    ],
)
def test_a_quantisation_that_is_not_sized_is_called_by_its_name(
    method: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        derived(tmp_path, qwen_config(quantization_config=method))
    assert message in caught.value.message
    assert "(None" not in str(caught.value)
    assert caught.value.fix != "take the file as it was published"


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "model.gguf is empty"), (b"{}", "is no GGUF file: it does not begin with GGUF")]
)
def test_a_gguf_that_is_none_is_not_called_json(content: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        derive([path], name="a/b", today=TODAY)
    assert (caught.value.code, words in caught.value.message) == ("SKS0211", True)


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        ({}, "SKS0214", "total_size, weight_map"),
        ({"metadata": {}}, "SKS0214", "total_size, weight_map"),
        ({"metadata": {}, "weight_map": {"a": "b"}}, "SKS0214", "missing: total_size"),
        ({"metadata": {"total_size": 10**30}, "weight_map": {"a": "b"}}, "SKS0215", "1,000,000,000,000,000"),
    ],
)
def test_an_index_that_lacks_its_size_is_no_second_config(
    document: dict[str, Any], code: str, words: str, tmp_path: Path
) -> None:
    paths = [
        write_json(tmp_path, qwen_config()),
        write_json(tmp_path, document, "model.safetensors.index.json"),
    ]
    for given_paths in (paths, paths[::-1], paths[1:]):
        with pytest.raises(ConfigurationError) as caught:
            derive(given_paths, name="a/b", today=TODAY)
        assert (caught.value.code, words in str(caught.value)) == (code, True)


def test_says_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationErrors) as caught:
        derived(tmp_path, qwen_config(hidden_size=None, vocab_size=0, num_hidden_layers="many"))
    assert [error.code for error in caught.value.errors] == ["SKS0214", "SKS0215", "SKS0215"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "SKS0211"),
        (b"not json", "SKS0211"),
        (b'{"architectures": ["Qwen2ForCaus', "SKS0211"),
        (b"\xff\xfe\x00", "SKS0211"),
        (b"[1, 2]", "SKS0211"),
        (b'{"hidden_size": NaN}', "SKS0211"),
        (b'{"hidden_size": ' + b"9" * 5000 + b"}", "SKS0211"),
        (b"[" * 200_000, "SKS0212"),
        (b'{"a":' * 200_000, "SKS0212"),
        (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", "SKS0211"),
    ],
)
def test_refuses_a_file_that_is_no_config(content: bytes, code: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        derive([path], name="a/b", today=TODAY)
    assert caught.value.code == code


def test_refuses_a_huge_file_before_reading_it(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with path.open("wb") as stream:
        stream.truncate(100 * 2**30)  # sparse: 100 GB of nothing
    with pytest.raises(ConfigurationError, match="107,374,182,400 bytes") as caught:
        derive([path], name="a/b", today=TODAY)
    assert caught.value.code == "SKS0212"


def test_refuses_a_folder_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no.json"):
        with pytest.raises(ConfigurationError, match="is no file"):
            derive([path], name="a/b", today=TODAY)


def index(size: int, layers: int = 28, shards: int = 4) -> dict[str, Any]:
    names = [f"model.layers.{n}.mlp.up_proj.weight" for n in range(layers)] + ["lm_head.weight"]
    files = {name: f"model-{number % shards + 1:05d}-of-{shards:05d}.safetensors" for number, name in enumerate(names)}
    return {"metadata": {"total_size": size}, "weight_map": files}


QWEN_BYTES = 15_231_233_024


@pytest.mark.parametrize("given", ["both", "config", "index"])
def test_takes_size_and_shards_from_the_index_beside_the_config(given: str, tmp_path: Path) -> None:
    paths = {
        "config": write_json(tmp_path, qwen_config()),
        "index": write_json(tmp_path, index(QWEN_BYTES + 4096), "model.safetensors.index.json"),
    }
    found = derive(list(paths.values()) if given == "both" else [paths[given]], name="a/b", today=TODAY)
    assert (found.facts.weights_bytes, found.facts.shards) == (QWEN_BYTES + 4096, 4)
    assert [origin.name for origin in found.origins] == ["config.json", "model.safetensors.index.json"]
    assert found.notes == ()


def test_tells_a_size_that_differs_a_little(tmp_path: Path) -> None:
    path = write_json(tmp_path, qwen_config())
    write_json(tmp_path, index(round(QWEN_BYTES * 1.05)), "model.safetensors.index.json")
    assert "+5.0%" in derive([path], name="a/b", today=TODAY).notes[0]


@pytest.mark.parametrize(
    ("document", "code", "words"),
    [
        (index(QWEN_BYTES, layers=32), "SKS0216", "names 32 layers"),
        (index(QWEN_BYTES * 2), "SKS0216", "+100.0%"),
        ({"metadata": {}, "weight_map": {"a": "b"}}, "SKS0214", "total_size"),
        ({"metadata": {"total_size": 5}, "weight_map": {}}, "SKS0214", "weight_map"),
        ({"metadata": {"total_size": 5}, "weight_map": {"a": 1}}, "SKS0214", "weight_map"),
        ({"metadata": {"total_size": -5}, "weight_map": {"a": "b"}}, "SKS0215", "total_size"),
    ],
)
def test_refuses_an_index_of_another_model(document: dict[str, Any], code: str, words: str, tmp_path: Path) -> None:
    path = write_json(tmp_path, qwen_config())
    write_json(tmp_path, document, "model.safetensors.index.json")
    with pytest.raises(ConfigurationError) as caught:
        derive([path], name="a/b", today=TODAY)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_refuses_an_index_without_its_config_and_two_configs(tmp_path: Path) -> None:
    alone = write_json(tmp_path / "a", index(5), "model.safetensors.index.json")
    with pytest.raises(ConfigurationError, match=r"no config\.json beside it"):
        derive([alone], name="a/b", today=TODAY)
    two = [write_json(tmp_path / name, qwen_config()) for name in ("b", "c")]
    with pytest.raises(ConfigurationError, match="a second config"):
        derive(two, name="a/b", today=TODAY)


ODD = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=5), st.lists(st.integers())
)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(model=st.sampled_from(KNOWN), changes=st.dictionaries(st.integers(0, 25), ODD, min_size=1, max_size=4))
def test_any_field_of_any_value_is_read_or_refused(model: ModelFacts, changes: dict[int, Any], tmp_path: Path) -> None:
    config = config_of(model) | {"num_nextn_predict_layers": 0}
    names = list(config)
    changed = config | {names[number % len(names)]: value for number, value in changes.items()}
    try:
        facts = derived(tmp_path, changed).facts
    except (ConfigurationError, ConfigurationErrors) as error:
        assert str(error)
    else:
        assert facts.parameters > 0
        assert 0 <= facts.active_parameters <= facts.parameters
