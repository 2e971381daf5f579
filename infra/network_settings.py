"""What a stack says about its network on EC2, beyond who may come in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MOST_INTRANET_NETWORKS", "NetworkSettings", "network_settings"]

MOST_INTRANET_NETWORKS = 14
"""IPv4 networks for which a network ACL stays within 20 rules a direction, AWS's own last one included (VPC quotas)."""


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The checked keys of one environment's network."""

    has_interface_endpoints: bool
    """Private doors to AWS services (`vpcEndpoints`); without them only S3 has one."""


def network_settings(values: Mapping[str, Any]) -> NetworkSettings:
    """The network keys among `values`, which are read."""
    return NetworkSettings(has_interface_endpoints=values["vpcEndpoints"])
