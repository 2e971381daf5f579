"""EKS: clusters and managed node groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Source, Tags, Type, View, Wait, names
from sandbox.aws_provider.sources import given, id_part, remembered

__all__ = ["TYPES"]

TAGS: Final = Tags(
    add=Call("tag_resource", {"resourceArn": "outputs.arn", "tags": "tags"}),
    remove=Call("untag_resource", {"resourceArn": "outputs.arn", "tagKeys": "tag_keys"}),
    member="tags",
    form="map",
    found="it.tags",
)


LOGS_ON: Final = "inputs.enabledClusterLogTypes && [{types: inputs.enabledClusterLogTypes, enabled: `true`}]"

VPC_MEMBERS: Final = names("subnetIds securityGroupIds endpointPrivateAccess endpointPublicAccess publicAccessCidrs")


def _configure(name: str, send: Mapping[str, Source], *, unset: Mapping[str, Source] | None = None) -> Setting:
    """A property that the creating call sets and update_cluster_config changes."""
    taken_away = [Call("update_cluster_config", {"name": "id", **unset})] if unset else []
    return Setting((name,), [Call("update_cluster_config", {"name": "id", **send})], at_create=False, unset=taken_away)


CLUSTER: Final = Type(
    token="aws:eks/cluster:Cluster",  # noqa: S106 a Pulumi type token
    service="eks",
    create=Call(
        "create_cluster",
        {"logging.clusterLogging": LOGS_ON},
        auto=True,
        omit=("enabledClusterLogTypes",),
    ),
    id="response.cluster.name",
    read=Call("describe_cluster", {"name": "id"}, result="cluster"),
    rename={"vpcConfig": "resourcesVpcConfig"},
    outputs={
        "clusterId": "it.id",
        "enabledClusterLogTypes": "it.logging.clusterLogging[?enabled].types[]",
        "identities": "it.identity.oidc && [{oidcs: [{issuer: it.identity.oidc.issuer}]}]",
        "bootstrapSelfManagedAddons": remembered("bootstrapSelfManagedAddons", True),
        # moto does not keep these two
        "accessConfig": given("accessConfig", lambda view: view.it.get("accessConfig") or view.inputs["accessConfig"]),
        "upgradePolicy": given(
            "upgradePolicy", lambda view: view.it.get("upgradePolicy") or view.inputs["upgradePolicy"]
        ),
    },
    replaces=("bootstrapSelfManagedAddons", "encryptionConfig", "kubernetesNetworkConfig", "name", "roleArn"),
    settings=(
        _configure("vpcConfig", {f"resourcesVpcConfig.{name}": f"inputs.vpcConfig.{name}" for name in VPC_MEMBERS}),
        Setting(
            ("version", "forceUpdateVersion"),
            [Call("update_cluster_version", {"name": "id", "version": "inputs.version"})],
            at_create=False,
        ),
        _configure(
            "enabledClusterLogTypes",
            {"logging.clusterLogging": "[{types: inputs.enabledClusterLogTypes, enabled: `true`}]"},
            unset={"logging.clusterLogging": "[{types: outputs.enabledClusterLogTypes, enabled: `false`}]"},
        ),
        _configure("accessConfig", {"accessConfig.authenticationMode": "inputs.accessConfig.authenticationMode"}),
        _configure("upgradePolicy", {"upgradePolicy.supportType": "inputs.upgradePolicy.supportType"}),
    ),
    tags=TAGS,
    delete=[Call("delete_cluster", {"name": "id"})],
    ready=Wait("it.status", done=("ACTIVE",), failed=("FAILED",), timeout_seconds=1800),
    retry_delete=("ResourceInUseException",),
    defaults={"bootstrapSelfManagedAddons": True},
    autoname="name",
    autoname_length=100,
    clears=("enabledClusterLogTypes",),
    ignored=("bootstrapSelfManagedAddons", "forceUpdateVersion"),
    unsupported=names(
        "computeConfig controlPlaneScalingConfig defaultAddonsToRemoves deletionProtection"
        " kubeApiServerConfig kubeControllerManagerConfig kubeSchedulerConfig outpostConfig"
        " remoteNetworkConfig storageConfig zonalShiftConfig"
    ),
    unique=("name",),
)

GROUP: Final = {"clusterName": id_part(0, ":"), "nodegroupName": id_part(1, ":")}


def _labels(view: View) -> dict[str, Any]:
    """Labels to set, and the keys of those that have gone."""
    now: Mapping[str, str] = view.inputs.get("labels") or {}
    gone = [key for key in view.outputs.get("labels") or () if key not in now]
    return {"addOrUpdateLabels": dict(now)} | ({"removeLabels": gone} if gone else {})


def _taints(view: View) -> dict[str, Any]:
    """Taints to set, and those (by key and effect) that have gone."""
    now = view.inputs.get("taints") or []
    keys = {(taint["key"], taint["effect"]) for taint in now}
    gone = [t for t in view.outputs.get("taints") or () if (t["key"], t["effect"]) not in keys]
    return {"addOrUpdateTaints": now} | ({"removeTaints": gone} if gone else {})


NODE_GROUP: Final = Type(
    token="aws:eks/nodeGroup:NodeGroup",  # noqa: S106 a Pulumi type token
    service="eks",
    create=Call("create_nodegroup", auto=True),
    id="join(':', [response.nodegroup.clusterName, response.nodegroup.nodegroupName])",
    read=Call("describe_nodegroup", GROUP, result="nodegroup"),
    rename={
        "arn": "nodegroupArn",
        "nodeRoleArn": "nodeRole",
        "resources.remoteAccessSecurityGroupId": "remoteAccessSecurityGroup",
        "subnetIds": "subnets",
    },
    # moto invents an SSH key for each group
    outputs={"remoteAccess": given("remoteAccess", lambda view: view.it.get("remoteAccess"))},
    replaces=(
        "amiType",
        "capacityType",
        "clusterName",
        "diskSize",
        "instanceTypes",
        "nodeGroupName",
        "nodeGroupNamePrefix",
        "nodeRoleArn",
        "remoteAccess",
        "subnetIds",
    ),
    settings=(
        Setting(
            ("scalingConfig", "updateConfig"),
            [
                Call(
                    "update_nodegroup_config",
                    GROUP | {"scalingConfig": "inputs.scalingConfig", "updateConfig": "inputs.updateConfig"},
                )
            ],
            at_create=False,
        ),
        Setting(
            ("labels",),
            [Call("update_nodegroup_config", GROUP | {"labels": _labels})],
            at_create=False,
            unset=[Call("update_nodegroup_config", GROUP | {"labels": _labels})],
        ),
        Setting(
            ("taints",),
            [Call("update_nodegroup_config", GROUP | {"taints": _taints})],
            at_create=False,
            unset=[Call("update_nodegroup_config", GROUP | {"taints": _taints})],
        ),
        Setting(
            ("version", "releaseVersion", "launchTemplate", "forceUpdateVersion"),
            [
                Call(
                    "update_nodegroup_version",
                    GROUP
                    | {
                        "version": "inputs.version",
                        "releaseVersion": "inputs.releaseVersion",
                        "launchTemplate": "inputs.launchTemplate",
                        "force": "inputs.forceUpdateVersion",
                    },
                )
            ],
            at_create=False,
        ),
    ),
    tags=TAGS,
    delete=[Call("delete_nodegroup", GROUP)],
    ready=Wait("it.status", done=("ACTIVE",), failed=("CREATE_FAILED", "DEGRADED"), timeout_seconds=1800),
    retry_delete=("ResourceInUseException",),
    autoname="nodeGroupName",
    autoname_length=63,
    clears=("labels", "taints"),
    ignored=("forceUpdateVersion",),
    unsupported=("nodeRepairConfig", "warmPoolConfig"),
    unique=("clusterName", "nodeGroupName"),
)

TYPES: Final = (CLUSTER, NODE_GROUP)
