"""What to say beside a plan, and what would fit where a request does not."""

from __future__ import annotations

from dataclasses import replace

from infra.catalog.facts import Catalog, InstanceFacts, ModelFacts
from infra.sizing.choice import Choice, Failure, Machine, choose
from infra.sizing.fit import Fit
from infra.sizing.refusal import Miss
from infra.sizing.request import PlanRequest
from infra.units import to_gib

__all__ = ["alias_note", "fix_for", "warnings_for"]

PAGE_CACHE_FACTOR = 1.2
"""Host memory below 1.2 x weights cannot keep them in the page cache: each restart reads the volume again."""


def alias_note(requested: str, model: ModelFacts) -> str | None:
    """Say what a short name stands for; silence when the label or the repository was given."""
    folded = requested.casefold()
    if folded in (model.id.casefold(), model.label.casefold()):
        return None
    name = next(alias for alias in model.aliases if alias.casefold() == folded)
    released = f"; DeepSeek released no {name}" if name in model.unreleased_aliases else ""
    return f"{name} is an alias of {model.label}{released}"


def warnings_for(request: PlanRequest, choice: Choice, load_seconds: int, checkpoint_bytes: int) -> tuple[str, ...]:
    """Everything a person should know before paying for the plan."""
    layout = choice.fit
    notes = [
        alias_note(request.model, layout.model),
        *_quantization_notes(request, layout, choice.machine),
        *_load_notes(request, load_seconds),
    ]
    instance = choice.machine.instance
    if instance is not None:
        notes += _instance_notes(request, instance, layout, checkpoint_bytes)
    return tuple(note for note in notes if note)


def _quantization_notes(request: PlanRequest, layout: Fit, machine: Machine) -> list[str]:
    model, name, gpu = layout.model, layout.quantization.name, layout.gpu
    notes = []
    if name == "fp16" and model.native_dtype == "bf16":
        notes.append(f"the bf16 weights are converted to float16 on load{_for_want_of_bf16(request, layout)}")
    elif name != model.native_dtype:
        chosen = (
            ""
            if request.quantization
            else f"{model.native_dtype} is ruled out on {machine.name}, so {name} was chosen; "
        )
        label = layout.quantization.label
        notes.append(
            f"{chosen}{model.label} is published in {model.native_dtype}: stage a checkpoint of it made in {label}"
        )
    if name == "fp8" and gpu.compute_capability is not None and gpu.compute_capability < (8, 9):
        notes.append(f"{gpu.name} has no fp8 arithmetic: fp8 saves memory (Marlin kernels), not time")
    return notes


def _for_want_of_bf16(request: PlanRequest, layout: Fit) -> str:
    return "" if request.quantization else f": {layout.gpu.name} has no bf16"


def _load_notes(request: PlanRequest, load_seconds: int) -> list[str]:
    if load_seconds <= request.load_target_seconds:
        return []
    return [f"reading the weights takes {load_seconds} s, above the target of {request.load_target_seconds} s"]


def _instance_notes(request: PlanRequest, instance: InstanceFacts, layout: Fit, checkpoint_bytes: int) -> list[str]:
    name, notes = instance.instance_type, []
    if instance.gpus > layout.tensor_parallel:
        notes.append(f"{instance.gpus - layout.tensor_parallel} of {instance.gpus} GPUs of {name} stay idle")
    if instance.host_memory_bytes < PAGE_CACHE_FACTOR * checkpoint_bytes:
        have = f"{to_gib(instance.host_memory_bytes):g} GiB of host memory"
        notes.append(f"{have} cannot cache {to_gib(checkpoint_bytes):.1f} GiB of weights: each start reads the volume")
    if instance.usd_per_hour is None:
        notes.append(f"{name} has no price in the catalogue")
    if request.region not in (None, instance.price_region):
        place = f"the price of {name} is that of {instance.price_region}"
        notes.append(f"{place}; whether {request.region} offers it is not in the catalogue")
    return notes


def fix_for(miss: Miss, model: ModelFacts, request: PlanRequest, catalog: Catalog) -> str:
    """What would serve the model: found by asking again with one constraint less at a time."""
    ways = [miss.fix, *_other_quantization(model, request, catalog), *_other_machine(model, request, catalog)]
    found = list(dict.fromkeys(way for way in ways if way))
    return "; or ".join(found) or "no single machine of the catalogue serves it: use a smaller model"


def _other_quantization(model: ModelFacts, request: PlanRequest, catalog: Catalog) -> list[str]:
    if request.quantization is None:
        return []
    automatic = choose(model, replace(request, quantization=None), catalog)
    return [f"set quantization to {automatic.fit.quantization.name}"] if isinstance(automatic, Choice) else []


def _other_machine(model: ModelFacts, request: PlanRequest, catalog: Catalog) -> list[str]:
    if request.gpu and request.gpus:
        more = choose(model, replace(request, gpus=None), catalog)
        if isinstance(more, Choice):
            return [f"use {more.fit.tensor_parallel} x {more.machine.gpu.name}"]
    elif not request.gpu and not request.instance_type:
        return []
    any_type = choose(model, replace(request, gpu=None, gpus=None, instance_type=None), catalog)
    if isinstance(any_type, Failure):
        return []
    machine, layout = any_type.machine, any_type.fit
    if request.gpu:
        return [f"use {layout.tensor_parallel} x {machine.gpu.name}, for {layout.quantization.name}"]
    return [f"use instance type {machine.name} ({layout.quantization.name} fits there)"]
