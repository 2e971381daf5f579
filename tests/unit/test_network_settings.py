"""Keys of the network: every mistake with its own key and entry, and no way to say what cannot hold."""

from ipaddress import IPv4Network

import pytest

from infra.catalog.load import load
from infra.errors import ConfigurationErrors
from infra.network_settings import MOST_INTRANET_NETWORKS
from infra.private_network import PrivateRoute
from infra.settings import parse

CATALOG = load()
VALID = {"model": "7B", "intranetCidrs": ["10.0.0.0/8"]}
VPC, SUBNETS = "vpc-0123456789abcdef0", ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"]
ROUTE = {"cidr": "192.168.0.0/16", "target": "tgw-0123456789abcdef0"}


def network(**over):
    return parse({**VALID, **over}, CATALOG, region="us-east-1").network


def refused(**over):
    """(code, key) of each error."""
    with pytest.raises(ConfigurationErrors) as caught:
        parse({**VALID, **over}, CATALOG, region="us-east-1")
    assert all(error.allowed and error.fix for error in caught.value.errors)
    return [(error.code, error.key.removeprefix("seekstack:")) for error in caught.value.errors]


def test_by_default_the_stack_has_its_own_vpc_with_endpoints_and_no_way_out():
    found = network()
    assert (found.has_interface_endpoints, found.vpc_id, found.routes, found.has_nat) == (True, None, (), False)


def test_an_existing_vpc_comes_with_its_subnets_in_the_order_given():
    found = network(vpcId=VPC, subnetIds=SUBNETS[::-1])
    assert (found.vpc_id, found.subnet_ids) == (VPC, tuple(SUBNETS[::-1]))


def test_a_route_is_a_private_network_and_a_gateway():
    assert network(routes=[ROUTE]).routes == (PrivateRoute(IPv4Network("192.168.0.0/16"), ROUTE["target"]),)
    public = {**ROUTE, "cidr": "198.51.100.0/24"}
    assert len(network(routes=[public], ownCidrs=["198.51.100.0/24"]).routes) == 1


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"vpcId": "vpc-1"}, [("SKS0103", "vpcId")]),
        ({"vpcId": VPC}, [("SKS0101", "subnetIds")]),
        ({"subnetIds": SUBNETS}, [("SKS0101", "vpcId")]),
        ({"vpcId": VPC, "subnetIds": ["subnet-x", *SUBNETS[:1] * 2]},
         [("SKS0103", "subnetIds[0]"), ("SKS0103", "subnetIds[2]")]),
        ({"vpcId": VPC, "subnetIds": SUBNETS, "routes": [ROUTE], "natForStaging": True},
         [("SKS0111", "routes"), ("SKS0111", "natForStaging")]),
        ({"routes": ["10.0.0.0/8"]}, [("SKS0103", "routes[0]")]),
        ({"routes": [{**ROUTE, "via": "x"}]}, [("SKS0103", "routes[0]")]),
        ({"routes": [{**ROUTE, "target": "igw-0123456789abcdef0"}]}, [("SKS0103", "routes[0].target")]),
        ({"routes": [{**ROUTE, "target": "nat-0123456789abcdef0"}]}, [("SKS0103", "routes[0].target")]),
        ({"routes": [ROUTE, {**ROUTE, "cidr": "0.0.0.0/0"}]}, [("SKS0105", "routes[1].cidr")]),
        ({"routes": [{**ROUTE, "cidr": "fd00::/48"}]}, [("SKS0105", "routes[0].cidr")]),
        ({"routes": [ROUTE, ROUTE]}, [("SKS0105", "routes[1].cidr")]),
        ({"routes": [{**ROUTE, "cidr": "10.80.1.0/24"}]}, [("SKS0109", "routes[0].cidr")]),
        ({"routes": [{**ROUTE, "cidr": "10.80.0.0/16"}]}, [("SKS0109", "routes[0].cidr")]),
        ({"intranetCidrs": ["192.168.0.0/16", "x", "10.80.3.0/24"]},
         [("SKS0105", "intranetCidrs[1]"), ("SKS0109", "intranetCidrs[2]")]),
        ({"intranetCidrs": ["10.80.0.0/16"]}, [("SKS0109", "intranetCidrs[0]")]),
        ({"intranetCidrs": ["10.80.1.0/255.255.255.0"]}, [("SKS0109", "intranetCidrs[0]")]),
        ({"intranetCidrs": ["10.80.1.0/24"], "vpcCidr": "10.0.0.0/8"}, [("SKS0105", "vpcCidr")]),
        ({"intranetCidrs": [f"10.{n}.0.0/16" for n in range(MOST_INTRANET_NETWORKS + 1)]},
         [("SKS0103", "intranetCidrs")]),
    ],
)  # fmt: skip
def test_what_cannot_hold_is_refused_with_its_key(over, expected):
    assert refused(**over) == expected


def test_a_wider_intranet_holds_the_vpc_as_one_of_its_parts():
    assert network(intranetCidrs=["10.0.0.0/8"], routes=[{**ROUTE, "cidr": "10.0.0.0/8"}]).routes


def test_clients_may_stand_inside_a_vpc_that_exists():
    assert network(vpcId=VPC, subnetIds=SUBNETS, intranetCidrs=["10.80.3.0/24"]).vpc_id == VPC


@pytest.mark.parametrize("entry", ["routes[0]", "routes[0].cidr", "routes[0].target", "subnetIds[0]"])
def test_an_encrypted_entry_is_refused_once(entry):
    config = {**VALID, "vpcId": VPC, "subnetIds": SUBNETS} if "subnet" in entry else {**VALID, "routes": [ROUTE]}
    with pytest.raises(ConfigurationErrors) as caught:
        parse(config, CATALOG, region="us-east-1", secrets={f"seekstack:{entry}"})
    assert [error.key for error in caught.value.errors] == [f"seekstack:{entry}"]
