"""`model.safetensors.index.json`: which tensor lies in which shard, and how many bytes all of them have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.catalog.fields import Fields
from infra.catalog.published import Origin

__all__ = ["Index", "index_of"]

MOST_BYTES = 10**15
LAYER = re.compile(r"model\.layers\.(\d{1,6})\.")


@dataclass(frozen=True, slots=True)
class Index:
    """What the index adds to a config."""

    path: Path
    total_bytes: int
    shards: int
    layers: int
    """Blocks it names, draft blocks included; 0 where it names none."""
    origin: Origin


def index_of(path: Path, document: Mapping[str, Any], origin: Origin) -> Index:
    """The facts of one index; refuses one without sizes or names."""
    given = document.get("metadata")
    metadata = dict(given) if isinstance(given, Mapping) else {}
    size = metadata.get("total_size")
    if isinstance(size, float) and size.is_integer():
        metadata["total_size"] = int(size)
    fields = Fields(str(path), metadata)
    total = fields.number("total_size", most=MOST_BYTES)
    files = document.get("weight_map")
    if not isinstance(files, Mapping) or not files or not all(isinstance(name, str) for name in files.values()):
        fields.missing.append("weight_map")
        files = {}
    fields.finish()
    blocks = [int(found[1]) for name in files if (found := LAYER.match(name))]
    return Index(path, total, len(set(files.values())), max(blocks, default=-1) + 1, origin)
