"""Auto Scaling: groups with a launch template, scheduled actions and lifecycle hooks."""

from __future__ import annotations

from typing import Any, Final

from sandbox.aws_provider.description import Call, Items, Setting, Source, Type, View, Wait, names
from sandbox.aws_provider.sources import given, remembered

__all__ = ["TYPES"]


def _subnets(view: View) -> str | None:
    """AWS takes and gives the subnets as one text with commas."""
    return ",".join(view.inputs.get("vpcZoneIdentifiers") or ()) or None


def _subnets_found(view: View) -> list[str]:
    return [subnet for subnet in str(view.it.get("VPCZoneIdentifier") or "").split(",") if subnet]


def _resumed(view: View) -> list[str]:
    now = view.inputs.get("suspendedProcesses") or ()
    return [name for name in view.outputs.get("suspendedProcesses") or () if name not in now]


def _tags(view: View) -> list[dict[str, Any]] | None:
    """At create too, so that the first instances carry them."""
    tags = view.inputs.get("tags") or ()
    return [
        {"Key": tag["key"], "Value": tag["value"], "PropagateAtLaunch": tag["propagateAtLaunch"]} for tag in tags
    ] or None


TAG: Final = {
    "Tags": "[{ResourceId: id, ResourceType: 'auto-scaling-group', Key: item.key, Value: item.value, "
    "PropagateAtLaunch: item.propagateAtLaunch}]"
}
NAME: Final = {"AutoScalingGroupName": "id"}
SHAPED: Final = (
    "enabledMetrics",
    "metricsGranularity",
    "suspendedProcesses",
    "tags",
    "targetGroupArns",
    "vpcZoneIdentifiers",
)

ENABLE_METRICS: Final = Call(
    "enable_metrics_collection",
    NAME | {"Metrics": "inputs.enabledMetrics", "Granularity": "inputs.metricsGranularity"},
    when="inputs.enabledMetrics",
)

GROUP: Final = Type(
    token="aws:autoscaling/group:Group",  # noqa: S106 a Pulumi type token
    service="autoscaling",
    create=Call("create_auto_scaling_group", {"VPCZoneIdentifier": _subnets, "Tags": _tags}, auto=True, omit=SHAPED),
    id="inputs.name",
    recover="inputs.name",
    read=Call("describe_auto_scaling_groups", {"AutoScalingGroupNames": "[id]"}, result="AutoScalingGroups[0]"),
    rename={
        "arn": "AutoScalingGroupARN",
        "launchTemplate.id": "LaunchTemplateId",
        "launchTemplate.name": "LaunchTemplateName",
        "name": "AutoScalingGroupName",
        "protectFromScaleIn": "NewInstancesProtectedFromScaleIn",
    },
    outputs={
        "enabledMetrics": "it.EnabledMetrics[].Metric",
        "metricsGranularity": remembered("metricsGranularity", "1Minute"),
        "suspendedProcesses": "it.SuspendedProcesses[].ProcessName",
        "terminationPolicies": given("terminationPolicies", lambda view: view.it.get("TerminationPolicies")),
        "vpcZoneIdentifiers": _subnets_found,
        "waitForCapacityTimeout": remembered("waitForCapacityTimeout", "10m"),
    },
    replaces=("name", "namePrefix"),
    settings=(
        Setting(
            ("enabledMetrics", "metricsGranularity"),
            [ENABLE_METRICS],
            initial={"metricsGranularity": "1Minute"},
            unset=[Call("disable_metrics_collection", NAME)],
        ),
        Setting(
            ("suspendedProcesses",),
            [
                Call("resume_processes", NAME | {"ScalingProcesses": _resumed}, when=_resumed),
                Call(
                    "suspend_processes",
                    NAME | {"ScalingProcesses": "inputs.suspendedProcesses"},
                    when="inputs.suspendedProcesses",
                ),
            ],
            unset=[Call("resume_processes", NAME)],
        ),
    ),
    items=(
        Items(
            "tags",
            add=Call("create_or_update_tags", TAG),
            remove=Call("delete_tags", TAG),
            change=Call("create_or_update_tags", TAG),
            key="key",
        ),
        Items(
            "targetGroupArns",
            add=Call("attach_load_balancer_target_groups", NAME | {"TargetGroupARNs": "[item]"}),
            remove=Call("detach_load_balancer_target_groups", NAME | {"TargetGroupARNs": "[item]"}),
        ),
    ),
    update=Call("update_auto_scaling_group", {"VPCZoneIdentifier": _subnets}, auto=True, omit=SHAPED),
    before_delete=[
        Call(
            "update_auto_scaling_group",
            NAME | {"MinSize": "`0`", "MaxSize": "`0`", "DesiredCapacity": "`0`"},
            ignore=("ValidationError",),  # gone already
        )
    ],
    delete=[Call("delete_auto_scaling_group", NAME | {"ForceDelete": "outputs.forceDelete"})],
    ready=Wait(
        "length(it.Instances[?LifecycleState == 'InService'] || `[]`) >= it.DesiredCapacity && 'ready' || 'waiting'",
        done=("ready",),
        timeout_seconds=600,
    ),
    retry_delete=("ResourceInUse", "ScalingActivityInProgress"),
    defaults={
        "forceDelete": False,
        "forceDeleteWarmPool": False,
        "healthCheckGracePeriod": 300,
        "ignoreFailedScalingActivities": False,
        "metricsGranularity": "1Minute",
        "protectFromScaleIn": False,
        "waitForCapacityTimeout": "10m",
    },
    autoname="name",
    ordered=("mixedInstancesPolicy.launchTemplate.overrides", "terminationPolicies"),
    clears=("enabledMetrics", "suspendedProcesses", "tags", "targetGroupArns"),
    ignored=names(
        "forceDelete forceDeleteWarmPool ignoreFailedScalingActivities metricsGranularity minElbCapacity"
        " waitForCapacityTimeout waitForElbCapacity"
    ),
    unsupported=names(
        "availabilityZoneDistribution capacityReservationSpecification initialLifecycleHooks"
        " instanceLifecyclePolicy instanceMaintenancePolicy instanceRefresh launchConfiguration"
        " loadBalancers trafficSources warmPool"
    ),
    unique=("name",),
)


