"""Rules for what runs: resources, probes, images, and what a container may do."""

from __future__ import annotations

import re
from collections.abc import Iterator

from k8s import quantity
from k8s.manifest import Manifest
from k8s.spec import ServingSpec
from k8s.violation import Container, PodTemplate, Violation, dig, items, pod_template

__all__ = ["POD_CHECKS"]

GPU = "nvidia.com/gpu"
PROBES = ("startupProbe", "livenessProbe", "readinessProbe")
DIGEST = re.compile(r"[^\s@]+@sha256:[0-9a-f]{64}")
HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")


def check_gpus(manifest: Manifest, spec: ServingSpec) -> Iterator[Violation]:
    """The server asks for exactly the planned GPUs; nothing else asks for any."""
    for container in _containers(manifest):
        planned = str(spec.gpus) if _is_server(manifest, spec) else None
        for part in ("limits", "requests"):
            found = (dig(container.body, f"resources.{part}") or {}).get(GPU)
            if (None if found is None else str(found)) != planned:
                yield _violation(
                    "SKS0511",
                    manifest,
                    f"{container.path}.resources.{part}",
                    f"{found or 'no'} GPUs, the plan has {planned or 'none'}",
                    f"{GPU}: {planned}" if planned else f"remove {GPU}",
                )


def check_memory(manifest: Manifest, spec: ServingSpec) -> Iterator[Violation]:
    """The server's memory limit holds at least what the plan counted, or the kernel kills it while loading."""
    if not _is_server(manifest, spec):
        return
    for container in _containers(manifest):
        found = dig(container.body, "resources.limits.memory")
        try:
            enough = quantity.parse(found) >= spec.memory_bytes
        except ValueError:
            enough = False
        if not enough:
            needed = quantity.memory(spec.memory_bytes)
            path = f"{container.path}.resources.limits.memory"
            yield _violation(
                "SKS0512", manifest, path, f"{found} is less than the plan's {needed}", f"memory: {needed}"
            )


