"""VPC endpoints, and flow logs of what passes in a VPC."""

from __future__ import annotations

import json
from typing import Any, Final

from sandbox.aws_provider.description import Call, Items, Setting, Type, View, Wait, arn, ec2_tags

__all__ = ["TYPES"]


def _change_endpoint(name: str, member: str) -> Items:
    return Items(
        name,
        at_create=False,
        add=Call("modify_vpc_endpoint", {"VpcEndpointId": "id", f"Add{member}": "[item]"}),
        remove=Call("modify_vpc_endpoint", {"VpcEndpointId": "id", f"Remove{member}": "[item]"}),
    )


def _json(text: Any) -> Any:
    """What a policy says, without the form it is written in."""
    return json.loads(text)


VPC_ENDPOINT: Final = Type(
    token="aws:ec2/vpcEndpoint:VpcEndpoint",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_vpc_endpoint", auto=True),
    id="response.VpcEndpoint.VpcEndpointId",
    read=Call("describe_vpc_endpoints", {"VpcEndpointIds": "[id]"}, result="VpcEndpoints[0]"),
    more={
        "prefixes": Call(
            "describe_prefix_lists",
            {"Filters": "[{Name: 'prefix-list-name', Values: [it.ServiceName]}]"},
            result="PrefixLists[0]",
            when="it.VpcEndpointType == 'Gateway'",
        )
    },
    outputs={
        "arn": arn("ec2", "vpc-endpoint/{id}"),
        "cidrBlocks": "more.prefixes.Cidrs",
        "prefixListId": "more.prefixes.PrefixListId",
        "securityGroupIds": "it.Groups[].GroupId",
        "serviceRegion": "it.ServiceRegion || region",
        "ipAddressType": "it.IpAddressType || (it.VpcEndpointType == 'Interface' && 'ipv4') || ''",
    },
    rename={"policy": "PolicyDocument"},
    replaces=("vpcId", "serviceName", "serviceRegion", "vpcEndpointType"),
    settings=(
        Setting(
            ("policy", "privateDnsEnabled", "ipAddressType"),
            [
                Call(
                    "modify_vpc_endpoint",
                    {
                        "VpcEndpointId": "id",
                        "PolicyDocument": "inputs.policy",
                        "PrivateDnsEnabled": "inputs.privateDnsEnabled",
                        "IpAddressType": "inputs.ipAddressType",
                    },
                )
            ],
            at_create=False,
        ),
    ),
    items=(
        _change_endpoint("routeTableIds", "RouteTableIds"),
        _change_endpoint("subnetIds", "SubnetIds"),
        _change_endpoint("securityGroupIds", "SecurityGroupIds"),
    ),
    ready=Wait("it.State", done=["available", "pendingAcceptance"], failed=["failed", "rejected"]),
    gone=Wait("it.State", done=["deleted"]),
    tags=ec2_tags("vpc-endpoint"),
    # moto fails to delete an endpoint that was given a route table later, until the tables are taken off it.
    delete=[
        Call("delete_vpc_endpoints", {"VpcEndpointIds": "[id]"}, ignore=["InvalidRoute.NotFound"]),
        Call(
            "modify_vpc_endpoint",
            {"VpcEndpointId": "id", "RemoveRouteTableIds": "it.RouteTableIds"},
            when="it.VpcEndpointType == 'Gateway' && it.RouteTableIds",
        ),
        Call("delete_vpc_endpoints", {"VpcEndpointIds": "[id]"}, when="it.VpcEndpointType == 'Gateway'"),
    ],
    not_found=("InvalidVpcEndpointId.NotFound",),
    defaults={"vpcEndpointType": "Gateway"},
    same={"policy": _json},
    unsupported=("autoAccept", "dnsOptions", "resourceConfigurationArn", "serviceNetworkArn", "subnetConfigurations"),
)

WATCHED: Final = {
    "vpcId": "VPC",
    "subnetId": "Subnet",
    "eniId": "NetworkInterface",
    "transitGatewayId": "TransitGateway",
    "transitGatewayAttachmentId": "TransitGatewayAttachment",
}


def _watched(view: View) -> tuple[str, str]:
    """(type, id) of what a flow log watches."""
    return next((kind, str(view.inputs[name])) for name, kind in WATCHED.items() if view.inputs.get(name))


def _watched_output(prefix: str) -> Any:
    return lambda view: view.it["ResourceId"] if view.it.get("ResourceId", "").startswith(prefix) else None


FLOW_LOG: Final = Type(
    token="aws:ec2/flowLog:FlowLog",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call(
        "create_flow_logs",
        {"ResourceType": lambda view: _watched(view)[0], "ResourceIds": lambda view: [_watched(view)[1]]},
        auto=True,
    ),
    id="response.FlowLogIds[0]",
    read=Call("describe_flow_logs", {"FlowLogIds": "[id]"}, result="FlowLogs[0]"),
    outputs={
        "arn": arn("ec2", "vpc-flow-log/{id}"),
        "vpcId": _watched_output("vpc-"),
        "subnetId": _watched_output("subnet-"),
        "eniId": _watched_output("eni-"),
        "transitGatewayId": _watched_output("tgw-"),
        "transitGatewayAttachmentId": _watched_output("tgw-attach-"),
        "logDestination": "it.LogDestination || it.LogGroupName",
    },
    rename={"iamRoleArn": "DeliverLogsPermissionArn"},
    replaces=(
        *WATCHED,
        "iamRoleArn",
        "logDestination",
        "logDestinationType",
        "logFormat",
        "maxAggregationInterval",
        "trafficType",
        "destinationOptions",
    ),
    tags=ec2_tags("vpc-flow-log"),
    delete=[Call("delete_flow_logs", {"FlowLogIds": "[id]"})],
    defaults={"logDestinationType": "cloud-watch-logs", "maxAggregationInterval": 600},
    unsupported=("deliverCrossAccountRole", "regionalNatGatewayId", "tagFieldSpecifications"),
)

TYPES: Final = (VPC_ENDPOINT, FLOW_LOG)
