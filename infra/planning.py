"""Stack file in, settings and plan out: the one path that the command line and the Pulumi program share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from infra.catalog.load import Catalog
from infra.config_keys import Written
from infra.errors import ConfigurationError, ConfigurationErrors
from infra.settings import Settings, Target, in_order, parse
from infra.sizing.plan import plan
from infra.sizing.request import PlanRequest
from infra.sizing.result import Plan
from infra.stack_file import PROJECT, read_stack_file, stack_file_path

__all__ = ["parse_all", "plan_for", "read_settings"]


def read_settings(
    root: Path,
    stack: str,
    catalog: Catalog,
    *,
    overrides: Mapping[str, object] | None = None,
    for_engine: bool = False,
) -> Settings:
    """The settings of `Pulumi.<stack>.yaml` below `root`, with `overrides` (keys without prefix) on top.

    `for_engine` refuses text that stands for a list or mapping, as the engine does. Raises ConfigurationErrors with
    everything wrong in the file and in its values, by line.
    """
    file = read_stack_file(stack_file_path(root, stack))
    values = file.of_namespace(PROJECT)
    if for_engine:
        values = {name: Written(value) if isinstance(value, str) else value for name, value in values.items()}
    values |= overrides or {}
    return parse_all(
        file.errors,
        lambda: parse(
            values,
            catalog,
            region=file.values.get("aws:region"),
            provider_keys=[key for key in file.values if not key.startswith(f"{PROJECT}:")],
            secrets=file.secrets,
            locate=file.locate,
        ),
    )


def parse_all(file_errors: Iterable[ConfigurationError], parse_values: Callable[[], Settings]) -> Settings:
    """The settings, or what is wrong with the file and with its values in one list, by line."""
    errors = list(file_errors)
    settings = None
    try:
        settings = parse_values()
    except ConfigurationErrors as found:
        errors.extend(found.errors)
    if errors or settings is None:
        raise ConfigurationErrors(in_order(errors))
    return settings


def plan_for(settings: Settings, catalog: Catalog) -> Plan:
    """The plan of one environment; raises SizingError where the model does not fit."""
    on_kubernetes = settings.target is Target.KUBERNETES
    return plan(
        PlanRequest(
            model=settings.model,
            quantization=settings.quantization,
            kv_cache_dtype=settings.kv_cache_dtype or "auto",
            context_tokens=settings.context_tokens,
            concurrency=settings.concurrency,
            instance_type=None if on_kubernetes else settings.instance_type,
            gpu=settings.gpu if on_kubernetes else None,
            gpus=settings.gpus if on_kubernetes else None,
            load_target_seconds=settings.load_target_seconds,
            region=None if on_kubernetes else settings.region,
        ),
        catalog,
    )
