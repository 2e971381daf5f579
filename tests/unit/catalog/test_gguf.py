"""GGUF headers: what they say is counted exactly, and what no model would say is refused before it costs memory."""

from __future__ import annotations

import math
import struct
import time
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from infra.catalog.derive import Derivation, derive
from infra.catalog.facts import Architecture, Attention
from infra.catalog.gguf import BLOCKS, read_header
from infra.catalog.load import shipped
from infra.errors import ConfigurationError, ConfigurationErrors
from tests.unit.catalog.support_gguf import (
    U8,
    Bool,
    TensorRow,
    array,
    gguf_bytes,
    llama_metadata,
    llama_tensors,
    text,
    write_gguf,
)

LLAMA_8B = shipped().model("8B")


def derived(path: Path) -> Derivation:
    return derive([path], name=None, today="2026-11-24")


def refused(path: Path, content: bytes) -> ConfigurationError:
    path.write_bytes(content)
    with pytest.raises(ConfigurationError) as caught:
        derived(path)
    return caught.value


@pytest.mark.parametrize("version", [2, 3])
def test_counts_parameters_bytes_and_bits_of_a_q4_k_m(version: int, tmp_path: Path) -> None:
    path = write_gguf(tmp_path / "Llama-8B-Q4_K_M.gguf", llama_metadata(), llama_tensors(), version=version)
    found = derived(path)
    assert found.facts.label == "Llama-8B-Q4_K_M"
    assert found.facts.parameters == LLAMA_8B.parameters
    assert found.facts.weights_bytes == path.stat().st_size
    assert found.bits_per_weight == pytest.approx(4.9, abs=0.02)  # 4.92 GB measured for this model
    assert found.facts.weights_bytes / 1e9 == pytest.approx(4.92, abs=0.02)
    assert (found.facts.native_dtype, found.facts.shards, found.notes) == ("q4_k_m", 1, ())


def test_reads_the_shape_that_the_cache_follows_from(tmp_path: Path) -> None:
    facts = derived(write_gguf(tmp_path / "a.gguf", llama_metadata(), llama_tensors())).facts
    same = ("layers", "attention_heads", "kv_heads", "head_dim", "hidden_size", "intermediate_size", "vocabulary")
    assert {name: getattr(facts, name) for name in same} == {name: getattr(LLAMA_8B, name) for name in same}
    assert (facts.attention, facts.architecture, facts.tied_embeddings) == (
        Attention.GROUPED,
        Architecture.DENSE,
        False,
    )


def test_a_head_that_is_not_there_is_the_embedding_table(tmp_path: Path) -> None:
    tensors = [row for row in llama_tensors() if row[0] != "output.weight"]
    facts = derived(write_gguf(tmp_path / "a.gguf", llama_metadata(), tensors)).facts
    assert facts.tied_embeddings
    assert facts.parameters == LLAMA_8B.parameters - 128256 * 4096


def test_the_beginning_of_a_file_is_enough_and_told(tmp_path: Path) -> None:
    whole = derived(write_gguf(tmp_path / "a.gguf", llama_metadata(), llama_tensors()))
    part = derived(write_gguf(tmp_path / "b.gguf", llama_metadata(), llama_tensors(), whole=False))
    assert part.facts.weights_bytes == whole.facts.weights_bytes
    assert "only the beginning" in part.notes[0]
    assert part.origins[0].sha256 == whole.origins[0].sha256


def test_every_kind_of_value_is_read(tmp_path: Path) -> None:
    per_layer = array(4, [struct.pack("<I", 8)] * 32)
    nested = array(9, [array(0, [b"\x01"])])
    metadata = llama_metadata(**{"attention.head_count_kv": per_layer, "a": U8(1), "b": Bool(1), "c": 0.5, "d": 2**40})
    metadata |= {"x.nested": nested, "x.long": array(1, [b"\x01"] * 5000)}
    header = read_header(write_gguf(tmp_path / "a.gguf", metadata, llama_tensors()))
    assert header.metadata["llama.attention.head_count_kv"] == (8,) * 32
    assert header.metadata["llama.b"] is True
    assert (header.metadata["llama.c"], header.metadata["llama.d"]) == (0.5, 2**40)
    assert header.metadata["x.long"] == range(5000)
    assert derived(tmp_path / "a.gguf").facts.kv_heads == 8


