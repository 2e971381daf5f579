"""The engine for every e2e test, and a tiny project in a sandbox of its own."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from infra.errors import ToolError
from sandbox.engine import Engine, ensure_engine
from sandbox.launchers import write_launchers
from sandbox.paths import SandboxHome
from tests.e2e.support_tiny import COMMAND_SECONDS, TinyProject


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine of this machine; what cannot be had skips, and in CI fails."""
    try:
        return ensure_engine(lambda _: None)
    except ToolError as error:
        pytest.skip(str(error))


@pytest.fixture
def project(engine: Engine, tmp_path: Path) -> TinyProject:
    """An empty stack `dev`; the folder has a space in its name."""
    folder = tmp_path / "a project"
    folder.mkdir()
    home = SandboxHome(tmp_path / "a home")
    write_launchers(home, engine)
    made = TinyProject(folder, home)
    made.write("")
    subprocess.run(
        ("pulumi", "stack", "init", "dev", "--non-interactive"),
        cwd=folder, env=made.environment, check=True, capture_output=True, timeout=COMMAND_SECONDS,
    )  # fmt: skip
    return made
