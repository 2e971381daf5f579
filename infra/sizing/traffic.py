"""What one step of decoding moves through the GPUs: bytes of weights, bytes of cache, and arithmetic."""

from __future__ import annotations

from dataclasses import dataclass

from infra.catalog.facts import Architecture, Attention, ModelFacts, QuantizationFacts
from infra.sizing import weights
from infra.sizing.compressed_cache import compressed_cache
from infra.sizing.kv_cache import element_bytes

__all__ = ["WeightsRead", "cache_read_bytes", "lower_bound_bytes", "prefill_flops", "weights_read"]

SPARSE_TOKENS, SPARSE_ENTRY_BYTES, INDEX_KEY_BYTES = 2048, 656, 132
"""V3.2 reads the indexer's key of every token, and the entries of the 2,048 it picks (config.json: index_topk)."""


@dataclass(frozen=True, slots=True)
class WeightsRead:
    """Bytes of weights that one step reads, by how they are sharded."""

    split: float
    """What every token passes: divided over the tensor-parallel ranks. All of a dense model."""
    repeated: float
    """Latent down-projections and routers: whole on each rank."""
    experts: float
    """Those that at least one token was sent to: divided over all ranks that share them."""

    @property
    def total(self) -> float:
        """All of them once."""
        return self.split + self.repeated + self.experts


def weights_read(model: ModelFacts, quantization: QuantizationFacts, tokens: int) -> WeightsRead:
    """All weights of a dense model; of a mixture, what every token passes and the experts that `tokens` touch.

    A token is sent to a part f = k / E of the experts, so n tokens touch 1 - (1 - f)**n of them: 3 % for one user of
    V3, 64 % for 32. Experts are taken as chosen evenly, which errs on the high side.
    """
    parts = weights.parts(model, quantization)
    split = parts.vocabulary + parts.sharded
    if model.architecture is not Architecture.MOE:
        return WeightsRead(split, parts.repeated, parts.experts)
    touched = 1 - (1 - _expert_fraction(model)) ** tokens
    return WeightsRead(split, parts.repeated, parts.experts * touched)


def _expert_fraction(model: ModelFacts) -> float:
    """k / E; from the published counts of parameters where these are not known."""
    if model.routed_experts:
        return min(1.0, model.experts_per_token / model.routed_experts)
    dense = min(weights.dense_parameters(model), model.parameters)
    routed = model.parameters - dense
    return min(1.0, max(0.0, model.active_parameters - dense) / routed) if routed else 1.0


def lower_bound_bytes(model: ModelFacts, quantization: QuantizationFacts) -> float:
    """What no engine can avoid reading for one token: the active weights without the table of input embeddings."""
    each = quantization.bytes_per_parameter if quantization.whole else 2.0
    table = 0.0 if model.tied_embeddings else model.vocabulary * model.hidden_size * each
    read = weights_read(model, quantization, 1).total
    return read - min(table, read / 2)


def cache_read_bytes(model: ModelFacts, context_tokens: int, tensor_parallel: int, kv_dtype: str = "auto") -> float:
    """Cache that one rank reads for one token of a sequence of `context_tokens`, all layers.

    Grouped heads are split over the ranks; the latent vector is on each of them (as in `kv_cache`, which counts what is
    stored; this counts what is read, in elements of the same size). 0 where the shape is not published.
    """
    if model.attention is Attention.COMPRESSED:
        cache = compressed_cache(model)
        return cache.read_bytes(context_tokens) if cache else 0.0
    element = element_bytes(kv_dtype)
    latent = (model.kv_lora_rank or 0) + (model.qk_rope_head_dim or 0)
    if model.attention is Attention.SPARSE_LATENT:
        picked = min(context_tokens, SPARSE_TOKENS)
        entry = SPARSE_ENTRY_BYTES if kv_dtype == "auto" or element == 1 else latent * element
        return float(model.layers * (context_tokens * INDEX_KEY_BYTES + picked * entry))
    if model.attention is Attention.LATENT:
        elements = latent
    else:
        heads = model.kv_heads / min(tensor_parallel, model.kv_heads) if model.kv_heads else 0
        elements = round(2 * heads * (model.head_dim or 0))
    return float(context_tokens * model.layers * elements * element)


def prefill_flops(model: ModelFacts, prompt_tokens: int) -> float:
    """Arithmetic of a whole prompt: 2 for each active parameter and token, and causal attention over the prompt."""
    active = model.active_parameters or model.parameters
    if model.attention is Attention.GROUPED or not model.v_head_dim:
        width = 2 * model.attention_heads * (model.head_dim or 0) or 2 * model.hidden_size
    else:
        key = (model.qk_nope_head_dim or 0) + (model.qk_rope_head_dim or 0)
        width = model.attention_heads * (key + model.v_head_dim)
    seen = min(prompt_tokens, 2 * SPARSE_TOKENS) if _is_sparse(model) else prompt_tokens
    return 2.0 * active * prompt_tokens + float(prompt_tokens) * seen * width * model.layers


def _is_sparse(model: ModelFacts) -> bool:
    return model.attention in (Attention.SPARSE_LATENT, Attention.COMPRESSED)
