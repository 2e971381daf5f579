"""The shipped catalogue: complete, sourced, and consistent with the shapes it lists."""

from __future__ import annotations

from datetime import date

import pytest

from infra.catalog import load as load_module
from infra.catalog.facts import Architecture, Attention, Catalog, GpuFacts, ModelFacts, _plain
from infra.catalog.load import cpu_instances, load, model_facts, shipped
from infra.errors import ConfigurationError

CATALOG = load()
MODELS = {model.label: model for model in CATALOG.models}
DENSE = [model for model in CATALOG.models if model.architecture is Architecture.DENSE]
LATENT = [model for model in CATALOG.models if model.attention in (Attention.LATENT, Attention.SPARSE_LATENT)]
COMPRESSED = [model for model in CATALOG.models if model.attention is Attention.COMPRESSED]

QWEN_25 = "Distill-Qwen"
"""These have biases on queries, keys and values."""


def label_of(model: ModelFacts) -> str:
    return model.label


def test_holds_every_model_gpu_and_instance_of_the_snapshot() -> None:
    assert len(CATALOG.models) >= 26
    assert len(CATALOG.gpus) >= 22
    assert len(CATALOG.instances) == 74


def test_loads_once_a_process() -> None:
    assert load() is CATALOG


def test_a_plan_reads_no_types_without_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = load_module._read
    monkeypatch.setattr(load_module, "_read", lambda name: read.append(name) or original(name))
    shipped.__wrapped__()
    assert "instances.yaml" in read
    assert "cpu_instances.yaml" not in read
    assert cpu_instances() is cpu_instances()


def test_every_row_names_its_source_and_date() -> None:
    tables = (CATALOG.models, CATALOG.gpus, CATALOG.instances, CATALOG.quantizations, cpu_instances())
    origins = [(row.source, row.date) for table in tables for row in table]
    assert all(len(source) > 20 for source, _ in origins)
    assert all(date.fromisoformat(day) >= date(2026, 11, 24) for _, day in origins)


def test_names_are_unique_in_any_case() -> None:
    models = [name.casefold() for model in CATALOG.models for name in (model.id, model.label, *model.aliases)]
    gpus = [name.casefold() for gpu in CATALOG.gpus for name in (gpu.name, *gpu.aliases)]
    assert len(models) == len(set(models))
    assert len(gpus) == len(set(gpus))


def test_every_instance_has_a_gpu_of_the_catalogue_and_a_dated_price_or_none() -> None:
    for instance in CATALOG.instances:
        assert CATALOG.gpu(instance.gpu)
        assert (instance.usd_per_hour is None) == (instance.price_date is None)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("7B", "DeepSeek-R1-Distill-Qwen-7B"),
        ("13b", "DeepSeek-R1-Distill-Qwen-14B"),
        ("14B", "DeepSeek-R1-Distill-Qwen-14B"),
        ("30B", "DeepSeek-R1-Distill-Qwen-32B"),
        ("32B", "DeepSeek-R1-Distill-Qwen-32B"),
        ("1.5B", "DeepSeek-R1-Distill-Qwen-1.5B"),
        ("8B", "DeepSeek-R1-Distill-Llama-8B"),
        ("70B", "DeepSeek-R1-Distill-Llama-70B"),
        ("671B", "DeepSeek-R1"),
        ("r1", "DeepSeek-R1"),
        ("V3", "DeepSeek-V3"),
        ("deepseek-ai/deepseek-v3.1", "DeepSeek-V3.1"),
    ],
)
def test_finds_a_model_by_any_of_its_names(name: str, label: str) -> None:
    assert CATALOG.model(name).label == label


@pytest.mark.parametrize(
    ("look_up", "name", "near"),
    [
        (CATALOG.model, "R1-Destill-Qwen-7B", "R1-Distill-Qwen-7B"),
        (CATALOG.gpu, "L40X", "L40S"),
        (CATALOG.instance, "g4dn.xlage", "g4dn.xlarge"),
        (CATALOG.quantization, "int5", "int8"),
    ],
)
def test_refuses_an_unknown_name_with_the_near_match_and_what_is_allowed(look_up, name: str, near: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ConfigurationError, match=name) as caught:
        look_up(name)
    assert caught.value.fix is not None
    assert f"did you mean {near}?" in caught.value.fix
    assert caught.value.allowed


def test_refuses_a_name_like_no_other_without_a_guess() -> None:
    with pytest.raises(ConfigurationError) as caught:
        CATALOG.gpu("zzzzzz")
    assert caught.value.fix == "`seekstack gpus` lists them"


def test_an_empty_catalogue_still_refuses_politely() -> None:
    with pytest.raises(ConfigurationError, match="'7B' is not in the catalogue"):
        Catalog((), (), (), ()).model("7B")


@pytest.mark.parametrize("model", DENSE, ids=label_of)
def test_dense_parameters_follow_from_the_shape(model: ModelFacts) -> None:
    assert model.head_dim is not None
    assert model.intermediate_size is not None
    hidden, heads, kv_heads, dim = model.hidden_size, model.attention_heads, model.kv_heads, model.head_dim
    layer = hidden * (heads + 2 * kv_heads) * dim + heads * dim * hidden + 3 * hidden * model.intermediate_size
    norms = 2 * hidden + (2 * dim if "Qwen3" in model.label else 0)
    biases = (heads + 2 * kv_heads) * dim if QWEN_25 in model.label else 0
    assert model.parameters == 2 * model.vocabulary * hidden + hidden + model.layers * (layer + norms + biases)
    assert model.weights_bytes == 2 * model.parameters


