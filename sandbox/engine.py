"""The Pulumi engine: the one that is there, else the vendor's, else one built from its Go module.

    1. $SEEKSTACK_ENGINE or --engine     a path, or `own`: seekstack's own engine whatever PATH holds
    2. `pulumi` on PATH                  refused, not passed over, where it is too old
    3. seekstack's cache                 stamped with version and origin, reused by every sandbox of this user
    4. the vendor's installer            into the cache; skipped with SEEKSTACK_OFFLINE=1 or where it does not answer
    5. `go build`                        into the cache, about 4 min on 2 cores

A step that fails says why, and which one is tried next.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from infra.errors import ToolError
from sandbox import go_build
from sandbox.go_build import GoProgram
from sandbox.home_folder import of_a_sandbox
from sandbox.paths import SandboxHome, cache_root
from sandbox.tool_cache import PROGRESS_SECONDS, CachedTool, Progress, provide
from sandbox.watched import run_watched

__all__ = [
    "FLOOR",
    "FLOORS",
    "ON_PATH",
    "OWN",
    "PULUMI",
    "Engine",
    "Floor",
    "cached_engine",
    "ensure_engine",
    "find_engine",
]


@dataclass(frozen=True, slots=True)
class Floor:
    """An engine version that something of ours needs, and what."""

    version: str
    reason: str


# Ascending; the first release that has each, from the engine's changelog.
FLOORS: Final = (
    Floor("3.224.0", "the Automation API of the Python SDK reads engine events over gRPC"),
    Floor("3.256.0", "state on third-party S3 (MinIO, Ceph) fails on older engines with checksum errors"),
)
FLOOR: Final = FLOORS[-1]
CEILING: Final = (4, 0, 0)  # the Automation API refuses another major version than its own

PULUMI: Final = GoProgram(
    name="pulumi",
    version="3.259.0",
    module=Path(__file__).parent / "go" / "pulumi",
    packages=("github.com/pulumi/pulumi/pkg/v3/cmd/pulumi",),
    ldflags="-s -w -X github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=3.259.0",
    usual_seconds=270,
)

OWN: Final = "own"
ON_PATH: Final = "PATH"
INSTALLER_URL: Final = "https://get.pulumi.com/install.sh"
PROBE_SECONDS: Final = 4.0
INSTALL_SECONDS: Final = 300.0
VERSION_SECONDS: Final = 30.0
KEPT_LINES: Final = 4


@dataclass(frozen=True, slots=True)
class Engine:
    """A usable engine; `origin` says where it came from, for a person."""

    path: Path
    version: str
    origin: str


def ensure_engine(progress: Progress, *, path_override: str | Path | None = None) -> Engine:
    """The first engine that the steps above yield; raises ToolError for one too old or where every step failed."""
    return find_engine(path_override=path_override) or _make(progress)


def find_engine(*, path_override: str | Path | None = None) -> Engine | None:
    """The engine of steps 1 to 3, which takes no time; None where it must be made."""
    named = str(path_override or os.environ.get("SEEKSTACK_ENGINE") or "")
    if named and named != OWN:
        return _checked(_named_program(named), "named by --engine" if path_override else "named by SEEKSTACK_ENGINE")
    if not named and (found := _on_path()):
        return _checked(found, ON_PATH)
    return cached_engine()


def cached_engine() -> Engine | None:
    """Seekstack's own engine where it has been made before."""
    tool = go_build.cached_tool(PULUMI)
    stamp = tool.stamp()
    return Engine(tool.program("pulumi"), stamp.version, stamp.origin) if stamp else None


def _make(progress: Progress) -> Engine:
    tool = go_build.cached_tool(PULUMI)
    refusal = _vendor_unreachable()
    if refusal is None:
        try:
            provide(tool, lambda folder: _install(folder, progress), progress)
        except _VendorError as error:
            refusal = str(error)
    if refusal is not None:
        progress(f"pulumi is not on PATH; the vendor's installer: {refusal}; building it from source instead")
        go_build.build(PULUMI, progress)
    return _checked(tool.program("pulumi"), _origin(tool))


def _origin(tool: CachedTool) -> str:
    stamp = tool.stamp()
    return stamp.origin if stamp else "cache"


def _named_program(named: str) -> Path:
    """The program that a person named: itself, or `pulumi` or `bin/pulumi` below a folder."""
    path = Path(named).expanduser().absolute()
    for candidate in (path, path / "pulumi", path / "bin" / "pulumi"):
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    raise ToolError(
        f"{named} is no program" if path.exists() else f"{named} does not exist",
        code="SKS0701",
        key="SEEKSTACK_ENGINE",
        value=named,
        allowed=f"the path of a pulumi program, or `{OWN}` for seekstack's own",
        fix=f"correct the path, or unset it: pulumi is then looked for on PATH, else made (SEEKSTACK_ENGINE={OWN})",
    )


