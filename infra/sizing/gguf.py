"""GGUF: bits a parameter of the kinds that llama.cpp writes, embeddings and head included."""

from __future__ import annotations

import re

from infra.catalog.facts import Architecture, ModelFacts, QuantizationFacts

__all__ = ["bits_of_kind", "bits_per_weight", "kinds", "quantization"]

DENSE_BITS = {
    "IQ1_S": 2.01, "IQ1_M": 2.15, "IQ2_XXS": 2.39, "IQ2_XS": 2.59, "IQ2_S": 2.74, "IQ2_M": 2.94, "IQ3_XXS": 3.26,
    "IQ3_XS": 3.50, "IQ3_S": 3.67, "IQ3_M": 3.77, "IQ4_XS": 4.43, "IQ4_NL": 4.66, "Q2_K": 3.17, "Q2_K_L": 3.68,
    "Q3_K_S": 3.65, "Q3_K_M": 4.00, "Q3_K_L": 4.30, "Q4_0": 4.64, "Q4_1": 5.10, "Q4_K_S": 4.67, "Q4_K_M": 4.90,
    "Q4_K_L": 5.29, "Q5_0": 5.57, "Q5_K_S": 5.57, "Q5_K_M": 5.71, "Q6_K": 6.57, "Q8_0": 8.51, "F16": 16.0, "BF16": 16.0,
    "F32": 32.0,
}  # fmt: skip
"""File sizes of Llama 8B over its parameters (the lm-kit list in our data for Q2_K, Q4_K_M, Q6_K, Q8_0 and F16;
llama.cpp's quantize table otherwise). Other models differ by what their vocabulary weighs: 7B 4.91, 32B 4.85, 70B 4.88
in Q4_K_M."""

MOE_BITS = {
    "IQ1_S": 1.67, "IQ1_M": 1.88, "IQ2_XXS": 2.18, "Q2_K": 2.91, "Q2_K_XL": 2.994, "IQ3_XXS": 3.254, "Q3_K_M": 3.80,
    "Q3_K_XL": 3.82, "IQ4_XS": 4.264, "Q4_K_M": 4.82, "Q4_K_XL": 4.84, "Q5_K_M": 5.66,
}  # fmt: skip
"""The same for DeepSeek-R1, whose experts take fewer bits than the rest: IQ1_S, Q2_K_XL, IQ3_XXS, IQ4_XS and Q4_K_M
from the file sizes in our data, the others from Unsloth's list of R1 and V3-0324 (from knowledge)."""

UNSLOTH_CLASSES = {
    1.58: "IQ1_S",
    1.78: "IQ1_S",
    1.93: "IQ1_M",
    2.22: "IQ2_XXS",
    2.71: "Q2_K_XL",
    3.5: "Q3_K_XL",
    4.5: "Q4_K_XL",
}
"""Unsloth names its files of V3 and R1 by the bits of the experts; the whole file takes more (320 GB for `3.5-bit`)."""

KIND = re.compile(r"(?<![A-Z0-9])(I?Q\d_[A-Z0-9]+(?:_[A-Z0-9]+)?|B?F16|F32)(?![A-Z0-9])")
CLASS = re.compile(r"(\d+(?:\.\d+)?)\s*-?(?:BPW|BITS?\b)")


def bits_per_weight(model: ModelFacts, text: str) -> float | None:
    """Bits a parameter takes in the kind that `text` names (`gguf UD-IQ1_S`, `3.5 bpw class`), if it names one."""
    upper = text.upper()
    found = KIND.search(upper)
    bits = bits_of_kind(model, found[1]) if found else None
    if bits is not None:
        return bits
    named = CLASS.search(upper)
    if not named:
        return None
    kind = UNSLOTH_CLASSES.get(float(named[1])) if model.architecture is Architecture.MOE else None
    return bits_of_kind(model, kind) if kind else float(named[1])


def kinds() -> tuple[str, ...]:
    """Every kind by the name a person writes, `q4_k_m`; the 16-bit ones are formats of other engines too."""
    known = dict.fromkeys((*DENSE_BITS, *MOE_BITS))
    return tuple(kind.casefold() for kind in known if kind not in ("F16", "BF16"))


def bits_of_kind(model: ModelFacts, kind: str) -> float | None:
    """Bits a parameter of exactly that kind, in any case; None for no kind."""
    tables = (MOE_BITS, DENSE_BITS) if model.architecture is Architecture.MOE else (DENSE_BITS, MOE_BITS)
    upper = "F32" if kind.upper() == "FP32" else kind.upper()
    return next((table[upper] for table in tables if upper in table), None)


def quantization(bits: float, kind: str = "gguf") -> QuantizationFacts:
    """A whole-model quantisation of that many bits, for any GPU: llama.cpp and vLLM carry kernels for all of them."""
    return QuantizationFacts(
        name="gguf",
        label=f"{kind}, {bits:g} bits a parameter",
        bytes_per_parameter=bits / 8,
        whole=True,
        min_compute_capability=(7, 0),
        max_compute_capability=None,
        dtype="auto",
        engine_method="gguf",
        quality_rank=99,
        note="",
        source="infra/sizing/gguf.py",
        date="2026-11-24",
    )
