"""EC2 network ACLs with their entries and subnets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sandbox.aws_provider.description import Call, Items, Type, View, arn, ec2_tags

__all__ = ["TYPES"]

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
                "IcmpTypeCode": "contains(['1', '58'], item.protocol)"
                " && {Type: item.icmpType || `0`, Code: item.icmpCode || `0`} || `null`",
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

TYPES: Final = (NETWORK_ACL,)
