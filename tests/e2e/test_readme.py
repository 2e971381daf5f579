"""README's `sh run` blocks, typed in order into one shell, in a copy of the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.contract.support_docs import blocks
from tests.contract.support_files import committed_files, text_of
from tests.contract.support_source import ROOT


def script(markdown: str) -> str:
    """The blocks as one bash script that stops at the first failure and says which block it was in."""
    parts = ["set -euo pipefail"]
    for block in blocks(markdown):
        if block.info == "sh run":
            parts += [f"echo '== README.md:{block.line}'", block.text]
    return "\n".join(parts)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Every file that is or will be committed, in a folder with a space in its name."""
    copy = tmp_path / "a checkout"
    for name in committed_files():
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture
def environment(checkout: Path) -> Iterator[Mapping[str, str]]:
    """The copy's own code and sandbox, with the commands of this environment; the sandbox is taken down at the end."""
    commands = Path(sys.executable).parent
    variables = {
        **os.environ,
        "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(checkout),
        "SEEKSTACK_HOME": str(checkout / ".seekstack"),
    }
    yield variables
    subprocess.run([commands / "seekstack", "sandbox", "down"], cwd=checkout, env=variables, check=False)


def test_every_block_of_the_readme_runs(checkout: Path, environment: Mapping[str, str]) -> None:
    done = subprocess.run(
        ["bash", "-c", script(text_of("README.md"))],
        cwd=checkout,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:]
    assert list((checkout / "manifests").glob("*.yaml"))
    assert (checkout / "plan.json").stat().st_size > 0


def test_a_failing_block_fails_the_script() -> None:
    done = subprocess.run(["bash", "-c", script("```sh run\nfalse\ntrue\n```\n")], capture_output=True, check=False)
    assert done.returncode == 1
