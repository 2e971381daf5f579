"""catalog/models.yaml of a project: found from below it, checked, and added to without touching what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog.load import load, shipped
from infra.catalog.own import OWN_MODELS, append_row, own_models_path, read_rows, row_of
from infra.catalog.own_checks import contradictions
from infra.errors import ConfigurationError, ConfigurationErrors
from infra.sizing.gguf import kinds

ROW: dict[str, Any] = {
    "id": "acme/tiny",
    "label": "tiny",
    "architecture": "dense",
    "attention": "grouped",
    "parameters": 1000,
    "layers": 2,
    "attention_heads": 4,
    "kv_heads": 2,
    "head_dim": 8,
    "hidden_size": 32,
    "vocabulary": 100,
    "max_positions": 4096,
    "native_dtype": "bf16",
    "weights_bytes": 2000,
    "min_engine_version": "0.6.0",
    "released": "2026-01-01",
    "source": "written by hand",
    "date": "2026-11-24",
}


def project(tmp_path: Path, *rows: dict[str, Any], text: str | None = None) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    path = tmp_path / OWN_MODELS
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump({"models": list(rows)}) if text is None else text, encoding="utf-8")
    return path


def row(**over: Any) -> dict[str, Any]:
    return {name: value for name, value in {**ROW, **over}.items() if value is not None}


def test_a_project_without_models_of_its_own_has_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    assert load(tmp_path) is shipped()
    assert load(Path("/")) is shipped()


def test_is_found_from_the_project_and_from_below_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project(tmp_path, row())
    program = tmp_path / "infra"  # where the engine runs the Pulumi program
    program.mkdir()
    assert load(tmp_path).model("acme/tiny").label == "tiny"
    monkeypatch.chdir(program)
    assert load().model("TINY").id == "acme/tiny"
    assert len(load().models) == len(shipped().models) + 1


def test_a_folder_that_was_removed_has_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load() is shipped()


def test_what_was_added_reads_back_as_the_same_facts(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.yaml").touch()
    path = own_models_path(tmp_path)
    assert path == tmp_path / "catalog" / "models.yaml"
    for model in shipped().models:
        renamed = {**row_of(model), "id": f"own/{model.label}-x", "label": f"{model.label}-x", "aliases": []}
        append_row(path, renamed)
    read = load(tmp_path).models[len(shipped().models) :]
    unnamed = [{**row_of(one), "id": "", "label": "", "aliases": []} for one in shipped().models]
    assert [{**row_of(one), "id": "", "label": "", "aliases": []} for one in read] == unnamed


def test_adding_keeps_comments_and_order(tmp_path: Path) -> None:
    text = "# ours\nmodels:\n  - {id: a/b, label: b, aliases: []}  # the first\n"
    path = project(tmp_path, text=text)
    append_row(path, row())
    assert path.read_text(encoding="utf-8").startswith(text)
    assert [one["id"] for one in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]] == ["a/b", "acme/tiny"]
    assert [one.name for one in path.parent.iterdir()] == ["models.yaml"]


@pytest.mark.parametrize("text", ["models: []\n", "models:\n- {id: a/b}\nother: 1\n", "models:\n    - id: a\n"])
def test_a_file_that_cannot_be_added_to_is_left_as_it_is(text: str, tmp_path: Path) -> None:
    path = project(tmp_path, text=text)
    with pytest.raises(ConfigurationError) as caught:
        append_row(path, row())
    assert caught.value.code == "SKS0218"
    assert path.read_text(encoding="utf-8") == text


def test_a_name_with_quotes_and_colons_stays_one_value(tmp_path: Path) -> None:
    source = 'from "config: #1".json \\ ü'
    path = project(tmp_path, text="models:\n")
    append_row(path, row(source=source))
    assert read_rows(path, {"bf16": 2})[0]["source"] == source


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"label": None}, "lacks label"),
        ({"kv_heads": None, "layers": 0}, "lacks layers, kv_heads"),
        ({"attention": "latent"}, "lacks kv_lora_rank, qk_nope_head_dim"),
        ({"attention": "flash"}, "grouped, latent"),
        ({"parameters": "7B"}, "a whole number"),
        ({"parameters": -1}, "a whole number"),
        ({"layers": 2.5}, "a whole number"),
        ({"layers": True}, "a whole number"),
        ({"tied_embeddings": "no"}, "true or false"),
        ({"aliases": "x"}, "a list of names"),
        ({"date": 20261124}, "text"),
        ({"kv_head": 2}, "did you mean kv_heads?"),
        ({"zzz": 2}, "is no field"),
    ],
)
def test_refuses_a_wrong_row_and_says_what_is_allowed(over: dict[str, Any], words: str, tmp_path: Path) -> None:
    project(tmp_path, row(**over))
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert caught.value.code == "SKS0218"
    assert words in str(caught.value)
    assert caught.value.location is not None


LARGE: dict[str, Any] = {"parameters": 7_000_000_000, "weights_bytes": 15_200_000_000}
MIXTURE: dict[str, Any] = {"architecture": "moe", "routed_experts": 8, "experts_per_token": 2}


@pytest.mark.parametrize(
    ("over", "key", "words"),
    [
        ({**LARGE, "weights_bytes": 1}, "weights_bytes", "1 for 7,000,000,000 parameters in bf16"),
        ({**LARGE, "weights_bytes": 7_000_000_000}, "weights_bytes", "12,600,000,000 to 18,267,108,864"),
        ({**LARGE, "weights_bytes": 20_000_000_000}, "weights_bytes", "12,600,000,000 to"),
        ({**LARGE, "native_dtype": "q4_k_m", "weights_bytes": 10**9}, "weights_bytes", "1,750,000,000 to"),
        ({"native_dtype": "q9"}, "native_dtype", "bf16, fp16, fp8, int8"),
        ({"native_dtype": "BF16"}, "native_dtype", "or a kind of GGUF such as q4_k_m"),
        ({"attention_heads": 32, "kv_heads": 3}, "kv_heads", "a divisor of the 32 attention_heads"),
        ({"architecture": "moe"}, "architecture", "without routed_experts and experts_per_token"),
        ({**MIXTURE, "experts_per_token": 0}, "architecture", "without experts_per_token"),
        ({**MIXTURE, "experts_per_token": 9}, "experts_per_token", "1 to the 8 routed_experts"),
    ],
)
def test_refuses_fields_that_contradict_each_other_at_their_line(
    over: dict[str, Any], key: str, words: str, tmp_path: Path
) -> None:
    path = project(tmp_path, row(), row(id="acme/other", label="other", **over))
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert caught.value.code == "SKS0218"
    assert words in str(caught.value)
    assert caught.value.allowed
    assert key in (caught.value.fix or "")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert caught.value.location is not None
    assert f"{key}: " in lines[(caught.value.location.line or 0) - 1]


@pytest.mark.parametrize(
    "over",
    [
        LARGE,
        MIXTURE,
        {**LARGE, "native_dtype": "fp8", "weights_bytes": 7_600_000_000},
        {**LARGE, "native_dtype": "awq", "weights_bytes": 5_570_000_000},
        {**LARGE, "native_dtype": "fp32", "weights_bytes": 30_400_000_000},
        {**LARGE, "native_dtype": "q4_k_m", "weights_bytes": 4_300_000_000},
        {"kv_heads": 4},
        {"kv_heads": 1},
    ],
)
def test_takes_what_models_have(over: dict[str, Any], tmp_path: Path) -> None:
    project(tmp_path, row(**over))
    assert load(tmp_path).model("acme/tiny")


@pytest.mark.parametrize("kind", kinds())
def test_every_kind_of_gguf_that_is_planned_may_be_a_native_one(kind: str) -> None:
    small = row(**LARGE, native_dtype=kind)
    assert "native_dtype" not in [one.key for one in contradictions(small, {})]


def test_refuses_a_key_that_stands_twice_and_says_where(tmp_path: Path) -> None:
    text = yaml.safe_dump({"models": [row()]})
    path = project(tmp_path, text=text.replace("  layers: 2\n", "  layers: 2\n  layers: 3\n"))
    with pytest.raises(ConfigurationError, match="layers stands twice") as caught:
        load(tmp_path)
    lines = path.read_text(encoding="utf-8").splitlines()
    assert caught.value.location is not None
    assert caught.value.location.line == lines.index("  layers: 3") + 1
    assert f"first in line {lines.index('  layers: 2') + 1}" in caught.value.message
    assert caught.value.fix == "remove one of the two layers"


def test_a_field_that_was_merged_in_is_refused_at_its_entry(tmp_path: Path) -> None:
    text = yaml.safe_dump({"models": [row(kv_heads=None)]}).replace(
        "- architecture", "- <<: {kv_heads: 3}\n  architecture"
    )
    project(tmp_path, text=text)
    with pytest.raises(ConfigurationError, match="kv_heads is 3") as caught:
        load(tmp_path)
    assert caught.value.location is not None
    assert caught.value.location.line == 2


def test_refuses_two_lists_of_models(tmp_path: Path) -> None:
    text = yaml.safe_dump({"models": [row()]})
    project(tmp_path, text=text + text.replace("tiny", "other"))
    with pytest.raises(ConfigurationError, match="models stands twice, first in line 1"):
        load(tmp_path)


def test_says_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    project(tmp_path, row(label=None), row(layers="two", kv_heads="one"))
    with pytest.raises(ConfigurationErrors) as caught:
        load(tmp_path)
    assert len(caught.value.errors) == 3


@pytest.mark.parametrize(
    "text",
    [
        "",
        "models: 5\n",
        "- a\n",
        "model:\n",
        "models:\n  - 5\n",
        "models: [\n",
        "<<: {models: [{}]}\n",
        "\tmodels:\n",
        "a: *b\n",
        "[" * 20000,
    ],
)
def test_refuses_a_file_of_another_form(text: str, tmp_path: Path) -> None:
    project(tmp_path, text=text)
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path)
    assert caught.value.code == "SKS0218"


def test_refuses_what_is_no_text_or_too_much_of_it(tmp_path: Path) -> None:
    path = project(tmp_path, row())
    for content in (b"\xff\xfe", b"#" * (5 * 2**20)):
        path.write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"models\.yaml"):
            load(tmp_path)


def test_an_empty_list_is_no_mistake(tmp_path: Path) -> None:
    project(tmp_path, text="models:\n")
    assert load(tmp_path).models == shipped().models


@pytest.mark.parametrize(
    "over",
    [
        {"label": "DeepSeek-R1"},
        {"aliases": ["7b"]},
        {"id": "deepseek-ai/deepseek-v3", "label": "other"},
    ],
)
def test_refuses_a_name_that_another_model_has(over: dict[str, Any], tmp_path: Path) -> None:
    project(tmp_path, row(**over))
    with pytest.raises(ConfigurationError, match="already") as caught:
        load(tmp_path)
    assert caught.value.code == "SKS0217"


def test_refuses_two_of_the_same_name_in_the_file(tmp_path: Path) -> None:
    project(tmp_path, row(), row(id="acme/other"))
    with pytest.raises(ConfigurationError, match="tiny is the name of acme/tiny already"):
        load(tmp_path)
