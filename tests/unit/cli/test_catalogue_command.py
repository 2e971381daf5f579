"""`seekstack models`, `gpus` and `instances`, and the tables they are shown in."""

from __future__ import annotations

import json

import pytest

from infra.catalog.load import load
from infra.cli.main import main
from infra.cli.output import write_table

CATALOG = load()


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
        ("instances", "g6.xlarge L4 1 4 16 250 119 0.80 2026-01-21, us-east-1"),
        ("instances", "g6f.large L4 0.125 2 8 100 112 0.20 2026-01-21, us-east-1"),
        ("instances", "p5e.48xlarge H200 8 192 2048 30400 9537 - -"),
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
