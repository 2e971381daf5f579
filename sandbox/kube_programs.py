"""The one binary that holds every program of the sandbox's cluster, and how each of them is called."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sandbox.certificates import Certificates
from sandbox.go_build import GoProgram, build
from sandbox.paths import SandboxHome

__all__ = ["CONTROL_PLANE", "KUBERNETES_VERSION", "Layout", "Ports", "arguments", "ensure_program"]

KUBERNETES_VERSION = "1.34.1"
SOURCES = Path(__file__).with_name("go") / "kube"
CONTROL_PLANE = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok")
"""In the order of starting; the later ones wait for the API server by themselves."""

LEASE_SECONDS = 6
"""How long a controller manager that was killed keeps its successor waiting, at most."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Loopback ports, chosen free at the first start."""

    etcd: int
    api: int


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the cluster keeps its files in one sandbox."""

    home: SandboxHome

    @property
    def folder(self) -> Path:
        return self.home.kube

    @property
    def certificates(self) -> Path:
        return self.folder / "certificates"

    @property
    def data(self) -> Path:
        return self.folder / "etcd"

    @property
    def tokens_file(self) -> Path:
        return self.folder / "tokens.csv"

    @property
    def ports_file(self) -> Path:
        return self.folder / "ports.json"

    def kubeconfig(self, user: str) -> Path:
        return self.folder / f"{user}.kubeconfig"

    def pid_file(self, program: str) -> Path:
        return self.home.run / f"{program}.json"

    def log_file(self, program: str) -> Path:
        return self.home.logs / f"{program}.log"


def ensure_program(progress: Callable[[str], None]) -> Path:
    """The binary with all five programs, from the cache or built there once."""
    return build(_program(), progress)["kube"]


def _program() -> GoProgram:
    """The version must be stamped: without it the API server says v0.0.0, and clients refuse that.

    `main.sources` names no variable, which the linker lets pass: it makes a changed source another recipe.
    """
    major, minor, _ = KUBERNETES_VERSION.split(".")
    package = "k8s.io/component-base/version"
    stamps = {
        f"{package}.gitVersion": f"v{KUBERNETES_VERSION}",
        f"{package}.gitMajor": major,
        f"{package}.gitMinor": minor,
        "main.sources": hashlib.sha256(
            b"".join(path.read_bytes() for path in sorted(SOURCES.glob("*.go")))
        ).hexdigest(),
    }
    return GoProgram(
        name="kube",
        version=KUBERNETES_VERSION,
        module=SOURCES,
        packages=(".",),
        ldflags=" ".join(["-s -w", *(f"-X {name}={text}" for name, text in stamps.items())]),
        usual_seconds=270,
    )


def arguments(layout: Layout, binary: Path, program: str, ports: Ports) -> list[str]:
    """The command line of `program`; secrets are in files, never in it."""
    flags = {
        "etcd": _etcd,
        "kube-apiserver": _apiserver,
        "kube-controller-manager": _controller_manager,
        "kube-scheduler": _scheduler,
        "kwok": _kwok,
    }[program](layout, ports)
    return [str(binary), program, *(f"--{name}={value}" for name, value in flags.items())]


def _etcd(layout: Layout, ports: Ports) -> dict[str, object]:
    client = f"http://127.0.0.1:{ports.etcd}"
    peer = "http://127.0.0.1:0"  # a single member talks to nobody
    return {
        "name": "sandbox",
        "data-dir": layout.data,
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"sandbox={peer}",
        "unsafe-no-fsync": "true",  # the state of a sandbox need not outlive a power cut
        "log-level": "warn",
    }


def _apiserver(layout: Layout, ports: Ports) -> dict[str, object]:
    certificates = Certificates(layout.certificates)
    return {
        "bind-address": "127.0.0.1",
        "advertise-address": "127.0.0.1",
        "secure-port": ports.api,
        "etcd-servers": f"http://127.0.0.1:{ports.etcd}",
        "cert-dir": layout.certificates,
        "tls-cert-file": certificates.serving,
        "tls-private-key-file": certificates.serving_key,
        "token-auth-file": layout.tokens_file,
        "anonymous-auth": "false",
        "authorization-mode": "RBAC",
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-account-key-file": certificates.signing_key,
        "service-account-signing-key-file": certificates.signing_key,
        "service-cluster-ip-range": "10.96.0.0/16",
        "endpoint-reconciler-type": "none",  # loopback addresses are not allowed as endpoints
        "allow-privileged": "true",
        "profiling": "false",
    }


def _controller_manager(layout: Layout, _ports: Ports) -> dict[str, object]:
    certificates = Certificates(layout.certificates)
    return {
        "kubeconfig": layout.kubeconfig("kube-controller-manager"),
        "secure-port": 0,
        "service-account-private-key-file": certificates.signing_key,
        "root-ca-file": certificates.authority,
        "leader-elect": "true",  # its Lease tells the kubernetes plugin that controllers run
        "leader-elect-lease-duration": f"{LEASE_SECONDS}s",
        "leader-elect-renew-deadline": f"{LEASE_SECONDS - 2}s",
        "leader-elect-retry-period": "1s",
        "profiling": "false",
    }


def _scheduler(layout: Layout, _ports: Ports) -> dict[str, object]:
    kubeconfig = layout.kubeconfig("kube-scheduler")
    return {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "secure-port": 0,
        "leader-elect": "false",
        "profiling": "false",
    }


def _kwok(layout: Layout, _ports: Ports) -> dict[str, object]:
    return {"kubeconfig": layout.kubeconfig("kwok")}
