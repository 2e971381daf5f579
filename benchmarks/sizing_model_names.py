"""The model and the weights' format that a log names: hub names with suffixes, Ollama's tags, free text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import yaml

from benchmarks.sizing_table import Row
from infra.catalog.facts import Catalog, ModelFacts, QuantizationFacts
from infra.catalog.load import model_facts
from infra.errors import ConfigurationError
from infra.sizing import gguf

__all__ = ["find_model", "find_quantization"]

HERE = Path(__file__).resolve().parent

PUBLISHED = frozenset(
    {"", "-", "?", "auto", "none", "n/a", "na", "null", "unknown", "native", "default", "published", "original"}
)
"""Words for: as the files are."""
ODD_BITS = re.compile(r"(?<![\d.])[2356][- ]?bits?\b|\bint[2356]\b|\bw[2356]a")
WEIGHT_ONLY_8_BIT = re.compile(r"(?=.*(?:gptq|awq|bnb|bitsandbytes|autoround))(?=.*(?:int8|\b8[- ]?bit|w8a))|w8a16")
FORMATS = (
    (r"w4a8|w4afp8", "w4a8"),
    (r"awq", "awq"),
    (r"gptq|int4|w4a16|autoround", "gptq"),
    (r"nf4|bnb|bitsandbytes", "nf4"),
    (r"native|fp4.*fp8", "fp4_fp8"),
    (r"fp4", "nvfp4"),
    (r"fp8|f8_e4m3|e4m3", "fp8"),
    (r"int8|w8a8", "int8"),
    (r"bf16|bfloat16", "bf16"),
    (r"fp16|float16|\bf16\b|half", "fp16"),
    (r"\b4[- ]?bit", "gptq"),
    (r"\b8[- ]?bit", "int8"),
)
"""Spelling of a quantisation, in this order, and the catalogue's name; GGUF kinds are read before."""
SUFFIXES = re.compile(
    r"[-_](?:instruct|chat|base|it|fp8|fp8-dynamic|fp8-block|awq|gptq|gguf|int4|int8|w8a8|w8a16|w4a8|w4a16|nvfp4|mxfp4|fp4"
    r"|dspark|bnb|bnb-4bit|bnb-8bit|[48]bit|nf4|autoround|unsloth|bf16|fp16|hf|dynamic|quantized\.w[48]a(?:8|16)|fp8-kv"
    r"|terminus|zero|preview|exp|speciale|671b|0528|\d{4}|(?:ud-)?i?q\d_[a-z0-9_]+)$",
    re.IGNORECASE,
)

TAG = re.compile(r"([a-z][a-z0-9.-]*):(\d+(?:\.\d+)?b)((?:-.*)?)", re.IGNORECASE)
OLLAMA = {
    "deepseek-r1": {
        "1.5b": "R1-Distill-Qwen-1.5B",
        "7b": "R1-Distill-Qwen-7B",
        "14b": "R1-Distill-Qwen-14B",
        "32b": "R1-Distill-Qwen-32B",
        "70b": "R1-Distill-Llama-70B",
        "671b": "R1",
    },
    "deepseek-v3": {"671b": "V3"},
    "deepseek-v3.1": {"671b": "V3.1"},
    "deepseek-v2": {"16b": "V2-Lite", "236b": "V2"},
    "deepseek-v2.5": {"236b": "V2.5"},
    "deepseek-coder-v2": {"16b": "Coder-V2-Lite", "236b": "Coder-V2"},
    "deepseek-coder": {"1.3b": "coder-1.3b", "6.7b": "coder-6.7b", "33b": "coder-33b"},
    "deepseek-llm": {"7b": "llm-7b", "67b": "llm-67b"},
    "llama3.1": {"8b": "Llama-3.1-8B", "70b": "Llama-3.1-70B"},
    "llama3.3": {"70b": "Llama-3.3-70B"},
    "qwen2.5": {size: f"Qwen2.5-{size}" for size in ("1.5b", "7b", "14b", "32b", "72b")},
    "qwen3": {size: f"Qwen3-{size}" for size in ("8b", "14b", "32b")},
    "qwq": {"32b": "QwQ-32B"},
}
"""Ollama's library (from knowledge). deepseek-r1:8b changed its model and is told apart below."""
OLLAMA_8B_CHANGED = "2025-06"
"""deepseek-r1:8b was the Llama distill, and since the end of May 2025 is R1-0528-Qwen3-8B."""
Q4_0_TAGS = ("deepseek-v2", "deepseek-coder", "deepseek-llm")
"""Older entries of the library, whose plain tag is Q4_0 (V2-Lite: 8.9 GB); the later ones are Q4_K_M."""


