"""One described call: build the request from inputs and expressions, send it, pick the result."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from sandbox.aws_provider.convert import find_member, set_path, to_aws
from sandbox.aws_provider.description import Call, Source, Tags, Type
from sandbox.aws_provider.document import Document, search
from sandbox.aws_provider.errors import code_of, explain

__all__ = ["auto_members", "create_tags_member", "format_tags", "parse_tags", "perform", "request", "retrying"]

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 2.0


def perform(
    call: Call, described: Type, document: Document, *, action: str, urn: str, omit: Collection[str] = ()
) -> Any:
    """Send `call` and return its result; None where it was skipped or an ignored error came back.

    botocore's errors pass unchanged (callers look at codes); what cannot be sent at all is explained here.
    """
    if call.when is not None and not document.evaluate(call.when):
        return None
    if call.each is not None:
        for item in document.evaluate(call.each) or ():
            single = dataclasses.replace(document, item=item)
            perform(dataclasses.replace(call, each=None), described, single, action=action, urn=urn, omit=omit)
        return None
    service = call.service or described.service
    try:
        members = request(call, described, document, omit=omit)
    except Exception as error:
        raise explain(
            error, action=action, urn=urn, service=service, operation=call.operation, inputs=document.inputs
        ) from error
    return send(call, service, document, members)


def send(call: Call, service: str, document: Document, members: Mapping[str, Any]) -> Any:
    """Send a built request."""
    try:
        answer = document.call(service, call.operation, **members)
    except Exception as error:
        if code_of(error) and code_of(error) in call.ignore:
            return None
        error.__dict__["seekstack_operation"] = (service, call.operation)
        raise
    if call.result is None:
        return answer
    if callable(call.result):
        return call.result(dataclasses.replace(document, response=answer))
    return search(call.result, answer)


def request(call: Call, described: Type, document: Document, *, omit: Collection[str] = ()) -> dict[str, Any]:
    """The request members of `call`."""
    client = document.clients.client(call.service or described.service, document.region)
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[call.operation]).input_shape
    members: dict[str, Any] = {}
    if call.auto:
        skipped = {*omit, *call.omit}
        inner = _shape_at(shape, call.into) if call.into else shape
        members = auto_members(described, document, inner, skipped)
        if call.into:
            members = {call.into: members}
    for path, source in call.send.items():
        value = document.evaluate(source)
        if value is not None:
            set_path(members, path, _shaped(value, shape, path, source, described))
    return members


def auto_members(described: Type, document: Document, shape: Any, skipped: Collection[str]) -> dict[str, Any]:
    """Every input (or, in an `Items` call, every member of the item) in AWS's form."""
    if document.item is not None:
        item: dict[str, Any] = to_aws(document.item, shape, document.item_property, described.rename)
        return item
    members: dict[str, Any] = {}
    for name, value in document.inputs.items():
        target = described.rename.get(name) or find_member(name, shape.members)
        if value is None or target is None or name in skipped or name.startswith("__"):
            continue
        inner = _shape_at(shape, target)
        if inner is not None:
            set_path(members, target, to_aws(value, inner, name, described.rename))
    return members


def _shape_at(shape: Any, path: str) -> Any | None:
    for name in path.split("."):
        shape = getattr(shape, "members", {}).get(name)
        if shape is None:
            return None
    return shape


def _shaped(value: Any, shape: Any, path: str, source: Source, described: Type) -> Any:
    """A sent value in the form of its member; properties inside are renamed by the path they have in the inputs."""
    inner = _shape_at(shape, path)
    if inner is None:
        return value
    found = re.match(r"inputs\.(\w+)", source) if isinstance(source, str) else None
    return to_aws(value, inner, found[1] if found else "", described.rename)


def format_tags(tags: Tags, values: Mapping[str, str]) -> Any:
    """Tags in the strategy's form."""
    if tags.form == "map":
        return dict(values)
    key, value = tags.keys
    return [{key: name, value: text} for name, text in values.items()]


def create_tags_member(tags: Tags | None, values: Mapping[str, str]) -> dict[str, Any]:
    """What the creating call takes for tags."""
    if tags is None or tags.member is None or not values:
        return {}
    formatted = format_tags(tags, values)
    if tags.resource_type:
        formatted = [{"ResourceType": tags.resource_type, "Tags": formatted}]
    member: dict[str, Any] = {}
    set_path(member, tags.member, formatted)
    return member


def parse_tags(tags: Tags, found: Any) -> dict[str, str]:
    """Tags from AWS's form; those that AWS itself sets (`aws:…`) are not ours."""
    key, value = tags.keys
    pairs = found.items() if isinstance(found, Mapping) else ((tag[key], tag[value]) for tag in found or ())
    return {name: text for name, text in pairs if not name.startswith("aws:")}


def retrying(action: Callable[[], Any], codes: Collection[str], seconds: float) -> Any:
    """Run `action` again while it fails with one of `codes`, for a bounded time."""
    deadline = time.monotonic() + seconds
    pause = FIRST_PAUSE_SECONDS
    while True:
        try:
            return action()
        except Exception as error:
            if code_of(error) not in codes or time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
