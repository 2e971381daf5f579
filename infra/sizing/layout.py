"""Over how many GPUs a model can be split, and how a person would split it."""

from __future__ import annotations

from infra.catalog.facts import Attention, ModelFacts, QuantizationFacts
from infra.sizing.refusal import Miss, Reason

__all__ = ["check_pipeline_parallel", "check_tensor_parallel", "splits", "spread"]

MOST_GPUS = 16
"""Of one machine: the most that an EC2 type has, and that a node may be given."""
HEADS_OF_A_GROUP = 8
"""V4 projects the output of its heads in groups that lie whole on a rank: `o_groups` of 8 for 64 heads and of 16 for
128 (config.json of Flash and Pro; vllm/models/deepseek_v4/attention.py divides them by the ranks)."""


def splits(model: ModelFacts, quantization: QuantizationFacts, gpus: int) -> tuple[int, ...]:
    """Every tensor-parallel size up to `gpus` that the model's shape allows, ascending; 1 is always among them."""
    return tuple(n for n in range(1, gpus + 1) if _broken_rule(model, quantization, n) is None)


def check_tensor_parallel(model: ModelFacts, quantization: QuantizationFacts, ranks: int) -> Miss | None:
    """Attention heads and blocks of fp8 scales must divide evenly.

    Heads: vLLM's ModelConfig.verify_with_parallel_config, and for grouped heads either splits or repeats whole heads.
    Blocks: every sharded dimension must stay a multiple of the block (sglang issues 3491 and 4791: 18432 / 32 = 576).
    """
    broken = _broken_rule(model, quantization, ranks)
    if broken is None:
        return None
    reason, message = broken
    allowed = ", ".join(map(str, splits(model, quantization, MOST_GPUS)))
    return Miss(reason, message, key="tensorParallel", value=ranks, allowed=allowed)


def _broken_rule(model: ModelFacts, quantization: QuantizationFacts, ranks: int) -> tuple[Reason, str] | None:
    heads, kv_heads = model.attention_heads, model.kv_heads
    if heads % ranks or (kv_heads % ranks and ranks % kv_heads):
        rule = f"{heads} attention heads and {kv_heads} KV heads"
        return Reason.ATTENTION_HEADS, f"{model.label} has {rule}, which {ranks} ranks do not divide"
    groups = heads // HEADS_OF_A_GROUP
    if model.attention is Attention.COMPRESSED and groups % ranks:
        message = f"{model.label} projects its output in {groups} groups of heads, which {ranks} ranks do not divide"
        return Reason.ATTENTION_HEADS, message
    block = model.quantization_block
    if block is None or quantization.name != model.native_dtype:
        return None
    for size in (model.intermediate_size, model.moe_intermediate_size):
        if size and (size % ranks or size // ranks % block):
            share = f"{size} / {ranks} = {size / ranks:g}"
            return Reason.BLOCK_128, f"{model.label}: {share} is not a multiple of the fp8 block {block}"
    return None


def check_pipeline_parallel(model: ModelFacts, stages: int) -> Miss | None:
    """A stage holds one layer at least."""
    if stages == 1 or not model.layers or stages <= model.layers:
        return None
    message = f"{model.label} has {model.layers} layers, fewer than {stages} pipeline stages"
    return Miss(Reason.GPU_COUNT, message, "pipelineParallel", stages, f"1 to {model.layers}")


def spread(
    model: ModelFacts, quantization: QuantizationFacts, gpus: int, nodes: int, data_parallel: int = 1
) -> tuple[int, int]:
    """Tensor ranks and pipeline stages for all `gpus`: tensor parallel inside a node, stages across nodes.

    Within a node as many ranks as the shape allows that divide its GPUs, and stages for the rest.
    """
    each = max(1, gpus // max(1, nodes) // data_parallel)
    most = min(each, max(1, model.attention_heads))
    ranks = max(n for n in splits(model, quantization, most) if each % n == 0)
    return ranks, max(1, nodes) * (each // ranks)
