"""Property paths: what differs between two values, and how Pulumi and Kubernetes write the place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sandbox.plugin import Unknown

__all__ = ["Change", "Path", "differences", "is_within", "parse_field", "render", "same"]

Path = tuple[str | int, ...]

PLAIN_KEY = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
FIELD_TOKEN = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


class Change(StrEnum):
    ADD = "add"
    DELETE = "delete"
    UPDATE = "update"


def render(path: Path) -> str:
    """As Pulumi's engine parses it: `spec.ports[0].port`, `metadata.labels["app.kubernetes.io/name"]`.

    Source: sdk/go/common/resource/property_path.go; the only escape it knows is a backslash before a quote.
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif PLAIN_KEY.fullmatch(step):
            text += f".{step}" if text else step
        else:
            escaped = step.replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def parse_field(field: str) -> Path:
    """A field as the API server names it in a `Status`: `spec.containers[0].image`, `metadata.labels[a/b]`."""
    steps: list[str | int] = []
    for bracket, name in FIELD_TOKEN.findall(field):
        if name:
            steps.append(name)
        else:
            steps.append(int(bracket) if bracket.isdecimal() else bracket)
    return tuple(steps)


def is_within(path: Path, prefix: Path) -> bool:
    """Whether `path` is `prefix` or lies below it."""
    return path[: len(prefix)] == prefix


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values: true is not 1, 1 is 1.0, and an unknown equals nothing."""
    if isinstance(left, Unknown) or isinstance(right, Unknown) or isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(same(item, right[key]) for key, item in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return bool(left == right)


def differences(old: Any, new: Any) -> dict[Path, Change]:
    """Every smallest place where `new` differs from `old`. A null counts as absent, as it does for the API server."""
    found: dict[Path, Change] = {}
    _compare((), old, new, found)
    return found


def _compare(path: Path, old: Any, new: Any, found: dict[Path, Change]) -> None:
    if old is None or new is None:
        if old is not new:
            found[path] = Change.ADD if old is None else Change.DELETE
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            _compare((*path, key), old.get(key), new.get(key), found)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            _compare((*path, index), _item(old, index), _item(new, index), found)
    elif not same(old, new):
        found[path] = Change.UPDATE


def _item(items: list[Any], index: int) -> Any:
    return items[index] if index < len(items) else None
