"""Check: defaults and names as the official plugin fills them in, and every wrong input of one resource at once."""

from __future__ import annotations

import difflib
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sandbox.aws_provider.description import Type
from sandbox.aws_provider.diff import is_empty
from sandbox.aws_provider.schema import Schema, element, is_list, is_map, is_object, is_optional
from sandbox.plugin import Unknown

__all__ = ["DEFAULTS_KEY", "Failure", "check", "is_generated"]

DEFAULTS_KEY: Final = "__defaults"  # the official plugin's own record of inputs it chose; kept so that states agree
NAME_HEX_DIGITS: Final = 7


@dataclass(frozen=True, slots=True)
class Failure:
    """One wrong input."""

    property: str
    reason: str


def check(
    described: Type,
    schema: Schema,
    *,
    name: str,
    new: Mapping[str, Any],
    old: Mapping[str, Any],
    default_tags: Mapping[str, str],
    seed: bytes,
) -> tuple[dict[str, Any], list[Failure]]:
    """The inputs with defaults, and what is wrong with them."""
    inputs = {key: value for key, value in new.items() if value is not None and key != DEFAULTS_KEY}
    chosen = [key for key in described.defaults if key not in inputs]
    inputs |= {key: described.defaults[key] for key in chosen}
    if described.tags is not None and default_tags and not isinstance(inputs.get("tags"), Unknown):
        inputs["tags"] = {**default_tags, **inputs.get("tags", {})}
    if described.autoname and described.autoname not in inputs:
        chosen.append(described.autoname)
        inputs[described.autoname] = _chosen_name(described, described.autoname, name, inputs, old, seed)
    failures = list(_failures(described, schema, inputs))
    inputs[DEFAULTS_KEY] = sorted(chosen)
    return inputs, failures


def is_generated(name: str, inputs: Mapping[str, Any]) -> bool:
    """Whether `check` chose the value of an input, and would choose another for a replacement."""
    return name in (inputs.get(DEFAULTS_KEY) or ())


def _chosen_name(
    described: Type, autoname: str, name: str, inputs: Mapping[str, Any], old: Mapping[str, Any], seed: bytes
) -> Any:
    """`<logical name>-<7 hex>`; a given prefix takes the place of the logical name.

    Kept from the last deployment while the prefix stays: under an alias the logical name is another, the resource not.
    """
    prefix = inputs.get(f"{autoname}Prefix")
    if isinstance(prefix, Unknown):
        return prefix
    if is_generated(autoname, old) and old.get(f"{autoname}Prefix") == prefix:
        return old[autoname]
    suffix = hashlib.sha256(seed + name.encode()).hexdigest()[:NAME_HEX_DIGITS]
    stem = prefix if prefix else f"{name}-"
    return stem[: described.autoname_length - NAME_HEX_DIGITS] + suffix


def _failures(described: Type, schema: Schema, inputs: Mapping[str, Any]) -> Iterator[Failure]:
    resource = schema.resources[described.token]
    for name in resource.required():
        if name not in inputs:
            yield Failure(name, f"missing required property '{name}'")
    for name, value in inputs.items():
        kind = resource.inputs.get(name)
        if kind is None:
            yield Failure(name, _unknown(name, name, resource.inputs))
        elif name in described.unsupported and not _means_nothing(value, described.defaults.get(name)):
            yield Failure(name, f"the bundled sandbox plugin does not support '{name}'; the official plugin does")
        else:
            yield from _wrong(name, value, kind, schema)


def _means_nothing(value: Any, default: Any) -> bool:
    return is_empty(value) or value == default


def _unknown(path: str, name: str, known: Mapping[str, Any]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"unknown property '{path}'" + (f", did you mean '{near[0]}'?" if near else "")


def _wrong(path: str, value: Any, kind: str, schema: Schema) -> Iterator[Failure]:
    """Wrong names and forms below one input."""
    if value is None or isinstance(value, Unknown):
        return
    if is_list(kind) and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _wrong(f"{path}[{index}]", item, element(kind), schema)
    elif is_map(kind) and isinstance(value, Mapping):
        for key, item in value.items():
            yield from _wrong(f"{path}.{key}", item, element(kind), schema)
    elif is_list(kind) or is_map(kind):
        yield Failure(path, f"'{path}' must be a {'list' if is_list(kind) else 'map'}, not {value!r}")
    elif is_object(kind):
        yield from _wrong_object(path, value, schema.fields(kind), schema)
    elif not _is_scalar(value, kind.rstrip("?")):
        yield Failure(path, f"'{path}' must be of type {kind.rstrip('?')}, not {value!r}")


def _wrong_object(path: str, value: Any, fields: Mapping[str, str], schema: Schema) -> Iterator[Failure]:
    if not isinstance(value, Mapping):
        yield Failure(path, f"'{path}' must be an object, not {value!r}")
        return
    for name, kind in fields.items():
        if not is_optional(kind) and value.get(name) is None:
            yield Failure(f"{path}.{name}", f"missing required property '{path}.{name}'")
    for name, item in value.items():
        if name in fields:
            yield from _wrong(f"{path}.{name}", item, fields[name], schema)
        elif name != DEFAULTS_KEY:
            yield Failure(f"{path}.{name}", _unknown(f"{path}.{name}", name, fields))


def _is_scalar(value: Any, kind: str) -> bool:
    """Text converts to numbers and booleans, and they to text; the SDK's own types are that lenient."""
    if kind == "any":
        return True
    if isinstance(value, Mapping | list):
        return False
    if kind == "boolean":
        return isinstance(value, bool) or value in ("true", "false")
    if kind in ("integer", "number"):
        return not isinstance(value, bool) and _is_number(value, whole=kind == "integer")
    return True


def _is_number(value: Any, *, whole: bool) -> bool:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return number.is_integer() or not whole
