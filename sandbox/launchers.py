"""What the engine finds in a sandbox: itself on PATH, and the plugins of this project where the vendor's are missing.

The engine looks for a plugin on PATH, beside itself, and in `$PULUMI_HOME/plugins/<kind>-<name>-v<version>/`. Ours go
to the last place: one on PATH works too, but each command would warn "using … from $PATH". So the vendor's plugin wins
by itself where it is on PATH, and where it lies in the user's own Pulumi home that folder is linked instead of ours.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

from sandbox.engine import ON_PATH, Engine
from sandbox.home_folder import of_a_sandbox
from sandbox.paths import PROJECT_ROOT, SandboxHome

__all__ = ["BUNDLED", "PLUGINS", "Plugin", "aws_config_file", "write_launchers"]

BUNDLED: Final = "bundled"
# A profile for tools that insist on one; it names nothing, so that no profile of the user can be meant.
AWS_CONFIG: Final = "[default]\n"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A plugin of ours: the module that serves it, and the SDK whose version the engine asks for."""

    kind: str
    name: str
    module: str
    distribution: str

    @property
    def program(self) -> str:
        """The file name that the engine looks for."""
        return f"pulumi-{self.kind}-{self.name}"

    @property
    def folder(self) -> str:
        """Its place below `$PULUMI_HOME/plugins`."""
        return f"{self.kind}-{self.name}-v{metadata.version(self.distribution)}"


PLUGINS: Final = (
    Plugin("language", "python", "sandbox.language_host", "pulumi"),
    Plugin("resource", "aws", "sandbox.aws_provider", "pulumi-aws"),
    Plugin("resource", "kubernetes", "sandbox.kubernetes_provider", "pulumi-kubernetes"),
)


def write_launchers(home: SandboxHome, engine: Engine) -> dict[str, str]:
    """Make `home` ready for `engine`; each plugin's program with where it is from: BUNDLED, or the vendor's path."""
    for folder in (home.bin, home.state, home.pulumi_home / "plugins", home.run, home.logs):
        folder.mkdir(parents=True, exist_ok=True)
    _write(aws_config_file(home), AWS_CONFIG)
    launcher = home.bin / "pulumi"
    if engine.origin == ON_PATH:  # found there by the shell as well; a version manager's shim must keep its own place
        launcher.unlink(missing_ok=True)
    else:
        _link(launcher, engine.path)
    return {plugin.program: _provide(home, engine, plugin) for plugin in PLUGINS}


def aws_config_file(home: SandboxHome) -> Path:
    """Stands in for the user's AWS configuration and credentials files."""
    return home.root / "aws-config"


def _provide(home: SandboxHome, engine: Engine, plugin: Plugin) -> str:
    place = home.pulumi_home / "plugins" / plugin.folder
    if official := _ambient(home, engine, plugin):
        _remove(place)
        return str(official)
    if installed := _installed(home, plugin):
        _remove(place)
        _link(place, installed)
        return str(installed)
    if place.is_symlink():
        place.unlink()
    place.mkdir(parents=True, exist_ok=True)  # left as it is where it is right: a run beside us may be using it
    _write(place / plugin.program, _script(plugin), mode=0o755)
    return BUNDLED


def _ambient(home: SandboxHome, engine: Engine, plugin: Plugin) -> Path | None:
    """The vendor's plugin on PATH or, for a language host, beside the engine: the engine finds it there by itself."""
    own = home.bin.resolve()
    folders = [f for f in os.get_exec_path() if Path(f).resolve() != own and not of_a_sandbox(Path(f))]
    if plugin.kind == "language":
        folders.append(str(engine.path.resolve().parent))
    found = shutil.which(plugin.program, path=os.pathsep.join(folders))
    return Path(found) if found else None


def _installed(home: SandboxHome, plugin: Plugin) -> Path | None:
    """The vendor's plugin of the SDK's version in the user's own Pulumi home."""
    configured = os.environ.get("PULUMI_HOME")
    own = Path(configured).expanduser() if configured else Path.home() / ".pulumi"
    if own.resolve() == home.pulumi_home.resolve() or of_a_sandbox(own):  # a shell in this or another sandbox
        own = Path.home() / ".pulumi"
    folder = own / "plugins" / plugin.folder
    unfinished = folder.with_name(f"{folder.name}.partial").exists()
    return folder.resolve() if (folder / plugin.program).is_file() and not unfinished else None


def _script(plugin: Plugin) -> str:
    """`exec`, because plugins watch their parent and it must be the engine."""
    root, python = shlex.quote(str(PROJECT_ROOT)), shlex.quote(sys.executable)
    return (
        "#!/bin/sh\n"
        f'PYTHONPATH={root}"${{PYTHONPATH:+:$PYTHONPATH}}"\n'
        "export PYTHONPATH\n"
        f'exec {python} -m {plugin.module} "$@"\n'
    )


def _write(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace `path` in one step."""
    if path.is_file() and not path.is_symlink() and path.read_text() == text:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text)
    temporary.chmod(mode)
    temporary.replace(path)


def _link(path: Path, target: Path) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(target)
    temporary.replace(path)


def _remove(place: Path) -> None:
    if place.is_symlink():
        place.unlink()
    else:
        shutil.rmtree(place, ignore_errors=True)
