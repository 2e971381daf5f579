"""Waiting: for an object to become ready, or to be gone, and saying why it does not."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from sandbox.kubernetes_provider.client import ApiError, Object
from sandbox.kubernetes_provider.cluster import Cluster
from sandbox.kubernetes_provider.kinds import Kind
from sandbox.kubernetes_provider.readiness import assess, needs_waiting

__all__ = ["Awaiter", "NotReadyError", "StillThereError"]

POLL_SECONDS = 0.1
READY_SECONDS = 120
"""Simulated nodes make a pod ready within seconds; the official plugin's 10 minutes would only delay the answer."""
GONE_SECONDS = 180
FAILED_SECONDS = 3
"""How long a failure must last: right after a change the status may still tell of the state before it."""
SERVER_ONLY = "CustomResourceDefinition"
"""Made ready by the API server itself, no controller manager needed."""

Log = Callable[[str, str], None]
"""Takes a message and a URN."""


class NotReadyError(Exception):
    """The object exists but did not become ready; `live` is its last state."""

    def __init__(self, message: str, live: Object) -> None:
        super().__init__(message)
        self.live = live


class StillThereError(Exception):
    """The object was told to go and did not."""


class Awaiter:
    """Waits with the patience of one provider process; `cancelled` ends every wait."""

    def __init__(self, cluster: Cluster, log: Log, cancelled: threading.Event) -> None:
        self._cluster = cluster
        self._log = log
        self._cancelled = cancelled

    def until_ready(self, kind: Kind, live: Object, urn: str, *, seconds: float | None) -> Object:
        """The live object once it is ready; as it is where the cluster has nobody to make it so."""
        if not needs_waiting(live):
            return live
        if live["kind"] != SERVER_ONLY and not self._cluster.has_controllers():
            self._log("the cluster runs no controller manager: not waiting for it to become ready", urn)
            return live
        namespace, name = live["metadata"].get("namespace"), live["metadata"]["name"]
        deadline = time.monotonic() + (seconds or READY_SECONDS)
        failed_since: float | None = None
        while True:
            found = self._cluster.get(kind, namespace, name)
            if found is None:
                return live  # a finished Job with a time to live of 0 is collected at once
            live = found
            state = assess(live)
            if state.ready:
                return live
            failed_since = (failed_since or time.monotonic()) if state.failed else None
            gave_up = failed_since is not None and time.monotonic() - failed_since > FAILED_SECONDS
            if gave_up or self._cancelled.is_set() or time.monotonic() > deadline:
                raise NotReadyError(self._why(live, state.message), live)
            self._cancelled.wait(POLL_SECONDS)

    def until_gone(self, kind: Kind, namespace: str | None, name: str, urn: str, *, seconds: float | None) -> None:
        """Return once the object (or the one of that name that was there at first) is gone."""
        first = self._cluster.get(kind, namespace, name)
        deadline = time.monotonic() + (seconds or GONE_SECONDS)
        live = first
        while live is not None and first is not None and live["metadata"]["uid"] == first["metadata"]["uid"]:
            if kind.kind == "Namespace" and not self._cluster.has_controllers():
                self._log("the cluster runs no controller manager: the namespace stays in phase Terminating", urn)
                return
            if self._cancelled.is_set() or time.monotonic() > deadline:
                raise StillThereError(_why_there(live))
            self._cancelled.wait(POLL_SECONDS)
            live = self._cluster.get(kind, namespace, name)

    def _why(self, live: Object, message: str) -> str:
        if self._cancelled.is_set():
            return f"cancelled while waiting ({message})"
        pods = self._pod_problems(live)
        return f"{message}; {pods}" if pods else message

    def _pod_problems(self, live: Object) -> str:
        """What the scheduler says about the first pod of a workload that it could not place."""
        selector = live.get("spec", {}).get("selector") or {}
        labels: Mapping[str, Any] = selector.get("matchLabels") or {} if isinstance(selector, Mapping) else {}
        if not labels:
            return ""
        namespace = quote(live["metadata"]["namespace"], safe="")
        query = {"labelSelector": ",".join(f"{key}={item}" for key, item in labels.items()), "limit": "50"}
        try:
            pods = self._cluster.api.get(f"/api/v1/namespaces/{namespace}/pods", query).get("items", ())
        except ApiError:
            return ""
        for pod in pods:
            for condition in pod.get("status", {}).get("conditions") or ():
                if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
                    return f"pod {pod['metadata']['name']} {condition.get('reason')}: {condition.get('message')}"
        return ""


def _why_there(live: Object) -> str:
    finalizers = live["metadata"].get("finalizers") or live.get("spec", {}).get("finalizers") or ()
    conditions = [
        str(condition.get("message"))
        for condition in live.get("status", {}).get("conditions") or ()
        if condition.get("status") == "True" and live["kind"] == "Namespace"
    ]
    reasons = [f"finalizers: {', '.join(finalizers)}"] if finalizers else []
    return "it was told to go and is still there" + (f" ({'; '.join(reasons + conditions)})" if reasons else "")
