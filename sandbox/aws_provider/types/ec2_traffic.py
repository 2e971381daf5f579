"""What may pass in an EC2 network, and what is noted of it: security groups, network ACLs, endpoints, flow logs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sandbox.aws_provider.description import Call, Items, Setting, Type, View, Wait, arn, ec2_tags

__all__ = ["TYPES"]

# Where a source of an inline rule stands: property of the rule, member of IpPermission, member of its elements.
SOURCES: Final = (
    ("cidrBlocks", "IpRanges", "CidrIp"),
    ("ipv6CidrBlocks", "Ipv6Ranges", "CidrIpv6"),
    ("prefixListIds", "PrefixListIds", "PrefixListId"),
    ("securityGroups", "UserIdGroupPairs", "GroupId"),
)


def _flat_rules(rules: Sequence[Any]) -> list[dict[str, Any]]:
    """AWS's own rules: one source each."""
    flat = []
    for rule in rules:
        protocol = str(rule.get("protocol"))
        ports = (None, None) if protocol in ("-1", "all") else (rule.get("fromPort"), rule.get("toPort"))
        head = {"protocol": "-1" if protocol == "all" else protocol, "fromPort": ports[0], "toPort": ports[1]}
        head |= {"description": rule["description"]} if rule.get("description") else {}
        flat += [head | {name: source} for name, _, _ in SOURCES for source in rule.get(name) or ()]
        flat += [head | {"self": True}] if rule.get("self") else []
    return [{name: value for name, value in rule.items() if value is not None} for rule in flat]


def _permission(view: View) -> list[dict[str, Any]]:
    """One flat rule as IpPermissions."""
    rule = view.item
    permission: dict[str, Any] = {"IpProtocol": rule["protocol"]}
    permission |= {m: int(rule[n]) for n, m in (("fromPort", "FromPort"), ("toPort", "ToPort")) if n in rule}
    note = {"Description": rule["description"]} if "description" in rule else {}
    for name, member, inner in SOURCES:
        if name in rule:
            permission[member] = [{inner: rule[name], **note}]
    if rule.get("self"):
        permission["UserIdGroupPairs"] = [{"GroupId": view.id, **note}]
    return [permission]


def _rules(view: View, member: str) -> list[dict[str, Any]]:
    """AWS's permissions as inline rules: those that share protocol, ports and description are one."""
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for permission in view.it.get(member, ()):
        head = {
            "protocol": permission["IpProtocol"],
            "fromPort": max(permission.get("FromPort", 0), 0),
            "toPort": max(permission.get("ToPort", 0), 0),
        }
        for name, list_name, inner in SOURCES:
            for source in permission.get(list_name, ()):
                note = source.get("Description", "")
                rule = merged.setdefault((*head.values(), note), {**head, "description": note})
                if source[inner] == view.id:
                    rule["self"] = True
                else:
                    rule.setdefault(name, []).append(source[inner])
    return list(merged.values())


SECURITY_GROUP: Final = Type(
    token="aws:ec2/securityGroup:SecurityGroup",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_security_group", auto=True),
    id="response.GroupId",
    read=Call("describe_security_groups", {"GroupIds": "[id]"}, result="SecurityGroups[0]"),
    outputs={
        "arn": arn("ec2", "security-group/{id}"),
        "ingress": lambda view: _rules(view, "IpPermissions"),
        "egress": lambda view: _rules(view, "IpPermissionsEgress"),
    },
    rename={"name": "GroupName"},
    replaces=("name", "namePrefix", "description", "vpcId"),
    items=(
        Items(
            "ingress",
            flatten=_flat_rules,
            add=Call("authorize_security_group_ingress", {"GroupId": "id", "IpPermissions": _permission}),
            remove=Call("revoke_security_group_ingress", {"GroupId": "id", "IpPermissions": _permission}),
        ),
        Items(
            "egress",
            flatten=_flat_rules,
            # The official plugin takes away the rule that AWS gives to every new group: everything to everywhere.
            start=[
                Call(
                    "revoke_security_group_egress",
                    {"GroupId": "id", "IpPermissions": "[{IpProtocol: '-1', IpRanges: [{CidrIp: '0.0.0.0/0'}]}]"},
                    ignore=["InvalidPermission.NotFound"],
                )
            ],
            add=Call("authorize_security_group_egress", {"GroupId": "id", "IpPermissions": _permission}),
            remove=Call("revoke_security_group_egress", {"GroupId": "id", "IpPermissions": _permission}),
        ),
    ),
    tags=ec2_tags("security-group"),
    before_delete=[
        Call(
            f"revoke_security_group_{direction}",
            {"GroupId": "id", "IpPermissions": f"it.{member}"},
            when=f"inputs.revokeRulesOnDelete && it.{member}",
        )
        for direction, member in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress"))
    ],
    delete=[Call("delete_security_group", {"GroupId": "id"})],
    not_found=("InvalidGroup.NotFound", "InvalidGroupId.Malformed"),
    defaults={"description": "Managed by Pulumi", "revokeRulesOnDelete": False},
    autoname="name",
    unique=("name", "vpcId"),
    ignored=("namePrefix", "revokeRulesOnDelete"),
    import_skip=("revokeRulesOnDelete",),
)


