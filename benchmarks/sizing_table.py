"""Tables of public logs in the shape of sizing_open.csv, however a spreadsheet wrote them."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from benchmarks import sizing_cells as cells

__all__ = ["Row", "Skip", "TableError", "read_rows", "row_of"]

Value = TypeVar("Value")

REQUIRED = ("kind", "model", "gpu", "engine", "confidence")
"""Without one of these columns no row can be scored."""
COLUMNS = (
    *("id", "kind", "model", "proxy_for", "weights_quant", "kv_dtype", "gpu", "gpu_count", "nodes", "tp", "pp", "dp"),
    *("max_model_len", "mem_util", "engine", "engine_version", "total_gib_per_gpu", "weights_gib_per_gpu"),
    *("nontorch_gib", "activation_gib", "kv_gib_per_gpu", "kv_tokens", "fits", "note", "confidence", "source"),
)
SEPARATORS = (",", ";", "\t", "|")
LONGEST_CELL = 2**24
"""Characters; the csv module stops at 128 KiB, and notes hold whole logs."""


class TableError(ValueError):
    """The file is no table of rows."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table, with what is missing as None."""

    id: str
    kind: str
    model: str
    proxy_for: str
    quantization: str
    kv_dtype: str
    gpu: str
    gpu_count: int | None
    nodes: int
    tp: int | None
    pp: int
    dp: int
    context: int | None
    utilization: float | None
    engine: str
    version: str
    total_gib: float | None
    weights_gib: float | None
    kv_gib: float | None
    kv_digits: int
    kv_tokens: int | None
    is_rounded: bool
    """Whether the printed cache or its tokens are round figures."""
    fits: bool | None
    confidence: str
    source: str
    unreadable: tuple[str, ...] = ()
    """Cells that describe the start and cannot be read: nothing can be computed for the row."""
    dropped: tuple[str, ...] = ()
    """Cells of results that cannot be read: only their comparison is left out."""


@dataclass(frozen=True, slots=True)
class Skip:
    """Why a row is not scored."""

    reason: str


def read_rows(path: Path) -> list[Row]:
    """Every row of the file, each with an id of its own.

    Raises `TableError` where the header lacks a column that every comparison needs.
    """
    csv.field_size_limit(LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        separator = _separator(file.readline())
        file.seek(0)
        try:
            lines = csv.DictReader(file, delimiter=separator)
            header = {_column(name): name for name in lines.fieldnames or ()}
            missing = [name for name in REQUIRED if name not in header]
            if missing:
                what = "the file is empty; it needs" if not header else "the header lacks"
                raise TableError(f"{what} {', '.join(missing)}")
            rows = [row_of({_column(name): cell for name, cell in line.items()}, lines.line_num) for line in lines]
        except csv.Error as error:
            raise TableError(str(error)) from error
    return list(_distinct(rows))


def _separator(first_line: str) -> str:
    """The one that finds most of the known columns."""
    return max(SEPARATORS, key=lambda mark: sum(_column(name) in COLUMNS for name in first_line.split(mark)))


def _column(name: str | None) -> str:
    """`"Max Model Len "` → max_model_len; cells beyond the header have no name."""
    return re.sub(r"[\s_-]+", "_", (name or "").lstrip("\ufeff").strip().strip('"').strip()).casefold()


def _distinct(rows: list[Row]) -> Iterator[Row]:
    seen: set[str] = set()
    for number, row in enumerate(rows, start=1):
        name = row.id if row.id not in seen else f"{row.id} (row {number})"
        seen.add(name)
        yield replace(row, id=name)


def row_of(fields: Mapping[str, str | list[str] | None], number: int = 0) -> Row:
    """One row; columns that are missing count as empty, and cells that cannot be read are named in it."""
    unreadable: list[str] = []
    dropped: list[str] = []

    def text(name: str) -> str:
        value = fields.get(name)
        return value.strip() if isinstance(value, str) else ""

    def read(name: str, reader: Callable[[str], Value], failed: list[str]) -> Value | None:
        try:
            return reader(text(name))
        except (ValueError, OverflowError):
            failed.append(f"{name} {text(name)[:40]!r}")
            return None

    beyond = fields.get("")
    if isinstance(beyond, list) and any(map(str.strip, beyond)):
        unreadable.append("more cells than the header has columns")
    total = read("total_gib_per_gpu", cells.gib, unreadable)
    weights = read("weights_gib_per_gpu", cells.gib, dropped)
    kv_gib = read("kv_gib_per_gpu", cells.gib, dropped)
    kv_dtype = text("kv_dtype")
    return Row(
        id=text("id") or f"line {number}",
        kind=re.sub(r"[\s-]+", "_", text("kind").casefold()),
        model=text("model"),
        proxy_for=text("proxy_for"),
        quantization=text("weights_quant"),
        kv_dtype="auto" if kv_dtype.casefold() in cells.EMPTY else kv_dtype,
        gpu=text("gpu"),
        gpu_count=read("gpu_count", cells.count, unreadable),
        nodes=read("nodes", cells.count, unreadable) or 1,
        tp=read("tp", cells.count, unreadable),
        pp=read("pp", cells.count, unreadable) or 1,
        dp=read("dp", cells.count, unreadable) or 1,
        context=read("max_model_len", cells.context, unreadable),
        utilization=read("mem_util", cells.share, unreadable),
        engine=text("engine"),
        version=text("engine_version"),
        total_gib=total if total and total > 0 else None,
        weights_gib=weights if weights and weights > 0 else None,
        kv_gib=kv_gib,
        kv_digits=cells.decimals(text("kv_gib_per_gpu")),
        kv_tokens=read("kv_tokens", cells.tokens, dropped),
        is_rounded=cells.is_rounded(text("kv_gib_per_gpu")) or cells.is_rounded(text("kv_tokens")),
        fits=read("fits", cells.yes_or_no, dropped),
        confidence=cells.confidence(text("confidence")),
        source=text("source"),
        unreadable=tuple(unreadable),
        dropped=tuple(dropped),
    )