@pytest.mark.parametrize(
    ("label", "billions"), [("DeepSeek-R1", 671.026), ("DeepSeek-V2", 235.741), ("DeepSeek-V2-Lite", 15.706)]
)
def test_mixture_of_experts_parameters_agree_with_the_published_counts(label: str, billions: float) -> None:
    assert MODELS[label].parameters / 1e9 == pytest.approx(billions, abs=0.001)


@pytest.mark.parametrize("model", LATENT, ids=label_of)
def test_latent_models_have_the_ranks_their_cache_is_made_of(model: ModelFacts) -> None:
    assert (model.kv_lora_rank, model.qk_rope_head_dim) == (512, 64)
    assert (model.qk_nope_head_dim, model.v_head_dim) == (128, 128)


def test_only_models_with_a_compressed_cache_may_lack_a_shape() -> None:
    complete = [model for model in CATALOG.models if model not in COMPRESSED]
    assert all(m.layers and m.attention_heads and m.kv_heads and m.max_positions and m.vocabulary for m in complete)


def test_published_sizes_agree_with_the_file_sizes_in_public_logs() -> None:
    gib = {"DeepSeek-R1-Distill-Qwen-7B": 14.19, "DeepSeek-R1-Distill-Llama-8B": 14.96, "DeepSeek-V3": 641.30}
    for label, size in gib.items():
        assert MODELS[label].weights_bytes / 2**30 == pytest.approx(size, abs=0.01)


def test_bf16_starts_at_compute_capability_8() -> None:
    with_bf16 = {gpu.name for gpu in CATALOG.gpus if gpu.supports_bf16}
    assert with_bf16.isdisjoint({"T4", "T4g", "V100-32", "Inferentia2", "Trainium1", "Ascend910B"})
    assert {"A10G", "L4", "A100-80", "H100-80", "B200"} <= with_bf16


def test_usable_memory_is_never_above_the_nominal_size() -> None:
    assert all(gpu.usable_bytes <= gpu.nominal_gb * 2**30 for gpu in CATALOG.gpus)


def test_fractional_types_hold_no_whole_gpu() -> None:
    fractional = [instance for instance in CATALOG.instances if instance.gpus == 0]
    assert {instance.family for instance in fractional} == {"g6f", "gr6f"}
    assert all(0 < instance.partition < 1 for instance in fractional)


def test_a_minimal_row_gets_the_defaults_of_a_dense_model() -> None:
    row = {
        "id": "a/b",
        "label": "b",
        "aliases": [],
        "architecture": "dense",
        "attention": "grouped",
        "parameters": 10,
        "native_dtype": "bf16",
        "weights_bytes": 20,
        "min_engine_version": "0.6.0",
        "released": "2025-01",
        "source": "s",
        "date": "d",
    }
    model = model_facts(row)
    assert (model.active_parameters, model.draft_parameters, model.layers) == (10, 0, 0)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("NVIDIA L4", "L4"),
        ("nvidia l40", "L40-48"),
        ("Tesla T4", "T4"),
        ("NVIDIA GeForce RTX 4090", "RTX4090"),
        ("GeForce RTX 3090", "RTX3090"),
        ("AMD Instinct MI300X", "MI300X"),
        ("A100-40GB", "A100-40"),
        ("NVIDIA A100-SXM4-80GB", "A100-80"),
        ("H100 SXM", "H100-80"),
        ("H100-80GB", "H100-80"),
        ("NVIDIA H100 NVL", "H100-94"),
        ("V100 16GB", "V100-16"),
        ("Tesla V100-SXM2-32GB", "V100-32"),
        ("NVIDIA RTX 6000 Ada Generation", "RTX6000Ada"),
        ("NVIDIA H200", "H200"),
    ],
)
def test_a_gpu_is_found_as_its_vendor_writes_it(asked: str, name: str) -> None:
    assert CATALOG.gpu(asked).name == name


@pytest.mark.parametrize(
    ("asked", "members"),
    [
        ("A100", ("A100-40", "A100-80")),
        ("NVIDIA a100", ("A100-40", "A100-80")),
        ("H20", ("H20-96", "H20-141")),
        ("V100", ("V100-32", "V100-16")),
    ],
)
def test_a_family_of_several_sizes_is_refused_with_its_members(asked: str, members: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CATALOG.gpu(asked)
    assert caught.value.allowed == ", ".join(members)
    assert caught.value.fix == f"use {' or '.join(members)}"


@pytest.mark.parametrize("asked", ["H100 PCIe", "A10", "Quadro RTX 6000", "NVIDIA"])
def test_a_gpu_that_only_looks_like_one_is_refused(asked: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        CATALOG.gpu(asked)
    assert "is not in the catalogue" in caught.value.message


@pytest.mark.parametrize("gpu", CATALOG.gpus, ids=lambda gpu: gpu.name)
def test_no_spelling_stands_for_two_gpus(gpu: GpuFacts) -> None:
    sized = [f"{gpu.name}GB"] if "-" in gpu.name and gpu.name[-1].isdigit() else []
    prefixed = [f"{gpu.vendor} {gpu.name}"] if gpu.vendor in ("NVIDIA", "AMD") else []
    for spelling in (gpu.name, *gpu.aliases, gpu.name.lower(), *prefixed, *sized):
        found = [one for one in CATALOG.gpus if _plain(spelling) in map(_plain, (one.name, *one.aliases))]
        assert found == [gpu], spelling
