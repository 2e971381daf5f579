"""EC2 networks: VPC, subnet, routing and gateways."""

from __future__ import annotations

import zlib
from typing import Any, Final

from sandbox.aws_provider.description import Call, Items, Setting, Type, View, Wait, arn, ec2_tags

__all__ = ["TYPES"]

VPC: Final = Type(
    token="aws:ec2/vpc:Vpc",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_vpc", auto=True),
    id="response.Vpc.VpcId",
    read=Call("describe_vpcs", {"VpcIds": "[id]"}, result="Vpcs[0]"),
    more={
        "dns_support": Call(
            "describe_vpc_attribute",
            {"VpcId": "id", "Attribute": "'enableDnsSupport'"},
            result="EnableDnsSupport.Value",
        ),
        "dns_hostnames": Call(
            "describe_vpc_attribute",
            {"VpcId": "id", "Attribute": "'enableDnsHostnames'"},
            result="EnableDnsHostnames.Value",
        ),
        "route_table": Call(
            "describe_route_tables",
            {"Filters": "[{Name: 'vpc-id', Values: [id]}, {Name: 'association.main', Values: ['true']}]"},
            result="RouteTables[0].RouteTableId",
        ),
        "network_acl": Call(
            "describe_network_acls",
            {"Filters": "[{Name: 'vpc-id', Values: [id]}, {Name: 'default', Values: ['true']}]"},
            result="NetworkAcls[0].NetworkAclId",
        ),
        "security_group": Call(
            "describe_security_groups",
            {"Filters": "[{Name: 'vpc-id', Values: [id]}, {Name: 'group-name', Values: ['default']}]"},
            result="SecurityGroups[0].GroupId",
        ),
    },
    outputs={
        "arn": arn("ec2", "vpc/{id}"),
        "enableDnsSupport": "more.dns_support",
        "enableDnsHostnames": "more.dns_hostnames",
        "mainRouteTableId": "more.route_table",
        "defaultRouteTableId": "more.route_table",
        "defaultNetworkAclId": "more.network_acl",
        "defaultSecurityGroupId": "more.security_group",
        "ipv6AssociationId": "it.Ipv6CidrBlockAssociationSet[0].AssociationId",
        "ipv6CidrBlock": "it.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock",
        "ipv6CidrBlockNetworkBorderGroup": "it.Ipv6CidrBlockAssociationSet[0].NetworkBorderGroup",
    },
    rename={"assignGeneratedIpv6CidrBlock": "AmazonProvidedIpv6CidrBlock"},
    replaces=("cidrBlock", "ipv4IpamPoolId", "ipv4NetmaskLength", "instanceTenancy"),
    settings=(
        Setting(
            ("enableDnsSupport",),
            [Call("modify_vpc_attribute", {"VpcId": "id", "EnableDnsSupport.Value": "inputs.enableDnsSupport"})],
            initial={"enableDnsSupport": True},
        ),
        Setting(
            ("enableDnsHostnames",),
            [Call("modify_vpc_attribute", {"VpcId": "id", "EnableDnsHostnames.Value": "inputs.enableDnsHostnames"})],
            initial={"enableDnsHostnames": False},
        ),
    ),
    tags=ec2_tags("vpc"),
    delete=[Call("delete_vpc", {"VpcId": "id"})],
    defaults={"enableDnsSupport": True, "instanceTenancy": "default"},
    unsupported=(
        "assignGeneratedIpv6CidrBlock",
        "enableNetworkAddressUsageMetrics",
        "ipv4IpamPoolId",
        "ipv4NetmaskLength",
        "ipv6CidrBlock",
        "ipv6CidrBlockNetworkBorderGroup",
        "ipv6IpamPoolId",
        "ipv6NetmaskLength",
    ),
)

