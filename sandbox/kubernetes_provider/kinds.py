"""Which kinds the API server knows: discovery, cached for the life of the plugin and asked again on a miss."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from urllib.parse import quote

from sandbox.kubernetes_provider.client import Api, ApiError

__all__ = ["CLUSTER_SCOPED", "Discovery", "Kind", "UnknownKindError"]

NOT_FOUND = 404
POLL_SECONDS = 0.1

CLUSTER_SCOPED = frozenset(
    {
        "APIService",
        "CSIDriver",
        "CSINode",
        "CertificateSigningRequest",
        "ClusterRole",
        "ClusterRoleBinding",
        "ClusterTrustBundle",
        "CustomResourceDefinition",
        "DeviceClass",
        "FlowSchema",
        "IPAddress",
        "IngressClass",
        "MutatingAdmissionPolicy",
        "MutatingAdmissionPolicyBinding",
        "MutatingWebhookConfiguration",
        "Namespace",
        "Node",
        "PersistentVolume",
        "PriorityClass",
        "PriorityLevelConfiguration",
        "ResourceSlice",
        "RuntimeClass",
        "ServiceCIDR",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
        "VolumeAttachment",
        "VolumeAttributesClass",
    }
)
"""Built-in kinds without a namespace (Kubernetes 1.34), for a preview that cannot reach the server."""


class UnknownKindError(LookupError):
    """The server does not serve this kind: a wrong apiVersion, or a CustomResourceDefinition that is not installed."""

    def __init__(self, api_version: str, kind: str, known: tuple[str, ...]) -> None:
        group = api_version.partition("/")[0] if "/" in api_version else ""
        if known:
            cause = f"{api_version} has: {', '.join(known)}"
        elif "." in group:
            cause = f"install its CustomResourceDefinition (spec.group {group}, kind {kind}) first"
        else:
            cause = "no such API group and version; `kubectl api-versions` lists them"
        super().__init__(f"the API server does not know {kind} in {api_version}: {cause}")


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind as the server serves it."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str | None, name: str | None = None) -> str:
        """The URL path of the collection, or of one object."""
        root = "/api" if "/" not in self.api_version else "/apis"
        parts = [root, self.api_version]
        if self.namespaced:
            parts += ["namespaces", quote(namespace or "default", safe="")]
        parts.append(self.plural)
        if name is not None:
            parts.append(quote(name, safe=""))
        return "/".join(parts)


class Discovery:
    """Kinds by apiVersion; safe to use from several threads."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: dict[str, dict[str, Kind]] = {}
        self._lock = threading.Lock()

    def find(self, api_version: str, kind: str, *, patience_seconds: float = 0) -> Kind:
        """The kind, or `UnknownKindError`; `patience_seconds` is for a definition installed a moment ago."""
        deadline = time.monotonic() + patience_seconds
        while (found := self._lookup(api_version, kind)) is None:
            if time.monotonic() >= deadline:
                raise UnknownKindError(api_version, kind, tuple(sorted(self._known.get(api_version, ()))))
            time.sleep(POLL_SECONDS)
        return found

    def _lookup(self, api_version: str, kind: str) -> Kind | None:
        with self._lock:
            found = self._known.get(api_version, {}).get(kind)
        if found is not None:
            return found
        kinds = self._fetch(api_version)
        with self._lock:
            self._known[api_version] = kinds
        return kinds.get(kind)

    def _fetch(self, api_version: str) -> dict[str, Kind]:
        root = "/api" if "/" not in api_version else "/apis"
        try:
            listing = self._api.get(f"{root}/{quote(api_version)}")
        except ApiError as error:
            if error.status == NOT_FOUND:
                return {}
            raise
        return {
            item["kind"]: Kind(api_version, item["kind"], item["name"], bool(item["namespaced"]))
            for item in listing.get("resources", ())
            if "/" not in item["name"]  # sub-resources: pods/log, deployments/scale
        }
