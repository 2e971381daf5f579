"""What the engine keeps of a resource: outputs from what AWS says, and inputs that follow drift."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sandbox.aws_provider.calls import parse_tags
from sandbox.aws_provider.convert import find_member, from_aws
from sandbox.aws_provider.description import Type
from sandbox.aws_provider.diff import is_empty
from sandbox.aws_provider.document import Document
from sandbox.aws_provider.schema import Resource, Schema, element, is_list, is_map, is_object, is_optional, zero
from sandbox.plugin import UNKNOWN, Secret

__all__ = ["imported_inputs", "outputs", "previewed", "refreshed_inputs", "with_secrets"]


def outputs(described: Type, schema: Schema, document: Document, carry: Mapping[str, Any]) -> dict[str, Any]:
    """Every output the SDK declares; `carry` has values for what AWS does not tell (write-only inputs)."""
    resource = schema.resources[described.token]
    result: dict[str, Any] = {}
    for name, kind in resource.outputs.items():
        value = _told(name, kind, described, schema, document)
        if value is None and name not in described.clears:
            value = carry.get(name)
        elif isinstance(value, dict) and is_object(kind) and isinstance(carry.get(name), Mapping):
            value = {**carry[name], **value}
        if value is None and not is_optional(kind):
            value = zero(kind)
        if value is not None:
            result[name] = value
    return result


def _told(name: str, kind: str, described: Type, schema: Schema, document: Document) -> Any:
    """The value AWS gives for an output; None where it says nothing."""
    if name == "region":
        return document.region
    if name in ("tags", "tagsAll") and described.tags is not None:
        return parse_tags(described.tags, document.evaluate(described.tags.found))
    if name in described.outputs:
        raw = document.evaluate(described.outputs[name])
    else:
        places = (document.it, *map(document.evaluate, described.also))
        told = (_member(place, described.rename.get(name), name) for place in places)
        raw = next((value for value in told if value is not None), None)
    return None if raw is None else from_aws(raw, kind, schema, name, described.rename)


def _member(found: Any, renamed: str | None, name: str) -> Any:
    if renamed is None:
        member = find_member(name, found) if isinstance(found, Mapping) else None
        return found[member] if member else None
    for part in renamed.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def with_secrets(described: Type, found: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs with the sensitive ones marked, so that the engine encrypts them."""
    return {name: Secret(value) if name in described.secret else value for name, value in found.items()}


def previewed(
    resource: Resource,
    inputs: Mapping[str, Any],
    state: Mapping[str, Any],
    region: str,
    volatile: Collection[str] = (),
) -> dict[str, Any]:
    """Outputs as far as they are known before the create (`state` empty) or update, which changes `volatile` ones."""
    result: dict[str, Any] = {}
    for name, kind in resource.outputs.items():
        if name == "region":
            result[name] = region
        elif name == "tagsAll":
            result[name] = inputs.get("tags") or {}
        elif inputs.get(name) is not None:
            result[name] = inputs[name]
        elif name in volatile or (not state and not is_optional(kind)):
            result[name] = UNKNOWN
        elif name in state and (name not in resource.inputs or resource.is_computed(name)):
            result[name] = state[name]
    return result


def refreshed_inputs(
    resource: Resource, inputs: Mapping[str, Any], before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """The inputs after a refresh: those whose output drifted take the new value, the others stay as they were."""
    result = dict(inputs)
    for name, kind in resource.inputs.items():
        if name not in inputs or before.get(name) == after.get(name):
            continue
        if after.get(name) is None:
            del result[name]
        else:
            result[name] = _as_input(after[name], kind, inputs[name])
    return result


def _as_input(value: Any, kind: str, given: Any) -> Any:
    """An output in the form of the input: an object keeps the fields the program had given."""
    if isinstance(value, Mapping) and isinstance(given, Mapping) and is_object(kind):
        return {key: value.get(key, given[key]) for key in given}
    return value


def imported_inputs(described: Type, resource: Resource, schema: Schema, found: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs that describe an imported resource: what AWS set that differs from "not set"."""
    skipped = {"region", *described.import_skip, *described.unsupported}
    result: dict[str, Any] = {}
    for name, kind in resource.inputs.items():
        value = _input_part(found.get(name), kind, schema)
        if name not in skipped and (not is_empty(value) or (name in described.defaults and value is not None)):
            result[name] = value
    return result


def _input_part(value: Any, kind: str, schema: Schema) -> Any:
    """`value` without the fields that only outputs have, and without empty ones."""
    if is_list(kind) and isinstance(value, list):
        return [_input_part(item, element(kind), schema) for item in value]
    if is_object(kind) and isinstance(value, Mapping):
        parts = {name: _input_part(value.get(name), inner, schema) for name, inner in schema.fields(kind).items()}
        return {
            name: part
            for name, part in parts.items()
            if not is_empty(part) or part is False or (part is not None and not is_optional(schema.fields(kind)[name]))
        }
    if is_map(kind) and isinstance(value, Mapping):
        return dict(value)
    return value
