"""Look-ups of networks that exist: where a type is offered, VPCs, subnets, route tables, prefix lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws_provider.calls import parse_tags
from sandbox.aws_provider.clients import Clients
from sandbox.aws_provider.description import ec2_tags
from sandbox.plugin import PluginError

__all__ = [
    "filters_of",
    "instance_type_offerings",
    "managed_prefix_list",
    "route_table",
    "route_tables",
    "subnet",
    "subnets",
    "vpc",
]

Arguments = Mapping[str, Any]
FILTERS: Final = {
    "availabilityZone": "availability-zone",
    "availabilityZoneId": "availability-zone-id",
    "cidrBlock": "cidr-block",
    "dhcpOptionsId": "dhcp-options-id",
    "gatewayId": "association.gateway-id",
    "routeTableId": "route-table-id",
    "state": "state",
    "subnetId": "association.subnet-id",
    "vpcId": "vpc-id",
}
"""Arguments that are shorthands of a filter."""
ROUTE: Final = {
    "cidrBlock": "DestinationCidrBlock",
    "ipv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
    "carrierGatewayId": "CarrierGatewayId",
    "coreNetworkArn": "CoreNetworkArn",
    "egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    "instanceId": "InstanceId",
    "localGatewayId": "LocalGatewayId",
    "natGatewayId": "NatGatewayId",
    "networkInterfaceId": "NetworkInterfaceId",
    "odbNetworkArn": "OdbNetworkArn",
    "transitGatewayId": "TransitGatewayId",
    "vpcPeeringConnectionId": "VpcPeeringConnectionId",
}


def filters_of(arguments: Arguments) -> list[dict[str, Any]]:
    """The `filters` argument as AWS takes it."""
    return [{"Name": item["name"], "Values": list(item["values"])} for item in arguments.get("filters") or ()]


def instance_type_offerings(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """Where types are offered; none is no error."""
    pages = clients.client("ec2", region).get_paginator("describe_instance_type_offerings")
    kind = arguments.get("locationType") or "region"
    found = [
        offer
        for page in pages.paginate(LocationType=kind, Filters=filters_of(arguments))
        for offer in page["InstanceTypeOfferings"]
    ]
    return {
        "id": region,
        "instanceTypes": [offer["InstanceType"] for offer in found],
        "locations": [offer["Location"] for offer in found],
        "locationTypes": [offer["LocationType"] for offer in found],
        "filters": arguments.get("filters"),
    }


def subnets(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """Ids of the subnets that fit; none is no error."""
    found = clients.client("ec2", region).describe_subnets(Filters=_all_filters(arguments))["Subnets"]
    return {"id": region, "ids": [item["SubnetId"] for item in found], "filters": arguments.get("filters")}


def subnet(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """The one subnet that fits."""
    members = {"SubnetIds": [arguments["id"]]} if arguments.get("id") else {}
    found = clients.client("ec2", region).describe_subnets(Filters=_all_filters(arguments), **members)["Subnets"]
    only = _only(found, "EC2 Subnet")
    return {
        **only,
        "id": only["SubnetId"],
        "arn": _arn(clients, region, f"subnet/{only['SubnetId']}"),
        "tags": parse_tags(ec2_tags("subnet"), only.get("Tags")),
        "filters": arguments.get("filters"),
    }


def vpc(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """The one VPC that fits, with its two DNS attributes."""
    ec2 = clients.client("ec2", region)
    members = {"VpcIds": [arguments["id"]]} if arguments.get("id") else {}
    only = _only(ec2.describe_vpcs(Filters=_all_filters(arguments), **members)["Vpcs"], "EC2 VPC")
    identity = only["VpcId"]
    attributes = {
        f"{name[0].lower()}{name[1:]}": ec2.describe_vpc_attribute(VpcId=identity, Attribute=name)[
            f"{name[0].upper()}{name[1:]}"
        ]["Value"]
        for name in ("enableDnsSupport", "enableDnsHostnames")
    }
    return {
        **only,
        **attributes,
        "id": identity,
        "arn": _arn(clients, region, f"vpc/{identity}"),
        "default": only.get("IsDefault", False),
        "tags": parse_tags(ec2_tags("vpc"), only.get("Tags")),
        "filters": arguments.get("filters"),
    }


def route_tables(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """Ids of the route tables that fit; none is no error."""
    found = clients.client("ec2", region).describe_route_tables(Filters=_all_filters(arguments))["RouteTables"]
    return {"id": region, "ids": [item["RouteTableId"] for item in found], "filters": arguments.get("filters")}


def route_table(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """The one route table that fits, without the local route and those of gateway endpoints, as the official plugin."""
    found = clients.client("ec2", region).describe_route_tables(Filters=_all_filters(arguments))["RouteTables"]
    only = _only(found, "EC2 Route Table")
    identity = only["RouteTableId"]
    return {
        "id": identity,
        "routeTableId": identity,
        "vpcId": only["VpcId"],
        "ownerId": only.get("OwnerId", ""),
        "arn": _arn(clients, region, f"route-table/{identity}"),
        "associations": [_association(item) for item in only.get("Associations", ())],
        "routes": [_route(item) for item in only.get("Routes", ()) if not _is_made_by_aws(item)],
        "tags": parse_tags(ec2_tags("route-table"), only.get("Tags")),
        "filters": arguments.get("filters"),
    }


def managed_prefix_list(arguments: Arguments, clients: Clients, region: str) -> dict[str, Any]:
    """The one list of addresses that fits."""
    filters = filters_of(arguments)
    if arguments.get("name"):
        filters.append({"Name": "prefix-list-name", "Values": [arguments["name"]]})
    members = {"PrefixListIds": [arguments["id"]]} if arguments.get("id") else {}
    found = clients.client("ec2", region).describe_managed_prefix_lists(Filters=filters, **members)["PrefixLists"]
    only = _only(found, "EC2 Managed Prefix List")
    return {
        "id": only["PrefixListId"],
        "name": only["PrefixListName"],
        "arn": only.get("PrefixListArn", ""),
        "addressFamily": only.get("AddressFamily", ""),
        "maxEntries": only.get("MaxEntries", 0),
        "ownerId": only.get("OwnerId", ""),
        "version": only.get("Version", 0),
        "entries": [],
        "tags": {},
        "filters": arguments.get("filters"),
    }


def _all_filters(arguments: Arguments) -> list[dict[str, Any]]:
    shorthands = [{"Name": FILTERS[name], "Values": [arguments[name]]} for name in FILTERS if arguments.get(name)]
    tags = [{"Name": f"tag:{key}", "Values": [value]} for key, value in (arguments.get("tags") or {}).items()]
    return [*filters_of(arguments), *shorthands, *tags]


def _only(found: list[dict[str, Any]], what: str) -> dict[str, Any]:
    if len(found) != 1:
        raise PluginError(f"{'no' if not found else 'multiple'} matching {what} found")
    return found[0]


def _is_made_by_aws(route: Mapping[str, Any]) -> bool:
    return route.get("GatewayId") == "local" or str(route.get("GatewayId", "")).startswith("vpce-")


def _route(route: Mapping[str, Any]) -> dict[str, Any]:
    gateway = str(route.get("GatewayId") or "")
    return {
        **{name: route.get(member) or "" for name, member in ROUTE.items()},
        "gatewayId": gateway,
        "vpcEndpointId": "",
    }


def _association(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "main": bool(item.get("Main")),
        "routeTableAssociationId": item.get("RouteTableAssociationId", ""),
        "routeTableId": item.get("RouteTableId", ""),
        "subnetId": item.get("SubnetId") or "",
        "gatewayId": item.get("GatewayId") or "",
    }


def _arn(clients: Clients, region: str, resource: str) -> str:
    return f"arn:{clients.partition(region)[0]}:ec2:{region}:{clients.account}:{resource}"