SUBNET: Final = Type(
    token="aws:ec2/subnet:Subnet",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_subnet", auto=True),
    id="response.Subnet.SubnetId",
    read=Call("describe_subnets", {"SubnetIds": "[id]"}, result="Subnets[0]"),
    outputs={
        "arn": arn("ec2", "subnet/{id}"),
        "ipv6CidrBlockAssociationId": "it.Ipv6CidrBlockAssociationSet[0].AssociationId",
        "ipv6CidrBlock": "it.Ipv6CidrBlockAssociationSet[0].Ipv6CidrBlock",
        "privateDnsHostnameTypeOnLaunch": "it.PrivateDnsNameOptionsOnLaunch.HostnameType || 'ip-name'",
    },
    replaces=("vpcId", "cidrBlock", "availabilityZone", "availabilityZoneId"),
    settings=(
        Setting(
            ("mapPublicIpOnLaunch",),
            [
                Call(
                    "modify_subnet_attribute",
                    {"SubnetId": "id", "MapPublicIpOnLaunch.Value": "inputs.mapPublicIpOnLaunch || `false`"},
                )
            ],
            initial={"mapPublicIpOnLaunch": False},
        ),
    ),
    tags=ec2_tags("subnet"),
    delete=[Call("delete_subnet", {"SubnetId": "id"})],
    defaults={
        "assignIpv6AddressOnCreation": False,
        "enableDns64": False,
        "enableResourceNameDnsARecordOnLaunch": False,
        "enableResourceNameDnsAaaaRecordOnLaunch": False,
        "ipv6Native": False,
        "mapPublicIpOnLaunch": False,
    },
    unique=("vpcId", "cidrBlock"),
    unsupported=(
        "assignIpv6AddressOnCreation",
        "customerOwnedIpv4Pool",
        "enableDns64",
        "enableLniAtDeviceIndex",
        "enableResourceNameDnsARecordOnLaunch",
        "enableResourceNameDnsAaaaRecordOnLaunch",
        "ipv4IpamPoolId",
        "ipv4NetmaskLength",
        "ipv6CidrBlock",
        "ipv6IpamPoolId",
        "ipv6Native",
        "ipv6NetmaskLength",
        "mapCustomerOwnedIpOnLaunch",
        "outpostArn",
        "privateDnsHostnameTypeOnLaunch",
    ),
)


ROUTE_DESTINATIONS: Final = {
    "DestinationCidrBlock": "item.cidrBlock",
    "DestinationIpv6CidrBlock": "item.ipv6CidrBlock",
    "DestinationPrefixListId": "item.destinationPrefixListId",
}


def _own_routes(view: View) -> list[dict[str, Any]]:
    """Routes that a program can have written: not the local one, not a gateway endpoint's, not a propagated one."""
    return [
        route
        for route in view.it.get("Routes", ())
        if route.get("GatewayId") != "local"
        and not route.get("DestinationPrefixListId", "").startswith("pl-")
        and route.get("Origin") != "EnableVgwRoutePropagation"
    ]


ROUTE_TABLE: Final = Type(
    token="aws:ec2/routeTable:RouteTable",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_route_table", auto=True),
    id="response.RouteTable.RouteTableId",
    read=Call("describe_route_tables", {"RouteTableIds": "[id]"}, result="RouteTables[0]"),
    outputs={"arn": arn("ec2", "route-table/{id}"), "routes": _own_routes},
    rename={
        "routes.cidrBlock": "DestinationCidrBlock",
        "routes.ipv6CidrBlock": "DestinationIpv6CidrBlock",
        "routes.egressOnlyGatewayId": "EgressOnlyInternetGatewayId",
    },
    replaces=("vpcId",),
    items=(
        Items(
            "routes",
            add=Call("create_route", {"RouteTableId": "id"}, auto=True),
            remove=Call("delete_route", {"RouteTableId": "id", **ROUTE_DESTINATIONS}, ignore=["InvalidRoute.NotFound"]),
        ),
    ),
    tags=ec2_tags("route-table"),
    delete=[Call("delete_route_table", {"RouteTableId": "id"})],
    not_found=("InvalidRouteTableID.NotFound",),
    unsupported=("propagatingVgws",),
)


def _association(view: View) -> Any:
    tables = view.response.get("RouteTables", ())
    found = (a for table in tables for a in table.get("Associations", ()) if a["RouteTableAssociationId"] == view.id)
    return next(found, None)


