"""Killing a part of a running `pulumi` for certain, and counting what that left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sandbox import fake_aws
from sandbox.pulumi_run import PulumiStack

VICTIMS = {"engine": None, "program": "language_program.py", "plugin": "sandbox.aws_provider"}
FINISH_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Kill:
    """One interrupted run: whom it hit, when, and whether the command was still running then."""

    command: str
    victim: str
    after_seconds: float
    was_hit: bool


def run_and_kill(stack: PulumiStack, command: str, victim: str, after_seconds: float) -> Kill:
    """Start `pulumi <command>`, kill -9 `victim` after `after_seconds`, and wait until every part of it is gone."""
    engine = subprocess.Popen(
        ("pulumi", command, "--yes", "--skip-preview", "--stack", stack.stack, "--non-interactive"),
        cwd=stack.folder,
        env=dict(stack.environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    started, was_hit = time.monotonic(), False
    parts: set[int] = set()
    try:
        while engine.poll() is None and not was_hit:
            parts |= set(_descendants(engine.pid))
            if time.monotonic() - started >= after_seconds:
                was_hit = _kill(engine, VICTIMS[victim], parts)
            time.sleep(0.005)
        parts |= set(_descendants(engine.pid))
        engine.wait(timeout=FINISH_SECONDS)
    finally:  # a lock of an engine at work would fail each test after this one
        engine.kill()
        engine.wait()
    _wait_for_end(parts)
    return Kill(command, victim, after_seconds, was_hit)


def orphans(stack: PulumiStack, endpoint: str) -> dict[str, list[str]]:
    """What exists in the fake AWS and is not recorded in state, by type."""
    recorded: set[str] = set()
    for resource in stack.resources():
        outputs = resource.get("outputs", {})
        # Ids of attachments and routes are checksums in Pulumi; AWS has none, so the census names them by their ends.
        recorded |= {str(resource.get("id")), f"{outputs.get('volumeId')}:{outputs.get('instanceId')}"}
        recorded |= {f"{outputs.get('routeTableId')}~{outputs.get('destinationCidrBlock')}"}
    found = {kind: [one for one in ids if one not in recorded] for kind, ids in fake_aws.existing(endpoint).items()}
    return {kind: ids for kind, ids in found.items() if ids}


def _kill(engine: subprocess.Popen[bytes], module: str | None, parts: set[int]) -> bool:
    if module is None:
        engine.kill()
        return True
    hit = [pid for pid in parts if module in _command_line(pid)]
    for pid in hit:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(hit)


def _descendants(pid: int) -> Iterator[int]:
    for children in _children_of_threads(pid):
        for child in children:
            yield int(child)
            yield from _descendants(int(child))


def _children_of_threads(pid: int) -> list[list[str]]:
    """Empty for a process that ends meanwhile: then its folder goes while it is listed."""
    found = []
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                found.append((task / "children").read_text().split())
    return found


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _wait_for_end(parts: set[int]) -> None:
    """A plugin that outlives its engine would still be writing while the next run starts; it must leave by itself."""
    deadline = time.monotonic() + FINISH_SECONDS
    while alive := [pid for pid in parts if _command_line(pid)]:
        if time.monotonic() > deadline:
            raise AssertionError(f"still running after the engine ended: {[_command_line(pid) for pid in alive]}")
        time.sleep(0.02)
