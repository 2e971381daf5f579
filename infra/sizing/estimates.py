"""Speed and price of an option, as a plan shows them: for the choice at once, for the others when somebody looks."""

from __future__ import annotations

from functools import partial

from infra.catalog.markets import price_in
from infra.sizing import cost, performance
from infra.sizing.choice import Option
from infra.sizing.markets import market_prices
from infra.sizing.request import PlanRequest
from infra.sizing.result import Alternative, Busiest, Price, Speed
from infra.sizing.speed import SpeedUnknown

__all__ = ["alternative_of", "price_of", "speed_of"]


def speed_of(request: PlanRequest, option: Option) -> Speed | None:
    """Decoding with the requests that were asked for; None where the catalogue lacks what it follows from."""
    case = (option.fit, option.arrangement, request, option.engine)
    found, first = performance.speed_with(request.concurrency, *case), performance.first_token(*case)
    users = performance.most_users(*case)
    most = performance.speed_with(users, *case)
    if isinstance(found, SpeedUnknown) or isinstance(most, SpeedUnknown):
        return None
    return Speed(
        users=request.concurrency,
        context_tokens=request.context_tokens,
        per_user=found.per_user,
        total=found.total,
        ms_per_token=found.ms_per_token,
        first_token_seconds=None if isinstance(first, SpeedUnknown) else first,
        step=performance.step_with(request.concurrency, *case),
        busiest=Busiest(users, most.total, most.ms_per_token),
    )


def price_of(option: Option, speed: Speed | None) -> Price | None:
    """Of all machines, in the market they are bought in and in the others; None for machines one owns."""
    instance, hour, market = option.machine.instance, option.usd_per_hour, option.market
    if instance is None:
        return None
    million = cost.usd_per_million_tokens(hour, speed.total) if speed else None
    date, sold = price_in(instance, market).date, market_prices(instance, option.arrangement.machines)
    return Price(hour, cost.usd_per_month(hour), million, date, instance.price_region, market, sold)


def alternative_of(request: PlanRequest, option: Option) -> Alternative:
    """What a person compares the choice with. Its speed waits: most plans are made for their first machine."""
    return Alternative(
        instance_type=option.machine.name,
        gpu=None if option.machine.cores else option.machine.gpu.name,
        tensor_parallel=option.fit.tensor_parallel,
        kv_tokens=option.fit.kv_tokens,
        usd_per_hour=option.usd_per_hour,
        nodes=option.arrangement.machines,
        gpus=0 if option.machine.cores else option.arrangement.gpus_per_machine,
        estimate=partial(speed_of, request, option),
    )
