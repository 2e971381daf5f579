"""Rules of the private subnets' network ACL: the second wall, which holds where a security group was opened.

An ACL keeps no state: an answer needs a rule as its question does, and AWS ends both lists with "deny all". Inside one
subnet it does not apply; it never stops the VPC's own DNS, time and metadata (VPC user guide, network ACL basics).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Any

from infra.private_network import Network

__all__ = ["ANSWER_PORTS", "egress_rules", "ingress_rules"]

HTTPS_PORT = 443
ANSWER_PORTS = (32768, 60999)
"""Where the servers' own calls are answered: Linux's net.ipv4.ip_local_port_range (kernel ip-sysctl.rst)."""
CLIENT_PORTS = (1024, 65535)
"""Where clients in the intranet may call from: every system's range lies inside (VPC user guide, ephemeral ports)."""
ANYWHERE = "0.0.0.0/0"
FIRST, STEP = 100, 10


def ingress_rules(sources: Sequence[Network], cidr: IPv4Network, port: int) -> list[dict[str, Any]]:
    """The API from `sources`; the VPC's own calls to endpoints; and answers, on no other port than Linux asks from.

    S3 answers from public addresses (a gateway endpoint is a route, not an address), and an ACL takes no prefix list:
    hence answers from anywhere, after a rule that denies the API's port to everyone not named before.
    """
    inside = str(cidr)
    return _numbered(
        *(_rule("allow", source, port, port) for source in _ipv4(sources)),
        _rule("deny", ANYWHERE, port, port),
        _rule("allow", inside, HTTPS_PORT, HTTPS_PORT),
        _rule("allow", ANYWHERE, *ANSWER_PORTS),
    )


def egress_rules(sources: Sequence[Network], cidr: IPv4Network) -> list[dict[str, Any]]:
    """Answers to `sources` and within the VPC, and HTTPS: to endpoints, and to S3's public addresses."""
    return _numbered(
        *(_rule("allow", source, *CLIENT_PORTS) for source in _ipv4(sources)),
        _rule("allow", str(cidr), *CLIENT_PORTS),
        _rule("allow", ANYWHERE, HTTPS_PORT, HTTPS_PORT),
    )


def _ipv4(sources: Sequence[Network]) -> list[str]:
    """The VPC has no IPv6 range, so nothing of it can arrive."""
    return [str(source) for source in sources if source.version == 4]


def _rule(action: str, cidr: str, first: int, last: int) -> dict[str, Any]:
    return {"action": action, "cidr_block": cidr, "from_port": first, "to_port": last, "protocol": "tcp"}


def _numbered(*rules: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"rule_no": FIRST + STEP * index, **rule} for index, rule in enumerate(rules)]
