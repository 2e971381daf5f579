"""Spelling of the Pulumi SDKs for Python."""

from __future__ import annotations

import re

__all__ = ["snake_case"]


def snake_case(name: str) -> str:
    """`podDisruptionBudget` as `pod_disruption_budget`; `clusterIP` as `cluster_ip`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
