"""The network part of the EC2 target: what exists is looked up here, what is missing becomes components."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.components.endpoints import Account, Endpoints, EndpointsArgs, SharedEndpoints, SharedEndpointsArgs
from infra.components.flow_logs import FlowLogs, FlowLogsArgs
from infra.components.network import ExistingVpc, Network, NetworkArgs, NewVpc, public_subnet
from infra.components.staging_gateway import StagingGateway, StagingGatewayArgs
from infra.settings import Settings
from infra.targets.existing_vpc import ExistingNetwork, find_existing
from infra.targets.zones import find_zones

__all__ = ["Site", "find_account", "find_site", "make_network"]


@dataclass(frozen=True, slots=True)
class Site:
    """Where the stack stands, known before the first resource."""

    zones: Sequence[str]
    """The servers and their volume stand in the first."""
    existing: ExistingNetwork | None


def find_account(settings: Settings, lookup: pulumi.InvokeOptions) -> Account:
    """Whose credentials these are."""
    caller = aws.get_caller_identity(opts=lookup)
    partition = aws.get_partition(opts=lookup)
    return Account(caller.account_id, partition.partition, settings.region or "")


def find_site(settings: Settings, instance_type: str, lookup: pulumi.InvokeOptions) -> Site:
    """Zones of the region, or those of an existing VPC's subnets."""
    if settings.network.vpc_id is None:
        return Site(find_zones(settings, instance_type, lookup), None)
    existing = find_existing(settings, instance_type, lookup)
    return Site(existing.zones, existing)


def make_network(
    settings: Settings, account: Account, site: Site, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> Network:
    """VPC or not, the servers' security group, and the doors to AWS services."""
    if site.existing is None:
        return _new_network(settings, account, site.zones, tags, opts)
    existing = site.existing
    network = Network(
        "network",
        NetworkArgs(
            ExistingVpc(existing.vpc_id, existing.subnet_ids, existing.route_table_ids),
            settings.intranet_cidrs,
            settings.port,
            tags,
        ),
        opts,
    )
    if settings.network.has_interface_endpoints:
        _endpoints(network, settings, account, tags, opts)
    else:
        shared = SharedEndpointsArgs(existing.cidrs, existing.s3_prefix_list_id, network.security_group_id)
        SharedEndpoints("shared-endpoints", shared, opts)
    return network


def _new_network(
    settings: Settings, account: Account, zones: Sequence[str], tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> Network:
    new = NewVpc(settings.vpc_cidr, zones, settings.network.routes)
    network = Network("network", NetworkArgs(new, settings.intranet_cidrs, settings.port, tags), opts)
    FlowLogs("flow-logs", FlowLogsArgs(account, network.vpc_id, tags), opts)
    _endpoints(network, settings, account, tags, opts)
    if settings.network.has_nat:
        StagingGateway(
            "staging",
            StagingGatewayArgs(
                vpc_id=network.vpc_id,
                availability_zone=zones[0],
                cidr=public_subnet(new),
                route_table_id=network.route_table_ids[0],
                client_group_id=network.security_group_id,
                tags=tags,
            ),
            opts,
        )
    return network


def _endpoints(
    network: Network, settings: Settings, account: Account, tags: Mapping[str, str], opts: pulumi.ResourceOptions
) -> None:
    Endpoints(
        "endpoints",
        EndpointsArgs(
            account=account,
            vpc_id=network.vpc_id,
            subnet_ids=network.subnet_ids,
            route_table_ids=network.route_table_ids,
            client_group_id=network.security_group_id,
            has_interfaces=settings.network.has_interface_endpoints,
            tags=tags,
        ),
        opts,
    )
