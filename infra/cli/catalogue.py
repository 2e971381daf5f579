"""`seekstack models`, `gpus` and `instances`: what the catalogue knows, with the project's own models.

`models add` derives an entry for `catalog/models.yaml` beside Pulumi.yaml (models_add.py); `instances refresh` renews
the facts and prices of EC2 types (instances_refresh.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from infra.cli import instances_refresh, models_add
from infra.cli.output import add_json_flag, console, write_json, write_table
from infra.units import to_gib

if TYPE_CHECKING:
    from datetime import date

    from infra.catalog.facts import Catalog, CpuInstanceFacts, GpuFacts, InstanceFacts, ModelFacts

__all__ = ["add_parser"]


Rows = tuple[Sequence[str], Iterable[Sequence[object]]]


def add_parser(subparsers: Any) -> None:
    """Register the three listings, and what they can do besides."""
    for name, help_text, run, more in (
        ("models", "models and their short names; `add` derives one of your own", list_models, models_add),
        ("gpus", "accelerators and what they compute", list_gpus, None),
        ("instances", "EC2 types with dated prices; `refresh` renews them", list_instances, instances_refresh),
    ):
        parser = subparsers.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        add_json_flag(parser)
        parser.set_defaults(run=run)
        if more:
            more.add_parser(parser.add_subparsers(title="commands", metavar="COMMAND"))
        if name == "instances":
            parser.add_argument("--cpu", action="store_true", help="types without accelerator, for small models")


def list_models(options: argparse.Namespace) -> int:
    """One row a model."""
    return _list(options, "models", lambda catalog: catalog.models, _model_rows)


def list_gpus(options: argparse.Namespace) -> int:
    """One row an accelerator."""
    return _list(options, "gpus", lambda catalog: catalog.gpus, _gpu_rows)


def list_instances(options: argparse.Namespace) -> int:
    """One row an EC2 type, with the age of its price; `--cpu` shows those without accelerator instead."""
    from datetime import UTC, datetime

    from infra.catalog.load import cpu_instances, load

    catalog, processors, today = load(), cpu_instances(), datetime.now(UTC).date()
    if options.json:
        write_json(
            {
                "instances": [_with_age(one, today) for one in catalog.instances],
                "cpu_instances": [_with_age(one, today) for one in processors],
            }
        )
        return 0
    columns, cells = _cpu_rows(processors, today) if options.cpu else _instance_rows(catalog.instances, today)
    write_table(columns, cells)
    if not options.cpu:
        console().print(f"{len(processors)} types without accelerator: seekstack instances --cpu")
    return 0


def _with_age(instance: InstanceFacts | CpuInstanceFacts, today: date) -> dict[str, object]:
    return {**asdict(instance), "price_age_days": price_age_days(instance.price_date, today)}


def price_age_days(price_date: str | None, today: date) -> int | None:
    """Whole days since the price was read; 0 where the clock is behind it."""
    from datetime import date

    return None if price_date is None else max(0, (today - date.fromisoformat(price_date)).days)


def _list(
    options: argparse.Namespace, key: str, select: Callable[[Catalog], Sequence[Any]], rows: Callable[[Any], Rows]
) -> int:
    from infra.catalog.load import load

    facts = select(load())
    if options.json:
        write_json({key: [asdict(fact) for fact in facts]})
    else:
        columns, cells = rows(facts)
        write_table(columns, cells)
    return 0


def _model_rows(models: Sequence[ModelFacts]) -> Rows:
    columns = (
        "model",
        "also called",
        "parameters B",
        "active B",
        "weights GiB",
        "published in",
        "positions",
        "released",
    )
    return columns, (
        (
            model.label,
            ", ".join(model.aliases),
            f"{model.parameters / 1e9:.2f}",
            f"{model.active_parameters / 1e9:.2f}",
            f"{to_gib(model.weights_bytes):.2f}",
            model.native_dtype,
            f"{model.max_positions:,}" if model.max_positions else None,
            model.released,
        )
        for model in models
    )


def _gpu_rows(gpus: Sequence[GpuFacts]) -> Rows:
    columns = ("gpu", "architecture", "compute", "nominal GB", "usable GiB", "GB/s", "bf16", "fp8", "int4")
    return columns, (
        (
            gpu.name,
            gpu.architecture,
            ".".join(map(str, gpu.compute_capability)) if gpu.compute_capability else None,
            gpu.nominal_gb,
            f"{to_gib(gpu.usable_bytes):.2f}",
            f"{gpu.bandwidth_bytes_per_second / 1e9:.0f}",
            gpu.supports_bf16,
            gpu.fp8,
            gpu.int4,
        )
        for gpu in gpus
    )


PRICE_COLUMNS = ("USD/h", "price of", "age, days")


def _instance_rows(instances: Sequence[InstanceFacts], today: date) -> Rows:
    columns = (
        "instance type",
        "gpu",
        "gpus",
        "vCPU",
        "RAM GiB",
        "NVMe GB",
        "EBS MiB/s",
        *PRICE_COLUMNS,
        "other markets",
    )
    return columns, (
        (
            instance.instance_type,
            instance.gpu,
            instance.gpus or instance.partition,
            instance.vcpus,
            f"{to_gib(instance.host_memory_bytes):g}",
            instance.local_nvme_gb or None,
            f"{instance.ebs_baseline_mib_per_second:.0f}",
            *_price(instance, today),
            _other_markets(instance),
        )
        for instance in instances
    )


def _other_markets(instance: InstanceFacts) -> str | None:
    """Besides on demand, with the price where it is known."""
    from infra.catalog.markets import Market, prices_of

    return ", ".join(
        str(one.market) if one.usd_per_hour is None else f"{one.market} {one.usd_per_hour:.2f} of {one.date}"
        for one in prices_of(instance)
        if one.market != Market.ON_DEMAND
    )


def _cpu_rows(instances: Sequence[CpuInstanceFacts], today: date) -> Rows:
    columns = ("instance type", "processor", "architecture", "cores", "vCPU", "RAM GiB", "EBS MiB/s", *PRICE_COLUMNS)
    return columns, (
        (
            instance.instance_type,
            instance.cpu_vendor,
            instance.cpu_architecture,
            instance.cores,
            instance.vcpus,
            f"{to_gib(instance.host_memory_bytes):g}",
            f"{instance.ebs_baseline_mib_per_second:.0f}",
            *_price(instance, today),
        )
        for instance in instances
    )


def _price(instance: InstanceFacts | CpuInstanceFacts, today: date) -> tuple[str | None, str | None, int | None]:
    return (
        None if instance.usd_per_hour is None else f"{instance.usd_per_hour:.2f}",
        instance.price_date and f"{instance.price_date}, {instance.price_region}",
        price_age_days(instance.price_date, today),
    )
