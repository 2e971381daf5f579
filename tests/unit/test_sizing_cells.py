"""Cells and files as people write them: read as meant, or reported, never guessed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import sizing_cells as cells
from benchmarks.sizing_accuracy import report
from benchmarks.sizing_rows import TableError, read_rows
from benchmarks.sizing_score import score
from tests.unit.test_sizing_accuracy import OPEN, OWN, ROOT, make_row

HEADER = "id,kind,model,gpu,engine,confidence,weights_quant,fits"
ROW = "A1,fit,R1-Distill-Llama-8B,H100-80,vllm,high,bf16,yes"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("32768", 32768),
        ("32k", 32768),
        ("128K", 131072),
        ("1M", 1048576),
        ("10k", 10000),
        ("100k", 100000),
        ("160k", 163840),
        ("32768 tokens", 32768),
        ("32,768", 32768),
        ("32.768", 32768),
        ("1.048.576", 1048576),
        ("32 768", 32768),
        ("32_768", 32768),
        ("32768 (default)", 32768),
        ("", None),
        ("auto", None),
        ("-1", None),
    ],
)
def test_reads_a_context(text: str, tokens: int | None) -> None:
    assert make_row(max_model_len=text).context == tokens


@pytest.mark.parametrize(
    ("text", "gib", "digits"),
    [
        ("4.17", 4.17, 2),
        ("~4.17", 4.17, 2),
        ("4.17 GiB", 4.17, 2),
        ("4.17GB", 4.17, 2),
        ("4,17", 4.17, 2),
        ("0,917", 0.917, 3),
        ("4270.08 MiB", 4.17, 2),
        ("1e1", 10, 9),
        ("-0.5", -0.5, 1),
        ("-1,44", -1.44, 2),
        ("6,54459e-05", 6.54459e-05, 9),
        ("", None, 0),
        ("n/a", None, 0),
    ],
)
def test_reads_gib_and_the_digits_printed(text: str, gib: float | None, digits: int) -> None:
    row = make_row(kv_gib_per_gpu=text)
    assert row.kv_gib == (gib if gib is None else pytest.approx(gib))
    assert row.kv_digits == digits
    assert not row.dropped


@pytest.mark.parametrize(
    ("text", "share"), [("0.9", 0.9), ("0,9", 0.9), (".95", 0.95), ("90", 0.9), ("90 %", 0.9), ("0.9 (default)", 0.9)]
)
def test_reads_a_utilization(text: str, share: float) -> None:
    assert make_row(mem_util=text).utilization == pytest.approx(share)


@pytest.mark.parametrize(("text", "ranks"), [("8", 8), ("8.0", 8), ("TP8", 8), ("tp=8", 8), ("TP 8", 8), ("0", None)])
def test_reads_ranks(text: str, ranks: int | None) -> None:
    assert make_row(tp=text, gpu_count=16).tp == ranks


@pytest.mark.parametrize(("text", "tokens"), [("81,536", 81536), ("164,521,574", 164521574), ("1.6M", 1600000)])
def test_reads_the_tokens_of_a_cache(text: str, tokens: int) -> None:
    assert make_row(kv_tokens=text).kv_tokens == tokens


@pytest.mark.parametrize(
    ("texts", "fits"),
    [(("yes", "Y", "true", "1", "Yes (barely)"), True), (("no", "N", "FALSE", "0", "OOM"), False), (("", "?"), None)],
)
def test_reads_yes_and_no(texts: tuple[str, ...], fits: bool | None) -> None:
    assert {make_row(fits=text).fits for text in texts} == {fits}


@pytest.mark.parametrize(("text", "level"), [("med", "medium"), ("Medium", "medium"), ("HIGH", "high"), ("l", "low")])
def test_reads_the_confidence(text: str, level: str) -> None:
    assert make_row(confidence=text).confidence == level


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("max_model_len", "long"),
        ("max_model_len", "8k-32k"),
        ("gpu_count", "8-16"),
        ("gpu_count", "1.5"),
        ("tp", "1,5"),
        ("mem_util", "1,024"),
        ("mem_util", "-3"),
        ("total_gib_per_gpu", "22,055"),
        ("total_gib_per_gpu", "24 tons"),
    ],
)
def test_a_start_that_cannot_be_read_is_not_scored(column: str, text: str) -> None:
    found = score([make_row(**{column: text})])
    assert found.judgements == []
    assert found.skipped == {"A01": f"not readable: {column} {text!r}"}


@pytest.mark.parametrize(
    ("column", "text"),
    [
        ("weights_gib_per_gpu", "about 15"),
        ("kv_gib_per_gpu", "4,170"),
        ("kv_gib_per_gpu", "inf"),
        ("kv_tokens", "many"),
        ("fits", "perhaps"),
    ],
)
def test_a_result_that_cannot_be_read_is_reported_and_the_others_are_compared(column: str, text: str) -> None:
    printed = {"kind": "capacity", "weights_gib_per_gpu": "14.99", "kv_gib_per_gpu": "55.7", "fits": "yes"}
    found = score([make_row(**{**printed, column: text})])
    assert found.judgements
    assert found.dropped == {"A01": [f"{column} {text!r}"]}
    assert found.to_json()["dropped"] == found.dropped
    assert f"A01: {column} {text!r}" in report("rows.csv", found)


@pytest.mark.parametrize(("gib", "tokens"), [("~6.92", "56640"), ("6.92", "57k")])
def test_a_round_figure_is_not_compared_to_the_block(gib: str, tokens: str) -> None:
    row = make_row(kind="kv_formula", model="Qwen3-32B", gpu="any", pp=2, kv_gib_per_gpu=gib, kv_tokens=tokens)
    assert "not rounded" in score([row]).skipped["A01"]


def test_a_kind_that_is_not_known_is_named() -> None:
    printed = make_row(kind="Cache Size", weights_gib_per_gpu="14.99")
    found = score([make_row(id="A00", kind="speed"), printed])
    assert found.skipped["A00"].startswith("kind speed is not known")
    assert found.assumed["A01"][0].startswith("kind cache_size is not known")
    assert make_row(kind="KV formula").kind == "kv_formula"


@given(st.text(max_size=12))
def test_a_cell_is_a_value_nothing_or_an_error(text: str) -> None:
    for reader in (cells.count, cells.context, cells.tokens, cells.gib, cells.share, cells.yes_or_no):
        try:
            value = reader(text)
        except ValueError:
            continue
        assert value is None or abs(value) < 10**13
    assert cells.decimals(text) >= 0
    assert cells.is_rounded(text) in (True, False)


@given(st.integers(min_value=1000, max_value=10**8))
def test_a_grouped_count_is_the_count(number: int) -> None:
    grouped = f"{number:,}"
    for mark in (",", " ", "_", "."):
        assert cells.context(grouped.replace(",", mark)) == number


def written(tmp_path: Path, text: str, name: str = "rows.csv") -> Path:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("before", ["", "\ufeff"])
@pytest.mark.parametrize("header", [HEADER, HEADER.upper(), HEADER.replace(",", " , "), HEADER.replace("_", " ")])
def test_reads_any_separator_and_spelling_of_the_header(tmp_path: Path, header: str, before: str, mark: str) -> None:
    text = f"{before}{header}\n{ROW}\n".replace(",", mark)
    (row,) = read_rows(written(tmp_path, text))
    assert (row.id, row.kind, row.gpu, row.quantization, row.fits) == ("A1", "fit", "H100-80", "bf16", True)


def test_a_decimal_comma_beside_semicolons_is_a_decimal(tmp_path: Path) -> None:
    text = f"{HEADER},mem_util\n{ROW},0.9\n".replace(",", ";").replace("0.9", "0,9")
    (row,) = read_rows(written(tmp_path, text))
    assert row.utilization == pytest.approx(0.9)


def test_an_index_without_a_name_is_no_cell_too_many(tmp_path: Path) -> None:
    first, second = read_rows(written(tmp_path, f",{HEADER}\n0,{ROW}\n1,{ROW},more\n"))
    assert first.unreadable == ()
    assert second.unreadable == ("more cells than the header has columns",)


def test_two_rows_of_one_id_are_both_reported(tmp_path: Path) -> None:
    unknown = ROW.replace("H100-80", "Groq-1")
    found = score(read_rows(written(tmp_path, f"{HEADER}\n{unknown}\n{unknown}\n")))
    assert list(found.skipped) == ["A1", "A1 (row 2)"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty; it needs kind, model, gpu, engine, confidence"),
        ("id,model,gpu\n1,2,3\n", "the header lacks kind, engine, confidence"),
    ],
)
def test_a_file_that_is_no_table_says_what_it_lacks(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        read_rows(written(tmp_path, text))


def test_a_cell_of_a_whole_log_is_read(tmp_path: Path) -> None:
    (row,) = read_rows(written(tmp_path, f"{HEADER},note\n{ROW},{'x' * 200_000}\n"))
    assert row.fits is True


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "benchmarks" / "sizing_accuracy.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_that_cannot_be_scored_ends_with_two_and_a_sentence(tmp_path: Path) -> None:
    ended = run(str(written(tmp_path, "")))
    assert ended.returncode == 2
    assert "the file is empty" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_two_files_of_one_name_are_both_reported(tmp_path: Path) -> None:
    paths = [written(tmp_path, f"{HEADER}\n{ROW}\n", f"{folder}/rows.csv") for folder in ("one", "two")]
    ended = run(*map(str, paths), str(OPEN), "--json")
    assert list(json.loads(ended.stdout)) == [*map(str, paths), OPEN.name]


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    command = f"{sys.executable} {ROOT / 'benchmarks' / 'sizing_accuracy.py'} {OPEN} {OWN} --json | head -1"
    ended = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "{\n", "")
