"""One GPU instance from a launch template, with the weight volume attached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi
from pulumi_aws import ec2

__all__ = ["Node", "NodeArgs"]

ROOT_GIB = 100
"""System, driver and one engine image (vLLM's are 10 to 20 GB unpacked); weights have a volume of their own."""
WEIGHT_DEVICE = "/dev/sdf"
"""First device name that AWS recommends for data volumes (EC2 user guide, device naming)."""


@dataclass(frozen=True, slots=True)
class NodeArgs:
    """What to start, where, and which volume holds the weights."""

    instance_type: str
    image_id: str
    subnet_id: pulumi.Input[str]
    security_group_id: pulumi.Input[str]
    volume_id: pulumi.Input[str]
    tags: Mapping[str, str]


class Node(pulumi.ComponentResource):
    """Launch template (IMDSv2 only, encrypted root, no public address), instance, attachment."""

    instance_id: pulumi.Output[str]
    private_ip: pulumi.Output[str]

    def __init__(self, name: str, args: NodeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("seekstack:aws:Node", name, None, opts)
        self._name, self._args = name, args
        template = self._launch_template()
        instance = ec2.Instance(
            f"{name}-instance",
            launch_template=ec2.InstanceLaunchTemplateArgs(id=template.id, version=template.latest_version.apply(str)),
            subnet_id=args.subnet_id,
            # No word on a public address: the subnet gives none, and saying it here means a network interface in the
            # request, which AWS refuses beside the template's security groups.
            tags=self._tags(),
            opts=pulumi.ResourceOptions(parent=self),
        )
        ec2.VolumeAttachment(
            f"{name}-weights",
            device_name=WEIGHT_DEVICE,
            instance_id=instance.id,
            volume_id=args.volume_id,
            # A volume hangs on one instance at a time: the old attachment must go before the new one comes.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        self.instance_id, self.private_ip = instance.id, instance.private_ip
        self.register_outputs({"instance_id": self.instance_id, "private_ip": self.private_ip})

    def _launch_template(self) -> ec2.LaunchTemplate:
        return ec2.LaunchTemplate(
            f"{self._name}-template",
            image_id=self._args.image_id,
            instance_type=self._args.instance_type,
            update_default_version=True,
            ebs_optimized="true",
            vpc_security_group_ids=[self._args.security_group_id],
            metadata_options=ec2.LaunchTemplateMetadataOptionsArgs(
                http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
            ),
            block_device_mappings=[
                ec2.LaunchTemplateBlockDeviceMappingArgs(
                    device_name="/dev/xvda",
                    ebs=ec2.LaunchTemplateBlockDeviceMappingEbsArgs(
                        encrypted="true", volume_type="gp3", volume_size=ROOT_GIB, delete_on_termination="true"
                    ),
                )
            ],
            tags=self._tags(),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _tags(self) -> dict[str, str]:
        return {**self._args.tags, "Name": f"{pulumi.get_stack()}-{self._name}"}
