"""The arithmetic of a plan's speed and price, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from infra.sizing import step, traffic
from infra.sizing.result import Plan
from infra.units import BYTES_PER_GIB

__all__ = ["explain_price", "explain_speed"]


def explain_speed(plan: Plan) -> Iterator[str]:
    """The expected step, the range it lies in, and the first token."""
    speed = plan.speed
    if speed is None:
        yield f"speed: not known: bandwidth of {plan.gpu.name}, or layers and active parameters of {plan.model.label}"
        return
    one = speed.step
    users = f"{speed.users} user{'s' if speed.users > 1 else ''}, {speed.context_tokens:,} tokens each"
    bandwidth = f"{plan.gpu.bandwidth_bytes_per_second / 1e9:,.0f} GB/s"
    yield (
        f"reading for {users}: {one.read_bytes / BYTES_PER_GIB:.3f} GiB on each GPU / (part x {bandwidth}): "
        f"{_ms(one.reading)} ms"
    )
    yield f"arithmetic: {one.flops / 1e9:,.1f} GFLOP on each GPU: {_ms(one.computing)} ms; it overlaps with reading"
    yield f"latency: {one.layers} layers x {_ms(one.layer, 3)} ms = {_ms(one.layer.scale(one.layers))} ms"
    yield f"a token (estimate): the longer of reading and arithmetic, and latency: {_ms(one.seconds)} ms"
    each, total = _plain(speed.per_user), _plain(speed.total)
    yield f"tokens/s (estimate): 1,000 / ms for a user: {each}; x {speed.users} in all: {total}"
    if speed.first_token_seconds:
        flops = traffic.prefill_flops(plan.model, plan.context_tokens) / plan.tensor_parallel
        first = _plain(speed.first_token_seconds)
        yield f"first token (estimate): {flops / 1e12:,.1f} TFLOP of the prompt on each GPU, and one step: {first} s"


def explain_price(plan: Plan) -> Iterator[str]:
    """Hour, month and million tokens."""
    price = plan.price
    if price is None or price.usd_per_hour is None:
        return
    yield f"price: {price.usd_per_hour:.3f} USD/h x 730 h = {price.usd_per_month:,.2f} USD a month, {price.kind}"
    million = price.usd_per_million_tokens
    if million:
        hour = f"{price.usd_per_hour:.3f} USD/h / (tokens/s in all x 3,600 / 1,000,000)"
        yield f"a million tokens (estimate): {hour}: {_plain(million)} USD, busy all the time"


def _ms(seconds: step.Range, digits: int = 2) -> str:
    scaled = seconds.scale(1e3)
    return f"{scaled.expected:.{digits}f} ({scaled.low:.{digits}f} to {scaled.high:.{digits}f})"


def _plain(values: step.Range) -> str:
    return f"{values.expected:.3g} ({values.low:.3g} to {values.high:.3g})"
