"""LoRA adapters: their shape from the model's, and what they take while serving.

Beside a matrix of `inputs x outputs` an adapter of rank r has r x (inputs + outputs) parameters (arXiv 2106.09685).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from infra.catalog.facts import Architecture, Attention, ModelFacts

__all__ = [
    "ALL_TARGETS",
    "Matrix",
    "Target",
    "activated_width",
    "adapter_parameters",
    "attention_width",
    "matrices",
    "served_bytes",
]

ADAPTER_BYTES = 2
"""Served adapters are held in the 16-bit type of the activations (vLLM lora/layers)."""


class Target(StrEnum):
    """Linear layers an adapter can stand beside, as Hugging Face names them without `_proj`."""

    Q = "q"
    K = "k"
    V = "v"
    O = "o"  # noqa: E741 the layer's name
    GATE = "gate"
    UP = "up"
    DOWN = "down"


ATTENTION_TARGETS = (Target.Q, Target.K, Target.V, Target.O)
ALL_TARGETS = tuple(Target)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Linear layers of one shape."""

    inputs: int
    outputs: int
    count: int
    """How many the whole model has."""
    splits_outputs: bool = True
    """Tensor parallelism cuts the outputs (q, k, v, gate, up); False where it cuts the inputs (o, down)."""


def matrices(model: ModelFacts, targets: Iterable[Target]) -> tuple[Matrix, ...] | str:
    """The matrices of the model that `targets` name, or the reason why it has none such.

    Latent attention has no k and v of its own: both names stand for the down and up projections of the shared vector,
    counted once. Each routed and shared expert has a gate, up and down of its own, and an adapter for each.
    """
    wanted = tuple(dict.fromkeys(Target(target) for target in targets))
    if not wanted:
        return "name at least one target module"
    attention = _attention(model, tuple(target for target in wanted if target in ATTENTION_TARGETS))
    if attention is None:
        return f"the attention matrices of {model.label} are not in the catalogue"
    mlp = _mlp(model, tuple(target for target in wanted if target not in ATTENTION_TARGETS))
    if mlp is None:
        return f"the MLP widths or the number of experts of {model.label} are not in the catalogue: target q, k, v, o"
    return (*attention, *mlp)


def _mlp(model: ModelFacts, targets: tuple[Target, ...]) -> tuple[Matrix, ...] | None:
    if not targets:
        return ()
    widths = [(model.intermediate_size or 0, model.layers)]
    if model.architecture is Architecture.MOE:
        experts = model.routed_experts + model.shared_experts if model.routed_experts else 0
        dense = model.first_dense_layers
        widths = [(model.intermediate_size or 0, dense)] if dense else []
        widths.append((model.moe_intermediate_size or 0, (model.layers - dense) * experts))
    if not model.hidden_size or not all(width and count for width, count in widths):
        return None
    return tuple(_mlp_matrix(target, model.hidden_size, width, count) for width, count in widths for target in targets)


def _mlp_matrix(target: Target, hidden: int, width: int, count: int) -> Matrix:
    if target is Target.DOWN:
        return Matrix(width, hidden, count, splits_outputs=False)
    return Matrix(hidden, width, count)


def _attention(model: ModelFacts, targets: tuple[Target, ...]) -> tuple[Matrix, ...] | None:
    if not targets:
        return ()
    if not (model.hidden_size and model.attention_heads):
        return None
    if model.attention is Attention.GROUPED:
        return _grouped(model, targets)
    if model.attention is Attention.COMPRESSED or not model.kv_lora_rank:
        return None
    return _latent(model, targets, model.kv_lora_rank)


def _grouped(model: ModelFacts, targets: tuple[Target, ...]) -> tuple[Matrix, ...] | None:
    head, hidden, layers = model.head_dim or 0, model.hidden_size, model.layers
    queries, keys = model.attention_heads * head, model.kv_heads * head
    if not keys:
        return None
    shapes = {
        Target.Q: Matrix(hidden, queries, layers),
        Target.K: Matrix(hidden, keys, layers),
        Target.V: Matrix(hidden, keys, layers),
        Target.O: Matrix(queries, hidden, layers, splits_outputs=False),
    }
    return tuple(shapes[target] for target in targets)


