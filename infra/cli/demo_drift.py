"""Drift for the demo: a change in the cloud that no program made.

`open_the_door` runs this module as a program of its own: boto3 takes profile, proxy and endpoint from the environment,
and the caller's must not count.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping

from infra.errors import ToolError
from sandbox.paths import with_our_packages

__all__ = ["open_the_door"]

WORLD = "0.0.0.0/0"


def open_the_door(environment: Mapping[str, str], region: str, group_id: str) -> str:
    """Widen the first ingress rule of a security group to the whole world, as a hurried colleague would by hand."""
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli.demo_drift", region, group_id],
        env=with_our_packages(environment),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ToolError(f"no drift could be made: {done.stderr}", code="SKS0791", fix="report this as a bug")
    return done.stdout.strip()


def _open(region: str, group_id: str) -> str:
    import boto3

    ec2 = boto3.client("ec2", region_name=region)
    found = ec2.describe_security_group_rules(Filters=[{"Name": "group-id", "Values": [group_id]}])
    rules = [rule for rule in found["SecurityGroupRules"] if not rule["IsEgress"]]
    rule = min(rules, key=lambda rule: str(rule.get("CidrIpv4")))
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


if __name__ == "__main__":
    sys.stdout.write(_open(*sys.argv[1:]))
