"""Where the sandbox keeps things: one folder in the project, one cache folder for programs built once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PROJECT_ROOT", "SandboxHome", "cache_root", "with_our_packages"]

PROJECT_ROOT = Path(__file__).resolve().parent.parent


def with_our_packages(environment: Mapping[str, str]) -> dict[str, str]:
    """`environment` for a Python program that imports our packages from any folder."""
    path = os.pathsep.join(filter(None, [str(PROJECT_ROOT), environment.get("PYTHONPATH")]))
    return {**environment, "PYTHONPATH": path}


def cache_root() -> Path:
    """`$SEEKSTACK_CACHE`, else `seekstack` in the user's cache directory; holds programs keyed by version."""
    configured = os.environ.get("SEEKSTACK_CACHE")
    if configured:
        return Path(configured).expanduser().resolve()
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))  # a relative one is to be ignored, by the XDG specification
    return (base if base.is_absolute() else Path.home() / ".cache") / "seekstack"


@dataclass(frozen=True, slots=True)
class SandboxHome:
    """One sandbox: state, fake cloud, cluster data, logs and launchers below `root`, and nothing elsewhere."""

    root: Path

    @classmethod
    def default(cls) -> SandboxHome:
        """`$SEEKSTACK_HOME`, else `.seekstack` in the project."""
        configured = os.environ.get("SEEKSTACK_HOME")
        return cls(Path(configured).expanduser().resolve() if configured else PROJECT_ROOT / ".seekstack")

    @property
    def bin(self) -> Path:
        """What is put on PATH: `pulumi`."""
        return self.root / "bin"

    @property
    def state(self) -> Path:
        """The Pulumi file backend."""
        return self.root / "state"

    @property
    def pulumi_home(self) -> Path:
        """`$PULUMI_HOME`: workspaces and credentials of this sandbox alone."""
        return self.root / "pulumi-home"

    @property
    def run(self) -> Path:
        """Pid and endpoint files of running daemons."""
        return self.root / "run"

    @property
    def logs(self) -> Path:
        """One log file a daemon."""
        return self.root / "logs"

    @property
    def journal(self) -> Path:
        """What the aws plugin was about to create, so that a killed run leaves no orphan."""
        return self.root / "journal"

    @property
    def demo(self) -> SandboxHome:
        """A sandbox in the sandbox: what a person keeps in the outer one is out of the demo's way."""
        return SandboxHome(self.root / "demo-sandbox")

    @property
    def project(self) -> Path:
        """The demo's own project folder."""
        return self.root / "project"

    @property
    def kube(self) -> Path:
        """etcd data, certificates and the kubeconfig of the sandbox's API server."""
        return self.root / "kube"