def _latent(model: ModelFacts, targets: tuple[Target, ...], rank: int) -> tuple[Matrix, ...]:
    """q_a and q_b (or q), kv_a and kv_b, o: modeling_deepseek.py of V2 and V3."""
    heads, hidden, layers = model.attention_heads, model.hidden_size, model.layers
    nope, rope, value = model.qk_nope_head_dim or 0, model.qk_rope_head_dim or 0, model.v_head_dim or 0
    queries, low = heads * (nope + rope), model.q_lora_rank
    found: list[Matrix] = []
    if Target.Q in targets and low:
        found += [Matrix(hidden, low, layers), Matrix(low, queries, layers)]
    elif Target.Q in targets:
        found.append(Matrix(hidden, queries, layers))
    if Target.K in targets or Target.V in targets:
        found += [Matrix(hidden, rank + rope, layers), Matrix(rank, heads * (nope + value), layers)]
    if Target.O in targets:
        found.append(Matrix(heads * value, hidden, layers, splits_outputs=False))
    return tuple(found)


def adapter_parameters(model: ModelFacts, rank: int, targets: Iterable[Target]) -> int | str:
    """Trainable parameters of one adapter: 28 x 16 x (3584 + 3584) = 3.2 M for rank 16 on q of the 7B."""
    width = _sides(model, tuple(targets))
    return width if isinstance(width, str) else rank * width


@lru_cache(maxsize=64)
def _sides(model: ModelFacts, targets: tuple[Target, ...]) -> int | str:
    """Inputs and outputs of all matrices: kept, because a search for the smallest machine asks thousands of times."""
    found = matrices(model, targets)
    if isinstance(found, str):
        return found
    return sum((matrix.inputs + matrix.outputs) * matrix.count for matrix in found)


def served_bytes(
    model: ModelFacts, rank: int, adapters: int, *, targets: Iterable[Target] = ALL_TARGETS, tensor_parallel: int = 1
) -> int | str:
    """Bytes on each GPU of `adapters` slots of `rank` in a serving engine.

    vLLM reserves `--max-loras` slots of `--max-lora-rank` beside every layer that can take one, whatever the adapters
    touch, so `targets` should stay at all of them. Tensor parallelism cuts only that side of the pair which its matrix
    is cut on (without `--fully-sharded-loras`); the other is repeated on each rank.
    """
    found = matrices(model, targets)
    if isinstance(found, str):
        return found
    elements = 0
    for matrix in found:
        cut, whole = (matrix.outputs, matrix.inputs) if matrix.splits_outputs else (matrix.inputs, matrix.outputs)
        elements += (whole + math.ceil(cut / tensor_parallel)) * matrix.count
    return adapters * rank * elements * ADAPTER_BYTES


def attention_width(model: ModelFacts) -> int:
    """Elements a token leaves in the attention of one layer: queries, keys, values and outputs, all heads.

    4 x hidden for plain multi-head attention; the same is assumed where the heads are not published.
    """
    heads, head = model.attention_heads, model.head_dim or 0
    if model.attention is Attention.GROUPED and heads * head:
        return 2 * head * (heads + model.kv_heads)
    key, value = (model.qk_nope_head_dim or 0) + (model.qk_rope_head_dim or 0), model.v_head_dim or 0
    if heads and model.kv_lora_rank and value:
        return 2 * heads * (key + value)
    return 4 * model.hidden_size


def activated_width(model: ModelFacts) -> int:
    """MLP elements a token passes in one layer, of all experts it is sent to; 0 where not published.

    Where the number of experts is not known, the width of the dense layers stands for it: 18432 = 9 x 2048 in V3.
    """
    experts = model.experts_per_token + model.shared_experts
    return max(model.intermediate_size or 0, experts * (model.moe_intermediate_size or 0))
