"""The bundled kubernetes plugin under the real engine: the unmodified SDK, literal `pulumi`, a real API server."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from infra.errors import ToolError
from sandbox import kube
from sandbox.certificates import ensure_certificates
from sandbox.kube_access import ensure_ports, write_access
from sandbox.kube_programs import Layout
from sandbox.kubernetes_provider.client import Api, ApiError
from sandbox.kubernetes_provider.kubeconfig import load_connection
from tests.e2e.conftest import TinyProject
from tests.support_kube import built_program

# Daemons outlive the call that starts them, on purpose.
pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

PROGRAM = """
import pulumi_kubernetes as k8s

labels = {"app": "model"}
schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {"size": {"type": "integer"}}}}}
definition = k8s.apiextensions.v1.CustomResourceDefinition(
    "groups",
    metadata={"name": "groups.example.com"},
    spec={
        "group": "example.com", "scope": "Namespaced",
        "names": {"plural": "groups", "singular": "group", "kind": "Group"},
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"open_apiv3_schema": schema}}],
    },
)
space = k8s.core.v1.Namespace("space", metadata={"name": "serving"})
meta = {"name": "model", "namespace": space.metadata["name"]}
token = k8s.core.v1.Secret("token", metadata=meta, string_data={"key": config.get("token") or "canary-one"})
server = k8s.apps.v1.Deployment(
    "server",
    metadata=meta,
    spec={
        "replicas": int(config.get("replicas") or 1),
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{
                "name": "vllm", "image": "vllm/vllm-openai:v0.11.0",
                "resources": {"limits": {"nvidia.com/gpu": "1", "cpu": "2000m"}},
            }]},
        },
    },
)
service = k8s.core.v1.Service("service", metadata=meta, spec={"selector": labels, "ports": [{"port": 8000}]})
wall = k8s.networking.v1.NetworkPolicy(
    "wall",
    metadata={**meta, "annotations": {"serves": service.spec.cluster_ip}},
    spec={
        "pod_selector": {"match_labels": labels}, "policy_types": ["Ingress"],
        "ingress": [{"from_": [{"ip_block": {"cidr": "10.0.0.0/8"}}]}],
    },
)
group = k8s.apiextensions.CustomResource(
    "group", api_version="example.com/v1", kind="Group", metadata={"namespace": space.metadata["name"]},
    spec={"size": 2}, opts=pulumi.ResourceOptions(depends_on=[definition]),
)
pulumi.export("address", service.spec.cluster_ip)
pulumi.export("ready", server.status.available_replicas)
pulumi.export("group", group.metadata["name"])
"""
RESOURCES = 7
DEPLOYMENT = "/apis/apps/v1/namespaces/serving/deployments/model"


@dataclass(frozen=True, slots=True)
class Cluster:
    project: TinyProject
    api: Api

    def run(self, *command: str) -> str:
        """Everything the command printed; it must succeed."""
        done = self.project.pulumi(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def stdout(self, *command: str) -> str:
        done = self.project.pulumi(*command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def preview(self) -> dict[str, set[str]]:
        """Names of the resources that a preview would touch, by operation."""
        found: dict[str, set[str]] = {}
        for step in json.loads(self.stdout("preview", "--json")).get("steps", ()):
            if "::pulumi:pulumi:Stack::" not in step["urn"]:
                found.setdefault(step["op"], set()).add(step["urn"].rpartition("::")[2])
        return found

    def outputs(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.stdout("stack", "output", "--json"))
        return found

    def edit(self, path: str, patch: dict[str, Any]) -> None:
        self.api.request(
            "PATCH",
            path,
            query={"fieldManager": "kubectl-edit"},
            body=patch,
            content_type="application/merge-patch+json",
        )


@pytest.fixture
def cluster(project: TinyProject) -> Iterator[Cluster]:
    try:
        kubeconfig = kube.start(project.home, program=built_program())
    except ToolError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no Kubernetes API server here: {error}")
    try:
        project.write(PROGRAM)
        with contextlib.closing(Api(load_connection(str(kubeconfig)))) as api:
            yield Cluster(project, api)
    finally:
        kube.stop(project.home)


def test_a_stack_lives_its_whole_life(cluster: Cluster) -> None:
    assert len(cluster.preview()["create"]) == RESOURCES
    cluster.run("up", "--yes", "--skip-preview")
    outputs = cluster.outputs()
    assert outputs["ready"] == 1
    assert outputs["address"].startswith("10.96.")
    assert cluster.preview() == {}

    cluster.run("config", "set", "replicas", "2")
    assert cluster.preview() == {"update": {"server"}}
    cluster.run("up", "--yes", "--skip-preview")
    assert cluster.outputs()["ready"] == 2

    cluster.edit(DEPLOYMENT, {"spec": {"replicas": 1}})
    cluster.api.request("DELETE", "/api/v1/namespaces/serving/services/model")
    cluster.run("refresh", "--yes", "--skip-preview")
    assert cluster.preview() == {"update": {"server", "wall"}, "create": {"service"}}
    refused = cluster.project.pulumi("up", "--yes", "--skip-preview")
    assert 'spec.replicas: conflict with "kubectl-edit"' in refused.stdout + refused.stderr
    cluster.run("config", "set", "kubernetes:enablePatchForce", "true")
    cluster.run("up", "--yes", "--skip-preview")
    assert cluster.outputs()["ready"] == 2
    assert cluster.preview() == {}

    state = cluster.run("stack", "export")
    assert "canary-one" not in state
    assert "Y2FuYXJ5LW9uZQ" not in state

    cluster.run("destroy", "--yes", "--skip-preview")
    exported = json.loads(cluster.stdout("stack", "export"))["deployment"]
    assert exported.get("resources", []) == []
    assert cluster.api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"] == []


def test_a_killed_up_is_finished_by_the_next_one(cluster: Cluster) -> None:
    up = subprocess.Popen(
        ("pulumi", "up", "--yes", "--skip-preview", "--stack", "dev", "--non-interactive"),
        cwd=cluster.project.folder,
        env=cluster.project.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    groups = "/apis/example.com/v1/namespaces/serving/groups"
    wait_for(lambda: exists(cluster.api, groups) and cluster.api.get(groups)["items"])
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()
    cluster.run("cancel", "--yes")
    cluster.run("up", "--yes", "--skip-preview")
    names = [item["metadata"]["name"] for item in cluster.api.get(groups)["items"]]
    assert names == [cluster.outputs()["group"]]
    cluster.run("destroy", "--yes", "--skip-preview")
    assert not exists(cluster.api, "/api/v1/namespaces/serving")


SPACE = 'import pulumi_kubernetes as k8s\nspace = k8s.core.v1.Namespace("space", metadata={"name": "space"})\n'
PAIR = """
k8s.core.v1.Service("named", metadata={"name": "web", "namespace": "space"}, spec={"ports": [{"port": 80}]})
k8s.core.v1.ConfigMap("auto", metadata={"namespace": "space"}, data={"a": "1"})
"""


def test_imports_and_replacements_that_a_person_asks_for(cluster: Cluster) -> None:
    """`--replace` brings no old inputs: what has a fixed name must not be lost with its predecessor."""
    cluster.project.write(SPACE)
    cluster.run("up", "--yes", "--skip-preview")
    missing = cluster.project.pulumi("import", "kubernetes:core/v1:ConfigMap", "x", "space/none", "--yes")
    assert "resource 'space/none' does not exist" in missing.stdout + missing.stderr
    cluster.project.write(SPACE + PAIR)
    cluster.run("up", "--yes", "--skip-preview")

    urn = "urn:pulumi:dev::tiny::kubernetes:core/v1"
    refused = cluster.project.pulumi("up", "--yes", "--skip-preview", "--replace", f"{urn}:Service::named")
    assert "set the option delete_before_replace=True" in refused.stdout + refused.stderr
    assert exists(cluster.api, "/api/v1/namespaces/space/services/web")
    cluster.run("up", "--yes", "--skip-preview", "--replace", f"{urn}:ConfigMap::auto")
    maps = cluster.api.get("/api/v1/namespaces/space/configmaps")["items"]
    assert [item["data"] for item in maps if item["metadata"]["name"].startswith("auto-")] == [{"a": "1"}]

    kube.stop(cluster.project.home)
    down = cluster.project.pulumi("refresh", "--yes", "--skip-preview")
    assert 'Start the sandbox\'s again: eval "$(seekstack sandbox env --kubernetes)"' in down.stdout + down.stderr
    kube.start(cluster.project.home, program=built_program())
    assert cluster.preview() == {}
    cluster.run("destroy", "--yes", "--skip-preview")


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("127.0.0.1", 'eval "$(seekstack sandbox env --kubernetes)"'),
        ("192.0.2.1", "pulumi plugin install resource kubernetes"),
    ],
    ids=["server-is-down", "server-is-elsewhere"],
)
def test_a_cluster_that_cannot_be_used_is_told_in_plain_words(project: TinyProject, host: str, message: str) -> None:
    layout = Layout(project.home)
    write_access(layout, ensure_certificates(layout.certificates), ensure_ports(layout))
    kubeconfig = kube.kubeconfig_path(project.home)
    kubeconfig.write_text(kubeconfig.read_text().replace("127.0.0.1", host))
    project.write('import pulumi_kubernetes as k8s\nk8s.core.v1.Namespace("space")')
    done = project.pulumi("up", "--yes", "--skip-preview")
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr


def exists(api: Api, path: str) -> bool:
    try:
        return bool(api.get(path))
    except ApiError:
        return False


def wait_for(condition: Any, seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
