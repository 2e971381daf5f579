"""A network beyond the intranet cannot be expressed."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.private_network import PRIVATE_RANGES, parse_network, parse_own_network, parse_private_network

addresses = st.ip_addresses(v=4) | st.ip_addresses(v=6)


@pytest.mark.parametrize("text", ["10.0.0.0/8", "172.16.0.0/12", "192.168.7.0/24", "100.64.0.0/10", "fd00:1::/32"])
def test_accepts_private_ranges(text):
    assert str(parse_private_network(text)) == text


@pytest.mark.parametrize(
    "text",
    ["0.0.0.0/0", "::/0", "8.8.8.0/24", "10.0.0.0/7", "172.0.0.0/11", "192.168.0.0/15", "100.0.0.0/9", "2000::/3"],
)
def test_refuses_everything_wider_or_elsewhere(text):
    with pytest.raises(ValueError, match="beyond the intranet"):
        parse_private_network(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10.0.0.1/8", "the network is 10.0.0.0/8"),
        ("10.0.0.0", "no prefix length"),
        ("10.0.0/8", "not a network"),
        ("intranet/8", "not a network"),
        (8, "is text"),
        (None, "is text"),
    ],
)
def test_says_what_is_wrong_with_the_text(text, message):
    with pytest.raises(ValueError, match=message):
        parse_network(text)


def test_a_public_range_of_ones_own_is_allowed_when_listed():
    own = [parse_own_network("198.51.100.0/24")]
    assert str(parse_private_network("198.51.100.128/25", own)) == "198.51.100.128/25"
    with pytest.raises(ValueError, match="beyond the intranet"):
        parse_private_network("198.51.101.0/24", own)


@pytest.mark.parametrize("text", ["0.0.0.0/0", "0.0.0.0/1", "128.0.0.0/15", "2001:db8::/31"])
def test_the_internet_cannot_be_declared_as_ones_own(text):
    with pytest.raises(ValueError, match="wider"):
        parse_own_network(text)


@given(addresses, st.integers(0, 128))
def test_what_is_accepted_lies_inside_a_private_range(address, prefix):
    network = ip_network((address, min(prefix, address.max_prefixlen)), strict=False)
    try:
        accepted = parse_private_network(str(network))
    except ValueError:
        return
    assert not accepted.is_global
    assert any(
        accepted.subnet_of(outer)
        for outer in PRIVATE_RANGES
        if isinstance(outer, IPv4Network if accepted.version == 4 else IPv6Network)
    )
