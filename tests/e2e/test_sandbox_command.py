"""`eval "$(seekstack sandbox env)"` in a shell, and `sandbox down` after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import fake_aws, processes
from sandbox.engine import Engine
from sandbox.paths import PROJECT_ROOT, SandboxHome

SEEKSTACK = f'"{sys.executable}" -m infra.cli.main sandbox'


@pytest.fixture
def home(engine: Engine, tmp_path: Path) -> Iterator[SandboxHome]:
    home = SandboxHome(tmp_path / "a home")
    yield home
    fake_aws.stop(home)


def shell(home: SandboxHome, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ("sh", "-euc", script), cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300, check=True,
        env={**os.environ, "SEEKSTACK_HOME": str(home.root), "AWS_PROFILE": "production", "AWS_ROLE_ARN": "real"},
    )  # fmt: skip


def test_a_shell_gets_engine_fake_aws_and_nothing_of_a_real_account(home: SandboxHome, engine: Engine) -> None:
    done = shell(
        home,
        f'eval "$({SEEKSTACK} env)"; pulumi version; pulumi whoami --non-interactive >/dev/null; '
        'echo "$AWS_ENDPOINT_URL"; echo "$AWS_PROFILE"; echo "${AWS_ROLE_ARN-unset}"',
    )
    version, endpoint, *account = done.stdout.splitlines()
    assert version.removeprefix("v") == engine.version
    assert endpoint == fake_aws.endpoint(home)
    assert account == ["default", "unset"]
    assert f"sandbox: pulumi {engine.version} ({engine.origin})" in done.stderr


def test_down_leaves_no_process_and_no_file_behind(home: SandboxHome) -> None:
    done = shell(home, f"{SEEKSTACK} up; {SEEKSTACK} status --json")
    assert json.loads(done.stdout)["fake_aws"] == fake_aws.endpoint(home)
    pids = [pid for file in home.run.iterdir() if (pid := processes.pid_of(file))]
    assert pids
    shell(home, f"{SEEKSTACK} down --purge")
    assert [pid for pid in pids if runs(pid)] == []
    assert not home.root.exists()


def runs(pid: int) -> bool:
    """A zombie does not: its parent ended before it, and a container may have nobody who collects it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
