"""What is known of models, GPUs and instance types: plain values, each with its source and date."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from infra.catalog.markets import USUAL, Market
from infra.errors import ConfigurationError

__all__ = [
    "Architecture",
    "Attention",
    "Catalog",
    "CpuInstanceFacts",
    "GpuFacts",
    "InstanceFacts",
    "ModelFacts",
    "QuantizationFacts",
]

REGION = re.compile(
    r"([a-z]{2,4}(?:-[a-z]+)?)-(?:north|south|east|west|central|northeast|northwest|southeast|southwest)-[1-9]"
)
"""Form of every region so far: area, direction, number. An area of two words is us-gov or eusc-de."""


SPELLINGS = re.compile(r"\b(?:nvidia|geforce|tesla|amd|instinct|generation|sxm\d?)\b|(?<=\d)gb\b")
"""What `nvidia-smi` and vendors write around a GPU's name. PCIe stays: an H100 PCIe is slower than the H100."""
MEMORY_SIZE = re.compile(r"-\d+$")
"""What tells the cards of a family apart, as `-40` of A100-40."""


class Architecture(StrEnum):
    """Which parameters a token passes through."""

    DENSE = "dense"
    MOE = "moe"


class Attention(StrEnum):
    """How the keys and values of past tokens are kept, which decides the size of the cache and how it is sharded."""

    GROUPED = "grouped"
    """MHA, GQA and MQA: `kv_heads` keys and values a layer."""
    LATENT = "latent"
    """MLA: one compressed vector a layer, the same on every tensor-parallel rank."""
    SPARSE_LATENT = "sparse_latent"
    """MLA with the DSA indexer (V3.2)."""
    COMPRESSED = "compressed"
    """V4 family: a constant per request and a small slope; not linear in tokens."""


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """One released model. An integer of 0 says that the field was not published (V4.1 only)."""

    id: str
    """Repository on Hugging Face, `organisation/name`."""
    label: str
    aliases: tuple[str, ...]
    unreleased_aliases: tuple[str, ...]
    """Those aliases that name a size DeepSeek never released."""
    architecture: Architecture
    attention: Attention
    parameters: float
    """Parameters of the weights that plain serving loads, so without the draft (MTP) block."""
    active_parameters: float
    draft_parameters: float
    """MTP block: on disk, never loaded for plain serving."""
    layers: int
    attention_heads: int
    kv_heads: int
    head_dim: int | None
    hidden_size: int
    intermediate_size: int | None
    moe_intermediate_size: int | None
    vocabulary: int
    kv_lora_rank: int | None
    q_lora_rank: int | None
    qk_nope_head_dim: int | None
    qk_rope_head_dim: int | None
    v_head_dim: int | None
    max_positions: int
    native_dtype: str
    """Name of the quantisation the weights are published in."""
    quantization_block: int | None
    """Side of the block one fp8 scale covers; sharded dimensions must stay multiples of it."""
    weights_bytes: int
    """Size of the published files."""
    shards: int
    """Safetensors files; 0 where not known."""
    min_engine_version: str
    """First vLLM release that serves it."""
    released: str
    source: str
    date: str
    """Day the facts were read."""
    routed_experts: int = 0
    """Experts a layer chooses from; 0 for a dense model, or where not published."""
    experts_per_token: int = 0
    shared_experts: int = 0
    """Experts every token passes through, in widths of `moe_intermediate_size`."""
    first_dense_layers: int = 0
    """Layers before the first with experts."""
    tied_embeddings: bool = False
    """The output head is the embedding table, stored once: small Qwen and Llama models, no released DeepSeek one."""


