"""AWS errors as a person can act on them: code, message, property and URN; gaps of the fake are named as such."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.aws_provider.convert import UnknownMemberError, folded
from sandbox.aws_provider.description import Type
from sandbox.plugin import PluginError

__all__ = ["NOT_MODELLED", "code_of", "explain", "gap", "is_not_found", "no_answer", "silence", "unsupported_type"]

NOT_MODELLED: Final = "NotModelledBySandbox"
NOT_FOUND_ENDINGS: Final = (".NotFound", "NotFoundException", "ResourceNotFoundException", "NoSuchEntity")
# botocore's two roots of "no answer came back"; by name, because this module is loaded before botocore is needed.
TRANSPORT_ERRORS: Final = ("HTTPClientError", "ConnectionError")
READING: Final = ("importing", "reading")
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


def no_answer(error: BaseException) -> str | None:
    """`silence` where the call failed for want of an answer; None where there was one."""
    if not any(cls.__name__ in TRANSPORT_ERRORS for cls in type(error).__mro__):
        return None
    return silence(str(getattr(error, "kwargs", {}).get("endpoint_url") or ""), error)


def silence(url: str, error: BaseException) -> str:
    """What did not answer, and the fix, in one line."""
    parts = urlsplit(url)
    place = f" at {parts.scheme}://{parts.netloc}" if parts.netloc else ""
    return (
        f"the fake AWS{place} does not answer ({type(error).__name__}). Start it again: "
        'eval "$(seekstack sandbox env)"; what it held is lost, `pulumi refresh` tells the stack'
    )


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
    unanswered = no_answer(error)
    if unanswered is not None:
        return PluginError(f"{action} {urn}: {unanswered}")
    if action in READING and type(error) in (ValueError, IndexError):  # an id that cannot be taken apart
        return PluginError(
            f"{action} {urn}: the id does not have the form that this type is imported by; it is at the end of the "
            "type's page in https://www.pulumi.com/registry/packages/aws/api-docs/"
        )
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
