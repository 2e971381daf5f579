"""Invariants of rendered manifests, as code: every violation of one run, before anything is applied.

SKS0511 GPUs as planned           SKS0516 images by digest         SKS0531 only the intranet comes in
SKS0512 memory as planned         SKS0517 nothing of the node      SKS0532 services stay inside
SKS0513 requests equal limits     SKS0518 hardened containers      SKS0533 schedules do not overlap
SKS0514 three probes              SKS0519 no needless token        SKS0534 secrets by reference
SKS0515 startup budget            SKS0521 required objects there   SKS0535 labels and selectors
SKS0522 one object an identity                                     SKS0536 own namespace
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from k8s.access_checks import ACCESS_CHECKS
from k8s.manifest import Manifest
from k8s.pod_checks import POD_CHECKS
from k8s.spec import ServingSpec
from k8s.violation import Violation, dig, items, pod_template

__all__ = ["check"]

Check = Callable[[Manifest, ServingSpec], Iterator[Violation]]
CHECKS: tuple[Check, ...] = (*POD_CHECKS, *ACCESS_CHECKS)


def check(manifests: Sequence[Manifest], spec: ServingSpec) -> tuple[Violation, ...]:
    """Everything wrong with `manifests` as the manifests of `spec`; empty where nothing is."""
    found = [violation for manifest in manifests for rule in CHECKS for violation in rule(manifest, spec)]
    return (*found, *_missing_objects(manifests, spec), *_missing_containers(manifests), *_doubled_objects(manifests))


def _missing_objects(manifests: Sequence[Manifest], spec: ServingSpec) -> Iterator[Violation]:
    names = {manifest.identity for manifest in manifests}
    required = [
        f"Namespace/{spec.namespace}",
        *(f"{kind}/{spec.namespace}/{spec.name}" for kind in ("Deployment", "Service", "PodDisruptionBudget")),
    ]
    if spec.restart_schedule is not None:
        required.append(f"CronJob/{spec.namespace}/{spec.name}-restart")
    for identity in required:
        if identity not in names:
            yield Violation("SKS0521", identity, "", "is missing", "restore its template")
    policies = [manifest.body for manifest in manifests if manifest.kind == "NetworkPolicy"]
    if not any(_denies_everything(policy) for policy in policies):
        fix = "a NetworkPolicy with podSelector {}, policyTypes [Ingress, Egress] and no rules"
        yield Violation("SKS0521", f"NetworkPolicy/{spec.namespace}", "", "nothing denies by default", fix)
    server = next((dig(m.body, "spec.selector.matchLabels") for m in manifests if m.kind == "Deployment"), None)
    if not any(dig(policy, "spec.podSelector.matchLabels") == server for policy in policies if server):
        fix = "a NetworkPolicy that selects the labels of the Deployment"
        yield Violation("SKS0521", f"NetworkPolicy/{spec.namespace}/{spec.name}", "", "no policy for the server", fix)


def _missing_containers(manifests: Sequence[Manifest]) -> Iterator[Violation]:
    """Without it a pod of no container would pass every rule about containers."""
    for manifest in manifests:
        pod = pod_template(manifest)
        if pod is not None and not items(pod.spec, "containers"):
            path = f"{pod.path}.containers"
            yield Violation(
                "SKS0521", manifest.identity, path, "there is none", "restore its template", manifest.source
            )


def _denies_everything(policy: Any) -> bool:
    return (
        dig(policy, "spec.podSelector") == {}
        and set(dig(policy, "spec.policyTypes") or ()) == {"Ingress", "Egress"}
        and not dig(policy, "spec.ingress")
        and not dig(policy, "spec.egress")
    )


def _doubled_objects(manifests: Sequence[Manifest]) -> Iterator[Violation]:
    counted = Counter(manifest.identity for manifest in manifests)
    for identity, count in counted.items():
        if count > 1:
            yield Violation("SKS0522", identity, "metadata.name", f"is there {count} times", "give each its own name")
