"""catalog/models.yaml of a project: found from below it, checked, and added to without touching what is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.catalog.load import load, shipped
from infra.catalog.own import OWN_MODELS, append_row, own_models_path, read_rows, row_of
from infra.errors import ConfigurationError, ConfigurationErrors

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
    assert read_rows(path)[0]["source"] == source


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


def test_says_everything_that_is_wrong_at_once(tmp_path: Path) -> None:
    project(tmp_path, row(label=None), row(layers="two", kv_heads="one"))
    with pytest.raises(ConfigurationErrors) as caught:
        load(tmp_path)
    assert len(caught.value.errors) == 3


@pytest.mark.parametrize(
    "text",
    ["", "models: 5\n", "- a\n", "model:\n", "models:\n  - 5\n", "models: [\n", "\tmodels:\n", "a: *b\n", "[" * 20000],
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
