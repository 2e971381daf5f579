"""Spot and capacity-block prices of a region. Both calls describe; nothing is requested, reserved or bought.

An account that may not ask gets a note, and the prices that are known already stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from infra.catalog.markets import Market
from infra.catalog.refresh import Answers, Row, markets_of

__all__ = ["capacity_block_prices", "spot_prices", "with_market_prices"]

Prices = Mapping[str, float]
Found = tuple[Prices | None, tuple[str, ...]]
"""USD for an hour of one instance by type, and notes; None where AWS did not answer, and nothing is known."""

LINUX = ("Linux/UNIX", "Linux/UNIX (Amazon VPC)")
HISTORY_DAYS = 90
"""EC2 keeps spot prices for 90 days (StartTime of DescribeSpotPriceHistory). What is older is no price of today: moto,
the fake AWS of the sandbox, answers one of 2006."""
DAY_HOURS = 24
"""The shortest block: 1 day, then days up to 14 and weeks up to 182 (CapacityDurationHours)."""
ABOUT_THE_TYPE = ("Invalid", "Unsupported", "InstanceTypeNotSupported")
"""Beginnings of error codes that refuse one type, and say nothing of the next."""


def with_market_prices(answers: Answers, ec2: Any, now: datetime) -> Answers:
    """`answers` with what its offered types cost as spot and in capacity blocks."""
    spot, spot_notes = spot_prices(ec2, answers.region, _sold(answers, Market.SPOT), now)
    blocks, block_notes = capacity_block_prices(ec2, _sold(answers, Market.CAPACITY_BLOCK))
    notes = (*answers.notes, *spot_notes, *block_notes)
    return replace(answers, spot_prices=spot, capacity_block_prices=blocks, notes=notes)


def _sold(answers: Answers, market: Market) -> list[str]:
    rows: Iterable[Row] = answers.accelerated
    return [row["type"] for row in rows if row["type"] in answers.offered and market in markets_of(row)]


def spot_prices(ec2: Any, region: str, types: Sequence[str], now: datetime) -> Found:
    """Today's price in the dearest availability zone: what a machine costs at most, in whichever zone it starts.

    Local and Wavelength Zones are left out: seekstack's networks have availability zones only.
    """
    if not types:
        return {}, ()
    asked = {"InstanceTypes": list(types), "ProductDescriptions": list(LINUX), "StartTime": now}
    try:
        history = _items(ec2, "describe_spot_price_history", "SpotPriceHistory", asked)
        rows = [(row["InstanceType"], row["AvailabilityZone"], row["Timestamp"], row["SpotPrice"]) for row in history]
        newest = _newest(rows, region, now)
        priced = [(name, float(price)) for name, price in newest]
    except _errors() as error:
        return None, (f"spot prices are left as they are: DescribeSpotPriceHistory: {_said(error)}",)
    found: dict[str, float] = {}
    for name, price in priced:
        found[name] = max(price, found.get(name, 0.0))
    if found:
        return found, ()
    return None, (f"spot prices are left as they are: AWS has none of the last {HISTORY_DAYS} days for {region}",)


def _newest(rows: Iterable[tuple[str, str, datetime, str]], region: str, now: datetime) -> list[tuple[str, str]]:
    """Type and price, once for each of its availability zones."""
    newest: dict[tuple[str, str], tuple[datetime, str]] = {}
    for name, zone, when, price in rows:
        recent = now - when <= timedelta(days=HISTORY_DAYS)
        if recent and re.fullmatch(rf"{re.escape(region)}[a-z]", zone):
            newest[name, zone] = max(newest.get((name, zone), (when, price)), (when, price))
    return [(name, price) for (name, _), (_, price) in newest.items()]


def capacity_block_prices(ec2: Any, types: Sequence[str]) -> Found:
    """The dearest block of a day that is on offer: its up-front fee over its hours and instances."""
    found: dict[str, float] = {}
    notes: list[str] = []
    none: list[str] = []
    for name in types:
        asked = {"InstanceType": name, "InstanceCount": 1, "CapacityDurationHours": DAY_HOURS}
        try:
            offers = list(_items(ec2, "describe_capacity_block_offerings", "CapacityBlockOfferings", asked))
            hourly = [price for offer in offers if (price := _hourly(offer)) is not None]
        except _errors() as error:
            if _is_about_type(error):
                notes.append(f"{name}: no capacity-block price: {_said(error)}")
                continue
            said = f"capacity-block prices are left as they are: DescribeCapacityBlockOfferings: {_said(error)}"
            return None, (said,)
        if hourly:
            found[name] = round(max(hourly), 6)
        else:
            none.append(name)
    if none:
        notes.append(f"no capacity block of a day in US dollars is on offer, so no price: {', '.join(none)}")
    return found, tuple(notes)


def _hourly(offer: Mapping[str, Any]) -> float | None:
    """USD for an hour of one instance; a block ends at 11:30 UTC, so its hours are rarely whole."""
    hours: float = offer["CapacityBlockDurationHours"] + offer.get("CapacityBlockDurationMinutes", 0) / 60
    if offer.get("CurrencyCode", "USD") != "USD":
        return None
    instances: int = offer["InstanceCount"]
    return float(offer["UpfrontFee"]) / (hours * instances)


def _items(ec2: Any, call: str, key: str, asked: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for page in ec2.get_paginator(call).paginate(**asked):
        yield from page.get(key, ())


def _errors() -> tuple[type[Exception], ...]:
    """A refusal, no connection, an answer that cannot be read, or one that lacks a field."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError  # no BotoCoreError: what a fake without the call ends in

    return (BotoCoreError, ClientError, ResponseParserError, KeyError, TypeError, ValueError, ZeroDivisionError)


def _said(error: Exception) -> str:
    return f"an answer lacks {error}" if isinstance(error, KeyError) else str(error).partition("\n")[0]


def _is_about_type(error: Exception) -> bool:
    response: Mapping[str, Any] = getattr(error, "response", {})
    code = str(response.get("Error", {}).get("Code", ""))
    return code.startswith(ABOUT_THE_TYPE)