def _rule_permission(view: View) -> list[dict[str, Any]]:
    rule = view.inputs
    note = {"Description": rule["description"]} if rule.get("description") else {}
    permission: dict[str, Any] = {"IpProtocol": str(rule["ipProtocol"])}
    permission |= {
        member: int(rule[name])
        for name, member in (("fromPort", "FromPort"), ("toPort", "ToPort"))
        if rule.get(name) is not None
    }
    for name, member, inner in (
        ("cidrIpv4", "IpRanges", "CidrIp"),
        ("cidrIpv6", "Ipv6Ranges", "CidrIpv6"),
        ("prefixListId", "PrefixListIds", "PrefixListId"),
        ("referencedSecurityGroupId", "UserIdGroupPairs", "GroupId"),
    ):
        if rule.get(name):
            permission[member] = [{inner: rule[name], **note}]
    return [permission]


def _port(member: str) -> Any:
    """AWS says -1 for "all ports", the SDK nothing."""
    return lambda view: None if view.it.get("IpProtocol") == "-1" else view.it.get(member)


def _security_group_rule(direction: str) -> Type:
    return Type(
        token=f"aws:vpc/securityGroup{direction.capitalize()}Rule:SecurityGroup{direction.capitalize()}Rule",
        service="ec2",
        create=Call(
            f"authorize_security_group_{direction}",
            {"GroupId": "inputs.securityGroupId", "IpPermissions": _rule_permission},
        ),
        id="response.SecurityGroupRules[0].SecurityGroupRuleId",
        read=Call("describe_security_group_rules", {"SecurityGroupRuleIds": "[id]"}, result="SecurityGroupRules[0]"),
        outputs={
            "arn": arn("ec2", "security-group-rule/{id}"),
            "fromPort": _port("FromPort"),
            "toPort": _port("ToPort"),
            "referencedSecurityGroupId": "it.ReferencedGroupInfo.GroupId",
            "securityGroupId": "it.GroupId",
        },
        replaces=("securityGroupId",),
        update=Call(
            "modify_security_group_rules",
            {
                "GroupId": "inputs.securityGroupId",
                "SecurityGroupRules": lambda view: [{"SecurityGroupRuleId": view.id, "SecurityGroupRule": _rule(view)}],
            },
        ),
        tags=ec2_tags("security-group-rule"),
        delete=[
            Call(
                f"revoke_security_group_{direction}",
                {"GroupId": "inputs.securityGroupId || it.GroupId", "SecurityGroupRuleIds": "[id]"},
            )
        ],
        before_delete=[],
        not_found=("InvalidSecurityGroupRuleId.NotFound", "InvalidGroup.NotFound"),
    )


def _rule(view: View) -> dict[str, Any]:
    members = {
        "ipProtocol": "IpProtocol",
        "fromPort": "FromPort",
        "toPort": "ToPort",
        "cidrIpv4": "CidrIpv4",
        "cidrIpv6": "CidrIpv6",
        "prefixListId": "PrefixListId",
        "referencedSecurityGroupId": "ReferencedGroupId",
        "description": "Description",
    }
    return {member: view.inputs[name] for name, member in members.items() if view.inputs.get(name) is not None}


PROTOCOL_NUMBERS: Final = {"all": "-1", "tcp": "6", "udp": "17", "icmp": "1", "icmpv6": "58", "icmp6": "58"}


def _flat_entries(entries: Sequence[Any]) -> list[dict[str, Any]]:
    """Network ACL entries with protocols as numbers, and without what does not apply."""
    flat = []
    for entry in entries:
        protocol = str(entry.get("protocol", "")).lower()
        clean = {name: value for name, value in entry.items() if value not in (None, "")}
        clean |= {"protocol": PROTOCOL_NUMBERS.get(protocol, protocol), "action": str(entry.get("action", "")).lower()}
        if clean["protocol"] not in ("1", "58"):
            clean.pop("icmpCode", None)
            clean.pop("icmpType", None)
        flat.append(clean)
    return flat


