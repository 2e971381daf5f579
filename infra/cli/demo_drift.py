"""Drift for the demo: a change in the cloud that no program made."""

from __future__ import annotations

__all__ = ["open_the_door"]

WORLD = "0.0.0.0/0"


def open_the_door(endpoint: str, region: str, group_id: str) -> str:
    """Widen the first ingress rule of a security group to the whole world, as a hurried colleague would by hand.

    Credentials and profile are the environment's: the caller has put the sandbox's there.
    """
    import boto3
    from botocore.config import Config

    ec2 = boto3.client("ec2", endpoint_url=endpoint, region_name=region, config=Config(proxies={}))
    rules = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])[
        "SecurityGroupRules"
    ]
    rule = min((rule for rule in rules if not rule["IsEgress"]), key=lambda rule: str(rule.get("CidrIpv4")))
    ec2.modify_security_group_rules(
        GroupId=group_id,
        SecurityGroupRules=[
            {
                "SecurityGroupRuleId": rule["SecurityGroupRuleId"],
                "SecurityGroupRule": {
                    "IpProtocol": rule["IpProtocol"],
                    "FromPort": rule["FromPort"],
                    "ToPort": rule["ToPort"],
                    "CidrIpv4": WORLD,
                },
            }
        ],
    )
    return f"{rule['SecurityGroupRuleId']}: {rule['CidrIpv4']} becomes {WORLD}"
