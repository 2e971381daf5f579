"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, and simulated GPU nodes.

State (etcd, certificates, tokens, ports) lies in `SandboxHome.kube` and survives stop and start. `start` is also the
repair: it replaces what is missing, died, or runs with other arguments, and leaves the rest alone.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from infra.errors import ToolError
from sandbox import processes
from sandbox.certificates import ensure_certificates
from sandbox.kube_access import ensure_ports, write_access
from sandbox.kube_programs import CONTROL_PLANE, Layout, Ports, arguments, ensure_program
from sandbox.kubernetes_provider.client import Api, ApiError, UnreachableError
from sandbox.kubernetes_provider.cluster import MANAGER_LEASE, Cluster
from sandbox.kubernetes_provider.kubeconfig import load_connection
from sandbox.kwok import NODES, node_object
from sandbox.paths import SandboxHome

__all__ = ["kubeconfig_path", "start", "status", "stop"]

Progress = Callable[[str], None]

READY_TIMEOUT_SECONDS = 60
MAX_RESTARTS = 2
STOP_SECONDS = 4
"""An API server whose etcd is gone does not end by itself; the data are safe in etcd's log by then."""
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 5
MANAGER = "kube-controller-manager"


def kubeconfig_path(home: SandboxHome) -> Path:
    """The administrator's kubeconfig; it exists once `start` has run."""
    return Layout(home).kubeconfig("admin")


def start(home: SandboxHome, progress: Progress = lambda _: None, *, program: Path | None = None) -> Path:
    """Bring the cluster up, or mend it, and return the administrator's kubeconfig once the API server is ready.

    `program` is the built binary; without it, it is found in the cache or built there.
    """
    binary = program or ensure_program(progress)
    layout = Layout(home)
    began, started = time.monotonic(), dt.datetime.now(dt.UTC)
    with _locked(layout):
        certificates = ensure_certificates(layout.certificates)
        ports = ensure_ports(layout)
        write_access(layout, certificates, ports)
        daemons = _Daemons(layout, binary, ports)
        changed = [name for name in CONTROL_PLANE if daemons.ensure(name)]
        api = Api(load_connection(str(layout.kubeconfig("admin"))))
        with contextlib.closing(api):
            daemons.wait_until(lambda: _serves(api))
            if MANAGER in changed:
                _end_lease_of_predecessor(api, before=started)
            daemons.wait_until(lambda: _has_controllers(api))
            _register_nodes(layout, api)
    if changed:
        progress(f"Kubernetes API server ready at {api.server} in {time.monotonic() - began:.1f} s")
    return layout.kubeconfig("admin")


def stop(home: SandboxHome) -> None:
    """Stop every process; data stay. The API server goes before etcd, so that it need not wait for it."""
    layout = Layout(home)
    if not layout.folder.exists():
        return
    with _locked(layout):
        for name in reversed(CONTROL_PLANE):
            processes.stop(layout.pid_file(name), timeout_seconds=STOP_SECONDS)


def status(home: SandboxHome) -> dict[str, bool]:
    """Whether each program runs."""
    layout = Layout(home)
    return {name: processes.is_running(layout.pid_file(name)) for name in CONTROL_PLANE}


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """One `start` or `stop` of a sandbox at a time; the kernel drops the lock of a killed process."""
    layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (layout.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass(slots=True)
class _Daemons:
    """The processes of one cluster while it starts."""

    layout: Layout
    binary: Path
    ports: Ports
    restarts: Counter[str] = field(default_factory=Counter)

    def ensure(self, name: str) -> bool:
        """Start `name` unless it runs with exactly these arguments; True where it was started."""
        argv = arguments(self.layout, self.binary, name, self.ports)
        pid_file = self.layout.pid_file(name)
        if processes.is_running(pid_file):
            if json.loads(pid_file.read_text())["argv"] == argv:
                return False
            processes.stop(pid_file)
        processes.spawn(argv, pid_file=pid_file, log_file=self.layout.log_file(name))
        return True

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for `condition`; a process that ends meanwhile is started again.

        After etcd was killed the others notice late and end themselves, so one that ran at first may not for long.
        """
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not condition():
            for name in CONTROL_PLANE:
                if self.ensure(name):
                    self.restarts[name] += 1
                if self.restarts[name] > MAX_RESTARTS:
                    raise _died(self.layout, name)
            if time.monotonic() > deadline:
                raise ToolError(
                    f"the Kubernetes API server was not ready after {READY_TIMEOUT_SECONDS} s",
                    code="SKS0731",
                    fix=f"read {self.layout.log_file('kube-apiserver')}; `seekstack sandbox stop`, then start again",
                )
            time.sleep(POLL_SECONDS)


def _serves(api: Api) -> bool:
    try:
        api.get("/readyz")
        api.get("/api/v1/namespaces/default")
    except (ApiError, UnreachableError):
        return False
    return True


def _has_controllers(api: Api) -> bool:
    """A controller manager is at work: without one an `up` right after would not wait for its pods."""
    try:
        return Cluster(api, "default").has_controllers()
    except UnreachableError:
        return False


def _end_lease_of_predecessor(api: Api, *, before: dt.datetime) -> None:
    """A controller manager that was stopped leaves its lease behind, and the next one would wait for it to run out."""
    with contextlib.suppress(ApiError, KeyError, ValueError, UnreachableError):
        lease = api.get(MANAGER_LEASE)
        if dt.datetime.fromisoformat(lease["spec"]["renewTime"]) < before:
            api.request(
                "DELETE",
                MANAGER_LEASE,
                body={"preconditions": {"resourceVersion": lease["metadata"]["resourceVersion"]}},
            )


def _died(layout: Layout, name: str) -> ToolError:
    log = layout.log_file(name)
    tail = log.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:] if log.exists() else []
    return ToolError(
        f"{name} ended while the sandbox's cluster was starting:\n" + "\n".join(f"    {line}" for line in tail),
        code="SKS0730",
        fix=f"read {log}; if its data are damaged, stop the sandbox and delete {layout.folder}",
    )


def _register_nodes(layout: Layout, api: Api) -> None:
    for node in NODES:
        try:
            api.request("POST", "/api/v1/nodes", body=node_object(node))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise ToolError(
                    f"the API server refused the simulated node {node.name}: {error}",
                    code="SKS0732",
                    fix=f"read {layout.log_file('kube-apiserver')}",
                ) from None