@pytest.mark.parametrize(("kind", "size"), [(name, size * 8 / block) for name, block, size in BLOCKS.values()])
def test_bits_follow_from_the_type_of_the_tensors(kind: str, size: float, tmp_path: Path) -> None:
    tensors: list[TensorRow] = [("token_embd.weight", (4096, 1000), kind)]
    assert derived(write_gguf(tmp_path / "a.gguf", llama_metadata(), tensors)).bits_per_weight == pytest.approx(size)


def deepseek(*, is_v3: bool, cached_latent: bool = True, **over: Any) -> dict[str, Any]:
    """V2-Lite as llama.cpp converts it: with heads up to b4956, with the latent cache since."""
    return llama_metadata(
        "deepseek2",
        **{
            "block_count": 27,
            "context_length": 163840,
            "embedding_length": 2048,
            "feed_forward_length": 10944,
            "attention.head_count": 16,
            "attention.head_count_kv": 1 if cached_latent else 16,
            "attention.kv_lora_rank": 512,
            "attention.key_length": 576 if cached_latent else 192,
            "attention.value_length": 512 if cached_latent else 128,
            "attention.key_length_mla": 192 if cached_latent else None,
            "attention.value_length_mla": 128 if cached_latent else None,
            "rope.dimension_count": 64,
            "expert_count": 64,
            "expert_used_count": 6,
            "expert_shared_count": 2,
            "expert_feed_forward_length": 1408,
            "leading_dense_block_count": 1,
            "expert_gating_func": 2 if is_v3 else 1,
            "general.file_type": 1,
            **over,
        },
    )


def deepseek_tensors(layers: int = 27) -> list[TensorRow]:
    rows: list[TensorRow] = [
        ("token_embd.weight", (2048, 102400), "F16"),
        ("output.weight", (2048, 102400), "F16"),
        ("output_norm.weight", (2048,), "F32"),
    ]
    for number in range(layers):
        block = f"blk.{number}"
        rows += [
            (f"{block}.attn_q.weight", (2048, 16 * 192), "F16"),
            (f"{block}.attn_kv_a_mqa.weight", (2048, 576), "F16"),
            (f"{block}.attn_kv_a_norm.weight", (512,), "F32"),
            (f"{block}.attn_k_b.weight", (128, 512, 16), "F16"),
            (f"{block}.attn_v_b.weight", (512, 128, 16), "F16"),
            (f"{block}.attn_output.weight", (2048, 2048), "F16"),
            (f"{block}.attn_norm.weight", (2048,), "F32"),
            (f"{block}.ffn_norm.weight", (2048,), "F32"),
        ]
        if number == 0:
            rows += [(f"{block}.ffn_{part}.weight", (2048, 10944), "F16") for part in ("gate", "up", "down")]
            continue
        rows += [(f"{block}.ffn_{part}_exps.weight", (2048, 1408, 64), "F16") for part in ("gate", "up", "down")]
        rows += [(f"{block}.ffn_{part}_shexp.weight", (2048, 2816), "F16") for part in ("gate", "up", "down")]
        rows.append((f"{block}.ffn_gate_inp.weight", (2048, 64), "F32"))
    return rows


@pytest.mark.parametrize("cached_latent", [True, False])
def test_reads_latent_attention_of_old_and_new_conversions(cached_latent: bool, tmp_path: Path) -> None:
    lite = shipped().model("V2-Lite")
    path = write_gguf(tmp_path / "a.gguf", deepseek(is_v3=False, cached_latent=cached_latent), deepseek_tensors())
    facts = derived(path).facts
    same = (
        "attention", "parameters", "kv_heads", "kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim",
        "moe_intermediate_size", "routed_experts", "experts_per_token", "shared_experts", "first_dense_layers",
        "min_engine_version",
    )  # fmt: skip
    assert {name: getattr(facts, name) for name in same} == {name: getattr(lite, name) for name in same}
    assert facts.active_parameters == pytest.approx(lite.active_parameters, rel=0.001)
    assert facts.native_dtype == "fp16"


