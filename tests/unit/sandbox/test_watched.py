"""A child process that is watched is heard, and gone afterwards."""

from __future__ import annotations

import os
import time
from pathlib import Path

from sandbox.watched import run_watched


def run(script: str, *, timeout_seconds: float | None = None) -> tuple[int | None, list[str], list[float]]:
    lines: list[str] = []
    waits: list[float] = []
    status = run_watched(
        ["/bin/sh", "-c", script],
        env=os.environ,
        on_line=lines.append,
        on_wait=waits.append,
        every_seconds=0.1,
        timeout_seconds=timeout_seconds,
    )
    return status, lines, waits


def test_hears_both_streams_and_returns_the_status() -> None:
    status, lines, _ = run("echo out; echo err >&2; exit 3")
    assert (status, sorted(lines)) == (3, ["err", "out"])


def test_tells_the_time_while_it_waits() -> None:
    _, _, waits = run("sleep 0.35")
    assert len(waits) >= 2
    assert waits == sorted(waits)


def test_ends_the_whole_group_when_the_time_is_over(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    status, _, _ = run(f"(trap '' INT; echo $PPID; exec sleep 60) & echo $! > {pid_file}; wait", timeout_seconds=0.3)
    assert status is None
    assert ended(int(pid_file.read_text()))


def ended(pid: int) -> bool:
    """Within a second; a zombie that nobody collects counts."""
    for _ in range(100):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
