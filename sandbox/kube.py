"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, and simulated GPU nodes.

State (etcd, certificates, tokens, ports) lies in `SandboxHome.kube` and survives stop and start. `start` is also the
repair: it replaces what is missing, died, or runs with other arguments, and leaves the rest alone.
"""

from __future__ import annotations

import contextlib
import json
import re
import threading
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
from sandbox.locks import locked
from sandbox.paths import SandboxHome
from sandbox.room import CLUSTER_MIB, require_room

__all__ = ["kubeconfig_path", "start", "status", "stop", "telling_lines"]

Progress = Callable[[str], None]

READY_TIMEOUT_SECONDS = 60
MAX_RESTARTS = 2
STOP_SECONDS = 4
"""An API server whose etcd is gone does not end by itself; the data are safe in etcd's log by then."""
LOST_STOP_SECONDS = 1
"""For an API server that has lost its etcd already: it answers nothing that could be waited for."""
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 5
LINE_LENGTH = 400
NO_SPACE = re.compile(r"no space left|quota exceeded", re.IGNORECASE)
CAUSE = re.compile(
    r"\bpanic:|fatal|^F\d{4} |no space left|quota exceeded|address already in use|permission denied", re.I
)
FRAME = re.compile(r"\s|goroutine \d+|created by |exit status \d+|[\w./*()\[\]{}-]+\(.*\)$")
MANAGER = "kube-controller-manager"
LEASES = {
    MANAGER: (MANAGER_LEASE,),
    "kwok": tuple(f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{node.name}" for node in NODES),
}
SERVERS = CONTROL_PLANE[:2]
COMPONENTS = CONTROL_PLANE[2:]


def kubeconfig_path(home: SandboxHome) -> Path:
    """The administrator's kubeconfig; it exists once `start` has run."""
    return Layout(home).kubeconfig("admin")


def start(
    home: SandboxHome,
    progress: Progress = lambda _: None,
    *,
    program: Path | None = None,
    cancelled: threading.Event | None = None,
) -> Path:
    """Bring the cluster up, or mend it, and return the administrator's kubeconfig once the API server is ready.

    `program` is the built binary; without it, it is found in the cache or built there. `cancelled` ends the wait from
    another thread; what was started by then runs until `stop`.
    """
    binary = program or ensure_program(progress)
    layout = Layout(home)
    began = time.monotonic()
    with _locked(layout):
        require_room(layout.folder, CLUSTER_MIB, "the sandbox's cluster")
        certificates = ensure_certificates(layout.certificates)
        ports = ensure_ports(layout)
        write_access(layout, certificates, ports)
        daemons = _Daemons(layout, binary, ports, cancelled or threading.Event())
        if not processes.is_running(layout.pid_file("etcd")):
            # It asks for a lost etcd after ever longer pauses: on a busy machine it was not ready within a minute.
            processes.stop(layout.pid_file("kube-apiserver"), timeout_seconds=LOST_STOP_SECONDS)
        changed = daemons.begin(SERVERS)
        api = Api(load_connection(str(layout.kubeconfig("admin"))))
        with contextlib.closing(api):
            daemons.wait_until(lambda: _serves(api))
            # The API server is ready once it knows the roles of its own components. One that asks before is refused,
            # and asks again after up to half a minute.
            daemons.before_start = lambda name: _forget_leases(api, name)
            changed += daemons.begin(COMPONENTS)
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
    with _locked(layout), contextlib.ExitStack() as stops:
        for name in CONTROL_PLANE:  # the last one goes first, and a stop that fails does not spare the others
            stops.callback(processes.stop, layout.pid_file(name), timeout_seconds=STOP_SECONDS)


def status(home: SandboxHome) -> dict[str, bool]:
    """Whether each program runs."""
    layout = Layout(home)
    return {name: processes.is_running(layout.pid_file(name)) for name in CONTROL_PLANE}


@contextlib.contextmanager
def _locked(layout: Layout) -> Iterator[None]:
    """One `start` or `stop` of a sandbox at a time."""
    layout.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(layout.folder / "lock"):
        yield


@dataclass(slots=True)
class _Daemons:
    """The processes of one cluster while it starts."""

    layout: Layout
    binary: Path
    ports: Ports
    cancelled: threading.Event
    begun: list[str] = field(default_factory=list)
    before_start: Callable[[str], None] = lambda _: None
    log_starts: dict[str, int] = field(default_factory=dict)
    restarts: Counter[str] = field(default_factory=Counter)

    def begin(self, names: tuple[str, ...]) -> list[str]:
        """Start those of `names` that do not run; returns them. From now on `wait_until` looks after all of them."""
        self.begun += names
        return [name for name in names if self.ensure(name)]

    def ensure(self, name: str) -> bool:
        """Start `name` unless it runs with exactly these arguments; True where it was started."""
        argv = arguments(self.layout, self.binary, name, self.ports)
        pid_file = self.layout.pid_file(name)
        if processes.is_running(pid_file):
            if json.loads(pid_file.read_text())["argv"] == argv:
                return False
            processes.stop(pid_file)
        self.before_start(name)
        log = self.layout.log_file(name)
        self.log_starts.setdefault(name, log.stat().st_size if log.exists() else 0)
        processes.spawn(argv, pid_file=pid_file, log_file=log)
        return True

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for `condition`; a process that ends meanwhile is started again.

        After etcd was killed the others notice late and end themselves, so one that ran at first may not for long.
        """
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while not condition():
            if self.cancelled.is_set():
                raise ToolError("the start of the cluster was cancelled", code="SKS0731", fix="start it again")
            for name in self.begun:
                if self.ensure(name):
                    self.restarts[name] += 1
                if self.restarts[name] > MAX_RESTARTS:
                    raise _died(self.layout, name, self.log_starts.get(name, 0))
            if time.monotonic() > deadline:
                raise ToolError(
                    f"the Kubernetes API server was not ready after {READY_TIMEOUT_SECONDS} s",
                    code="SKS0731",
                    fix=f"read {self.layout.log_file('kube-apiserver')}; `seekstack sandbox down`, then start it again",
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


def _forget_leases(api: Api, name: str) -> None:
    """What a stopped predecessor holds: its successor would wait until the lease runs out (kwok: 40 s a node)."""
    with contextlib.suppress(UnreachableError):
        for lease in LEASES.get(name, ()):
            with contextlib.suppress(ApiError):  # there is none
                api.request("DELETE", lease)


def _died(layout: Layout, name: str, log_start: int) -> ToolError:
    log = layout.log_file(name)
    written = log.read_bytes()[log_start:].decode(errors="replace") if log.exists() else ""
    full = bool(NO_SPACE.search(written))
    return ToolError(
        f"{name} ended while the sandbox's cluster was starting:\n"
        + "\n".join(f"    {line[:LINE_LENGTH]}" for line in telling_lines(written)),
        code="SKS0730",
        value=str(log),
        fix=f"make room on the disk of {layout.folder}, then start it again"
        if full
        else f"read {log}; if its data are damaged, stop the sandbox and delete {layout.folder}",
    )


def telling_lines(log: str) -> list[str]:
    """The lines of a Go program's log that say why it ended; without such, its last ones. Stack frames never do."""
    lines = [line for line in log.splitlines() if line.strip() and not FRAME.match(line)]
    causes = [line for line in lines if CAUSE.search(line)]
    return list(dict.fromkeys(causes or lines))[-LOG_TAIL_LINES:]


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
