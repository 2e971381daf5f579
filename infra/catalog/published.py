"""Published model files, read with bounds: what a stranger put on the internet must not exhaust this machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.errors import ConfigurationError, Location

__all__ = ["Origin", "hostile", "read_json", "unreadable", "wrong_file"]

MOST_JSON_BYTES = 64 * 2**20
"""The index of V3 (91,991 tensors) has 9 MiB; a config.json has 2 to 20 KiB."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which file a fact comes from."""

    name: str
    sha256: str
    part: str = "sha256"
    """What the digest covers: the file, or the header alone where the rest is weights."""

    def __str__(self) -> str:
        return f"{self.name} ({self.part} {self.sha256})"


def read_json(path: Path) -> tuple[Mapping[str, Any], Origin]:
    """The JSON object in `path`; refuses what is larger than 64 MiB, nested beyond reason, or no object."""
    if path.stat().st_size > MOST_JSON_BYTES:
        raise hostile(path, f"has {path.stat().st_size:,} bytes", f"at most {MOST_JSON_BYTES:,} bytes of JSON")
    content = path.read_bytes()
    try:
        document = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except RecursionError:
        raise hostile(path, "is nested too deep", "a config.json is at most a few levels deep") from None
    except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are of this kind
        raise unreadable(path, f"is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise unreadable(path, f"holds {type(document).__name__} where an object is expected")
    return document, Origin(path.name, hashlib.sha256(content).hexdigest())


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def wrong_file(code: str, path: Path, what: str, *, allowed: str, fix: str) -> ConfigurationError:
    """A file given to `models add` that no model can be derived from; `what` follows its name."""
    return ConfigurationError(
        f"{path.name} {what}",
        code=code,
        key="FILE",
        location=Location(str(path)),
        value=str(path),
        allowed=allowed,
        fix=fix,
    )


def unreadable(path: Path, what: str) -> ConfigurationError:
    """The file is not one of the three kinds, or is damaged."""
    return wrong_file(
        "SKS0211",
        path,
        what,
        allowed="a Hugging Face config.json, a model.safetensors.index.json, or a GGUF file",
        fix="fetch the file again, whole, from where it was published",
    )


def hostile(path: Path, what: str, allowed: str) -> ConfigurationError:
    """The file claims more than any model needs; reading on could exhaust the memory."""
    fix = "do not use this file: no published model looks like it"
    return wrong_file("SKS0212", path, what, allowed=allowed, fix=fix)
