"""VPC, subnet, routing and gateways."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import REGION, Live, World

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
IGW = "aws:ec2/internetGateway:InternetGateway"


def a_vpc(world: World, **inputs: Any) -> Live:
    return world.up(VPC, "net", **({"cidrBlock": "10.20.0.0/16"} | inputs))


def a_subnet(world: World, vpc: Live, **inputs: Any) -> Live:
    return world.up(SUBNET, "private", **({"vpcId": vpc.id, "cidrBlock": "10.20.0.0/24"} | inputs))


def test_a_vpc_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world, enableDnsHostnames=True, tags={"Name": "net"})
    assert vpc.outputs["arn"] == f"arn:aws:ec2:{REGION}:123456789012:vpc/{vpc.id}"
    assert vpc.outputs["defaultSecurityGroupId"].startswith("sg-")
    assert vpc.outputs["mainRouteTableId"].startswith("rtb-")
    assert vpc.outputs["enableDnsHostnames"] is True
    assert vpc.outputs["enableDnsSupport"] is True
    assert vpc.update(enableDnsHostnames=False, tags={"Name": "net2"}) == {
        "enableDnsHostnames": "update",
        "tags.Name": "update",
    }
    assert vpc.plan(cidrBlock="10.21.0.0/16") == {"cidrBlock": "replace"}
    assert vpc.imported()[0] == {
        "cidrBlock": "10.20.0.0/16",
        "enableDnsSupport": True,
        "instanceTenancy": "default",
        "tags": {"Name": "net2"},
    }
    vpc.delete()
    assert world.left() == {}


def test_drift_of_a_vpc_is_found_and_mended(world: World) -> None:
    vpc = a_vpc(world, tags={"Name": "net"})
    ec2 = world.client("ec2")
    ec2.create_tags(Resources=[vpc.id], Tags=[{"Key": "Name", "Value": "x"}, {"Key": "stray", "Value": "y"}])
    ec2.modify_vpc_attribute(VpcId=vpc.id, EnableDnsSupport={"Value": False})
    assert vpc.refresh()
    assert vpc.plan() == {"tags.Name": "update", "tags.stray": "update", "enableDnsSupport": "update"}
    vpc.update()
    assert vpc.refresh()
    assert vpc.outputs["tags"] == {"Name": "net"}
    assert vpc.outputs["enableDnsSupport"] is True


def test_a_vpc_deleted_behind_our_back_is_gone_and_an_update_says_refresh(world: World) -> None:
    vpc = a_vpc(world)
    world.client("ec2").delete_vpc(VpcId=vpc.id)
    with pytest.raises(PluginError, match=r"updating urn:.*vpc-\w+ does not exist any more.*pulumi refresh"):
        vpc.update(tags={"a": "1"})
    assert not vpc.refresh()


def test_an_error_names_code_property_and_urn(world: World) -> None:
    vpc = a_vpc(world)
    with pytest.raises(PluginError) as caught:
        a_subnet(world, vpc, cidrBlock="192.168.0.0/24")
    text = str(caught.value)
    assert text.startswith("creating urn:pulumi:dev::project::aws:ec2/subnet:Subnet::private: InvalidSubnet.Range: ")
    assert text.endswith("(property cidrBlock)")


def test_a_subnet_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    subnet = a_subnet(world, vpc, availabilityZone=f"{REGION}a", tags={"a": "1"})
    assert subnet.outputs["availabilityZone"] == f"{REGION}a"
    assert subnet.update(mapPublicIpOnLaunch=True, tags={"a": "2"}) == {
        "mapPublicIpOnLaunch": "update",
        "tags.a": "update",
    }
    assert subnet.update(mapPublicIpOnLaunch=False) == {"mapPublicIpOnLaunch": "update"}
    assert subnet.plan(availabilityZone=f"{REGION}b") == {"availabilityZone": "replace"}
    assert subnet.imported()[0]["cidrBlock"] == "10.20.0.0/24"
    subnet.delete()
    vpc.delete()
    assert world.left() == {}


def test_inline_routes_are_added_and_removed_one_by_one(world: World) -> None:
    vpc, gateway = a_vpc(world), world.up(IGW, "gateway")
    world.client("ec2").attach_internet_gateway(InternetGatewayId=gateway.id, VpcId=vpc.id)
    assert gateway.refresh()
    table = world.up(
        ROUTE_TABLE,
        "routes",
        vpcId=vpc.id,
        routes=[{"cidrBlock": "172.16.0.0/12", "gatewayId": gateway.id}],
        tags={"Name": "r"},
    )
    assert table.outputs["routes"][0]["cidrBlock"] == "172.16.0.0/12"
    to_all = {"cidrBlock": "192.168.0.0/16", "gatewayId": gateway.id}
    assert table.update(routes=[to_all, {"cidrBlock": "172.16.0.0/12", "gatewayId": gateway.id}]) == {
        "routes[0]": "update"
    }
    world.client("ec2").delete_route(RouteTableId=table.id, DestinationCidrBlock="172.16.0.0/12")
    assert table.refresh()
    assert table.plan() == {"routes[1]": "update"}
    table.update()
    table.update(routes=[to_all])
    assert [route["cidrBlock"] for route in table.outputs["routes"]] == ["192.168.0.0/16"]
    assert table.imported()[0]["routes"] == [to_all]
    table.delete()
    gateway.delete()
    vpc.delete()
    assert world.left() == {}


def test_a_route_of_its_own_is_no_drift_of_a_table_without_inline_routes(world: World) -> None:
    vpc = a_vpc(world)
    gateway = world.up(IGW, "gateway", vpcId=vpc.id)
    table = world.up(ROUTE_TABLE, "routes", vpcId=vpc.id)
    route = world.up(
        "aws:ec2/route:Route", "out", routeTableId=table.id, destinationCidrBlock="172.16.0.0/12", gatewayId=gateway.id
    )
    assert route.id == f"r-{table.id}" + str(2326034574) or route.id.startswith(f"r-{table.id}")
    assert table.refresh()
    assert table.plan() == {}
    assert route.plan(destinationCidrBlock="172.17.0.0/16") == {"destinationCidrBlock": "replace"}
    assert route.imported(f"{table.id}_172.16.0.0/12")[0] == {
        "destinationCidrBlock": "172.16.0.0/12",
        "gatewayId": gateway.id,
        "routeTableId": table.id,
    }
    world.client("ec2").delete_route(RouteTableId=table.id, DestinationCidrBlock="172.16.0.0/12")
    assert not route.refresh()
    route.delete()


def test_a_route_goes_elsewhere_in_place(world: World) -> None:
    vpc = a_vpc(world)
    gateway = world.up(IGW, "gateway", vpcId=vpc.id)
    subnet = a_subnet(world, vpc)
    nat = world.up("aws:ec2/natGateway:NatGateway", "nat", subnetId=subnet.id, connectivityType="private")
    table = world.up(ROUTE_TABLE, "routes", vpcId=vpc.id)
    route = world.up(
        "aws:ec2/route:Route", "out", routeTableId=table.id, destinationCidrBlock="172.16.0.0/12", gatewayId=gateway.id
    )
    assert route.update(gatewayId=None, natGatewayId=nat.id) == {"gatewayId": "update", "natGatewayId": "update"}
    route.delete()


def test_an_association_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    subnet, table = a_subnet(world, vpc), world.up(ROUTE_TABLE, "routes", vpcId=vpc.id)
    bound = world.up(
        "aws:ec2/routeTableAssociation:RouteTableAssociation", "bound", subnetId=subnet.id, routeTableId=table.id
    )
    assert bound.plan(routeTableId="rtb-1") == {"routeTableId": "replace"}
    assert bound.imported(f"{subnet.id}/{table.id}")[0] == {"subnetId": subnet.id, "routeTableId": table.id}
    bound.delete()
    table.delete()
    subnet.delete()
    vpc.delete()
    assert world.left() == {}


def test_an_internet_gateway_moves_to_another_vpc(world: World) -> None:
    first, second = a_vpc(world), a_vpc(world, cidrBlock="10.30.0.0/16")
    gateway = world.up(IGW, "gateway", vpcId=first.id, tags={"a": "1"})
    assert gateway.outputs["vpcId"] == first.id
    assert gateway.update(vpcId=second.id) == {"vpcId": "update"}
    assert gateway.imported()[0] == {"vpcId": second.id, "tags": {"a": "1"}}
    gateway.delete()
    first.delete()
    second.delete()
    assert world.left() == {}


def test_a_nat_gateway_with_an_address_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    subnet, address = a_subnet(world, vpc), world.up("aws:ec2/eip:Eip", "address", domain="vpc", tags={"a": "1"})
    assert address.outputs["publicIp"]
    assert address.update(tags={"a": "2"}) == {"tags.a": "update"}
    nat = world.up("aws:ec2/natGateway:NatGateway", "nat", subnetId=subnet.id, allocationId=address.id)
    assert nat.outputs["publicIp"] == address.outputs["publicIp"]
    assert nat.update(tags={"b": "1"}) == {"tags.b": "update"}
    assert nat.plan(subnetId="subnet-1") == {"subnetId": "replace"}
    assert nat.imported()[0]["allocationId"] == address.id
    nat.delete()
    address.delete()
    subnet.delete()
    vpc.delete()
    assert world.left() == {}
