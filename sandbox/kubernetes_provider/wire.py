"""Requests as plain values, with what is not known yet as UNKNOWN.

The vendor's Python decoder leaves the engine's markers for unknown values as the strings they are on the wire; a
marker that went to the API server as a value would be validated as one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.plugin import UNKNOWN, plain_map

__all__ = ["from_wire"]

UNKNOWN_MARKERS = frozenset(
    # sdk/go/common/resource/plugin/rpc.go: bool, number, string, array, asset, archive, object
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


def from_wire(items: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """A property map as plain values."""
    return {key: _marked(item) for key, item in plain_map(items).items()}


def _marked(item: Any) -> Any:
    if isinstance(item, str) and item in UNKNOWN_MARKERS:
        return UNKNOWN
    if isinstance(item, dict):
        return {key: _marked(child) for key, child in item.items()}
    if isinstance(item, list):
        return [_marked(child) for child in item]
    return item
