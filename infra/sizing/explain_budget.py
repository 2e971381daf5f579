"""The arithmetic of the memory on engines that divide it otherwise than vLLM."""

from __future__ import annotations

from infra.sizing.engine import Family
from infra.sizing.result import Plan
from infra.units import to_gib

__all__ = ["explain_budget"]


def explain_budget(plan: Plan) -> tuple[str, ...]:
    """SGLang's static part, or what llama.cpp leaves; in GiB."""
    budget = plan.budget
    usable, weights, outside = (
        to_gib(part) for part in (budget.usable_bytes, budget.weights_bytes, budget.non_torch_bytes)
    )
    work, cache = to_gib(budget.activation_bytes), to_gib(budget.kv_cache_bytes)
    if plan.engine == Family.SGLANG:
        static = weights + cache
        free = f"({usable:.3f} - {outside:.3f} before loading)"
        return (
            f"weights and cache: {free} x {plan.utilization:g} = {static:.3f} GiB; {work:.3f} are left for activations",
            f"cache: {static:.3f} - {weights:.3f} (weights) = {cache:.3f} GiB",
        )
    program = "CUDA context" if plan.gpus else "the program"
    taken = f"{weights:.3f} (weights) - {outside:.3f} ({program}) - {work:.3f} (compute buffer)"
    return (f"cache: {usable:.3f} - {taken} = {cache:.3f} GiB",)
