"""Bytes one GPU and its host hold while a model is trained.

    weights + gradients + optimizer states (DeepSpeed's formulas) + activations + workspace

Data parallelism only, as DeepSpeed and LLaMA-Factory train: each GPU works on `micro_batch` sequences of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from infra.catalog.facts import ModelFacts
from infra.sizing.adapters import activated_width, attention_width
from infra.units import gib

__all__ = [
    "Method",
    "Offload",
    "States",
    "TrainingMemory",
    "activation_bytes",
    "base_bytes",
    "largest_layer",
    "states",
    "workspace_bytes",
]

HOST_FACTOR = 1.5
"""`additional_buffer_factor` of DeepSpeed's estimators."""
GATHER_BYTES = 4
"""ZeRO-3 gathers a layer at a time: 16-bit weight and gradient of each of its parameters."""
FP16_BYTES = 2

QUANTIZED_BYTES = {8: 1.0003, 4: 0.516, 2: 0.28}
"""Bytes of a frozen parameter of a linear layer. 8: LLM.int8, one scale a row; 4: nf4 with double quantisation; 2: a
group of 64 with 16-bit scale and zero is 0.31, of 128 is 0.28 (HQQ, from knowledge). Embeddings and head stay at 16."""

LAYER_FACTOR = 34
"""Bytes of activations a layer keeps, for each token and hidden element, at 16 bit: s b h (34 + 5 a s / h), Korthikanti
et al., Reducing Activation Recomputation in Large Transformer Models (arXiv 2205.05198). The second term, the attention
matrix, is never stored by FlashAttention and left out."""
NORMS_AND_INPUTS = 9
"""Of the 34: 3 around attention, 4 of the two norms, 2 of the MLP's input; attention itself is 2 for each element."""
PLAIN_MLP, GATED_MLP = 17, 8
"""Of the 34: a plain MLP of width 4 h keeps 17 h. A gated one keeps gate, up, silu and product: 8 bytes an element of
its width, which is more than the paper's where the width is above 2.1 h (5.3 h in the 7B)."""
LOGIT_BYTES = 10
"""The loss: 16-bit logits, their fp32 copy and its gradient (transformers' loss functions, from knowledge)."""
ASSUMED_VOCABULARY = 129_280
"""V3 and V4-Flash; for the entries whose vocabulary is not published (V4-Pro)."""
CUDA_BYTES = gib(0.75)
"""CUDA context, cuBLAS and NCCL: 0.5 to 0.9 GiB (from knowledge; serving logs show 0.13 to 0.55 without a context)."""


class Method(StrEnum):
    """What is trained, and in which precision."""

    FULL = "full"
    """All parameters; 16-bit arithmetic with fp32 parameters, gradients and Adam moments (AMP): 18 bytes each."""
    PURE_BF16 = "pure_bf16"
    """All parameters, and everything about them, in bf16: 8 bytes each."""
    LORA = "lora"
    """Adapters (18 bytes a parameter) on a frozen 16-bit model."""
    QLORA = "qlora"
    """Adapters on a frozen model of 8, 4 or 2 bit."""


class Offload(StrEnum):
    """What is kept in host memory instead of the GPU's."""

    NONE = "none"
    OPTIMIZER = "optimizer"
    PARAMETERS_AND_OPTIMIZER = "parameters_and_optimizer"


@dataclass(frozen=True, slots=True)
class States:
    """Model states: bytes on each GPU, and on the hosts of all GPUs together."""

    weights_bytes: float
    gradients_bytes: float
    optimizer_bytes: float
    host_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class TrainingMemory:
    """The parts of one GPU in bytes, and what the hosts hold for all GPUs of the job."""

    weights_bytes: int
    gradients_bytes: int
    optimizer_bytes: int
    activations_bytes: int
    workspace_bytes: int
    host_bytes: int
    """Offloaded states; the processes themselves come on top."""

    @property
    def total_bytes(self) -> int:
        """All that one GPU must hold at the peak."""
        return self.states_bytes + self.activations_bytes + self.workspace_bytes

    @property
    def states_bytes(self) -> int:
        """What DeepSpeed's estimators call model states."""
        return self.weights_bytes + self.gradients_bytes + self.optimizer_bytes


@dataclass(frozen=True, slots=True)
class _Bytes:
    """Bytes of a trainable parameter beside its 16-bit weight."""

    gradient: int
    optimizer: int
    partitioned: int
    """What ZeRO 1 and 2 divide over the ranks; each rank keeps a 16-bit gradient besides."""


