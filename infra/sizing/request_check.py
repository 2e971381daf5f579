"""Everything wrong with a request, at once: its values, the names it takes from the catalogue, its versions."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Sequence

from infra.catalog.facts import Catalog, CpuInstanceFacts, ModelFacts
from infra.errors import ConfigurationError, raise_all
from infra.sizing.compatibility_rules import FORMS, version_mistakes
from infra.sizing.engine import Engine, Family
from infra.sizing.formats import format_named
from infra.sizing.machines import machine_named
from infra.sizing.request import PlanRequest

__all__ = ["check_request", "mistakes_of", "serving_mistakes"]

VERSIONS = tuple(name for name in FORMS if name != "torch")
"""A request names no torch: it follows from the engine."""


def check_request(request: PlanRequest, catalog: Catalog, processors: Sequence[CpuInstanceFacts] = ()) -> ModelFacts:
    """The model of a request that can be looked at; else one error, or one list of all. `processors` are the types
    without accelerator that may be named."""
    raise_all(serving_mistakes(request, catalog, processors))
    return catalog.model(request.model)


def serving_mistakes(
    request: PlanRequest, catalog: Catalog, processors: Sequence[CpuInstanceFacts] = ()
) -> list[ConfigurationError]:
    """What a person has to mend before anything can be served."""
    found = mistakes_of(request, catalog, processors)
    if {"model", "contextTokens"}.isdisjoint(mistake.key for mistake in found):
        found += _too_long(request, catalog.model(request.model))
    return found


def mistakes_of(
    request: PlanRequest, catalog: Catalog, processors: Sequence[CpuInstanceFacts] = ()
) -> list[ConfigurationError]:
    """Of any workload, all that do not follow from each other."""
    found = list(request.mistakes())
    models: list[ModelFacts] = []
    _note(lambda: models.append(catalog.model(request.model)), found)
    if request.quantization and not request.is_blank("quantization"):
        # Which formats there are is the same for each model.
        model, family = (*models, *catalog.models)[0], request.engine
        _note(lambda: format_named(request.quantization or "", model, catalog, family), found)
    if request.gpu and not request.is_blank("gpu"):
        _note(lambda: catalog.gpu(request.gpu or ""), found)
    if request.instance_type and not request.is_blank("instance_type"):
        _note(lambda: machine_named(request, catalog, processors), found)
    if request.region and not request.is_blank("region"):
        _note(lambda: catalog.region((request.region or "").casefold(), fix="set region to {region}"), found)
    found += _unknown_families(request, catalog, processors)
    return [*found, *_unread_versions(request), *_other_drivers(request)]


def _unread_versions(request: PlanRequest) -> list[ConfigurationError]:
    """Each engine counts its releases its own way."""
    given = {name: None if request.is_blank(name) else getattr(request, name) for name in VERSIONS}
    if request.engine is Family.VLLM:
        return version_mistakes(given)
    release = given.pop("engine_version")
    found = version_mistakes(given)
    if release:
        _note(lambda: Engine.parse(release, request.engine), found)
    return found


def _other_drivers(request: PlanRequest) -> Iterator[ConfigurationError]:
    """A driver that hosts state otherwise. A branch (`580`) is no other driver than a release of it."""
    asked = request.driver
    if asked is None or version_mistakes({"driver": asked}):
        return
    others = [host for host in request.hosts if host.driver and not _is_same_driver(asked, host.driver)]
    if others:
        first, more = others[0], f", and {len(others) - 1} more hosts state another too" if len(others) > 1 else ""
        yield ConfigurationError(
            f"driver: {asked} was given, where the inventory states {first.driver} of {first.name}{more}",
            code="SKS0205",
            key="driver",
            value=asked,
            allowed="the driver that the inventory states, or none beside it",
            fix="leave out --driver, or mend the inventory",
        )


def _is_same_driver(asked: str, stated: str) -> bool:
    one, other = (text.removeprefix("R").split(".") for text in (asked, stated))
    return all(a == b for a, b in zip(one, other, strict=False))


def _note(look_up: Callable[[], object], mistakes: list[ConfigurationError]) -> None:
    try:
        look_up()
    except ConfigurationError as error:
        mistakes.append(error)


def _too_long(request: PlanRequest, model: ModelFacts) -> Iterator[ConfigurationError]:
    if model.max_positions and request.context_tokens > model.max_positions:
        yield ConfigurationError(
            f"contextTokens: {model.label} has {model.max_positions:,} positions",
            code="SKS0206",
            key="contextTokens",
            value=request.context_tokens,
            allowed=f"16 to {model.max_positions}",
            fix=f"set contextTokens to {model.max_positions} or less",
        )


def _unknown_families(
    request: PlanRequest, catalog: Catalog, processors: Sequence[CpuInstanceFacts]
) -> Iterator[ConfigurationError]:
    families = [*(one.family for one in catalog.instances), *(one.family for one in processors)]
    known = list(dict.fromkeys(families)) if request.families else []
    for family in request.families:
        if family not in known:
            near = difflib.get_close_matches(family, known, n=1, cutoff=0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            yield ConfigurationError(
                f"families: {family!r} is not in the catalogue",
                code="SKS0203",
                key="families",
                value=family,
                allowed=", ".join(known),
                fix=f"{hint}`seekstack instances` lists them",
            )
