"""A real Kubernetes control plane on loopback: etcd, API server, controllers, scheduler, and simulated GPU nodes.

State (etcd, certificates, tokens, ports) lies in `SandboxHome.kube` and survives stop and start. `start` is also the
repair: it replaces what is missing, died, or runs with other arguments, and leaves the rest alone.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import fcntl
import json
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import yaml

from infra.errors import ToolError
from sandbox import processes
from sandbox.certificates import Certificates, ensure_certificates, write_private
from sandbox.kube_programs import CONTROL_PLANE, Layout, Ports, arguments, ensure_program
from sandbox.kubernetes_provider.client import Api, ApiError, UnreachableError
from sandbox.kubernetes_provider.cluster import MANAGER_LEASE, Cluster
from sandbox.kubernetes_provider.kubeconfig import load_connection
from sandbox.kwok import NODES, node_object
from sandbox.paths import SandboxHome

__all__ = ["kubeconfig_path", "start", "status", "stop"]

Progress = Callable[[str], None]

READY_TIMEOUT_SECONDS = 60
POLL_SECONDS = 0.05
LOG_TAIL_LINES = 5
MANAGER = "kube-controller-manager"
USERS = {
    # name in the kubeconfig file: (user, groups)
    "admin": ("sandbox-admin", "system:masters"),
    MANAGER: ("system:kube-controller-manager", "system:masters"),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
}


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
        ports = _ensure_ports(layout)
        _write_access(layout, certificates, ports)
        changed = [name for name in CONTROL_PLANE if _ensure_daemon(layout, binary, name, ports)]
        api = Api(load_connection(str(layout.kubeconfig("admin"))))
        with contextlib.closing(api):
            _wait_until(layout, lambda: _serves(api))
            if MANAGER in changed:
                _end_lease_of_predecessor(api, before=started)
            _wait_until(layout, lambda: _has_controllers(api))
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
            processes.stop(layout.pid_file(name))


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


def _ensure_ports(layout: Layout) -> Ports:
    """The ports of last time, so that kubeconfigs stay valid; new ones where somebody else took one meanwhile."""
    recorded = _recorded_ports(layout)
    if recorded is not None:
        ours = {"etcd": recorded.etcd, "kube-apiserver": recorded.api}
        taken = [n for n, port in ours.items() if not processes.is_running(layout.pid_file(n)) and not _is_free(port)]
        if not taken:
            return recorded
    ports = Ports(*_free_ports(2))
    write_private(layout.ports_file, json.dumps({"etcd": ports.etcd, "api": ports.api}).encode())
    return ports


def _recorded_ports(layout: Layout) -> Ports | None:
    try:
        found = json.loads(layout.ports_file.read_text())
        return Ports(etcd=int(found["etcd"]), api=int(found["api"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for item in sockets:
            item.bind(("127.0.0.1", 0))
        return [item.getsockname()[1] for item in sockets]


def _write_access(layout: Layout, certificates: Certificates, ports: Ports) -> None:
    """Token file and kubeconfigs, all for this user's eyes only; tokens stay the same from start to start."""
    tokens = _recorded_tokens(layout)
    rows = []
    for name, (user, groups) in USERS.items():
        token = tokens.setdefault(user, secrets.token_urlsafe(32))
        rows.append(f'{token},{user},{user},"{groups}"\n')
        document = _kubeconfig(f"https://127.0.0.1:{ports.api}", certificates.authority.read_text(), user, token)
        _write_if_changed(layout.kubeconfig(name), document)
    _write_if_changed(layout.tokens_file, "".join(rows))


def _recorded_tokens(layout: Layout) -> dict[str, str]:
    try:
        rows = [line.split(",") for line in layout.tokens_file.read_text().splitlines()]
        return {row[1]: row[0] for row in rows if row[0]}
    except (OSError, IndexError):
        return {}


def _kubeconfig(server: str, authority: str, user: str, token: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "sandbox",
        "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": user}}],
        "clusters": [
            {"name": "sandbox", "cluster": {"server": server, "certificate-authority-data": _base64(authority)}}
        ],
        "users": [{"name": user, "user": {"token": token}}],
    }
    return yaml.safe_dump(config, sort_keys=False)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _write_if_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text() != text:
        write_private(path, text.encode())


def _ensure_daemon(layout: Layout, binary: Path, name: str, ports: Ports) -> bool:
    """Start `name` unless it runs with exactly these arguments; True where it was started."""
    argv = arguments(layout, binary, name, ports)
    pid_file = layout.pid_file(name)
    if processes.is_running(pid_file):
        if json.loads(pid_file.read_text())["argv"] == argv:
            return False
        processes.stop(pid_file)
    processes.spawn(argv, pid_file=pid_file, log_file=layout.log_file(name))
    return True


def _wait_until(layout: Layout, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_SECONDS
    while not condition():
        for name in CONTROL_PLANE:
            if not processes.is_running(layout.pid_file(name)):
                raise _died(layout, name)
        if time.monotonic() > deadline:
            raise ToolError(
                f"the Kubernetes API server was not ready after {READY_TIMEOUT_SECONDS} s",
                code="SKS0541",
                fix=f"read {layout.log_file('kube-apiserver')}; `seekstack sandbox stop`, then start again",
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
        code="SKS0540",
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
                    code="SKS0542",
                    fix=f"read {layout.log_file('kube-apiserver')}",
                ) from None
