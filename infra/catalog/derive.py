"""Catalogue entries from published files: a config.json, an index of safetensors, or the header of a GGUF file.

Parameters are counted from the shape (`shapes`), or from the tensors themselves (GGUF). Sizes are those of the index or
of the tensors where there is one, else computed; the entry's source says which files, by their digests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.catalog import derive_config, derive_gguf
from infra.catalog.facts import Architecture, Attention, ModelFacts
from infra.catalog.families import Family
from infra.catalog.fields import Fields
from infra.catalog.gguf import MAGIC, Header
from infra.catalog.index import Index, index_of
from infra.catalog.published import Origin, read_json, unreadable, wrong_file
from infra.catalog.shapes import Parameters, Shape, active, draft, draft_copies, total
from infra.catalog.stored import stored_as
from infra.errors import ConfigurationError

__all__ = ["Derivation", "derive"]

CONFIG, INDEX = "config.json", "model.safetensors.index.json"
NAME = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
"""A repository: it becomes a folder on the node, a label in Kubernetes and a tag in AWS."""
CACHE = re.compile(r"models--(?P<owner>[^/]+?)--(?P<name>[^/]+)")
"""Folder of the Hugging Face cache: models--owner--name/snapshots/revision/config.json."""
NOTED, REFUSED = 0.01, 0.25
"""Size of an index over that of the shape: such differences are told, or mean that it belongs to another model."""
UNKNOWN_RELEASE = "unknown"


@dataclass(frozen=True, slots=True)
class Derivation:
    """One entry, and what a person should know of how it was made."""

    facts: ModelFacts
    bits_per_weight: float
    origins: tuple[Origin, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Weights:
    """How many there are, and how they lie on the disk."""

    counted: int
    drafted: int
    native: str
    block: int | None
    size_bytes: int
    shards: int


def derive(paths: Sequence[Path], *, name: str | None, today: str) -> Derivation:
    """The entry that `paths` describe, under `name` or one taken from the files; `today` is its date."""
    if len(paths) == 1 and _begins_with(paths[0], MAGIC):
        return _from_gguf(paths[0], name, today)
    config: tuple[Path, Mapping[str, Any], Origin] | None = None
    index: Index | None = None
    for path in paths:
        if _begins_with(path, MAGIC):
            raise _contradicting(path, "is GGUF: it is complete, and described by no other file", "give it alone")
        if path.suffix.casefold() == ".gguf":
            what = "is no GGUF file: it does not begin with GGUF" if path.stat().st_size else "is empty"
            raise unreadable(path, what)
        document, origin = read_json(path)
        if _is_index(path, document):
            index = index_of(path, document, origin) if index is None else _doubled(path, "index")
        else:
            config = (path, document, origin) if config is None else _doubled(path, "config")
    if config is None:
        config = _sibling_config(paths[0])
    if index is None and (beside := config[0].with_name(INDEX)).is_file():
        index = index_of(beside, *read_json(beside))
    return _from_config(*config, index, name, today)


def _is_index(path: Path, document: Mapping[str, Any]) -> bool:
    """By what it holds; one that lacks its table by its name, so that it is told what it lacks."""
    return "weight_map" in document or ("architectures" not in document and path.name.endswith(".index.json"))


def _sibling_config(index: Path) -> tuple[Path, Mapping[str, Any], Origin]:
    path = index.with_name(CONFIG)
    if path.is_file():
        return (path, *read_json(path))
    raise wrong_file(
        "SKS0214",
        index,
        f"names tensors without their shapes, and there is no {CONFIG} beside it",
        allowed=f"an index with the {CONFIG} of its model",
        fix=f"put {CONFIG} beside it, or give both files",
    )


def _from_config(
    path: Path, config: Mapping[str, Any], origin: Origin, index: Index | None, name: str | None, today: str
) -> Derivation:
    family = derive_config.family_in(str(path), config)
    fields = Fields(str(path), config)
    shape = derive_config.shape_of(fields, family)
    stored = stored_as(fields)
    positions = derive_config.max_positions(fields)
    fields.finish()
    counted, drafted = total(shape), draft(shape)
    in_files = counted + drafted + Parameters(kept=draft_copies(shape))
    computed = stored.size_bytes(in_files)
    notes = derive_config.remarks(config)
    if index is None:
        notes.append(f"size and shards are computed from the shape: give {INDEX} too for the published ones")
    else:
        notes += _compare(index, shape, computed)
    weights = _Weights(
        counted.all,
        drafted.all,
        stored.name,
        stored.block,
        index.total_bytes if index else computed,
        index.shards if index else 0,
    )
    origins = (origin, index.origin) if index else (origin,)
    facts = _facts(_named(name, path), family, shape, weights, positions, _source(origins, today))
    return Derivation(facts, weights.size_bytes * 8 / in_files.all, origins, tuple(notes))


def _compare(index: Index, shape: Shape, computed: int) -> list[str]:
    """Refuse the index of another model; tell smaller differences."""
    blocks = {shape.layers, shape.layers + shape.draft_layers}
    if index.layers and index.layers not in blocks:
        raise _contradicting(
            index.path, f"names {index.layers} layers, the config {shape.layers}", "take both of one model"
        )
    off = index.total_bytes / computed - 1
    sizes = f"{index.total_bytes:,} bytes, where the shape makes {computed:,} ({off:+.1%})"
    if abs(off) > REFUSED:
        raise _contradicting(index.path, f"holds {sizes}", "take both of one model, and of one quantisation")
    return [f"the index holds {sizes}"] if abs(off) > NOTED else []


def _from_gguf(path: Path, name: str | None, today: str) -> Derivation:
    headers = derive_gguf.read_parts(path)
    tensors = [tensor for header in headers for tensor in header.tensors if derive_gguf.is_weight(tensor)]
    family, fields = derive_gguf.family_in(headers), derive_gguf.fields_of(headers)
    shape = derive_gguf.shape_of(fields, family, tensors)
    positions = fields.number("context_length")
    fields.finish()
    if not tensors:
        raise unreadable(path, "has no tensors: it is a vocabulary alone")
    drafted = sum(tensor.elements for tensor in tensors if derive_gguf.is_draft(tensor, shape.layers))
    everything = sum(tensor.elements for tensor in tensors)
    size = sum(header.claimed_bytes for header in headers)
    weights = _Weights(everything - drafted, drafted, derive_gguf.native_name(headers), None, size, len(headers))
    origins = tuple(header.origin for header in headers)
    facts = _facts(_named(name, path), family, shape, weights, positions, _source(origins, today))
    bits = 8 * sum(tensor.size_bytes for tensor in tensors) / everything
    return Derivation(facts, bits, origins, tuple(_gguf_notes(headers, shape, weights.counted)))


def _gguf_notes(headers: Sequence[Header], shape: Shape, counted: int) -> list[str]:
    notes = []
    short = [header.origin.name for header in headers if header.file_bytes < header.claimed_bytes]
    if short:
        notes.append(
            f"only the beginning is on this disk ({', '.join(short[:3])}): the size is that of its tensor table"
        )
    off = counted / total(shape).all - 1
    if abs(off) > NOTED:
        notes.append(f"the tensors have {counted:,} parameters, {off:+.1%} of what the metadata makes")
    return notes


def _facts(
    names: tuple[str, str], family: Family, shape: Shape, weights: _Weights, positions: int, source: tuple[str, str]
) -> ModelFacts:
    latent, experts = shape.latent, shape.experts
    idle = total(shape).all - active(shape)
    return ModelFacts(
        id=names[0],
        label=names[1],
        aliases=(),
        unreleased_aliases=(),
        architecture=Architecture.MOE if experts else Architecture.DENSE,
        attention=_attention(shape),
        parameters=weights.counted,
        active_parameters=max(0, weights.counted - idle),
        draft_parameters=weights.drafted,
        layers=shape.layers,
        attention_heads=shape.heads,
        kv_heads=shape.kv_heads,
        head_dim=None if latent else shape.head_dim,
        hidden_size=shape.hidden,
        intermediate_size=shape.intermediate or None,
        moe_intermediate_size=experts.width if experts else None,
        vocabulary=shape.vocabulary,
        kv_lora_rank=latent.key_value_rank if latent else None,
        q_lora_rank=(latent.query_rank or None) if latent else None,
        qk_nope_head_dim=latent.nope if latent else None,
        qk_rope_head_dim=latent.rope if latent else None,
        v_head_dim=latent.value if latent else None,
        max_positions=positions,
        native_dtype=weights.native,
        quantization_block=weights.block,
        weights_bytes=weights.size_bytes,
        shards=weights.shards,
        min_engine_version=family.min_engine_version,
        released=UNKNOWN_RELEASE,
        source=source[0],
        date=source[1],
        routed_experts=experts.routed if experts else 0,
        experts_per_token=experts.per_token if experts else 0,
        shared_experts=experts.shared_width // experts.width if experts else 0,
        first_dense_layers=experts.dense_layers if experts else 0,
        tied_embeddings=shape.tied,
    )


def _attention(shape: Shape) -> Attention:
    if shape.latent is None:
        return Attention.GROUPED
    return Attention.SPARSE_LATENT if shape.indexer else Attention.LATENT


def _source(origins: Sequence[Origin], today: str) -> tuple[str, str]:
    shown = ", ".join(str(origin) for origin in origins[:2])
    more = f" and {len(origins) - 2} more parts" if len(origins) > 2 else ""
    return f"derived by `seekstack models add` from {shown}{more}", today


def _named(given: str | None, path: Path) -> tuple[str, str]:
    """Repository and label: as given, from the Hugging Face cache's folder, or from the folder or file."""
    name = given or _guessed(path)
    if not NAME.fullmatch(name):
        raise ConfigurationError(
            f"{name[:100]!r} cannot be the name of a model",
            code="SKS0217",
            key="--name",
            value=name[:100],
            allowed="owner/name or name, of letters, digits, dots, dashes and underscores",
            fix="give --name owner/name, as the repository is called",
        )
    return name, name.rpartition("/")[2]


def _guessed(path: Path) -> str:
    if path.suffix == ".gguf":
        return re.sub(r"-\d{5}-of-\d{5}$", "", path.stem)
    cached = CACHE.search(str(path.absolute().parent))
    if cached:
        return f"{cached['owner']}/{cached['name']}"
    return path.absolute().parent.name if path.stem == "config" else path.stem


def _begins_with(path: Path, magic: bytes) -> bool:
    if not path.is_file():
        raise unreadable(path, "is no file")
    with path.open("rb") as stream:
        return stream.read(len(magic)) == magic


def _doubled(path: Path, kind: str) -> Any:
    raise _contradicting(path, f"is a second {kind}", "describe one model at a time")


def _contradicting(path: Path, what: str, fix: str) -> ConfigurationError:
    return wrong_file("SKS0216", path, what, allowed="files of one and the same model", fix=fix)
