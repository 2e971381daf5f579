"""Field ownership (`metadata.managedFields`, FieldsV1): who set what, and which lists are keyed.

Format: a tree with keys `f:<field>`, `k:<json of the key fields>` and `v:<json value>` for list items, and `.` for the
item itself; an empty node is a leaf, or a value that is replaced as a whole.
Source: structured-merge-diff, fieldpath/serialize.go.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["MISSING", "Fields", "all_fields", "applied_fields", "child", "has_manager", "item_key", "key_names", "pick"]

Fields = Mapping[str, Any]
MISSING: Any = object()
KEY_DEFAULTS = {"protocol": "TCP"}
"""The only key field of a built-in list that has a default (ports of containers and Services)."""


def has_manager(live: Mapping[str, Any], manager: str) -> bool:
    """Whether `manager` has applied this object."""
    return any(entry.get("manager") == manager for entry in _entries(live))


def all_fields(live: Mapping[str, Any]) -> Fields:
    """The union over all managers: the shape of the object as the server's schema sees it."""
    return _union(entry.get("fieldsV1") or {} for entry in _entries(live))


def applied_fields(live: Mapping[str, Any]) -> Fields:
    """What somebody wrote down with server-side apply; empty where nobody did."""
    return _union(entry.get("fieldsV1") or {} for entry in _entries(live) if entry.get("operation") == "Apply")


def _entries(live: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Entries of the main resource; those with a sub-resource are written by controllers (status) and scalers."""
    fields = live.get("metadata", {}).get("managedFields") or ()
    return [entry for entry in fields if not entry.get("subresource")]


def _union(trees: Iterable[Fields]) -> Fields:
    merged: dict[str, Any] = {}
    for tree in trees:
        for key, node in tree.items():
            merged[key] = _union((merged[key], node)) if key in merged else node
    return merged


def child(fields: Fields | None, key: str) -> Fields | None:
    """The node of a field; None where nobody is recorded for it."""
    return None if fields is None else fields.get(f"f:{key}")


def key_names(fields: Fields | None) -> tuple[str, ...]:
    """The key fields of a keyed list (`name` for containers); empty for a list that is replaced as a whole."""
    for key in fields or ():
        if key.startswith("k:"):
            return tuple(json.loads(key[2:]))
    return ()


def item_key(item: Any, names: tuple[str, ...]) -> str | None:
    """How `item` is named in the tree; None where it lacks a key field."""
    if not isinstance(item, Mapping):
        return None
    values = {name: item.get(name, KEY_DEFAULTS.get(name)) for name in names}
    if any(value is None for value in values.values()):
        return None
    return "k:" + json.dumps(values, separators=(",", ":"), sort_keys=True)


def pick(live: Any, fields: Fields) -> Any:
    """The part of `live` that `fields` names."""
    if isinstance(live, list):
        return _pick_items(live, fields)
    if not isinstance(live, Mapping) or not any(key.startswith("f:") for key in fields):
        return live
    picked = {}
    for key, node in fields.items():
        name = key[2:]
        if key.startswith("f:") and name in live:
            picked[name] = pick(live[name], node)
    return picked


def _pick_items(live: list[Any], fields: Fields) -> list[Any]:
    names = key_names(fields)
    if names:
        keyed = ((item, fields.get(item_key(item, names) or "")) for item in live)
        return [pick(item, node) for item, node in keyed if node is not None]
    values = [json.loads(key[2:]) for key in fields if key.startswith("v:")]
    return [item for item in live if item in values] if values else live
