"""Look-ups give what the SDK declares."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from botocore.parsers import ResponseParserError

from sandbox.aws_provider import schema
from sandbox.aws_provider.invokes import INVOKES, invoke
from sandbox.fake_aws_seeds import IMAGES
from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import REGION, World

GPU_IMAGE = IMAGES[0]
ARGUMENTS: dict[str, dict[str, Any]] = {
    "aws:ebs/getEbsVolumes:getEbsVolumes": {"tags": {"Name": "none"}},
    "aws:ebs/getVolume:getVolume": {"mostRecent": True, "filters": [{"name": "tag:Name", "values": ["looked-up"]}]},
    "aws:ec2/getAmi:getAmi": {"filters": [{"name": "image-id", "values": [GPU_IMAGE.id(REGION)]}]},
    "aws:ec2/getInstanceType:getInstanceType": {"instanceType": "g5.12xlarge"},
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": {
        "locationType": "availability-zone",
        "filters": [{"name": "instance-type", "values": ["g5.12xlarge"]}],
    },
    "aws:ec2/getManagedPrefixList:getManagedPrefixList": {"name": f"com.amazonaws.{REGION}.s3"},
    "aws:ec2/getRouteTable:getRouteTable": {"tags": {"Name": "looked-up"}},
    "aws:ec2/getRouteTables:getRouteTables": {},
    "aws:ec2/getSubnet:getSubnet": {"tags": {"Name": "looked-up"}},
    "aws:ec2/getSubnets:getSubnets": {"tags": {"Name": "none"}},
    "aws:ec2/getVpc:getVpc": {"filters": [{"name": "is-default", "values": ["true"]}]},
    "aws:index/getAvailabilityZones:getAvailabilityZones": {"state": "available"},
    "aws:index/getCallerIdentity:getCallerIdentity": {},
    "aws:index/getPartition:getPartition": {},
    "aws:index/getRegion:getRegion": {},
    "aws:ssm/getParameter:getParameter": {"name": GPU_IMAGE.parameter},
}


def look_up(world: World, token: str, **arguments: Any) -> dict[str, Any]:
    return invoke(token, arguments, world.clients, world.schema)


def a_volume(world: World, name: str, size: int) -> str:
    tags = [{"ResourceType": "volume", "Tags": [{"Key": "Name", "Value": name}]}]
    made = world.client("ec2").create_volume(AvailabilityZone=f"{REGION}a", Size=size, TagSpecifications=tags)
    return str(made["VolumeId"])


def a_route_table(world: World, name: str) -> None:
    vpc = world.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    tags = [{"ResourceType": "route-table", "Tags": [{"Key": "Name", "Value": name}]}]
    world.client("ec2").create_route_table(VpcId=vpc, TagSpecifications=tags)


def a_subnet(world: World, name: str) -> None:
    vpc = world.client("ec2").create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    tags = [{"ResourceType": "subnet", "Tags": [{"Key": "Name", "Value": name}]}]
    world.client("ec2").create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24", TagSpecifications=tags)


@pytest.mark.parametrize("token", sorted(INVOKES))
def test_every_declared_output_is_there(world: World, token: str) -> None:
    if token == "aws:ebs/getVolume:getVolume":
        a_volume(world, "looked-up", 8)
    if token == "aws:ec2/getRouteTable:getRouteTable":
        a_route_table(world, "looked-up")
    if token == "aws:ec2/getSubnet:getSubnet":
        a_subnet(world, "looked-up")
    found = look_up(world, token, **ARGUMENTS[token])
    kinds = world.schema.functions[token].outputs
    assert set(found) <= set(kinds)
    assert {name for name, kind in kinds.items() if not schema.is_optional(kind)} <= set(found)


def test_knows_the_gpus_of_an_instance_type(world: World) -> None:
    found = look_up(world, "aws:ec2/getInstanceType:getInstanceType", instanceType="g5.12xlarge")
    assert found["gpuses"] == [{"count": 4, "manufacturer": "NVIDIA", "memorySize": 22888, "name": "A10G"}]
    assert (found["defaultVcpus"], found["memorySize"], found["totalGpuMemory"]) == (48, 196608, 91552)


def test_finds_the_newest_image_and_refuses_an_ambiguous_or_empty_choice(world: World) -> None:
    token = "aws:ec2/getAmi:getAmi"
    everything = {"owners": ["amazon"], "nameRegex": "^Deep Learning"}
    assert look_up(world, token, mostRecent=True, **everything)["name"].startswith("Deep Learning")
    with pytest.raises(PluginError, match="more than one result"):
        look_up(world, token, **everything)
    with pytest.raises(PluginError, match="no results"):
        look_up(world, token, nameRegex="^there is none$")


def test_a_public_parameter_names_the_seeded_image(world: World) -> None:
    assert look_up(world, "aws:ssm/getParameter:getParameter", name=GPU_IMAGE.parameter)["value"] == GPU_IMAGE.id(
        REGION
    )


def test_names_region_and_zones(world: World) -> None:
    assert look_up(world, "aws:index/getRegion:getRegion")["description"] == "Europe (Frankfurt)"
    zones = look_up(world, "aws:index/getAvailabilityZones:getAvailabilityZones", excludeNames=[f"{REGION}a"])
    assert zones["names"] == [f"{REGION}b", f"{REGION}c"]


def test_an_error_names_look_up_and_code(world: World) -> None:
    with pytest.raises(PluginError, match=r"invoking aws:ssm/getParameter:getParameter: ParameterNotFound"):
        look_up(world, "aws:ssm/getParameter:getParameter", name="/missing")
    with pytest.raises(PluginError, match="unknown argument nam"):
        look_up(world, "aws:ssm/getParameter:getParameter", nam="x")


def test_finds_volumes_by_tag_and_tells_the_size_of_one(world: World) -> None:
    small, large = a_volume(world, "two", 8), a_volume(world, "two", 9)
    found = look_up(world, "aws:ebs/getEbsVolumes:getEbsVolumes", tags={"Name": "two"})
    assert sorted(found["ids"]) == sorted([small, large])
    assert look_up(world, "aws:ebs/getEbsVolumes:getEbsVolumes", tags={"Name": "three"})["ids"] == []
    token = "aws:ebs/getVolume:getVolume"
    one = look_up(world, token, filters=[{"name": "volume-id", "values": [large]}])
    assert (one["size"], one["volumeId"], one["tags"]) == (9, large, {"Name": "two"})
    with pytest.raises(PluginError, match="more than one result"):
        look_up(world, token, filters=[{"name": "tag:Name", "values": ["two"]}])
    with pytest.raises(PluginError, match="no results"):
        look_up(world, token, filters=[{"name": "tag:Name", "values": ["three"]}])


def test_a_region_that_the_fake_lacks_is_named_as_such_by_every_look_up(world: World) -> None:
    for token in (token for token in INVOKES if "region" in world.schema.functions[token].inputs):
        with pytest.raises(PluginError, match="the sandbox has no region 'mars-1'"):
            look_up(world, token, **{**ARGUMENTS[token], "region": "mars-1"})


def test_a_gap_of_the_fake_is_named_by_the_service_that_was_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unmodelled(*_: Any) -> dict[str, Any]:
        raise ResponseParserError("a page")

    token = "aws:index/getAvailabilityZones:getAvailabilityZones"
    monkeypatch.setitem(INVOKES, token, dataclasses.replace(INVOKES[token], find=unmodelled))  # type: ignore[misc]
    with pytest.raises(PluginError, match=r"not modelled by the sandbox: ec2\.describe_availability_zones"):
        look_up(world, token)


def test_says_in_which_zones_a_type_is_sold_and_that_a_type_of_no_zone_is_sold_nowhere(world: World) -> None:
    token = "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings"
    found = look_up(world, token, **ARGUMENTS[token])
    assert set(found["instanceTypes"]) == {"g5.12xlarge"}
    assert set(found["locations"]) <= {f"{REGION}{letter}" for letter in "abc"}
    none = [{"name": "instance-type", "values": ["g99.xlarge"]}]
    assert look_up(world, token, locationType="availability-zone", filters=none)["locations"] == []


def test_a_route_table_shows_the_routes_of_people_and_not_those_of_aws(world: World) -> None:
    ec2 = world.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.s3", RouteTableIds=[table])
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    found = look_up(world, "aws:ec2/getRouteTable:getRouteTable", routeTableId=table)
    assert [(route["cidrBlock"], route["gatewayId"]) for route in found["routes"]] == [("0.0.0.0/0", gateway)]
    tables = look_up(world, "aws:ec2/getRouteTables:getRouteTables", vpcId=vpc)["ids"]
    assert table in tables
    assert len(tables) == 2  # the main one came with the VPC


def test_a_vpc_tells_whether_it_resolves_names_and_a_subnet_where_it_is(world: World) -> None:
    ec2 = world.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone=f"{REGION}b")["Subnet"]["SubnetId"]
    found = look_up(world, "aws:ec2/getVpc:getVpc", id=vpc)
    assert (found["enableDnsSupport"], found["enableDnsHostnames"], found["cidrBlock"]) == (True, False, "10.0.0.0/16")
    one = look_up(world, "aws:ec2/getSubnet:getSubnet", id=subnet)
    assert (one["vpcId"], one["availabilityZone"], one["mapPublicIpOnLaunch"]) == (vpc, f"{REGION}b", False)
    mine = [{"name": "vpc-id", "values": [vpc]}]
    assert look_up(world, "aws:ec2/getSubnets:getSubnets", filters=mine)["ids"] == [subnet]


def test_a_look_up_of_one_that_finds_none_or_several_is_refused(world: World) -> None:
    with pytest.raises(PluginError, match="no matching EC2 Managed Prefix List"):
        look_up(world, "aws:ec2/getManagedPrefixList:getManagedPrefixList", name="com.amazonaws.nowhere.s3")
    with pytest.raises(PluginError, match="multiple matching EC2 Subnet"):
        look_up(world, "aws:ec2/getSubnet:getSubnet", defaultForAz=True)
