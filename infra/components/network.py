"""A private network for one model server: no internet gateway, and one door that only the intranet can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice
from typing import Any

import pulumi
from pulumi_aws import ec2, vpc

from infra.components.network_acl import egress_rules, ingress_rules
from infra.private_network import Network as PrivateNetwork
from infra.private_network import PrivateRoute

__all__ = [
    "ExistingVpc",
    "Network",
    "NetworkArgs",
    "NewVpc",
    "allocate_subnets",
    "private_subnets",
    "public_subnet",
]

SMALLEST_SUBNET_PREFIX = 28
"""AWS refuses subnets narrower than /28 (VPC user guide, subnet sizing)."""


@dataclass(frozen=True, slots=True)
class NewVpc:
    """A VPC that the stack makes: its range, the zones that get a subnet, and ways to private networks."""

    cidr: IPv4Network
    availability_zones: Sequence[str]
    routes: Sequence[PrivateRoute] = ()


@dataclass(frozen=True, slots=True)
class ExistingVpc:
    """A VPC that is there: nothing of it is changed."""

    vpc_id: str
    subnet_ids: Sequence[str]
    route_table_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class NetworkArgs:
    """Where the servers stand, and who may reach `port`."""

    vpc: NewVpc | ExistingVpc
    intranet_cidrs: Sequence[PrivateNetwork]
    port: int
    tags: Mapping[str, str]


class Network(pulumi.ComponentResource):
    """VPC with private subnets behind a network ACL (or one that exists), and the model server's security group."""

    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    route_table_ids: Sequence[pulumi.Input[str]]
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:Network", name, None, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        if isinstance(args.vpc, NewVpc):
            self._make(args.vpc)
        else:
            self.vpc_id, self.subnet_ids = args.vpc.vpc_id, args.vpc.subnet_ids
            self.route_table_ids = args.vpc.route_table_ids
        self.security_group_id = self._security_group().id
        self.register_outputs(
            {"vpc_id": self.vpc_id, "subnet_ids": self.subnet_ids, "security_group_id": self.security_group_id}
        )

    def _make(self, new: NewVpc) -> None:
        private = ec2.Vpc(
            f"{self._name}-vpc",
            cidr_block=str(new.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags("vpc"),
            opts=self._child,
        )
        table = ec2.RouteTable(f"{self._name}-routes", vpc_id=private.id, tags=self._tags("routes"), opts=self._child)
        self.vpc_id, self.route_table_ids = private.id, [table.id]
        self.subnet_ids = self._subnets(new, private, table)
        for index, route in enumerate(new.routes):
            ec2.Route(
                f"{self._name}-route-{index}",
                route_table_id=table.id,
                destination_cidr_block=str(route.cidr),
                opts=self._child,
                **_target(route),
            )
        self._wall(new, private)

    def _subnets(self, new: NewVpc, private: ec2.Vpc, table: ec2.RouteTable) -> list[pulumi.Output[str]]:
        ids = []
        for index, (zone, cidr) in enumerate(zip(new.availability_zones, private_subnets(new), strict=True)):
            subnet = ec2.Subnet(
                f"{self._name}-private-{index}",
                vpc_id=private.id,
                availability_zone=zone,
                cidr_block=str(cidr),
                map_public_ip_on_launch=False,
                tags=self._tags(f"private-{index}"),
                opts=self._child,
            )
            ec2.RouteTableAssociation(
                f"{self._name}-private-{index}-routes", subnet_id=subnet.id, route_table_id=table.id, opts=self._child
            )
            ids.append(subnet.id)
        return ids

    def _wall(self, new: NewVpc, private: ec2.Vpc) -> None:
        sources, cidr = self._args.intranet_cidrs, new.cidr
        ingress, egress = ingress_rules(sources, cidr, self._args.port), egress_rules(sources, cidr)
        ec2.NetworkAcl(
            f"{self._name}-wall",
            vpc_id=private.id,
            subnet_ids=self.subnet_ids,
            ingress=[ec2.NetworkAclIngressArgs(**rule) for rule in ingress],
            egress=[ec2.NetworkAclEgressArgs(**rule) for rule in egress],
            tags=self._tags("wall"),
            opts=self._child,
        )

    def _security_group(self) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            f"{self._name}-server",
            vpc_id=self.vpc_id,
            description="Model server: intranet in, VPC endpoints out",
            tags=self._tags("server"),
            opts=self._child,
        )
        for index, source in enumerate(self._args.intranet_cidrs):
            vpc.SecurityGroupIngressRule(
                f"{self._name}-intranet-{index}",
                security_group_id=group.id,
                description="Model API from the intranet",
                ip_protocol="tcp",
                from_port=self._args.port,
                to_port=self._args.port,
                cidr_ipv4=str(source) if source.version == 4 else None,
                cidr_ipv6=str(source) if source.version == 6 else None,
                opts=self._child,
            )
        return group

    def _tags(self, role: str) -> dict[str, str]:
        return {**self._args.tags, "Name": f"{pulumi.get_stack()}-{self._name}-{role}"}


def private_subnets(new: NewVpc) -> list[IPv4Network]:
    """A range for each zone."""
    return _blocks(new)[:-1]


def public_subnet(new: NewVpc) -> IPv4Network:
    """The range behind the private ones, kept free so that a NAT gateway can come and go and no subnet moves."""
    return _blocks(new)[-1]


def _blocks(new: NewVpc) -> list[IPv4Network]:
    return allocate_subnets(new.cidr, len(new.availability_zones) + 1)


def _target(route: PrivateRoute) -> dict[str, Any]:
    arguments = {"vgw": "gateway_id", "tgw": "transit_gateway_id", "pcx": "vpc_peering_connection_id"}
    return {arguments[route.target.partition("-")[0]]: route.target}


def allocate_subnets(cidr: IPv4Network, count: int) -> list[IPv4Network]:
    """`count` equal subnets of `cidr`, in order, as large as they can be.

    The prefix grows by ceil(log2(count)), so up to count - 1 blocks of the same size stay free. ValueError where the
    subnets would be narrower than /28.
    """
    prefix = cidr.prefixlen + max(count - 1, 0).bit_length()
    if prefix > SMALLEST_SUBNET_PREFIX:
        raise ValueError(f"{cidr} has no room for {count} subnets of at least /{SMALLEST_SUBNET_PREFIX}")
    return list(islice(cidr.subnets(new_prefix=prefix), count))
