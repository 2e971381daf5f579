"""Locks between processes, by a file; the kernel releases what a killed process held."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["locked", "try_lock"]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Wait for the lock and hold it; its folder is made where it is not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def try_lock(stream: IO[str]) -> bool:
    """Take the lock of an open file until it is closed; False where another process holds it."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