def test_a_sigmoid_router_is_v3_and_its_draft_blocks_are_not_counted(tmp_path: Path) -> None:
    metadata, rows = deepseek(is_v3=True, block_count=28, nextn_predict_layers=1), deepseek_tensors(28)
    facts = derived(write_gguf(tmp_path / "a.gguf", metadata, rows)).facts
    assert (facts.min_engine_version, facts.layers) == ("0.6.6", 27)
    assert facts.parameters == shipped().model("V2-Lite").parameters
    assert facts.draft_parameters == sum(math.prod(shape) for name, shape, _ in rows if name.startswith("blk.27."))


def test_adds_up_the_parts_of_a_split_model(tmp_path: Path) -> None:
    rows = llama_tensors()
    write_gguf(tmp_path / "m-00001-of-00002.gguf", llama_metadata(), rows[:100])
    second = write_gguf(tmp_path / "m-00002-of-00002.gguf", {"split.no": 1}, rows[100:])
    for path in (tmp_path / "m-00001-of-00002.gguf", second):
        facts = derived(path).facts
        assert (facts.parameters, facts.shards, facts.label) == (LLAMA_8B.parameters, 2, "m")
    second.unlink()
    with pytest.raises(ConfigurationError, match=r"1 are missing: m-00002-of-00002\.gguf") as caught:
        derived(tmp_path / "m-00001-of-00002.gguf")
    assert caught.value.code == "SKS0216"


def test_refuses_an_endless_number_of_parts(tmp_path: Path) -> None:
    error = refused(tmp_path / "m-00001-of-99999.gguf", b"GGUF")
    assert error.code == "SKS0216"


def test_refuses_gguf_beside_another_file(tmp_path: Path) -> None:
    paths = [write_gguf(tmp_path / f"{name}.gguf", llama_metadata(), llama_tensors()) for name in "ab"]
    with pytest.raises(ConfigurationError, match="described by no other file") as caught:
        derive(paths, name=None, today="2026-11-24")
    assert caught.value.code == "SKS0216"


@pytest.mark.parametrize(
    ("metadata", "code", "words"),
    [
        (llama_metadata("gemma3"), "SKS0213", "qwen3"),
        (llama_metadata("llama", block_count=None, embedding_length=None), "SKS0214", "block_count, embedding_length"),
        (llama_metadata("llama", block_count=0), "SKS0215", "1 to 10,000"),
        (llama_metadata("llama", block_count="many"), "SKS0215", "a whole number"),
        (llama_metadata("llama", **{"attention.head_count_kv": 5}), "SKS0215", "a divisor"),
        (
            llama_metadata("llama", **{"attention.head_count_kv": array(4, [b"\x01\0\0\0", b"\x02\0\0\0"])}),
            "SKS0215",
            "whole",
        ),
        (deepseek(is_v3=False, **{"attention.key_length_mla": 64}), "SKS0215", "more than the 64"),
    ],
)
def test_refuses_metadata_and_says_why(metadata: dict[str, Any], code: str, words: str, tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", metadata, llama_tensors())
    with pytest.raises(ConfigurationError) as caught:
        derived(tmp_path / "a.gguf")
    assert caught.value.code == code
    assert words in str(caught.value)


def test_refuses_a_vocabulary_without_tensors(tmp_path: Path) -> None:
    write_gguf(tmp_path / "a.gguf", llama_metadata(), [])
    with pytest.raises(ConfigurationError, match="a vocabulary alone"):
        derived(tmp_path / "a.gguf")


GOOD = gguf_bytes(llama_metadata(), llama_tensors())[0]
KEY = text("general.x")


def header(keys: int, tensors: int, body: bytes = b"") -> bytes:
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, keys) + body


@pytest.mark.parametrize("size", [4, 7, 23, 24, 60, 400, len(GOOD) - 1])
def test_refuses_a_header_that_was_cut_off(size: int, tmp_path: Path) -> None:
    error = refused(tmp_path / "a.gguf", GOOD[:size])
    assert (error.code, "ends" in error.message) == ("SKS0211", True)


