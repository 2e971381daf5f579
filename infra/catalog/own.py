"""A project's own models: `catalog/models.yaml` beside its Pulumi.yaml.

It belongs to the person's repository and is committed there, so that a colleague, CI and `pulumi up` plan with the same
facts; the installed package is never written to. Rows have the form of infra/catalog/models.yaml. `seekstack models
add` writes them; what was written by hand is kept as it is, comments too.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from infra.bounded_yaml import UnreadableYamlError, compose, construct, read_text
from infra.catalog.facts import Architecture, Attention, ModelFacts
from infra.catalog.own_checks import contradictions
from infra.errors import ConfigurationError, ConfigurationErrors, Location

__all__ = ["OWN_MODELS", "append_row", "own_models_path", "read_rows", "row_of"]

OWN_MODELS = Path("catalog") / "models.yaml"
MOST_VALUES = 200_000
"""The rows of some 3,000 models."""
HEADER = """\
# Models of this project, beside those that seekstack ships. Commit this file: plan, check and pulumi up read it.
models:
"""
FORM = "one key, `models:`, with a list below it"
Row = Mapping[str, Any]

OPTIONAL = {
    "aliases", "unreleased_aliases", "active_parameters", "draft_parameters", "layers", "attention_heads", "kv_heads",
    "head_dim", "hidden_size", "intermediate_size", "moe_intermediate_size", "vocabulary", "kv_lora_rank",
    "q_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim", "max_positions", "quantization_block",
    "shards",
}  # fmt: skip
"""Fields without a default in ModelFacts that a row may leave out all the same, as in the shipped file."""
GROUPED_NEEDS = ("layers", "attention_heads", "kv_heads", "head_dim", "hidden_size", "vocabulary", "max_positions")
LATENT_NEEDS = (
    *(name for name in GROUPED_NEEDS if name != "head_dim"),
    "kv_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
)
NEEDS = {
    Attention.GROUPED: GROUPED_NEEDS,
    Attention.LATENT: LATENT_NEEDS,
    Attention.SPARSE_LATENT: LATENT_NEEDS,
    Attention.COMPRESSED: (),
}
"""What the size of the cache follows from."""


def own_models_path(start: Path) -> Path | None:
    """Where the project around `start` keeps its own models (the file may not exist); None outside a project."""
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder / OWN_MODELS
    return None


def read_rows(path: Path, formats: Mapping[str, float]) -> tuple[Row, ...]:
    """The rows of one file, each checked; everything wrong in it is raised at once.

    `formats` are the catalogue's quantisations, with the bytes a parameter takes in them.
    """
    root = _compose(path, _text_of(path))
    rows, nodes = _rows(path, root), _nodes(root)
    if len(nodes) != len(rows):  # merged from elsewhere (`<<`)
        raise _wrong(path, None, "has not the form of a catalogue", FORM)
    errors = list(_doubled(path, "the file", root))
    for number, (row, node) in enumerate(zip(rows, nodes, strict=True), 1):
        errors += _problems(path, number, row, node, formats)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ConfigurationErrors(errors)
    return tuple({"aliases": [], **row} for row in rows)


def _text_of(path: Path) -> str:
    try:
        return read_text(path)
    except UnreadableYamlError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError as error:
        raise _wrong(path, None, f"is no text: {error}", "UTF-8") from None


def _compose(path: Path, text: str) -> yaml.Node | None:
    try:
        return compose(text, most_values=MOST_VALUES)
    except UnreadableYamlError as error:
        raise _unreadable(path, error) from None


def _rows(path: Path, root: yaml.Node | None) -> list[Any]:
    try:
        document = None if root is None else construct(root)
    except UnreadableYamlError as error:
        raise _unreadable(path, error) from None
    rows = document.get("models") if isinstance(document, dict) else None
    if rows is None and isinstance(document, dict) and "models" in document:
        return []
    if not isinstance(rows, list) or set(document or ()) != {"models"}:
        raise _wrong(path, None, "has not the form of a catalogue", FORM)
    return rows


def _nodes(root: yaml.Node | None) -> list[yaml.Node]:
    """Each row, with its lines; the form is that of a catalogue. Of two lists the last one counts."""
    lists = [value for _, value in root.value] if isinstance(root, yaml.MappingNode) else []
    return list(lists[-1].value) if lists and isinstance(lists[-1], yaml.SequenceNode) else []


def _doubled(path: Path, where: str, node: yaml.Node | None) -> Iterator[ConfigurationError]:
    """Keys that stand twice: YAML's readers take the last one and say nothing."""
    first: dict[str, int] = {}
    for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
        name, line = str(key.value), key.start_mark.line + 1
        if name in first:
            what = f"{where}: {name[:60]} stands twice, first in line {first[name]}"
            yield _wrong(path, line, what, "each key once", fix=f"remove one of the two {name[:60]}")
        first.setdefault(name, line)


