"""A child process that is watched is heard, and gone afterwards."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from sandbox import processes, watched
from sandbox.watched import run_watched


def until(file: Path) -> str:
    """Shell for: wait for the test, however long it takes."""
    return f"while [ ! -e '{file}' ]; do sleep 0.01; done"


def test_hears_both_streams_and_returns_the_status() -> None:
    lines: list[str] = []
    status = run_watched(["/bin/sh", "-c", "echo out; echo err >&2; exit 3"], env=os.environ, on_line=lines.append)
    assert (status, sorted(lines)) == (3, ["err", "out"])


def test_tells_the_time_while_it_waits(tmp_path: Path) -> None:
    waits: list[float] = []

    def hear(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            (tmp_path / "enough").touch()

    script = until(tmp_path / "enough")
    status = run_watched(["/bin/sh", "-c", script], env=os.environ, on_line=print, on_wait=hear, every_seconds=0.01)
    assert status == 0
    assert 0.01 <= waits[0] < waits[1] < waits[2]


def test_ends_the_whole_group_when_the_time_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pid_file = tmp_path / "pid"
    moments = itertools.chain([0.0], (100.0 if pid_file.exists() else 0.0 for _ in itertools.count()))
    clock = SimpleNamespace(monotonic=lambda: next(moments), sleep=time.sleep)  # the start, then what is there
    monkeypatch.setattr(watched, "time", clock)
    script = f"(trap '' INT; exec sleep 600) & echo $! > '{pid_file}.new'; mv '{pid_file}.new' '{pid_file}'; wait"
    status = run_watched(["/bin/sh", "-c", script], env=os.environ, on_line=print, timeout_seconds=100)
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
        ["/bin/sh", "-c", "trap 'echo told; exit 0' INT; echo up; sleep 600 & wait"],
        env=os.environ,
        on_line=hear,
        cancelled=cancelled,
        interrupt_seconds=60,
    )
    assert (status, lines) == (None, ["up", "told"])


def test_one_that_does_not_listen_is_killed(tmp_path: Path) -> None:
    cancelled = threading.Event()
    lines: list[str] = []

    def hear(line: str) -> None:
        lines.append(line)
        cancelled.set()

    status = run_watched(
        ["/bin/sh", "-c", "trap '' INT; echo $$; while :; do sleep 0.1; done"],
        env=os.environ,
        on_line=hear,
        cancelled=cancelled,
        interrupt_seconds=0.1,
    )
    assert status is None
    assert ended(int(lines[0]))


def test_an_error_of_the_listener_ends_it_and_is_raised() -> None:
    def refuse(line: str) -> None:
        raise BrokenPipeError(line)

    with pytest.raises(BrokenPipeError, match="up"):
        run_watched(["/bin/sh", "-c", "echo up; exec sleep 600"], env=os.environ, on_line=refuse, interrupt_seconds=0.1)


def test_names_the_process_while_it_runs(tmp_path: Path) -> None:
    pid_file = tmp_path / "run" / "one.pid"
    seen: list[bool] = []

    def hear(line: str) -> None:
        seen.append(processes.pid_of(pid_file) == int(line))
        (tmp_path / "seen").touch()

    run_watched(
        ["/bin/sh", "-c", f"echo $$; {until(tmp_path / 'seen')}"], env=os.environ, on_line=hear, pid_file=pid_file
    )
    assert seen == [True]
    assert not pid_file.exists()


def ended(pid: int) -> bool:
    """At once but for a busy machine; a zombie that nobody collects counts."""
    for _ in range(6000):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.01)
    return False
