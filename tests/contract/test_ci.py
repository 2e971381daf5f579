""".ci/run: the last line is pytest's, the exit status is that of the tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.contract.support_source import ROOT

CLOSING = "=========== 3 failed, 2 passed in 125.31s (0:02:05) ==========="


def run_ci(folder: Path, recipe: str) -> subprocess.CompletedProcess[str]:
    """.ci/run beside a Makefile whose `test` is `recipe`, and a script for packages that does nothing."""
    for name in (".ci/run", "scripts/apt-packages.sh"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    (folder / "scripts/apt-packages.sh").write_text("#!/bin/sh\n")
    (folder / "Makefile").write_text(f"test:\n\t@{recipe}\n")
    return subprocess.run(
        [folder / ".ci/run"], capture_output=True, text=True, check=False, env={**os.environ, "CI": ""}
    )


def test_ends_with_pytests_closing_line_and_passes(tmp_path: Path) -> None:
    done = run_ci(tmp_path, f"echo CI=$$CI; echo '{CLOSING}'")
    assert done.returncode == 0
    assert done.stdout.splitlines() == ["CI=true", CLOSING]


@pytest.mark.parametrize("noise", ["", "; echo after"])
def test_ends_with_pytests_closing_line_and_fails_when_tests_fail(tmp_path: Path, noise: str) -> None:
    done = run_ci(tmp_path, f"echo '{CLOSING}'{noise}; exit 1")
    assert done.returncode != 0
    assert done.stdout.splitlines()[-1] == CLOSING


def test_fails_when_there_is_no_closing_line(tmp_path: Path) -> None:
    assert run_ci(tmp_path, "exit 3").returncode != 0
