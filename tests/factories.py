"""Builders of settings and plans for tests: valid as they come, changed where a test cares."""

from __future__ import annotations

from infra.catalog.load import load
from infra.planning import plan_for
from infra.settings import Settings, parse
from infra.sizing.result import Plan

__all__ = ["make_plan", "make_settings"]

EC2 = {"model": "1.5B", "intranetCidrs": ["10.0.0.0/8", "192.168.0.0/16"]}


def make_settings(*, region: str = "us-east-1", **over: object) -> Settings:
    """Settings of an EC2 stack; `over` are configuration keys as in a stack file."""
    return parse({**EC2, **over}, load(), region=region)


def make_plan(settings: Settings | None = None) -> Plan:
    """The plan of `settings`."""
    return plan_for(settings or make_settings(), load())
