"""Builders of plans and refusals: valid as they come, changed where a test cares."""

from __future__ import annotations

from typing import Any

import pytest

from infra.catalog.facts import Catalog
from infra.catalog.load import shipped
from infra.sizing.hosts import Host
from infra.sizing.plan import Plan, PlanRequest, plan
from infra.sizing.refused import PlanRefusal
from infra.sizing.training_plan import TrainingOutcome, plan_training
from infra.units import gib

__all__ = ["CATALOG", "make_host", "make_plan", "make_training", "refusal"]

CATALOG = shipped()


def make_plan(model: str = "7B", catalog: Catalog = CATALOG, **over: Any) -> Plan:
    return plan(PlanRequest(model=model, **over), catalog)


def refusal(model: str = "7B", catalog: Catalog = CATALOG, **over: Any) -> PlanRefusal:
    with pytest.raises(PlanRefusal) as caught:
        make_plan(model, catalog, **over)
    return caught.value


def make_host(name: str = "a", gpu: str = "L40S", gpus: int = 4, **over: Any) -> Host:
    facts = {"host_memory_bytes": gib(256), "disk_bytes": gib(900), "driver": "580.95.05", "network_gbit": 100.0}
    return Host(name, CATALOG.gpu(gpu), gpus, **{**facts, **over})


def make_training(
    model: str = "7B", workload: str = "lora", request: dict[str, Any] | None = None, **options: Any
) -> TrainingOutcome:
    return plan_training(workload, options, PlanRequest(model=model, **(request or {})), CATALOG)
