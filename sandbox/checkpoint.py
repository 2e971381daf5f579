"""What the engine has written down: the ids in a stack's checkpoint of a file backend."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

__all__ = ["UnreadableError", "recorded_ids"]

SUFFIXES: Final = (".json", ".json.gz")


class UnreadableError(Exception):
    """The checkpoint cannot be read, so nothing can be said about what is recorded."""


def recorded_ids(backend: str, project: str, stack: str) -> set[tuple[str, str]]:
    """(type, id) of all resources of a stack: those to be deleted and those of interrupted operations too.

    A file backend without this stack has recorded nothing; every other backend, and a checkpoint in a form that
    Python's standard library cannot read (zstd), is UnreadableError.
    """
    folder = _stacks_folder(backend, project)
    for suffix in SUFFIXES:
        path = folder / f"{stack}{suffix}"
        if path.exists():
            content = path.read_bytes()
            return _ids(path, gzip.decompress(content) if suffix.endswith(".gz") else content)
    if any(folder.glob(f"{stack}.json.*")) or not folder.parent.is_dir():
        raise UnreadableError(f"no checkpoint that can be read for {project}/{stack} in {backend}")
    return set()


def _stacks_folder(backend: str, project: str) -> Path:
    url = urlsplit(backend)
    if url.scheme != "file":
        raise UnreadableError(f"the backend '{url.scheme}' is not a folder")
    root = Path(unquote(url.netloc + url.path)).expanduser()
    return root / ".pulumi" / "stacks" / project


def _ids(path: Path, content: bytes) -> set[tuple[str, str]]:
    try:
        latest: dict[str, Any] = json.loads(content)["checkpoint"]["latest"] or {}
    except (ValueError, KeyError, TypeError) as error:
        raise UnreadableError(f"{path} is not a checkpoint") from error
    resources = list(latest.get("resources") or ())
    resources += [operation.get("resource") or {} for operation in latest.get("pending_operations") or ()]
    existing = (item for item in resources if not item.get("pendingReplacement"))  # deleted, and not yet made anew
    return {(item["type"], item["id"]) for item in existing if item.get("id") and item.get("type")}
