"""The text of a refusal: what was tried, the server's reason, each field it names, and the URN."""

from __future__ import annotations

import re

from sandbox.kubernetes_provider.client import ApiError, UnreachableError
from sandbox.kubernetes_provider.kinds import UnknownKindError
from sandbox.kubernetes_provider.kubeconfig import KubeconfigError
from sandbox.kubernetes_provider.paths import parse_field, render
from sandbox.plugin import PluginError

__all__ = ["EXPECTED", "is_conflict", "plugin_error"]

EXPECTED = (ApiError, UnreachableError, UnknownKindError, KubeconfigError)
CONFLICT_REASON = "FieldManagerConflict"
MANAGER = re.compile(r'conflict with "([^"]+)"')


def plugin_error(error: Exception, action: str, urn: str) -> PluginError:
    """`error` as the engine should show it; `action` reads like `update default/web (apps/v1 Deployment)`."""
    lines = [f"{action}: {_summary(error)}"]
    if isinstance(error, ApiError):
        lines += _causes(error)
    return PluginError("\n".join([*lines, f"  urn: {urn}"]))


def _summary(error: Exception) -> str:
    if isinstance(error, ApiError) and is_conflict(error):
        return f"another field manager owns what the program sets ({error.reason}, HTTP {error.status})"
    if isinstance(error, ApiError):
        return f"{error.message} ({error.reason}, HTTP {error.status})"
    return str(error)


def _causes(error: ApiError) -> list[str]:
    lines = [f"  {_property(cause.field)}: {cause.message}" for cause in error.causes]
    if is_conflict(error):
        managers = sorted(set(MANAGER.findall(" ".join(cause.message for cause in error.causes)))) or ["another"]
        lines.append(
            f"  fix: take the fields from {', '.join(managers)} with the annotation "
            'pulumi.com/patchForce: "true" (or provider option enablePatchForce), or leave them out of the program'
        )
    return lines


def _property(field: str) -> str:
    """The field as a property path; items that the server names by their key (`[name="web"]`) stay as they are."""
    field = field.lstrip(".")
    return field if '="' in field else render(parse_field(field)) or "-"


def is_conflict(error: ApiError) -> bool:
    """Whether server-side apply was refused because others own the fields."""
    return any(cause.reason == CONFLICT_REASON for cause in error.causes)
