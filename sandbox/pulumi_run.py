"""Literal `pulumi` commands for one stack, with their outcome as data."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from infra.errors import ToolError
from sandbox import processes
from sandbox.watched import run_watched

__all__ = ["Change", "Finished", "Preview", "PulumiStack", "refuse_live_lock"]

Line = Callable[[str], None]
SUMMARY = re.compile(r"^\s*[-+~±]*\s*(\d+) (created|updated|replaced|deleted|unchanged|changes?)\b")
INTERRUPT_SECONDS = 15
QUIET = ("same", "read", "refresh")
STEPS_OF_A_REPLACEMENT = ("create-replacement", "delete-replaced")


@dataclass(frozen=True, slots=True)
class Finished:
    """One command that ended well: what it printed, how long it took, and the counts of its summary."""

    output: str
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """Resources by what happened to them: created, updated, replaced, deleted, unchanged."""
        found = (SUMMARY.match(line) for line in self.output.splitlines())
        return {match[2]: int(match[1]) for match in found if match}


@dataclass(frozen=True, slots=True)
class Change:
    """One resource that a preview would touch."""

    operation: str
    """create, update, replace or delete."""
    urn: str
    properties: tuple[str, ...]
    """Paths of the properties that differ."""
    old_inputs: Mapping[str, Any]
    new_inputs: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Logical name, the last part of the URN."""
        return self.urn.rpartition("::")[2]


@dataclass(frozen=True, slots=True)
class Preview:
    """What `pulumi preview --json` found."""

    changes: tuple[Change, ...]
    unchanged: int
    seconds: float

    @property
    def counts(self) -> dict[str, int]:
        """Changes by operation."""
        return dict(Counter(change.operation for change in self.changes))


@dataclass(frozen=True, slots=True)
class PulumiStack:
    """One stack of one project folder, under one environment."""

    folder: Path
    stack: str
    environment: Mapping[str, str]
    pid_file: Path | None = None
    """Names the engine while it runs: one that outlived its caller is ended by the next `initialise`."""
    cancelled: threading.Event | None = None
    """Ends the command that runs, from another thread."""

    def initialise(self) -> None:
        """Create the stack where it is not there yet, and clear the lock of a run that was killed.

        Raises ToolError where the lock belongs to an engine that is at work.
        """
        if self.pid_file:
            processes.stop(self.pid_file, timeout_seconds=INTERRUPT_SECONDS)
        done = self._run(("stack", "init", self.stack, "--non-interactive"), check=False)
        if done.returncode == 0:
            return
        self._refuse_live_lock()
        self._run(("cancel", "--yes", "--stack", self.stack), check=False)
        # A lock can outlive its stack (killed in `stack rm`): then there is one to create now.
        done = self._run(("stack", "init", self.stack, "--non-interactive"), check=False)
        if done.returncode and "already exists" not in done.stderr:
            raise _failed("stack init", done)

    def up(self, on_line: Line | None = None) -> Finished:
        """`pulumi up` without a preview first."""
        return self._stream(("up", "--yes", "--skip-preview", "--suppress-progress", "--suppress-outputs"), on_line)

    def destroy(self, on_line: Line | None = None) -> Finished:
        """`pulumi destroy` without a preview first."""
        return self._stream(("destroy", "--yes", "--skip-preview", "--suppress-progress"), on_line)

    def preview(self, *flags: str) -> Preview:
        """`pulumi preview --json`."""
        started = time.monotonic()
        done = self._run(("preview", "--json", "--stack", self.stack, "--non-interactive", *flags))
        digest = json.loads(done.stdout)
        steps = digest.get("steps", [])
        return Preview(
            changes=tuple(_change(step) for step in steps if step["op"] not in (*QUIET, *STEPS_OF_A_REPLACEMENT)),
            unchanged=digest.get("changeSummary", {}).get("same", 0),
            seconds=time.monotonic() - started,
        )

    def outputs(self) -> dict[str, Any]:
        """`pulumi stack output --json`."""
        found: dict[str, Any] = json.loads(self._run(("stack", "output", "--json", "--stack", self.stack)).stdout)
        return found

    def resources(self) -> list[dict[str, Any]]:
        """The resources recorded in state, the stack itself left out."""
        exported = json.loads(self._run(("stack", "export", "--stack", self.stack)).stdout)
        recorded = exported["deployment"].get("resources", [])
        return [entry for entry in recorded if entry["type"] != "pulumi:pulumi:Stack"]

    def remove(self, *, force: bool = False) -> None:
        """Forget the stack; its configuration file stays. `force` forgets recorded resources with it."""
        flags = ("--force",) if force else ()
        self._run(("stack", "rm", "--yes", "--preserve-config", *flags, self.stack))

    def _refuse_live_lock(self) -> None:
        backend = urlsplit(self.environment.get("PULUMI_BACKEND_URL", ""))
        if backend.scheme == "file":
            refuse_live_lock(Path(unquote(backend.path)), self.stack)

    def _run(self, arguments: tuple[str, ...], *, check: bool = True) -> subprocess.CompletedProcess[str]:
        lines: list[str] = []
        errors: list[str] = []
        done = self._call(arguments, lines.append, errors.append)
        done.stdout, done.stderr = "\n".join(lines), "\n".join(errors)
        if check and done.returncode:
            raise _failed(arguments[0], done)
        return done

    def _stream(self, arguments: tuple[str, ...], on_line: Line | None) -> Finished:
        started = time.monotonic()
        lines: list[str] = []

        def hear(line: str) -> None:
            lines.append(line)
            if on_line:
                on_line(line)

        done = self._call((*arguments, "--stack", self.stack, "--non-interactive", "--color", "never"), hear, None)
        done.stdout = "\n".join(lines)
        if done.returncode:
            raise _failed(arguments[0], done)
        return Finished(done.stdout, time.monotonic() - started)

    def _call(
        self, arguments: tuple[str, ...], on_line: Line, on_error_line: Line | None
    ) -> subprocess.CompletedProcess[str]:
        """Ctrl-C and `cancelled` let the engine write its state before it ends."""
        status = run_watched(
            ("pulumi", *arguments),
            cwd=self.folder,
            env=self.environment,
            on_line=on_line,
            on_error_line=on_error_line,
            interrupt_seconds=INTERRUPT_SECONDS,
            cancelled=self.cancelled,
            pid_file=self.pid_file,
        )
        if status is None:
            raise ToolError(f"pulumi {arguments[0]} was cancelled", code="SKS0780", fix="run it again")
        return subprocess.CompletedProcess(arguments, status, "", "")


