"""Write `schema.json` from the installed pulumi_aws: `python -m sandbox.aws_provider.sdk_schema`.

Never imported by the plugin: pulumi_aws alone takes more than a second. The SDK is reached through importlib, because
which of its modules are needed is told by the type tokens.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
import typing
from collections.abc import Iterable, Mapping
from enum import Enum
from importlib import metadata
from typing import Any

import pulumi

from sandbox.aws_provider import schema

__all__ = ["build", "main"]

SCALARS: typing.Final = {str: "string", int: "integer", float: "number", bool: "boolean"}


def main() -> int:
    """Rewrite the snapshot for every described type and look-up."""
    from sandbox.aws_provider.invokes import INVOKES
    from sandbox.aws_provider.types import TYPES

    schema.SNAPSHOT.write_text(render(build(TYPES, INVOKES)))
    return 0


def render(snapshot: Mapping[str, Any]) -> str:
    """The snapshot as text: one line a type, so that a new SDK version reads well as a diff."""

    def section(items: Mapping[str, Any]) -> str:
        lines = (f"  {json.dumps(name)}: {json.dumps(items[name], sort_keys=True)}" for name in sorted(items))
        return "{\n" + ",\n".join(lines) + "\n }"

    parts = [f' "{name}": {section(snapshot[name])}' for name in ("resources", "functions", "objects")]
    return "{\n" + f' "sdk": {json.dumps(snapshot["sdk"])},\n' + ",\n".join(parts) + "\n}\n"


def build(types: Iterable[str], functions: Iterable[str]) -> dict[str, Any]:
    """What the SDK declares for these type and function tokens."""
    objects: dict[str, Any] = {}
    return {
        "sdk": metadata.version("pulumi_aws"),
        "resources": {token: _resource(token, objects) for token in types},
        "functions": {token: _function(token, objects) for token in functions},
        "objects": objects,
    }


def _module(token: str) -> Any:
    path = token.split(":")[1].split("/")[0]
    return importlib.import_module("pulumi_aws" if path == "index" else f"pulumi_aws.{path}")


def _resource(token: str, objects: dict[str, Any]) -> dict[str, Any]:
    module, name = _module(token), token.rpartition(":")[2]
    inner = importlib.import_module(getattr(module, name).__module__)
    # On a clash with a nested type the SDK names the arguments `BucketVersioningInitArgs`.
    arguments = getattr(inner, f"{name}InitArgs", None) or getattr(inner, f"{name}Args")
    required = {p.name for p in inspect.signature(arguments.__init__).parameters.values() if p.default is p.empty}
    inputs = {
        wire: _kind(hint, objects).rstrip("?") + ("" if python in required else "?")
        for python, wire, hint in _properties(arguments)
    }
    outputs = {wire: _kind(hint, objects) for _, wire, hint in _properties(getattr(module, name))}
    return {"inputs": inputs, "outputs": outputs}


def _function(token: str, objects: dict[str, Any]) -> dict[str, Any]:
    module, name = _module(token), token.rpartition(":")[2]
    function = getattr(module, re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower())
    hints = _hints(function)
    inputs = {
        _camel(p.name): _kind(hints[p.name], objects).rstrip("?") + "?"
        for p in inspect.signature(function).parameters.values()
        if p.name != "opts"
    }
    result = getattr(module, name[0].upper() + name[1:] + "Result")
    return {"inputs": inputs, "outputs": {wire: _kind(hint, objects) for _, wire, hint in _properties(result)}}


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def _properties(cls: type) -> Iterable[tuple[str, str, Any]]:
    """(python name, wire name, type) of each property of an SDK class."""
    for python, member in vars(cls).items():
        if not isinstance(member, property) or member.fget is None:
            continue
        hint = _hints(member.fget).get("return", Any)
        yield python, getattr(member.fget, "_pulumi_name", python), hint


def _hints(function: Any) -> dict[str, Any]:
    """Resolved annotations; `pulumi.Input` refers to Output by a name that SDK modules do not have."""
    inner = inspect.unwrap(function)
    return typing.get_type_hints(inner, inner.__globals__, {"Output": pulumi.Output, "T": Any})


def _kind(hint: Any, objects: dict[str, Any]) -> str:
    """The type text of a Python annotation; Input, Output and Awaitable wrappers are looked through."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in SCALARS:
        return SCALARS[hint]
    if origin is None:
        return _named(hint, objects)
    if origin in (list, tuple) or getattr(origin, "__name__", "") == "Sequence":
        return "[]" + _kind(arguments[0], objects).rstrip("?")
    if getattr(origin, "__name__", "") in ("Mapping", "dict"):
        return "{}" + _kind(arguments[1], objects).rstrip("?")
    if getattr(origin, "__name__", "") in ("Output", "Awaitable"):
        return _kind(arguments[0], objects) if arguments else "any"
    return _union([item for item in arguments if not _is_wrapper(item)], objects)


def _is_wrapper(hint: Any) -> bool:
    """Awaitable[T] and Output[T] beside T in an Input[T], and the TypedDict beside an Args class."""
    name = getattr(typing.get_origin(hint), "__name__", "")
    return name in ("Output", "Awaitable") or typing.is_typeddict(hint)


def _union(members: list[Any], objects: dict[str, Any]) -> str:
    kinds = [_kind(item, objects) for item in members if item is not type(None)]
    optional = type(None) in members or any(schema.is_optional(kind) for kind in kinds)
    kind = kinds[0].rstrip("?") if kinds else "any"
    if any(schema.is_object(item) for item in kinds) and not schema.is_object(kind):
        kind = "any"  # a JSON policy: text or an object
    return kind + ("?" if optional else "")


def _named(hint: Any, objects: dict[str, Any]) -> str:
    if not isinstance(hint, type):
        return "any"
    if issubclass(hint, Enum):
        return "string"
    if not hint.__module__.startswith("pulumi_aws"):
        return "any"
    name = f"{hint.__module__.removeprefix('pulumi_aws.')}.{hint.__name__}"
    if name not in objects:
        objects[name] = {}
        required = {
            p.name for p in inspect.signature(hint.__init__).parameters.values() if p.default is inspect.Parameter.empty
        }
        for python, wire, kind in _properties(hint):
            text = _kind(kind, objects)
            optional = schema.is_optional(text) or (hint.__name__.endswith("Args") and python not in required)
            objects[name][wire] = text.rstrip("?") + ("?" if optional else "")
    return "#" + name


if __name__ == "__main__":
    sys.exit(main())
