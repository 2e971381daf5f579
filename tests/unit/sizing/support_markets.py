"""The shipped types with made-up prices in every market: nothing here is a price of AWS."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from infra.catalog.facts import Catalog, InstanceFacts
from infra.catalog.markets import Market
from tests.unit.sizing.support_plan import CATALOG

__all__ = ["DAY", "changed", "priced"]

DAY = "2026-11-30"


def priced(share: Callable[[InstanceFacts, Market], float]) -> Catalog:
    """On demand as shipped, or 9 USD a GPU where nothing is; the others are shares of it."""

    def of(one: InstanceFacts) -> InstanceFacts:
        hour = one.usd_per_hour or 9.0 * max(1, one.gpus)
        block = hour * share(one, Market.CAPACITY_BLOCK) if Market.CAPACITY_BLOCK in one.markets else None
        return replace(
            one,
            usd_per_hour=hour,
            price_date=one.price_date or DAY,
            spot_usd_per_hour=hour * share(one, Market.SPOT),
            spot_price_date=DAY,
            capacity_block_usd_per_hour=block,
            capacity_block_price_date=None if block is None else DAY,
        )

    return replace(CATALOG, instances=tuple(map(of, CATALOG.instances)))


def changed(catalog: Catalog, name: str, **over: object) -> Catalog:
    """One type otherwise."""
    instances = (
        replace(one, **over) if one.instance_type == name else one  # type: ignore[arg-type]
        for one in catalog.instances
    )
    return replace(catalog, instances=tuple(instances))
