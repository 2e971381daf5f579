"""A record of who talked to whom in the VPC, kept where nobody needs a server to read it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import cloudwatch, ec2, iam

from infra.components.endpoints import Account

__all__ = ["FlowLogs", "FlowLogsArgs"]

RETENTION_DAYS = 365
"""Long enough to look into an incident found late: CIS and checkov (CKV_AWS_338) ask for a year."""
WRITE_ACTIONS = ("logs:CreateLogStream", "logs:PutLogEvents", "logs:DescribeLogStreams")
"""What the service needs in one group (VPC user guide, flow logs to CloudWatch). Without CreateLogGroup on purpose: the
service would make the group again after `destroy`."""


@dataclass(frozen=True, slots=True)
class FlowLogsArgs:
    """The VPC to watch, and the account whose flow logs may write."""

    account: Account
    vpc_id: pulumi.Input[str]
    tags: Mapping[str, str]


class FlowLogs(pulumi.ComponentResource):
    """Log group with an end, a role that writes into it and nowhere else, and the VPC's flow log."""

    def __init__(self, name: str, args: FlowLogsArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:FlowLogs", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        tags = {**args.tags, "Name": f"{pulumi.get_stack()}-{name}"}
        group = cloudwatch.LogGroup(f"{name}-group", retention_in_days=RETENTION_DAYS, tags=tags, opts=child)
        role = iam.Role(f"{name}-role", assume_role_policy=trust_policy(args.account), tags=tags, opts=child)
        iam.RolePolicy(f"{name}-write", role=role.name, policy=group.arn.apply(write_policy), opts=child)
        ec2.FlowLog(
            f"{name}-vpc",
            vpc_id=args.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=group.arn,
            iam_role_arn=role.arn,
            tags=tags,
            opts=child,
        )
        self.register_outputs({})


def trust_policy(account: Account) -> str:
    """Only flow logs of the own account and region may take the role (IAM user guide, confused deputy)."""
    logs = f"arn:{account.partition}:ec2:{account.region}:{account.id}:vpc-flow-log/*"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
        "Action": "sts:AssumeRole",
        "Condition": {"StringEquals": {"aws:SourceAccount": account.id}, "ArnLike": {"aws:SourceArn": logs}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def write_policy(group_arn: str) -> str:
    """Writing into one log group."""
    resources = [group_arn, f"{group_arn}:*"]
    statement = {"Effect": "Allow", "Action": list(WRITE_ACTIONS), "Resource": resources}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})