def _size(name: str) -> Source:
    """-1 means "do not touch" to the SDK and is not sent."""

    def sent(view: View) -> int | None:
        value = view.inputs.get(name)
        return None if value == -1 else value

    return sent


def _size_found(member: str) -> Source:
    def found(view: View) -> int:
        value = view.it.get(member)
        return -1 if value is None else int(value)

    return found


def _scoped_id(import_id: str, _: View) -> tuple[str, dict[str, Any]]:
    """`<group>/<name>`, as with the official plugin."""
    group, name = import_id.split("/", 1)
    return name, {"autoscalingGroupName": group}


PUT_ACTION: Final = Call(
    "put_scheduled_update_group_action",
    {"DesiredCapacity": _size("desiredCapacity"), "MaxSize": _size("maxSize"), "MinSize": _size("minSize")},
    auto=True,
    omit=("desiredCapacity", "maxSize", "minSize"),
)
IN_GROUP: Final = {"AutoScalingGroupName": "outputs.autoscalingGroupName || inputs.autoscalingGroupName"}

SCHEDULE: Final = Type(
    token="aws:autoscaling/schedule:Schedule",  # noqa: S106 a Pulumi type token
    service="autoscaling",
    create=PUT_ACTION,
    id="inputs.scheduledActionName",
    recover="join('/', [inputs.autoscalingGroupName, inputs.scheduledActionName])",
    read=Call(
        "describe_scheduled_actions",
        IN_GROUP | {"ScheduledActionNames": "[id]"},
        result="ScheduledUpdateGroupActions[0]",
    ),
    rename={"arn": "ScheduledActionARN"},
    outputs={
        "desiredCapacity": _size_found("DesiredCapacity"),
        "maxSize": _size_found("MaxSize"),
        "minSize": _size_found("MinSize"),
    },
    replaces=("autoscalingGroupName", "scheduledActionName"),
    update=PUT_ACTION,
    delete=[Call("delete_scheduled_action", IN_GROUP | {"ScheduledActionName": "id"})],
    not_found=("ValidationError",),  # the group is gone, and its actions with it
    import_id=_scoped_id,
    unique=("autoscalingGroupName", "scheduledActionName"),
)

PUT_HOOK: Final = Call("put_lifecycle_hook", auto=True)
HOOK_TIMEOUT_SECONDS: Final = 3600  # AWS's own


def _timeout_found(view: View) -> int | None:
    """Only where set: the SDK declares no default, so AWS's own would look like drift."""
    found = view.it.get("HeartbeatTimeout")
    known = view.inputs.get("heartbeatTimeout") is not None or found != HOOK_TIMEOUT_SECONDS
    return found if known else None


LIFECYCLE_HOOK: Final = Type(
    token="aws:autoscaling/lifecycleHook:LifecycleHook",  # noqa: S106 a Pulumi type token
    service="autoscaling",
    create=PUT_HOOK,
    id="inputs.name",
    recover="join('/', [inputs.autoscalingGroupName, inputs.name])",
    read=Call("describe_lifecycle_hooks", IN_GROUP | {"LifecycleHookNames": "[id]"}, result="LifecycleHooks[0]"),
    rename={"name": "LifecycleHookName"},
    outputs={
        "heartbeatTimeout": _timeout_found,
        # moto answers with a role and a queue of its own
        "notificationTargetArn": given("notificationTargetArn", lambda view: view.inputs["notificationTargetArn"]),
        "roleArn": given("roleArn", lambda view: view.inputs["roleArn"]),
    },
    replaces=("autoscalingGroupName", "name"),
    update=PUT_HOOK,
    delete=[Call("delete_lifecycle_hook", IN_GROUP | {"LifecycleHookName": "id"})],
    not_found=("ValidationError",),
    autoname="name",
    autoname_length=255,
    import_id=_scoped_id,
    unique=("autoscalingGroupName", "name"),
)

TYPES: Final = (GROUP, SCHEDULE, LIFECYCLE_HOOK)