def _association_import(text: str, view: View) -> tuple[str, dict[str, Any]]:
    """`<subnet or gateway id>/<route table id>`, as the official plugin takes it; the association's own id too."""
    target, slash, table = text.partition("/")
    if not slash:
        return text, {}
    found = view.call("ec2", "describe_route_tables", RouteTableIds=[table])["RouteTables"][0]["Associations"]
    match = next((a for a in found if target in (a.get("SubnetId"), a.get("GatewayId"))), None)
    return (match["RouteTableAssociationId"] if match else text), {}


ROUTE_TABLE_ASSOCIATION: Final = Type(
    token="aws:ec2/routeTableAssociation:RouteTableAssociation",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("associate_route_table", auto=True),
    id="response.AssociationId",
    read=Call(
        "describe_route_tables",
        {"Filters": "[{Name: 'association.route-table-association-id', Values: [id]}]"},
        result=_association,
    ),
    # AWS gives a moved association a new id, which Pulumi cannot take over in an update.
    replaces=("subnetId", "gatewayId", "routeTableId"),
    delete_first=True,
    delete=[Call("disassociate_route_table", {"AssociationId": "id"})],
    not_found=("InvalidAssociationID.NotFound",),
    import_id=_association_import,
)

DESTINATIONS: Final = {
    "destinationCidrBlock": "DestinationCidrBlock",
    "destinationIpv6CidrBlock": "DestinationIpv6CidrBlock",
    "destinationPrefixListId": "DestinationPrefixListId",
}


def _destination(view: View) -> str:
    return next((str(view.inputs[name]) for name in DESTINATIONS if view.inputs.get(name)), "")


def _route(view: View) -> Any:
    tables = view.response.get("RouteTables", ())
    wanted = _destination(view)
    routes = (route for table in tables for route in table.get("Routes", ()))
    return next((r for r in routes if wanted in {r.get(member) for member in DESTINATIONS.values()}), None)


def _route_id(view: View) -> str:
    """As the official plugin builds it: the table and the CRC-32 of the destination."""
    return f"r-{view.inputs['routeTableId']}{zlib.crc32(_destination(view).encode())}"


def _route_import(text: str, _: View) -> tuple[str, dict[str, Any]]:
    table, destination = text.split("_", 1)
    kind = "Ipv6CidrBlock" if ":" in destination else "PrefixListId" if destination.startswith("pl-") else "CidrBlock"
    seeds = {"routeTableId": table, f"destination{kind}": destination}
    return f"r-{table}{zlib.crc32(destination.encode())}", seeds


ROUTE: Final = Type(
    token="aws:ec2/route:Route",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_route", auto=True),
    id=_route_id,
    read=Call("describe_route_tables", {"RouteTableIds": "[inputs.routeTableId]"}, result=_route),
    outputs={"routeTableId": "inputs.routeTableId"},
    rename={"egressOnlyGatewayId": "EgressOnlyInternetGatewayId"},
    replaces=("routeTableId", *DESTINATIONS),
    update=Call("replace_route", auto=True),
    unique=("routeTableId", *DESTINATIONS),
    delete=[
        Call(
            "delete_route",
            {"RouteTableId": "inputs.routeTableId", **{aws: f"inputs.{name}" for name, aws in DESTINATIONS.items()}},
        )
    ],
    not_found=("InvalidRoute.NotFound", "InvalidRouteTableID.NotFound"),
    recover=lambda view: f"{view.inputs['routeTableId']}_{_destination(view)}",
    import_id=_route_import,
    unsupported=("odbNetworkArn",),
)

INTERNET_GATEWAY: Final = Type(
    token="aws:ec2/internetGateway:InternetGateway",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_internet_gateway", auto=True),
    id="response.InternetGateway.InternetGatewayId",
    read=Call("describe_internet_gateways", {"InternetGatewayIds": "[id]"}, result="InternetGateways[0]"),
    outputs={"arn": arn("ec2", "internet-gateway/{id}"), "vpcId": "it.Attachments[0].VpcId"},
    settings=(
        Setting(
            ("vpcId",),
            [
                Call(
                    "detach_internet_gateway",
                    {"InternetGatewayId": "id", "VpcId": "outputs.vpcId"},
                    when="outputs.vpcId",
                ),
                Call("attach_internet_gateway", {"InternetGatewayId": "id", "VpcId": "inputs.vpcId"}),
            ],
        ),
    ),
    tags=ec2_tags("internet-gateway"),
    before_delete=[
        Call(
            "detach_internet_gateway",
            {"InternetGatewayId": "id", "VpcId": "it.Attachments[0].VpcId"},
            when="it.Attachments[0].VpcId",
        )
    ],
    delete=[Call("delete_internet_gateway", {"InternetGatewayId": "id"})],
)

