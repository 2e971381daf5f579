"""Kubernetes objects as Pulumi sees them: type tokens, ids, names, and what goes to the server and into state."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from sandbox.kubernetes_provider.client import Object
from sandbox.plugin import Secret

__all__ = [
    "NO_STATE",
    "annotation_map",
    "auto_name",
    "body",
    "field_manager",
    "format_id",
    "free_auto_name",
    "is_autonamed",
    "next_auto_name",
    "outputs",
    "parse_id",
    "parse_token",
    "secret_fields",
    "token_of",
    "unsupported_reason",
    "without_nulls",
]

AUTONAMED = "pulumi.com/autonamed"
FIELD_MANAGER = "pulumi.com/patchFieldManager"
FIELD_MANAGER_OUTPUT = "__fieldManager"
NO_STATE: Mapping[str, Any] = MappingProxyType({})
SUFFIX_LENGTH = 8
NAME_LIMIT = 63
"""Names of most kinds end up in a label value or a DNS label, which is shorter than the 253 of an object name."""
MAX_GENERATIONS = 1000
COMPONENT_PACKAGES = ("helm.sh/", "kustomize/", "yaml/", "yaml:", "kustomize:", "helm:")
UNMANAGED_METADATA = ("managedFields",)


def token_of(urn: str) -> str:
    """The type; a URN names the types of all parents before it."""
    return urn.split("::")[-2].rpartition("$")[2]


def parse_token(token: str) -> tuple[str, str]:
    """apiVersion and kind of `kubernetes:apps/v1:Deployment`; the SDK writes the core group as `core/v1`."""
    _, api_version, kind = token.split(":")
    return api_version.removeprefix("core/"), kind


def unsupported_reason(token: str) -> str | None:
    """Why the bundled plugin does not serve `token`; None where it does."""
    module, _, kind = token.removeprefix("kubernetes:").partition(":")
    official = "the official plugin does: pulumi plugin install resource kubernetes 4.34.2"
    if f"{module}:".startswith(COMPONENT_PACKAGES):
        return (
            f"{token} is not supported by the sandbox's bundled plugin (no Helm, Kustomize or YAML bundles); {official}"
        )
    group = module.partition("/")[0]
    built_in = "." not in group or (group.endswith(".k8s.io") and not group.endswith(".x-k8s.io"))
    if built_in and kind.endswith(("Patch", "List")):
        return f"{token} is not supported by the sandbox's bundled plugin (no patches, no lists); {official}"
    return None


def field_manager(urn: str, inputs: Mapping[str, Any], state: Mapping[str, Any] = NO_STATE) -> str:
    """The name our fields carry. One a URN and always the same, so a killed run finds what it had created.

    A resource that was renamed with an alias goes on as the manager in its `state`, which owns the fields.
    """
    chosen = annotation_map(inputs).get(FIELD_MANAGER) or state.get(FIELD_MANAGER_OUTPUT)
    return str(chosen) if chosen else f"pulumi-kubernetes-{_digest(urn)}"


def annotation_map(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = inputs.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def is_autonamed(inputs: Mapping[str, Any]) -> bool:
    return bool(annotation_map(inputs).get(AUTONAMED) == "true")


def auto_name(prefix: str, urn: str, generation: int = 0) -> str:
    """A name made from the logical one. The suffix depends on the URN alone, so a killed run makes it again."""
    return f"{prefix[: NAME_LIMIT - SUFFIX_LENGTH - 1]}-{_digest(f'{urn}#{generation}')}"


def next_auto_name(prefix: str, urn: str, current: str) -> str:
    """The name of a replacement, which exists beside `current` for a while."""
    for generation in range(MAX_GENERATIONS):
        if auto_name(prefix, urn, generation) == current:
            return auto_name(prefix, urn, generation + 1)
    return auto_name(prefix, urn)


def free_auto_name(prefix: str, urn: str, taken: Collection[str]) -> str:
    """The first name of the URN that is not taken."""
    names = (auto_name(prefix, urn, generation) for generation in range(MAX_GENERATIONS))
    return next((name for name in names if name not in taken), auto_name(prefix, urn))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SUFFIX_LENGTH]


def format_id(namespace: str | None, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


def parse_id(resource_id: str) -> tuple[str | None, str]:
    """Namespace (None where the id has none) and name."""
    namespace, _, name = resource_id.rpartition("/")
    return namespace or None, name


def without_nulls(item: Any) -> Any:
    """`item` without null fields: unset, for Pulumi; the server would read them as a wish to clear a field."""
    if isinstance(item, Mapping):
        return {key: without_nulls(child) for key, child in item.items() if child is not None}
    if isinstance(item, list):
        return [without_nulls(child) for child in item]
    return item


def body(inputs: Mapping[str, Any]) -> Object:
    """What is applied: the inputs without Pulumi's own keys and without status, which belongs to controllers."""
    kept = {key: item for key, item in inputs.items() if not key.startswith("__") and key != "status"}
    cleaned: Object = without_nulls(kept)
    return cleaned


def outputs(live: Mapping[str, Any], manager: str) -> Object:
    """What is kept in state: the live object and the two marks the official plugin keeps too."""
    shown = dict(live)
    metadata = live.get("metadata")
    if isinstance(metadata, Mapping):
        shown["metadata"] = {key: item for key, item in metadata.items() if key not in UNMANAGED_METADATA}
    shown[FIELD_MANAGER_OUTPUT] = manager
    shown["__initialApiVersion"] = live.get("apiVersion")
    return secret_fields(shown)


def secret_fields(item: Mapping[str, Any]) -> Object:
    """`item` with the data of a Kubernetes Secret marked for encryption."""
    marked = dict(item)
    if item.get("kind") == "Secret":
        for key in ("data", "stringData"):
            if key in marked:
                marked[key] = Secret(marked[key])
    return marked
