"""The only reader of Pulumi's configuration: everything below it works on plain mappings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import config as runtime

from infra.errors import ConfigurationError, ConfigurationErrors
from infra.sdk_names import snake_case
from infra.stack_file import PROJECT, StackFile, read_stack_file, stack_file_path

__all__ = ["StackConfig", "aws_provider_arguments", "read"]


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What the engine handed over, and where it stands in the file."""

    values: Mapping[str, object]
    """Our own keys without prefix, known to us or not, as the engine's text."""
    region: str | None
    provider_keys: tuple[str, ...]
    """Keys of other namespaces (`aws:region`)."""
    secrets: frozenset[str]
    """Keys and entries that are encrypted in the file."""
    file: StackFile

    @property
    def errors(self) -> tuple[ConfigurationError, ...]:
        """What the file itself has wrong with keys that the engine read: `--config-file` may have named another."""
        return tuple(error for error in self.file.errors if error.key in _all())


def read() -> StackConfig:
    """The configuration of the running stack."""
    prefix = f"{PROJECT}:"
    file = _file(stack_file_path(Path(pulumi.get_root_directory() or "."), pulumi.get_stack()))
    found = _all()
    values = {key.removeprefix(prefix): text for key, text in found.items() if key.startswith(prefix)}
    others = tuple(key for key in found if not key.startswith(prefix))
    return StackConfig(values, pulumi.Config("aws").get("region"), others, _secrets(found, file.secrets), file)


def _secrets(found: Iterable[str], in_file: frozenset[str]) -> frozenset[str]:
    """The engine says which keys hold something encrypted, the file which entries of them (a list's third, say)."""
    secrets: set[str] = set()
    for key in filter(runtime.is_config_secret, found):
        entries = {path for path in in_file if re.match(rf"{re.escape(key)}\b", path)}
        secrets |= entries or {key}
    return frozenset(secrets)


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


def _file(path: Path) -> StackFile:
    try:
        return read_stack_file(path)
    except ConfigurationErrors:
        return StackFile(path.name, {}, {})  # the engine has read it in its own way; lines are a courtesy
