"""`seekstack models`, `gpus` and `instances`: what the catalogue knows."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from infra.cli.output import add_json_flag, write_json, write_table

if TYPE_CHECKING:
    from infra.catalog.facts import Catalog, GpuFacts, InstanceFacts, ModelFacts

__all__ = ["add_parser"]

GIB = 2**30

Rows = tuple[Sequence[str], Iterable[Sequence[object]]]


def add_parser(subparsers: Any) -> None:
    """Register the three listings."""
    for name, help_text, run in (
        ("models", "released DeepSeek models and their short names", list_models),
        ("gpus", "accelerators and what they compute", list_gpus),
        ("instances", "EC2 types with accelerators, with dated prices", list_instances),
    ):
        parser = subparsers.add_parser(name, help=help_text, description=help_text, allow_abbrev=False)
        add_json_flag(parser)
        parser.set_defaults(run=run)


def list_models(options: argparse.Namespace) -> int:
    """One row a model."""
    return _list(options, "models", lambda catalog: catalog.models, _model_rows)


def list_gpus(options: argparse.Namespace) -> int:
    """One row an accelerator."""
    return _list(options, "gpus", lambda catalog: catalog.gpus, _gpu_rows)


def list_instances(options: argparse.Namespace) -> int:
    """One row an EC2 type."""
    return _list(options, "instances", lambda catalog: catalog.instances, _instance_rows)


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
            f"{model.weights_bytes / GIB:.2f}",
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
            f"{gpu.usable_bytes / GIB:.2f}",
            f"{gpu.bandwidth_bytes_per_second / 1e9:.0f}",
            gpu.supports_bf16,
            gpu.fp8,
            gpu.int4,
        )
        for gpu in gpus
    )


def _instance_rows(instances: Sequence[InstanceFacts]) -> Rows:
    columns = ("instance type", "gpu", "gpus", "vCPU", "RAM GiB", "NVMe GB", "EBS MiB/s", "USD/h", "price of")
    return columns, (
        (
            instance.instance_type,
            instance.gpu,
            instance.gpus or instance.partition,
            instance.vcpus,
            f"{instance.host_memory_bytes / GIB:g}",
            instance.local_nvme_gb or None,
            f"{instance.ebs_baseline_mib_per_second:.0f}",
            None if instance.usd_per_hour is None else f"{instance.usd_per_hour:.2f}",
            instance.price_date and f"{instance.price_date}, {instance.price_region}",
        )
        for instance in instances
    )
