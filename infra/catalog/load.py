"""The YAML files beside this module, as one checked `Catalog`, with the models of the project one stands in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from infra.catalog.facts import (
    Architecture,
    Attention,
    Catalog,
    CpuInstanceFacts,
    GpuFacts,
    InstanceFacts,
    ModelFacts,
    QuantizationFacts,
)
from infra.catalog.markets import USUAL, Market
from infra.catalog.own import own_models_path, read_rows
from infra.errors import ConfigurationError, Location
from infra.units import BYTES_PER_MIB, gib

__all__ = [
    "Catalog",
    "check_names",
    "cpu_instance_facts",
    "cpu_instances",
    "gpu_facts",
    "instance_facts",
    "load",
    "model_facts",
    "quantization_facts",
    "shipped",
    "with_own",
]

Row = Mapping[str, Any]

# The pure Python loader needs 7 times as long (0.1 s instead of 14 ms for the four files).
LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MIB_PER_MEGABIT = 1e6 / 8 / BYTES_PER_MIB


def load(start: Path | None = None) -> Catalog:
    """What seekstack ships, and catalog/models.yaml of the project around `start` (default: the current folder).

    The command line runs in the project or below it, and so does the Pulumi program: both see the same models.
    """
    own = own_models_path(start or _current_folder())
    return with_own(shipped(), own) if own and own.is_file() else shipped()


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:  # it was removed: there is no project around it
        return Path("/")


@cache
def shipped() -> Catalog:
    """The catalogue of this release: no network, no clock, the same object on each call."""
    instances = _read("instances.yaml")
    region = instances["price_region"]
    return Catalog(
        models=tuple(model_facts(row) for row in _read("models.yaml")["models"]),
        gpus=tuple(gpu_facts(row) for row in _read("gpus.yaml")["gpus"]),
        instances=tuple(instance_facts(row, region) for row in instances["instances"]),
        quantizations=tuple(quantization_facts(row) for row in _read("quantizations.yaml")["quantizations"]),
        regions=tuple(_read("regions.yaml")["regions"]),
    )


@cache
def cpu_instances() -> tuple[CpuInstanceFacts, ...]:
    """EC2 types without accelerator; outside `Catalog`, since no plan on GPUs should parse their file."""
    document = _read("cpu_instances.yaml")
    return tuple(cpu_instance_facts(row, document["price_region"]) for row in document["instances"])


def with_own(catalog: Catalog, path: Path) -> Catalog:
    """`catalog` and the models in the file at `path`; each name stands for one model only."""
    models = catalog.models
    for row in read_rows(path, {one.name: one.bytes_per_parameter for one in catalog.quantizations}):
        model = model_facts(row)
        check_names(models, model, Location(str(path)))
        models = (*models, model)
    return replace(catalog, models=models)


def check_names(models: Iterable[ModelFacts], new: ModelFacts, where: Location) -> None:
    """Refuse a model that would answer to a name of another."""
    taken = {word.casefold(): model for model in models for word in _names(model)}
    clash = next((word for word in _names(new) if word.casefold() in taken), None)
    if clash is None:
        return
    raise ConfigurationError(
        f"{clash} is the name of {taken[clash.casefold()].id} already",
        code="SKS0217",
        key="models",
        location=where,
        value=clash,
        allowed="an id, a label and aliases that no other model has",
        fix="give this one another name (`seekstack models add --name`), or remove the other entry",
    )


def _names(model: ModelFacts) -> tuple[str, ...]:
    return (model.id, model.label, *model.aliases)


def _read(name: str) -> Any:
    text = files("infra.catalog").joinpath(name).read_text(encoding="utf-8")
    return yaml.load(text, Loader=LOADER)  # noqa: S506 both loaders are safe ones


def model_facts(row: Row) -> ModelFacts:
    """One row of models.yaml; what a dense model has by definition is filled in."""
    return ModelFacts(
        id=row["id"],
        label=row["label"],
        aliases=tuple(row["aliases"]),
        unreleased_aliases=tuple(row.get("unreleased_aliases", ())),
        architecture=Architecture(row["architecture"]),
        attention=Attention(row["attention"]),
        parameters=row["parameters"],
        active_parameters=row.get("active_parameters", row["parameters"]),
        draft_parameters=row.get("draft_parameters", 0),
        layers=row.get("layers", 0),
        attention_heads=row.get("attention_heads", 0),
        kv_heads=row.get("kv_heads", 0),
        head_dim=row.get("head_dim"),
        hidden_size=row.get("hidden_size", 0),
        intermediate_size=row.get("intermediate_size"),
        moe_intermediate_size=row.get("moe_intermediate_size"),
        vocabulary=row.get("vocabulary", 0),
        kv_lora_rank=row.get("kv_lora_rank"),
        q_lora_rank=row.get("q_lora_rank"),
        qk_nope_head_dim=row.get("qk_nope_head_dim"),
        qk_rope_head_dim=row.get("qk_rope_head_dim"),
        v_head_dim=row.get("v_head_dim"),
        max_positions=row.get("max_positions", 0),
        native_dtype=row["native_dtype"],
        quantization_block=row.get("quantization_block"),
        weights_bytes=row["weights_bytes"],
        shards=row.get("shards", 0),
        min_engine_version=row["min_engine_version"],
        released=row["released"],
        source=row["source"],
        date=row["date"],
        routed_experts=row.get("routed_experts", 0),
        experts_per_token=row.get("experts_per_token", 0),
        shared_experts=row.get("shared_experts", 0),
        first_dense_layers=row.get("first_dense_layers", 0),
        tied_embeddings=row.get("tied_embeddings", False),
    )


def gpu_facts(row: Row) -> GpuFacts:
    """One row of gpus.yaml; bf16 follows from the compute capability (8.0, the first with bf16 arithmetic)."""
    capability = _capability(row.get("compute_capability"))
    return GpuFacts(
        name=row["name"],
        aliases=tuple(str(alias) for alias in row.get("aliases", ())),
        vendor=row["vendor"],
        architecture=row["architecture"],
        compute_capability=capability,
        nominal_gb=row["nominal_gb"],
        usable_bytes=gib(row["usable_gib"]),
        bandwidth_bytes_per_second=row["bandwidth_gb_per_second"] * 1e9,
        fp16_tflops=row["fp16_tflops"],
        supports_bf16=capability is not None and capability >= (8, 0),
        fp8=row.get("fp8", "no"),
        int8=row.get("int8", "no"),
        int4=row.get("int4", "no"),
        min_driver_branch=row.get("min_driver_branch"),
        note=row.get("note", ""),
        source=row["source"],
        date=row["date"],
        host_architecture=row.get("host_architecture", "x86_64"),
    )


def instance_facts(row: Row, price_region: str) -> InstanceFacts:
    """One row of instances.yaml."""
    offered = row.get("offered", True)
    return InstanceFacts(
        instance_type=row["type"],
        family=row["family"],
        gpu=row["gpu"],
        gpus=row["gpus"],
        partition=row.get("partition", 1.0),
        vcpus=row["vcpus"],
        host_memory_bytes=gib(row["memory_gib"]),
        cpu_architecture=row["cpu"],
        local_nvme_gb=row.get("nvme_gb", 0),
        network=row["network"],
        efa=row.get("efa", False),
        ebs_baseline_mib_per_second=row["ebs_mbit_per_second"] * MIB_PER_MEGABIT,
        offered_in=(price_region,) if offered else (),
        usd_per_hour=row.get("usd_per_hour"),
        price_date=row.get("price_date"),
        price_region=price_region,
        source=row["source"],
        date=row["date"],
        network_gbit_baseline=row.get("network_gbit_baseline"),
        markets=tuple(Market(one) for one in row.get("markets", USUAL)),
        spot_usd_per_hour=row.get("spot_usd_per_hour"),
        spot_price_date=row.get("spot_price_date"),
        capacity_block_usd_per_hour=row.get("capacity_block_usd_per_hour"),
        capacity_block_price_date=row.get("capacity_block_price_date"),
    )


def cpu_instance_facts(row: Row, price_region: str) -> CpuInstanceFacts:
    """One row of cpu_instances.yaml."""
    return CpuInstanceFacts(
        instance_type=row["type"],
        family=row["family"],
        vcpus=row["vcpus"],
        cores=row["cores"],
        host_memory_bytes=gib(row["memory_gib"]),
        cpu_architecture=row["cpu"],
        cpu_vendor=row["vendor"],
        network=row["network"],
        ebs_baseline_mib_per_second=row["ebs_mbit_per_second"] * MIB_PER_MEGABIT,
        offered_in=(price_region,) if row.get("offered", True) else (),
        usd_per_hour=row.get("usd_per_hour"),
        price_date=row.get("price_date"),
        price_region=price_region,
        source=row["source"],
        date=row["date"],
    )


def quantization_facts(row: Row) -> QuantizationFacts:
    """One row of quantizations.yaml."""
    return QuantizationFacts(
        name=row["name"],
        label=row["label"],
        bytes_per_parameter=row["bytes_per_parameter"],
        whole=row.get("whole", False),
        min_compute_capability=(row["min_compute_capability"][0], row["min_compute_capability"][1]),
        max_compute_capability=_capability(row.get("max_compute_capability")),
        dtype=row["dtype"],
        engine_method=row.get("engine_method"),
        quality_rank=row["quality_rank"],
        note=row.get("note", ""),
        source=row["source"],
        date=row["date"],
    )


def _capability(pair: list[int] | None) -> tuple[int, int] | None:
    return None if pair is None else (pair[0], pair[1])
