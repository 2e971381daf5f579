"""A machine of stand-ins: folders of its own, and programs on PATH that record their words and answer as told."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.render import SCRIPTS, environment_of
from node.spec import NodeSpec

__all__ = ["Machine", "need"]


def need(program: str, package: str) -> str:
    """The program, or a skip that CI turns into a failure (tests/conftest.py)."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"no {program}: install {package} (scripts/apt-packages.sh)")
    return found


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the scripts run: `bin` comes before the real programs."""

    root: Path
    spec: NodeSpec
    node_id: str = "i-0123456789abcdef0"

    @property
    def weights(self) -> Path:
        return self.root / "weights"

    @property
    def snapshot(self) -> Path:
        """Folder of the staged weights."""
        return self.weights / self.spec.snapshot

    @property
    def run_folder(self) -> Path:
        return self.root / "run"

    @property
    def failed(self) -> str:
        """What the machine says it failed with; empty where it did not."""
        file = self.run_folder / "failed"
        return file.read_text() if file.exists() else ""

    def stand_in(self, program: str, body: str = "") -> None:
        """`program` as a shell script: first its words go to the record, then `body` answers."""
        file = self.root / "bin" / program
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f'#!/usr/bin/env bash\nprintf "%s\\0" {program} "$@" $\'\\n\' >>"$RECORD"\n{body}\n')
        file.chmod(file.stat().st_mode | stat.S_IXUSR)

    def calls(self, *start: str) -> list[list[str]]:
        """Words of every call so far that begins with `start`."""
        record = self.root / "record"
        text = record.read_text() if record.exists() else ""
        found = [call.split("\0") for call in text.split("\0\n\0") if call]
        return [call for call in found if call[: len(start)] == list(start)]

    def run(self, script: str, *arguments: str, **over: str) -> subprocess.CompletedProcess[str]:
        """One of the node's scripts, with the environment that its unit would give it."""
        return subprocess.run(
            [SCRIPTS / script, *arguments],
            env=self.environment(over),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def start(self, script: str, **over: str) -> subprocess.Popen[str]:
        """As `run`, without waiting."""
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([SCRIPTS / script], env=self.environment(over), text=True, **pipes)  # type: ignore[call-overload,no-any-return]

    def environment(self, over: Mapping[str, str]) -> dict[str, str]:
        """What the unit's EnvironmentFile= gives, and folders of this machine instead of the system's."""
        for folder in ("run", "lib", "etc", "bin"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        words = (*self.spec.engine_command, *self.spec.engine_arguments)
        (self.root / "etc/engine.args").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
        (self.root / "instance-id").write_text(f"{self.node_id}\n")
        return {
            **environment_of(self.spec),
            "PATH": f"{self.root / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin",
            "LANG": "C.UTF-8",
            "RECORD": str(self.root / "record"),
            "WEIGHTS": str(self.weights),
            "SEEKSTACK_RUN": str(self.run_folder),
            "SEEKSTACK_ETC": str(self.root / "etc"),
            "SEEKSTACK_LIB": str(self.root / "lib"),
            "INSTANCE_ID_FILE": str(self.root / "instance-id"),
            **over,
        }
