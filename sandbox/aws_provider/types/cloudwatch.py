"""CloudWatch: log groups and metric alarms (one metric an alarm; metric maths is not described)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from sandbox.aws_provider.description import Call, Setting, Source, Tags, Type, View

__all__ = ["TYPES"]


def _log_group_arn(view: View) -> str:
    """CloudWatch Logs ends the ARN with `:*`, which no other call accepts."""
    return str(view.it["arn"]).removesuffix(":*")


def _named(view: View) -> Any:
    """AWS finds log groups by the beginning of their name only."""
    return next((found for found in view.response["logGroups"] if found["logGroupName"] == view.id), None)


LOG_GROUP_ARN: Final[Source] = _log_group_arn

LOG_GROUP: Final = Type(
    token="aws:cloudwatch/logGroup:LogGroup",  # noqa: S106 a Pulumi type token
    service="logs",
    create=Call("create_log_group", auto=True),
    id="inputs.name",
    recover="inputs.name",
    read=Call("describe_log_groups", {"logGroupNamePrefix": "id"}, result=_named),
    more={"tags": Call("list_tags_for_resource", {"resourceArn": LOG_GROUP_ARN}, result="tags")},
    rename={"name": "logGroupName"},
    outputs={"arn": LOG_GROUP_ARN, "logGroupClass": "it.logGroupClass || 'STANDARD'"},
    replaces=("name", "namePrefix", "logGroupClass"),
    settings=(
        Setting(
            ("retentionInDays",),
            [
                Call(
                    "put_retention_policy",
                    {"logGroupName": "id", "retentionInDays": "inputs.retentionInDays"},
                    when="inputs.retentionInDays != `0`",
                ),
                Call("delete_retention_policy", {"logGroupName": "id"}, when="inputs.retentionInDays == `0`"),
            ],
            initial={"retentionInDays": 0},
            unset=[Call("delete_retention_policy", {"logGroupName": "id"})],
        ),
        Setting(
            ("kmsKeyId",),
            [Call("associate_kms_key", {"logGroupName": "id", "kmsKeyId": "inputs.kmsKeyId"})],
            at_create=False,
            unset=[Call("disassociate_kms_key", {"logGroupName": "id"})],
        ),
    ),
    tags=Tags(
        add=Call("tag_resource", {"resourceArn": "outputs.arn", "tags": "tags"}),
        remove=Call("untag_resource", {"resourceArn": "outputs.arn", "tagKeys": "tag_keys"}),
        member="tags",
        form="map",
        found="more.tags",
    ),
    delete=[Call("delete_log_group", {"logGroupName": "id"})],
    defaults={"retentionInDays": 0, "skipDestroy": False},
    autoname="name",
    autoname_length=512,
    clears=("kmsKeyId", "retentionInDays"),
    unsupported=("deletionProtectionEnabled", "skipDestroy"),
    unique=("name",),
)


def _dimensions(view: View) -> Any:
    given = view.inputs.get("dimensions")
    return [{"Name": name, "Value": value} for name, value in given.items()] if given else None


def _dimensions_found(view: View) -> dict[str, str]:
    return {item["Name"]: item["Value"] for item in view.it.get("Dimensions", ())}


PUT_ALARM: Final = Call("put_metric_alarm", {"Dimensions": _dimensions}, auto=True, omit=("dimensions",))

METRIC_ALARM: Final = Type(
    token="aws:cloudwatch/metricAlarm:MetricAlarm",  # noqa: S106 a Pulumi type token
    service="cloudwatch",
    create=PUT_ALARM,
    id="inputs.name",
    recover="inputs.name",
    read=Call("describe_alarms", {"AlarmNames": "[id]"}, result="MetricAlarms[0]"),
    more={"tags": Call("list_tags_for_resource", {"ResourceARN": "it.AlarmArn"}, result="Tags")},
    rename={"name": "AlarmName", "arn": "AlarmArn"},
    outputs={"dimensions": _dimensions_found},
    replaces=("name",),
    update=replace(PUT_ALARM, omit=("dimensions", "tags")),
    tags=Tags(
        add=Call("tag_resource", {"ResourceARN": "outputs.arn", "Tags": "tags"}),
        remove=Call("untag_resource", {"ResourceARN": "outputs.arn", "TagKeys": "tag_keys"}),
        found="more.tags",
    ),
    delete=[Call("delete_alarms", {"AlarmNames": "[id]"})],
    defaults={"actionsEnabled": True, "treatMissingData": "missing"},
    autoname="name",
    clears=("alarmDescription", "dimensions", "alarmActions", "okActions", "insufficientDataActions"),
    unsupported=(
        "evaluationCriteria",
        "evaluationInterval",
        "evaluationWindow",
        "metricQueries",
        "thresholdMetricId",
        "warmUpConfiguration",
    ),
    unique=("name",),
)

TYPES: Final = (LOG_GROUP, METRIC_ALARM)
