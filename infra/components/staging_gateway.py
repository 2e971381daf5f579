"""A way out to a model hub while weights are staged: the only part with a public address, which no server has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
from pulumi_aws import ec2, vpc

__all__ = ["StagingGateway", "StagingGatewayArgs"]

HTTPS_PORT = 443
ANYWHERE = "0.0.0.0/0"
"""A hub's files come from delivery networks, whose addresses nobody can list."""


@dataclass(frozen=True, slots=True)
class StagingGatewayArgs:
    """Where the public subnet goes, whose route table leads to it, and whose security group may use it."""

    vpc_id: pulumi.Input[str]
    availability_zone: str
    cidr: IPv4Network
    route_table_id: pulumi.Input[str]
    client_group_id: pulumi.Input[str]
    tags: Mapping[str, str]


class StagingGateway(pulumi.ComponentResource):
    """Internet gateway, a public subnet that holds a NAT gateway alone, and HTTPS from the servers to it."""

    def __init__(self, name: str, args: StagingGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:StagingGateway", name, None, opts)
        self._name, self._args, self._child = name, args, pulumi.ResourceOptions(parent=self)
        nat = self._nat(self._public_subnet())
        ec2.Route(
            f"{name}-way-out",
            route_table_id=args.route_table_id,
            destination_cidr_block=ANYWHERE,
            nat_gateway_id=nat.id,
            opts=self._child,
        )
        vpc.SecurityGroupEgressRule(
            f"{name}-to-hub",
            security_group_id=args.client_group_id,
            description="HTTPS to a model hub while weights are staged",
            ip_protocol="tcp",
            from_port=HTTPS_PORT,
            to_port=HTTPS_PORT,
            cidr_ipv4=ANYWHERE,
            opts=self._child,
        )
        self.register_outputs({})

    def _public_subnet(self) -> ec2.RouteTableAssociation:
        """The subnet with its route to the internet, given as what joins the two: a NAT gateway needs both."""
        gateway = ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self._args.vpc_id, tags=self._tags("internet"), opts=self._child
        )
        subnet = ec2.Subnet(
            f"{self._name}-public",
            vpc_id=self._args.vpc_id,
            availability_zone=self._args.availability_zone,
            cidr_block=str(self._args.cidr),
            map_public_ip_on_launch=False,
            tags=self._tags("public"),
            opts=self._child,
        )
        table = ec2.RouteTable(
            f"{self._name}-routes", vpc_id=self._args.vpc_id, tags=self._tags("routes"), opts=self._child
        )
        ec2.Route(
            f"{self._name}-to-internet",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=self._child,
        )
        return ec2.RouteTableAssociation(
            f"{self._name}-public-routes",
            subnet_id=subnet.id,
            route_table_id=table.id,
            # AWS makes no NAT gateway in a VPC without an internet gateway.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[gateway]),
        )

    def _nat(self, public: ec2.RouteTableAssociation) -> ec2.NatGateway:
        address = ec2.Eip(
            f"{self._name}-address",
            domain="vpc",
            tags=self._tags("address"),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[public]),
        )
        return ec2.NatGateway(
            f"{self._name}-nat",
            allocation_id=address.id,
            subnet_id=public.subnet_id.apply(str),
            tags=self._tags("nat"),
            opts=self._child,
        )

    def _tags(self, role: str) -> dict[str, str]:
        return {**self._args.tags, "Name": f"{pulumi.get_stack()}-{self._name}-{role}"}
