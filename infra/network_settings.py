"""What a stack says about its network on EC2, beyond who may come in: which VPC, which ways out, which doors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Protocol

from infra.private_network import Network, PrivateRoute, contains, parse_network, parse_private_network

__all__ = ["MOST_INTRANET_NETWORKS", "NetworkSettings", "network_settings", "refuse_collisions"]

MOST_INTRANET_NETWORKS = 14
"""IPv4 networks for which a network ACL stays within 20 rules a direction, AWS's own last one included (VPC quotas)."""
ID = "[0-9a-f]{8,17}"
ROUTE_KEYS = {"cidr", "target"}
ROUTE_FORM = "{cidr: 10.0.0.0/8, target: <id of a VPN gateway, transit gateway or peering>}"
OUTSIDE = "networks outside vpcCidr, or around it"
TARGETS = "an id that begins with vgw-, tgw- or pcx-"


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """The checked keys of one environment's network."""

    has_interface_endpoints: bool
    """Private doors to AWS services (`vpcEndpoints`); without them only S3 has one."""
    vpc_id: str | None
    """An existing VPC; None lets the stack make one."""
    subnet_ids: tuple[str, ...]
    """Subnets of the existing VPC, the servers' own first; empty without one."""
    routes: tuple[PrivateRoute, ...]
    has_nat: bool
    """A way to the internet while weights are staged (`natForStaging`)."""


class Reader(Protocol):
    """What is needed of the reader of settings."""

    def refuse(
        self,
        code: str,
        key: str,
        message: str,
        *,
        entry: str = "",
        value: object = None,
        allowed: str | None = None,
        fix: str | None = None,
    ) -> None: ...

    def is_secret(self, key: str, entry: str = "") -> bool: ...


def network_settings(
    reader: Reader, values: Mapping[str, Any], own: Sequence[Network], cidr: IPv4Network
) -> NetworkSettings:
    """The network keys among `values`, which are read; what is wrong with them, or with a VPC of `cidr`, is refused."""
    settings = NetworkSettings(
        has_interface_endpoints=values["vpcEndpoints"] is not False,
        vpc_id=values["vpcId"],
        subnet_ids=_subnet_ids(reader, values["subnetIds"]),
        routes=_routes(reader, values["routes"], own, cidr),
        has_nat=bool(values["natForStaging"]),
    )
    _refuse_mixtures(reader, settings, values)
    return settings


def refuse_collisions(reader: Reader, cidr: IPv4Network, intranet: Sequence[Network], raw: Sequence[object]) -> None:
    """Networks of the intranet (`raw` as written) that a new VPC of `cidr` cannot be called from, or are too many.

    A wider intranet is no collision: 10.0.0.0/8 holds a VPC of 10.80.0.0/16 as one of its parts.
    """
    for network in intranet:
        if contains(cidr, network):
            entry = f"[{next(index for index, element in enumerate(raw) if _means(element, network))}]"
            message = f"{network} lies inside the VPC's own {cidr}, where nothing but the servers is"
            reader.refuse("SKS0109", "intranetCidrs", message, entry=entry, value=str(network), allowed=OUTSIDE)
    count = sum(network.version == 4 for network in intranet)
    if count > MOST_INTRANET_NETWORKS:
        message = f"has {count} IPv4 networks; a network ACL takes the rules of {MOST_INTRANET_NETWORKS}"
        allowed = f"1 to {MOST_INTRANET_NETWORKS} networks"
        reader.refuse("SKS0103", "intranetCidrs", message, allowed=allowed, fix="join neighbours to wider networks")


def _means(raw: object, network: Network) -> bool:
    try:
        return parse_network(raw) == network
    except ValueError:
        return False


def _subnet_ids(reader: Reader, raw: Sequence[object] | None) -> tuple[str, ...]:
    found: list[str] = []
    for index, element in enumerate(raw or ()):
        if reader.is_secret("subnetIds", entry := f"[{index}]"):
            continue
        problem = ""
        if not isinstance(element, str) or not re.fullmatch(f"subnet-{ID}", element):
            problem = f"{element!r} is not a subnet id"
        elif element in found:
            problem = f"{element} stands twice"
        else:
            found.append(element)
        if problem:
            allowed = "each id once, such as subnet-0123456789abcdef0"
            reader.refuse("SKS0103", "subnetIds", problem, entry=entry, value=element, allowed=allowed)
    return tuple(found)


def _routes(
    reader: Reader, raw: Sequence[object] | None, own: Sequence[Network], vpc: IPv4Network
) -> tuple[PrivateRoute, ...]:
    found: dict[IPv4Network, PrivateRoute] = {}
    for index, element in enumerate(raw or ()):
        if reader.is_secret("routes", entry := f"[{index}]"):
            continue
        if not isinstance(element, Mapping) or set(element) != ROUTE_KEYS:
            fix = f"write {ROUTE_FORM}"
            reader.refuse("SKS0103", "routes", "has not the form of a route", entry=entry, value=element,
                          allowed=ROUTE_FORM, fix=fix)  # fmt: skip
            continue
        cidr = _route_cidr(reader, element["cidr"], f"{entry}.cidr", own, found)
        target = _route_target(reader, element["target"], f"{entry}.target")
        if cidr is not None and contains(vpc, cidr):
            message = f"{cidr} lies inside the VPC's own {vpc}, which wins over every route"
            reader.refuse("SKS0109", "routes", message, entry=f"{entry}.cidr", value=str(cidr), allowed=OUTSIDE)
        elif cidr is not None and target is not None:
            found[cidr] = PrivateRoute(cidr, target)
    return tuple(found.values())


def _route_cidr(
    reader: Reader, raw: object, entry: str, own: Sequence[Network], known: Mapping[IPv4Network, PrivateRoute]
) -> IPv4Network | None:
    if reader.is_secret("routes", entry):
        return None
    try:
        cidr = parse_private_network(raw, own)
        if not isinstance(cidr, IPv4Network):
            raise ValueError(f"{cidr} is IPv6, which the VPC has not")
        if cidr in known:
            raise ValueError(f"{cidr} has a route already")
    except ValueError as error:
        reader.refuse("SKS0105", "routes", str(error), entry=entry, value=raw, allowed="each private network once")
        return None
    return cidr


def _route_target(reader: Reader, raw: object, entry: str) -> str | None:
    if reader.is_secret("routes", entry):
        return None
    if isinstance(raw, str) and re.fullmatch(f"(vgw|tgw|pcx)-{ID}", raw):
        return raw
    fix = f"pulumi config set --path 'seekstack:routes{entry}' <id>"
    reader.refuse("SKS0103", "routes", f"{raw!r} is no target of a route", entry=entry, value=raw, allowed=TARGETS,
                  fix=fix)  # fmt: skip
    return None


def _refuse_mixtures(reader: Reader, settings: NetworkSettings, values: Mapping[str, Any]) -> None:
    """Keys of a new VPC beside those of an existing one."""
    if settings.vpc_id is None:
        if values["subnetIds"]:
            allowed = "the id of the VPC that has the subnets"
            reader.refuse("SKS0101", "vpcId", "is missing: subnetIds needs it", allowed=allowed)
        return
    if not values["subnetIds"]:
        reader.refuse("SKS0101", "subnetIds", "is missing: vpcId needs it", allowed="private subnets, one a zone")
    for key in ("routes", "natForStaging"):
        if values[key]:
            message = "is for a VPC of the stack's own; the routes of an existing one are its owner's"
            fix = f"pulumi config rm seekstack:{key}"
            reader.refuse("SKS0111", key, message, allowed="nothing beside vpcId", fix=fix)
