"""Whose folder it is: a sandbox writes, and removes, only in a folder that it made or that was empty.

adopt(home)        before anything is written; marks the folder as a sandbox's
is_sandbox(root)   whether it is one
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from infra.errors import ToolError
from sandbox.paths import SandboxHome

__all__ = ["MARKER", "adopt", "is_sandbox", "of_a_sandbox"]

MARKER = "seekstack-sandbox.txt"
TEXT = (
    "Made by `seekstack sandbox`. `seekstack sandbox down --purge` removes this folder's sandbox and all its stacks.\n"
)
LEFT_BY_OLDER = ("aws-config", "pulumi-home")
"""What every sandbox had before there was a marker."""
UNUSABLE = ":\n\r\0"
"""`:` ends an entry of PATH; line ends do not survive in a URL."""


def adopt(home: SandboxHome) -> None:
    """Make the folder, for its owner alone, or accept one that is empty or a sandbox's; raise ToolError otherwise.

    Stacks in it are encrypted with a passphrase that everybody knows, so nobody else may read them.
    """
    root = home.root
    if any(character in str(root) for character in UNUSABLE):
        raise _refused(root, "has a colon or a line end in its path, which PATH and URLs cannot hold")
    if root == Path(root.anchor) or root == _user_folder():
        raise _refused(root, "is not a sandbox's own")
    if root.exists() and not root.is_dir():
        raise _refused(root, "is no folder")
    if root.is_dir() and any(root.iterdir()) and not is_sandbox(root):
        raise _refused(root, "holds other files and was not made by a sandbox")
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not (root / MARKER).exists():
        root.chmod(0o700)
        (root / MARKER).write_text(TEXT)


def is_sandbox(root: Path) -> bool:
    """Whether a sandbox made `root`."""
    return (root / MARKER).is_file() or all((root / name).exists() for name in LEFT_BY_OLDER)


def of_a_sandbox(path: Path) -> bool:
    """Whether `path`, such as a folder of PATH or a Pulumi home, lies in any sandbox's folder."""
    return any(is_sandbox(folder) for folder in (path.resolve(), *path.resolve().parents))


def _user_folder() -> Path | None:
    with contextlib.suppress(RuntimeError):
        return Path(os.path.realpath(Path.home()))
    return None


def _refused(root: Path, why: str) -> ToolError:
    return ToolError(
        f"{str(root)!r} {why}",
        code="SKS0740",
        key="--home",
        value=str(root),
        allowed="a folder that does not exist yet, is empty, or was a sandbox's before",
        fix="name another folder (--home, SEEKSTACK_HOME)",
    )
