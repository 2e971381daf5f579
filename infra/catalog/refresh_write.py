"""instances.yaml and cpu_instances.yaml, read as rows and written back in the same layout: a diff shows facts only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.catalog.refresh import Row
from infra.errors import ToolError

__all__ = ["Table", "read_table", "sorted_rows", "table_path", "write_table"]

ORDER = (
    "type", "family", "gpu", "gpus", "partition", "vcpus", "cores", "memory_gib", "cpu", "vendor", "nvme_gb", "network",
    "network_gbit_baseline", "efa", "ebs_mbit_per_second", "markets", "usd_per_hour", "price_date", "spot_usd_per_hour",
    "spot_price_date", "capacity_block_usd_per_hour", "capacity_block_price_date", "offered",
)  # fmt: skip
QUOTED = ("price_date", "spot_price_date", "capacity_block_price_date", "date")


@dataclass(frozen=True, slots=True)
class Table:
    """One file: its opening comment, the region of its prices, its rows."""

    comment: str
    price_region: str
    rows: tuple[Row, ...]


def table_path(name: str, *, writable: bool) -> Path:
    """The file beside this module; `writable` refuses an installed package, whose files nobody commits."""
    folder = Path(__file__).resolve().parent
    if writable and not (folder.parents[1] / "pyproject.toml").is_file():
        raise ToolError(
            f"this seekstack is installed in {folder.parents[1]}, not a checkout: its catalogue comes with the release",
            code="SKS0223",
            value=str(folder / name),
            allowed="a checkout of seekstack's repository",
            fix="leave out --apply; or run it in a checkout and send the change upstream",
        )
    return folder / name


def read_table(path: Path) -> Table:
    """The file as written by `write_table`."""
    text = path.read_text(encoding="utf-8")
    document: dict[str, Any] = yaml.safe_load(text)
    comment = "".join(f"{line}\n" for line in text.splitlines() if line.startswith("#"))
    return Table(comment, document["price_region"], tuple(document["instances"]))


def sorted_rows(rows: Sequence[Row]) -> list[Row]:
    """Families in the order they first appear (new ones last), small types first within each."""
    families = list(dict.fromkeys(row["family"] for row in rows))
    return sorted(rows, key=lambda row: (families.index(row["family"]), row["vcpus"], row["type"]))


def write_table(table: Table) -> str:
    """One line a type; each source is written once, and named."""
    sources = list(dict.fromkeys(row["source"] for row in table.rows))
    anchors = {source: "ec2" if number == 1 else f"ec2_{number}" for number, source in enumerate(sources, 1)}
    named = [f"  {anchor}: &{anchor} {json.dumps(source)}" for source, anchor in anchors.items()]
    lines = [_line(row, anchors[row["source"]]) for row in table.rows]
    head = ["sources:", *named, f"price_region: {table.price_region}", "instances:"]
    return table.comment + "\n".join([*head, *lines]) + "\n"


def _line(row: Row, anchor: str) -> str:
    values = [f"{name}: {_scalar(name, row[name])}" for name in ORDER if name in row]
    return f"  - {{{', '.join(values)}, source: *{anchor}, date: {_scalar('date', row['date'])}}}"


def _scalar(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
    return json.dumps(text) if name in QUOTED or yaml.safe_load(text) != value else text
