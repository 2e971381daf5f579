"""What a real account finds in every region and moto lacks: GPU images, and the public parameters that name them.

moto ships the instance-type catalogue with its offerings by region and zone, the Amazon Linux 2023 images with
their parameters, and a default VPC. It has no NVIDIA image newer than 2017, and its API refuses to write a parameter
below /aws/ (reserved), so the seeds go into the backends directly, once a region, before the region's first call.

Names, parameter paths and root devices are those of the real images:
https://docs.aws.amazon.com/dlami/latest/devguide/find-dlami-id.html
https://docs.aws.amazon.com/eks/latest/userguide/retrieve-ami-id.html
https://documentation.ubuntu.com/aws/aws-how-to/instances/find-ubuntu-images/
Ids are a hash of region and name: stable from run to run, different by region. Owners are taken from moto's own rows.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

__all__ = ["IMAGES", "Image", "ensure", "forget", "image_id"]

DEEP_LEARNING = "Deep Learning AMI Amazon Linux"  # prefixes of rows in moto's catalogue that have the right owner
EKS = "amazon-eks-node-linux"
UBUNTU = "ubuntu/images/"


@dataclass(frozen=True, slots=True)
class Image:
    """One public image; `owner_like` begins the name of a moto row with the same owner, `parameter` is its SSM path."""

    name: str
    architecture: str
    owner_like: str
    parameter: str
    created: datetime
    root_device: str = "/dev/xvda"
    owner_alias: str = "amazon"

    def id(self, region: str) -> str:
        """The image's id in `region`."""
        return image_id(region, self.name)


def image_id(region: str, name: str) -> str:
    """A stable id of the form AWS uses: `ami-` and 17 hex digits."""
    return "ami-" + hashlib.sha256(f"{region}/{name}".encode()).hexdigest()[:17]


def _deep_learning(flavour: str, architecture: str, slug: str, day: int, root_device: str) -> Image:
    arm = "ARM64 " if architecture == "arm64" else ""
    return Image(
        name=f"Deep Learning {arm}{flavour} 202609{day:02d}",
        architecture=architecture,
        owner_like=DEEP_LEARNING,
        parameter=f"/aws/service/deeplearning/ami/{architecture}/{slug}/latest/ami-id",
        created=datetime(2026, 9, day, 12, tzinfo=UTC),
        root_device=root_device,
    )


def _eks(version: str, architecture: str, variant: str) -> Image:
    return Image(
        name=f"amazon-eks-node-al2023-{architecture}-{variant}-{version}-v20260918",
        architecture=architecture,
        owner_like=EKS,
        parameter=f"/aws/service/eks/optimized-ami/{version}/amazon-linux-2023/{architecture}/{variant}/recommended/image_id",
        created=datetime(2026, 9, 18, 9, tzinfo=UTC),
    )


def _ubuntu(architecture: str) -> Image:
    return Image(
        name=f"ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-{architecture}-server-20260915",
        architecture="x86_64" if architecture == "amd64" else architecture,
        owner_like=UBUNTU,
        parameter=f"/aws/service/canonical/ubuntu/server/24.04/stable/current/{architecture}/hvm/ebs-gp3/ami-id",
        created=datetime(2026, 9, 15, 6, tzinfo=UTC),
        root_device="/dev/sda1",
        owner_alias="",
    )


IMAGES: tuple[Image, ...] = (
    *(
        _deep_learning(
            "Base OSS Nvidia Driver GPU AMI (Amazon Linux 2023)",
            architecture,
            "base-oss-nvidia-driver-gpu-amazon-linux-2023",
            11,
            "/dev/xvda",
        )
        for architecture in ("x86_64", "arm64")
    ),
    *(
        _deep_learning(
            "Base OSS Nvidia Driver GPU AMI (Ubuntu 24.04)",
            architecture,
            "base-oss-nvidia-driver-gpu-ubuntu-24.04",
            12,
            "/dev/sda1",
        )
        for architecture in ("x86_64", "arm64")
    ),
    *(
        _eks(version, architecture, variant)
        for version in ("1.33", "1.34")
        for architecture, variant in (
            ("x86_64", "standard"),
            ("arm64", "standard"),
            ("x86_64", "nvidia"),
            ("arm64", "nvidia"),
        )
    ),
    _ubuntu("amd64"),
    _ubuntu("arm64"),
)

_seeded: set[tuple[str, str]] = set()


def ensure(service: str, region: str) -> None:
    """Seed `region` for `service` if that is still to do; moto's lock must be held."""
    seed = {"ec2": _seed_images, "autoscaling": _seed_images, "ssm": _seed_parameters}.get(service)
    key = ("ssm" if service == "ssm" else "ec2", region)
    if seed is not None and key not in _seeded:
        _seeded.add(key)
        seed(region)


def forget() -> None:
    """After moto forgot everything, each region is to be seeded again."""
    _seeded.clear()


def _seed_images(region: str) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ec2.models import ec2_backends
    from moto.ec2.models.amis import Ami

    try:
        backend = ec2_backends[DEFAULT_ACCOUNT_ID][region]
    except KeyError:  # no such region: the call itself will say so
        return
    for image in IMAGES:
        backend.amis[image.id(region)] = Ami(
            backend,
            image.id(region),
            name=image.name,
            description=f"{image.name} (seeded by the sandbox)",
            owner_id=_owner(backend.amis, image.owner_like),
            owner_alias=image.owner_alias or None,
            public=True,
            virtualization_type="hvm",
            architecture=image.architecture,
            creation_date=image.created,
            image_location=f"amazon/{image.name}",
            hypervisor="xen",
            root_device_type="ebs",
            root_device_name=image.root_device,
        )


def _owner(images: dict[str, Any], name_begins: str) -> str:
    return next(str(row.owner_id) for row in images.values() if row.name and row.name.startswith(name_begins))


def _seed_parameters(region: str) -> None:
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.ssm.models import Parameter, ssm_backends

    try:
        parameters = ssm_backends[DEFAULT_ACCOUNT_ID][region]._parameters
    except KeyError:
        return
    for image in IMAGES:
        parameters[image.parameter].append(
            Parameter(
                account_id=DEFAULT_ACCOUNT_ID,
                name=image.parameter,
                value=image.id(region),
                parameter_type="String",
                description=None,
                allowed_pattern=None,
                keyid=None,
                last_modified_date=image.created,
                version=1,
                data_type="aws:ec2:image",
            )
        )
