"""The doors to AWS services: who may use them, and that nothing else leads out of the servers' group."""

import json

import pytest

from infra.components.endpoints import INTERFACE_SERVICES, Account, own_account_policy, s3_policy
from tests.ec2_factories import ACCOUNT, declare

ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OWN = Account(ACCOUNT, "aws-us-gov", "us-gov-west-1")


def test_each_service_has_one_door_with_private_names_in_every_private_subnet():
    recording = declare(availabilityZones=3)
    found = {item.inputs["serviceName"]: item.inputs for item in recording.of_type(ENDPOINT)}
    s3 = found.pop("com.amazonaws.us-east-1.s3")
    assert (s3["vpcEndpointType"], s3["routeTableIds"]) == ("Gateway", ["network-routes-id"])
    assert set(found) == {f"com.amazonaws.us-east-1.{service}" for service in INTERFACE_SERVICES}
    for inputs in found.values():
        assert (inputs["vpcEndpointType"], inputs["privateDnsEnabled"]) == ("Interface", True)
        assert inputs["subnetIds"] == [f"network-private-{index}-id" for index in range(3)]
        assert inputs["securityGroupIds"] == ["endpoints-group-id"]


def test_only_the_servers_reach_the_endpoints_and_the_servers_only_them():
    recording = declare()
    door = recording.one(INGRESS, "endpoints-from-server").inputs
    assert (door["securityGroupId"], door["referencedSecurityGroupId"]) == ("endpoints-group-id", "network-server-id")
    out = {item.name: item.inputs for item in recording.of_type(EGRESS)}
    assert out["endpoints-to-services"]["referencedSecurityGroupId"] == "endpoints-group-id"
    assert out["endpoints-to-s3"]["prefixListId"] == "pl-00000001"
    for rule in (door, *out.values()):
        assert (rule["ipProtocol"], rule["fromPort"], rule["toPort"]) == ("tcp", 443, 443)
        assert not {"cidrIpv4", "cidrIpv6"} & rule.keys()
    assert {rule["securityGroupId"] for rule in out.values()} == {"network-server-id"}, "the endpoints call nobody"


def test_without_paid_endpoints_s3_alone_stays_reachable():
    recording = declare(vpcEndpoints=False)
    assert [item.name for item in recording.of_type(ENDPOINT)] == ["endpoints-s3"]
    assert [item.name for item in recording.of_type(EGRESS)] == ["endpoints-to-s3"]


@pytest.mark.parametrize("over", [{}, {"vpcEndpoints": False}])
def test_a_preview_lists_the_endpoints_that_update_creates(over):
    assert declare(preview=True, **over).urns == declare(**over).urns


def test_every_statement_but_that_of_image_layers_is_bound_to_the_own_account():
    statements = json.loads(s3_policy(OWN))["Statement"] + json.loads(own_account_policy(OWN))["Statement"]
    free = [item for item in statements if item.get("Condition", {}).get("StringEquals", {}).get(
        "aws:PrincipalAccount") != ACCOUNT]  # fmt: skip
    assert [(item["Action"], item["Resource"]) for item in free] == [
        ("s3:GetObject", "arn:aws-us-gov:s3:::prod-us-gov-west-1-starport-layer-bucket/*")
    ]


def test_buckets_of_other_accounts_can_be_read_and_not_written():
    for statement in json.loads(s3_policy(OWN))["Statement"]:
        own_bucket = statement.get("Condition", {}).get("StringEquals", {}).get("aws:ResourceAccount") == ACCOUNT
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        assert own_bucket or all(action.startswith(("s3:Get", "s3:List")) for action in actions)


def test_every_endpoint_carries_a_policy():
    for endpoint in declare().of_type(ENDPOINT):
        assert ACCOUNT in endpoint.inputs["policy"]
