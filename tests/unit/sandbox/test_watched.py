"""A child process that is watched is heard, and gone afterwards."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from sandbox import processes
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


def test_keeps_the_streams_apart_where_asked() -> None:
    out: list[str] = []
    errors: list[str] = []
    run_watched(
        ["/bin/sh", "-c", "echo out; echo err >&2"], env=os.environ, on_line=out.append, on_error_line=errors.append
    )
    assert (out, errors) == (["out"], ["err"])


def test_another_thread_ends_it_politely_first(tmp_path: Path) -> None:
    cancelled = threading.Event()
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        cancelled.set()

    status = run_watched(
        ["/bin/sh", "-c", "trap 'echo told; exit 0' INT; echo up; sleep 60 & wait"],
        env=os.environ,
        on_line=hear,
        cancelled=cancelled,
    )
    assert (status, lines) == (None, ["up", "told"])


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    cancelled = threading.Event()
    started = time.monotonic()
    status = run_watched(
        ["/bin/sh", "-c", "trap '' INT; echo up; while :; do sleep 0.1; done"],
        env=os.environ,
        on_line=lambda _: cancelled.set(),
        cancelled=cancelled,
        interrupt_seconds=0.3,
    )
    assert status is None
    assert time.monotonic() - started < 5


def test_an_error_of_the_listener_ends_it_and_is_raised() -> None:
    def refuse(line: str) -> None:
        raise BrokenPipeError(line)

    with pytest.raises(BrokenPipeError, match="up"):
        run_watched(["/bin/sh", "-c", "echo up; sleep 60"], env=os.environ, on_line=refuse)


def test_names_the_process_while_it_runs(tmp_path: Path) -> None:
    pid_file = tmp_path / "run" / "one.pid"
    seen: list[bool] = []
    run_watched(
        ["/bin/sh", "-c", "sleep 0.3; echo $$; sleep 0.3"],
        env=os.environ,
        on_line=lambda line: seen.append(processes.pid_of(pid_file) == int(line)),
        pid_file=pid_file,
    )
    assert seen == [True]
    assert not pid_file.exists()


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
