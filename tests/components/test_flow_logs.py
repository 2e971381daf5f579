"""The VPC's record of traffic: kept for a year, written by one service of one account into one place."""

import json

from infra.components.flow_logs import write_policy
from tests.ec2_factories import ACCOUNT, COMPUTED, declare

GROUP = COMPUTED["aws:cloudwatch/logGroup:LogGroup"]["arn"]


def test_all_traffic_of_the_vpc_is_recorded_for_a_year():
    recording = declare()
    log = recording.one("aws:ec2/flowLog:FlowLog").inputs
    assert (log["vpcId"], log["trafficType"], log["logDestination"]) == ("network-vpc-id", "ALL", GROUP)
    assert recording.one("aws:cloudwatch/logGroup:LogGroup").inputs["retentionInDays"] == 365


def test_the_role_may_write_into_that_group_and_nothing_else():
    (statement,) = json.loads(declare().one("aws:iam/rolePolicy:RolePolicy").inputs["policy"])["Statement"]
    assert statement["Resource"] == [GROUP, f"{GROUP}:*"]
    assert not [action for action in statement["Action"] if "*" in action or not action.startswith("logs:")]
    assert "logs:CreateLogGroup" not in statement["Action"], "the service would make the group again after destroy"
    assert json.loads(write_policy(GROUP))["Statement"] == [statement]


def test_only_flow_logs_of_the_own_account_and_region_take_the_role():
    role = declare().one("aws:iam/role:Role").inputs["assumeRolePolicy"]
    (statement,) = json.loads(role)["Statement"]
    assert statement["Principal"] == {"Service": "vpc-flow-logs.amazonaws.com"}
    assert statement["Condition"] == {
        "StringEquals": {"aws:SourceAccount": ACCOUNT},
        "ArnLike": {"aws:SourceArn": f"arn:aws:ec2:us-east-1:{ACCOUNT}:vpc-flow-log/*"},
    }