def _on_path() -> Path | None:
    """`pulumi` on PATH, but for the launchers of a sandbox and what lies in our cache: those are step 3."""
    cache = cache_root().resolve()
    for folder in os.get_exec_path():
        found = shutil.which("pulumi", path=folder)
        if found is None:
            continue
        path = Path(found)
        of_ours = path.parent.resolve() == SandboxHome.default().bin.resolve() or of_a_sandbox(path.parent)
        if not of_ours and not path.resolve().is_relative_to(cache):
            return path
    return None


def _checked(path: Path, origin: str) -> Engine:
    """The engine at `path`, its version asked of itself and held against the floor."""
    text = _version_text(path)
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", text)
    if found is None:
        raise ToolError(
            f"{path} ({origin}) does not say its version: {text or 'no answer'}",
            code="SKS0702",
            key="pulumi",
            value=str(path),
            allowed=f"a program that answers `pulumi version` with {FLOOR.version} or newer",
            fix=_way_out(origin),
        )
    version = ".".join(found.groups())
    if not _numbers(FLOOR.version) <= _numbers(version) < CEILING:
        raise _unfit(path, origin, version)
    return Engine(path, text.splitlines()[0].removeprefix("v"), origin)


def _unfit(path: Path, origin: str, version: str) -> ToolError:
    missing = [f"{floor.version}: {floor.reason}" for floor in FLOORS if _numbers(floor.version) > _numbers(version)]
    why = "; ".join(missing) or "the Python SDK works with engines of major version 3 only"
    return ToolError(
        f"pulumi {version} at {path} ({origin}) is too {'old' if missing else 'new'}: {why}",
        code="SKS0703",
        key="pulumi",
        value=version,
        allowed=f"pulumi {FLOOR.version} or newer, below 4",
        fix=_way_out(origin),
    )


def _way_out(origin: str) -> str:
    own = f"set SEEKSTACK_ENGINE={OWN} and seekstack makes its own {PULUMI.version}, leaving this one alone"
    another = (
        "name another engine" if origin.startswith("named") else "name an engine with SEEKSTACK_ENGINE=/path/pulumi"
    )
    return f"{own}; or upgrade it (https://www.pulumi.com/docs/install/); or {another}"


def _version_text(path: Path) -> str:
    environment = {
        **os.environ,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_HOME": str(SandboxHome.default().pulumi_home),
    }
    try:
        answer = subprocess.run(
            [path, "version"], capture_output=True, text=True, timeout=VERSION_SECONDS, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (answer.stdout.strip() or answer.stderr.strip())[:300]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


class _VendorError(Exception):
    """The vendor's installer did not do; its text says why."""


def _vendor_unreachable() -> str | None:
    """Why the vendor's installer need not be tried; a machine without internet shall not wait for it."""
    if os.environ.get("SEEKSTACK_OFFLINE"):
        return "skipped, SEEKSTACK_OFFLINE is set"
    try:
        with urllib.request.urlopen(INSTALLER_URL, timeout=PROBE_SECONDS):
            return None
    except (OSError, urllib.error.URLError) as error:
        return f"{INSTALLER_URL} does not answer ({getattr(error, 'reason', error)})"


def _install(folder: Path, progress: Progress) -> str:
    """`PulumiCommand.install` into `folder`, in a process of its own: it has no time limit and no way to be stopped."""
    call = (
        "import semver, sys; from pulumi.automation import PulumiCommand; "
        "PulumiCommand.install(root=sys.argv[1], version=semver.VersionInfo.parse(sys.argv[2]))"
    )
    progress(f"installing pulumi {PULUMI.version} with the vendor's installer (about 120 MB, usually 30 s)")
    lines: list[str] = []
    status = run_watched(
        [sys.executable, "-c", call, str(folder), PULUMI.version],
        env={**os.environ, "PULUMI_HOME": str(SandboxHome.default().pulumi_home)},
        on_line=lines.append,
        on_wait=lambda seconds: progress(f"installing pulumi: {seconds:.0f} s of usually 30 s"),
        every_seconds=PROGRESS_SECONDS,
        timeout_seconds=INSTALL_SECONDS,
    )
    if status is None:
        raise _VendorError(f"not done after {INSTALL_SECONDS:.0f} s")
    if status or not (folder / "bin" / "pulumi").is_file():
        raise _VendorError("failed: " + " / ".join(lines[-KEPT_LINES:]))
    return "the vendor's installer"
