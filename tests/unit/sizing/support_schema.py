"""The part of JSON Schema 2020-12 that docs/schemas/ uses; a keyword that is not known is an error."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.contract.support_files import text_of

__all__ = ["PLAN_SCHEMA", "problems"]

PLAN_SCHEMA: dict[str, Any] = json.loads(text_of("docs/schemas/plan.schema.json"))
NOTES = {"$schema", "$defs", "title", "description"}
TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,), "array": (list,), "string": (str,), "integer": (int,), "number": (int, float),
    "null": (type(None),),
}  # fmt: skip


def problems(value: Any, schema: Any, root: Any = None, at: str = "$") -> list[str]:
    """Where `value` is not what `schema` says."""
    return list(_problems(value, schema, root or schema, at))


def _problems(value: Any, schema: Any, root: Any, at: str) -> Iterator[str]:
    for keyword, rule in schema.items():
        if keyword not in NOTES:
            yield from CHECKS[keyword](value, rule, schema, root, at)


def _is(value: Any, kind: str) -> bool:
    return isinstance(value, TYPES[kind]) and not isinstance(value, bool)


def _ref(value: Any, rule: str, _: Any, root: Any, at: str) -> Iterator[str]:
    yield from _problems(value, root["$defs"][rule.removeprefix("#/$defs/")], root, at)


def _one_of(value: Any, rule: list[Any], _: Any, root: Any, at: str) -> Iterator[str]:
    found = [problems(value, one, root, at) for one in rule]
    if sum(not one for one in found) != 1:
        yield f"{at}: matches {sum(not one for one in found)} forms; nearest lacks {min(found, key=len)[:3]}"


def _any_of(value: Any, rule: list[Any], _: Any, root: Any, at: str) -> Iterator[str]:
    if all(problems(value, one, root, at) for one in rule):
        yield f"{at}: matches none of {rule}"


def _type(value: Any, rule: Any, _: Any, __: Any, at: str) -> Iterator[str]:
    if not any(_is(value, kind) for kind in ([rule] if isinstance(rule, str) else rule)):
        yield f"{at}: {value!r} is no {rule}"


def _properties(value: Any, rule: dict[str, Any], _: Any, root: Any, at: str) -> Iterator[str]:
    for name, below in rule.items():
        if isinstance(value, dict) and name in value:
            yield from _problems(value[name], below, root, f"{at}.{name}")


def _additional(value: Any, rule: Any, schema: Any, _: Any, at: str) -> Iterator[str]:
    assert rule is False
    if isinstance(value, dict):
        yield from (f"{at}.{name} is not known" for name in value if name not in schema["properties"])


def _items(value: Any, rule: Any, _: Any, root: Any, at: str) -> Iterator[str]:
    for index, one in enumerate(value if isinstance(value, list) else ()):
        yield from _problems(one, rule, root, f"{at}[{index}]")


def _required(value: Any, rule: list[str], _: Any, __: Any, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{at}.{name} is missing" for name in rule if name not in value)


def _minimum(value: Any, rule: float, _: Any, __: Any, at: str) -> Iterator[str]:
    if _is(value, "number") and value < rule:
        yield f"{at}: {value} < {rule}"


CHECKS: dict[str, Any] = {
    "$ref": _ref,
    "oneOf": _one_of,
    "anyOf": _any_of,
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "items": _items,
    "required": _required,
    "enum": lambda value, rule, _, __, at: [] if value in rule else [f"{at}: {value!r} is none of {rule}"],
    "const": lambda value, rule, _, __, at: [] if value is rule or value == rule else [f"{at}: {value!r}, not {rule}"],
    "minimum": lambda value, rule, _, __, at: (
        [f"{at}: {value} < {rule}"] if _is(value, "number") and value < rule else []
    ),
    "minItems": lambda value, rule, _, __, at: [f"{at}: too short"] if len(value) < rule else [],
    "maxItems": lambda value, rule, _, __, at: [f"{at}: too long"] if len(value) > rule else [],
    "pattern": lambda value, rule, _, __, at: [] if re.search(rule, str(value)) else [f"{at}: {value!r}"],
}
