"""A network that cannot be the internet, by type: what the model server may be reached from.

Allowed are RFC 1918 (10/8, 172.16/12, 192.168/16), RFC 6598 (100.64/10, carrier-grade NAT, used inside clouds),
fc00::/7 (RFC 4193), and public ranges that the stack lists explicitly as its own. Everything wider or elsewhere is an
error, so a world-open rule cannot be expressed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

__all__ = [
    "PRIVATE_RANGES",
    "SMALLEST_OWN_PREFIX",
    "Network",
    "PrivateRoute",
    "contains",
    "parse_network",
    "parse_own_network",
    "parse_private_network",
]

Network = IPv4Network | IPv6Network

PRIVATE_RANGES: tuple[Network, ...] = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    IPv4Network("100.64.0.0/10"),
    IPv6Network("fc00::/7"),
)

SMALLEST_OWN_PREFIX = {4: 16, 6: 32}
"""The widest public range one organisation owns: a /16 (65,536 addresses) or, for IPv6, a /32 (one allocation)."""


@dataclass(frozen=True, slots=True)
class PrivateRoute:
    """A way to a private network: through a VPN gateway (vgw-), a transit gateway (tgw-) or a peering (pcx-)."""

    cidr: IPv4Network
    target: str


def parse_network(text: object) -> Network:
    """`text` as a network; ValueError names what is wrong and, for host bits, the network that was probably meant."""
    if not isinstance(text, str):
        raise ValueError(f"a network is text such as '10.0.0.0/8', not {type(text).__name__}")
    if "/" not in text:
        raise ValueError(f"'{text}' has no prefix length")
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise ValueError(f"'{text}' is not a network in CIDR form") from None
    raise ValueError(f"'{text}' has host bits set; the network is {meant}")


def parse_own_network(text: object) -> Network:
    """A public range the organisation itself uses inside; no wider than `SMALLEST_OWN_PREFIX`."""
    network = parse_network(text)
    if network.prefixlen < SMALLEST_OWN_PREFIX[network.version]:
        raise ValueError(
            f"{network} is wider than any organisation's own range (/{SMALLEST_OWN_PREFIX[network.version]})"
        )
    return network


def parse_private_network(text: object, own: Sequence[Network] = ()) -> Network:
    """`text` as a network inside a private range or inside one of `own`; ValueError otherwise."""
    network = parse_network(text)
    if not any(contains(allowed, network) for allowed in (*PRIVATE_RANGES, *own)):
        raise ValueError(f"{network} reaches beyond the intranet")
    return network


def contains(outer: Network, inner: Network) -> bool:
    """Whether every address of `inner` is one of `outer`; never between IPv4 and IPv6."""
    if isinstance(outer, IPv4Network) and isinstance(inner, IPv4Network):
        return inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and isinstance(inner, IPv6Network) and inner.subnet_of(outer)
