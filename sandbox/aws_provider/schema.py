"""The part of the SDK's schema that the plugin needs, as a snapshot: `schema.json`.

The plugin must start in less than a second, and importing pulumi_aws takes longer than that. `sdk_schema` writes the
snapshot from the SDK's Python types; a contract test fails when it is not current.

A type is text: `string`, `integer`, `number`, `boolean`, `any`, `[]T` (list), `{}T` (map), `#name` (an object in
`objects`); a `?` at the end says that the value may be absent: on an input, not required; on an output, not computed by
AWS, so that "absent in the program" means "to be removed".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["SNAPSHOT", "Resource", "Schema", "element", "is_list", "is_map", "is_object", "is_optional", "load", "zero"]

SNAPSHOT = Path(__file__).with_name("schema.json")


@dataclass(frozen=True, slots=True)
class Resource:
    """The inputs and outputs of one resource type (or function): wire name -> type text."""

    inputs: Mapping[str, str]
    outputs: Mapping[str, str]

    def required(self) -> list[str]:
        """Inputs that the program must give."""
        return [name for name, kind in self.inputs.items() if not is_optional(kind)]

    def is_computed(self, name: str) -> bool:
        """Whether AWS gives `name` a value where the program does not."""
        return not is_optional(self.outputs.get(name, "any"))


@dataclass(frozen=True, slots=True)
class Schema:
    """What the SDK of version `sdk` declares, for the supported types only."""

    sdk: str
    resources: Mapping[str, Resource]
    functions: Mapping[str, Resource]
    objects: Mapping[str, Mapping[str, str]]

    def fields(self, kind: str) -> Mapping[str, str]:
        """The fields of an object type; empty for every other type."""
        return self.objects.get(kind.rstrip("?")[1:], {}) if is_object(kind) else {}


def is_optional(kind: str) -> bool:
    """Whether the value may be absent."""
    return kind.endswith("?")


def is_list(kind: str) -> bool:
    """Whether the type is a list."""
    return kind.startswith("[]")


def is_map(kind: str) -> bool:
    """Whether the type is a map with free keys."""
    return kind.startswith("{}")


def is_object(kind: str) -> bool:
    """Whether the type is an object with declared fields."""
    return kind.startswith("#")


def element(kind: str) -> str:
    """What a list or map holds."""
    return kind.rstrip("?")[2:]


def zero(kind: str) -> Any:
    """What a computed output is where AWS has nothing to say; objects have no zero value."""
    if is_list(kind):
        return []
    if is_map(kind):
        return {}
    return {"string": "", "integer": 0, "number": 0, "boolean": False}.get(kind.rstrip("?"))


@cache
def load(path: Path = SNAPSHOT) -> Schema:
    """The committed snapshot, read once a process."""
    raw = json.loads(path.read_text())
    return Schema(
        sdk=raw["sdk"],
        resources={token: Resource(**item) for token, item in raw["resources"].items()},
        functions={token: Resource(**item) for token, item in raw["functions"].items()},
        objects=raw["objects"],
    )
