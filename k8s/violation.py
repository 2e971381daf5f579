"""One broken rule: which, in which object, where in it, and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from k8s.manifest import Manifest

__all__ = ["Container", "PodTemplate", "Violation", "dig", "items", "pod_template"]

POD_PATHS = {
    "Pod": "spec",
    "Deployment": "spec.template.spec",
    "StatefulSet": "spec.template.spec",
    "DaemonSet": "spec.template.spec",
    "ReplicaSet": "spec.template.spec",
    "Job": "spec.template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule of `k8s.checks` that a manifest breaks."""

    code: str
    object: str
    """`Kind/namespace/name`."""
    path: str
    """Dotted path inside the object, as `kubectl explain` writes it."""
    message: str
    fix: str
    source: str = ""
    """File the object was rendered to."""

    def __str__(self) -> str:
        return f"{self.code} {self.object} {self.path}: {self.message}; {self.fix}"


@dataclass(frozen=True, slots=True)
class Container:
    """One container and its path inside the object."""

    path: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """The pod that a workload starts, and its path inside the object."""

    path: str
    spec: Mapping[str, Any]

    def containers(self) -> Iterator[Container]:
        """Every container, init containers included."""
        for key in ("initContainers", "containers", "ephemeralContainers"):
            for position, body in enumerate(items(self.spec, key)):
                yield Container(f"{self.path}.{key}[{position}]", body if isinstance(body, Mapping) else {})


def pod_template(manifest: Manifest) -> PodTemplate | None:
    """The pod template of a workload; None for objects that start no pod."""
    path = POD_PATHS.get(manifest.kind)
    if path is None:
        return None
    found = dig(manifest.body, path)
    return PodTemplate(path, found if isinstance(found, Mapping) else {})


def dig(body: object, path: str) -> Any:
    """The value at a dotted path; None as soon as a step is missing or no mapping."""
    for key in path.split("."):
        if not isinstance(body, Mapping):
            return None
        body = body.get(key)
    return body


def items(body: object, path: str) -> list[Any]:
    """The list at a dotted path; empty where there is none, so that an edited template is judged, not crashed on."""
    found = dig(body, path)
    return found if isinstance(found, list) else []