NAT_GATEWAY: Final = Type(
    token="aws:ec2/natGateway:NatGateway",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_nat_gateway", auto=True),
    id="response.NatGateway.NatGatewayId",
    read=Call("describe_nat_gateways", {"NatGatewayIds": "[id]"}, result="NatGateways[0]"),
    outputs={
        "allocationId": "it.NatGatewayAddresses[?IsPrimary!=`false`] | [0].AllocationId",
        "associationId": "it.NatGatewayAddresses[?IsPrimary!=`false`] | [0].AssociationId",
        "networkInterfaceId": "it.NatGatewayAddresses[?IsPrimary!=`false`] | [0].NetworkInterfaceId",
        "privateIp": "it.NatGatewayAddresses[?IsPrimary!=`false`] | [0].PrivateIp",
        "publicIp": "it.NatGatewayAddresses[?IsPrimary!=`false`] | [0].PublicIp",
    },
    rename={"privateIp": "PrivateIpAddress"},
    replaces=("allocationId", "connectivityType", "privateIp", "subnetId"),
    ready=Wait("it.State", done=["available"], failed=["failed", "deleted"], timeout_seconds=300),
    gone=Wait("it.State", done=["deleted"], timeout_seconds=300),
    tags=ec2_tags("natgateway"),
    delete=[Call("delete_nat_gateway", {"NatGatewayId": "id"})],
    not_found=("NatGatewayNotFound",),
    defaults={"connectivityType": "public"},
    unsupported=(
        "availabilityMode",
        "availabilityZoneAddresses",
        "secondaryAllocationIds",
        "secondaryPrivateIpAddressCount",
        "secondaryPrivateIpAddresses",
        "vpcId",
    ),
)

EIP: Final = Type(
    token="aws:ec2/eip:Eip",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("allocate_address", auto=True, omit=["instance", "networkInterface"]),
    id="response.AllocationId",
    read=Call("describe_addresses", {"AllocationIds": "[id]"}, result="Addresses[0]"),
    outputs={
        "arn": arn("ec2", "elastic-ip/{id}"),
        "instance": "it.InstanceId",
        "networkInterface": "it.NetworkInterfaceId",
        "privateIp": "it.PrivateIpAddress",
    },
    replaces=("address", "domain", "networkBorderGroup", "publicIpv4Pool"),
    settings=(
        Setting(
            ("instance", "networkInterface", "associateWithPrivateIp"),
            [
                Call(
                    "associate_address",
                    {
                        "AllocationId": "id",
                        "InstanceId": "inputs.instance",
                        "NetworkInterfaceId": "inputs.networkInterface",
                        "PrivateIpAddress": "inputs.associateWithPrivateIp",
                        "AllowReassociation": "`true`",
                    },
                )
            ],
            unset=[
                Call(
                    "disassociate_address",
                    {"AssociationId": "outputs.associationId"},
                    when="outputs.associationId",
                )
            ],
        ),
    ),
    tags=ec2_tags("elastic-ip"),
    before_delete=[Call("disassociate_address", {"AssociationId": "it.AssociationId"}, when="it.AssociationId")],
    delete=[Call("release_address", {"AllocationId": "id"})],
    not_found=("InvalidAllocationID.NotFound", "InvalidAddress.NotFound"),
    defaults={"domain": "vpc"},
    unsupported=("customerOwnedIpv4Pool", "ipamPoolId"),
)

TYPES: Final = (
    VPC,
    SUBNET,
    ROUTE_TABLE,
    ROUTE_TABLE_ASSOCIATION,
    ROUTE,
    INTERNET_GATEWAY,
    NAT_GATEWAY,
    EIP,
)
