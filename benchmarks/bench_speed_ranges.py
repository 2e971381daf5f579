"""Decoding speed: measured against our range. Training memory: LLaMA-Factory's table against ours.

    python benchmarks/bench_speed_ranges.py [SPEED.csv] [--json FILE]

Without a file the 13 published measurements of tests/unit/sizing/test_speed.py are shown. A file has the columns id,
model, quant, gpu, gpu_count, engine, conditions, measured_tok_s and, for GPUs or quantisations that are not in the
catalogue, bandwidth_gb_s_each and active_weight_gb_per_token. Rows without a GPU are left out and named. Rows above the
bandwidth bound are flagged as impossible and count neither way. Exit 1 below 80 % inside.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from infra.catalog.facts import GpuFacts, ModelFacts, QuantizationFacts
from infra.catalog.load import load
from infra.errors import ConfigurationError
from infra.sizing import gguf
from infra.sizing.engine import Engine, Family
from infra.sizing.speed import Layout, Runtime, SpeedRange, bound_tokens_per_second, estimate_speed
from infra.sizing.training import Method, TrainingRequest, training_memory

CATALOG = load()
SHARE_WANTED = 0.8
GPUS_OF_A_NODE = 8
TABLE = (
    ("full AMP", Method.FULL, 4, (120, 240, 600, 1200)),
    ("full bf16", Method.PURE_BF16, 4, (60, 120, 300, 600)),
    ("LoRA 16 bit", Method.LORA, 4, (16, 32, 64, 160)),
    ("QLoRA 8 bit", Method.QLORA, 8, (10, 20, 40, 80)),
    ("QLoRA 4 bit", Method.QLORA, 4, (6, 12, 24, 48)),
    ("QLoRA 2 bit", Method.QLORA, 2, (4, 8, 16, 24)),
)
"""LLaMA-Factory README, hardware table: GB for 7B, 14B, 30B and 70B."""


@dataclass(frozen=True, slots=True)
class Case:
    """One measurement of a single user."""

    id: str
    model: ModelFacts
    quantization: QuantizationFacts
    gpu: GpuFacts
    layout: Layout
    runtime: Runtime
    context_tokens: int
    measured: float


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", type=Path, nargs="?", help="measurements in the shape of decode-speed.csv")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    results = [score(case) for case in (read_cases(options.rows) if options.rows else known_cases())]
    print_speed(results)
    print_training()
    possible = [result for result in results if not result["impossible"]]
    share = sum(bool(result["inside"]) for result in possible) / max(1, len(possible))
    if options.json:
        options.json.write_text(json.dumps({"inside": share, "rows": results}, indent=2) + "\n")
    return int(share < SHARE_WANTED)


def score(case: Case) -> dict[str, object]:
    """One row of the report."""
    found = estimate_speed(
        case.model,
        case.quantization,
        case.gpu,
        case.layout,
        context_tokens=case.context_tokens,
        runtime=case.runtime,
    )
    row: dict[str, object] = {"id": case.id, "model": case.model.label, "gpu": case.gpu.name, "measured": case.measured}
    bound = bound_tokens_per_second(case.model, case.quantization, case.gpu, case.layout)
    row |= {"runtime": str(case.runtime), "bound": bound, "impossible": case.measured > bound, "inside": False}
    if isinstance(found, SpeedRange):
        span = found.per_user
        row |= {"low": span.low, "expected": span.expected, "high": span.high, "inside": case.measured in span}
    return row


def print_speed(results: list[dict[str, object]]) -> None:
    print("tokens/s of one user     measured      low expected     high  high/low  verdict")
    for row in results:
        verdict = "impossible" if row["impossible"] else "inside" if row["inside"] else "OUTSIDE"
        low, expected, high = (float(str(row.get(name, "nan"))) for name in ("low", "expected", "high"))
        name = f"{row['id']} {row['model']}"[:24]
        print(f"{name:<24} {row['measured']:>8} {low:8.1f} {expected:8.1f} {high:8.1f} {high / low:9.2f}  {verdict}")
    possible = [row for row in results if not row["impossible"]]
    inside = sum(bool(row["inside"]) for row in possible)
    print(f"{inside} of {len(possible)} inside, {len(results) - len(possible)} flagged as impossible\n")


def print_training() -> None:
    print("training, GB (ours, difference)        7B             14B             30B             70B")
    for title, method, bits, row in TABLE:
        cells = []
        for name, told in zip(("7B", "14B", "30B", "70B"), row, strict=True):
            memory = training_memory(TrainingRequest(method, bits=bits), CATALOG.model(name), 1)
            ours = memory.total_bytes / 1e9
            cells.append(f"{told:5} {ours:6.1f} {ours / told - 1:+4.0%}")
        print(f"{title:<24}" + "".join(f"{cell:>16}" for cell in cells))


def known_cases() -> list[Case]:
    """The rows that the tests assert, and the one that cannot be."""
    from tests.unit.sizing.test_speed import ROWS  # pytest is a tool of the developer, not needed with a file

    cases = [
        Case(
            row.id,
            CATALOG.model(row.model),
            row.quantization,
            CATALOG.gpu(row.gpu),
            row.layout,
            Runtime.of(Engine.read(row.family, row.engine)),
            row.context,
            row.measured,
        )
        for row in ROWS
    ]
    gpu = unknown_gpu("RTX5060Ti-16", 448)
    fp8 = CATALOG.quantization("fp8")
    return [*cases, Case("D15", CATALOG.model("7B"), fp8, gpu, Layout(), Runtime.OLD, 0, 115)]


def read_cases(path: Path) -> list[Case]:
    """Rows of a CSV file that state a GPU and a model of the catalogue; the others are named."""
    cases = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["gpu"] in ("", "unknown"):
                print(f"{row['id']}: GPU not stated, left out")
                continue
            try:
                cases.append(read_case(row))
            except ConfigurationError as error:
                print(f"{row['id']}: {error.message}, left out")
    return cases


def read_case(row: dict[str, str]) -> Case:
    model = model_of(row["model"])
    try:
        gpu = CATALOG.gpu(row["gpu"])
    except ConfigurationError:
        gpu = unknown_gpu(row["gpu"], float(row["bandwidth_gb_s_each"]))
    return Case(
        row["id"],
        model,
        quantization_of(row, model),
        gpu,
        layout_of(row["engine"], int(row["gpu_count"])),
        runtime_of(row["engine"]),
        sum(int(count) for count in re.findall(r"(\d+) (?:in|out)\b", row["conditions"])),
        float(row["measured_tok_s"]),
    )


def model_of(name: str) -> ModelFacts:
    """By any name of the catalogue, with or without the maker's."""
    try:
        return CATALOG.model(name)
    except ConfigurationError:
        return CATALOG.model(name.removeprefix("DeepSeek-"))


