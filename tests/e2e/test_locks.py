"""The lock of a stack: one left by a dead engine is cleared, one of an engine at work is not."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.errors import ToolError
from sandbox import processes
from sandbox.lifecycle import prepare
from sandbox.pulumi_run import PulumiStack
from tests.e2e.support_tiny import TinyProject


def stack_of(project: TinyProject, pid_file: Path | None = None) -> PulumiStack:
    return PulumiStack(project.folder, "dev", project.environment, pid_file=pid_file)


def lock(project: TinyProject, pid: int, *, host: str | None = None) -> Path:
    """As the engine writes it (pkg/backend/diy/lock.go)."""
    locks = project.home.state / ".pulumi" / "locks" / "organization" / "tiny" / "dev"
    locks.mkdir(parents=True, exist_ok=True)
    file = locks / "0.json"
    held = {"pid": pid, "username": "me", "hostname": host or socket.gethostname(), "timestamp": "2026-11-24T12:00:00Z"}
    file.write_text(json.dumps(held))
    return file


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[int]:
    """The pid of a program called pulumi."""
    program = tmp_path / "pulumi"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "600"])
    yield process.pid
    process.kill()
    process.wait()


def test_the_lock_of_an_engine_at_work_is_not_taken(project: TinyProject, at_work: int) -> None:
    file = lock(project, at_work)
    with pytest.raises(ToolError, match=f"pid {at_work}") as caught:
        stack_of(project).initialise()
    assert caught.value.code == "SKS0781"
    assert file.exists()


@pytest.mark.parametrize("host", [None, "another-machine"])
def test_the_lock_of_an_engine_that_is_gone_is_cleared(project: TinyProject, host: str | None) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    file = lock(project, ended.pid, host=host)
    stack_of(project).initialise()
    assert not file.exists()


def test_a_number_that_another_program_has_now_is_no_engine(project: TinyProject) -> None:
    file = lock(project, os.getpid())
    stack_of(project).initialise()
    assert not file.exists()


def test_an_engine_that_outlived_its_caller_is_ended(project: TinyProject) -> None:
    pid_file = project.home.run / "pulumi-dev.pid"
    processes.spawn(
        [sys.executable, "-c", "import time; time.sleep(600)"], pid_file=pid_file, log_file=project.home.logs / "x.log"
    )
    pid = processes.pid_of(pid_file)
    file = lock(project, pid or 0)
    stack_of(project, pid_file).initialise()
    assert not processes.lives(pid or 0)
    assert not file.exists()


def test_a_state_that_a_kill_left_with_an_empty_sidecar_is_readable_again(project: TinyProject) -> None:
    state = project.home.state / ".pulumi" / "stacks" / "tiny"
    assert [file.name for file in state.iterdir() if file.suffix == ".attrs"] == []  # none is written any more
    (state / "dev.json.attrs").touch()
    assert "EOF" in project.pulumi("stack", "export").stderr
    prepare(project.home, lambda _: None)
    assert project.pulumi("stack", "export").returncode == 0
