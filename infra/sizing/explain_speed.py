"""The arithmetic of a plan's speed and price, line by line."""

from __future__ import annotations

from collections.abc import Iterator

from infra.sizing import step, traffic
from infra.sizing.result import Plan
from infra.units import BYTES_PER_GIB, three_figures

__all__ = ["explain_price", "explain_speed"]


def explain_speed(plan: Plan) -> Iterator[str]:
    """The expected step, the range it lies in, and the first token."""
    speed = plan.speed
    if speed is None:
        yield f"speed: not known: bandwidth of {plan.gpu.name}, or layers and active parameters of {plan.model.label}"
        return
    one = speed.step
    users = f"{speed.users} user{'s' if speed.users > 1 else ''}, {speed.context_tokens:,} tokens each"
    bandwidth = plan.gpu.bandwidth_bytes_per_second
    part = one.read_bytes / (one.reading.expected * bandwidth)
    yield (
        f"reading for {users}: {one.read_bytes / BYTES_PER_GIB:.3f} GiB on each GPU x {BYTES_PER_GIB / 1e6:,.3f} / "
        f"({part:.2f} x {bandwidth / 1e9:,.1f} GB/s) = {_ms(one.reading)} ms"
    )
    rate = one.flops / one.computing.expected if one.computing.expected else 0.0
    if rate:
        yield (
            f"arithmetic, which overlaps with reading: {one.flops / 1e9:,.2f} GFLOP on each GPU x 1,000 / "
            f"{rate / 1e9:,.0f} GFLOP/s = {_ms(one.computing)} ms"
        )
    yield f"latency: {one.layers} layers x {_ms(one.layer, 3)} ms = {_ms(one.layer.scale(one.layers))} ms"
    busy = f"longer of {one.reading.expected * 1e3:.2f} and {one.computing.expected * 1e3:.2f}"
    yield f"a token (estimate): {busy} + {one.layer.expected * one.layers * 1e3:.2f} = {_ms(one.seconds)} ms"
    each, total = _plain(speed.per_user), _plain(speed.total)
    milliseconds = f"{one.seconds.expected * 1e3:.2f}"
    yield f"tokens/s (estimate): 1,000 / {milliseconds} = {each}; x {speed.users} in all = {total}"
    most = speed.busiest
    milliseconds, rate_of_all = f"{most.ms_per_token.expected:.2f}", _plain(most.total)
    yield f"busiest (estimate): {most.users:,} x 1,000 / {milliseconds} ms a token = {rate_of_all} tokens/s"
    first = speed.first_token_seconds
    if first and rate:
        flops = traffic.prefill_flops(plan.model, plan.context_tokens) / plan.tensor_parallel
        prompt = flops / rate
        yield (
            f"first token (estimate): {flops / 1e12:,.1f} TFLOP of the prompt on each GPU / {rate / 1e12:,.3f} TFLOP/s "
            f"+ {first.expected - prompt:.4f} s of one step = {_plain(first)} s"
        )


def explain_price(plan: Plan) -> Iterator[str]:
    """Hour, month and million tokens."""
    price = plan.price
    if price is None or price.usd_per_hour is None:
        return
    yield f"price: {price.usd_per_hour:.3f} USD/h x 730 h = {price.usd_per_month:,.2f} USD a month, {price.kind}"
    million = price.usd_per_million_tokens
    if million:
        each = f"({plan.speed.total.expected if plan.speed else 0:,.2f} tokens/s in all x 3,600 / 1,000,000)"
        yield (
            f"a million tokens (estimate), busy all the time: {price.usd_per_hour:.3f} USD/h / {each} = "
            f"{_plain(million)} USD"
        )


def _ms(seconds: step.Range, digits: int = 2) -> str:
    scaled = seconds.scale(1e3)
    return f"{scaled.expected:.{digits}f} ({scaled.low:.{digits}f} to {scaled.high:.{digits}f})"


def _plain(values: step.Range) -> str:
    return f"{three_figures(values.expected)} ({three_figures(values.low)} to {three_figures(values.high)})"
