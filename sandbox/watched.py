"""Long child processes a person waits for: each line heard, a word now and then, and nothing left afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

__all__ = ["run_watched"]

POLL_SECONDS = 0.05
INTERRUPT_SECONDS = 5.0


def run_watched(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    on_line: Callable[[str], None],
    on_wait: Callable[[float], None],
    every_seconds: float,
    timeout_seconds: float | None = None,
    cwd: Path | None = None,
) -> int | None:
    """The exit status of `argv`, or None where it was ended after `timeout_seconds`.

    `on_line` hears stdout and stderr together, `on_wait` the seconds so far every `every_seconds`. However this call
    ends, Ctrl-C included, the process group of `argv` has ended.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 PIPE was asked for
    reader = threading.Thread(target=_read, args=(process.stdout, on_line), daemon=True)
    reader.start()
    try:
        ended = _wait(process, on_wait, every_seconds, timeout_seconds)
    finally:
        _end_group(process)
        reader.join(timeout=INTERRUPT_SECONDS)
        process.stdout.close()
    return process.returncode if ended else None


def _wait(
    process: subprocess.Popen[str],
    on_wait: Callable[[float], None],
    every_seconds: float,
    timeout_seconds: float | None,
) -> bool:
    started = time.monotonic()
    next_line = every_seconds
    while process.poll() is None:
        seconds = time.monotonic() - started
        if timeout_seconds is not None and seconds >= timeout_seconds:
            return False
        if seconds >= next_line:
            on_wait(seconds)
            next_line += every_seconds
        time.sleep(POLL_SECONDS)
    return True


def _read(stream: IO[str], on_line: Callable[[str], None]) -> None:
    for line in stream:
        on_line(line.rstrip())


def _end_group(process: subprocess.Popen[str]) -> None:
    """End the whole group: first as Ctrl-C would, which lets it clear up, then for certain."""
    if process.poll() is None:
        _signal_group(process.pid, signal.SIGINT)
        try:
            process.wait(INTERRUPT_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
    _signal_group(process.pid, signal.SIGKILL)  # children that outlive their leader


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # PermissionError: macOS says so of a group of zombies
        return
