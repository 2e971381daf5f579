"""Security groups and their rules, network ACLs, endpoints and flow logs."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import REGION, Live, World
from tests.integration.aws_provider.test_ec2_network import a_subnet, a_vpc

GROUP = "aws:ec2/securityGroup:SecurityGroup"
HTTPS = {"protocol": "tcp", "fromPort": 443, "toPort": 443, "cidrBlocks": ["10.0.0.0/8"]}


def a_group(world: World, vpc: Live, **inputs: Any) -> Live:
    return world.up(GROUP, "server", vpcId=vpc.id, **inputs)


def test_a_security_group_has_a_name_of_its_own_and_no_default_egress(world: World) -> None:
    vpc = a_vpc(world)
    group = a_group(world, vpc, tags={"a": "1"})
    assert group.outputs["name"].startswith("server-")
    assert group.outputs["description"] == "Managed by Pulumi"
    assert group.outputs["egress"] == []
    assert group.update(tags={"a": "2"}) == {"tags.a": "update"}
    assert group.plan(description="other") == {"description": "replace"}
    assert group.imported()[0]["vpcId"] == vpc.id
    group.delete()
    vpc.delete()
    assert world.left() == {}


def test_inline_rules_are_compared_without_order_and_changed_by_source(world: World) -> None:
    vpc = a_vpc(world)
    group = a_group(
        world,
        vpc,
        ingress=[HTTPS | {"cidrBlocks": ["10.0.0.0/8", "192.168.0.0/16"]}, HTTPS | {"cidrBlocks": [], "self": True}],
        egress=[{"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlocks": ["10.20.0.0/16"], "description": "in"}],
    )
    swapped = [HTTPS | {"self": True, "cidrBlocks": ["192.168.0.0/16", "10.0.0.0/8"]}]
    assert group.plan(ingress=swapped) == {}
    assert group.update(ingress=[HTTPS | {"cidrBlocks": ["10.0.0.0/8", "172.16.0.0/12"]}])
    assert sorted(group.outputs["ingress"][0]["cidrBlocks"]) == ["10.0.0.0/8", "172.16.0.0/12"]
    assert not group.outputs["ingress"][0].get("self")
    assert group.update(ingress=[])
    assert group.outputs["ingress"] == []
    assert group.imported()[0]["egress"][0]["cidrBlocks"] == ["10.20.0.0/16"]


def test_a_hole_somebody_made_in_a_group_is_found_and_closed(world: World) -> None:
    group = a_group(world, a_vpc(world), ingress=[HTTPS])
    hole = [{"IpProtocol": "tcp", "FromPort": 22, "ToPort": 22, "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
    world.client("ec2").authorize_security_group_ingress(GroupId=group.id, IpPermissions=hole)
    assert group.refresh()
    assert group.plan() == {"ingress[1]": "update"}
    group.update()
    assert [rule["fromPort"] for rule in group.outputs["ingress"]] == [443]


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_a_rule_of_its_own_lives_from_create_to_delete(world: World, direction: str) -> None:
    group = a_group(world, a_vpc(world))
    rule = world.up(
        f"aws:vpc/securityGroup{direction}Rule:SecurityGroup{direction}Rule",
        "api",
        securityGroupId=group.id,
        ipProtocol="tcp",
        fromPort=8000,
        toPort=8000,
        cidrIpv4="10.0.0.0/8",
        description="Model API",
        tags={"a": "1"},
    )
    assert rule.id.startswith("sgr-")
    assert rule.outputs["securityGroupRuleId"] == rule.id
    assert group.refresh()
    assert group.plan() == {}, "a rule of its own is no drift of the group"
    assert rule.update(tags={"a": "2"}) == {"tags.a": "update"}
    assert rule.plan(securityGroupId="sg-1") == {"securityGroupId": "replace"}
    assert rule.imported()[0] == {
        "securityGroupId": group.id,
        "ipProtocol": "tcp",
        "fromPort": 8000,
        "toPort": 8000,
        "cidrIpv4": "10.0.0.0/8",
        "description": "Model API",
        "tags": {"a": "2"},
    }
    rule.delete()


def test_a_rule_changes_in_place(world: World) -> None:
    group = a_group(world, a_vpc(world))
    rule = world.up(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "api",
        securityGroupId=group.id,
        ipProtocol="tcp",
        fromPort=8000,
        toPort=8000,
        cidrIpv4="10.0.0.0/8",
    )
    assert rule.update(cidrIpv4="10.1.0.0/16", description="narrower") == {
        "cidrIpv4": "update",
        "description": "update",
    }


def test_a_network_acl_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    subnet = a_subnet(world, vpc)
    rule = {"ruleNo": 100, "action": "allow", "protocol": "tcp", "fromPort": 443, "toPort": 443}
    acl = world.up(
        "aws:ec2/networkAcl:NetworkAcl",
        "acl",
        vpcId=vpc.id,
        subnetIds=[subnet.id],
        ingress=[rule | {"cidrBlock": "10.0.0.0/8"}],
        egress=[rule | {"protocol": "-1", "fromPort": 0, "toPort": 0, "cidrBlock": "10.0.0.0/8"}],
        tags={"a": "1"},
    )
    assert acl.update(ingress=[rule | {"cidrBlock": "10.1.0.0/16"}])
    assert acl.outputs["ingress"][0]["cidrBlock"] == "10.1.0.0/16"
    assert acl.update(subnetIds=[], tags={"a": "2"}) == {"subnetIds[0]": "update", "tags.a": "update"}
    acl.update(subnetIds=[subnet.id])
    acl.delete()
    subnet.delete()
    vpc.delete()
    assert world.left() == {}


def test_a_gateway_endpoint_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    tables = [world.up("aws:ec2/routeTable:RouteTable", f"t{i}", vpcId=vpc.id) for i in range(2)]
    endpoint = world.up(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "s3",
        vpcId=vpc.id,
        serviceName=f"com.amazonaws.{REGION}.s3",
        routeTableIds=[tables[0].id],
        tags={"a": "1"},
    )
    assert endpoint.outputs["vpcEndpointType"] == "Gateway"
    assert endpoint.outputs["state"] == "available"
    assert endpoint.update(routeTableIds=[tables[1].id, tables[0].id], tags={}) == {
        "routeTableIds[0]": "update",
        "tags.a": "update",
    }
    assert tables[1].refresh()
    assert tables[1].outputs["routes"] == []
    assert endpoint.plan(serviceName=f"com.amazonaws.{REGION}.dynamodb") == {"serviceName": "replace"}
    assert endpoint.imported()[0]["vpcId"] == vpc.id
    endpoint.delete()
    for table in tables:
        table.delete()
    vpc.delete()
    assert world.left() == {}


def test_an_interface_endpoint_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    subnet, group = a_subnet(world, vpc), a_group(world, vpc)
    endpoint = world.up(
        "aws:ec2/vpcEndpoint:VpcEndpoint",
        "ssm",
        vpcId=vpc.id,
        serviceName=f"com.amazonaws.{REGION}.ssm",
        vpcEndpointType="Interface",
        subnetIds=[subnet.id],
        securityGroupIds=[group.id],
        privateDnsEnabled=True,
    )
    assert endpoint.outputs["privateDnsEnabled"] is True
    endpoint.imported()
    endpoint.delete()
    group.delete()
    subnet.delete()
    vpc.delete()
    assert world.left() == {}


def test_a_flow_log_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    world.client("s3").create_bucket(Bucket="logs", CreateBucketConfiguration={"LocationConstraint": REGION})
    log = world.up(
        "aws:ec2/flowLog:FlowLog",
        "flow",
        vpcId=vpc.id,
        trafficType="ALL",
        logDestinationType="s3",
        logDestination="arn:aws:s3:::logs",
        tags={"a": "1"},
    )
    assert log.outputs["vpcId"] == vpc.id
    assert log.update(tags={"a": "2"}) == {"tags.a": "update"}
    assert log.plan(trafficType="REJECT") == {"trafficType": "replace"}
    assert log.imported()[0]["vpcId"] == vpc.id
    log.delete()


def test_a_refused_flow_log_says_why(world: World) -> None:
    vpc = a_vpc(world)
    with pytest.raises(PluginError, match=r"creating urn:.*flow: .*"):
        world.up(
            "aws:ec2/flowLog:FlowLog",
            "flow",
            vpcId=vpc.id,
            trafficType="ALL",
            logDestinationType="s3",
            logDestination="arn:aws:s3:::missing-bucket",
        )
