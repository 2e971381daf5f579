"""Bytes of a model's weights: on disk, and on each GPU once loaded."""

from __future__ import annotations

import math

from infra.catalog.facts import Architecture, ModelFacts, QuantizationFacts

__all__ = ["checkpoint_bytes", "gpu_weights_bytes"]

LOAD_FACTOR = {Architecture.DENSE: 1.002, Architecture.MOE: 1.02}
"""Loaded weights over their even share of the checkpoint. Dense: 1.002 in the logs of 8B on A10G (14.99 of 14.96 GiB)
and 32B on 2x H100 (30.59 of 30.52); up to 1.014 with two consumer cards. Mixture of experts: 1.0075 for R1 on 8 devices
(79.41 of 78.8 GiB), where every rank repeats the latent projections and the router; 1.02 is the default of the
estimators compared."""


def checkpoint_bytes(model: ModelFacts, quantization: QuantizationFacts) -> int:
    """Size of the files: the published size where the model is published so, else computed.

    Embeddings and output head (2 x vocabulary x hidden; all catalogue models keep them untied) stay at 16 bit unless
    the quantisation covers the whole model: for the 7B they are 14 % of all parameters.
    """
    if quantization.name == model.native_dtype:
        return model.weights_bytes
    if quantization.whole:
        return math.ceil(model.parameters * quantization.bytes_per_parameter)
    kept = 2 * model.vocabulary * model.hidden_size
    return math.ceil((model.parameters - kept) * quantization.bytes_per_parameter + kept * 2)


def gpu_weights_bytes(model: ModelFacts, quantization: QuantizationFacts, tensor_parallel: int) -> int:
    """Weights on one of `tensor_parallel` GPUs; within 1.5 % of the logs.

    The draft (MTP) block is in the published fp8 files, one byte a parameter, but plain serving leaves it on the disk:
    79.41 GiB per device measured for R1, where a share of the files would be 80.16.
    """
    loaded: float = checkpoint_bytes(model, quantization)
    if quantization.name == model.native_dtype:
        loaded -= model.draft_parameters
    return math.ceil(loaded / tensor_parallel * LOAD_FACTOR[model.architecture])