def _entries(view: View, *, egress: bool) -> list[dict[str, Any]]:
    """Entries that a program wrote: 32767 and 32768 are AWS's own last words."""
    return [
        {
            "ruleNo": entry["RuleNumber"],
            "action": entry["RuleAction"],
            "protocol": str(entry["Protocol"]),
            "cidrBlock": entry.get("CidrBlock"),
            "ipv6CidrBlock": entry.get("Ipv6CidrBlock"),
            "fromPort": entry.get("PortRange", {}).get("From", 0),
            "toPort": entry.get("PortRange", {}).get("To", 0),
            "icmpType": entry.get("IcmpTypeCode", {}).get("Type", 0),
            "icmpCode": entry.get("IcmpTypeCode", {}).get("Code", 0),
        }
        for entry in view.it.get("Entries", ())
        if entry["Egress"] is egress and entry["RuleNumber"] < 32767
    ]


def _acl_items(name: str) -> Items:
    egress = "`true`" if name == "egress" else "`false`"
    return Items(
        name,
        flatten=_flat_entries,
        add=Call(
            "create_network_acl_entry",
            {
                "NetworkAclId": "id",
                "Egress": egress,
                "RuleNumber": "item.ruleNo",
                "RuleAction": "item.action",
                "Protocol": "item.protocol",
                "CidrBlock": "item.cidrBlock",
                "Ipv6CidrBlock": "item.ipv6CidrBlock",
                "PortRange": "{From: item.fromPort || `0`, To: item.toPort || `0`}",
                "IcmpTypeCode": "contains(['1','58'], item.protocol) && {Type: item.icmpType || `0`, Code: item.icmpCode"
                " || `0`} || `null`",
            },
        ),
        remove=Call(
            "delete_network_acl_entry",
            {"NetworkAclId": "id", "Egress": egress, "RuleNumber": "item.ruleNo"},
            ignore=["InvalidNetworkAclEntry.NotFound"],
        ),
    )


def _subnet_association(view: View) -> str:
    """The id of the association that binds a subnet to whatever ACL it has now."""
    filters = [{"Name": "association.subnet-id", "Values": [view.item]}]
    acls = view.call("ec2", "describe_network_acls", Filters=filters)["NetworkAcls"]
    found = (a for acl in acls for a in acl["Associations"] if a["SubnetId"] == view.item)
    return str(next(found)["NetworkAclAssociationId"])


def _default_acl(view: View) -> str:
    vpc = view.inputs.get("vpcId") or view.it["VpcId"]
    filters = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "default", "Values": ["true"]}]
    return str(view.call("ec2", "describe_network_acls", Filters=filters)["NetworkAcls"][0]["NetworkAclId"])


GIVE_BACK_SUBNET: Final = {"AssociationId": _subnet_association, "NetworkAclId": _default_acl}

NETWORK_ACL: Final = Type(
    token="aws:ec2/networkAcl:NetworkAcl",  # noqa: S106 a Pulumi type token
    service="ec2",
    create=Call("create_network_acl", auto=True),
    id="response.NetworkAcl.NetworkAclId",
    read=Call("describe_network_acls", {"NetworkAclIds": "[id]"}, result="NetworkAcls[0]"),
    outputs={
        "arn": arn("ec2", "network-acl/{id}"),
        "subnetIds": "it.Associations[].SubnetId",
        "ingress": lambda view: _entries(view, egress=False),
        "egress": lambda view: _entries(view, egress=True),
    },
    replaces=("vpcId",),
    items=(
        _acl_items("ingress"),
        _acl_items("egress"),
        Items(
            "subnetIds",
            add=Call("replace_network_acl_association", {"AssociationId": _subnet_association, "NetworkAclId": "id"}),
            remove=Call("replace_network_acl_association", GIVE_BACK_SUBNET),
        ),
    ),
    tags=ec2_tags("network-acl"),
    before_delete=[Call("replace_network_acl_association", GIVE_BACK_SUBNET, each="it.Associations[].SubnetId")],
    delete=[Call("delete_network_acl", {"NetworkAclId": "id"})],
)


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

TYPES: Final = (
    SECURITY_GROUP,
    _security_group_rule("ingress"),
    _security_group_rule("egress"),
    NETWORK_ACL,
    VPC_ENDPOINT,
    FLOW_LOG,
)
