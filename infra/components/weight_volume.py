"""The disk that keeps staged weights when its server is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import ebs

__all__ = ["WeightVolume", "WeightVolumeArgs", "existing_gib"]


@dataclass(frozen=True, slots=True)
class WeightVolumeArgs:
    """Size and speed from the plan; `is_protected` makes Pulumi refuse to delete it."""

    availability_zone: str
    size_gib: int
    iops: int
    throughput_mib_per_second: int
    is_protected: bool
    tags: Mapping[str, str]


def existing_gib(name: str, availability_zone: str, tags: Mapping[str, str], opts: pulumi.InvokeOptions) -> int:
    """Size of the volume that a `WeightVolume` of this name has in AWS by now; 0 where there is none.

    EBS volumes do not shrink, so what exists is the least that can be asked for (docs/adr/0011). Where several carry
    the tags, the largest counts: asking for more than there is costs money, asking for less fails.
    """
    wanted = {**tags, "Name": _name_tag(name)}
    found = ebs.get_ebs_volumes(
        filters=[
            ebs.GetEbsVolumesFilterArgs(name="availability-zone", values=[availability_zone]),
            ebs.GetEbsVolumesFilterArgs(name="status", values=["creating", "available", "in-use"]),
        ],
        tags=wanted,
        opts=opts,
    )
    return max((_size_gib(volume_id, opts) for volume_id in found.ids), default=0)


def _size_gib(volume_id: str, opts: pulumi.InvokeOptions) -> int:
    by_id = ebs.GetVolumeFilterArgs(name="volume-id", values=[volume_id])
    return ebs.get_volume(filters=[by_id], opts=opts).size


def _name_tag(name: str) -> str:
    return f"{pulumi.get_stack()}-{name}"


class WeightVolume(pulumi.ComponentResource):
    """One encrypted gp3 volume; grows in place, so a larger model keeps what is staged."""

    volume_id: pulumi.Output[str]

    def __init__(self, name: str, args: WeightVolumeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:WeightVolume", name, None, opts)
        volume = ebs.Volume(
            f"{name}-volume",
            availability_zone=args.availability_zone,
            type="gp3",
            size=args.size_gib,
            iops=args.iops,
            throughput=args.throughput_mib_per_second,
            encrypted=True,
            tags={**args.tags, "Name": _name_tag(name)},
            opts=pulumi.ResourceOptions(parent=self, protect=args.is_protected),
        )
        self.volume_id = volume.id
        self.register_outputs({"volume_id": self.volume_id})
