"""`seekstack demo` as a person runs it, and as a person stops it."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra.cli.demo_steps import Demo
from infra.errors import ToolError
from sandbox import fake_aws, kube, processes
from sandbox.demo_project import write_project
from sandbox.engine import Engine
from sandbox.environment import merged
from sandbox.kube_programs import ensure_program
from sandbox.lifecycle import engine_pid_file, prepare, status, take_down
from sandbox.paths import PROJECT_ROOT, SandboxHome, cache_root

DEMO_SECONDS = 480
STOP_SECONDS = 120
GONE_SECONDS = 30
"""Bounds for a machine with much else to do; a demo takes 20 s, its stop 3."""
HOSTILE = {
    "AWS_PROFILE": "production",
    "AWS_DEFAULTS_MODE": "nonsense",
    "HTTP_PROXY": "http://127.0.0.1:9",
    "http_proxy": "http://127.0.0.1:9",
    "PULUMI_BACKEND_URL": "s3://real",
}
"""A caller's own settings, which must not matter."""


@pytest.fixture
def home(engine: Engine, tmp_path: Path) -> Iterator[SandboxHome]:
    ensure_program(lambda _: None)
    home = SandboxHome(tmp_path / "a home 100% #1")
    yield home
    take_down(home)


@pytest.fixture
def at_work(tmp_path: Path) -> Iterator[int]:
    """The pid of a program called pulumi."""
    program = tmp_path / "pulumi"
    shutil.copy(shutil.which("sleep") or "/bin/sleep", program)
    process = subprocess.Popen([program, "6000"])
    yield process.pid
    process.kill()
    process.wait()


