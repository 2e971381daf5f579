"""Objects in the cluster: get, apply, delete, and whether anybody acts on them."""

from __future__ import annotations

import datetime as dt
import time

from sandbox.kubernetes_provider.client import APPLY_PATCH, Api, ApiError, Object
from sandbox.kubernetes_provider.kinds import Discovery, Kind

__all__ = ["MANAGER_LEASE", "Cluster"]

NOT_FOUND = 404
FORBIDDEN = 403
MANAGER_LEASE = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager"
LEASE_GRACE = 2
"""Lease durations without renewal after which the controller manager counts as gone (leader election's own slack)."""
SERVICE_ACCOUNT_SECONDS = 10
"""A new namespace gets its default ServiceAccount from a controller within a moment; Pods are refused until then."""


class Cluster:
    """One API server with its kinds."""

    def __init__(self, api: Api, default_namespace: str) -> None:
        self.api = api
        self.default_namespace = default_namespace
        self.discovery = Discovery(api)

    def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """The live object; None where there is none."""
        try:
            return self.api.get(kind.path(namespace, name))
        except ApiError as error:
            if error.status == NOT_FOUND:
                return None
            raise

    def apply(self, kind: Kind, body: Object, *, manager: str, force: bool = False, dry_run: bool = False) -> Object:
        """Server-side apply; with `dry_run` the server validates, defaults and answers, and stores nothing."""
        metadata = body["metadata"]
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        path = kind.path(metadata.get("namespace"), metadata["name"])
        deadline = time.monotonic() + SERVICE_ACCOUNT_SECONDS
        while True:
            try:
                return self.api.request("PATCH", path, query=query, body=body, content_type=APPLY_PATCH)
            except ApiError as error:
                if dry_run or not _lacks_service_account(error) or time.monotonic() > deadline:
                    raise
            time.sleep(0.1)

    def delete(self, kind: Kind, namespace: str | None, name: str, *, propagation: str) -> bool:
        """Ask for deletion; False where there was nothing to delete."""
        try:
            self.api.request("DELETE", kind.path(namespace, name), body={"propagationPolicy": propagation})
        except ApiError as error:
            if error.status == NOT_FOUND:
                return False
            raise
        return True

    def has_controllers(self) -> bool:
        """Whether a controller manager renews its Lease: without one nothing becomes ready and nothing is collected."""
        try:
            spec = self.api.get(MANAGER_LEASE).get("spec", {})
            renewed = dt.datetime.fromisoformat(spec["renewTime"])
            seconds = int(spec["leaseDurationSeconds"])
        except (ApiError, KeyError, ValueError, TypeError):
            return False
        return dt.datetime.now(dt.UTC) - renewed < dt.timedelta(seconds=seconds * LEASE_GRACE)


def _lacks_service_account(error: ApiError) -> bool:
    return error.status == FORBIDDEN and "error looking up service account" in error.message