def refuse_live_lock(state: Path, stack: str) -> None:
    """Raise ToolError where an engine is at work on `stack` of the file backend in `state`.

    `pulumi cancel` would take the lock from it, and two would write one state.
    """
    for file in sorted((state / ".pulumi" / "locks").glob(f"**/{stack}/*.json")):
        lock = _read_lock(file)
        if lock and lock.get("hostname") == socket.gethostname() and processes.lives(int(lock.get("pid", 0)), "pulumi"):
            raise ToolError(
                f"another pulumi (pid {lock['pid']}) has been at work on the stack {stack} since "
                f"{lock.get('timestamp')}",
                code="SKS0781",
                key=stack,
                value=lock["pid"],
                fix=f"wait until it is done, or end it (kill {lock['pid']}), then run this again",
            )


def _change(step: Mapping[str, Any]) -> Change:
    old, new = step.get("oldState") or {}, step.get("newState") or {}
    paths = sorted(step.get("detailedDiff") or ()) or step.get("diffReasons") or step.get("replaceReasons") or ()
    return Change(step["op"], step["urn"], tuple(paths), old.get("inputs") or {}, new.get("inputs") or {})


def _read_lock(file: Path) -> dict[str, Any] | None:
    """{pid, username, hostname, timestamp} (pkg/backend/diy/lock.go); None where it went meanwhile."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _failed(command: str, done: subprocess.CompletedProcess[str]) -> ToolError:
    tail = "\n".join(f"{done.stdout}\n{done.stderr}".strip().splitlines()[-25:])
    ended = (
        f"was ended from outside (signal {-done.returncode}; `sandbox down` does so)"
        if done.returncode < 0
        else f"ended with exit code {done.returncode}"
    )
    return ToolError(
        f"pulumi {command} {ended}:\n{tail}",
        code="SKS0780",
        fix="read the lines above; then run it again, or look with: seekstack sandbox status",
    )
