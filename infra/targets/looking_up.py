"""Asking AWS what exists, before the first resource is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from infra.errors import ResourceError

__all__ = ["looking_up"]


@contextmanager
def looking_up() -> Iterator[None]:
    """A look-up that AWS or its plugin refuses is one line: the SDK raises a bare Exception, shown with a traceback."""
    try:
        yield
    except Exception as error:
        told = re.fullmatch(r"(?s)invoke of (\S+) failed: (?:invocation of \S+ returned an error: )?(.*)", str(error))
        if told is None:
            raise
        raise ResourceError(
            " ".join(told[2].split()),
            code="SKS0402",
            key=told[1],
            fix="look at region and credentials (the stack's aws: keys), then run it again",
        ) from None
