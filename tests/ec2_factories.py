"""The EC2 target under mocks: what AWS would answer, and a run of the whole target."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from infra.targets import ec2
from tests.factories import make_plan, make_settings
from tests.support import Invoke, Recording, record

__all__ = ["ACCOUNT", "COMPUTED", "IMAGE", "INVOKES", "ZONES", "declare", "offered", "volumes"]

ZONES = ["us-east-1c", "us-east-1a", "us-east-1b"]
ACCOUNT = "1" * 12
IMAGE = "ami-00000000000000001"


def offered(*zones: str) -> dict[str, Any]:
    """An answer to "where is this type sold"."""
    return {"locations": list(zones), "instanceTypes": [], "locationTypes": [], "id": "x"}


INVOKES: Mapping[str, Invoke] = {
    "aws:index/getAvailabilityZones:getAvailabilityZones": lambda args: {"names": ZONES, "zoneIds": [], "id": "x"},
    "aws:index/getCallerIdentity:getCallerIdentity": lambda args: {"accountId": ACCOUNT, "id": ACCOUNT},
    "aws:index/getPartition:getPartition": lambda args: {"partition": "aws", "id": "aws"},
    "aws:ec2/getInstanceTypeOfferings:getInstanceTypeOfferings": lambda args: offered(*ZONES),
    "aws:ec2/getSubnets:getSubnets": lambda args: {"ids": [], "id": "x"},
    "aws:ssm/getParameter:getParameter": lambda args: {"value": IMAGE, "name": args["name"]},
    "aws:ebs/getEbsVolumes:getEbsVolumes": lambda args: {"ids": [], "id": "x"},
}
COMPUTED: Mapping[str, Mapping[str, Any]] = {
    "aws:ec2/vpcEndpoint:VpcEndpoint": {"prefixListId": "pl-00000001"},
    "aws:cloudwatch/logGroup:LogGroup": {"arn": "arn:aws:logs:us-east-1:111111111111:log-group:flow"},
    "aws:ec2/launchTemplate:LaunchTemplate": {"latestVersion": 3},
    "aws:ec2/instance:Instance": {"privateIp": "10.80.0.4"},
}


def declare(
    *,
    preview: bool = False,
    existing: Iterable[int] = (),
    invokes: Mapping[str, Invoke] | None = None,
    **over: object,
) -> Recording:
    """What the target registers; `existing` volumes are GiB, `over` are configuration keys."""
    settings = make_settings(**over)
    return record(
        lambda: ec2.deploy(settings, make_plan(settings), {"region": "us-east-1"}).exports(),
        preview=preview,
        computed=COMPUTED,
        invokes={**INVOKES, **volumes(existing), **(invokes or {})},
    )


def volumes(sizes: Iterable[int]) -> dict[str, Invoke]:
    """Look-ups that find volumes of these sizes."""
    by_id = {f"vol-{index}": size for index, size in enumerate(sizes)}
    return {
        "aws:ebs/getEbsVolumes:getEbsVolumes": lambda args: {"ids": list(by_id), "id": "x"},
        "aws:ebs/getVolume:getVolume": lambda args: {"size": by_id[args["filters"][0]["values"][0]], "id": "x"},
    }
