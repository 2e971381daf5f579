"""`seekstack instances refresh`: EC2's facts and prices of today, against the snapshot that is shipped.

It reads and compares; `--apply` rewrites infra/catalog/instances.yaml and cpu_instances.yaml of the checkout it runs
from, in the same layout, so that the change can be read and committed. Endpoints and credentials are boto3's: in a
shell with `seekstack sandbox env` it asks the fake AWS, which has no prices. Three kinds: on demand of the pricing
service, spot in the dearest availability zone, and the dearest capacity block of a day.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from infra.cli.output import console, write_json, write_table

if TYPE_CHECKING:
    from infra.catalog.refresh import Answers, Differences
    from infra.catalog.refresh_write import Table

__all__ = ["add_parser"]

INSTANCES, PROCESSORS = "instances.yaml", "cpu_instances.yaml"


def add_parser(subparsers: Any) -> None:
    """Register `refresh` below `instances`."""
    text = "compare the shipped facts and prices with AWS (describe and list calls only)"
    parser = subparsers.add_parser("refresh", help=text, description=text, allow_abbrev=False)
    parser.add_argument("--region", help="region to ask for (default: that of the shipped prices)")
    parser.add_argument("--apply", action="store_true", help="write the answers into the catalogue of this checkout")
    parser.add_argument("--no-prices", action="store_true", help="ask for no price: on demand, spot or capacity block")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="machine-readable output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask, compare, show; write where that was asked for."""
    from datetime import UTC, datetime

    from infra.catalog import refresh, refresh_markets, refresh_write
    from infra.catalog.load import shipped

    now = datetime.now(UTC)
    today = now.date().isoformat()
    paths = {name: refresh_write.table_path(name, writable=options.apply) for name in (INSTANCES, PROCESSORS)}
    before = {name: refresh_write.read_table(path) for name, path in paths.items()}
    region = options.region or before[INSTANCES].price_region
    ec2, pricing = refresh.clients(region)
    answers = refresh.fetch(ec2, None if options.no_prices else pricing, region, shipped().gpus)
    if not options.no_prices:
        answers = refresh_markets.with_market_prices(answers, ec2, now)
    found = {INSTANCES: answers.accelerated, PROCESSORS: answers.cpu}
    after: dict[str, Table] = {}
    differences: dict[str, Differences] = {}
    for name, table in before.items():
        same = table.price_region == region
        rows = refresh.merge(table.rows, found[name], answers, today, same_region=same)
        differences[name] = refresh.compare(table.rows, rows)
        after[name] = refresh_write.Table(table.comment, region, tuple(refresh_write.sorted_rows(rows)))
    if options.apply:
        for name, path in paths.items():
            path.write_text(refresh_write.write_table(after[name]), encoding="utf-8", newline="\n")
    _show(options, answers, before[INSTANCES].price_region, differences)
    return 0


def _show(
    options: argparse.Namespace, answers: Answers, shipped_region: str, differences: dict[str, Differences]
) -> None:
    if options.json:
        from infra.catalog.refresh_rules import OVERRIDES

        write_json(
            {
                "region": answers.region,
                "shipped_price_region": shipped_region,
                **{name.removesuffix(".yaml"): asdict(found) for name, found in differences.items()},
                "overrides": [asdict(rule) for rule in OVERRIDES],
                "notes": list(answers.notes),
                "applied": options.apply,
            }
        )
        return
    rows = [row for found in differences.values() for row in _rows(found)]
    title = f"AWS in {answers.region} against the snapshot (prices of {shipped_region}): {len(rows)} differences"
    write_table(("instance type", "field", "snapshot", "AWS"), rows, title=title)
    out = console()
    for note in answers.notes:
        out.print(f"note: {note}")
    files = " and ".join(differences)
    out.print(f"written to {files}" if options.apply else "nothing written (--apply writes)")


def _rows(found: Differences) -> list[tuple[object, ...]]:
    return [
        *((name, "added", None, "offered") for name in found.added),
        *((name, "removed", "offered", "not offered") for name in found.removed),
        *((one.instance_type, one.field, one.shipped, one.found) for one in (*found.changed, *found.prices)),
    ]
