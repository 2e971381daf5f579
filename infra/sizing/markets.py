"""What a person should know of the market that a machine is bought in."""

from __future__ import annotations

from infra.catalog.facts import InstanceFacts
from infra.catalog.markets import Market, MarketPrice, prices_of, usd_per_hour_in

__all__ = ["market_notes", "market_prices", "refresh_command"]

RULES = {
    Market.SPOT: (
        "spot: EC2 may take the machine back with two minutes' notice, and the price changes: "
        "the endpoint is away until another machine is found"
    ),
    Market.CAPACITY_BLOCK: (
        "capacity block: reserved ahead from a fixed start, for 1 to 14 days or whole weeks up to 182 days, paid in "
        "full in advance and not cancelled; EC2 ends the machines in the half hour before 11:30 UTC of its last day. "
        "It is no server that runs on: the price of a month is arithmetic"
    ),
}
"""EC2 User Guide, "Spot Instance interruption notices", "Find and purchase Capacity Blocks" and "Work with Capacity
Blocks"; CancelCapacityReservation in the API reference. Read 2026-11-24."""
LAUNCH = "the market changes price and choice only: seekstack's EC2 target launches on demand"


def market_notes(instance: InstanceFacts, market: Market, region: str | None) -> list[str]:
    """The market's rules, and where the price is missing how to get it."""
    notes = [RULES[market], LAUNCH] if market in RULES else []
    if usd_per_hour_in(instance, market) is not None:
        return notes
    by = "; types were compared by their price on demand" if market != Market.ON_DEMAND else ""
    command = refresh_command(region or instance.price_region)
    return [f"{instance.instance_type} has no {market} price in the catalogue{by}; {command} asks AWS for it", *notes]


def refresh_command(region: str) -> str:
    """What puts the prices of AWS into the catalogue."""
    return f"`seekstack instances refresh --region {region} --apply`"


def market_prices(instance: InstanceFacts, machines: int) -> tuple[MarketPrice, ...]:
    """For all machines, one a market that EC2 sells the type in."""
    return tuple(
        MarketPrice(one.market, None if one.usd_per_hour is None else one.usd_per_hour * machines, one.date)
        for one in prices_of(instance)
    )
