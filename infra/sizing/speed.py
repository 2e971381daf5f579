"""How fast a layout writes, when the first token comes, and how long loading takes: estimates, always as ranges."""

from __future__ import annotations

import math
from dataclasses import dataclass

from infra.catalog.facts import GpuFacts, ModelFacts, QuantizationFacts
from infra.sizing import storage, traffic
from infra.sizing.result import Volume
from infra.sizing.step import Layout, Range, Runtime, peak_flops, prompt_seconds, step_seconds

__all__ = [
    "Layout",
    "Range",
    "Runtime",
    "SpeedRange",
    "SpeedUnknown",
    "bound_tokens_per_second",
    "draft_gain",
    "estimate_first_token",
    "estimate_load",
    "estimate_speed",
    "is_possible",
]

DRAFT_GAIN, DRAFT_LOSS_PER_DOUBLING = 1.8, 0.06
"""Speculation with the model's own draft block (MTP): 1.8 times the tokens with one user, 1.5 with 32 (SGLang docs, R1
on eight H200)."""

LOAD_FACTOR = Range(1.0, 1.2, 2.0)
"""Of reading at the baseline: memory-mapped safetensors read slower on a cold volume; probes allow for twice."""


@dataclass(frozen=True, slots=True)
class SpeedRange:
    """An estimate of decoding for a number of users, each with a context already read."""

    per_user: Range
    """Tokens a second that one user sees."""
    total: Range
    """Tokens a second of all users together."""
    ms_per_token: Range
    """Milliseconds between two tokens of one user; low is fast."""
    bound_per_user: float
    """Tokens a second if reading the active weights at full bandwidth were all; infinite where not known."""

    def __str__(self) -> str:
        low, expected, high = (
            f"{value:.3g}" for value in (self.per_user.low, self.per_user.expected, self.per_user.high)
        )
        return f"estimate: {low} to {high} tokens/s a user, {expected} expected"


@dataclass(frozen=True, slots=True)
class SpeedUnknown:
    """No estimate, and what is missing for one."""

    message: str


def estimate_speed(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    layout: Layout | None = None,
    *,
    users: int = 1,
    context_tokens: int = 0,
    runtime: Runtime = Runtime.CURRENT,
    draft: bool = False,
    kv_dtype: str = "auto",
) -> SpeedRange | SpeedUnknown:
    """Decoding speed for `users` at the same time, each `context_tokens` into its text.

    Never the speed of one user times their number: a mixture reads more experts the more users there are, and each
    user's cache is read besides. `draft`: the engine speculates with the model's MTP block.
    """
    unknown = _unknown(model, gpu)
    if unknown:
        return unknown
    layout = layout or Layout()
    seconds = step_seconds(
        model,
        quantization,
        gpu,
        layout,
        users=users,
        context_tokens=context_tokens,
        runtime=runtime,
        kv_dtype=kv_dtype,
    )
    per_user = seconds.inverse(draft_gain(users) if draft else 1.0)
    return SpeedRange(
        per_user=per_user,
        total=per_user.scale(users),
        ms_per_token=per_user.inverse(1e3),
        bound_per_user=bound_tokens_per_second(model, quantization, gpu, layout),
    )


def draft_gain(users: int) -> float:
    """Tokens a step with MTP against without; on the line through the two measured points, and never below 1."""
    return max(1.0, DRAFT_GAIN - DRAFT_LOSS_PER_DOUBLING * math.log2(max(1, users)))


def bound_tokens_per_second(
    model: ModelFacts, quantization: QuantizationFacts, gpu: GpuFacts, layout: Layout | None = None
) -> float:
    """Most tokens a second of one user without speculation; infinite where bandwidth or size is not known.

    Counted so that it errs high: active weights without input embeddings, no cache, no latency.
    """
    read = traffic.lower_bound_bytes(model, quantization)
    if read <= 0 or gpu.bandwidth_bytes_per_second <= 0:
        return math.inf
    return gpu.bandwidth_bytes_per_second * (layout or Layout()).expert_ranks / read


def is_possible(
    tokens_per_second: float,
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    layout: Layout | None = None,
    *,
    draft_tokens: int = 0,
) -> bool:
    """Whether a published speed of one user can be true: the bandwidth bounds it.

    With speculation a step writes at most `draft_tokens` + 1 tokens. The sum over several users is another thing.
    """
    return tokens_per_second <= bound_tokens_per_second(model, quantization, gpu, layout) * (1 + draft_tokens)


def estimate_first_token(
    model: ModelFacts,
    quantization: QuantizationFacts,
    gpu: GpuFacts,
    layout: Layout | None = None,
    *,
    prompt_tokens: int,
    runtime: Runtime = Runtime.CURRENT,
    kv_dtype: str = "auto",
) -> Range | SpeedUnknown:
    """Seconds until the first token of a prompt that waits for nobody: the prompt's arithmetic, and one step."""
    unknown = _unknown(model, gpu)
    if unknown:
        return unknown
    if peak_flops(quantization, gpu) <= 0:
        return SpeedUnknown(f"the TFLOPS of {gpu.name} are not in the catalogue")
    layout = layout or Layout()
    step = step_seconds(
        model,
        quantization,
        gpu,
        layout,
        users=1,
        context_tokens=prompt_tokens,
        runtime=runtime,
        kv_dtype=kv_dtype,
    )
    return prompt_seconds(model, quantization, gpu, layout, prompt_tokens).plus(step)


def estimate_load(
    weights_bytes: int,
    store: Volume,
    ebs_mib_per_second: float | None = None,
    network_mib_per_second: float | None = None,
) -> Range:
    """Seconds to read the weights, at the slowest of volume, instance and the network to where they are stored."""
    limits = [limit for limit in (ebs_mib_per_second, network_mib_per_second) if limit]
    return LOAD_FACTOR.scale(storage.load_seconds(weights_bytes, store, min(limits, default=None)))


def _unknown(model: ModelFacts, gpu: GpuFacts) -> SpeedUnknown | None:
    if gpu.bandwidth_bytes_per_second <= 0:
        return SpeedUnknown(f"the bandwidth of {gpu.name} is not in the catalogue")
    if not (model.layers and model.parameters and model.active_parameters):
        return SpeedUnknown(f"the layers or active parameters of {model.label} are not in the catalogue")
    return None
