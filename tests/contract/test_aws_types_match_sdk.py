"""Every described AWS type says nothing the SDK does not know, and leaves none of the SDK's inputs unexplained."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

import pytest

from sandbox.aws_provider import schema, sdk_schema, types
from sandbox.aws_provider.clients import Clients, Configuration
from sandbox.aws_provider.convert import find_member
from sandbox.aws_provider.description import Call, Type
from sandbox.aws_provider.invokes import INVOKES
from sandbox.aws_provider.types import TYPES

TYPE_MAX_LINES = 100
SUPPORTED = sorted(TYPES)


@pytest.fixture(scope="module")
def sdk() -> schema.Schema:
    return schema.load()


@pytest.fixture(scope="module")
def clients() -> Clients:
    """Clients for their service models only; nothing is called."""
    return Clients(Configuration(region="eu-central-1", endpoints={"*": "http://127.0.0.1:1"}))


@pytest.mark.filterwarnings("ignore:.*has been deprecated:DeprecationWarning")  # the SDK's own, at import
def test_the_snapshot_is_that_of_the_installed_sdk() -> None:
    current = sdk_schema.render(sdk_schema.build(TYPES, INVOKES))
    assert schema.SNAPSHOT.read_text() == current, "run: python -m sandbox.aws_provider.sdk_schema"


@pytest.mark.parametrize("token", SUPPORTED)
def test_a_description_names_only_what_the_sdk_has(token: str, sdk: schema.Schema) -> None:
    described, resource = TYPES[token], sdk.resources[token]
    assert set(described.outputs) <= set(resource.outputs)
    assert {*described.secret, *described.clears, *described.volatile} <= set(resource.outputs)
    named = {*described.replaces, *described.replaces_when, *described.replaces_when.values(), *described.defaults}
    named |= {*described.unsupported, *described.ignored, *described.import_skip, *described.unique}
    named |= {name for setting in described.settings for name in setting.properties}
    named |= {items.property for items in described.items} | ({described.autoname} if described.autoname else set())
    named |= {path.split(".")[0] for path in (*described.ordered, *described.same)}
    assert named - {"*"} <= set(resource.inputs)
    assert {path.split(".")[0] for path in described.rename} <= {*resource.inputs, *resource.outputs}


@pytest.mark.parametrize("token", SUPPORTED)
def test_every_sdk_input_is_sent_to_aws_or_listed(token: str, sdk: schema.Schema, clients: Clients) -> None:
    described = TYPES[token]
    used = set(in_calls(described, clients)) | {*described.unsupported, *described.ignored, "region"}
    used |= {items.property for items in described.items} | ({"tags"} if described.tags else set())
    used.add(f"{described.autoname}Prefix")  # what a chosen name begins with
    assert set(sdk.resources[token].inputs) - used == set()


@pytest.mark.parametrize("token", SUPPORTED)
def test_every_input_can_be_changed_or_replaces(token: str, sdk: schema.Schema, clients: Clients) -> None:
    described, resource = TYPES[token], sdk.resources[token]
    if "*" in described.replaces:
        return
    settled = {*described.replaces, *described.unsupported, *described.ignored, "region"}
    settled |= {name for setting in described.settings for name in setting.properties}
    settled |= {items.property for items in described.items} | ({"tags"} if described.tags else set())
    settled.add(f"{described.autoname}Prefix" if described.autoname in described.replaces else "")
    for call in updates(described):
        settled |= set(used_by(call, described, clients))
    assert set(resource.inputs) - settled == set()


@pytest.mark.parametrize("token", SUPPORTED)
def test_a_type_whose_id_comes_from_inputs_can_be_found_again_after_a_kill(token: str) -> None:
    described = TYPES[token]
    from_response = isinstance(described.id, str) and "response." in described.id and "inputs." not in described.id
    assert from_response or described.recover is not None


@pytest.mark.parametrize("token", SUPPORTED)
def test_every_described_call_exists_in_boto3(token: str, clients: Clients) -> None:
    described = TYPES[token]
    for call in calls_of(described):
        client = clients.client(call.service or described.service)
        assert call.operation in client.meta.method_to_api_mapping


def test_no_type_has_a_hundred_lines_of_its_own() -> None:
    found = {}
    for file in Path(types.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Type":
                found[f"{file.name}:{node.lineno}"] = (node.end_lineno or 0) - node.lineno + 1
    assert {where: lines for where, lines in found.items() if lines >= TYPE_MAX_LINES} == {}
    assert len(found) > 30


def calls_of(described: Type) -> Iterator[Call]:
    """Every call in a description."""
    yield from walk(described, Call)


def walk(value: Any, wanted: type) -> Iterator[Any]:
    if isinstance(value, wanted):
        yield value
    if dataclasses.is_dataclass(value):
        for part in dataclasses.fields(value):
            yield from walk(getattr(value, part.name), wanted)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from walk(item, wanted)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from walk(item, wanted)


def updates(described: Type) -> list[Call]:
    if described.update is None:
        return []
    return [described.update] if isinstance(described.update, Call) else list(described.update)


def in_calls(described: Type, clients: Clients) -> Iterator[str]:
    for call in calls_of(described):
        yield from used_by(call, described, clients)


def used_by(call: Call, described: Type, clients: Clients) -> Iterator[str]:
    """Inputs that a call sends: by name conversion, in an expression, or named in a function."""
    for source in (*call.send.values(), call.when, call.each, described.id, described.recover):
        if isinstance(source, str):
            yield from re.findall(r"inputs\.(\w+)", source)
        elif source is not None:
            yield from mentioned(source)
    if call.auto:
        client = clients.client(call.service or described.service)
        shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[call.operation]).input_shape
        shape = shape.members[call.into] if call.into else shape
        for name in schema.load().resources[described.token].inputs:
            target = described.rename.get(name, "").split(".")[0] or find_member(name, shape.members)
            if target in shape.members and name not in call.omit:
                yield name


def mentioned(function: Any) -> set[str]:
    """Texts that a function, what it closes over and the module constants and functions it names have in them."""
    seen: set[str] = set()
    _mentioned(function, seen, set())
    return seen


def _mentioned(value: Any, seen: set[str], done: set[int]) -> None:
    if id(value) in done:
        return
    done.add(id(value))
    if isinstance(value, str):
        seen.add(value)
    for part in _parts(value):
        _mentioned(part, seen, done)


def _parts(value: Any) -> Iterator[Any]:
    """What a constant or a function of ours is made of."""
    if isinstance(value, Mapping):
        yield from (*value, *value.values())
    elif isinstance(value, list | tuple | frozenset):
        yield from value
    elif isinstance(value, CodeType):
        yield from value.co_consts
    elif isinstance(value, FunctionType) and value.__module__.startswith("sandbox.aws_provider"):
        yield value.__code__
        yield from (value.__globals__.get(name) for name in _names(value.__code__))
        yield from inspect.getclosurevars(value).nonlocals.values()


@cache
def _names(code: CodeType) -> frozenset[str]:
    inner = [_names(item) for item in code.co_consts if isinstance(item, CodeType)]
    return frozenset(code.co_names).union(*inner)
