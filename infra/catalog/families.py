"""The architectures whose parameters can be counted from a published config, and what vLLM needs to serve them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from infra.errors import ConfigurationError, Location

__all__ = ["FAMILIES", "Family", "family_of", "gguf_family_of", "unsupported"]


@dataclass(frozen=True, slots=True)
class Family:
    """One architecture of transformers and vLLM."""

    name: str
    """`architectures` of config.json."""
    model_type: str
    gguf: str
    """`general.architecture` of GGUF; llama.cpp has one name for several of ours."""
    min_engine_version: str
    """First vLLM release that serves it (release notes); never below what the catalogue holds for its kin."""
    qkv_bias: bool = False
    qk_norm: bool = False
    head_dim_is_given: bool = False
    """The width of a head is a field of its own, not hidden size / heads."""
    mixture: bool = False
    latent: bool = False
    indexer: bool = False


FAMILIES = (
    Family("LlamaForCausalLM", "llama", "llama", "0.6.0"),
    Family("MistralForCausalLM", "mistral", "llama", "0.6.0"),
    Family("MixtralForCausalLM", "mixtral", "llama", "0.6.0", mixture=True),
    Family("Qwen2ForCausalLM", "qwen2", "qwen2", "0.6.0", qkv_bias=True),
    Family("Qwen2MoeForCausalLM", "qwen2_moe", "qwen2moe", "0.6.0", qkv_bias=True, mixture=True),
    Family("Qwen3ForCausalLM", "qwen3", "qwen3", "0.8.5", qk_norm=True, head_dim_is_given=True),
    Family("Qwen3MoeForCausalLM", "qwen3_moe", "qwen3moe", "0.8.5", qk_norm=True, head_dim_is_given=True, mixture=True),
    Family("DeepseekForCausalLM", "deepseek", "deepseek", "0.6.0", mixture=True),
    Family("DeepseekV2ForCausalLM", "deepseek_v2", "deepseek2", "0.5.0", mixture=True, latent=True),
    Family("DeepseekV3ForCausalLM", "deepseek_v3", "deepseek2", "0.6.6", mixture=True, latent=True),
    Family("DeepseekV32ForCausalLM", "deepseek_v32", "deepseek32", "0.18.0", mixture=True, latent=True, indexer=True),
)
"""Floors: V2, V3, V3.2 and Qwen3 as in models.yaml; the others are older than the oldest release sized here (0.6.5)."""


def family_of(architecture: str | None, model_type: str | None) -> Family | None:
    """By `architectures`, which is what the engine goes by; by `model_type` where that is not given."""
    for family in FAMILIES:
        if architecture == family.name or (architecture is None and model_type == family.model_type):
            return family
    return None


def gguf_family_of(architecture: str, *, mixture: bool, balanced_router: bool) -> Family | None:
    """llama.cpp calls Mixtral `llama`, and V2, V3 and R1 `deepseek2`: experts and the router's bias tell them apart."""
    found = [family for family in FAMILIES if family.gguf == architecture and family.mixture == mixture]
    if architecture == "deepseek2" and balanced_router:
        found.reverse()
    return found[0] if found else None


def unsupported(file: str, what: str, supported: Iterable[str]) -> ConfigurationError:
    """An architecture whose parameters cannot be counted here."""
    return ConfigurationError(
        f"{file}: the architecture {what} is not one that can be derived",
        code="SKS0213",
        key="FILE",
        location=Location(file),
        value=what,
        allowed=", ".join(dict.fromkeys(supported)),
        fix="write its entry by hand, as in infra/catalog/models.yaml; V4 models are in the catalogue already",
    )