def unknown_gpu(name: str, bandwidth_gb: float) -> GpuFacts:
    """A GPU of which the bandwidth is known; the rest is that of a current one."""
    return replace(CATALOG.gpu("RTX5090"), name=name, bandwidth_bytes_per_second=bandwidth_gb * 1e9)


def quantization_of(row: dict[str, str], model: ModelFacts) -> QuantizationFacts:
    """One of the catalogue, or a GGUF kind with the bytes of the row."""
    name = {"awq-int4": "awq", "gptq-int4": "gptq"}.get(row["quant"], row["quant"])
    try:
        return CATALOG.quantization(name)
    except ConfigurationError:
        bits = gguf.bits_per_weight(model, row["quant"])
        stated = float(row["active_weight_gb_per_token"] or 0) * 8e9 / model.active_parameters
        return gguf.quantization(bits or stated, row["quant"])


def layout_of(engine: str, gpus: int) -> Layout:
    """llama.cpp splits by layers, the others by tensors; more than eight GPUs are several nodes."""
    if "llama" in engine:
        return Layout(pipeline_parallel=gpus)
    stated = re.search(r"(\d+) nodes", engine)
    return Layout(gpus, nodes=int(stated.group(1)) if stated else -(-gpus // GPUS_OF_A_NODE))


def runtime_of(engine: str) -> Runtime:
    """`vllm 0.7.3 TP8`, `sglang TP16, 2 nodes`, `ik_llama.cpp`; an engine without a version is taken as current."""
    family = next((family for family in reversed(Family) if family in engine.casefold()), Family.VLLM)
    return Runtime.of(Engine.read(family, engine))


if __name__ == "__main__":
    sys.exit(main())
