"""When an object counts as ready, by kind: the conditions controllers write into its status.

Only kinds for which the sandbox has a controller. PersistentVolumeClaims (no provisioner), load balancers and Ingress
(no cloud) never become ready there, so nobody waits for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Readiness", "assess", "needs_waiting"]

Live = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Readiness:
    """`failed`: a controller gave up; it is final if it stays so for a moment."""

    ready: bool
    message: str = ""
    failed: bool = False


READY = Readiness(ready=True)


def needs_waiting(live: Live) -> bool:
    return _key(live) in CHECKS


def assess(live: Live) -> Readiness:
    """How far `live` is; ready at once for a kind nobody works on."""
    check = CHECKS.get(_key(live))
    if check is None:
        return READY
    generation = live["metadata"].get("generation", 0)
    if "observedGeneration" in _WATCHED.get(_key(live), ()) and _status(live).get("observedGeneration", 0) < generation:
        return Readiness(ready=False, message="its controller has not seen the change yet")
    return check(live)


def _key(live: Live) -> tuple[str, str]:
    return str(live.get("apiVersion", "")).rpartition("/")[0], str(live.get("kind", ""))


def _status(live: Live) -> Live:
    found: Live = live.get("status") or {}
    return found


def _condition(live: Live, name: str) -> Mapping[str, Any]:
    for condition in _status(live).get("conditions") or ():
        if condition.get("type") == name:
            found: Mapping[str, Any] = condition
            return found
    return {}


def _deployment(live: Live) -> Readiness:
    status, wanted = _status(live), live["spec"].get("replicas", 1)
    for name, bad in (("Progressing", "False"), ("ReplicaFailure", "True")):
        condition = _condition(live, name)
        if condition.get("status") == bad:
            message = f"{condition.get('reason')}: {condition.get('message')}"
            # a namespace made a moment ago has no default ServiceAccount yet; a controller brings it
            return Readiness(ready=False, failed="service account" not in message, message=message)
    counts = [status.get(key, 0) for key in ("updatedReplicas", "availableReplicas", "replicas")]
    if counts[0] >= wanted and counts[1] >= wanted and counts[2] <= wanted:
        return READY
    return Readiness(ready=False, message=f"{counts[1]} of {wanted} replicas available, {counts[0]} updated")


def _stateful_set(live: Live) -> Readiness:
    status, spec = _status(live), live["spec"]
    wanted, ready = spec.get("replicas", 1), status.get("readyReplicas", 0)
    strategy = spec.get("updateStrategy", {})
    rolls = strategy.get("type", "RollingUpdate") == "RollingUpdate" and not strategy.get("rollingUpdate", {}).get(
        "partition"
    )
    updated = not rolls or status.get("currentRevision") == status.get("updateRevision")
    if ready >= wanted and updated:
        return READY
    return Readiness(ready=False, message=f"{ready} of {wanted} replicas ready")


def _replica_set(live: Live) -> Readiness:
    wanted, available = live["spec"].get("replicas", 1), _status(live).get("availableReplicas", 0)
    return (
        READY if available >= wanted else Readiness(ready=False, message=f"{available} of {wanted} replicas available")
    )


def _daemon_set(live: Live) -> Readiness:
    status = _status(live)
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    if ready >= wanted and status.get("updatedNumberScheduled", 0) >= wanted:
        return READY
    return Readiness(ready=False, message=f"ready on {ready} of {wanted} nodes")


def _job(live: Live) -> Readiness:
    failed = _condition(live, "Failed")
    if failed.get("status") == "True":
        return Readiness(ready=False, failed=True, message=f"{failed.get('reason')}: {failed.get('message')}")
    if any(_condition(live, name).get("status") == "True" for name in ("Complete", "Suspended")):
        return READY
    return Readiness(ready=False, message=f"{_status(live).get('succeeded', 0)} pods completed")


def _pod(live: Live) -> Readiness:
    status = _status(live)
    phase = status.get("phase", "Pending")
    if phase == "Failed":
        return Readiness(ready=False, failed=True, message=f"{status.get('reason')}: {status.get('message')}")
    if phase == "Succeeded" or _condition(live, "Ready").get("status") == "True":
        return READY
    scheduled = _condition(live, "PodScheduled")
    return Readiness(ready=False, message=scheduled.get("message") or f"phase {phase}")


def _quota(live: Live) -> Readiness:
    """A quota is enforced once its controller has counted what is there."""
    counted = _status(live).get("hard", {}).keys() >= live["spec"].get("hard", {}).keys()
    return READY if counted else Readiness(ready=False, message="not yet counted")


def _definition(live: Live) -> Readiness:
    names = _condition(live, "NamesAccepted")
    if names.get("status") == "False":
        return Readiness(ready=False, failed=True, message=f"{names.get('reason')}: {names.get('message')}")
    established = _condition(live, "Established").get("status") == "True"
    return READY if established else Readiness(ready=False, message="not yet served")


CHECKS: Mapping[tuple[str, str], Callable[[Live], Readiness]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "ReplicaSet"): _replica_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("", "Pod"): _pod,
    ("", "ResourceQuota"): _quota,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _definition,
}
_WATCHED: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("apps", kind): ("observedGeneration",) for kind in ("Deployment", "StatefulSet", "ReplicaSet", "DaemonSet")
}
