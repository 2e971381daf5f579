"""kill -9 of engine, program or plugin at random moments of `up` and of `destroy`; what the next run leaves behind.

    python benchmarks/bench_kills.py [--kills 20] [--seed N] [--json FILE]

Each kill of `up` is followed by `up` (then only what is in state may exist) or by `destroy` (then nothing may exist),
each kill of `destroy` by `destroy`. The fake AWS is counted, not believed. A moment at which the command had ended
already is told and not counted; another is drawn. Exit 1 where anything was left.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.support_kill import VICTIMS, Kill, orphans, run_and_kill
from tests.support_sandbox import Sandbox, sandbox_at


def main() -> int:
    """Kill, finish, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="kills of each command")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    moments = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder, sandbox_at(Path(folder)) as sandbox:
        rows = [*kill_up(sandbox, moments, options.kills), *kill_destroy(sandbox, moments, options.kills)]
    left = [row for row in rows if row["left"]]
    hits = sum(bool(row["hit"]) for row in rows)
    print(f"{hits} kills while the command ran, {len(left)} of {len(rows)} runs left something, seed {options.seed}")
    if options.json:
        options.json.write_text(json.dumps({"seed": options.seed, "kills": rows}, indent=2) + "\n")
    return int(bool(left))


def kill_up(sandbox: Sandbox, moments: random.Random, kills: int) -> Iterator[dict[str, object]]:
    stack = sandbox.stack("dev")
    usual_seconds = stack.up().seconds
    stack.destroy()
    number = 0
    while number < kills:
        victim = list(VICTIMS)[number % len(VICTIMS)]
        kill = run_and_kill(stack, "up", victim, moments.uniform(0.2, usual_seconds))
        stack.initialise()
        next_run = "up" if moments.random() < 0.5 else "destroy"
        left: object = {}
        if next_run == "up":
            stack.up()
            left = orphans(stack, sandbox.endpoint)
        stack.destroy()
        number += kill.was_hit
        yield told(kill, next_run, left or sandbox.existing())


def kill_destroy(sandbox: Sandbox, moments: random.Random, kills: int) -> Iterator[dict[str, object]]:
    stack = sandbox.stack("dev")
    stack.up()
    usual_seconds = stack.destroy().seconds
    number = 0
    while number < kills:
        stack.up()
        victim = ("engine", "plugin")[number % 2]  # destroy runs no program
        kill = run_and_kill(stack, "destroy", victim, moments.uniform(0.1, usual_seconds))
        stack.initialise()
        stack.destroy()
        number += kill.was_hit
        yield told(kill, "destroy", sandbox.existing() or [entry["urn"] for entry in stack.resources()])


def told(kill: Kill, next_run: str, left: object) -> dict[str, object]:
    what = f"{kill.command:<8} {kill.victim:<8} {kill.after_seconds:6.3f} s"
    print(f"{what}  {'hit' if kill.was_hit else 'ended before':<12} then {next_run:<8} left {left or 0}", flush=True)
    return {
        "command": kill.command,
        "victim": kill.victim,
        "after_seconds": kill.after_seconds,
        "hit": kill.was_hit,
        "next": next_run,
        "left": left,
    }


if __name__ == "__main__":
    sys.exit(main())
