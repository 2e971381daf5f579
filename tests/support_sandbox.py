"""A sandbox for tests: the real engine, a fake AWS, and the program of this repository from a folder of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox import fake_aws
from sandbox.demo_project import write_project
from sandbox.environment import merged
from sandbox.lifecycle import prepare
from sandbox.paths import PROJECT_ROOT, SandboxHome
from sandbox.pulumi_run import PulumiStack

__all__ = ["Sandbox", "sandbox_at"]


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A running sandbox and the project in it."""

    home: SandboxHome
    endpoint: str
    project: Path

    def stack(self, name: str) -> PulumiStack:
        """The stack `name`, created where it is not there yet."""
        found = PulumiStack(self.project, name, merged(self.home))
        found.initialise()
        return found

    def existing(self) -> dict[str, list[str]]:
        """What is in the fake AWS and was created by somebody."""
        return fake_aws.existing(self.endpoint)

    def configure(self, stack: str, **values: str) -> None:
        """Replace or add `seekstack:` keys of a stack file; the values are YAML text."""
        file = self.project / f"Pulumi.{stack}.yaml"
        text = file.read_text()
        for key, value in values.items():
            line = f"  seekstack:{key}: {value}"
            pattern = re.compile(rf"(?m)^  seekstack:{key}:.*(\n    - .*)*$")
            text = (
                pattern.sub(line, text) if pattern.search(text) else text.replace("config:\n", f"config:\n{line}\n", 1)
            )
        file.write_text(text)


@contextmanager
def sandbox_at(root: Path) -> Iterator[Sandbox]:
    """Bring a sandbox up below `root`, and stop everything of it at the end."""
    home = SandboxHome(root)
    prepare(home, lambda _: None)
    try:
        yield Sandbox(home, fake_aws.start(home), write_project(PROJECT_ROOT, root / "project"))
    finally:
        fake_aws.stop(home)
