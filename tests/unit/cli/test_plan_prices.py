"""How the price of a plan reads in each market."""

from __future__ import annotations

import pytest

from infra.catalog.markets import Market, MarketPrice
from infra.cli.plan_prices import market_rows, price_text
from infra.sizing.result import Price

DAY = "2026-11-30"
SOLD = tuple(MarketPrice(market, hour, DAY) for market, hour in zip(Market, (3.0, 1.0, None), strict=True))


def make_price(kind: Market, usd_per_hour: float | None) -> Price:
    return Price(usd_per_hour, None, None, DAY, "us-east-1", kind, SOLD)


@pytest.mark.parametrize(
    ("price", "text"),
    [
        (make_price(Market.ON_DEMAND, 3.0), "3.000 USD/h on demand, us-east-1, 2026-11-30"),
        (make_price(Market.SPOT, 1.0), "1.000 USD/h as spot, us-east-1, 2026-11-30"),
        (make_price(Market.CAPACITY_BLOCK, None), "not in the catalogue as capacity block"),
        (None, "not in the catalogue"),
    ],
)
def test_a_price_names_market_place_and_day(price: Price | None, text: str) -> None:
    assert price_text(price) == text


@pytest.mark.parametrize(
    ("price", "explained", "text"),
    [
        (make_price(Market.ON_DEMAND, 3.0), False, "spot: 1.000 USD/h (2026-11-30)"),
        (
            make_price(Market.ON_DEMAND, 3.0),
            True,
            "spot: 1.000 USD/h (2026-11-30); capacity block: not in the catalogue",
        ),
        (
            make_price(Market.SPOT, 1.0),
            False,
            "on demand: 3.000 USD/h (2026-11-30); capacity block: not in the catalogue",
        ),
    ],
)
def test_other_markets_are_shown_where_known_or_asked_for(price: Price, explained: bool, text: str) -> None:
    assert market_rows(price, explained=explained) == [("other markets", text)]


def test_a_machine_one_owns_has_no_other_market() -> None:
    assert market_rows(None, explained=True) == []
