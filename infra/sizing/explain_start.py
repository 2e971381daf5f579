"""The first start, line by line: fetching the weights, and what each of several nodes runs."""

from __future__ import annotations

from collections.abc import Iterator

from infra.sizing import staging
from infra.sizing.result import Plan
from infra.sizing.step import Range
from infra.units import BYTES_PER_MIB, three_figures, to_gib

__all__ = ["explain_launch", "explain_staging"]


def explain_staging(plan: Plan) -> Iterator[str]:
    """The three rates and the slowest of them; then the machine's own disks."""
    found = plan.staging
    parts = (
        _network(found.network),
        f"volume {found.volume_mib_per_second:,.0f} MiB/s",
        f"source {found.source.expected:,.0f} MiB/s ({staging.CONNECTIONS} connections x {staging.CONNECTION_MB} MB/s)",
    )
    seconds, store = found.network_seconds, found.instance_store_seconds
    size, rate = f"{to_gib(plan.weights_bytes):.2f} GiB x 1,024", plan.weights_bytes / BYTES_PER_MIB / seconds.expected
    slowest = f"the slowest of {', '.join(parts)} is the {found.limited_by}"
    yield f"fetching once (estimate), {slowest}: {size} / {rate:,.1f} MiB/s = {_seconds(seconds)}"
    if store:
        rate = plan.weights_bytes / BYTES_PER_MIB / store.expected
        yield f"reading from the instance store instead (estimate): {size} / {rate:,.1f} MiB/s = {_seconds(store)}"


def explain_launch(plan: Plan) -> Iterator[str]:
    """What each node adds to the arguments of the engine; nothing for a single one."""
    if plan.launch is None:
        return
    for one in plan.launch.nodes:
        own = [text for text in one.arguments if text not in plan.engine_arguments]
        environment = [f"{name}={value}" for name, value in one.environment]
        before = [f"`{' '.join(one.setup)}`"] if one.setup else []
        name = f"{one.node}{f' ({one.host})' if one.host else ''}"
        role = "answers requests" if one.role == "head" else f"works for node {one.head}"
        yield f"node {name} {role}: {' '.join([*before, *own])}; with {' '.join(environment)}"
    for port in plan.launch.ports:
        yield f"open between the nodes: {port}: {port.purpose}"


def _network(rate: Range | None) -> str:
    if rate is None:
        return "network not stated"
    bounds = "" if rate.low == rate.high else f" ({rate.low:,.0f} through a gateway, {rate.high:,.0f} in a burst)"
    return f"network {rate.expected:,.0f} MiB/s{bounds}"


def _seconds(values: Range) -> str:
    return f"{three_figures(values.expected)} s ({three_figures(values.low)} to {three_figures(values.high)})"
