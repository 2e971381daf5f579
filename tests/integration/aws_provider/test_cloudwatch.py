"""Log groups and metric alarms."""

from __future__ import annotations

from typing import Any

from tests.integration.aws_provider.support_world import Live, World

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"


def test_a_log_group_lives_from_create_to_delete(world: World) -> None:
    group = world.up(LOG_GROUP, "api", name="/seekstack/api", retentionInDays=30, tags={"a": "1"})
    assert group.outputs["arn"].endswith(":log-group:/seekstack/api")
    assert group.outputs["logGroupClass"] == "STANDARD"
    assert group.update(retentionInDays=90, tags={"a": "2", "b": "3"}) == {
        "retentionInDays": "update",
        "tags.a": "update",
        "tags.b": "update",
    }
    assert group.update(retentionInDays=None, tags=None)["retentionInDays"] == "update"
    found = world.client("logs").describe_log_groups(logGroupNamePrefix="/seekstack/api")["logGroups"][0]
    assert "retentionInDays" not in found
    assert group.plan(name="/other") == {"name": "replace"}
    assert group.imported()[0]["name"] == "/seekstack/api"
    group.delete()
    assert world.left() == {}


def test_a_log_group_is_not_taken_for_one_with_a_longer_name(world: World) -> None:
    group = world.up(LOG_GROUP, "api", name="/api")
    longer = world.up(LOG_GROUP, "api2", name="/api/more", retentionInDays=1)
    world.client("logs").delete_log_group(logGroupName="/api")
    assert not group.refresh()
    assert longer.refresh()
    assert longer.outputs["retentionInDays"] == 1


def an_alarm(world: World, **inputs: Any) -> Live:
    basic = {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 2,
        "metricName": "GPUUtilization",
        "namespace": "Seekstack",
        "period": 60,
        "statistic": "Average",
        "threshold": 90.5,
        "dimensions": {"InstanceId": "i-1"},
    }
    return world.up(ALARM, "gpu", **(basic | inputs))


def test_an_alarm_lives_from_create_to_delete(world: World) -> None:
    alarm = an_alarm(world, alarmDescription="busy", alarmActions=["arn:aws:sns:eu-central-1:1:t"], tags={"a": "1"})
    assert alarm.outputs["arn"].endswith(f":alarm:{alarm.id}")
    assert alarm.outputs["dimensions"] == {"InstanceId": "i-1"}
    assert alarm.update(threshold=95, dimensions={"InstanceId": "i-2"}, tags={"a": "2"}) == {
        "dimensions.InstanceId": "update",
        "threshold": "update",
        "tags.a": "update",
    }
    assert alarm.plan(name="other") == {"name": "replace"}
    assert alarm.imported()[0]["threshold"] == 95
    world.client("cloudwatch").disable_alarm_actions(AlarmNames=[alarm.id])
    assert alarm.refresh()
    assert alarm.plan() == {"actionsEnabled": "update"}
    alarm.delete()
    assert world.left() == {}


def test_an_alarm_deleted_behind_our_back_is_gone(world: World) -> None:
    alarm = an_alarm(world)
    world.client("cloudwatch").delete_alarms(AlarmNames=[alarm.id])
    assert not alarm.refresh()
