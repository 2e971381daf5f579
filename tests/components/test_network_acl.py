"""The network ACL as AWS evaluates it: in order of rule numbers, first match decides, nothing matched is denied."""

from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.components.network_acl import ANSWER_PORTS, egress_rules, ingress_rules
from infra.network_settings import MOST_INTRANET_NETWORKS
from tests.ec2_factories import declare

VPC = IPv4Network("10.80.0.0/16")
INTRANET = [ip_network("10.0.0.0/8"), ip_network("192.168.0.0/16"), ip_network("fd00::/48")]
PUBLIC = "52.216.0.1"


def passes(rules, address, port):
    """Whether a TCP packet from or to `address` passes on its destination `port`."""
    for rule in sorted(rules, key=lambda rule: rule["rule_no"]):
        in_range = rule["from_port"] <= port <= rule["to_port"]
        if in_range and IPv4Address(address) in IPv4Network(rule["cidr_block"]):
            return rule["action"] == "allow"
    return False


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("10.1.2.3", 8000, True),  # a client in the intranet
        ("192.168.1.1", 8000, True),
        ("172.16.0.1", 8000, False),  # a private network that is not the stack's intranet
        (PUBLIC, 8000, False),
        ("10.1.2.3", 22, False),
        ("10.80.1.1", 443, True),  # from a server to an endpoint in another zone
        ("10.1.2.3", 443, False),
        (PUBLIC, 443, False),
        (PUBLIC, 40000, True),  # S3's answer
        (PUBLIC, 3389, False),
    ],
)
def test_what_may_come_in(address, port, expected):
    assert passes(ingress_rules(INTRANET, VPC, 8000), address, port) is expected


@pytest.mark.parametrize(
    ("address", "port", "expected"),
    [
        ("10.1.2.3", 50000, True),  # the answer to a client
        ("192.168.1.1", 1024, True),
        ("10.80.1.1", 443, True),
        (PUBLIC, 443, True),  # S3 through its gateway endpoint
        (PUBLIC, 80, False),
        (PUBLIC, 50000, False),
        ("172.16.0.1", 50000, False),
        ("10.1.2.3", 22, False),
    ],
)
def test_what_may_go_out(address, port, expected):
    assert passes(egress_rules(INTRANET, VPC), address, port) is expected


@given(st.integers(1024, 65535), st.ip_addresses(v=4))
def test_nobody_outside_the_intranet_reaches_the_api_whatever_its_port(port, address):
    inside = any(address in network for network in INTRANET if network.version == 4)
    assert passes(ingress_rules(INTRANET, VPC, port), str(address), port) is inside


@given(st.integers(0, 1023))
def test_no_system_port_is_open_to_the_world(port):
    assert not passes(ingress_rules(INTRANET, VPC, 8000), PUBLIC, port)
    assert ANSWER_PORTS[0] > 1023


def test_the_rules_of_the_most_sources_stay_within_the_quota_of_20_with_awss_own_last_rule():
    sources = [ip_network(f"10.{index}.0.0/16") for index in range(MOST_INTRANET_NETWORKS)]
    for rules in (ingress_rules(sources, VPC, 8000), egress_rules(sources, VPC)):
        assert len(rules) + 1 <= 20
        assert len({rule["rule_no"] for rule in rules}) == len(rules)


def test_the_wall_stands_around_every_private_subnet():
    wall = declare(availabilityZones=3, port=9000).one("aws:ec2/networkAcl:NetworkAcl").inputs
    assert wall["subnetIds"] == [f"network-private-{index}-id" for index in range(3)]
    assert {rule["protocol"] for rule in (*wall["ingress"], *wall["egress"])} == {"tcp"}
    assert [rule["cidrBlock"] for rule in wall["ingress"] if rule["fromPort"] == 9000] == [
        "10.0.0.0/8", "192.168.0.0/16", "0.0.0.0/0",
    ]  # fmt: skip
    assert [rule["action"] for rule in wall["ingress"] if rule["fromPort"] == 9000] == ["allow", "allow", "deny"]
