"""AWS errors as a person can act on them: code, message, property and URN; gaps of the fake are named as such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sandbox.aws_provider.convert import UnknownMemberError, folded
from sandbox.aws_provider.description import Type
from sandbox.plugin import PluginError

__all__ = ["NOT_MODELLED", "code_of", "explain", "gap", "is_not_found", "unsupported_type"]

NOT_MODELLED: Final = "NotModelledBySandbox"
NOT_FOUND_ENDINGS: Final = (".NotFound", "NotFoundException", "ResourceNotFoundException", "NoSuchEntity")
SHORTEST_TELLING_VALUE: Final = 4  # "tcp" or "1" in a message does not tell which property is meant


def code_of(error: BaseException) -> str:
    """The AWS error code, "" for other errors."""
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, Mapping) else ""


def is_not_found(error: BaseException, described: Type) -> bool:
    """Whether the error says that the resource does not exist."""
    code = code_of(error)
    return code in described.not_found or code.endswith(NOT_FOUND_ENDINGS)


def gap(error: BaseException, service: str, operation: str) -> str | None:
    """`not modelled by the sandbox: …` where the fake has no model for the call; None where AWS really refused."""
    text = f"not modelled by the sandbox: {service}.{operation}"
    if type(error).__name__ == "ResponseParserError":  # an HTML page where XML or JSON should be
        return text
    if code_of(error) in (NOT_MODELLED, "NotYetImplemented", "NotImplemented"):
        return text
    response = getattr(error, "response", None)
    if not isinstance(response, Mapping):
        return None
    status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    message = str(response.get("Error", {}).get("Message", "")).lstrip().lower()
    page = message.startswith(("<!doctype html", "<html"))
    nameless = status == 404 and service != "s3" and code_of(error) in ("404", "") and message in ("", "not found")
    return text if page or nameless else None


def explain(
    error: BaseException, *, action: str, urn: str, service: str, operation: str, inputs: Mapping[str, Any]
) -> PluginError:
    """What the engine shows, such as `creating urn:…: InvalidSubnet.Range: The CIDR … (property cidrBlock)`."""
    if isinstance(error, PluginError):
        return error
    unmodelled = gap(error, service, operation)
    if unmodelled is not None:
        return PluginError(f"{action} {urn}: {unmodelled}. The official plugin and real AWS may well accept it.")
    if isinstance(error, UnknownMemberError):
        return PluginError(
            f"{action} {urn}: the bundled sandbox plugin does not support this input here (property {error.path})"
        )
    if type(error).__name__ in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"):
        return PluginError(f"{action} {urn}: {error}. Is the fake AWS running? Start it with: seekstack sandbox up")
    code = code_of(error) or type(error).__name__
    message = _message(error)
    where = culprit(message, inputs)
    return PluginError(f"{action} {urn}: {code}: {message}" + (f" (property {where})" if where else ""))


def _message(error: BaseException) -> str:
    response = getattr(error, "response", None)
    text = response.get("Error", {}).get("Message") if isinstance(response, Mapping) else None
    return " ".join(str(text or error).split())


def culprit(message: str, inputs: Mapping[str, Any]) -> str | None:
    """The property an error message is about: the one whose value it quotes, else the one whose name it says."""
    quoted = [
        (len(value), path)
        for path, value in _leaves(inputs, "")
        if len(value) >= SHORTEST_TELLING_VALUE and re.search(rf"(?<![\w.]){re.escape(value)}(?![\w])", message)
    ]
    if quoted:
        return max(quoted)[1]
    words = {folded(word) for word in re.findall(r"[A-Za-z]+[A-Z_]\w+", message)}  # not "value" or "name" in a sentence
    named = [name for name in inputs if folded(name) in words]
    return max(named, key=len) if named else None


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif isinstance(value, str) and path != "region":
        yield path, value


def unsupported_type(token: str) -> PluginError:
    """What to say to a type, or look-up, that no description covers."""
    return PluginError(
        f"{token}: the bundled sandbox plugin does not have this type. "
        "The official plugin has it: pulumi plugin install resource aws 7.51.1"
    )