def _problems(
    path: Path, number: int, row: Any, node: yaml.Node, formats: Mapping[str, float]
) -> list[ConfigurationError]:
    line = node.start_mark.line + 1
    if not isinstance(row, dict):
        return [_wrong(path, line, f"entry {number} is no mapping", "`key: value` lines")]
    where = f"entry {number} ({str(row.get('label', row.get('id', 'without a label')))[:60]})"
    doubled = list(_doubled(path, where, node))
    found = _wrong_fields(path, where, row, line)
    if not found:
        lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
        for one in contradictions(row, formats):
            fix = f"mend {one.key}, or remove the entry and run `seekstack models add`"
            found.append(_wrong(path, lines.get(one.key, line), f"{where}: {one.what}", one.allowed, fix=fix))
    return [*doubled, *found]


def _wrong_fields(path: Path, where: str, row: dict[Any, Any], line: int) -> list[ConfigurationError]:
    """Fields that are unknown, missing, or not of their type."""
    known = {field.name: field for field in fields(ModelFacts)}
    found = []
    for name in row:
        if name not in known:
            near = get_close_matches(str(name), known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            found.append(
                _wrong(path, line, f"{where}: {str(name)[:60]} is no field of a model{hint}", ", ".join(known))
            )
    required = [name for name, field in known.items() if field.default is MISSING and name not in OPTIONAL]
    missing = [name for name in required if row.get(name) is None]
    attention = row.get("attention")
    if attention in list(Attention):
        missing += [name for name in NEEDS[Attention(attention)] if not row.get(name)]
    if missing:
        found.append(_wrong(path, line, f"{where} lacks {', '.join(missing)}", "every field the sizes follow from"))
    for name, field in known.items():
        allowed = _disallowed(str(field.type), row[name]) if row.get(name) is not None else None
        if allowed:
            found.append(_wrong(path, line, f"{where}: {name} is {str(row[name])[:60]!r}", allowed))
    return found


def _disallowed(kind: str, value: object) -> str | None:
    """What is allowed in a field of that type, where `value` is not."""
    if kind in ("Architecture", "Attention"):
        allowed = [str(one) for one in (Architecture if kind == "Architecture" else Attention)]
        return None if value in allowed else ", ".join(allowed)
    if kind.startswith("tuple"):
        is_list = isinstance(value, list) and all(isinstance(one, str) for one in value)
        return None if is_list else "a list of names"
    if kind == "str":
        return None if isinstance(value, str) and value else "text (a date in quotes too)"
    if kind == "bool":
        return None if isinstance(value, bool) else "true or false"
    is_number = isinstance(value, int) or (kind == "float" and isinstance(value, float) and value < 1e18)
    in_range = is_number and not isinstance(value, bool) and 0 <= value <= 10**18  # type: ignore[operator]
    return None if in_range else "a whole number, 0 or more"


def row_of(facts: ModelFacts) -> Row:
    """One entry as a row of the file: what is empty or the default is left out."""
    values = {name: value for name, value in asdict(facts).items() if value not in (None, 0, ())}  # 0 is False too
    if values.get("active_parameters") == values.get("parameters"):
        values.pop("active_parameters")
    return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


def append_row(path: Path, row: Row) -> None:
    """Add `row` at the end of the file, made if it is not there; refused where the file cannot take it as it is.

    Written beside it and renamed: a reader sees the old file or the new one.
    """
    before = _text_of(path) if path.exists() else HEADER
    rows = _rows(path, _compose(path, before))
    joined = before if before.endswith("\n") else f"{before}\n"
    text = joined + _block(row)
    if _read_again(path, text) != [*rows, dict(row)]:
        raise _wrong(
            path, None, "cannot be added to at its end", "`models:` last, its entries as `  - key: value` lines"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f".{path.name}.{os.getpid()}")
    written.write_text(text, encoding="utf-8", newline="\n")
    written.replace(path)


def _read_again(path: Path, text: str) -> list[Any] | None:
    try:
        return _rows(path, _compose(path, text))
    except ConfigurationError:
        return None


def _block(row: Row) -> str:
    """JSON scalars and lists are YAML too, and quoted the same way for every value."""
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in row.items()]
    return "  - " + "\n    ".join(lines) + "\n"


def _unreadable(path: Path, error: UnreadableYamlError) -> ConfigurationError:
    return _wrong(path, error.line, error.message, error.allowed or "a list under `models:`")


def _wrong(
    path: Path,
    line: int | None,
    what: str,
    allowed: str,
    *,
    fix: str = "mend the entry, or remove it and run `seekstack models add`",
) -> ConfigurationError:
    return ConfigurationError(
        f"{path.name} {what}",
        code="SKS0218",
        key="models",
        location=Location(str(path), line),
        allowed=allowed,
        fix=fix,
    )
