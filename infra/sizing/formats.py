"""In which formats of the weights an engine is tried: the one named, or the published one and then smaller ones."""

from __future__ import annotations

from dataclasses import replace

from infra.catalog.facts import Catalog, ModelFacts, QuantizationFacts
from infra.sizing import gguf
from infra.sizing.engine import Family
from infra.sizing.kernels import GGUF

__all__ = ["attempts", "format_named", "is_gguf", "native_format"]

LLAMA_CPP_ORDER = ("q8_0", "q6_k", "q5_k_m", "q4_k_m")
"""From almost lossless to the usual compromise; what is smaller is taken where it is named."""
SIXTEEN_BIT = ("bf16", "fp16")
SPELLINGS = {"f16": "fp16"}
"""llama.cpp's name of a format that the catalogue has under another."""


def attempts(
    model: ModelFacts, requested: str | None, catalog: Catalog, family: Family = Family.VLLM
) -> tuple[QuantizationFacts, ...]:
    """What to size, best first. A GGUF file is what there is: nothing else is made from it."""
    if requested is not None:
        return (format_named(requested, model, catalog, family),)
    native = native_format(model, catalog)
    if is_gguf(native):
        return (native,)
    if family is Family.LLAMA_CPP:
        published = (native,) if native.name in SIXTEEN_BIT else ()
        return (*published, *(format_named(kind, model, catalog, family) for kind in LLAMA_CPP_ORDER))
    smaller = [q for q in catalog.quantizations if q.bytes_per_parameter < native.bytes_per_parameter]
    usable = [q for q in smaller if q.name != "fp4_fp8"]
    return (native, *sorted(usable, key=lambda q: q.quality_rank))


def is_gguf(quantization: QuantizationFacts) -> bool:
    """Whether it is a kind of llama.cpp's files."""
    return quantization.engine_method == GGUF


def native_format(model: ModelFacts, catalog: Catalog) -> QuantizationFacts:
    """As published; of an entry that was made from a GGUF header, with the bits a parameter that its file has."""
    if any(known.name == model.native_dtype for known in catalog.quantizations):
        return catalog.quantization(model.native_dtype)
    return _kind(model.native_dtype, 8 * model.weights_bytes / model.parameters)


def format_named(name: str, model: ModelFacts, catalog: Catalog, family: Family = Family.VLLM) -> QuantizationFacts:
    """A format of the catalogue, or a kind of GGUF; an unknown name is refused with those the engine takes."""
    folded = SPELLINGS.get(name.casefold(), name.casefold())
    if folded == model.native_dtype:
        return native_format(model, catalog)
    if all(known.name != folded for known in catalog.quantizations):
        bits = gguf.bits_of_kind(model, folded)
        if bits is not None:
            return _kind(folded, bits)
    return catalog.quantization(folded, gguf.kinds() if family is Family.LLAMA_CPP else ())


def _kind(name: str, bits: float) -> QuantizationFacts:
    return replace(gguf.quantization(round(bits, 3), name.upper()), name=name)