MIXED = _Bytes(gradient=4, optimizer=12, partitioned=16)
"""fp32 gradient; fp32 parameter and two moments (DeepSpeed docs/code-docs memory.rst @edaa722: 16 + 2 a parameter)."""
PURE = _Bytes(gradient=2, optimizer=4, partitioned=4)
"""Two bf16 moments: 8 a parameter in all (LLaMA-Factory README, hardware table)."""


def states(
    method: Method,
    stage: int,
    offload: Offload,
    gpus: int,
    *,
    trainable: float,
    frozen_bytes: float,
    largest: float,
) -> States:
    """Weights, gradients and optimizer states of `trainable` parameters beside `frozen_bytes` of frozen weights.

    DeepSpeed's estimators (runtime/zero/stage_1_and_2.py and stage3.py @edaa722) exactly, for P trainable parameters,
    N ranks of one node and L parameters in the `largest` layer; frozen weights are added to the 16-bit weights:

        stage 1, 2    4 P + 16 P / N      with the optimizer offloaded  2 P             host max(4 N, 16) P x 1.5
        stage 3      18 P / N + 4 L       with the optimizer offloaded  2 P / N + 4 L   host 16 P x 1.5
                                          with the parameters too       4 L             host 18 P x 1.5

    Two limits are ours. One rank shards nothing, so without offload any stage is stage 0 (18 P). And several ranks
    never gather more than the weights that each of them does not hold, which matters where the embedding is most of a
    small quantised model. Communication buckets (`reduce_bucket_size`) are not counted.
    """
    each = PURE if method is Method.PURE_BF16 else MIXED
    weights = FP16_BYTES * trainable + frozen_bytes
    kept = each.gradient + each.optimizer
    if offload is Offload.NONE and (stage == 0 or gpus == 1):
        return States(weights, each.gradient * trainable, each.optimizer * trainable)
    gathered = GATHER_BYTES * largest
    if offload is Offload.PARAMETERS_AND_OPTIMIZER:
        return States(gathered, 0, 0, (weights + kept * trainable) * HOST_FACTOR)
    if stage < 3 and offload is Offload.OPTIMIZER:
        return States(weights, 0, 0, max(4 * gpus, kept) * trainable * HOST_FACTOR)
    if stage < 3:
        return States(weights, FP16_BYTES * trainable, each.partitioned * trainable / gpus)
    if gpus > 1:
        gathered = min(gathered, weights * (1 - 1 / gpus))
    share = weights / gpus + gathered
    if offload is Offload.OPTIMIZER:
        return States(share, 0, 0, kept * trainable * HOST_FACTOR)
    return States(share, each.gradient * trainable / gpus, each.optimizer * trainable / gpus)


def base_bytes(model: ModelFacts, bits: int) -> float:
    """The frozen model under adapters at 16 bit, or quantised to 8, 4 or 2 with embeddings and head left at 16."""
    if bits == 16:
        return FP16_BYTES * model.parameters
    tables = 1 if model.tied_embeddings else 2
    kept = min(model.parameters, tables * model.vocabulary * model.hidden_size)
    return (model.parameters - kept) * QUANTIZED_BYTES[bits] + kept * FP16_BYTES


def largest_layer(model: ModelFacts) -> int:
    """Parameters of the largest single matrix (DeepSpeed counts modules without their children): embedding or MLP."""
    widest = max(model.vocabulary, model.intermediate_size or 0, model.moe_intermediate_size or 0)
    return (widest or ASSUMED_VOCABULARY) * model.hidden_size


def activation_bytes(model: ModelFacts, tokens: int, *, checkpointing: bool) -> float:
    """Activations of `tokens` (sequence x micro batch) at the peak of the backward pass.

    Gradient checkpointing keeps one 16-bit hidden state a layer, 2 x layers x tokens x hidden bytes, and recomputes one
    layer at a time. Adapters on frozen weights keep somewhat less than is counted here.
    """
    layer = tokens * _layer_bytes_per_token(model)
    logits = tokens * (model.vocabulary or ASSUMED_VOCABULARY) * LOGIT_BYTES
    if checkpointing:
        return FP16_BYTES * model.layers * tokens * model.hidden_size + layer + logits
    return model.layers * layer + logits


def _layer_bytes_per_token(model: ModelFacts) -> int:
    hidden, width = model.hidden_size, activated_width(model)
    mlp = GATED_MLP * width if width else PLAIN_MLP * hidden
    counted = NORMS_AND_INPUTS * hidden + 2 * attention_width(model) + mlp
    return max(LAYER_FACTOR * hidden, counted)


def workspace_bytes(model: ModelFacts, method: Method) -> int:
    """What is neither state nor activation; QLoRA unpacks one matrix at a time to 16 bit."""
    unpacked = FP16_BYTES * model.hidden_size * (model.intermediate_size or 0) if method is Method.QLORA else 0
    return CUDA_BYTES + unpacked
