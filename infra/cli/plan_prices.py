"""The price of a plan in its market, and beside it those of the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from infra.catalog.markets import MarketPrice
    from infra.sizing.result import Price

__all__ = ["market_rows", "price_text"]

UNKNOWN = "not in the catalogue"


def price_text(price: Price | None) -> str:
    """An hour, with place and day of the price."""
    if price is None or price.usd_per_hour is None:
        return f"{UNKNOWN}{'' if price is None else _as(price.kind)}"
    return f"{price.usd_per_hour:.3f} USD/h{_as(price.kind)}, {price.region}, {price.date}"


def _as(market: str) -> str:
    return " on demand" if market == "on-demand" else f" as {market.replace('-', ' ')}"


def market_rows(price: Price | None, *, explained: bool) -> list[tuple[str, str]]:
    """The other markets; one without a price only where a market was chosen, or everything is to be explained."""
    if price is None:
        return []
    asked = explained or price.kind != "on-demand"
    others = [one for one in price.markets if one.market != price.kind and (asked or one.usd_per_hour is not None)]
    return [("other markets", "; ".join(map(_other, others)))] if others else []


def _other(one: MarketPrice) -> str:
    price = UNKNOWN if one.usd_per_hour is None else f"{one.usd_per_hour:.3f} USD/h ({one.date})"
    return f"{one.market.replace('-', ' ')}: {price}"
