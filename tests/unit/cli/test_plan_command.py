"""`seekstack plan`: the table a person reads and the document a program reads."""

from __future__ import annotations

import json
from pathlib import Path
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
    assert "weights 14.22" in text
    assert "usable 22.05" in text
    assert "note: 7B is an alias of DeepSeek-R1-Distill-Qwen-7B" in text


def test_a_cache_that_is_not_16_bit_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "7B", "--kv-cache-dtype", "fp8")
    assert "tokens in fp8; longest request" in text
    assert "--kv-cache-dtype=fp8" in text
    assert "tokens in" not in shown(capsys, "--model", "7B")
    assert document(capsys, "--model", "7B")["kv_cache_dtype"] == "bf16"


def test_explains_the_pages_of_v4(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "V4-Flash", "--context", "131072", "--explain")
    assert "pages of one request: 512 + " in text
    assert "tokens, as the engine prints them: " in text


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


def test_every_wrong_flag_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ("--model", "7X", "--driver", "x", "--cuda", "y", "--python", "z", "--rank", "4")
    assert main(["plan", *wrong]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("5 configuration errors:\n  SKS0201 model: '7X'")
    for key in ("driver", "cuda", "python", "rank"):
        assert f"{key}: " in err
    errors = document(capsys, *wrong, code=2)["error"]["errors"]
    assert [error["key"] for error in errors] == ["model", "driver", "cuda", "python", "rank"]


def test_a_training_flag_alone_is_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert document(capsys, "--model", "7B", "--rank", "4", code=2)["error"]["key"] == "rank"


def test_a_wrong_inventory_hides_no_wrong_flag(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text("- {name: a, gpu: L4, gpus: 0}\n")
    for workload in ("serve", "lora"):
        flags = ("--model", "7B", "--inventory", str(file), "--driver", "x", "--workload", workload)
        errors = document(capsys, *flags, code=2)["error"]["errors"]
        assert [error["key"] for error in errors] == ["gpus", "driver"]


def test_a_blank_list_of_families_is_no_family(capsys: pytest.CaptureFixture[str]) -> None:
    for blank in ("", " , "):
        error = document(capsys, "--model", "7B", "--families", blank, code=2)["error"]
        assert (error["code"], error["key"]) == ("SKS0203", "families")


def test_a_blank_inventory_is_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plan", "--model", "7B", "--inventory", ""])
    assert caught.value.code == 2
    assert "argument --inventory: '' is blank" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flag", "text"),
    [
        ("--context", "1_000"),
        ("--gpus", "\uff12"),
        ("--rank", " 8"),
        ("--utilization", "0_9"),
        ("--max-usd-per-hour", "nan"),
        ("--zero", "1_0"),
    ],
)
def test_a_number_is_written_in_plain_digits(flag: str, text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plan", "--model", "7B", flag, text])
    assert caught.value.code == 2
    assert f"argument {flag}: {text!r} is no " in capsys.readouterr().err


def test_flags_are_not_guessed_from_their_beginning(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plan", "--model", "7B", "--inst", "g6.xlarge"])
    assert caught.value.code == 2


def test_shows_speed_cost_and_software_as_estimates(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "7B", "--concurrency", "4")
    assert "tokens/s a user" in text
    assert "first token estimate:" in text
    assert "USD a month" in text
    assert "USD a million tokens, busy (estimate)" in text
    assert "torch 2.14.0, CUDA 13.0, Python 3.12, driver 580.95.05 (580.65.06 or later" in text


def test_alternatives_are_shown_with_speed_and_price_of_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "7B", "--concurrency", "4")
    assert "cache tokens USD/h tokens/s ms a token USD a million tokens" in text
    assert "g6.2xlarge 1 x L4 79,776 0.978 37.7 to 63.8 62.7 to 106 4.26 to 7.2" in text
    outcome = document(capsys, "--model", "7B", "--concurrency", "4")
    other = next(one for one in outcome["alternatives"] if one["instance_type"] == "g6.2xlarge")
    assert other["speed"]["users"] == 4
    assert other["usd_per_million_tokens"] == {"low": 4.26, "high": 7.2}


def test_the_time_to_fetch_the_weights_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "7B")
    assert "staging estimate: weights fetched once in 122 to 135 (122 expected) s; the volume decides" in text
    assert document(capsys, "--model", "7B")["staging"]["limited_by"] == "volume"


def test_limits_and_objective_reach_the_choice(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(
        capsys,
        *("--model", "70B", "--objective", "latency", "--max-usd-per-hour", "20", "--families", "g6e, g7e"),
        *("--quota-vcpus", "400", "--max-ttft-seconds", "5", "--nodes", "2"),
    )
    assert outcome["objective"] == "latency"
    assert outcome["price"]["usd_per_hour"] <= 20
    assert outcome["instance"].startswith(("g6e", "g7e"))


def test_software_flags_reach_the_matrix(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(capsys, "--model", "7B", "--cuda", "cu128", "--python", "3.11", "--engine-version", "0.10.2")
    assert (outcome["engine"]["version"], outcome["software"]["cuda"]) == ("0.10.2", "12.8")


def test_a_driver_of_a_hypervisor_is_refused_with_every_cause(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(capsys, "--model", "R1", "--driver", "535.154.02", "--python", "3.8", "--gpu", "T4", code=2)
    assert [reason["code"] for reason in outcome["reasons"]][:2] == ["driver", "python"]
    assert outcome["reasons"][0]["fix"].startswith("install driver 580")


def test_stages_and_copies_reach_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(capsys, "--model", "70B", "--instance", "g6e.48xlarge", "--tp", "2", "--pp", "2", "--dp", "2")
    assert outcome["parallel"] == {"tp": 2, "pp": 2, "dp": 2, "ep": 1}


def test_several_nodes_show_how_they_are_started(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--model", "R1", "--quantization", "bf16", "--nodes", "2")
    text = shown(capsys, *flags)
    assert "launch multiprocessing on 2 nodes, requests to node 0; open between them: tcp 29501," in text
    assert "weights fetched once on each node in" in text
    assert "node 1 works for node 0: --nnodes=2 --node-rank=1" in shown(capsys, *flags, "--explain")
    assert [node["role"] for node in document(capsys, *flags)["engine"]["launch"]] == ["head", "worker"]


def test_an_inventory_is_placed_and_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text("- {name: a, gpu: L4, gpus: 1}\n- {name: b, gpu: L40S, gpus: 4, driver: 580.95.05}\n")
    text = shown(capsys, "--model", "32B", "--inventory", str(file))
    assert "hardware b (2 x L40S)" in text
    assert "placement b: copy 0 stage 0 on 2 GPUs" in text
    outcome = document(capsys, "--model", "32B", "--inventory", str(file))
    assert outcome["placement"] == [{"host": "b", "copy": 0, "stage": 0, "gpus": 2}]
    assert [one["candidate"] for one in outcome["rejected"]] == ["a"]


def test_a_wrong_inventory_lists_its_errors_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file = tmp_path / "hosts.yaml"
    file.write_text("- {name: a, gpu: L5, gpus: 0}\n")
    outcome = document(capsys, "--model", "7B", "--inventory", str(file), code=2)
    assert [error["code"] for error in outcome["error"]["errors"]] == ["SKS0110", "SKS0110"]


def test_training_is_shown_and_written(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "7B", "--workload", "lora", "--rank", "16", "--explain")
    assert "g6.xlarge (1 x L4 in all)" in text
    assert "gradients" in text
    outcome = document(capsys, "--model", "7B", "--workload", "qlora", "--bits", "8", "--gpu", "RTX4090")
    assert outcome["training"]["bits"] == 8
    assert outcome["instance"] is None


def test_training_flags_without_training_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(capsys, "--model", "7B", "--rank", "16", code=2)
    assert outcome["error"]["key"] == "rank"


def test_a_flag_of_serving_is_refused_for_training_even_with_its_default(capsys: pytest.CaptureFixture[str]) -> None:
    serving = {
        "--context": "8192", "--concurrency": "1", "--dp": "1", "--kv-cache-dtype": "auto", "--engine": "vllm",
        "--engine-version": "0.33.0", "--utilization": "0.92", "--tp": "1",
    }  # fmt: skip
    flags = [word for pair in serving.items() for word in pair]
    errors = document(capsys, "--model", "7B", "--workload", "lora", *flags, code=2)["error"]["errors"]
    assert {error["key"] for error in errors} == {
        *("context_tokens", "concurrency", "data_parallel", "kv_cache_dtype", "engine"),
        *("engine_version", "utilization", "tensor_parallel"),
    }


def test_training_goes_by_cost_and_by_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    training = ("--model", "7B", "--workload", "lora")
    assert document(capsys, *training, "--objective", "cost") == document(capsys, *training)
    for objective in ("latency", "throughput"):
        error = document(capsys, *training, "--objective", objective, code=2)["error"]
        assert error["key"] == "objective"


def test_two_machines_and_few_alternatives_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "R1", "--quantization", "bf16", "--nodes", "2", "--explain")
    assert "2 x p5en.48xlarge (8 x H200 each)" in text
    assert "2 x 8 x" in text
    assert "x 31 / 58 / 8 + other layers" in text


def test_plans_on_another_engine(capsys: pytest.CaptureFixture[str]) -> None:
    sglang = document(capsys, "--model", "7B", "--engine", "sglang", "--engine-version", "0.5.21")
    assert (sglang["engine"]["name"], sglang["engine"]["version"]) == ("sglang", "0.5.21")
    text = shown(capsys, "--model", "7B", "--engine", "llama.cpp", "--quantization", "q4_k_m")
    assert "llama.cpp b11063 --model /weights/DeepSeek-R1-Distill-Qwen-7B-Q4_K_M.gguf" in text
    assert "types without GPU would also fit" in text
    assert "utilization" not in text


def test_shows_a_machine_without_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    flags = ("--model", "7B", "--engine", "llama.cpp", "--instance", "c8i.4xlarge", "--quantization", "q4_k_m")
    text = shown(capsys, *flags)
    assert "c8i.4xlarge (8 cores, no GPU)" in text
    assert "memory of the machine" in text
    assert "no CUDA: it runs on the processor" in text
    outcome = document(capsys, *flags)
    assert (outcome["gpu"], outcome["utilization"], outcome["software"]["torch"]) == (None, None, None)


def test_refuses_a_machine_without_gpu_for_vllm_and_names_the_engine(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = document(capsys, "--model", "7B", "--instance", "c8i.4xlarge", code=2)
    assert outcome["error"]["code"] == "SKS0203"
    assert "--engine llama.cpp" in outcome["error"]["fix"]


def test_a_market_is_priced_and_the_others_stand_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "R1", "--market", "capacity-block")
    assert "price not in the catalogue as capacity block" in text
    assert "other markets on demand: 63.296 USD/h (2026-01-21); spot: not in the catalogue" in text


def test_the_usual_market_leaves_unknown_prices_to_explain(capsys: pytest.CaptureFixture[str]) -> None:
    assert "other markets" not in shown(capsys, "--model", "7B")
    assert "other markets spot: not in the catalogue" in shown(capsys, "--model", "7B", "--explain")


def test_training_shows_its_market_too(capsys: pytest.CaptureFixture[str]) -> None:
    text = shown(capsys, "--model", "7B", "--workload", "lora", "--market", "spot")
    assert "price not in the catalogue as spot" in text
    assert "other markets on demand: 0.805 USD/h" in text


def test_the_busiest_rate_is_shown_where_it_decided(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ("--model", "7B", "--gpu", "L4", "--gpus", "1")
    users = document(capsys, *arguments)["speed"]["busiest"]["users"]
    text = shown(capsys, *arguments, "--objective", "throughput")
    assert "busiest estimate:" in text
    assert f"with {users:,} users" in text
    assert "busiest" not in shown(capsys, *arguments)
    assert f"busiest (estimate): {users:,} x 1,000 /" in shown(capsys, *arguments, "--explain")