def check_resources(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """Every container says its CPU and memory, requests equal to limits: no neighbour can starve or evict it."""
    for container in _containers(manifest):
        for resource in ("cpu", "memory"):
            limit = dig(container.body, f"resources.limits.{resource}")
            request = dig(container.body, f"resources.requests.{resource}")
            if limit is None or limit != request:
                yield _violation(
                    "SKS0513",
                    manifest,
                    f"{container.path}.resources",
                    f"{resource} limit {limit}, request {request}",
                    f"set both to the same {resource}",
                )


def check_probes(manifest: Manifest, spec: ServingSpec) -> Iterator[Violation]:
    """The server has three probes, and the startup probe waits as long as loading may take."""
    if not _is_server(manifest, spec):
        return
    for container in _containers(manifest):
        for probe in PROBES:
            if not dig(container.body, f"{probe}.httpGet"):
                path = f"{container.path}.{probe}"
                yield _violation("SKS0514", manifest, path, "no HTTP probe", "httpGet: {path: /health, port: http}")
        waits = _startup_seconds(container)
        if waits < spec.startup_budget_seconds:
            yield _violation(
                "SKS0515",
                manifest,
                f"{container.path}.startupProbe",
                f"gives up after {waits} s, loading may take {spec.startup_budget_seconds} s",
                f"failureThreshold x periodSeconds of at least {spec.startup_budget_seconds}",
            )


def check_images(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """Images by digest: a tag can change under a running fleet, and `latest` does."""
    for container in _containers(manifest):
        image = dig(container.body, "image")
        if not isinstance(image, str) or not DIGEST.fullmatch(image):
            path = f"{container.path}.image"
            yield _violation("SKS0516", manifest, path, f"{image} is no digest", "write name@sha256:<64 hex digits>")
        elif re.search(r":latest@", image):
            path = f"{container.path}.image"
            yield _violation(
                "SKS0516", manifest, path, f"{image} names latest", "name the version, or the digest alone"
            )


def check_host_access(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """No part of the node is handed over but weights, read-only."""
    pod = pod_template(manifest)
    if pod is None:
        return
    for key in HOST_NAMESPACES:
        if pod.spec.get(key):
            yield _violation(
                "SKS0517", manifest, f"{pod.path}.{key}", "shares a namespace of the node", f"remove {key}"
            )
    for container in pod.containers():
        if dig(container.body, "securityContext.privileged"):
            path = f"{container.path}.securityContext.privileged"
            yield _violation("SKS0517", manifest, path, "is root on the node", "remove privileged")
        yield from _writable_host_paths(manifest, pod, container)


def check_hardening(manifest: Manifest, _: ServingSpec) -> Iterator[Violation]:
    """What Pod Security's `restricted` level asks, and a root file system nobody can write to."""
    pod = pod_template(manifest)
    if pod is None:
        return
    wanted_pod = {"runAsNonRoot": True, "seccompProfile.type": "RuntimeDefault"}
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities.drop": ["ALL"]}
    yield from _wrong_values(manifest, f"{pod.path}.securityContext", pod.spec.get("securityContext"), wanted_pod)
    for container in pod.containers():
        context = container.body.get("securityContext")
        yield from _wrong_values(manifest, f"{container.path}.securityContext", context, wanted)
        if dig(context, "runAsUser") == 0 or dig(context, "runAsNonRoot") is False:
            path = f"{container.path}.securityContext"
            yield _violation("SKS0518", manifest, path, "runs as root", "remove runAsUser and runAsNonRoot here")


def check_tokens(manifest: Manifest, spec: ServingSpec) -> Iterator[Violation]:
    """A service account token is mounted only where the pod calls the Kubernetes API: the scheduled restart."""
    pod = pod_template(manifest)
    if pod is not None and _is_server(manifest, spec) and pod.spec.get("automountServiceAccountToken") is not False:
        path = f"{pod.path}.automountServiceAccountToken"
        yield _violation("SKS0519", manifest, path, "a token is mounted", "automountServiceAccountToken: false")


POD_CHECKS = (
    check_gpus, check_memory, check_resources, check_probes,
    check_images, check_host_access, check_hardening, check_tokens,
)  # fmt: skip


def _is_server(manifest: Manifest, spec: ServingSpec) -> bool:
    return manifest.kind == "Deployment" and manifest.name == spec.name


def _containers(manifest: Manifest) -> Iterator[Container]:
    pod = pod_template(manifest)
    return iter(()) if pod is None else pod.containers()


def _startup_seconds(container: Container) -> int:
    probe = dig(container.body, "startupProbe")
    numbers = [dig(probe, "failureThreshold") or 3, dig(probe, "periodSeconds") or 10]  # the API's own defaults
    return numbers[0] * numbers[1] if probe and all(isinstance(number, int) for number in numbers) else 0


def _writable_host_paths(manifest: Manifest, pod: PodTemplate, container: Container) -> Iterator[Violation]:
    from_host = {dig(volume, "name") for volume in items(pod.spec, "volumes") if dig(volume, "hostPath") is not None}
    for position, mount in enumerate(items(container.body, "volumeMounts")):
        if dig(mount, "name") in from_host and dig(mount, "readOnly") is not True:
            path = f"{container.path}.volumeMounts[{position}]"
            yield _violation("SKS0517", manifest, path, "can write to the node's disk", "readOnly: true")


def _wrong_values(manifest: Manifest, path: str, body: object, wanted: dict[str, object]) -> Iterator[Violation]:
    for key, value in wanted.items():
        found = dig(body, key)
        if found != value:
            yield _violation("SKS0518", manifest, f"{path}.{key}", f"is {found}", f"set it to {value}")


def _violation(code: str, manifest: Manifest, path: str, message: str, fix: str) -> Violation:
    return Violation(code, manifest.identity, path, message, fix, manifest.source)
