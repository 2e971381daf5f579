"""How a published checkpoint stores its numbers: `torch_dtype` and `quantization_config` of its config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.catalog.fields import Fields
from infra.catalog.shapes import Parameters

__all__ = ["Stored", "stored_as"]

DTYPES = {"bfloat16": ("bf16", 2), "float16": ("fp16", 2), "float32": ("fp32", 4)}
SCALE_BYTES = 2
"""Scales of AWQ and GPTQ are fp16, one a group; zeros are as wide as the weights."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Name of the quantisation (as in quantizations.yaml) and bytes a parameter takes."""

    name: str
    linear_bytes: float
    kept_bytes: float = 2
    block: int | None = None

    def size_bytes(self, parameters: Parameters) -> int:
        """Bytes of the files, without their headers (8 KiB to 10 MiB)."""
        return round(parameters.linear * self.linear_bytes + parameters.kept * self.kept_bytes)


def stored_as(fields: Fields) -> Stored:
    """From the config's fields; a method that is not known is noted there as wrong."""
    method = fields.values.get("quantization_config")
    if isinstance(method, Mapping):
        return _quantized(fields, method)
    if method is not None:
        fields.refuse("quantization_config", method, "an object")
    name = fields.values.get("dtype") or fields.values.get("torch_dtype")
    if name is None:
        fields.missing.append("torch_dtype")
    elif str(name) not in DTYPES:
        fields.refuse("torch_dtype", name, ", ".join(DTYPES))
    short, size = DTYPES.get(str(name), ("bf16", 2))
    return Stored(short, size, size)


def _quantized(fields: Fields, method: Mapping[str, Any]) -> Stored:
    name = method.get("quant_method")
    if name == "fp8":
        return _fp8(fields, method)
    if name in ("awq", "gptq"):
        return _grouped(fields, name, method.get("bits"), method.get("group_size", 128))
    if name == "bitsandbytes" and method.get("load_in_4bit"):
        return Stored("nf4", 0.5 + 4 / 64)  # one fp32 scale for 64 weights; double quantisation would save 0.05
    if name == "compressed-tensors":
        return _compressed(fields, method)
    known = "fp8, awq, gptq, bitsandbytes in 4 bit, compressed-tensors"
    fields.refuse("quantization_config.quant_method", name, known)
    return Stored("bf16", 2)


def _fp8(fields: Fields, method: Mapping[str, Any]) -> Stored:
    sides = method.get("weight_block_size")
    if sides is None:
        return Stored("fp8", 1)
    if not (isinstance(sides, list) and len(sides) == 2 and sides[0] == sides[1] and _is_count(sides[0])):
        fields.refuse("quantization_config.weight_block_size", sides, "two equal whole numbers, such as [128, 128]")
        return Stored("fp8", 1)
    return Stored("fp8", 1 + 4 / sides[0] ** 2, block=sides[0])


def _grouped(fields: Fields, name: str, bits: object, group: object) -> Stored:
    if bits != 4:
        key, message = "quantization_config.bits", None
        if _is_count(bits):
            message = f"{key} is {bits}: the catalogue has {name} of 4 bits alone, so no other is sized"
        fields.refuse(key, bits, "4", message, fix=f"take {name} of 4 bits, or int8 or fp8 of compressed-tensors")
    scales = (SCALE_BYTES + 0.5) / group if isinstance(group, int) and _is_count(group) else 0  # -1: one a row
    return Stored(name, 0.5 + scales)


def _compressed(fields: Fields, method: Mapping[str, Any]) -> Stored:
    """llm-compressor: the first group of layers decides; others in the wild differ by what they leave out."""
    groups = method.get("config_groups")
    first: object = next(iter(groups.values()), None) if isinstance(groups, Mapping) else None
    weights = first.get("weights") if isinstance(first, Mapping) else None
    kind = (weights.get("type"), weights.get("num_bits")) if isinstance(weights, Mapping) else (None, None)
    if kind == ("float", 8):
        return Stored("fp8", 1)
    if kind == ("int", 8):
        return Stored("int8", 1)
    if kind == ("int", 4) and isinstance(weights, Mapping):
        return _grouped(fields, "gptq", 4, weights.get("group_size"))
    key = "quantization_config.config_groups"
    message = f"{key} names no weights in its first group"
    if not groups:
        message = f"{key} is missing: it says how the weights are stored"
    elif isinstance(weights, Mapping):
        message = f"{key} holds weights of type {str(kind[0])[:20]} in {str(kind[1])[:20]} bits"
    allowed = "a first group with weights of 8-bit float, 8-bit int or 4-bit int"
    fields.refuse(key, groups, allowed, message, fix="take the whole config.json as it was published, or other weights")
    return Stored("bf16", 2)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= 2**20
