"""EKS clusters and node groups."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.plugin import PluginError
from tests.integration.aws_provider.support_world import Live, World
from tests.integration.aws_provider.test_lb import Network

CLUSTER = "aws:eks/cluster:Cluster"
NODES = "aws:eks/nodeGroup:NodeGroup"


def a_role(world: World) -> str:
    return f"arn:aws:iam::{world.clients.account}:role/cluster"


def a_cluster(world: World, **inputs: Any) -> Live:
    network = Network(world)
    basic = {
        "roleArn": a_role(world),
        "version": "1.34",
        "vpcConfig": {"subnetIds": network.subnets, "endpointPrivateAccess": True, "endpointPublicAccess": False},
    }
    return world.up(CLUSTER, "serving", **(basic | inputs))


def test_a_cluster_lives_from_create_to_delete(world: World) -> None:
    cluster = a_cluster(world, enabledClusterLogTypes=["api", "audit"], tags={"a": "1"})
    assert cluster.outputs["name"] == cluster.id
    assert cluster.outputs["status"] == "ACTIVE"
    assert cluster.outputs["endpoint"].startswith("https://")
    assert cluster.outputs["certificateAuthority"]["data"]
    assert cluster.outputs["identities"][0]["oidcs"][0]["issuer"].startswith("https://")
    assert sorted(cluster.outputs["enabledClusterLogTypes"]) == ["api", "audit"]
    assert cluster.update(tags={"a": "2"}) == {"tags.a": "update"}
    assert cluster.plan(roleArn=a_role(world) + "2") == {"roleArn": "replace"}
    assert cluster.imported()[0]["version"] == "1.34"
    cluster.delete()
    assert "eks:cluster" not in world.left()


def test_an_upgrade_is_planned_as_an_update_and_named_as_not_modelled(world: World) -> None:
    cluster = a_cluster(world)
    assert cluster.plan(version="1.35") == {"version": "update"}
    with pytest.raises(PluginError, match=r"not modelled by the sandbox: eks\.update_cluster_version"):
        cluster.update(version="1.35")


def test_a_node_group_lives_from_create_to_delete(world: World) -> None:
    cluster = a_cluster(world)
    nodes = world.up(
        NODES,
        "gpu",
        clusterName=cluster.id,
        nodeRoleArn=a_role(world),
        subnetIds=cluster.outputs["vpcConfig"]["subnetIds"],
        scalingConfig={"desiredSize": 1, "maxSize": 2, "minSize": 1},
        amiType="AL2023_x86_64_NVIDIA",
        instanceTypes=["g5.xlarge"],
        labels={"role": "gpu", "old": "1"},
        taints=[{"key": "nvidia.com/gpu", "value": "true", "effect": "NO_SCHEDULE"}],
        tags={"a": "1"},
    )
    assert nodes.id == f"{cluster.id}:{nodes.outputs['nodeGroupName']}"
    assert nodes.outputs["status"] == "ACTIVE"
    assert nodes.update(scalingConfig={"desiredSize": 2, "maxSize": 3, "minSize": 1}, labels={"role": "serving"}) == {
        "scalingConfig.desiredSize": "update",
        "scalingConfig.maxSize": "update",
        "labels.role": "update",
        "labels.old": "update",
    }
    nodes.update(taints=None)
    assert nodes.plan(instanceTypes=["g6.xlarge"]).popitem()[1] == "replace"
    assert nodes.plan(amiType="AL2023_x86_64_STANDARD") == {"amiType": "replace"}
    assert nodes.imported()[0]["labels"] == {"role": "serving"}
    with pytest.raises(PluginError, match=r"not modelled by the sandbox: eks\.untag_resource"):
        nodes.update(tags=None)
    nodes.delete()
    cluster.delete()
    assert not any(kind.startswith("eks:") for kind in world.left())


def test_what_is_deleted_behind_our_back_is_gone(world: World) -> None:
    cluster = a_cluster(world)
    world.client("eks").delete_cluster(name=cluster.id)
    assert not cluster.refresh()
