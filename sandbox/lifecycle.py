"""A sandbox as a whole: brought up, looked at, taken down, and the space of finished builds given back."""

from __future__ import annotations

import contextlib
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from infra.errors import ToolError
from sandbox import fake_aws, go_build, kube, processes
from sandbox.engine import Engine, ensure_engine, find_engine
from sandbox.home_folder import MARKER, adopt, is_sandbox
from sandbox.launchers import BUNDLED, PLUGINS, aws_config_file, write_launchers
from sandbox.paths import SandboxHome, cache_root
from sandbox.tool_cache import Progress

__all__ = ["Programs", "Status", "bring_up", "engine_pid_file", "prepare", "prune", "status", "take_down"]

ENGINE_PREFIX = "pulumi-"


@dataclass(frozen=True, slots=True)
class Status:
    """What of a sandbox is there; addresses and versions are None where it is not."""

    home: str
    engine: str | None
    engine_version: str | None
    engine_origin: str | None
    plugins: dict[str, str]
    fake_aws: str | None
    kubernetes: dict[str, bool]
    stacks: list[str]
    cache: str

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Programs:
    """What runs the stacks of a sandbox: the engine, and where each plugin comes from."""

    engine: Engine
    plugins: dict[str, str]

    @property
    def bundled(self) -> list[str]:
        """Plugins of ours that stand in for the vendor's."""
        return [name for name, origin in self.plugins.items() if origin == BUNDLED]

    @property
    def has_vendor_aws(self) -> bool:
        """Whether the vendor's aws plugin runs, which must be told where the fake AWS is."""
        return self.plugins["pulumi-resource-aws"] != BUNDLED


def prepare(home: SandboxHome, progress: Progress, *, engine_path: str | Path | None = None) -> Programs:
    """Engine and plugins in their places; nothing is started. Raises ToolError for a folder that is not ours."""
    adopt(home)
    for sidecar in home.state.rglob("*.attrs"):  # of older sandboxes; see environment.WITHOUT_SIDECARS
        sidecar.unlink(missing_ok=True)
    engine = ensure_engine(progress, path_override=engine_path)
    progress(f"pulumi {engine.version} ({engine.origin})")
    return Programs(engine, write_launchers(home, engine))


def bring_up(
    home: SandboxHome, progress: Progress, *, kubernetes: bool = False, engine_path: str | Path | None = None
) -> None:
    """Engine, plugins and fake AWS, with `kubernetes` the cluster too; what runs already is used again."""
    programs = prepare(home, progress, engine_path=engine_path)
    if programs.bundled:
        progress(f"bundled plugins stand in for the vendor's: {', '.join(programs.bundled)}")
    progress(f"fake AWS at {fake_aws.start(home)}")
    if programs.has_vendor_aws:
        progress("the vendor's aws plugin is used; point a stack at the fake: seekstack sandbox configure -s STACK")
    if kubernetes:
        kube.start(home, progress)


def status(home: SandboxHome) -> Status:
    """Starts and builds nothing; an engine that is refused counts as none."""
    try:
        engine = find_engine()
    except ToolError:
        engine = None
    return Status(
        home=str(home.root),
        engine=str(engine.path) if engine else None,
        engine_version=engine.version if engine else None,
        engine_origin=engine.origin if engine else None,
        plugins={plugin.program: _plugin_origin(home, plugin.folder, plugin.program) for plugin in PLUGINS},
        fake_aws=fake_aws.endpoint(home),
        kubernetes=kube.status(home),
        stacks=_stacks(home),
        cache=str(cache_root()),
    )


def take_down(home: SandboxHome, *, purge: bool = False) -> bool:
    """Stop every process, those of a kept demo too; with `purge` remove all that was written. Returns whether the fake
    AWS ran.

    A stop that fails does not keep the others from being tried. Raises ToolError where `purge` is asked for in a folder
    that no sandbox made.
    """
    if purge and home.root.exists() and not is_sandbox(home.root):
        raise ToolError(
            f"{home.root} was not made by a sandbox: nothing is removed from it",
            code="SKS0740",
            key="--home",
            value=str(home.root),
            allowed="the folder of a sandbox",
            fix="name the right folder (--home, SEEKSTACK_HOME)",
        )
    ran = fake_aws.endpoint(home) is not None
    with contextlib.ExitStack() as stops:  # the last one goes first
        if purge:
            stops.callback(_remove_all, home)
        if is_sandbox(home.demo.root):
            stops.callback(take_down, home.demo, purge=purge)
        stops.callback(fake_aws.stop, home)
        stops.callback(kube.stop, home)
        for file in home.run.glob(f"{ENGINE_PREFIX}*.pid"):
            stops.callback(processes.stop, file)  # an engine whose demo was killed
    return ran


def engine_pid_file(home: SandboxHome, stack: str) -> Path:
    """Where a demo notes the engine that works on `stack`."""
    return home.run / f"{ENGINE_PREFIX}{stack}.pid"


def prune() -> int:
    """Remove what only a further build would need, and unfinished builds; returns the bytes freed."""
    return go_build.prune()


def _stacks(home: SandboxHome) -> list[str]:
    files = (home.state / ".pulumi" / "stacks").rglob("*.json*")
    found = (file for file in files if file.name.endswith((".json", ".json.gz")))
    return sorted(f"{file.parent.name}/{file.name.partition('.json')[0]}" for file in found)


def _plugin_origin(home: SandboxHome, folder: str, program: str) -> str:
    place = home.pulumi_home / "plugins" / folder
    if place.is_symlink():
        return str(place.resolve())
    found = shutil.which(program)
    return BUNDLED if place.is_dir() else found or "not there"


def _remove_all(home: SandboxHome) -> None:
    """Only the names that a sandbox uses: a person may have put other things beside them."""
    older = home.root / "demo"
    for folder in (
        home.bin, home.state, home.pulumi_home, home.run, home.logs, home.journal, home.kube, home.project, older,
    ):  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)
    for file in (aws_config_file(home), home.root / MARKER):
        file.unlink(missing_ok=True)
    if home.root.is_dir() and not any(home.root.iterdir()):
        home.root.rmdir()
