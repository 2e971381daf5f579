"""What a stack tells the next one: where the model answers, what was planned, what it costs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from infra.sizing.result import Plan
from infra.units import to_gib

__all__ = ["HOURS_PER_MONTH", "Outputs", "plan_summary"]

HOURS_PER_MONTH = 730
"""As AWS' own calculator counts a month: 8,760 h / 12."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """Outputs of either target; no secret is among them."""

    endpoint: pulumi.Input[str]
    """Base URL of the OpenAI-compatible API, reachable from the intranet only."""
    plan: Plan
    resources: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    """Identities of what was created, by output name: volumeId, namespace …"""

    @property
    def monthly_cost_usd(self) -> float | None:
        """On-demand instances for 730 h, without storage and traffic; None where the price is not ours to know."""
        return None if self.plan.usd_per_hour is None else round(self.plan.usd_per_hour * HOURS_PER_MONTH, 2)

    def exports(self) -> dict[str, pulumi.Input[object]]:
        """Stack outputs by name; one that is not known is left out instead of null."""
        found: dict[str, pulumi.Input[object]] = {
            "endpoint": self.endpoint,
            "model": self.plan.model.id,
            "plan": plan_summary(self.plan),
            "monthlyCostUsd": self.monthly_cost_usd,
            **self.resources,
        }
        return {name: value for name, value in found.items() if value is not None}


def plan_summary(plan: Plan) -> dict[str, object]:
    """The plan in the few numbers a person asks for; GiB are rounded to two places."""
    return {
        "model": plan.model.label,
        "quantization": plan.quantization,
        "gpu": plan.gpu.name,
        "gpus": plan.gpus,
        "tensorParallel": plan.tensor_parallel,
        "weightsGib": round(to_gib(plan.weights_bytes), 2),
        "contextTokens": plan.context_tokens,
        "concurrency": plan.concurrency,
        "kvCacheTokens": plan.kv_tokens,
        "startupBudgetSeconds": plan.startup_budget_seconds,
        "engine": f"{plan.engine} {plan.engine_version}",
    }
