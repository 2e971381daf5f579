"""An existing VPC: what is looked up, what is refused, and that nothing of it is created or changed."""

import pytest

from infra.errors import ConfigurationError, ConfigurationErrors
from tests.ec2_factories import declare, offered

VPC, OTHER = "vpc-0123456789abcdef0", "vpc-0123456789abcdef1"
SUBNETS = ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
CONFIG = {"vpcId": VPC, "subnetIds": SUBNETS}
MADE = {"Vpc", "Subnet", "RouteTable", "RouteTableAssociation", "Route", "NetworkAcl", "FlowLog", "LogGroup", "Role"}
RULES = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


def found(*, zones=("us-east-1b", "us-east-1a"), vpcs=(VPC, VPC), routes=(), public=False, dns=True, own_tables=True):
    """Look-ups of a VPC with two subnets; `routes` are the gateways that their tables lead to."""
    subnets = {
        identity: {"id": identity, "vpcId": vpc, "availabilityZone": zone, "mapPublicIpOnLaunch": public}
        for identity, vpc, zone in zip(SUBNETS, vpcs, zones, strict=True)
    }

    def tables(args):
        (only,) = args["filters"]
        is_main = only["name"] == "association.main"
        own = [f"rtb-{only['values'][0]}"] if own_tables and not is_main else []
        return {"ids": ["rtb-main"] if is_main else own, "id": "x"}

    return {
        "aws:ec2/getVpc:getVpc": lambda args: {
            "id": VPC, "cidrBlock": "10.9.0.0/16", "enableDnsSupport": True, "enableDnsHostnames": dns,
            "cidrBlockAssociations": [
                {"cidrBlock": "10.9.0.0/16", "state": "associated", "associationId": "a"},
                {"cidrBlock": "10.8.0.0/16", "state": "associated", "associationId": "b"},
                {"cidrBlock": "10.7.0.0/16", "state": "disassociated", "associationId": "c"},
            ],
        },
        "aws:ec2/getSubnet:getSubnet": lambda args: subnets[args["id"]],
        "aws:ec2/getRouteTables:getRouteTables": tables,
        "aws:ec2/getRouteTable:getRouteTable": lambda args: {
            "id": args["routeTableId"], "routes": [{"gatewayId": gateway} for gateway in routes]},
        "aws:ec2/getManagedPrefixList:getManagedPrefixList": lambda args: {"id": f"pl-of-{args['name']}"},
    }  # fmt: skip


def deploy(*, preview=False, **over):
    look_ups = {key: over.pop(key) for key in list(over) if key in found.__kwdefaults__}
    return declare(preview=preview, invokes={**found(**look_ups), **over.pop("invokes", {})}, **{**CONFIG, **over})


def refused(**over):
    with pytest.raises((ConfigurationError, ConfigurationErrors)) as caught:
        deploy(**over)
    errors = getattr(caught.value, "errors", (caught.value,))
    assert all(error.allowed and error.fix and error.exit_code == 2 for error in errors)
    return [(error.code, error.key.removeprefix("seekstack:")) for error in errors]


@pytest.mark.parametrize("over", [{}, {"vpcEndpoints": False}])
def test_nothing_of_the_vpc_is_made_and_a_preview_lists_what_update_creates(over):
    recording = deploy(**over)
    assert not {item.type.rpartition(":")[2] for item in recording.registrations} & MADE
    assert deploy(preview=True, **over).urns == recording.urns


def test_the_server_and_its_volume_stand_in_the_first_subnet():
    recording = deploy()
    assert recording.one("aws:ec2/instance:Instance").inputs["subnetId"] == SUBNETS[0]
    assert recording.one("aws:ebs/volume:Volume").inputs["availabilityZone"] == "us-east-1b"
    assert recording.one("aws:ec2/securityGroup:SecurityGroup", "network-server").inputs["vpcId"] == VPC
    assert recording.result["vpcId"] == VPC


@pytest.mark.parametrize(
    ("own_tables", "expected"), [(True, [f"rtb-{subnet}" for subnet in SUBNETS]), (False, ["rtb-main"])]
)
def test_the_s3_endpoint_goes_into_the_tables_that_the_subnets_use(own_tables, expected):
    s3 = deploy(own_tables=own_tables).one("aws:ec2/vpcEndpoint:VpcEndpoint", "endpoints-s3")
    assert s3.inputs["routeTableIds"] == expected


def test_endpoints_that_the_vpc_has_are_reached_by_its_ranges_and_s3s_prefix_list():
    recording = deploy(vpcEndpoints=False)
    assert not recording.of_type("aws:ec2/vpcEndpoint:VpcEndpoint")
    rules = [item.inputs for item in recording.of_type(RULES)]
    assert {rule.get("cidrIpv4") or rule["prefixListId"] for rule in rules} == {
        "10.9.0.0/16", "10.8.0.0/16", "pl-of-com.amazonaws.us-east-1.s3",
    }  # fmt: skip
    assert {(rule["fromPort"], rule["toPort"]) for rule in rules} == {(443, 443)}


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"vpcs": (VPC, OTHER)}, [("SKS0404", "subnetIds[1]")]),
        ({"zones": ("us-east-1a", "us-east-1a")}, [("SKS0405", "subnetIds[1]")]),
        ({"zones": ("us-east-1a", "us-east-1e")}, [("SKS0406", "subnetIds[1]")]),
        ({"routes": ("vgw-1", "igw-1")}, [("SKS0407", "subnetIds[0]"), ("SKS0407", "subnetIds[1]")]),
        ({"public": True}, [("SKS0407", "subnetIds[0]"), ("SKS0407", "subnetIds[1]")]),
        ({"dns": False}, [("SKS0408", "vpcId")]),
        ({"zones": ("us-east-1e", "us-east-1e"), "dns": False},
         [("SKS0406", "subnetIds[0]"), ("SKS0405", "subnetIds[1]"), ("SKS0406", "subnetIds[1]"), ("SKS0408", "vpcId")]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_at_once_with_its_key(over, expected):
    assert refused(**over) == expected


def test_a_zone_without_the_type_is_told_with_the_zones_that_have_it():
    offerings = {"aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": lambda args: offered("us-east-1b")}
    with pytest.raises(ConfigurationError) as caught:
        deploy(invokes=offerings)
    assert caught.value.allowed == "zones that do: us-east-1b"


def test_without_own_endpoints_the_vpc_need_not_resolve_names():
    assert deploy(dns=False, vpcEndpoints=False).registrations


def test_a_vpn_gateway_is_no_way_to_the_internet():
    assert deploy(routes=("vgw-1",)).registrations
