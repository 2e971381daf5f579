"""Room on the disk, looked at before something starts that would stop halfway."""

from __future__ import annotations

import shutil
from pathlib import Path

from infra.errors import ToolError

__all__ = ["CLUSTER_MIB", "STATE_MIB", "require_room"]

MIB = 1024 * 1024
STATE_MIB = 16
"""State, its history and logs of a small stack. On a full disk the engine tries to save its state for minutes and says
nothing (pkg/backend/diy/state.go, saveCheckpoint)."""
CLUSTER_MIB = 192
"""etcd allocates its write-ahead log in steps of 64 MB, the next one ahead; the rest is for logs and data."""


def require_room(folder: Path, mib: int, what: str) -> None:
    """Raise ToolError where the disk of `folder`, which exists, has less than `mib` MiB free for `what`."""
    free_mib = shutil.disk_usage(folder).free // MIB
    if free_mib < mib:
        raise ToolError(
            f"the disk of {folder} has {free_mib} MiB free; {what} needs {mib} MiB",
            code="SKS0733",
            value=free_mib,
            allowed=f"at least {mib} MiB",
            fix="make room there, or put the sandbox elsewhere (--home, SEEKSTACK_HOME)",
        )
