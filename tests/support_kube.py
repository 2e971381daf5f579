"""A real cluster for tests, and the kubernetes plugin's resources on it without an engine."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from infra.errors import ToolError
from sandbox import kube
from sandbox.kubernetes_provider.client import Api
from sandbox.kubernetes_provider.cluster import Cluster
from sandbox.kubernetes_provider.kubeconfig import load_connection
from sandbox.kubernetes_provider.resources import Resources
from sandbox.kubernetes_provider.settings import Settings
from sandbox.paths import SandboxHome

__all__ = ["Stage", "built_program", "running_cluster", "stage_on", "urn_of"]

PROGRAM_VARIABLE = "SEEKSTACK_TEST_KUBE"
"""A built binary to use instead of the cache's, for a machine that tests several checkouts."""


@contextlib.contextmanager
def running_cluster() -> Iterator[SandboxHome]:
    """A cluster in a folder of its own, stopped at the end; skips where its programs cannot be built (fails in CI)."""
    folder = Path(tempfile.mkdtemp(prefix="kube-"))
    home = SandboxHome(folder)
    try:
        try:
            kube.start(home, program=built_program())
        except ToolError as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(f"no Kubernetes API server here: {error}")
        yield home
    finally:
        kube.stop(home)
        shutil.rmtree(folder, ignore_errors=True)


def built_program() -> Path | None:
    """The binary named by the environment; None: the product finds or builds it."""
    named = os.environ.get(PROGRAM_VARIABLE)
    return Path(named) if named else None


def urn_of(token: str, name: str = "thing") -> str:
    """A URN as the engine makes it."""
    return f"urn:pulumi:dev::tests::{token}::{name}"


@dataclass(slots=True)
class Stage:
    """One namespace of its own and the plugin's resources in it, as one plugin process would hold them."""

    api: Api
    namespace: str
    kubeconfig: Path
    settings: Settings = field(default_factory=Settings)
    messages: list[str] = field(default_factory=list)
    cancelled: threading.Event = field(default_factory=threading.Event)
    resources: Resources = field(init=False)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self, settings: Settings | None = None) -> None:
        """A new plugin process: it remembers nothing but what the engine's state tells it."""
        self.settings = settings or self.settings
        cluster = Cluster(self.api, self.namespace)
        self.resources = Resources(lambda: cluster, self.settings, self._log, self.cancelled)

    def _log(self, message: str, _urn: str) -> None:
        self.messages.append(message)

    def checked(self, urn: str, inputs: dict[str, Any], old: dict[str, Any] | None = None) -> dict[str, Any]:
        """Inputs as the engine would hand them to diff and create."""
        found, failures = self.resources.check(urn, token_of(urn), old or {}, inputs)
        assert failures == []
        return found

    def create(
        self, urn: str, inputs: dict[str, Any], *, seconds: float = 30
    ) -> tuple[str, dict[str, Any], dict[str, Any]]:
        """Check and create: id, checked inputs, state."""
        checked = self.checked(urn, inputs)
        resource_id, state = self.resources.create(urn, checked, seconds=seconds, preview=False)
        return resource_id, checked, revealed(state)

    def read(self, urn: str, resource_id: str, state: dict[str, Any], inputs: dict[str, Any]) -> tuple[Any, Any] | None:
        """Refresh: state and inputs; None where the object is gone."""
        found = self.resources.read(urn, token_of(urn), resource_id, state, inputs)
        return None if found is None else (revealed(found[0]), revealed(found[1]))

    def delete(self, urn: str, resource_id: str, state: dict[str, Any], *, seconds: float = 60) -> None:
        self.resources.delete(urn, token_of(urn), resource_id, state, seconds=seconds)

    def edit(self, path: str, patch: dict[str, Any], *, manager: str = "kubectl-edit") -> dict[str, Any]:
        """What somebody else does behind Pulumi's back."""
        return self.api.request(
            "PATCH", path, query={"fieldManager": manager}, body=patch, content_type="application/merge-patch+json"
        )


@contextlib.contextmanager
def stage_on(home: SandboxHome) -> Iterator[Stage]:
    """A stage in a new namespace of the cluster in `home`."""
    namespace = f"t-{uuid.uuid4().hex[:10]}"
    kubeconfig = kube.kubeconfig_path(home)
    with contextlib.closing(Api(load_connection(str(kubeconfig)))) as api:
        api.request("POST", "/api/v1/namespaces", body={"metadata": {"name": namespace}})
        yield Stage(api, namespace, kubeconfig)
        api.request("DELETE", f"/api/v1/namespaces/{namespace}")


def token_of(urn: str) -> str:
    return urn.split("::")[2].rpartition("$")[2]


def revealed(item: Any) -> Any:
    """State as the engine hands it back: secret marks removed."""
    if isinstance(item, dict):
        return {key: revealed(getattr(child, "inner", child)) for key, child in item.items()}
    return item
