"""EC2 target: a private network, a weight volume and one GPU instance."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_aws as aws

from infra.components.node import Node, NodeArgs
from infra.components.weight_volume import WeightVolume, WeightVolumeArgs, existing_gib
from infra.settings import Settings
from infra.sizing.result import Plan
from infra.targets.ec2_network import find_account, find_site, make_network
from infra.targets.looking_up import looking_up
from infra.targets.outputs import Outputs

__all__ = ["deploy"]

IMAGE_PARAMETER = "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-amazon-linux-2023/latest/ami-id"
"""Public SSM parameter of the AMI with NVIDIA driver and container toolkit (AWS Deep Learning AMI release notes)."""


def deploy(settings: Settings, plan: Plan, provider_arguments: Mapping[str, Any]) -> Outputs:
    """Declare the stack; look-ups (zones, image) happen here, so components work on plain values."""
    if plan.instance is None:
        raise ValueError("the ec2 target needs a plan made for an instance type")
    # The SDK loads its 600 EC2 modules (1.3 s) at their first use. The look-ups wait for the plugin about as long: the
    # two go side by side. Nothing may touch aws.ec2 before the join: a lazy module half loaded has half its names.
    loading = threading.Thread(target=lambda: aws.ec2.Vpc, name="load pulumi_aws.ec2", daemon=True)
    loading.start()
    provider = aws.Provider("aws", **provider_arguments)
    opts = pulumi.ResourceOptions(providers={"aws": provider})
    lookup = pulumi.InvokeOptions(provider=provider)
    own = {"seekstack:stack": pulumi.get_stack()}
    tags = {**dict(settings.tags), **own}
    # Only what changes with the model names it: a network tagged with it would show in every preview of another model.
    model_tags = {**tags, "seekstack:model": plan.model.label}
    with looking_up():
        account = find_account(settings, lookup)
        image_id = settings.ami_id or aws.ssm.get_parameter(name=IMAGE_PARAMETER, opts=lookup).value
    loading.join()
    site = find_site(settings, plan.instance.instance_type, lookup)
    with looking_up():
        volume_gib = weight_volume_gib(plan, existing_gib("weights", site.zones[0], own, lookup))
    network = make_network(settings, account, site, tags, opts)
    weights = WeightVolume(
        "weights",
        WeightVolumeArgs(
            site.zones[0],
            volume_gib,
            plan.volume.iops,
            plan.volume.throughput_mib_per_second,
            settings.protect_weights,
            model_tags,
        ),
        opts,
    )
    node = Node(
        "node",
        NodeArgs(
            plan.instance.instance_type,
            image_id,
            network.subnet_ids[0],
            network.security_group_id,
            weights.volume_id,
            model_tags,
        ),
        opts,
    )
    return Outputs(
        endpoint=pulumi.Output.format("http://{0}:{1}/v1", node.private_ip, settings.port),
        plan=plan,
        resources={
            "instanceId": node.instance_id,
            "volumeId": weights.volume_id,
            "vpcId": network.vpc_id,
            "securityGroupId": network.security_group_id,
        },
    )


def weight_volume_gib(plan: Plan, existing: int) -> int:
    """What the plan needs, or what there is: EBS refuses to make a volume smaller."""
    if existing > plan.volume.size_gib:
        pulumi.log.info(
            f"the weight volume keeps its {existing} GiB: EBS volumes do not shrink (the plan needs "
            f"{plan.volume.size_gib})"
        )
    return max(existing, plan.volume.size_gib)
