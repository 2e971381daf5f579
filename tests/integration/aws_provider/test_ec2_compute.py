"""Volumes, attachments, instances and launch templates."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import REGION, Live, World
from tests.integration.aws_provider.test_ec2_network import a_subnet, a_vpc

INSTANCE = "aws:ec2/instance:Instance"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"


def an_image(world: World) -> str:
    images = world.client("ec2").describe_images(Owners=["amazon"])["Images"]
    return str(next(image["ImageId"] for image in images if image["RootDeviceType"] == "ebs"))


def an_instance(world: World, **inputs: Any) -> Live:
    given = {"ami": an_image(world), "instanceType": "g4dn.xlarge", "tags": {"Name": "node"}}
    return world.up(INSTANCE, "node", **(given | inputs))


def test_a_volume_lives_from_create_to_delete(world: World) -> None:
    volume = world.up(
        "aws:ebs/volume:Volume",
        "weights",
        availabilityZone=f"{REGION}a",
        size=100,
        type="gp3",
        iops=4000,
        throughput=250,
        encrypted=True,
        tags={"a": "1"},
    )
    assert volume.outputs["arn"].endswith(f":volume/{volume.id}")
    assert volume.outputs["encrypted"] is True
    assert volume.update(size=200, tags={"a": "2"}) == {"size": "update", "tags.a": "update"}
    assert volume.plan(availabilityZone=f"{REGION}b") == {"availabilityZone": "replace"}
    assert volume.imported()[0]["size"] == 200
    volume.delete()
    assert world.left() == {}


def test_a_volume_gets_more_speed_in_place(world: World) -> None:
    volume = world.up(
        "aws:ebs/volume:Volume",
        "weights",
        availabilityZone=f"{REGION}a",
        size=100,
        type="gp3",
        iops=4000,
        throughput=250,
    )
    assert volume.update(iops=6000, throughput=500) == {"iops": "update", "throughput": "update"}


def test_a_volume_refuses_to_shrink_as_aws_does(world: World) -> None:
    place = f"{REGION}a"
    volume = world.up("aws:ebs/volume:Volume", "weights", availabilityZone=place, size=77, type="gp3", throughput=200)
    assert volume.plan(size=20) == {"size": "update"}, "the official plugin does not see it coming either"
    with pytest.raises(PluginError, match="InvalidParameterValue: New size cannot be smaller than existing size"):
        volume.update(size=20)
    assert volume.refresh()
    assert volume.outputs["size"] == 77
    assert volume.update(size=77, throughput=125) == {"throughput": "update"}
    world.client("ec2").modify_volume(VolumeId=volume.id, Size=100)
    with pytest.raises(PluginError, match="New size cannot be smaller"):
        volume.update(throughput=150)  # 77 is smaller than what somebody made of it
    volume.delete()


def test_an_attachment_lives_from_create_to_delete(world: World) -> None:
    instance = an_instance(world, availabilityZone=f"{REGION}a")
    volume = world.up("aws:ebs/volume:Volume", "weights", availabilityZone=f"{REGION}a", size=10)
    bound = world.up(
        "aws:ec2/volumeAttachment:VolumeAttachment",
        "bound",
        deviceName="/dev/sdf",
        instanceId=instance.id,
        volumeId=volume.id,
    )
    assert bound.id.startswith("vai-")
    assert bound.plan(deviceName="/dev/sdg") == {"deviceName": "replace"}
    assert bound.imported(f"/dev/sdf:{volume.id}:{instance.id}")[0]["volumeId"] == volume.id
    assert instance.refresh()
    assert instance.plan() == {}, "an attached volume is no drift of the instance"
    world.client("ec2").detach_volume(VolumeId=volume.id, InstanceId=instance.id)
    assert not bound.refresh()
    bound.delete()
    volume.delete()
    instance.delete()
    assert world.left() == {}


def test_an_instance_lives_from_create_to_delete(world: World) -> None:
    vpc = a_vpc(world)
    subnet = a_subnet(world, vpc)
    groups = [world.up("aws:ec2/securityGroup:SecurityGroup", f"g{i}", vpcId=vpc.id) for i in range(2)]
    instance = an_instance(
        world,
        subnetId=subnet.id,
        vpcSecurityGroupIds=[groups[0].id],
        userData="#!/bin/sh\necho ü\n",
        metadataOptions={"httpTokens": "required", "httpEndpoint": "enabled", "httpPutResponseHopLimit": 1},
        rootBlockDevice={"volumeSize": 50, "volumeType": "gp3", "encrypted": True},
    )
    assert instance.outputs["privateIp"].startswith("10.20.0.")
    assert instance.outputs["instanceState"] == "running"
    assert instance.outputs["metadataOptions"]["httpTokens"] == "required"
    assert instance.outputs["rootBlockDevice"]["volumeSize"] == 50
    assert instance.outputs["userData"] == "#!/bin/sh\necho ü\n"
    assert instance.update(
        instanceType="g5.xlarge",
        vpcSecurityGroupIds=[groups[1].id, groups[0].id],
        metadataOptions={"httpTokens": "required", "httpEndpoint": "enabled", "httpPutResponseHopLimit": 2},
        tags={"Name": "other"},
    ) == {
        "instanceType": "update",
        "vpcSecurityGroupIds[0]": "update",
        "metadataOptions.httpPutResponseHopLimit": "update",
        "tags.Name": "update",
    }
    assert instance.plan(ami="ami-1") == {"ami": "replace"}
    assert instance.plan(userData="other") == {"userData": "update"}
    assert instance.plan(userData="other", userDataReplaceOnChange=True) == {
        "userData": "replace",
        "userDataReplaceOnChange": "update",
    }
    instance.update(userData="other")
    assert instance.imported()[0]["instanceType"] == "g5.xlarge"
    instance.delete()
    for group in groups:
        group.delete()
    subnet.delete()
    vpc.delete()
    assert world.left() == {}


def test_drift_of_an_instance_is_found(world: World) -> None:
    instance = an_instance(world)
    ec2 = world.client("ec2")
    ec2.stop_instances(InstanceIds=[instance.id])
    ec2.modify_instance_attribute(InstanceId=instance.id, InstanceType={"Value": "g5.2xlarge"})
    assert instance.refresh()
    assert instance.plan() == {"instanceType": "update"}
    ec2.terminate_instances(InstanceIds=[instance.id])
    assert not instance.refresh()


def test_a_launch_template_gets_a_new_version_in_place(world: World) -> None:
    template = world.up(
        TEMPLATE,
        "node",
        imageId="ami-12345678",
        instanceType="g4dn.xlarge",
        ebsOptimized="true",
        updateDefaultVersion=True,
        userData=base64.b64encode(b"hello").decode(),
        vpcSecurityGroupIds=["sg-12345678"],
        metadataOptions={"httpEndpoint": "enabled", "httpTokens": "required", "httpPutResponseHopLimit": 1},
        blockDeviceMappings=[
            {
                "deviceName": "/dev/xvda",
                "ebs": {"encrypted": "true", "volumeType": "gp3", "deleteOnTermination": "true"},
            }
        ],
        tagSpecifications=[{"resourceType": "instance", "tags": {"Name": "node"}}],
        tags={"a": "1"},
    )
    assert template.outputs["name"].startswith("node-")
    assert template.outputs["latestVersion"] == 1
    assert template.update(tags={"a": "2"}) == {"tags.a": "update"}
    assert template.outputs["latestVersion"] == 1
    assert template.update(instanceType="g5.xlarge") == {"instanceType": "update"}
    assert template.outputs["latestVersion"] == 2
    assert template.outputs["defaultVersion"] == 2
    assert template.plan(name="other") == {"name": "replace"}
    assert template.imported()[0]["instanceType"] == "g5.xlarge"
    template.delete()
    assert world.left() == {}


def test_an_instance_from_a_launch_template_is_replaced_for_a_new_version(world: World) -> None:
    vpc = a_vpc(world)
    subnet = a_subnet(world, vpc)
    group = world.up("aws:ec2/securityGroup:SecurityGroup", "g", vpcId=vpc.id)
    template = world.up(
        TEMPLATE, "node", imageId=an_image(world), instanceType="g4dn.xlarge", vpcSecurityGroupIds=[group.id]
    )
    instance = world.up(
        INSTANCE,
        "node",
        launchTemplate={"id": template.id, "version": "1"},
        subnetId=subnet.id,
        associatePublicIpAddress=False,
        tags={"Name": "node"},
    )
    assert instance.outputs["instanceType"] == "g4dn.xlarge"
    assert instance.outputs["publicIp"] == ""
    assert instance.plan(launchTemplate={"id": template.id, "version": "2"}) == {"launchTemplate.version": "replace"}
    instance.delete()
    template.delete()
    group.delete()
    subnet.delete()
    vpc.delete()
    assert world.left() == {}
