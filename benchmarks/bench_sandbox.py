"""Times of the sandbox: command line, engine runs, demo; size of the core install.

    python benchmarks/bench_sandbox.py [--runs 3] [--json FILE]

Each figure is the median of `--runs` runs on this machine; goals are those of the foundation (2 cores).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sandbox.paths import PROJECT_ROOT
from tests.support_sandbox import sandbox_at

SEEKSTACK = (sys.executable, "-m", "infra.cli.main")


def main() -> int:
    """Measure, print a table, and write JSON where asked; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = [*command_line(options.runs), *engine_runs(options.runs), *demo(options.runs), core_install()]
    for figure in figures:
        verdict = "ok" if figure["value"] <= figure["goal"] else "MISSED"
        print(f"{figure['what']:<34} {figure['value']:>8.2f} {figure['unit']:<3} goal {figure['goal']:>6}  {verdict}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return int(any(figure["value"] > figure["goal"] for figure in figures))


def figure(what: str, values: Sequence[float], goal: float, unit: str = "s") -> dict[str, object]:
    return {"what": what, "value": statistics.median(values), "unit": unit, "goal": goal, "all": list(values)}


def timed(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def command_line(runs: int) -> list[dict[str, object]]:
    def run(*arguments: str) -> float:
        return timed(
            lambda: subprocess.run((*SEEKSTACK, *arguments), check=True, capture_output=True, cwd=PROJECT_ROOT)
        )

    return [
        figure("seekstack --help", [run("--help") for _ in range(runs + 2)], 0.3),
        figure("seekstack plan --model 7B", [run("plan", "--model", "7B") for _ in range(runs + 2)], 0.5),
    ]


def engine_runs(runs: int) -> list[dict[str, object]]:
    """up, unchanged preview and destroy of the dev stack, `runs` lives of one sandbox."""
    times: dict[str, list[float]] = {"up": [], "preview": [], "destroy": []}
    with tempfile.TemporaryDirectory() as folder, sandbox_at(Path(folder)) as sandbox:
        for _ in range(runs):
            stack = sandbox.stack("dev")
            times["up"].append(stack.up().seconds)
            times["preview"].append(stack.preview().seconds)
            times["destroy"].append(stack.destroy().seconds)
            if sandbox.existing():
                raise SystemExit(f"left behind: {sandbox.existing()}")
            stack.remove()
    return [
        figure("pulumi up, dev stack", times["up"], 15),
        figure("pulumi preview, nothing changed", times["preview"], 15),
        figure("pulumi destroy, dev stack", times["destroy"], 15),
    ]


def demo(runs: int) -> list[dict[str, object]]:
    times = []
    with tempfile.TemporaryDirectory() as folder:
        command = (*SEEKSTACK, "demo", "--home", folder)
        subprocess.run(command, check=True, capture_output=True, cwd=PROJECT_ROOT)  # builds what is missing
        times = [
            timed(lambda: subprocess.run(command, check=True, capture_output=True, cwd=PROJECT_ROOT))
            for _ in range(runs)
        ]
    return [figure("seekstack demo, warm", times, 30)]


def core_install() -> dict[str, object]:
    """Disk use of the locked core (no extra, no development tools) in an environment of its own."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "UV_PROJECT_ENVIRONMENT": folder}
        uv = os.environ.get("UV", "uv")
        subprocess.run((uv, "sync", "--locked", "--no-dev", "--quiet"), check=True, cwd=PROJECT_ROOT, env=env)
        size = sum(file.lstat().st_blocks * 512 for file in Path(folder).rglob("*"))
    return figure("core install", [size / 1e6], 260, "MB")


if __name__ == "__main__":
    sys.exit(main())
