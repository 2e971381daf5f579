"""The way out for staging comes and goes, and nothing else moves."""

from ipaddress import IPv4Network

import pytest

from tests.ec2_factories import declare

RULES = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


def test_a_nat_gateway_adds_resources_and_changes_none():
    without = {item.urn: item.inputs for item in declare().registrations}
    with_nat = {item.urn: item.inputs for item in declare(natForStaging=True).registrations}
    assert {urn: with_nat[urn] for urn in without} == without
    added = with_nat.keys() - without.keys()
    assert all("::staging" in urn for urn in added)
    assert len(added) == 10


def test_the_private_subnets_leave_through_the_nat_and_the_nat_through_the_internet_gateway():
    recording = declare(natForStaging=True)
    routes = {item.name: item.inputs for item in recording.of_type("aws:ec2/route:Route")}
    out, internet = routes["staging-way-out"], routes["staging-to-internet"]
    assert (out["routeTableId"], out["natGatewayId"]) == ("network-routes-id", "staging-nat-id")
    assert (internet["routeTableId"], internet["gatewayId"]) == ("staging-routes-id", "staging-internet-id")
    nat = recording.one("aws:ec2/natGateway:NatGateway").inputs
    assert (nat["subnetId"], nat["allocationId"]) == ("staging-public-id", "staging-address-id")


def test_the_servers_may_call_the_hub_by_https_and_nobody_may_call_back():
    rule = declare(natForStaging=True).one(RULES, "staging-to-hub").inputs
    assert (rule["securityGroupId"], rule["fromPort"], rule["toPort"]) == ("network-server-id", 443, 443)


@pytest.mark.parametrize("zones", [1, 2, 3])
def test_the_public_subnet_lies_behind_the_private_ones(zones):
    recording = declare(natForStaging=True, availabilityZones=zones)
    found = [IPv4Network(item.inputs["cidrBlock"]) for item in recording.of_type("aws:ec2/subnet:Subnet")]
    assert len(found) == zones + 1
    assert found[-1] == max(found)  # staging-public comes last by name too
    assert not any(a.overlaps(b) for i, a in enumerate(found) for b in found[i + 1 :])


def test_the_nat_waits_for_the_internet_gateway():
    recording = declare(natForStaging=True)
    (nat,) = recording.of_type("aws:ec2/natGateway:NatGateway")
    association = recording.one("aws:ec2/routeTableAssociation:RouteTableAssociation", "staging-public-routes")
    gateway = recording.one("aws:ec2/internetGateway:InternetGateway")
    assert association.urn in nat.dependencies
    assert gateway.urn in association.dependencies
