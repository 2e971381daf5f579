"""Between the SDK's property names and AWS's request and response members.

Pulumi says `vpcSecurityGroupIds` and a flattened object, AWS says `VpcSecurityGroupIds` and a list of one; which of
them is right at a place is told by the botocore shape (requests) and by the SDK's schema (responses), so nothing here
knows a single resource type.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from sandbox.aws_provider.schema import Schema, element, is_list, is_map, is_object

__all__ = [
    "UnknownMemberError",
    "find_member",
    "folded",
    "from_aws",
    "object_from_aws",
    "set_path",
    "to_aws",
]


class UnknownMemberError(Exception):
    """A property that the AWS call has no member for."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


def folded(name: str) -> str:
    """What two spellings of one name have in common: `ebsBlockDevices` and `EbsBlockDevice` are equal."""
    lower = name.replace("_", "").replace("-", "").lower()
    return lower[:-1] if lower.endswith("s") and not lower.endswith("ss") else lower


@lru_cache(maxsize=4096)
def _index(names: tuple[str, ...]) -> dict[str, str]:
    """Exact (lower-case) spellings win over singular and plural ones."""
    return {folded(name): name for name in names} | {name.lower(): name for name in names}


def find_member(name: str, members: Mapping[str, Any]) -> str | None:
    """The member of `members` that `name` means, if there is one."""
    index = _index(tuple(members))
    return index.get(name.lower()) or index.get(folded(name))


def set_path(target: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted member path, creating the objects on the way."""
    *parents, last = path.split(".")
    for parent in parents:
        target = target.setdefault(parent, {})
    target[last] = value


def to_aws(value: Any, shape: Any, path: str, rename: Mapping[str, str]) -> Any:
    """`value` in the form of a botocore shape; `path` is its property path without indexes."""
    kind = shape.type_name
    if kind == "structure":
        only = value[0] if isinstance(value, list) and len(value) == 1 else value
        return _structure_to_aws(only, shape, path, rename)
    if kind == "list" and isinstance(value, Mapping) and _is_tag(shape.member):
        return [{"Key": key, "Value": text} for key, text in value.items()]
    if kind == "list":
        items = value if isinstance(value, list) else [value]
        return [to_aws(item, shape.member, path, rename) for item in items]
    if kind == "map":
        return {key: to_aws(item, shape.value, f"{path}.{key}", rename) for key, item in value.items()}
    return _scalar_to_aws(value, kind, path)


def _is_tag(shape: Any) -> bool:
    return set(getattr(shape, "members", ())) == {"Key", "Value"}


def _structure_to_aws(value: Any, shape: Any, path: str, rename: Mapping[str, str]) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise UnknownMemberError(path)
    result: dict[str, Any] = {}
    for name, item in value.items():
        inner = f"{path}.{name}" if path else name
        if item is None:
            continue
        target = rename.get(inner) or find_member(name, shape.members)
        member = _member_shape(shape, target) if target else None
        if target is None or member is None:
            raise UnknownMemberError(inner)
        set_path(result, target, to_aws(item, member, inner, rename))
    return result


def _member_shape(shape: Any, path: str) -> Any | None:
    for name in path.split("."):
        shape = getattr(shape, "members", {}).get(name)
        if shape is None:
            return None
    return shape


def _scalar_to_aws(value: Any, kind: str, path: str) -> Any:
    if isinstance(value, Mapping | list):
        raise UnknownMemberError(path)
    if kind == "boolean":
        return value.lower() == "true" if isinstance(value, str) else bool(value)
    if kind in ("integer", "long"):
        return int(value)
    if kind in ("float", "double"):
        return float(value)
    if kind == "blob":
        return value.encode() if isinstance(value, str) else value
    if kind == "timestamp":
        return value
    if isinstance(value, bytes):  # text that botocore itself encodes (user data)
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def object_from_aws(
    found: Mapping[str, Any], fields: Mapping[str, str], schema: Schema, path: str, rename: Mapping[str, str]
) -> dict[str, Any]:
    """The declared `fields` that `found` has, in the SDK's names and types."""
    result: dict[str, Any] = {}
    for name, kind in fields.items():
        inner = f"{path}.{name}" if path else name
        raw = _pick(found, name, rename.get(inner))
        if raw is not None:
            result[name] = from_aws(raw, kind, schema, inner, rename)
    return result


def _pick(found: Mapping[str, Any], name: str, renamed: str | None) -> Any:
    if renamed is None:
        member = find_member(name, found)
        return found.get(member) if member else None
    value: Any = found
    for part in renamed.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def from_aws(raw: Any, kind: str, schema: Schema, path: str, rename: Mapping[str, str]) -> Any:
    """`raw` as the schema's type `kind`; a list of one becomes the object that Pulumi flattens it to."""
    if is_list(kind):
        items = raw if isinstance(raw, list | tuple) else [raw]
        return [from_aws(item, element(kind), schema, path, rename) for item in items]
    if is_map(kind) and isinstance(raw, list | tuple):
        return {tag["Key"]: tag["Value"] for tag in raw}
    if isinstance(raw, list | tuple):
        return from_aws(raw[0], kind, schema, path, rename) if raw else None
    if is_map(kind) and isinstance(raw, Mapping):
        return {str(key): from_aws(item, element(kind), schema, path, rename) for key, item in raw.items()}
    if is_object(kind) and isinstance(raw, Mapping):
        return object_from_aws(raw, schema.fields(kind), schema, path, rename)
    return _scalar_from_aws(raw, kind.rstrip("?"))


def _scalar_from_aws(raw: Any, kind: str) -> Any:
    if isinstance(raw, datetime):
        return raw.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(raw, bytes):
        return base64.b64encode(raw).decode()
    if kind == "string":
        return str(raw).lower() if isinstance(raw, bool) else str(raw) if isinstance(raw, int | float) else raw
    if kind == "boolean" and isinstance(raw, str):
        return raw.lower() in ("true", "enabled", "enable")
    if kind in ("integer", "number") and isinstance(raw, str) and raw:
        number = float(raw)
        return int(number) if kind == "integer" or number.is_integer() else number
    return raw