@contextmanager
def demo(home: SandboxHome, *flags: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.cli.main", "demo", "--home", str(home.root), *flags],
        env={**os.environ, **(variables or HOSTILE)},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout and not process.stdout.closed:
            process.stdout.close()


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Its output up to the line that matches."""
    assert process.stdout
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if re.search(pattern, line):
            return "".join(lines)
    raise AssertionError(f"the demo ended before {pattern!r}:\n{''.join(lines[-30:])}")


def rest(process: subprocess.Popen[str], seconds: float) -> str:
    return process.communicate(timeout=seconds)[0]


def left(home: SandboxHome) -> list[str]:
    """Command lines of processes that name the sandbox's folder and do not end by themselves in a moment."""
    processes.wait_until(lambda: not running(home), timeout_seconds=GONE_SECONDS)
    return running(home)


def running(home: SandboxHome) -> list[str]:
    """Zombies have no command line."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            line = (process / "cmdline").read_text().replace("\0", " ") if process.name.isdigit() else ""
        except OSError:
            continue
        if str(home.root) in line and int(process.name) != os.getpid():
            found.append(line[:200])
    return found


def test_the_whole_life_whatever_the_callers_account_sandbox_and_stacks_and_a_second_demo_is_refused(
    home: SandboxHome, tmp_path: Path
) -> None:
    """From a shell of another sandbox, in a folder where a person has a sandbox and a stack of their own."""
    other = SandboxHome(tmp_path / "other")
    prepare(other, lambda _: None)
    prepare(home, lambda _: None)
    own_cloud = fake_aws.start(home)
    project = write_project(PROJECT_ROOT, home.root / "p")
    argv = ["pulumi", "stack", "init", "mine", "--non-interactive"]
    subprocess.run(argv, cwd=project, env=merged(home), check=True, capture_output=True)

    with demo(home, **{**merged(other), **HOSTILE}) as first:
        told = read_until(first, r"\[4/9\] up")
        refused = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", "demo", "--home", str(home.root)],
            capture_output=True, text=True, check=False, timeout=DEMO_SECONDS,
        )  # fmt: skip
        told += rest(first, DEMO_SECONDS)
    assert first.returncode == 0, told[-3000:]
    assert "0 resources and 0 processes left" in told
    assert "becomes 0.0.0.0/0" in told
    assert re.search(r"\bupdate +network-intranet-0 +cidrIpv4 +0\.0\.0\.0/0", told)
    assert left(home.demo) == []

    assert refused.returncode == 1
    assert f"(pid {first.pid})" in refused.stderr
    assert "SKS0793" in refused.stderr

    assert "the vendor's aws plugin" not in told
    plugins = (home.demo.pulumi_home / "plugins").iterdir()
    assert not [plugin for plugin in plugins if plugin.is_symlink()]

    assert fake_aws.endpoint(home) == own_cloud
    assert status(home).stacks == ["seekstack/mine"]


@pytest.mark.parametrize(
    ("numbers", "code"),
    [((signal.SIGINT, signal.SIGINT), 8), ((signal.SIGTERM,), 143), ((signal.SIGHUP,), 129)],
    ids=["ctrl-c-twice", "sigterm", "terminal-closed"],
)
def test_a_demo_that_is_stopped_leaves_nothing_running(
    home: SandboxHome, numbers: tuple[signal.Signals, ...], code: int
) -> None:
    with demo(home) as stopped:
        read_until(stopped, r"aws:ec2:Vpc network-vpc created")  # the cluster is coming up beside it
        for number in numbers:
            os.killpg(stopped.pid, number)
            time.sleep(0.3)
        told = rest(stopped, STOP_SECONDS)
    assert stopped.returncode == code, told
    assert "stopping" in told
    assert "Traceback" not in told
    assert left(home) == []


def test_a_demo_whose_reader_left_leaves_nothing_running(home: SandboxHome) -> None:
    """`make demo | head -3`."""
    with demo(home) as lonely:
        read_until(lonely, r"\[4/9\] up")
        assert lonely.stdout
        lonely.stdout.close()
        assert lonely.wait(timeout=STOP_SECONDS) != 0
    assert left(home) == []


def test_a_demo_whose_terminal_was_closed_leaves_nothing_running(home: SandboxHome) -> None:
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "infra.cli.main", "demo", "--home", str(home.root)],
        env={**os.environ, **HOSTILE}, stdin=slave, stdout=slave, stderr=slave, start_new_session=True,
    )  # fmt: skip
    os.close(slave)
    seen = b""
    while b"[4/9] up" not in seen:
        seen += os.read(master, 65536)
    os.close(master)
    try:
        process.wait(timeout=STOP_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert left(home) == []


def test_after_a_kill_the_next_demo_ends_the_orphans_and_starts_from_nothing_also_without_output(
    home: SandboxHome,
) -> None:
    """`seekstack demo >&-`: no file that the demo opens may take the place of stdout."""
    with demo(home, "--keep") as killed:
        read_until(killed, r"aws:ec2:Vpc network-vpc created")
        killed.send_signal(signal.SIGKILL)
    orphan = processes.pid_of(engine_pid_file(home.demo, "dev"))
    command = f'"{sys.executable}" -m infra.cli.main demo --home "$1" >&-'
    done = subprocess.run(
        ["sh", "-c", command, "sh", str(home.root)],
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=DEMO_SECONDS,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert orphan is None or not processes.lives(orphan)
    assert left(home) == []


def test_a_disk_without_room_is_refused_at_once(home: SandboxHome, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("infra.cli.demo_steps.CLUSTER_MIB", 1 << 40)
    with pytest.raises(ToolError, match="MiB free"):
        Demo(home, model=None, keeps=False, with_kubernetes=True).run()
    assert left(home) == []


def test_a_kept_demo_is_left_alone_beside_an_engine_at_work_says_how_to_go_on_and_the_lines_work(
    home: SandboxHome, at_work: int
) -> None:
    with demo(home, "--keep", "--no-kubernetes") as kept:
        told = rest(kept, DEMO_SECONDS)
    assert kept.returncode == 0, told[-3000:]

    file = home.demo.project / "Pulumi.dev.yaml"
    file.write_text(file.read_text() + "# mine\n")
    locks = home.demo.state / ".pulumi" / "locks" / "organization" / "seekstack" / "dev"
    lock = locks / "0.json"
    lock.write_text(json.dumps({"pid": at_work, "hostname": socket.gethostname(), "timestamp": "now"}))
    with demo(home, "--no-kubernetes") as second:
        refused = rest(second, DEMO_SECONDS)
    assert second.returncode == 1
    assert "SKS0781" in refused
    assert fake_aws.endpoint(home.demo)
    assert file.read_text().endswith("# mine\n")
    lock.unlink()

    lines = [line.strip() for line in told.partition("keep ")[2].splitlines()[1:]]
    script = "\n".join(["set -eu", *lines, "echo went well"])
    bare = {"PATH": os.environ["PATH"], "HOME": str(home.root), "SEEKSTACK_CACHE": str(cache_root())}
    done = subprocess.run(
        ["bash", "-c", script], env=bare, capture_output=True, text=True, check=False, timeout=DEMO_SECONDS
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "unchanged" in done.stdout
    assert "went well" in done.stdout
    assert fake_aws.endpoint(home.demo) is None
    assert not any(kube.status(home.demo).values())
