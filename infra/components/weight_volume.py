"""The disk that keeps staged weights when its server is replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import ebs

__all__ = ["WeightVolume", "WeightVolumeArgs"]


@dataclass(frozen=True, slots=True)
class WeightVolumeArgs:
    """Size and speed from the plan; `is_protected` makes Pulumi refuse to delete it."""

    availability_zone: str
    size_gib: int
    iops: int
    throughput_mib_per_second: int
    is_protected: bool
    tags: Mapping[str, str]


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
            tags={**args.tags, "Name": f"{pulumi.get_stack()}-{name}"},
            opts=pulumi.ResourceOptions(parent=self, protect=args.is_protected),
        )
        self.volume_id = volume.id
        self.register_outputs({"volume_id": self.volume_id})
