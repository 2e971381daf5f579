"""config.json files as they are published, rebuilt from the facts of a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from infra.catalog.facts import Attention, ModelFacts

__all__ = ["config_of", "qwen_config", "write_json"]

FAMILIES = {"Qwen3": ("Qwen3ForCausalLM", "qwen3"), "Distill-Qwen": ("Qwen2ForCausalLM", "qwen2")}


def config_of(model: ModelFacts) -> dict[str, Any]:
    """The published form of a shipped model: names of fields and blocks as on Hugging Face."""
    common = {
        "num_hidden_layers": model.layers,
        "num_attention_heads": model.attention_heads,
        "num_key_value_heads": model.kv_heads,
        "hidden_size": model.hidden_size,
        "intermediate_size": model.intermediate_size,
        "vocab_size": model.vocabulary,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
    }
    return common | (_dense(model) if model.attention is Attention.GROUPED else _latent(model))


def _dense(model: ModelFacts) -> dict[str, Any]:
    names = next((names for word, names in FAMILIES.items() if word in model.label), ("LlamaForCausalLM", "llama"))
    config = {"architectures": [names[0]], "model_type": names[1], "max_position_embeddings": model.max_positions}
    if names[1] == "qwen3":
        config["head_dim"] = model.head_dim
    return config


def _latent(model: ModelFacts) -> dict[str, Any]:
    is_v2 = model.native_dtype == "bf16"
    name = "DeepseekV2" if is_v2 else "DeepseekV32" if model.attention is Attention.SPARSE_LATENT else "DeepseekV3"
    config: dict[str, Any] = {
        "architectures": [f"{name}ForCausalLM"],
        "model_type": name.lower().replace("v", "_v", 1),
        "max_position_embeddings": 163840,
        "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
        "q_lora_rank": model.q_lora_rank,
        "kv_lora_rank": model.kv_lora_rank,
        "qk_nope_head_dim": model.qk_nope_head_dim,
        "qk_rope_head_dim": model.qk_rope_head_dim,
        "v_head_dim": model.v_head_dim,
        "n_routed_experts": model.routed_experts,
        "n_shared_experts": model.shared_experts,
        "num_experts_per_tok": model.experts_per_token,
        "moe_intermediate_size": model.moe_intermediate_size,
        "first_k_dense_replace": model.first_dense_layers,
        "moe_layer_freq": 1,
    }
    if not is_v2:
        config["topk_method"] = "noaux_tc"
        config["num_nextn_predict_layers"] = 1
        config["quantization_config"] = {"quant_method": "fp8", "fmt": "e4m3", "weight_block_size": [128, 128]}
    if name == "DeepseekV32":
        config |= {"index_n_heads": 64, "index_head_dim": 128, "index_topk": 2048}
    return config


def qwen_config(**over: Any) -> dict[str, Any]:
    """Qwen2.5-7B-Instruct as published; None removes a field."""
    config = {
        "architectures": ["Qwen2ForCausalLM"],
        "model_type": "qwen2",
        "hidden_size": 3584,
        "intermediate_size": 18944,
        "max_position_embeddings": 32768,
        "num_attention_heads": 28,
        "num_hidden_layers": 28,
        "num_key_value_heads": 4,
        "sliding_window": 131072,
        "use_sliding_window": False,
        "tie_word_embeddings": False,
        "torch_dtype": "bfloat16",
        "vocab_size": 152064,
        **over,
    }
    return {name: value for name, value in config.items() if value is not None}


def write_json(folder: Path, document: object, name: str = "config.json") -> Path:
    """A file of the name it is published under, in a folder that has the model's."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(document), encoding="utf-8")
    return path
