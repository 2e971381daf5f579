"""`seekstack models`, `gpus` and `instances`, and the tables they are shown in."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from infra.catalog.load import load
from infra.cli.catalogue import price_age_days
from infra.cli.main import main
from infra.cli.output import write_table
from tests.unit.catalog.support_configs import qwen_config, write_json
from tests.unit.catalog.support_gguf import llama_metadata, llama_tensors, write_gguf

CATALOG = load()
AGE = (datetime.now(UTC).date() - date(2026, 1, 21)).days


@pytest.mark.parametrize(
    ("command", "count"),
    [("models", len(CATALOG.models)), ("gpus", len(CATALOG.gpus)), ("instances", len(CATALOG.instances))],
)
def test_lists_everything_as_json_with_its_source(command: str, count: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)[command]
    assert len(rows) == count
    assert all(row["source"] and row["date"] for row in rows)


@pytest.mark.parametrize(
    ("command", "row"),
    [
        (
            "models",
            "DeepSeek-R1-Distill-Qwen-14B R1-Distill-Qwen-14B, 14B, 13B 14.77 14.77 27.51 bf16 131,072 2025-01-20",
        ),
        ("models", "DeepSeek-V4.1-Flash V4.1-Flash 552.00 16.00 475.91 fp4_fp8 - 2026-09-10"),
        ("gpus", "T4 Turing 7.5 16 14.56 320 no no AWQ/GPTQ without Marlin"),
        ("gpus", "Inferentia2 NeuronCore-v2 - 32 32.00 820 no yes no"),
        ("instances", f"g6.xlarge L4 1 4 16 250 119 0.80 2026-01-21, us-east-1 {AGE} spot"),
        ("instances", f"g6f.large L4 0.125 2 8 100 112 0.20 2026-01-21, us-east-1 {AGE} spot"),
        ("instances", "p5e.48xlarge H200 8 192 2048 30400 9537 - - - spot, capacity-block"),
    ],
)
def test_shows_one_row_each(command: str, row: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command]) == 0
    assert row in [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]


def test_columns_of_numbers_stand_on_the_right(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("name", "count"), [("a", "5"), ("b", "1,250"), ("c", None)])
    ends = [line.rstrip()[-1] for line in capsys.readouterr().out.splitlines() if line.strip()[:1] in ("a", "b", "c")]
    assert ends == ["5", "0", "-"]


def test_text_that_looks_like_markup_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("name",), [("[bold]x[/bold]",), (True,), (False,)], title="[red]t")
    out = capsys.readouterr().out
    assert "[bold]x[/bold]" in out
    assert "[red]t" in out
    assert "yes" in out


def test_an_empty_table_shows_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("name", "count"), [])
    assert "count" in capsys.readouterr().out


def test_instances_carry_date_and_age_of_their_price(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instances", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    today = datetime.now(UTC).date()
    for row in document["instances"]:
        age = None if row["price_date"] is None else (today - date.fromisoformat(row["price_date"])).days
        assert row["price_age_days"] == age
    assert all(row["price_age_days"] is None for row in document["cpu_instances"])


@pytest.mark.parametrize(
    ("today", "age"), [("2026-01-21", 0), ("2026-01-20", 0), ("2026-02-01", 11), ("2027-01-21", 365)]
)
def test_an_age_is_whole_days_and_never_negative(today: str, age: int) -> None:
    assert price_age_days("2026-01-21", date.fromisoformat(today)) == age
    assert price_age_days(None, date.fromisoformat(today)) is None


def test_types_without_accelerator_are_a_list_of_their_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["instances", "--cpu"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "m8g.4xlarge AWS arm64 16 16 64 596 - - -" in lines
    assert not any(line.startswith("g6.xlarge") for line in lines)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "Pulumi.yaml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_adds_a_model_that_plan_and_the_listing_then_know(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_json(project / "Qwen2.5-7B-Instruct", qwen_config())
    assert main(["models", "add", str(config), "--name", "Qwen/Qwen2.5-7B-Instruct"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "7,615,616,512 (7.616 B)" in said
    assert "seekstack plan --model Qwen2.5-7B-Instruct" in said
    assert main(["plan", "--model", "qwen2.5-7b-instruct", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["instance"]
    assert main(["models", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["models"][-1]["id"] == "Qwen/Qwen2.5-7B-Instruct"


def test_a_dry_run_shows_the_entry_as_json_and_writes_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_json(project / "m", qwen_config())
    assert main(["models", "add", str(config), "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["model"]["label"], document["written"]) == ("m", False)
    assert (document["bits_per_weight"], document["kv_bytes_per_token"]) == (16.0, 57344)
    assert document["catalog"] == str(project / "catalog" / "models.yaml")
    assert not (project / "catalog").exists()


def test_outside_a_project_only_a_dry_run_or_a_named_file_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    config = str(write_json(tmp_path / "m", qwen_config()))
    assert main(["models", "add", config, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "SKS0218"
    assert main(["models", "add", config, "--dry-run"]) == 0
    assert main(["models", "add", config, "--catalog", "own/x.yaml"]) == 0
    assert (tmp_path / "own" / "x.yaml").is_file()
    capsys.readouterr()
    assert main(["models", "add", config, "--catalog", "own/x.yaml"]) == 2
    assert "SKS0217" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["deepseek-ai/DeepSeek-R1", "7b", "owner/1.5B"])
def test_refuses_the_name_of_a_shipped_model(name: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_json(project / "m", qwen_config())
    assert main(["models", "add", str(config), "--name", name]) == 2
    assert "SKS0217" in capsys.readouterr().err
    assert not (project / "catalog").exists()


def test_adds_a_gguf_and_shows_its_bits_per_weight(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_gguf(project / "Llama-8B-Q4_K_M.gguf", llama_metadata(), llama_tensors())
    assert main(["models", "add", str(path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "bits per weight 4.89" in said
    assert "cache bytes a token, 16 bit 131,072" in said
    assert "native_dtype q4_k_m" in said


@pytest.mark.parametrize("engine", ["vllm", "sglang", "llama.cpp"])
def test_plans_a_gguf_that_was_added(engine: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_gguf(project / "Llama-8B-Q4_K_M.gguf", llama_metadata(), llama_tensors())
    assert main(["models", "add", str(path), "--name", "me/llama"]) == 0
    capsys.readouterr()
    assert main(["plan", "--model", "me/llama", "--engine", engine, "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["quantization"] == "q4_k_m"
    assert any(word.endswith("-Q4_K_M.gguf") for word in outcome["engine"]["arguments"])


def test_help_of_the_listings_names_what_else_they_do(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (["models", "add"], ["instances", "refresh"]):
        with pytest.raises(SystemExit) as caught:
            main([*command, "--help"])
        assert caught.value.code == 0
    assert "--apply" in capsys.readouterr().out
