"""The sandbox's cluster as processes: start, stop, repair."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from infra.errors import ToolError
from sandbox import kube, processes
from sandbox.kube_programs import CONTROL_PLANE, Layout
from sandbox.kubernetes_provider.client import Api
from sandbox.kubernetes_provider.cluster import MANAGER_LEASE
from sandbox.kubernetes_provider.kubeconfig import load_connection
from sandbox.paths import SandboxHome
from tests.integration.kubernetes.support_objects import DEPLOYMENT, deployment
from tests.support_kube import built_program, running_cluster, stage_on, urn_of

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")

MAPS = "/api/v1/namespaces/default/configmaps"


@pytest.fixture(scope="module")
def shared_home() -> Iterator[SandboxHome]:
    with running_cluster() as found:
        yield found


@pytest.fixture
def home(shared_home: SandboxHome) -> SandboxHome:
    """The module's cluster, mended after the test before."""
    start(shared_home)
    return shared_home


def names(home: SandboxHome) -> set[str]:
    """ConfigMaps in the default namespace, read with the kubeconfig as it is now."""
    with api_of(home) as api:
        return {item["metadata"]["name"] for item in api.get(MAPS)["items"]} - {"kube-root-ca.crt"}


def api_of(home: SandboxHome) -> contextlib.closing[Api]:
    return contextlib.closing(Api(load_connection(str(kube.kubeconfig_path(home)))))


def write_map(home: SandboxHome, name: str) -> None:
    with api_of(home) as api:
        api.request("POST", MAPS, body={"metadata": {"name": name}})


def start(home: SandboxHome) -> None:
    kube.start(home, program=built_program())


def pids(home: SandboxHome) -> dict[str, int | None]:
    return {name: processes.pid_of(Layout(home).pid_file(name)) for name in CONTROL_PLANE}


def test_state_survives_stop_and_start_under_the_same_kubeconfig(home: SandboxHome) -> None:
    write_map(home, "kept-by-stop")
    kubeconfig = kube.kubeconfig_path(home).read_text()
    kube.stop(home)
    assert set(kube.status(home).values()) == {False}
    start(home)
    assert "kept-by-stop" in names(home)
    assert kube.kubeconfig_path(home).read_text() == kubeconfig


@pytest.mark.parametrize("is_killed", [False, True], ids=["stopped", "killed"])
def test_a_pod_is_ready_soon_after_the_next_start(home: SandboxHome, is_killed: bool) -> None:
    """The simulated nodes' leases of the run before would keep it waiting for 40 s, and the next `up` with it."""
    if is_killed:
        for pid in pids(home).values():
            os.kill(pid or 0, signal.SIGKILL)
    else:
        kube.stop(home)
    start(home)
    with stage_on(home) as stage:
        stage.create(DEPLOYMENT, deployment(), seconds=35)


def test_a_second_start_leaves_everything_as_it_is(home: SandboxHome) -> None:
    before = pids(home)
    start(home)
    assert pids(home) == before


@pytest.mark.parametrize("program", CONTROL_PLANE)
def test_a_killed_program_is_replaced_and_nothing_is_lost(home: SandboxHome, program: str) -> None:
    write_map(home, f"kept-{program}")
    pid = pids(home)[program]
    assert pid
    os.kill(pid, signal.SIGKILL)
    start(home)
    assert set(kube.status(home).values()) == {True}
    assert f"kept-{program}" in names(home)


def test_a_port_taken_meanwhile_is_replaced(home: SandboxHome) -> None:
    ports = json.loads(Layout(home).ports_file.read_text())
    kube.stop(home)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", ports["api"]))
        squatter.listen()
        start(home)
        assert json.loads(Layout(home).ports_file.read_text())["api"] != ports["api"]
        names(home)  # answers at the new port


def test_secrets_are_in_private_files_and_on_no_command_line(home: SandboxHome) -> None:
    folder = Layout(home).folder
    config = yaml.safe_load(kube.kubeconfig_path(home).read_text())
    token = config["users"][0]["user"]["token"]
    for file in [*folder.glob("*.kubeconfig"), *folder.glob("certificates/*.key"), folder / "tokens.csv"]:
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
    for pid in pids(home).values():
        assert token not in Path(f"/proc/{pid}/cmdline").read_text()
    for log in home.logs.iterdir():
        assert token not in log.read_text()


def test_listens_on_loopback_only(home: SandboxHome) -> None:
    listening = {inode for file in ("tcp", "tcp6") for inode in _listening(Path("/proc/net") / file)}
    ours = {target for pid in pids(home).values() for target in _open_files(pid or 0)}
    addresses = {address for address, inode in listening if f"socket:[{inode}]" in ours}
    assert addresses == {"0100007F"}  # 127.0.0.1, little-endian


def test_nodes_have_the_gpus_and_labels_of_real_ones(home: SandboxHome) -> None:
    with api_of(home) as api:
        nodes = {item["metadata"]["name"]: item for item in api.get("/api/v1/nodes")["items"]}
    gpus = {name: item["status"]["allocatable"]["nvidia.com/gpu"] for name, item in nodes.items()}
    assert gpus == {"sandbox-gpu-1": "1", "sandbox-gpu-4": "4"}
    assert nodes["sandbox-gpu-4"]["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-L40S"


def test_without_controllers_nobody_waits_and_a_line_says_so(home: SandboxHome) -> None:
    with stage_on(home) as stage:
        manager = pids(home)["kube-controller-manager"]
        assert manager
        os.kill(manager, signal.SIGKILL)
        stage.edit(MANAGER_LEASE, {"spec": {"renewTime": "2020-01-01T00:00:00.000000Z"}})
        _, _, state = stage.create(DEPLOYMENT, deployment())
        assert "availableReplicas" not in state.get("status", {})
        space = urn_of("kubernetes:core/v1:Namespace")
        resource_id, _, state = stage.create(space, {"metadata": {}})
        stage.delete(space, resource_id, state)
        assert ["not waiting" in stage.messages[0], "stays in phase Terminating" in stage.messages[1]] == [True, True]
    start(home)


def test_damaged_data_are_told_with_the_log_and_the_way_out(tmp_path: Path) -> None:
    home = SandboxHome(tmp_path)
    member = Layout(home).data / "member"
    for file in (member / "snap" / "db", member / "wal" / "0000000000000000-0000000000000000.wal"):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"neither a database nor a log")
    try:
        with pytest.raises(ToolError, match="etcd ended") as caught:
            start(home)
    finally:
        kube.stop(home)
    assert str(Layout(home).folder) in (caught.value.fix or "")


def _open_files(pid: int) -> Iterator[str]:
    """A server opens and closes files while they are listed."""
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            yield str(descriptor.readlink())


def _listening(table: Path) -> Iterator[tuple[str, str]]:
    for line in table.read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == "0A":
            yield fields[1].partition(":")[0], fields[9]
