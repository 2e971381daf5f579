"""Signals that end a command which started programs."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["end_as_after_ctrl_c"]

SIGNAL_EXIT = 128
"""What a shell reports for a program ended by a signal, plus the signal's number."""


def end_as_after_ctrl_c(number: int, _: object) -> NoReturn:
    """A handler: what was started ends with us."""
    sys.exit(SIGNAL_EXIT + number)
