"""The only reader of Pulumi's configuration: everything below it works on plain mappings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import config as runtime

from infra.errors import ConfigurationErrors, Location
from infra.sdk_names import snake_case
from infra.stack_file import PROJECT, read_stack_file, stack_file_path

__all__ = ["StackConfig", "aws_provider_arguments", "read"]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What the engine handed over: our own keys without prefix, the AWS region, and where keys stand in the file."""

    values: Mapping[str, object]
    region: str | None
    lines: Mapping[str, int]
    file: str

    def locate(self, key: str) -> Location:
        """Where `key` stands in the stack file."""
        return Location(self.file, self.lines.get(key))


def read() -> StackConfig:
    """Every `seekstack:` key of the running stack as the engine's text, known to us or not."""
    prefix = f"{PROJECT}:"
    path = stack_file_path(Path(pulumi.get_root_directory() or "."), pulumi.get_stack())
    values = {key.removeprefix(prefix): text for key, text in _all().items() if key.startswith(prefix)}
    return StackConfig(values, pulumi.Config("aws").get("region"), _lines(path), path.name)


def aws_provider_arguments() -> dict[str, Any]:
    """`aws:` keys of the stack for an explicit provider: region, profile, and what a test endpoint needs."""
    config = pulumi.Config("aws")
    objects = {key: config.get_object(key) for key in ("endpoints", "defaultTags", "assumeRoles", "allowedAccountIds")}
    switches = {
        key: config.get_bool(key)
        for key in (
            "skipCredentialsValidation", "skipMetadataApiCheck", "skipRequestingAccountId", "skipRegionValidation",
            "s3UsePathStyle",
        )
    }  # fmt: skip
    texts = {key: config.get(key) for key in ("region", "profile", "accessKey")}
    secrets = {"secretKey": config.get_secret("secretKey")}
    found = {**objects, **switches, **texts, **secrets}
    return {snake_case(key): value for key, value in found.items() if value is not None}


def _all() -> Mapping[str, str]:
    return {**runtime.get_config_env(), **runtime.CONFIG.get()}


def _lines(path: Path) -> Mapping[str, int]:
    try:
        return read_stack_file(path).lines
    except ConfigurationErrors:
        return {}  # the engine has read it in its own way; lines are a courtesy
