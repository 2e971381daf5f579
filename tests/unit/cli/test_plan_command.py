"""`seekstack plan`: the table a person reads and the document a program reads."""

from __future__ import annotations

import json
from typing import Any

import pytest

from infra.cli.main import main


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["plan", *arguments]) == 0
    return " ".join(capsys.readouterr().out.split())


def document(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> dict[str, Any]:
    assert main(["plan", *arguments, "--json"]) == code
    parsed: dict[str, Any] = json.loads(capsys.readouterr().out)
    return parsed


def test_shows_hardware_budget_volume_and_a_dated_price(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "7B")
    assert "deepseek-ai/DeepSeek-R1-Distill-Qwen-7B" in text
    assert "g6.xlarge (1 x L4)" in text
    assert "0.805 USD/h on demand, us-east-1, 2026-01-21" in text
    assert "gp3, 20 GiB, 3,000 IOPS, 125 MiB/s" in text
    assert "weights 14.21" in text
    assert "usable 22.05" in text
    assert "note: 7B is an alias of DeepSeek-R1-Distill-Qwen-7B" in text


def test_the_parts_of_the_memory_table_add_up_to_the_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--model", "7B"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(number for number, line in enumerate(lines) if "memory of each GPU" in line)
    figures = [float(line.split()[-1]) for line in lines[start + 2 : start + 9]]
    assert sum(figures[:-1]) == pytest.approx(figures[-1], abs=0.04)


def test_shows_few_rejections_with_different_reasons_and_all_with_explain(capsys: pytest.CaptureFixture[str]) -> None:
    short = shown(capsys, "--model", "7B")
    assert "rejected: 26, 3 shown (--explain shows all)" in short
    assert "g5g.2xlarge" not in short
    full = shown(capsys, "--model", "7B", "--explain")
    assert "g5g.2xlarge is arm64" in full
    assert "arithmetic:" in full
    assert "2 x 28 layers x 4 KV heads / 1 x 128 x 2 bytes = 57,344 bytes" in full


def test_a_machine_one_owns_has_no_price_and_no_alternatives(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "32B", "--gpu", "l4", "--gpus", "4")
    assert "4 x L4" in text
    assert "your own machine" in text
    assert "would also fit" not in text
    assert "rejected" not in text


def test_a_type_without_a_price_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert "price not in the catalogue" in shown(capsys, "--model", "7B", "--instance", "g7.2xlarge")


def test_every_flag_reaches_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(
        capsys,
        *("--model", "70B", "--instance", "p5.48xlarge", "--quantization", "fp8", "--context", "16384"),
        *("--concurrency", "4", "--tp", "2", "--utilization", "0.85", "--load-target-seconds", "100"),
        *("--region", "us-west-2"),
    )
    assert outcome["instance"] == "p5.48xlarge"
    assert (outcome["quantization"], outcome["context_tokens"], outcome["concurrency"]) == ("fp8", 16384, 4)
    assert (outcome["parallel"]["tp"], outcome["utilization"], outcome["load_seconds"]) == (2, 0.85, 100)
    assert any("us-west-2" in note for note in outcome["warnings"])


def test_a_refusal_as_json_says_that_it_does_not_fit(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(capsys, "--model", "7B", "--instance", "g4dn.xlarge", "--quantization", "fp16", code=2)
    assert outcome["fits"] is False
    assert [reason["code"] for reason in outcome["reasons"]] == ["weights"]
    assert outcome["reasons"][0]["fix"].startswith("set quantization to int8")
    assert outcome["error"]["code"] == "SKS0301"


def test_a_refusal_as_text_says_what_would_fit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--model", "7B", "--instance", "g4dn.xlarge", "--quantization", "fp16"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("SKS0301 weights: ")
    assert "use instance type g6.xlarge" in err


def test_an_unknown_model_is_refused_with_the_near_match(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(capsys, "--model", "R1-Destill-Qwen-7B", code=2)
    assert outcome["error"]["key"] == "model"
    assert "did you mean R1-Distill-Qwen-7B?" in outcome["error"]["fix"]


def test_flags_are_not_guessed_from_their_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plan", "--model", "7B", "--inst", "g6.xlarge"])
    assert caught.value.code == 2
