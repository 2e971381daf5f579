"""Every described type, by token."""

from __future__ import annotations

import importlib
from typing import Final

from sandbox.aws_provider.description import Type

__all__ = ["TYPES"]

MODULES: Final = (
    "ec2_acl",
    "ec2_endpoint",
    "ec2_instance",
    "ec2_launch_template",
    "ec2_network",
    "ec2_security",
    "ec2_volume",
    "autoscaling",
    "cloudwatch",
    "eks",
    "iam",
    "kms",
    "lb",
    "s3",
    "secretsmanager",
    "ssm",
)


def _collect() -> dict[str, Type]:
    found: dict[str, Type] = {}
    for name in MODULES:
        module = importlib.import_module(f"{__name__}.{name}")
        found |= {described.token: described for described in module.TYPES}
    return found


TYPES: Final[dict[str, Type]] = _collect()
