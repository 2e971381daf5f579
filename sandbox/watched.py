"""Child processes a person waits for: each line heard, a word now and then, and nothing left afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from sandbox import processes

__all__ = ["run_watched"]

POLL_SECONDS = 0.02
INTERRUPT_SECONDS = 5.0

Line = Callable[[str], None]


def run_watched(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    on_line: Line,
    on_error_line: Line | None = None,
    on_wait: Callable[[float], None] = lambda _: None,
    every_seconds: float = 60,
    timeout_seconds: float | None = None,
    interrupt_seconds: float = INTERRUPT_SECONDS,
    cancelled: threading.Event | None = None,
    pid_file: Path | None = None,
    cwd: Path | None = None,
) -> int | None:
    """The exit status of `argv`, or None where it was ended after `timeout_seconds` or because of `cancelled`.

    `on_line` hears stdout, and stderr too where `on_error_line` is not given; `on_wait` hears the seconds so far every
    `every_seconds`. `pid_file` names the process while it runs, so that a later run can end it if this one is killed.
    However this call ends, Ctrl-C included, the process group of `argv` has ended: it gets SIGINT, and SIGKILL
    `interrupt_seconds` later. Raises what `on_line` raised.
    """
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE if on_error_line else subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    if pid_file:
        processes.record(process.pid, pid_file, argv)
    readers = [_Reader(process.stdout, on_line), *([_Reader(process.stderr, on_error_line)] if on_error_line else [])]
    try:
        ended = _wait(process, readers, on_wait, every_seconds, timeout_seconds, cancelled)
    finally:
        _end_group(process, interrupt_seconds)
        for reader in readers:
            reader.finish()
        if pid_file:
            pid_file.unlink(missing_ok=True)
    for reader in readers:
        if reader.error:
            raise reader.error
    return process.returncode if ended else None


class _Reader(threading.Thread):
    """Passes on the lines of one stream; keeps the first error of its listener for the thread that waits."""

    def __init__(self, stream: IO[str] | None, on_line: Line) -> None:
        super().__init__(daemon=True)
        assert stream is not None  # noqa: S101 PIPE was asked for
        self._stream = stream
        self._on_line = on_line
        self.error: Exception | None = None
        self.start()

    def run(self) -> None:
        try:
            for line in self._stream:
                self._on_line(line.rstrip())
        except Exception as error:  # noqa: BLE001 raised again by run_watched
            self.error = error

    def finish(self) -> None:
        self.join(timeout=INTERRUPT_SECONDS)
        if not self.is_alive():
            self._stream.close()


def _wait(
    process: subprocess.Popen[str],
    readers: Sequence[_Reader],
    on_wait: Callable[[float], None],
    every_seconds: float,
    timeout_seconds: float | None,
    cancelled: threading.Event | None,
) -> bool:
    """Whether the process ended by itself."""
    started = time.monotonic()
    next_line = every_seconds
    while process.poll() is None:
        seconds = time.monotonic() - started
        if timeout_seconds is not None and seconds >= timeout_seconds:
            return False
        if (cancelled and cancelled.is_set()) or any(reader.error for reader in readers):
            return False
        if seconds >= next_line:
            on_wait(seconds)
            next_line += every_seconds
        time.sleep(POLL_SECONDS)
    return True


def _end_group(process: subprocess.Popen[str], interrupt_seconds: float) -> None:
    """End the whole group: first as Ctrl-C would, which lets it clear up, then for certain."""
    try:
        if process.poll() is None:
            _signal_group(process.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(interrupt_seconds)
    finally:
        _signal_group(process.pid, signal.SIGKILL)  # its children too, where they outlive it
        process.wait()


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # PermissionError: macOS says so of a group of zombies
        return
