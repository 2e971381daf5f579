"""Over how many GPUs of one node a model can be split."""

from __future__ import annotations

from infra.catalog.facts import ModelFacts, QuantizationFacts
from infra.sizing.refusal import Miss, Reason

__all__ = ["check_tensor_parallel", "splits"]


def splits(model: ModelFacts, quantization: QuantizationFacts, gpus: int) -> tuple[int, ...]:
    """Every tensor-parallel size up to `gpus` that the model's shape allows, ascending; 1 is always among them."""
    return tuple(n for n in range(1, gpus + 1) if check_tensor_parallel(model, quantization, n) is None)


def check_tensor_parallel(model: ModelFacts, quantization: QuantizationFacts, ranks: int) -> Miss | None:
    """Attention heads and blocks of fp8 scales must divide evenly.

    Heads: vLLM's ModelConfig.verify_with_parallel_config, and for grouped heads either splits or repeats whole heads.
    Blocks: every sharded dimension must stay a multiple of the block (sglang issues 3491 and 4791: 18432 / 32 = 576).
    """
    heads, kv_heads = model.attention_heads, model.kv_heads
    if heads % ranks or (kv_heads % ranks and ranks % kv_heads):
        rule = f"{heads} attention heads and {kv_heads} KV heads"
        return _miss(Reason.ATTENTION_HEADS, f"{model.label} has {rule}, which {ranks} ranks do not divide", ranks)
    block = model.quantization_block
    if block is None or quantization.name != model.native_dtype:
        return None
    for size in (model.intermediate_size, model.moe_intermediate_size):
        if size and (size % ranks or size // ranks % block):
            share = f"{size} / {ranks} = {size / ranks:g}"
            return _miss(Reason.BLOCK_128, f"{model.label}: {share} is not a multiple of the fp8 block {block}", ranks)
    return None


def _miss(reason: Reason, message: str, ranks: int) -> Miss:
    return Miss(reason, message, key="tensorParallel", value=ranks, fix="use a power of two up to 8")
