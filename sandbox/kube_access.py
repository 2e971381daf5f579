"""Who may reach the sandbox's API server and where: ports, tokens, a kubeconfig a user; kept from start to start."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import socket
from pathlib import Path

import yaml

from sandbox import processes
from sandbox.certificates import Certificates, write_private
from sandbox.kube_programs import Layout, Ports

__all__ = ["ensure_ports", "write_access"]

USERS = {
    # name in the kubeconfig file: (user, groups)
    "admin": ("sandbox-admin", "system:masters"),
    "kube-controller-manager": ("system:kube-controller-manager", "system:masters"),
    "kube-scheduler": ("system:kube-scheduler", ""),
    "kwok": ("kwok", "system:masters"),
}


def ensure_ports(layout: Layout) -> Ports:
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


def write_access(layout: Layout, certificates: Certificates, ports: Ports) -> None:
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
