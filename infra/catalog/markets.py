"""How EC2 sells a type: on demand, as spot, or in capacity blocks, each at a price of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.catalog.facts import InstanceFacts

__all__ = ["FIELDS", "USUAL", "Market", "MarketPrice", "price_in", "prices_of", "usd_per_hour_in"]


class Market(StrEnum):
    """EC2's usage classes (`SupportedUsageClasses` of DescribeInstanceTypes)."""

    ON_DEMAND = "on-demand"
    SPOT = "spot"
    CAPACITY_BLOCK = "capacity-block"


USUAL = (Market.ON_DEMAND, Market.SPOT)
"""What instances.yaml means where it names no markets: 1,354 of EC2's 1,395 types (moto 5.2.5)."""


FIELDS = {
    Market.ON_DEMAND: ("usd_per_hour", "price_date"),
    Market.SPOT: ("spot_usd_per_hour", "spot_price_date"),
    Market.CAPACITY_BLOCK: ("capacity_block_usd_per_hour", "capacity_block_price_date"),
}
"""Price and date of each market, in `InstanceFacts` and in instances.yaml."""


@dataclass(frozen=True, slots=True)
class MarketPrice:
    """USD for an hour of one instance in the region of the snapshot; None where the catalogue does not know it."""

    market: Market
    usd_per_hour: float | None
    date: str | None


def price_in(instance: InstanceFacts, market: Market) -> MarketPrice:
    """The price in that market, whether or not EC2 sells the type there."""
    hour, date = FIELDS[market]
    return MarketPrice(market, getattr(instance, hour), getattr(instance, date))


def usd_per_hour_in(instance: InstanceFacts, market: Market) -> float | None:
    """Without the date: a choice asks for it a thousand times."""
    hour: float | None = getattr(instance, FIELDS[market][0])
    return hour


def prices_of(instance: InstanceFacts) -> tuple[MarketPrice, ...]:
    """One a market that EC2 sells the type in."""
    return tuple(price_in(instance, market) for market in instance.markets)