def find_model(row: Row, catalog: Catalog, month: str | None = None) -> ModelFacts | None:
    """By the name, by the name without its suffixes, else by the model it stands for.

    `month` (YYYY-MM) is the row's date, for a tag whose model changed.
    """
    table = proxies()
    for name in (*_spellings(row.model, month), *_spellings(row.proxy_for, month)):
        folded = name.casefold()
        if folded in table:
            return table[folded]
        try:
            return catalog.model(name)
        except ConfigurationError:
            continue
    return None


def _spellings(text: str, month: str | None) -> Iterator[str]:
    """`deepseek-ai/DeepSeek-V2-Lite-Chat (note)` → with and without prefix and suffixes, longest first."""
    name = _tail(re.sub(r"\(.*?\)", "", text))
    name = re.sub(r"\s+" if gguf.KIND.search(name.upper()) else r"[\s_]+", "-", name)
    tag = TAG.fullmatch(name)
    if tag:
        name = _tagged(tag, month)
    seen: list[str] = []
    while name and name not in seen:
        seen.append(name)
        yield name
        if not name.casefold().startswith("deepseek-"):
            yield f"DeepSeek-{name}"
        if not name.casefold().endswith(("-instruct", "-base")):
            yield f"{name}-instruct"
            yield f"{name}-base"
        name = SUFFIXES.sub("", name)


def _tail(text: str) -> str:
    return text.strip().rpartition("/")[2].strip()


def _tagged(tag: re.Match[str], month: str | None) -> str:
    """The model of one of Ollama's tags; empty for one that is not known for certain."""
    family, size, rest = (part.casefold() for part in tag.groups())
    if (family, size) != ("deepseek-r1", "8b"):
        return OLLAMA.get(family, {}).get(size, "")
    if "llama" in rest or "qwen3" in rest:
        return "R1-0528-Qwen3-8B" if "qwen3" in rest else "R1-Distill-Llama-8B"
    if month is None:
        return ""
    return "R1-0528-Qwen3-8B" if month >= OLLAMA_8B_CHANGED else "R1-Distill-Llama-8B"


@cache
def proxies() -> dict[str, ModelFacts]:
    """Models of other makers that public logs name, by lower-case name and alias."""
    document = yaml.safe_load((HERE / "proxy_models.yaml").read_text(encoding="utf-8"))
    models = [model_facts(row) for row in document["models"]]
    return {name.casefold(): model for model in models for name in (model.label, *model.aliases)}


def find_quantization(row: Row, model: ModelFacts, catalog: Catalog) -> QuantizationFacts | None:
    """What the row names, else what the model's name ends in, else as published; None for a format that is not known.

    A GGUF kind where one is named, else the first spelling that occurs.
    """
    text = row.quantization if row.quantization.casefold() not in PUBLISHED else _format_in(row.model)
    if not text:
        return catalog.quantization(model.native_dtype)
    folded = text.casefold()
    kind = gguf.KIND.search(text.upper())
    if "gguf" in folded or (kind and not kind[1].endswith(("F16", "F32"))):
        bits = gguf.bits_per_weight(model, text) or gguf.bits_per_weight(model, row.model)
        return gguf.quantization(bits, text) if bits else None
    return _plain_format(folded, model, catalog)


def _plain_format(text: str, model: ModelFacts, catalog: Catalog) -> QuantizationFacts | None:
    if ODD_BITS.search(text):
        return None
    if re.search(r"\b(?:fp|float|f)32\b", text):
        whole = catalog.quantization("fp16")
        return replace(whole, name="fp32", label="float32", bytes_per_parameter=4, dtype="float32")
    if WEIGHT_ONLY_8_BIT.search(text):
        # Marlin and bitsandbytes compute in 16 bit: the limit of int8's tensor cores is none of theirs.
        return replace(catalog.quantization("int8"), label="int8, weights only", max_compute_capability=None)
    name = next((name for pattern, name in FORMATS if re.search(pattern, text)), None)
    if model.native_dtype == "fp4_fp8" and name in ("fp8", "nvfp4"):
        name = model.native_dtype  # V4 is published in one mixed form only, which logs call by either part
    return catalog.quantization(name) if name else None


def _format_in(model_name: str) -> str:
    """The format at the end of a model's name (`...-quantized.w4a16`), or of Ollama's tag, which always has one."""
    name = _tail(model_name)
    tag = TAG.fullmatch(name)
    if tag:
        known = _has_format(tag[3])
        plain = "Q4_0" if tag[1].casefold().startswith(Q4_0_TAGS) and tag[1].casefold() in OLLAMA else "Q4_K_M"
        return tag[3] if known else f"gguf {plain}"
    return name if _has_format(name) else ""


def _has_format(text: str) -> bool:
    folded = text.casefold()
    named = any(re.search(pattern, folded) for pattern, _ in (*FORMATS, (WEIGHT_ONLY_8_BIT.pattern, "")))
    return named or "gguf" in folded or bool(gguf.KIND.search(text.upper()) or ODD_BITS.search(folded))
