"""Create on a real API server."""

from __future__ import annotations

import pytest

from sandbox.kubernetes_provider.settings import Settings
from sandbox.plugin import UNKNOWN, PartialResourceError, PluginError
from tests.integration.kubernetes.support_objects import (
    CONFIG_MAP,
    DEPLOYMENT,
    SERVICE,
    config_map,
    deployment,
    service,
)
from tests.support_kube import Stage, urn_of

MAPS = "/api/v1/namespaces/{}/configmaps"


def test_creates_what_the_inputs_say_and_returns_what_the_server_added(stage: Stage) -> None:
    resource_id, _, state = stage.create(SERVICE, service())
    assert resource_id == f"{stage.namespace}/web"
    assert state["spec"]["clusterIP"].startswith("10.96.")
    assert "managedFields" not in state["metadata"]


def test_waits_until_the_pods_of_a_deployment_are_available(stage: Stage) -> None:
    _, _, state = stage.create(DEPLOYMENT, deployment(replicas=2))
    assert state["status"]["availableReplicas"] == 2


def test_places_gpu_pods_on_simulated_nodes(stage: Stage) -> None:
    stage.create(DEPLOYMENT, deployment(gpus=4))
    pods = stage.api.get(f"/api/v1/namespaces/{stage.namespace}/pods")["items"]
    assert [pod["spec"]["nodeName"] for pod in pods] == ["sandbox-gpu-4"]


def test_keeps_a_deployment_that_does_not_fit_in_state_and_says_what_the_scheduler_says(stage: Stage) -> None:
    with pytest.raises(PartialResourceError, match=r"Unschedulable: .*Insufficient nvidia.com/gpu") as caught:
        stage.create(DEPLOYMENT, deployment(gpus=8), seconds=3)
    assert caught.value.resource_id == f"{stage.namespace}/web"


