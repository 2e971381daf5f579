"""A tiny project of components only, driven by literal `pulumi` commands on the real engine."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sandbox.environment import merged
from sandbox.paths import SandboxHome

PREAMBLE = """\
import pulumi

class Part(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("test:index:Part", name)
        self.register_outputs({})

config = pulumi.Config()
"""
COMMAND_SECONDS = 300


@dataclass(frozen=True)
class TinyProject:
    """Stack `dev` of a project whose program is `infra/`, as in this repository."""

    folder: Path
    home: SandboxHome

    @property
    def main(self) -> Path:
        return self.folder / "infra" / "__main__.py"

    @property
    def environment(self) -> dict[str, str]:
        return merged(self.home)

    def write(self, program: str, *, options: str = "", **siblings: str) -> None:
        """The program after the preamble (which has class Part and `config`), and modules beside it."""
        runtime = f"\n  name: python\n  options: {options}" if options else " python"
        (self.folder / "Pulumi.yaml").write_text(f"name: tiny\nmain: infra\nruntime:{runtime}\n")
        self.main.parent.mkdir(exist_ok=True)
        self.main.write_text(f"{PREAMBLE}{program}\n")
        for name, text in siblings.items():
            (self.main.parent / f"{name}.py").write_text(text)

    def pulumi(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One command as typed, stack `dev` selected; stdout and stderr apart."""
        return subprocess.run(
            ("pulumi", *arguments, "--stack", "dev", "--non-interactive", "--color", "never"),
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False,
        )  # fmt: skip

    def up(self) -> subprocess.CompletedProcess[str]:
        """`pulumi up --yes`, without the preview, which the tests of errors do not need twice."""
        return self.pulumi("up", "--yes", "--skip-preview", "--suppress-progress")

    def start_up(self) -> subprocess.Popen[str]:
        """`pulumi up` that goes on while the test does something to it, in a process group of its own as in a shell."""
        return subprocess.Popen(
            ("pulumi", "up", "--yes", "--skip-preview", "--stack", "dev", "--non-interactive", "--color", "never"),
            cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
