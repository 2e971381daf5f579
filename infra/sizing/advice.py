"""What to say beside a plan, and what would fit where a request does not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from infra.catalog.cache_dtypes import read_cache_dtype
from infra.catalog.facts import InstanceFacts, ModelFacts
from infra.catalog.markets import Market
from infra.sizing import cache_support, kv_cache
from infra.sizing.choice import Choice, Failure, Option, Search
from infra.sizing.engine import Family
from infra.sizing.engine_notes import engine_notes, format_notes, host_note
from infra.sizing.fit import PLANNED_BATCHES, Fit
from infra.sizing.formats import attempts
from infra.sizing.layout import MOST_GPUS
from infra.sizing.machines import check_limits, check_machine, check_market, machine_flags
from infra.sizing.markets import market_notes
from infra.sizing.objective import Objective
from infra.sizing.refusal import Miss, Reason
from infra.sizing.refused import PlanRefusal
from infra.sizing.request import PlanRequest
from infra.units import to_gib

__all__ = ["alias_note", "refuse", "warnings_for"]

PAGE_CACHE_FACTOR = 1.2
"""Host memory below 1.2 x weights cannot keep them in the page cache: each restart reads the volume again."""
FAST_LINK_GBIT = 100
"""Stages hand 16-bit hidden states on for each token; below a data-centre link the network is what a person waits for
(vLLM and NVIDIA's guides for several nodes ask for InfiniBand or EFA; from knowledge)."""
TIGHT_PART = 0.02
"""Of a GPU's memory: what benchmarks/sizing_accuracy.py allows a stated cache to be off by."""
FEW_NODES = 4
"""How many machines a fix may ask for."""
MOST_NODES = 64
"""What a request may allow."""
LAYOUT = (Reason.GPU_COUNT, Reason.ATTENTION_HEADS, Reason.BLOCK_128)
MEMORY = (Reason.WEIGHTS, Reason.KV_CACHE, Reason.GRAPH_RESERVE)


def alias_note(requested: str, model: ModelFacts) -> str | None:
    """Say what a short name stands for; silence when the label or the repository was given."""
    folded = requested.casefold()
    if folded in (model.id.casefold(), model.label.casefold()):
        return None
    name = next(alias for alias in model.aliases if alias.casefold() == folded)
    released = f"; DeepSeek released no {name}" if name in model.unreleased_aliases else ""
    return f"{name} is an alias of {model.label}{released}"


def warnings_for(
    search: Search, choice: Choice, software: Sequence[str], load_seconds: int, checkpoint_bytes: int
) -> tuple[str, ...]:
    """Everything a person should know before paying for the plan; `software` are the notes on that."""
    request, best = search.request, choice.best
    layout = best.fit
    notes = [
        alias_note(request.model, layout.model),
        *format_notes(request, layout, best.machine),
        host_note(request, best.machine),
        *_cache_notes(request, layout),
        _tight_note(request, best),
        *_load_notes(request, load_seconds),
    ]
    instance = best.machine.instance
    if instance is not None:
        notes += _instance_notes(request, instance, best, checkpoint_bytes)
    notes += _link_notes(request, best)
    notes += [*engine_notes(choice), *software]
    return tuple(note for note in notes if note)


def _cache_notes(request: PlanRequest, layout: Fit) -> list[str]:
    notes = [cache_support.quality_note(layout.model, read_cache_dtype(request.kv_cache_dtype)) or ""]
    if layout.batch_tokens and layout.batch_tokens < PLANNED_BATCHES[0]:
        notes.append(
            f"prompts are read {layout.batch_tokens:,} tokens a step, which is slower: each request keeps cache for "
            f"the tokens in flight, and with {PLANNED_BATCHES[0]:,} a step {layout.model.label} does not fit"
        )
    return notes


def _tight_note(request: PlanRequest, best: Option) -> str | None:
    """Where less is left over than an estimate may be off by: R1 in fp8 for 32,768 tokens on 8 x 95 GiB has 1.6 GiB to
    spare."""
    layout, budget = best.fit, best.fit.budget
    each = -(-request.concurrency // layout.data_parallel)
    needed = kv_cache.needed_tokens(request.context_tokens, each, kv_cache.reported_block(layout.model))
    spare = budget.kv_cache_bytes * (1 - needed / layout.kv_tokens)
    if best.machine.cores or spare >= TIGHT_PART * budget.usable_bytes:
        return None
    left = f"{to_gib(max(0, spare)):.2f} GiB to spare on each {layout.gpu.name}"
    return f"tight: {left}, less than the estimate may be off by; try it before you rely on it, or take a larger GPU"


def _load_notes(request: PlanRequest, load_seconds: int) -> list[str]:
    if load_seconds <= request.load_target_seconds:
        return []
    return [f"reading the weights takes {load_seconds} s, above the target of {request.load_target_seconds} s"]


def _instance_notes(request: PlanRequest, instance: InstanceFacts, best: Option, checkpoint_bytes: int) -> list[str]:
    name, notes, used = instance.instance_type, [], best.arrangement.gpus_per_machine
    if instance.gpus > used:
        notes.append(f"{instance.gpus - used} of {instance.gpus} GPUs of {name} stay idle")
    if not best.machine.cores and instance.host_memory_bytes < PAGE_CACHE_FACTOR * checkpoint_bytes:
        have = f"{to_gib(instance.host_memory_bytes):g} GiB of host memory"
        notes.append(f"{have} cannot cache {to_gib(checkpoint_bytes):.1f} GiB of weights: each start reads the volume")
    notes += market_notes(instance, request.market, request.region)
    if request.region not in (None, instance.price_region):
        place = f"the price of {name} is that of {instance.price_region}"
        notes.append(f"{place}; whether {request.region} offers it is not in the catalogue")
    return notes


def _link_notes(request: PlanRequest, best: Option) -> list[str]:
    """The weakest link between machines; inside one the cards' own."""
    if best.arrangement.machines == 1:
        return []
    what = f"{best.arrangement.pipeline_parallel} stages x {best.arrangement.data_parallel} copies"
    instance = best.machine.instance
    if instance is not None:
        link = f"{instance.network}, {'EFA' if instance.efa else 'no EFA: slow'}"
        return [f"{what} on {best.arrangement.machines} x {instance.instance_type}: the weakest link is {link}"]
    used = {one.host for one in best.placed}
    links = {host.name: host.network_gbit for host in request.hosts if host.name in used}
    known = {name: link for name, link in links.items() if link is not None}
    if not used or len(known) < len(used):
        return [f"{what} on several machines: the network between them is not stated; it should be InfiniBand or EFA"]
    name = min(known, key=lambda one: known[one])
    slow = "" if known[name] >= FAST_LINK_GBIT else f", below the {FAST_LINK_GBIT} Gbit/s it should have"
    return [f"{what} on {len(used)} hosts: the weakest link is {name} with {known[name]:g} Gbit/s{slow}"]


def refuse(search: Search, outcome: Choice | Failure, conflict: Sequence[Miss]) -> PlanRefusal:
    """Every cause at once: what cannot be together of the software, then the limits or the hardware."""
    rejected = outcome.rejected if isinstance(outcome, Failure) else ()
    if conflict or isinstance(outcome, Choice):
        beside = _beside_software(search)
        if any(miss.reason is Reason.UNSUPPORTED_CACHE for miss, _ in beside):  # no hardware serves it
            misses = [*beside, *((miss, miss.fix or "") for miss in conflict if miss.key != "gpu")]
        else:
            misses = [*((miss, _checked_fix(miss, search)) for miss in conflict), *beside]
    else:
        misses = [(miss, fix_for(miss, search)) for miss in _causes(search, outcome)]
    return PlanRefusal([miss for miss, _ in misses], fixes=[fix for _, fix in misses], rejected=rejected)


def _beside_software(search: Search) -> list[tuple[Miss, str]]:
    """What rules named hardware out whatever software is on it, with its fix."""
    if not search.request.names_machine:
        return []
    free = _without_software(search)
    outcome = free.choose()
    if isinstance(outcome, Choice) or outcome.miss.reason in (Reason.COMPUTE_CAPABILITY, Reason.ENGINE_VERSION):
        return []
    return [(outcome.miss, fix_for(outcome.miss, free))]


def _without_software(search: Search) -> Search:
    request = replace(search.request, driver=None, cuda=None, python=None, engine_version=None)
    return replace(search, request=request, software=replace(search.software, request=request, engines={}))


def _checked_fix(miss: Miss, search: Search) -> str:
    """Releases were looked at alone: another GPU must also have the kernels and the memory for the model."""
    gpus = [gpu.name for gpu in search.catalog.gpus]
    named = [word for word in re.split(r",? ", f"{miss.fix} {miss.allowed}") if word in gpus]
    if miss.key != "gpu" or not named:
        return miss.fix or ""
    free = _without_software(search)
    serves = next((name for name in named if _serves(free, gpu=name, gpus=None, instance_type=None)), None)
    return f"use another GPU, such as {serves}" if serves else fix_for(replace(miss, fix=None), free)


def _causes(search: Search, outcome: Failure) -> tuple[Miss, ...]:
    """The limits that the cheapest machine without limits breaks; where none serves even then, what rules that out."""
    request = search.request
    limited = request.families or request.max_usd_per_hour or request.quota_vcpus or request.max_ttft_seconds
    if not limited and request.market == Market.ON_DEMAND:
        return (outcome.miss,)
    limits = {"families": (), "max_usd_per_hour": None, "quota_vcpus": None, "max_ttft_seconds": None}
    free = search.again(**limits, objective=Objective.COST).choose()
    if isinstance(free, Failure) and request.market != Market.ON_DEMAND:
        free = search.again(**limits, objective=Objective.COST, market=Market.ON_DEMAND).choose()
    if isinstance(free, Failure):
        return (free.miss,)
    best, machines = free.best, free.best.arrangement.machines
    market = check_market(best.machine, request.market)
    request = replace(request, market=free.best.market)
    broken = (
        market,
        check_machine(best.machine, replace(request, max_usd_per_hour=None, quota_vcpus=None)),
        check_limits(best.machine, machines, replace(request, quota_vcpus=None)),
        check_limits(best.machine, machines, replace(request, max_usd_per_hour=None)),
        search.check_first_token(best.fit, best.arrangement, best.engine),
    )
    return tuple(miss for miss in broken if miss) or (outcome.miss,)


def fix_for(miss: Miss, search: Search) -> str:
    """What would serve the model: found by asking again with one constraint less at a time."""
    ways = [
        miss.fix,
        *_other_layout(miss, search),
        *_more_copies(miss, search),
        *_other_quantization(search),
        *_other_machine(search),
    ]
    found = list(dict.fromkeys(way for way in ways if way)) or _more_machines(miss, search)
    return "; or ".join(found) or "no single machine of the catalogue serves it: use a smaller model"


def _more_copies(miss: Miss, search: Search) -> list[str]:
    """Copies of a mixture of experts are not chosen by themselves."""
    request = search.request
    if miss.reason is not Reason.KV_CACHE or request.data_parallel or request.engine is Family.LLAMA_CPP:
        return []
    found = next((copies for copies in (2, 4, 8) if _serves(search, data_parallel=copies)), None)
    return [f"use --dp {found}"] if found else []


def _serves(search: Search, **changes: Any) -> bool:
    return isinstance(search.again(**changes).choose(), Choice)


def _other_layout(miss: Miss, search: Search) -> list[str]:
    """Other ranks, fewer stages or copies, or enough nodes, where the layout that was given is the cause."""
    if miss.reason not in LAYOUT:
        return []
    request, ways = search.request, []
    if request.tensor_parallel:
        first = attempts(search.model, request.quantization, search.catalog, request.engine)[0]
        sizes = search.prepared.splits(search.model, first, MOST_GPUS)
        served = [n for n in sizes if n != request.tensor_parallel and _serves(search, tensor_parallel=n)]
        ways += [f"use --tp {_either(served)}"] if served else []
    stages, copies = request.pipeline_parallel or 1, request.data_parallel or 1
    fewer = next((n for n in range(stages - 1, 0, -1) if _serves(search, pipeline_parallel=n)), None)
    ways += [f"use --pp {fewer}"] if fewer else []
    fewer = next((n for n in range(copies - 1, 0, -1) if _serves(search, data_parallel=n)), None)
    ways += [f"use --dp {fewer}"] if fewer else []
    return [*ways, *_enough_nodes(search, min(MOST_NODES, stages * copies))]


def _enough_nodes(search: Search, most: int) -> list[str]:
    """A node for each stage is always enough; llama.cpp serves from one."""
    if search.request.engine is Family.LLAMA_CPP or most <= search.request.nodes:
        return []
    several = search.again(nodes=most).choose()
    return [f"allow {several.best.arrangement.machines} nodes"] if isinstance(several, Choice) else []


def _either(numbers: Sequence[int]) -> str:
    *others, last = map(str, numbers)
    return f"{', '.join(others)} or {last}" if others else last


def _other_quantization(search: Search) -> list[str]:
    if search.request.quantization is None:
        return []
    automatic = search.again(quantization=None).choose()
    return [f"set quantization to {automatic.best.fit.quantization.name}"] if isinstance(automatic, Choice) else []


def _other_machine(search: Search) -> list[str]:
    request = search.request
    if not request.names_machine:
        return []
    if request.gpu and request.gpus:
        more = search.again(gpus=None).choose()
        if isinstance(more, Choice):
            return [f"use {_flags(more.best)}"]
    any_type = search.again(gpu=None, gpus=None, instance_type=None, hosts=()).choose()
    if isinstance(any_type, Failure):
        return []
    best, stored = any_type.best, any_type.best.fit.quantization.name
    if (request.gpu or request.hosts) and not best.machine.cores and _serves(search, **_owned(best)):
        instead = " instead of the inventory" if request.hosts else ""
        return [f"use {_flags(best)}{instead} ({stored} fits there)"]
    return [f"use instance type {best.machine.name} ({stored} fits there)"]


def _owned(best: Option) -> dict[str, Any]:
    """The same GPUs in machines of one's own."""
    gpus, nodes = best.arrangement.gpus_per_machine, best.arrangement.machines
    return {"gpu": best.machine.gpu.name, "gpus": gpus, "nodes": nodes, "instance_type": None, "hosts": ()}


def _flags(best: Option) -> str:
    """As they are typed: a node has its GPUs, and there are so many nodes."""
    return machine_flags(best.machine.gpu.name, best.arrangement.gpus_per_machine, best.arrangement.machines)


def _more_machines(miss: Miss, search: Search) -> list[str]:
    request = search.request
    if miss.reason not in MEMORY or request.nodes >= FEW_NODES or request.hosts or request.engine is Family.LLAMA_CPP:
        return []
    several = search.again(nodes=FEW_NODES).choose()
    if isinstance(several, Failure):
        return []
    return [f"allow {several.best.arrangement.machines} nodes ({several.best.machine.name})"]