@dataclass(frozen=True, slots=True)
class GpuFacts:
    """One accelerator as the engine sees it."""

    name: str
    aliases: tuple[str, ...]
    vendor: str
    architecture: str
    compute_capability: tuple[int, int] | None
    """None for accelerators without CUDA."""
    nominal_gb: int
    usable_bytes: int
    """What the engine reports as total memory: less than the nominal size and than the EC2 API's figure."""
    bandwidth_bytes_per_second: float
    fp16_tflops: float
    supports_bf16: bool
    fp8: str
    """`yes`, `no` or `weight-only`: what the tensor cores do, as in the data sheet."""
    int8: str
    int4: str
    min_driver_branch: int | None
    note: str
    source: str
    date: str
    host_architecture: str = "x86_64"
    """Of the machines it is built into, where that is arm64; any other card is taken to be in an x86_64 one."""


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One EC2 instance type with accelerators."""

    instance_type: str
    family: str
    gpu: str
    gpus: int
    """Whole GPUs; 0 for the fractional types (g6f, gr6f)."""
    partition: float
    """Part of a GPU the instance holds: 1.0, or 0.125 to 0.5 for the fractional types."""
    vcpus: int
    host_memory_bytes: int
    cpu_architecture: str
    local_nvme_gb: int
    network: str
    efa: bool
    ebs_baseline_mib_per_second: float
    """What the instance sustains to EBS; the burst figure is higher on small sizes, for 30 minutes a day."""
    offered_in: tuple[str, ...]
    """Regions of the price snapshot that offer it, in whatever market: EC2's list does not tell them apart."""
    usd_per_hour: float | None
    """On demand."""
    price_date: str | None
    price_region: str
    source: str
    date: str
    network_gbit_baseline: float | None = None
    """What the first network card sustains, in Gbit/s: what plain TCP through one interface gets. `network` is the sum
    of all cards, or on small sizes a burst of 5 to 60 minutes. None where EC2 does not say."""
    markets: tuple[Market, ...] = USUAL
    """How EC2 sells it at all; a region may offer less."""
    spot_usd_per_hour: float | None = None
    """In the dearest zone of the region; none is shipped, `seekstack instances refresh` asks for it."""
    spot_price_date: str | None = None
    capacity_block_usd_per_hour: float | None = None
    """Up-front fee over hours and instances; none is shipped, `seekstack instances refresh` asks for it."""
    capacity_block_price_date: str | None = None


@dataclass(frozen=True, slots=True)
class CpuInstanceFacts:
    """One EC2 instance type without accelerator, for small quantised models. Kept apart: it has no GPU to plan with."""

    instance_type: str
    family: str
    vcpus: int
    cores: int
    """Physical cores: what llama.cpp should run threads on."""
    host_memory_bytes: int
    cpu_architecture: str
    cpu_vendor: str
    network: str
    ebs_baseline_mib_per_second: float
    offered_in: tuple[str, ...]
    usd_per_hour: float | None
    price_date: str | None
    price_region: str
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class QuantizationFacts:
    """One way to store the weights of linear layers; embeddings and output head stay at 16 bit unless `whole`."""

    name: str
    label: str
    bytes_per_parameter: float
    whole: bool
    """The figure also covers embeddings and head (bf16, fp16)."""
    min_compute_capability: tuple[int, int]
    max_compute_capability: tuple[int, int] | None
    """Newest GPU with a kernel for it; None for no upper bound."""
    dtype: str
    """Activations; `auto` follows the GPU: bf16, or fp16 below compute capability 8.0."""
    engine_method: str | None
    """Value of vLLM's `--quantization`; None leaves the flag out."""
    quality_rank: int
    """0 is best: the order in which an automatic choice tries them."""
    note: str
    source: str
    date: str


