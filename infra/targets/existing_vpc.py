"""A VPC that exists, as AWS describes it, and what must hold of its subnets before anything is put into them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from infra.errors import ConfigurationError, raise_all
from infra.settings import Settings
from infra.targets.looking_up import looking_up
from infra.targets.zones import offering_zones

__all__ = ["ExistingNetwork", "find_existing"]


@dataclass(frozen=True, slots=True)
class ExistingNetwork:
    """What the stack uses of it."""

    vpc_id: str
    cidrs: Sequence[str]
    subnet_ids: Sequence[str]
    zones: Sequence[str]
    """Of each subnet, in the order of `subnet_ids`."""
    route_table_ids: Sequence[str]
    s3_prefix_list_id: str
    """Addresses of S3, for a rule that lets the servers out to an endpoint which is not the stack's."""


@dataclass(frozen=True, slots=True)
class _Subnet:
    id: str
    vpc_id: str
    zone: str
    route_table_id: str
    gives_public_addresses: bool


def find_existing(settings: Settings, instance_type: str, lookup: pulumi.InvokeOptions) -> ExistingNetwork:
    """The VPC of `vpcId`; everything that does not fit is refused at once."""
    vpc_id = settings.network.vpc_id or ""
    with looking_up():
        found = aws.ec2.get_vpc(id=vpc_id, opts=lookup)
        subnets = [_look_up_subnet(identity, lookup) for identity in settings.network.subnet_ids]
        tables = tuple(dict.fromkeys(subnet.route_table_id for subnet in subnets))
        public = {table for table in tables if _leads_to_the_internet(table, lookup)}
        offering = offering_zones(instance_type, lookup)
        s3 = aws.ec2.get_managed_prefix_list(name=f"com.amazonaws.{settings.region}.s3", opts=lookup).id
    errors = list(_wrong_subnets(subnets, vpc_id, public, offering, instance_type))
    if settings.network.has_interface_endpoints and not (found.enable_dns_support and found.enable_dns_hostnames):
        errors.append(
            ConfigurationError(
                f"seekstack:vpcId: {vpc_id} does not resolve names, which the private names of endpoints need",
                code="SKS0408",
                key="seekstack:vpcId",
                value=vpc_id,
                allowed="a VPC with DNS support and DNS hostnames",
                fix="switch both on (VPC settings), or: pulumi config set seekstack:vpcEndpoints false",
            )
        )
    raise_all(errors)
    cidrs = [item.cidr_block for item in found.cidr_block_associations if item.state == "associated"]
    return ExistingNetwork(
        vpc_id=vpc_id,
        cidrs=cidrs or [found.cidr_block],
        subnet_ids=settings.network.subnet_ids,
        zones=[subnet.zone for subnet in subnets],
        route_table_ids=tables,
        s3_prefix_list_id=s3,
    )


def _look_up_subnet(identity: str, lookup: pulumi.InvokeOptions) -> _Subnet:
    found = aws.ec2.get_subnet(id=identity, opts=lookup)
    # A subnet that names no table has the VPC's main one, which AWS does not tell by the subnet.
    own = [aws.ec2.GetRouteTablesFilterArgs(name="association.subnet-id", values=[identity])]
    main = [aws.ec2.GetRouteTablesFilterArgs(name="association.main", values=["true"])]
    tables = aws.ec2.get_route_tables(vpc_id=found.vpc_id, filters=own, opts=lookup).ids
    tables = tables or aws.ec2.get_route_tables(vpc_id=found.vpc_id, filters=main, opts=lookup).ids
    return _Subnet(identity, found.vpc_id, found.availability_zone, tables[0], found.map_public_ip_on_launch)


def _leads_to_the_internet(table: str, lookup: pulumi.InvokeOptions) -> bool:
    routes = aws.ec2.get_route_table(route_table_id=table, opts=lookup).routes
    return any(route.gateway_id.startswith("igw-") for route in routes)


def _wrong_subnets(
    subnets: Sequence[_Subnet], vpc_id: str, public: Collection[str], offering: Collection[str], instance_type: str
) -> Iterator[ConfigurationError]:
    zones: dict[str, str] = {}
    for index, subnet in enumerate(subnets):
        where = ", ".join(sorted(offering)) or "none"
        if subnet.vpc_id != vpc_id:
            yield _wrong(index, subnet, "SKS0404", f"is in {subnet.vpc_id}", f"subnets of {vpc_id}")
        if subnet.zone in zones:
            yield _wrong(index, subnet, "SKS0405", f"is in {subnet.zone}, as {zones[subnet.zone]}", "one subnet a zone")
        if subnet.zone not in offering:
            message = f"is in {subnet.zone}, which does not offer {instance_type}"
            yield _wrong(index, subnet, "SKS0406", message, f"zones that do: {where}")
        if subnet.route_table_id in public or subnet.gives_public_addresses:
            message = "leads to an internet gateway" if subnet.route_table_id in public else "gives public addresses"
            yield _wrong(index, subnet, "SKS0407", message, "private subnets")
        zones.setdefault(subnet.zone, subnet.id)


def _wrong(index: int, subnet: _Subnet, code: str, message: str, allowed: str) -> ConfigurationError:
    key = f"seekstack:subnetIds[{index}]"
    return ConfigurationError(
        f"{key}: {subnet.id} {message}",
        code=code,
        key=key,
        value=subnet.id,
        allowed=allowed,
        fix=f"pulumi config set --path '{key}' <subnet id>",
    )
