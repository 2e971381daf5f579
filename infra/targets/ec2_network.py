"""The network part of the EC2 target: what exists is looked up here, what is missing becomes components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.endpoints import Account, Endpoints, EndpointsArgs
from infra.components.flow_logs import FlowLogs, FlowLogsArgs
from infra.components.network import Network, NetworkArgs
from infra.settings import Settings

__all__ = ["ServerNetwork", "find_account", "make_network"]


@dataclass(frozen=True, slots=True)
class ServerNetwork:
    """What a server needs to know of its network."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    """One for each zone, the servers' own first."""
    security_group_id: pulumi.Input[str]


def find_account(settings: Settings, lookup: pulumi.InvokeOptions) -> Account:
    """Whose credentials these are."""
    caller = aws.get_caller_identity(opts=lookup)
    partition = aws.get_partition(opts=lookup)
    return Account(caller.account_id, partition.partition, settings.region or "")


def make_network(
    settings: Settings, account: Account, zones: Sequence[str], tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> ServerNetwork:
    """VPC, subnets, security group, flow logs and endpoints."""
    network = Network(
        "network", NetworkArgs(settings.vpc_cidr, zones, settings.intranet_cidrs, settings.port, tags), opts
    )
    FlowLogs("flow-logs", FlowLogsArgs(account, network.vpc_id, tags), opts)
    Endpoints(
        "endpoints",
        EndpointsArgs(
            account=account,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            route_table_ids=[network.route_table_id],
            client_group_id=network.security_group_id,
            has_interfaces=settings.network.has_interface_endpoints,
            tags=tags,
        ),
        opts,
    )
    return ServerNetwork(network.vpc_id, network.subnet_ids, network.security_group_id)
