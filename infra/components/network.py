"""A private network for one model server: no internet gateway, and one door that only the intranet can use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice

import pulumi
from pulumi_aws import ec2, vpc

from infra.components.network_acl import egress_rules, ingress_rules
from infra.private_network import Network as PrivateNetwork

__all__ = ["Network", "NetworkArgs", "allocate_subnets"]

SMALLEST_SUBNET_PREFIX = 28
"""AWS refuses subnets narrower than /28 (VPC user guide, subnet sizing)."""


@dataclass(frozen=True, slots=True)
class NetworkArgs:
    """Address range, zones that get a subnet, and who may reach `port`."""

    cidr: IPv4Network
    availability_zones: Sequence[str]
    intranet_cidrs: Sequence[PrivateNetwork]
    port: int
    tags: Mapping[str, str]


class Network(pulumi.ComponentResource):
    """VPC, one private subnet a zone behind a network ACL, and the security group of the model server."""

    vpc_id: pulumi.Output[str]
    subnet_ids: Sequence[pulumi.Output[str]]
    route_table_id: pulumi.Output[str]
    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: NetworkArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:Network", name, None, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        private = ec2.Vpc(
            f"{name}-vpc",
            cidr_block=str(args.cidr),
            enable_dns_support=True,
            enable_dns_hostnames=True,
            tags=self._tags("vpc"),
            opts=self._child,
        )
        self.vpc_id = private.id
        table = ec2.RouteTable(f"{name}-routes", vpc_id=private.id, tags=self._tags("routes"), opts=self._child)
        self.route_table_id = table.id
        self.subnet_ids = self._subnets(private, table)
        self._wall(private)
        self.security_group_id = self._security_group(private).id
        self.register_outputs(
            {"vpc_id": self.vpc_id, "subnet_ids": self.subnet_ids, "security_group_id": self.security_group_id}
        )

    def _subnets(self, private: ec2.Vpc, table: ec2.RouteTable) -> list[pulumi.Output[str]]:
        ids = []
        for index, (zone, cidr) in enumerate(self._zones()):
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

    def _wall(self, private: ec2.Vpc) -> None:
        sources, cidr = self._args.intranet_cidrs, self._args.cidr
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

    def _zones(self) -> list[tuple[str, IPv4Network]]:
        zones = list(self._args.availability_zones)
        return list(zip(zones, allocate_subnets(self._args.cidr, len(zones)), strict=True))

    def _security_group(self, private: ec2.Vpc) -> ec2.SecurityGroup:
        group = ec2.SecurityGroup(
            f"{self._name}-server",
            vpc_id=private.id,
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


def allocate_subnets(cidr: IPv4Network, count: int) -> list[IPv4Network]:
    """`count` equal subnets of `cidr`, in order, as large as they can be.

    The prefix grows by ceil(log2(count)), so up to count - 1 blocks of the same size stay free. ValueError where the
    subnets would be narrower than /28.
    """
    prefix = cidr.prefixlen + max(count - 1, 0).bit_length()
    if prefix > SMALLEST_SUBNET_PREFIX:
        raise ValueError(f"{cidr} has no room for {count} subnets of at least /{SMALLEST_SUBNET_PREFIX}")
    return list(islice(cidr.subnets(new_prefix=prefix), count))
