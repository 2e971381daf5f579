"""Which availability zones a stack uses: those that sell its instance type, and those that it is in already."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

import pulumi
import pulumi_aws as aws

from infra.errors import ResourceError
from infra.settings import Settings
from infra.targets.looking_up import looking_up

__all__ = ["choose_zones", "find_zones", "offering_zones"]

PRIVATE_SUBNET = re.compile(r".*-private-(\d+)")


def find_zones(settings: Settings, instance_type: str, lookup: pulumi.InvokeOptions) -> list[str]:
    """Zones for the stack's subnets; the servers and their volume stand in the first."""
    region, wanted = settings.region or "", settings.availability_zones
    with looking_up():
        names = aws.get_availability_zones(state="available", opts=lookup).names
        # Local Zones that the account opted into are listed too (us-east-1-bos-1a); their name is longer.
        available = sorted(name for name in names if re.fullmatch(re.escape(region) + "[a-z]", name))
        offering = offering_zones(instance_type, lookup)
        existing = _zones_in_use(lookup)
    candidates = [zone for zone in available if zone in offering]
    if len(available) < wanted:
        raise _too_few(f"{region} has {len(available)} availability zones", "SKS0401", available, settings)
    if len(candidates) < wanted:
        where = f"{len(candidates)} zones of {region} offer {instance_type} ({', '.join(candidates) or 'none'})"
        raise _too_few(where, "SKS0403", candidates, settings)
    if (first := existing.get(0, candidates[0])) not in candidates:
        pulumi.log.warn(
            f"{first}, where the weights are, does not offer {instance_type}: another zone gets a new volume, and the "
            "weights are staged again"
        )
    return choose_zones(candidates, existing, wanted)


def choose_zones(candidates: Sequence[str], existing: Mapping[int, str], wanted: int) -> list[str]:
    """`wanted` of the `candidates`: each subnet stays in its zone while it is one of them, so that no volume moves.

    A type offered in another zone first, or a zone that is new in the region, must not replace what exists.
    """
    kept = {index: zone for index, zone in existing.items() if index < wanted and zone in candidates}
    free = iter(zone for zone in candidates if zone not in kept.values())
    return [kept[index] if index in kept else next(free) for index in range(wanted)]


def offering_zones(instance_type: str, lookup: pulumi.InvokeOptions) -> Collection[str]:
    """Zones of the region that sell the type at all; whether they have one left, only a launch says."""
    by_type = aws.ec2.GetInstanceTypeOfferingsFilterArgs(name="instance-type", values=[instance_type])
    found = aws.ec2.get_instance_type_offerings(location_type="availability-zone", filters=[by_type], opts=lookup)
    return frozenset(found.locations)


def _zones_in_use(lookup: pulumi.InvokeOptions) -> dict[int, str]:
    """Number of a private subnet of this stack → its zone, by the tags that the stack gives it."""
    tag = {"seekstack:stack": pulumi.get_stack()}
    zones: dict[int, str] = {}
    for identity in aws.ec2.get_subnets(tags=tag, opts=lookup).ids:
        subnet = aws.ec2.get_subnet(id=identity, opts=lookup)
        if found := PRIVATE_SUBNET.fullmatch(subnet.tags.get("Name", "")):
            zones[int(found[1])] = subnet.availability_zone
    return zones


def _too_few(where: str, code: str, zones: Sequence[str], settings: Settings) -> ResourceError:
    wanted = settings.availability_zones
    fewer = f"pulumi config set seekstack:availabilityZones {len(zones)}"
    other = "name another seekstack:instanceType or aws:region" if code == "SKS0403" else "name another aws:region"
    return ResourceError(
        f"{where}, {wanted} are configured",
        code=code,
        key="seekstack:availabilityZones",
        value=wanted,
        allowed=f"1 to {len(zones)}" if zones else "a region with such zones",
        fix=fewer if zones else other,
    )