def test_skip_await_returns_at_once(stage: Stage) -> None:
    inputs = deployment(gpus=8)
    inputs["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    stage.create(DEPLOYMENT, inputs)


def test_the_timeout_annotation_is_obeyed(stage: Stage) -> None:
    inputs = deployment(gpus=8)
    inputs["metadata"]["annotations"] = {"pulumi.com/timeoutSeconds": "1"}
    with pytest.raises(PartialResourceError, match="0 of 1 replicas available"):
        stage.create(DEPLOYMENT, inputs, seconds=600)


def test_a_cancelled_wait_keeps_the_resource(stage: Stage) -> None:
    stage.cancelled.set()
    with pytest.raises(PartialResourceError, match="cancelled while waiting"):
        stage.create(DEPLOYMENT, deployment(gpus=8))


def test_waits_until_a_job_has_completed(stage: Stage) -> None:
    pod = {"restartPolicy": "Never", "containers": [{"name": "once", "image": "busybox"}]}
    _, _, state = stage.create(
        urn_of("kubernetes:batch/v1:Job"), {"metadata": {"name": "once"}, "spec": {"template": {"spec": pod}}}
    )
    assert state["status"]["succeeded"] == 1


def test_a_quota_that_is_used_up_is_named(stage: Stage) -> None:
    stage.create(
        urn_of("kubernetes:core/v1:ResourceQuota"),
        {"metadata": {"name": "small"}, "spec": {"hard": {"services": "0"}}},
    )
    with pytest.raises(PluginError, match=r"exceeded quota: small.*\(Forbidden, HTTP 403\)") as caught:
        stage.create(SERVICE, service())
    assert SERVICE in str(caught.value)


def test_a_wrong_value_is_refused_with_its_property_path(stage: Stage) -> None:
    inputs = deployment()
    inputs["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] = 70000
    with pytest.raises(PluginError, match=r"spec\.template\.spec\.containers\[0\]\.ports\[0\]\.containerPort: .*65535"):
        stage.create(DEPLOYMENT, inputs)


def test_a_misspelt_field_is_refused(stage: Stage) -> None:
    inputs = service()
    inputs["spec"]["selectr"] = {}
    with pytest.raises(PluginError, match="selectr"):
        stage.create(SERVICE, inputs)


def test_refuses_to_take_over_what_somebody_else_made(stage: Stage) -> None:
    stage.api.request("POST", MAPS.format(stage.namespace), body=config_map())
    with pytest.raises(PluginError, match=f"already exists.*kubernetes:core/v1:ConfigMap settings {stage.namespace}/"):
        stage.create(CONFIG_MAP, config_map())


def test_takes_over_with_upsert(stage: Stage) -> None:
    stage.api.request("POST", MAPS.format(stage.namespace), body=config_map(owner="me"))
    stage.restart(Settings(upsert=True, force=True))
    _, _, state = stage.create(CONFIG_MAP, config_map())
    assert state["data"] == {"colour": "blue", "owner": "me"}


def test_a_rerun_after_a_kill_adopts_what_the_killed_run_had_made(stage: Stage) -> None:
    first = stage.create(CONFIG_MAP, config_map(name=None))
    stage.restart()
    second = stage.create(CONFIG_MAP, config_map(name=None))
    assert first[0] == second[0]
    assert first[2]["metadata"]["uid"] == second[2]["metadata"]["uid"]


def test_a_replacement_does_not_get_the_name_of_its_living_predecessor(stage: Stage) -> None:
    first_id, inputs, state = stage.create(CONFIG_MAP, config_map(name=None))
    stage.restart()
    assert stage.checked(CONFIG_MAP, config_map(name=None), old=inputs)["metadata"]["name"] == state["metadata"]["name"]
    second_id, *_ = stage.create(CONFIG_MAP, config_map(name=None, colour="red"))
    assert first_id != second_id


def test_refuses_a_replacement_under_the_same_name_before_the_old_one_is_gone(stage: Stage) -> None:
    _, inputs, _ = stage.create(CONFIG_MAP, config_map())
    stage.restart()
    stage.checked(CONFIG_MAP, config_map(), old=inputs)
    with pytest.raises(PluginError, match="delete_before_replace"):
        stage.create(CONFIG_MAP, config_map())


def test_a_preview_validates_and_creates_nothing(stage: Stage) -> None:
    inputs = stage.checked(SERVICE, service())
    resource_id, state = stage.resources.create(SERVICE, inputs, seconds=0, preview=True)
    assert resource_id == ""
    assert state["spec"]["clusterIP"] is UNKNOWN
    assert state["spec"]["ports"][0]["protocol"] == "TCP"
    assert stage.api.get(f"/api/v1/namespaces/{stage.namespace}/services")["items"] == []


def test_a_preview_refuses_what_the_server_would_refuse(stage: Stage) -> None:
    inputs = stage.checked(SERVICE, service(port=0))
    with pytest.raises(PluginError, match=r"spec\.ports\[0\]\.port"):
        stage.resources.create(SERVICE, inputs, seconds=0, preview=True)


def test_a_preview_in_a_namespace_that_the_program_will_make_passes(stage: Stage) -> None:
    inputs = stage.checked(SERVICE, {**service(), "metadata": {"name": "web", "namespace": "not-yet"}})
    assert stage.resources.create(SERVICE, inputs, seconds=0, preview=True)[1] == inputs


def test_cluster_scoped_kinds_take_no_namespace(stage: Stage) -> None:
    urn = urn_of("kubernetes:core/v1:Namespace")
    _, failures = stage.resources.check(
        urn, "kubernetes:core/v1:Namespace", {}, {"metadata": {"name": "x", "namespace": "y"}}
    )
    assert [key for key, _ in failures] == ["metadata.namespace"]


def test_a_pod_in_a_new_namespace_waits_for_its_service_account(stage: Stage) -> None:
    pod = {"metadata": {"name": "one"}, "spec": {"containers": [{"name": "one", "image": "busybox"}]}}
    _, _, state = stage.create(urn_of("kubernetes:core/v1:Pod"), pod)
    assert state["status"]["phase"] == "Running"
