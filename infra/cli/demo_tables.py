"""What the demo shows of a preview: one row a changed property."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sandbox.pulumi_run import Change

__all__ = ["UNKNOWN", "counted", "rows"]

SHOWN_VALUE_LENGTH = 48
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's sign for a value it does not know yet (sdk/go/common/resource/plugin, UnknownStringValue)."""


def rows(changes: tuple[Change, ...]) -> list[tuple[str, str, str, str, str]]:
    """One row a changed property; what an operation changes as a whole has one row."""
    found = []
    for change in changes:
        for path in change.properties or ("",):
            old, new = _at(change.old_inputs, path), _at(change.new_inputs, path)
            found.append((change.operation, change.name, path, _shown(old), _shown(new)))
    return found


def _at(inputs: Mapping[str, Any], path: str) -> object:
    value: Any = inputs
    for part in _parts(path):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Mapping):
            value = value.get(part)
        else:
            return None
    return value


def _parts(path: str) -> list[str]:
    """The steps of a property path: `a.b[0]["c.d"]` has a, b, 0 and c.d."""
    return [quoted or plain for quoted, plain in re.findall(r'\["([^"]*)"\]|([^.\[\]]+)', path)]


def _shown(value: object) -> str:
    text = {None: "-", UNKNOWN: "(known after up)"}.get(value) if isinstance(value, str | None) else None
    text = text or str(value)
    return text if len(text) <= SHOWN_VALUE_LENGTH else f"{text[: SHOWN_VALUE_LENGTH - 1]}…"


def counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing to do"
