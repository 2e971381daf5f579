"""Number formats of the KV cache, by one name each, whatever an engine calls them."""

from __future__ import annotations

import difflib
from enum import StrEnum

from infra.errors import ConfigurationError

__all__ = ["KEY", "CacheDtype", "read_cache_dtype"]

KEY = "kvCacheDtype"


class CacheDtype(StrEnum):
    """What one number of the cache is stored as. Which engine takes which is in `infra.sizing.cache_support`."""

    AUTO = "auto"
    """The engine's own choice: the type the model computes in, or the one a sparse attention was made with."""
    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    FP8 = "fp8"
    """e4m3 in vLLM."""
    FP8_E4M3 = "fp8_e4m3"
    FP8_E5M2 = "fp8_e5m2"
    FP8_DS_MLA = "fp8_ds_mla"
    """DeepSeek's packed entry: fp8 with a scale for each tile, and the rotary part at 16 bit."""
    Q8_0 = "q8_0"
    Q5_1 = "q5_1"
    Q5_0 = "q5_0"
    Q4_1 = "q4_1"
    Q4_0 = "q4_0"
    IQ4_NL = "iq4_nl"


ALSO = {
    "bfloat16": CacheDtype.BF16,
    "float16": CacheDtype.FP16,
    "f16": CacheDtype.FP16,
    "half": CacheDtype.FP16,
    "float32": CacheDtype.FP32,
    "f32": CacheDtype.FP32,
}
"""What engines call the same."""
KNOWN = {str(dtype): dtype for dtype in CacheDtype} | ALSO


def read_cache_dtype(name: str) -> CacheDtype:
    """The format of that name, or of an engine's name for it, in any case; an unknown one is refused with the near
    match."""
    folded = name.strip().casefold()
    if folded in KNOWN:
        return KNOWN[folded]
    near = difflib.get_close_matches(folded, KNOWN, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigurationError(
        f"{KEY}: {name!r} is no format of a KV cache",
        code="SKS0205",
        key=KEY,
        value=name,
        allowed=", ".join(CacheDtype),
        fix=f"{hint}auto leaves it to the engine",
    )
