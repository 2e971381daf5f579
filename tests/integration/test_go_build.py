"""A real compiler builds a real program from a committed module, stamped and static."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.go_build import GoProgram, build

MAIN = """package main

var version = "none"

func main() { println(version) }
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GoProgram:
    if shutil.which("go") is None:
        pytest.skip("go is not on PATH")
    monkeypatch.setenv("SEEKSTACK_CACHE", str(tmp_path / "cache"))
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.com/hello\n\ngo 1.21\n")
    (module / "go.sum").touch()
    (module / "main.go").write_text(MAIN)
    return GoProgram("hello", "1.0.0", module, (".",), ldflags="-s -w -X main.version=1.0.0")


def test_the_built_program_says_the_version_that_was_stamped(program: GoProgram) -> None:
    (hello,) = build(program, lambda _: None).values()
    assert subprocess.run([hello], capture_output=True, text=True, check=True).stderr == "1.0.0\n"
    assert str(program.module).encode() not in hello.read_bytes()
