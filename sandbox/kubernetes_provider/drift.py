"""What a refresh or an import takes as inputs: the live values of exactly the fields the program is responsible for.

Fields of others (a sidecar someone added, a label of a controller) are not drift. A field of ours is, whoever changed
it: ownership moves to the changer, so the fields come from the inputs, not from `managedFields`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from sandbox.kubernetes_provider.ownership import (
    MISSING,
    Fields,
    all_fields,
    applied_fields,
    child,
    item_key,
    key_names,
    pick,
)
from sandbox.kubernetes_provider.paths import same

__all__ = ["imported_inputs", "refreshed_inputs"]

SERVER_METADATA = frozenset(
    (
        "creationTimestamp",
        "deletionGracePeriodSeconds",
        "deletionTimestamp",
        "generation",
        "managedFields",
        "ownerReferences",
        "resourceVersion",
        "selfLink",
        "uid",
    )
)


def refreshed_inputs(inputs: Mapping[str, Any], state: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """`inputs` with the values that changed on the server between `state` (the last deployment) and `live`.

    A value the server only wrote differently (cpu `1000m`, kept as `1`) is the same in `state` and `live`, so the
    input stays as the program wrote it.
    """
    merged: dict[str, Any] = _merge(inputs, state, live, all_fields(live))
    if inputs.get("kind") == "Secret" and isinstance(inputs.get("stringData"), Mapping):
        merged["stringData"] = _string_data(inputs["stringData"], state, live)
    return merged


def imported_inputs(live: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs for an object that no program of ours wrote: what was applied, else all that is not the server's own."""
    fields = applied_fields(live)
    body = dict(pick(live, fields)) if fields else {k: v for k, v in live.items() if k != "status"}
    metadata = {key: item for key, item in body.get("metadata", {}).items() if key not in SERVER_METADATA}
    for key in ("name", "namespace"):
        if key in live["metadata"]:
            metadata[key] = live["metadata"][key]
    return {**body, "apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}


def _merge(wanted: Any, was: Any, now: Any, fields: Fields | None) -> Any:
    if now is MISSING:
        return wanted if was is MISSING else MISSING  # never stored (write-only), or removed since
    if isinstance(wanted, Mapping) and isinstance(now, Mapping) and not _is_atomic(now, fields):
        return _merge_mapping(wanted, was if isinstance(was, Mapping) else {}, now, fields)
    if isinstance(wanted, list) and isinstance(now, list) and (names := key_names(fields)):
        return _merge_keyed(wanted, was if isinstance(was, list) else [], now, fields or {}, names)
    reference = wanted if was is MISSING else was
    return wanted if same(reference, now) else now


def _is_atomic(now: Mapping[str, Any], fields: Fields | None) -> bool:
    """A mapping recorded as one leaf (label selectors, secret references) is replaced as a whole."""
    return fields is not None and not fields and bool(now)


def _merge_mapping(
    wanted: Mapping[str, Any], was: Mapping[str, Any], now: Mapping[str, Any], fields: Fields | None
) -> dict[str, Any]:
    merged = {
        key: _merge(item, was.get(key, MISSING), now.get(key, MISSING), child(fields, key))
        for key, item in wanted.items()
    }
    return {key: item for key, item in merged.items() if item is not MISSING}


def _merge_keyed(
    wanted: list[Any], was: list[Any], now: list[Any], fields: Fields, names: tuple[str, ...]
) -> list[Any]:
    was_by_key = {item_key(item, names): item for item in was}
    now_by_key = {item_key(item, names): item for item in now}
    merged = []
    for item in wanted:
        key = item_key(item, names)
        merged.append(_merge(item, was_by_key.get(key, MISSING), now_by_key.get(key, MISSING), fields.get(key or "")))
    return [item for item in merged if item is not MISSING]


def _string_data(wanted: Mapping[str, Any], state: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    """`stringData` is write-only: the server keeps it in `data`, in base64."""
    was, now = state.get("data") or {}, live.get("data") or {}
    merged = {}
    for key, text in wanted.items():
        if was.get(key) == now.get(key):
            merged[key] = text
        elif key in now:
            merged[key] = _decoded(now[key])
    return merged


def _decoded(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except (binascii.Error, UnicodeDecodeError):
        return encoded
