"""Speed and price of a layout: what the objectives compare and the plan shows. Speeds are estimates."""

from __future__ import annotations

from infra.sizing import kv_cache
from infra.sizing.arrangement import Arrangement
from infra.sizing.engine import Engine, Family
from infra.sizing.fit import Fit
from infra.sizing.memory import default_sequences
from infra.sizing.request import PlanRequest
from infra.sizing.speed import SpeedRange, SpeedUnknown, estimate_first_token, estimate_speed
from infra.sizing.step import Range, Runtime, Step, step

__all__ = ["first_token", "most_users", "speed_with", "step_with"]


def speed_with(
    users: int, layout: Fit, arrangement: Arrangement, request: PlanRequest, engine: Engine
) -> SpeedRange | SpeedUnknown:
    """Decoding with `users` at the same time, each at the end of a request of full length, where a token is slowest."""
    return estimate_speed(
        layout.model,
        layout.quantization,
        layout.gpu,
        arrangement.layout(layout.model),
        users=users,
        context_tokens=request.context_tokens,
        runtime=Runtime.of(engine),
        kv_dtype=layout.kv_dtype,
    )


def first_token(layout: Fit, arrangement: Arrangement, request: PlanRequest, engine: Engine) -> Range | SpeedUnknown:
    """Seconds for a prompt that fills the context and waits for nobody."""
    return estimate_first_token(
        layout.model,
        layout.quantization,
        layout.gpu,
        arrangement.layout(layout.model),
        prompt_tokens=request.context_tokens,
        runtime=Runtime.of(engine),
        kv_dtype=layout.kv_dtype,
    )


def step_with(users: int, layout: Fit, arrangement: Arrangement, request: PlanRequest, engine: Engine) -> Step:
    """The parts of the time of a token that `speed_with` is made from."""
    return step(
        layout.model,
        layout.quantization,
        layout.gpu,
        arrangement.layout(layout.model),
        users=users,
        context_tokens=request.context_tokens,
        runtime=Runtime.of(engine),
        kv_dtype=layout.kv_dtype,
    )


def most_users(layout: Fit, arrangement: Arrangement, request: PlanRequest, engine: Engine) -> int:
    """Requests of full length the caches of all copies hold, and the engine schedules (`--max-num-seqs`). llama.cpp has
    the slots it was started with."""
    if engine.family is Family.LLAMA_CPP:
        return request.concurrency
    block = kv_cache.reported_block(layout.model)
    held = layout.kv_tokens // kv_cache.needed_tokens(request.context_tokens, 1, block)
    each = min(held, int(default_sequences(layout.gpu, engine)))
    return max(request.concurrency, each * arrangement.data_parallel)
