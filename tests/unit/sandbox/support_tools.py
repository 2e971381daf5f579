"""Stand-ins for programs found on a machine: small shell scripts on a PATH of their own."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

FAKE_GO = """#!/bin/sh
if [ "$1" = env ]; then echo go{version}; exit 0; fi
echo run >> "{log}"
while [ $# -gt 0 ]; do [ "$1" = -o ] && out="$2"; shift; done
{body}
printf '#!/bin/sh\\necho v3.259.0\\n' > "${{out}}pulumi"
/bin/chmod 755 "${{out}}pulumi"
"""


@dataclass
class Machine:
    """A PATH with nothing on it, an empty cache, an empty home, and the progress lines of what is run there."""

    root: Path
    lines: list[str] = field(default_factory=list)

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def go_log(self) -> Path:
        return self.root / "go.log"

    @property
    def go_runs(self) -> int:
        return len(self.go_log.read_text().splitlines()) if self.go_log.exists() else 0

    def script(self, path: Path | str, text: str) -> Path:
        """An executable below the root; a bare name goes on PATH."""
        file = self.bin / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(0o755)
        return file

    def pulumi(self, answer: str, path: Path | str = "pulumi") -> Path:
        return self.script(path, f"#!/bin/sh\necho '{answer}'\n")

    def go(self, body: str = "", version: str = "1.26.0", path: str = "go") -> Path:
        """A compiler whose `build` runs `body` and then makes a program `pulumi`."""
        return self.script(path, FAKE_GO.format(version=version, log=self.go_log, body=body))

    @classmethod
    def prepare(cls, root: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
        machine = cls(root)
        machine.bin.mkdir()
        monkeypatch.setenv("PATH", str(machine.bin))
        monkeypatch.setenv("HOME", str(root / "user"))
        monkeypatch.setenv("SEEKSTACK_CACHE", str(machine.cache))
        monkeypatch.setenv("SEEKSTACK_HOME", str(root / "home"))
        monkeypatch.setenv("SEEKSTACK_OFFLINE", "1")
        monkeypatch.delenv("SEEKSTACK_ENGINE", raising=False)
        return machine