@dataclass(frozen=True, slots=True)
class Catalog:
    """Everything the sizing knows, as loaded from the YAML files beside this module."""

    models: tuple[ModelFacts, ...]
    gpus: tuple[GpuFacts, ...]
    instances: tuple[InstanceFacts, ...]
    quantizations: tuple[QuantizationFacts, ...]
    regions: tuple[str, ...] = ()
    """AWS regions of every partition, as of the day in regions.yaml."""

    def model(self, name: str) -> ModelFacts:
        """The model of that id, label or alias, in any case."""
        for model in self.models:
            if str.casefold(name) in map(str.casefold, (model.id, model.label, *model.aliases)):
                return model
        known = [word for model in self.models for word in (model.label, *model.aliases)]
        shown = ", ".join(model.label for model in self.models)
        raise _unknown("model", name, known, shown, "SKS0201", "seekstack models")

    def gpu(self, name: str) -> GpuFacts:
        """The GPU of that name or alias, in any case, also as its vendor spells it (`NVIDIA A100-SXM4-80GB`).

        A family with cards of several sizes (`A100`) is refused, naming them: their memory decides.
        """
        for gpu in self.gpus:
            if str.casefold(name) in map(str.casefold, (gpu.name, *gpu.aliases)):
                return gpu
        asked = _plain(name)
        spelled = [gpu for gpu in self.gpus if asked in map(_plain, (gpu.name, *gpu.aliases))]
        members = spelled or [gpu for gpu in self.gpus if _plain(MEMORY_SIZE.sub("", gpu.name)) == asked]
        if len(members) == 1:
            return members[0]
        if members:
            raise _ambiguous(name, [gpu.name for gpu in members])
        shown = ", ".join(gpu.name for gpu in self.gpus)
        known = [word for gpu in self.gpus for word in (gpu.name, *gpu.aliases)]
        raise _unknown("gpu", name, known, shown, "SKS0202", "seekstack gpus")

    def instance(self, name: str) -> InstanceFacts:
        """The EC2 instance type of exactly that name."""
        for instance in self.instances:
            if instance.instance_type == str.casefold(name):
                return instance
        known = [instance.instance_type for instance in self.instances]
        families = ", ".join(dict.fromkeys(instance.family for instance in self.instances))
        raise _unknown("instanceType", name, known, f"a type of {families}", "SKS0203", "seekstack instances")

    def quantization(self, name: str, also: Sequence[str] = ()) -> QuantizationFacts:
        """The quantisation of that name, in any case. `also` are further names to offer where there is none."""
        for quantization in self.quantizations:
            if quantization.name == str.casefold(name):
                return quantization
        known = [*(quantization.name for quantization in self.quantizations), *also]
        raise _unknown("quantization", name, known, ", ".join(known), "SKS0204", "seekstack plan --help")

    def region(self, name: str, fix: str = "pulumi config set aws:region {region}") -> str | None:
        """None for a known AWS region, a warning for one that may be newer than the catalogue; else ConfigurationError.

        AWS opens a few regions a year: a name of AWS's form is taken for a new one (`us-east-3`, `nz-south-1`) unless
        its area is like one there is (`su-east-1`).
        """
        if name in self.regions:
            return None
        form = REGION.fullmatch(name)
        areas = sorted({found[1] for found in map(REGION.fullmatch, self.regions) if found})
        if form and (form[1] in areas or not _near(form[1], areas)):
            return f"aws:region: {name} is not in the catalogue; it is taken for a region that is newer"
        near = _near(name.casefold(), self.regions)
        raise ConfigurationError(
            f"region: {name!r} is not an AWS region" + (f"; did you mean {near}?" if near else ""),
            code="SKS0104",
            key="region",
            value=name,
            allowed=", ".join(self.regions),
            fix=fix.format(region=near or "us-east-1"),
        )


def _near(name: str, known: Sequence[str]) -> str | None:
    """The known name with the same letters in another order, else the closest."""
    twisted = [word for word in known if sorted(word) == sorted(name)]
    return next(iter(twisted or difflib.get_close_matches(name, known, n=1)), None)


def _plain(name: str) -> str:
    """Without vendor, form factor, GB and what stands between words: `Tesla V100-SXM2-16GB` is `v10016`."""
    return re.sub(r"[\s_-]", "", SPELLINGS.sub("", name.casefold()))


def _ambiguous(name: str, members: Sequence[str]) -> ConfigurationError:
    return ConfigurationError(
        f"gpu: {name!r} is a family of GPUs with different memory",
        code="SKS0202",
        key="gpu",
        value=name,
        allowed=", ".join(members),
        fix=f"use {' or '.join(members)}",
    )


def _unknown(key: str, name: str, known: Iterable[str], shown: str, code: str, command: str) -> ConfigurationError:
    by_folded = {str.casefold(word): word for word in known}
    near = difflib.get_close_matches(str.casefold(name), by_folded, n=1, cutoff=0.5)
    hint = f"did you mean {by_folded[near[0]]}? " if near else ""
    return ConfigurationError(
        f"{key}: {name!r} is not in the catalogue",
        code=code,
        key=key,
        value=name,
        allowed=shown,
        fix=f"{hint}`{command}` lists them",
    )
