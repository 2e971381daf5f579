"""The provider's configuration: what of the official plugin's options the bundled one knows."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.plugin import UNKNOWN, PluginError

__all__ = ["Settings", "read_settings"]

UNSUPPORTED = ("cluster", "renderYamlToDirectory", "helmReleaseSettings")


@dataclass(frozen=True, slots=True, repr=False)
class Settings:
    """Not shown by repr(): a kubeconfig holds credentials."""

    kubeconfig: str | None = None
    context: str | None = None
    namespace: str | None = None
    is_known: bool = True
    """False in a preview in which another resource of the program makes the kubeconfig."""
    force: bool = False
    upsert: bool = False
    mutable_config_map: bool = False
    mutable_secret: bool = False
    delete_unreachable: bool = False
    skip_update_unreachable: bool = False


def read_settings(arguments: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> Settings:
    """Arguments first, then the environment variables the official plugin reads."""
    for name in UNSUPPORTED:
        if arguments.get(name):
            raise PluginError(
                f"provider option {name} is not supported by the sandbox's bundled kubernetes plugin; "
                "the official one has it: pulumi plugin install resource kubernetes 4.34.2"
            )

    def flag(name: str, variable: str) -> bool:
        given = arguments.get(name)
        return str(environment.get(variable, "") if given is None else given).lower() in ("true", "1")

    def text(name: str) -> str | None:
        given = arguments.get(name)
        return str(given) if given and given is not UNKNOWN else None

    return Settings(
        kubeconfig=text("kubeconfig"),
        context=text("context"),
        namespace=text("namespace"),
        is_known=UNKNOWN not in (arguments.get("kubeconfig"), arguments.get("context"), arguments.get("namespace")),
        force=flag("enablePatchForce", "PULUMI_K8S_ENABLE_PATCH_FORCE"),
        upsert=flag("upsertExistingObjects", "PULUMI_K8S_UPSERT_EXISTING_OBJECTS"),
        mutable_config_map=flag("enableConfigMapMutable", "PULUMI_K8S_ENABLE_CONFIGMAP_MUTABLE"),
        mutable_secret=flag("enableSecretMutable", "PULUMI_K8S_ENABLE_SECRET_MUTABLE"),
        delete_unreachable=flag("deleteUnreachable", "PULUMI_K8S_DELETE_UNREACHABLE"),
        skip_update_unreachable=flag("skipUpdateUnreachable", "PULUMI_K8S_SKIP_UPDATE_UNREACHABLE"),
    )
