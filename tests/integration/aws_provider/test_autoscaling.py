"""Auto Scaling groups, scheduled actions and lifecycle hooks."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox import fake_aws
from sandbox.fake_aws import derived
from sandbox.fake_aws_seeds import IMAGES
from tests.integration.aws_provider.support_world import REGION, Live, World

GROUP = "aws:autoscaling/group:Group"
SCHEDULE = "aws:autoscaling/schedule:Schedule"
HOOK = "aws:autoscaling/lifecycleHook:LifecycleHook"


@pytest.fixture
def world(fake: World) -> World:
    """An empty fake: these tests count instances."""
    fake_aws.reset(fake.endpoint)
    return World(fake.endpoint, fake.clients)


def a_group(world: World, **inputs: Any) -> Live:
    ec2 = world.client("ec2")
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{n}.0/24", AvailabilityZone=f"{REGION}{zone}")["Subnet"][
            "SubnetId"
        ]
        for n, zone in enumerate("ab")
    ]
    data = {"ImageId": IMAGES[0].id(REGION), "InstanceType": "g5.xlarge"}
    template = ec2.create_launch_template(LaunchTemplateName="nodes", LaunchTemplateData=data)["LaunchTemplate"]
    basic = {
        "launchTemplate": {"id": template["LaunchTemplateId"], "version": "$Latest"},
        "maxSize": 2,
        "minSize": 1,
        "vpcZoneIdentifiers": subnets,
    }
    return world.up(GROUP, "nodes", **(basic | inputs))


def a_tag(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": value, "propagateAtLaunch": True}


def test_a_group_lives_from_create_to_delete(world: World) -> None:
    group = a_group(world, tags=[a_tag("a", "1"), a_tag("b", "1")])
    assert group.outputs["name"] == group.id
    assert f":autoScalingGroupName/{group.id}" in group.outputs["arn"]
    assert group.outputs["desiredCapacity"] == 1
    assert len(derived(world.endpoint)["ec2:instance"]) == 1
    found = world.client("ec2").describe_instances()["Reservations"][0]["Instances"][0]["Tags"]
    assert {"Key": "a", "Value": "1"} in found
    planned = group.update(maxSize=3, desiredCapacity=2, tags=[a_tag("a", "2"), a_tag("c", "3")])
    assert planned.keys() >= {"maxSize", "desiredCapacity"}
    assert len(derived(world.endpoint)["ec2:instance"]) == 2
    tags = world.client("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"][0]["Tags"]
    assert {(tag["Key"], tag["Value"]) for tag in tags} == {("a", "2"), ("c", "3")}
    assert group.plan(name="other") == {"name": "replace"}
    assert group.imported()[0]["maxSize"] == 3
    group.delete()
    assert "autoscaling:group" not in world.left()
    assert derived(world.endpoint).get("ec2:instance", []) == []


def test_finds_a_size_that_somebody_changed(world: World) -> None:
    group = a_group(world)
    world.client("autoscaling").update_auto_scaling_group(AutoScalingGroupName=group.id, MaxSize=7)
    assert group.refresh()
    assert group.plan() == {"maxSize": "update"}


def test_suspends_and_resumes_processes(world: World) -> None:
    group = a_group(world, suspendedProcesses=["AZRebalance", "Terminate"])
    group.update(suspendedProcesses=["AZRebalance"])
    assert group.outputs["suspendedProcesses"] == ["AZRebalance"]
    group.update(suspendedProcesses=None)
    assert group.outputs.get("suspendedProcesses", []) == []


def test_attaches_and_detaches_target_groups(world: World) -> None:
    group = a_group(world)
    subnet = group.outputs["vpcZoneIdentifiers"][0]
    vpc = world.client("ec2").describe_subnets(SubnetIds=[subnet])["Subnets"][0]["VpcId"]
    arns = [
        world.up("aws:lb/targetGroup:TargetGroup", name, port=80, protocol="HTTP", vpcId=vpc).id for name in ("x", "y")
    ]
    group.update(targetGroupArns=arns)
    group.update(targetGroupArns=arns[1:])
    assert group.outputs["targetGroupArns"] == arns[1:]
    group.update(targetGroupArns=[])


def test_a_schedule_lives_from_create_to_delete(world: World) -> None:
    group = a_group(world)
    schedule = world.up(
        SCHEDULE,
        "night",
        autoscalingGroupName=group.id,
        scheduledActionName="night",
        desiredCapacity=0,
        minSize=0,
        maxSize=-1,
        recurrence="0 20 * * *",
    )
    assert schedule.id == "night"
    assert (schedule.outputs["desiredCapacity"], schedule.outputs["maxSize"]) == (0, -1)
    assert schedule.update(recurrence="0 21 * * *", desiredCapacity=1) == {
        "recurrence": "update",
        "desiredCapacity": "update",
    }
    assert schedule.plan(scheduledActionName="day") == {"scheduledActionName": "replace"}
    assert schedule.imported(f"{group.id}/night")[0]["recurrence"] == "0 21 * * *"
    schedule.delete()
    assert "autoscaling:scheduled-action" not in world.left()


def test_a_hook_lives_from_create_to_delete(world: World) -> None:
    group = a_group(world)
    hook = world.up(
        HOOK,
        "drain",
        autoscalingGroupName=group.id,
        lifecycleTransition="autoscaling:EC2_INSTANCE_TERMINATING",
        heartbeatTimeout=300,
    )
    assert hook.outputs["defaultResult"] == "ABANDON"
    assert hook.update(heartbeatTimeout=600, defaultResult="CONTINUE") == {
        "heartbeatTimeout": "update",
        "defaultResult": "update",
    }
    assert hook.plan(name="other") == {"name": "replace"}
    assert hook.imported(f"{group.id}/{hook.id}")[0]["heartbeatTimeout"] == 600
    hook.delete()
    assert "autoscaling:lifecycle-hook" not in world.left()


def test_hooks_and_schedules_go_with_their_group(world: World) -> None:
    group = a_group(world)
    schedule = world.up(
        SCHEDULE, "n", autoscalingGroupName=group.id, scheduledActionName="n", minSize=0, recurrence="0 20 * * *"
    )
    hook = world.up(HOOK, "h", autoscalingGroupName=group.id, lifecycleTransition="autoscaling:EC2_INSTANCE_LAUNCHING")
    group.delete()
    assert not group.refresh()
    for live in (schedule, hook):
        live.delete()
