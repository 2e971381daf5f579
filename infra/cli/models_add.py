"""`seekstack models add FILE...`: an entry for your own catalogue, derived from what a model's publisher wrote.

FILE is a Hugging Face config.json, a model.safetensors.index.json beside it or instead of it (each finds the other in
its folder), or a GGUF file, of which the header is read. The entry goes to `catalog/models.yaml` beside Pulumi.yaml:
commit it, and `seekstack plan`, `check`, `render` and `pulumi up` know the model. `--catalog FILE` writes elsewhere,
for a project that you are not in; only the file beside Pulumi.yaml is read.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli.output import console, write_json, write_table
from infra.errors import ConfigurationError, Location
from infra.units import to_gib

if TYPE_CHECKING:
    from infra.catalog.derive import Derivation
    from infra.catalog.facts import Catalog

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Register `add` below `models`."""
    text = "derive an entry of your own catalogue from published files"
    parser = subparsers.add_parser("add", help=text, description=__doc__, allow_abbrev=False,
                                   formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="config.json, model.safetensors.index.json, or a .gguf"
    )
    parser.add_argument("--name", help="owner/name of the repository (default: from the folder or the file)")
    parser.add_argument(
        "--catalog", type=Path, metavar="FILE", help="write here (default: catalog/models.yaml beside Pulumi.yaml)"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the entry and write nothing")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="machine-readable output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Derive, refuse a name that is taken, write, and show what was derived."""
    from datetime import UTC, datetime

    from infra.catalog.derive import derive
    from infra.catalog.load import check_names, load
    from infra.catalog.own import append_row, row_of

    found = derive(options.files, name=options.name, today=datetime.now(UTC).date().isoformat())
    target = options.catalog or _default_target(dry_run=options.dry_run)
    catalog = _catalog_with(options.catalog) if options.catalog else load()
    check_names(catalog.models, found.facts, Location(str(target or options.files[0])))
    written = target if target and not options.dry_run else None
    if written:
        append_row(written, row_of(found.facts))
    _show(options, found, catalog, target, written)
    return 0


def _catalog_with(path: Path) -> Catalog:
    from infra.catalog.load import shipped, with_own

    return with_own(shipped(), path) if path.is_file() else shipped()


def _default_target(*, dry_run: bool) -> Path | None:
    from infra.catalog.own import own_models_path

    target = own_models_path(Path.cwd())
    if target is None and not dry_run:
        raise ConfigurationError(
            "there is no Pulumi.yaml here or above, so no project that the entry could belong to",
            code="SKS0218",
            key="--catalog",
            allowed="a folder with Pulumi.yaml, or below one",
            fix="go to your project, name a file (--catalog), or only look (--dry-run)",
        )
    return target


def _show(
    options: argparse.Namespace, found: Derivation, catalog: Catalog, target: Path | None, written: Path | None
) -> None:
    is_planned = found.facts.native_dtype in (quantization.name for quantization in catalog.quantizations)
    notes = [*found.notes, *([] if is_planned else [_not_planned(found)])]
    if options.json:
        document = {
            "model": asdict(found.facts),
            "bits_per_weight": round(found.bits_per_weight, 4),
            "kv_bytes_per_token": _cache_bytes(found),
            "notes": notes,
            "catalog": str(target) if target else None,
            "written": written is not None,
        }
        write_json(document)
        return
    write_table(("field", "derived"), _rows(found))
    out = console()
    for note in notes:
        out.print(f"note: {note}")
    if written:
        other = "" if is_planned else " --quantization awq"
        out.print(f"written to {written}; try: seekstack plan --model {found.facts.label}{other}")
    else:
        out.print("nothing written (--dry-run)")


def _not_planned(found: Derivation) -> str:
    """GGUF kinds are no rows of quantizations.yaml: each file has bits of its own."""
    native = found.facts.native_dtype
    return f"it is stored as {native}, which is no row of quantizations.yaml: name another by `plan --quantization`"


def _rows(found: Derivation) -> list[tuple[str, object]]:
    facts = found.facts
    skipped = ("aliases", "unreleased_aliases", "parameters", "active_parameters", "draft_parameters", "weights_bytes")
    rows: list[tuple[str, object]] = [
        ("parameters", f"{facts.parameters:,.0f} ({facts.parameters / 1e9:.3f} B)"),
        ("active_parameters", f"{facts.active_parameters:,.0f}"),
        ("draft_parameters", f"{facts.draft_parameters:,.0f}" if facts.draft_parameters else None),
        ("weights_bytes", f"{facts.weights_bytes:,} ({to_gib(facts.weights_bytes):.2f} GiB)"),
        ("bits per weight", f"{found.bits_per_weight:.2f}"),
        ("cache bytes a token, 16 bit", f"{_cache_bytes(found):,}"),
    ]
    values = asdict(facts)
    names = [*rows, *((name, value) for name, value in values.items() if name not in skipped)]
    return [(name, value) for name, value in names if value not in (None, 0, "unknown")]


def _cache_bytes(found: Derivation) -> int:
    """As the shape has it: V3.2's engine packs it differently (8 bit, with the indexer's keys)."""
    facts = found.facts
    if facts.kv_lora_rank:
        return 2 * facts.layers * (facts.kv_lora_rank + (facts.qk_rope_head_dim or 0))
    return 2 * 2 * facts.layers * facts.kv_heads * (facts.head_dim or 0)
