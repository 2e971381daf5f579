"""What commands write: JSON for programs, tables for people. rich is imported for the latter only (it costs 80 ms)."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["add_json_flag", "console", "write_json", "write_table"]

PIPED_WIDTH = 160
"""Columns where the output is no terminal, so that `| grep` sees whole rows."""


def add_json_flag(parser: argparse.ArgumentParser) -> None:
    """`--json`, with the same meaning in every command."""
    parser.add_argument("--json", action="store_true", help="machine-readable output on stdout")


def write_json(document: object) -> None:
    """One document, two spaces of indent, keys in the order they were given."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def console() -> Console:
    """A rich console on the current stdout; plain text where that is no terminal or NO_COLOR is set."""
    from rich.console import Console

    width = None if sys.stdout.isatty() else PIPED_WIDTH
    return Console(file=sys.stdout, width=width, highlight=False, emoji=False, markup=False)


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, title: str | None = None) -> None:
    """Rows under headings; columns of numbers are right-aligned, None is shown as a dash."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    cells = [[_text(value) for value in row] for row in rows]
    kinds = [all(_is_number(row[index]) for row in cells) for index in range(len(columns))]
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name, numeric in zip(columns, kinds, strict=True):
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    console().print(table)


def _text(value: object) -> str:
    if value is None:
        return "-"
    return "yes" if value is True else "no" if value is False else str(value)


def _is_number(text: str) -> bool:
    return text == "-" or text.replace(",", "").replace(".", "", 1).isdigit()
