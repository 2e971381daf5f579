"""Builds or fetches, before the tests, the programs that several of them need: the Pulumi engine and the cluster's.

Tests run side by side, each with a time limit; a build inside one of them would take minutes of it and both cores.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable

from infra.errors import ToolError

__all__ = ["main"]


def main() -> int:
    """0 when all is there; what cannot be had is an error in CI, elsewhere its tests are skipped."""
    from sandbox.engine import ensure_engine
    from sandbox.kube_programs import ensure_program

    failed = [
        name for name, ensure in (("engine", ensure_engine), ("cluster", ensure_program)) if not _try(name, ensure)
    ]
    return 1 if failed and os.environ.get("CI") == "true" else 0


def _try(name: str, ensure: Callable[[Callable[[str], None]], object]) -> bool:
    started = time.monotonic()
    try:
        ensure(lambda text: _write(f"tools: {name}: {text}"))
    except ToolError as error:
        _write(f"tools: {name}: {error}")
        return False
    _write(f"tools: {name}: ready ({time.monotonic() - started:.0f} s)")
    return True


def _write(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
