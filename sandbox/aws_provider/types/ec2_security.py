"""EC2 security groups, with rules inline or as resources of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sandbox.aws_provider.description import Call, Items, Type, View, arn, ec2_tags

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


TYPES: Final = (SECURITY_GROUP, _security_group_rule("ingress"), _security_group_rule("egress"))
