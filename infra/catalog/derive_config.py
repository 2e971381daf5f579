"""A Hugging Face config.json as a shape: parameters, cache and quantisation follow from its fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from infra.catalog.families import FAMILIES, Family, family_of, unsupported
from infra.catalog.fields import Fields
from infra.catalog.shapes import Experts, Indexer, Latent, Shape

__all__ = ["family_in", "max_positions", "remarks", "shape_of"]

MOST_LAYERS = 10_000
MOST_EXPERTS = 100_000


def family_in(file: str, config: Mapping[str, Any]) -> Family:
    """The architecture the config names; refuses those whose parameters are not known here."""
    names = config.get("architectures")
    name = names[0] if isinstance(names, list) and names and isinstance(names[0], str) else None
    kind = config.get("model_type")
    family = family_of(name, kind if isinstance(kind, str) else None)
    if family is None:
        raise unsupported(file, str(name or kind or "(none named)")[:80], (one.name for one in FAMILIES))
    return family


def shape_of(fields: Fields, family: Family) -> Shape:
    """Every width and count; what is missing or wrong is noted in `fields`."""
    layers = fields.number("num_hidden_layers", most=MOST_LAYERS)
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    experts = _experts(fields, family, layers) if family.mixture else None
    extra_bias = fields.switch("attention_bias")
    is_dense = experts is None or bool(experts.dense_layers)
    return Shape(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads if family.latent else _kv_heads(fields, family, heads),
        head_dim=1 if family.latent else _head_dim(fields, family, hidden, heads),
        intermediate=fields.number("intermediate_size", default=None if is_dense else 0),
        vocabulary=fields.number("vocab_size"),
        tied=fields.switch("tie_word_embeddings"),
        qkv_bias=family.qkv_bias or extra_bias,
        output_bias=extra_bias,
        mlp_bias=fields.switch("mlp_bias"),
        qk_norm=family.qk_norm,
        latent=_latent(fields) if family.latent else None,
        indexer=_indexer(fields) if family.indexer else None,
        experts=experts,
        draft_layers=fields.number("num_nextn_predict_layers", least=0, most=64, default=0) if family.latent else 0,
    )


def _kv_heads(fields: Fields, family: Family, heads: int) -> int:
    """Llama's config may leave it out where each head has keys of its own; Qwen's default is another number."""
    given = fields.number("num_key_value_heads", default=heads if family.gguf in ("llama", "deepseek") else None)
    if not fields.divides("num_key_value_heads", given, "num_attention_heads", heads):
        fields.refuse("num_key_value_heads", given, f"a divisor of the {heads} attention heads")
    return given


def _head_dim(fields: Fields, family: Family, hidden: int, heads: int) -> int:
    if family.head_dim_is_given or fields.values.get("head_dim") is not None:
        return fields.number("head_dim")
    if not fields.divides("num_attention_heads", heads, "hidden_size", hidden):
        fields.refuse("hidden_size", hidden, f"a multiple of the {heads} attention heads, or a head_dim")
    return max(1, hidden // heads)


def _latent(fields: Fields) -> Latent:
    return Latent(
        key_value_rank=fields.number("kv_lora_rank"),
        query_rank=fields.number("q_lora_rank", default=0),
        nope=fields.number("qk_nope_head_dim"),
        rope=fields.number("qk_rope_head_dim"),
        value=fields.number("v_head_dim"),
    )


def _indexer(fields: Fields) -> Indexer:
    return Indexer(fields.number("index_n_heads"), fields.number("index_head_dim"))


def _experts(fields: Fields, family: Family, layers: int) -> Experts:
    routed = fields.number("n_routed_experts", "num_experts", "num_local_experts", most=MOST_EXPERTS)
    per_token = fields.number("num_experts_per_tok", most=MOST_EXPERTS)
    if routed > 1 and per_token > routed:
        fields.refuse("num_experts_per_tok", per_token, f"at most the {routed} experts")
    if family.name == "MixtralForCausalLM":
        width = fields.number("intermediate_size")
    else:
        width = fields.number("moe_intermediate_size")
    one_shared = fields.number("shared_expert_intermediate_size", least=0, default=0)
    shared = fields.number("n_shared_experts", least=0, most=MOST_EXPERTS, default=0)
    return Experts(
        routed=routed,
        per_token=per_token,
        width=width,
        shared_width=one_shared or shared * width,
        dense_layers=_dense_layers(fields, layers),
        router_bias=fields.values.get("topk_method") == "noaux_tc",
        shared_gate=bool(one_shared),
    )


def _dense_layers(fields: Fields, layers: int) -> int:
    """DeepSeek: the first ones, then each of a frequency; Qwen: those on a list, then each of a step."""
    first = fields.number("first_k_dense_replace", least=0, most=MOST_LAYERS, default=0)
    frequency = fields.number("moe_layer_freq", most=MOST_LAYERS, default=1)
    step = fields.number("decoder_sparse_step", most=MOST_LAYERS, default=1)
    listed = fields.values.get("mlp_only_layers")
    only = {one for one in listed if isinstance(one, int)} if isinstance(listed, list) else set()
    if first > layers:
        fields.refuse("first_k_dense_replace", first, f"at most the {layers} layers")
    mixed = [n for n in range(layers) if n >= first and n % frequency == 0 and n not in only and (n + 1) % step == 0]
    return layers - len(mixed)


def max_positions(fields: Fields) -> int:
    """What vLLM serves without an override: YaRN multiplies the length the model was trained at."""
    given = fields.number("max_position_embeddings")
    scaling = _scaling(fields.values)
    if scaling.get("rope_type", scaling.get("type")) != "yarn":
        return given
    original, factor = scaling.get("original_max_position_embeddings"), scaling.get("factor")
    if isinstance(original, int) and isinstance(factor, int | float) and 0 < original * factor <= 10**9:
        return max(given, round(original * factor))
    return given


def _scaling(values: Mapping[str, Any]) -> Mapping[str, Any]:
    found = values.get("rope_scaling") or values.get("rope_parameters")
    return found if isinstance(found, Mapping) else {}


def remarks(values: Mapping[str, Any]) -> list[str]:
    """What the catalogue has no field for, and on which side the sizes err because of it."""
    found = []
    window = values.get("sliding_window")
    if isinstance(window, int) and window and values.get("use_sliding_window", True):
        found.append(
            f"attends over a window of {window:,} tokens; the cache is sized for the whole context, on the safe side"
        )
    return found
