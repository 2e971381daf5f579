"""Go programs built from their modules into the cache, for machines where no binary of them can be had.

Each program has a folder `sandbox/go/<name>/` with a go.mod (one `tool` line a program) and the go.sum resolved with
it. Both are committed: `go get` would resolve anew on each machine, cost half a minute and trust the checksum
database of the day; with go.sum the same bytes are built everywhere, and no checksum server is asked at all.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from infra.errors import ToolError
from sandbox.go_toolchain import Go, find_go, go_environment
from sandbox.paths import cache_root
from sandbox.tool_cache import PROGRESS_SECONDS, CachedTool, Progress, provide, refuse_while_made
from sandbox.watched import run_watched

__all__ = ["GoProgram", "build", "cached_tool", "prune"]

KEPT_LINES = 60
SHOWN_LINES = 12


@dataclass(frozen=True, slots=True)
class GoProgram:
    """What to build: `packages` of the module whose go.mod and go.sum lie in `module`.

    `usual_seconds` is what a first build takes on 2 cores; a person who waits is told.
    """

    name: str
    version: str
    module: Path
    packages: tuple[str, ...]
    ldflags: str = "-s -w"
    usual_seconds: int = 240

    @property
    def floor(self) -> str:
        """The oldest Go that go.mod admits."""
        found = re.search(r"^go (\d+\.\d+(?:\.\d+)?)$", (self.module / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.module / 'go.mod'} has no `go` line")
        return found.group(1)


def build(program: GoProgram, progress: Progress) -> dict[str, Path]:
    """The programs by name, built where the cache does not hold them; raises ToolError with what to try next."""
    tool = cached_tool(program)
    if tool.stamp() is None:
        provide(tool, lambda folder: _compile(program, folder, progress), progress)
    return {path.name: path for path in sorted((tool.folder / "bin").iterdir())}


def cached_tool(program: GoProgram) -> CachedTool:
    """The cache entry of `program`; a changed go.mod, go.sum, package or flag is another recipe."""
    digest = hashlib.sha256()
    for part in (*program.packages, program.ldflags):
        digest.update(part.encode() + b"\0")
    for name in ("go.mod", "go.sum"):
        digest.update((program.module / name).read_bytes())
    return CachedTool(program.name, program.version, digest.hexdigest())


def prune() -> int:
    """Remove downloaded modules and compiled packages (3 GB a program), which only a next build needs; bytes freed."""
    refuse_while_made(cache_root())
    freed = 0
    for name in ("build", "mod", "path", "config"):
        folder = cache_root() / "go" / name
        freed += sum(file.lstat().st_size for file in folder.rglob("*") if not file.is_dir())
        shutil.rmtree(folder, ignore_errors=True)
    return freed


def _compile(program: GoProgram, folder: Path, progress: Progress) -> str:
    go = find_go(program.floor, progress)
    progress(
        f"building {program.name} {program.version} with go {go.version}; "
        f"a first time this usually takes {program.usual_seconds / 60:.0f} min on 2 cores"
    )
    work = folder / "work"
    work.mkdir()
    environment = {**go_environment(), "GOTMPDIR": str(work)}
    argv = [str(go.path), "build", "-v", "-o", f"{folder / 'bin'}{os.sep}", "-ldflags", program.ldflags]
    watch = _Watch(program, progress)
    started = time.monotonic()
    status = run_watched(
        [*argv, *program.packages],
        cwd=program.module,
        env=environment,
        on_line=watch.on_line,
        on_wait=watch.on_wait,
        every_seconds=PROGRESS_SECONDS,
    )
    if status:
        raise _failure(program, go, list(watch.lines))
    shutil.rmtree(work, ignore_errors=True)
    progress(
        f"built {program.name} {program.version} in {time.monotonic() - started:.0f} s; "
        "`seekstack sandbox prune` frees the space that building took"
    )
    return f"built with go {go.version}"


@dataclass(slots=True)
class _Watch:
    """Counts what `go build -v` says, keeps the last lines that are not progress, and tells how far it is."""

    program: GoProgram
    progress: Progress
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    downloaded: int = 0
    compiled: int = 0

    def on_line(self, text: str) -> None:
        if text.startswith("go: downloading "):
            self.downloaded += 1
        elif re.fullmatch(r"[\w.~/@-]+", text):  # `-v` names each compiled package on a line of its own
            self.compiled += 1
        elif text:
            self.lines.append(text)

    def on_wait(self, seconds: float) -> None:
        self.progress(
            f"building {self.program.name}: {seconds:.0f} s of usually {self.program.usual_seconds} s, "
            f"{self.downloaded} modules fetched, {self.compiled} packages compiled"
        )


def _failure(program: GoProgram, go: Go, lines: list[str]) -> ToolError:
    text = "\n".join(lines[-SHOWN_LINES:])
    lowered = text.lower()
    if "no space left" in lowered or "disk quota" in lowered:
        code, fix = "SKS0713", "free 5 GB (`seekstack sandbox prune`), or set SEEKSTACK_CACHE to another disk"
    elif re.search(
        r"dial tcp|no such host|i/o timeout|connection refused|proxyconnect|network is unreachable", lowered
    ):
        code, fix = "SKS0714", "check the network, or set GOPROXY to the module proxy that this machine can reach"
    elif "checksum mismatch" in lowered or "security error" in lowered:
        code, fix = "SKS0715", "a proxy served other bytes than the committed go.sum: set GOPROXY to one you trust"
    else:
        code, fix = "SKS0716", f"read the lines above; another Go than {go.version} ({go.path}) may build it"
    return ToolError(
        f"building {program.name} {program.version} failed; go said:\n{text}",
        code=code,
        key=program.name,
        fix=f"{fix}; what was compiled so far is kept, so the next try is shorter",
    )
