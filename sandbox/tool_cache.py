"""Programs made once a machine: keyed by version and platform, published whole or not at all, shared by every sandbox.

    <cache root>/<name>/<version>-<os>-<arch>/bin/...      the programs
    <cache root>/<name>/<version>-<os>-<arch>/stamp.json   written last: version, origin, seconds, recipe

A maker works in a folder beside the final one, which is then renamed: a killed maker leaves no half program, and the
next one clears what it left. Two makers of one entry take turns by a lock file; the second finds the work done.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.errors import ToolError
from sandbox.locks import try_lock
from sandbox.paths import cache_root

__all__ = ["PROGRESS_SECONDS", "CachedTool", "Progress", "Stamp", "provide", "refuse_while_made"]

Progress = Callable[[str], None]
"""Takes one line for a person who waits."""

PROGRESS_SECONDS = 10.0
LOCK_POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a finished entry says about itself; `recipe` is the digest of all that went into it."""

    name: str
    version: str
    origin: str
    seconds: float
    recipe: str


@dataclass(frozen=True, slots=True)
class CachedTool:
    """One entry of the cache: programs `name` of `version`, made by the steps digested in `recipe`."""

    name: str
    version: str
    recipe: str

    @property
    def folder(self) -> Path:
        """Where the finished entry lies; keyed by platform, for a home folder shared between machines."""
        return cache_root() / self.name / f"{self.version}-{sys.platform}-{platform.machine().lower()}"

    def stamp(self) -> Stamp | None:
        """The stamp of the finished entry; None where there is none or it was made by another recipe."""
        try:
            found = Stamp(**json.loads((self.folder / "stamp.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return found if found.recipe == self.recipe and found.version == self.version else None

    def program(self, name: str) -> Path:
        """The path of one of its programs."""
        return self.folder / "bin" / name


def provide(tool: CachedTool, make: Callable[[Path], str], progress: Progress) -> Stamp:
    """The finished entry of `tool`; where absent, `make(folder)` fills `folder/bin` and returns its origin.

    Raises what `make` raises, after the unfinished folder is gone.
    """
    if found := tool.stamp():
        return found
    with _full_disk_explained(), _lock(tool, progress):
        if found := tool.stamp():
            return found
        _clear_left_overs(tool)
        partial = tool.folder.with_name(f"{tool.folder.name}.partial-{os.getpid()}")
        try:
            return _make_and_publish(tool, partial, make)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _make_and_publish(tool: CachedTool, partial: Path, make: Callable[[Path], str]) -> Stamp:
    started = time.monotonic()
    (partial / "bin").mkdir(parents=True)
    origin = make(partial)
    stamp = Stamp(tool.name, tool.version, origin, round(time.monotonic() - started, 1), tool.recipe)
    (partial / "stamp.json").write_text(json.dumps(asdict(stamp), indent=2) + "\n")
    if tool.folder.exists():  # of another recipe, or stamped by none
        shutil.rmtree(tool.folder)
    partial.rename(tool.folder)
    return stamp


def _clear_left_overs(tool: CachedTool) -> None:
    """Remove what a killed maker left; only called with the lock held, so no maker of it is alive."""
    for left in tool.folder.parent.glob(f"{tool.folder.name}.partial-*"):
        shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _lock(tool: CachedTool, progress: Progress) -> Iterator[None]:
    """Exclusive between processes and released by the kernel when its holder dies."""
    path = tool.folder.with_name(f"{tool.folder.name}.lock")
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        started = time.monotonic()
        next_line = started
        while not try_lock(handle):
            if time.monotonic() >= next_line:
                waited = time.monotonic() - started
                progress(f"{tool.name} {tool.version}: another process makes it, waiting ({waited:.0f} s)")
                next_line += PROGRESS_SECONDS
            time.sleep(LOCK_POLL_SECONDS)
        yield


def refuse_while_made(cache: Path) -> None:
    """Raise ToolError while any entry of `cache` is being made."""
    for path in cache.glob("*/*.lock"):
        with path.open("a") as handle:
            if not try_lock(handle):
                raise ToolError(
                    f"another process makes {path.stem} just now and needs what would be removed",
                    code="SKS0717",
                    value=str(path),
                    fix="wait until it is done, then prune",
                )


@contextmanager
def _full_disk_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES):
            raise
        raise ToolError(
            f"the cache folder {cache_root()} cannot be written: {error.strerror}",
            code="SKS0713",
            key="SEEKSTACK_CACHE",
            value=str(cache_root()),
            allowed="a writable folder with 5 GB free for a build",
            fix=(
                "free space (`seekstack sandbox prune`), or set SEEKSTACK_CACHE to a folder on another disk"
                if error.errno in (errno.ENOSPC, errno.EDQUOT)
                else "set SEEKSTACK_CACHE to a folder that you may write"
            ),
        ) from error