HOSTILE = [
    ("another version", b"GGUF" + struct.pack("<I", 99), "SKS0211", "version 99"),
    ("big-endian", b"GGUF" + struct.pack(">I", 3), "SKS0211", "big-endian"),
    ("billions of tensors", header(0, 2**40), "SKS0212", "tensors"),
    ("negative count of tensors", header(0, 2**64 - 1), "SKS0212", "tensors"),
    ("billions of keys", header(2**50, 0), "SKS0212", "metadata keys"),
    ("more keys than bytes", header(9000, 0), "SKS0211", "ends before them"),
    ("a key of 8 EiB", header(1, 0, struct.pack("<Q", 2**63) + b"\0" * 64), "SKS0212", "a text of"),
    ("a text of 100 GB", header(1, 0, KEY + struct.pack("<IQ", 8, 10**11)), "SKS0212", "100,000,000,000"),
    ("an array of 100 GB", header(1, 0, KEY + struct.pack("<IIQ", 9, 0, 10**11)), "SKS0212", "array values"),
    ("an array beyond the file", header(1, 0, KEY + struct.pack("<IIQ", 9, 0, 10**6)), "SKS0211", "array values"),
    ("an unknown type", header(1, 0, KEY + struct.pack("<I", 77) + b"\0" * 64), "SKS0211", "type 77"),
    ("nested arrays", header(1, 0, KEY + struct.pack("<I", 9) + struct.pack("<IQ", 9, 1) * 1000), "SKS0212", "nests"),
    ("a tensor of 2**32 sides", header(0, 1, text("t") + struct.pack("<I", 2**32 - 1) + b"\0" * 64), "SKS0212", "dim"),
    ("2**120 numbers", header(0, 1, text("t") + struct.pack("<I2QIQ", 2, 2**60, 2**60, 0, 0)), "SKS0212", "numbers"),
    ("no numbers", header(0, 1, text("t") + struct.pack("<I2QIQ", 2, 0, 5, 0, 0)), "SKS0212", "numbers"),
    ("an unknown tensor type", header(0, 1, text("t") + struct.pack("<I2QIQ", 2, 32, 5, 200, 0)), "SKS0211",
    "type 200"),
    ("rows that are no blocks", header(0, 1, text("t") + struct.pack("<I2QIQ", 2, 100, 5, 12, 0)), "SKS0211", "blocks"),
    ("an offset of 16 EiB", header(0, 1, text("t") + struct.pack("<I2QIQ", 2, 32, 5, 0, 2**64 - 1)), "SKS0212", ""),
]  # fmt: skip


@pytest.mark.parametrize(("content", "code", "words"), [row[1:] for row in HOSTILE], ids=[row[0] for row in HOSTILE])
def test_refuses_a_hostile_header(content: bytes, code: str, words: str, tmp_path: Path) -> None:
    error = refused(tmp_path / "a.gguf", content)
    assert error.code == code
    assert words in error.message


def test_a_hostile_file_of_any_size_costs_neither_time_nor_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    path.write_bytes(header(1, 0, KEY + struct.pack("<IIQ", 9, 0, 50 * 2**20)))
    with path.open("r+b") as stream:
        stream.truncate(100 * 2**30)
    began = time.process_time()
    tracemalloc.start()
    with pytest.raises(ConfigurationError):
        derived(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200 * 2**20
    assert time.process_time() - began < 20  # 0.1 s: it would be hours


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 600), content=st.binary(min_size=1, max_size=12), cut=st.integers(0, len(GOOD)))
def test_damage_is_read_or_refused_but_never_a_crash(place: int, content: bytes, cut: int, tmp_path: Path) -> None:
    damaged = GOOD[:place] + content + GOOD[place + len(content) :]
    path = tmp_path / "a.gguf"
    path.write_bytes(damaged[: max(cut, 24)])
    try:
        derived(path)
    except (ConfigurationError, ConfigurationErrors) as error:
        assert str(error)
