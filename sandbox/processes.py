"""Daemons of the sandbox: started detached with a pid file, found again by a later run, stopped for certain."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

__all__ = ["is_running", "lives", "pid_of", "record", "spawn", "stop", "wait_until"]

POLL_SECONDS = 0.02

_children: dict[int, subprocess.Popen[bytes]] = {}
"""Daemons that this very process started: their exit status is ours to collect."""


def spawn(argv: Sequence[str], *, pid_file: Path, log_file: Path, env: Mapping[str, str] | None = None) -> int:
    """Start `argv` in a session of its own, its output appended to `log_file`; returns and records the pid.

    The record holds the process's start time too, so a pid that the system gave to somebody else is not ours.
    """
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=None if env is None else dict(env),
        )
    _children[process.pid] = process
    record(process.pid, pid_file, argv)
    return process.pid


def record(pid: int, pid_file: Path, argv: Sequence[str]) -> None:
    """Write down that `pid` runs `argv`, with its start time, for `pid_of` and `stop`."""
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    temporary = pid_file.with_name(f"{pid_file.name}.new")
    temporary.write_text(json.dumps({"pid": pid, "started": _start_time(pid), "argv": list(argv)}))
    temporary.replace(pid_file)


def pid_of(pid_file: Path) -> int | None:
    """The pid of the running process recorded in `pid_file`; None where it ended or was never started."""
    try:
        record = json.loads(pid_file.read_text())
        pid, started = int(record["pid"]), record["started"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    _reap(pid)
    return pid if started is not None and _start_time(pid) == started else None


def lives(pid: int, program: str | None = None) -> bool:
    """Whether a process of that number runs, with `program` one of that name: numbers are given again."""
    return _start_time(pid) is not None and (program is None or _name(pid) == program)


def is_running(pid_file: Path) -> bool:
    """Whether the process recorded in `pid_file` runs."""
    return pid_of(pid_file) is not None


def stop(pid_file: Path, *, timeout_seconds: float = 10) -> bool:
    """Ask the recorded process group to end, kill it after `timeout_seconds`; returns whether there was one."""
    pid = pid_of(pid_file)
    if pid is None:
        pid_file.unlink(missing_ok=True)
        return False
    _signal_group(pid, signal.SIGTERM)
    if not wait_until(lambda: not is_running(pid_file), timeout_seconds=timeout_seconds):
        _signal_group(pid, signal.SIGKILL)
        wait_until(lambda: not is_running(pid_file), timeout_seconds=timeout_seconds)
    pid_file.unlink(missing_ok=True)
    return True


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float) -> bool:
    """Poll `condition` until it holds; False after `timeout_seconds`."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _signal_group(pid: int, number: signal.Signals) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Collect our own ended child, so that it does not count as running while a zombie."""
    child = _children.get(pid)
    if child is not None and child.poll() is not None:
        del _children[pid]


def _name(pid: int) -> str:
    """The file name of the program that `pid` runs, as far as the system keeps it (15 letters on Linux)."""
    comm = Path(f"/proc/{pid}/comm")
    if Path("/proc/self/comm").exists():
        try:
            return comm.read_text().strip()
        except OSError:
            return ""
    found = subprocess.run(["ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return Path(found.stdout.strip()).name


def _start_time(pid: int) -> str | None:
    """When the kernel started `pid`, as text that only has to compare equal; None for an ended process or a zombie."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] == "Z" else fields[19]
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip() or None
