"""The Pulumi protocol: requests in, plain values to `Resources`, answers out. Each call runs in a thread of its own."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from pulumi.errors import InputPropertiesError
from pulumi.provider.experimental import provider as protocol

from sandbox.checkpoint import UnreadableError, recorded_ids
from sandbox.kubernetes_provider import manifests
from sandbox.kubernetes_provider.awaiting import Log
from sandbox.kubernetes_provider.client import Api, UnreachableError
from sandbox.kubernetes_provider.cluster import Cluster
from sandbox.kubernetes_provider.failures import EXPECTED, plugin_error
from sandbox.kubernetes_provider.kubeconfig import load_connection
from sandbox.kubernetes_provider.paths import Change, render
from sandbox.kubernetes_provider.resources import Difference, Resources
from sandbox.kubernetes_provider.settings import Settings, read_settings
from sandbox.plugin import DiffRequest, PluginError, plain_map, value_map

__all__ = ["VERSION", "KubernetesProvider"]

VERSION = "4.34.2"
"""Of the pulumi_kubernetes SDK whose resources it serves."""
THREADS = 64
"""Waits hold a thread each; the engine's own parallelism is the real limit."""

Answer = TypeVar("Answer")
KINDS = protocol.PropertyDiffKind
PLAIN_KINDS = {Change.ADD: KINDS.ADD, Change.DELETE: KINDS.DELETE, Change.UPDATE: KINDS.UPDATE}
REPLACE_KINDS = {
    Change.ADD: KINDS.ADD_REPLACE,
    Change.DELETE: KINDS.DELETE_REPLACE,
    Change.UPDATE: KINDS.UPDATE_REPLACE,
}


class KubernetesProvider(protocol.Provider):
    """Typed resources of every built-in kind, and custom resources."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._cancelled = threading.Event()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="kubernetes")
        self._lock = threading.Lock()
        self._settings = Settings()
        self._connected: Cluster | None = None
        self._resources = self._make_resources()

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        self._settings = read_settings(plain_map(request.args))
        self._connected = None
        self._resources = self._make_resources()
        # without secrets in the requests the engine itself marks what was secret in the answers
        return protocol.ConfigureResponse(accept_secrets=False, supports_preview=True)

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        token = _supported(request.urn)
        inputs, failures = await self._run(
            f"check {request.name}", request.urn, self._resources.check,
            request.urn, token, plain_map(request.old_inputs), plain_map(request.new_inputs),
        )  # fmt: skip
        return protocol.CheckResponse(value_map(inputs), [protocol.CheckFailure(*failure) for failure in failures])

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        old = request.old_inputs if isinstance(request, DiffRequest) else request.old_state
        found = await self._run(
            f"compare {request.resource_id}", request.urn, self._resources.diff,
            request.urn, plain_map(old), plain_map(request.new_inputs), plain_map(request.old_state),
        )  # fmt: skip
        return _diff_response(found)

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        def work() -> tuple[str, dict[str, Any]]:
            return self._resources.create(
                request.urn, plain_map(request.properties), seconds=request.timeout, preview=request.preview
            )

        resource_id, state = await self._run(f"create {request.name}", request.urn, work)
        return protocol.CreateResponse(resource_id, value_map(state))

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        found = await self._run(
            f"read {request.resource_id}", request.urn, self._resources.read,
            request.urn, _supported(request.urn), request.resource_id,
            plain_map(request.properties), plain_map(request.inputs),
        )  # fmt: skip
        if found is None:
            return protocol.ReadResponse(resource_id="")
        state, inputs = found
        return protocol.ReadResponse(request.resource_id, value_map(state), value_map(inputs))

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        def work() -> dict[str, Any]:
            return self._resources.update(
                request.urn,
                plain_map(request.olds),
                plain_map(request.news),
                seconds=request.timeout,
                preview=request.preview,
            )

        return protocol.UpdateResponse(value_map(await self._run(f"update {request.resource_id}", request.urn, work)))

    async def delete(self, request: protocol.DeleteRequest) -> None:
        def work() -> None:
            self._resources.delete(
                request.urn,
                _supported(request.urn),
                request.resource_id,
                plain_map(request.properties),
                seconds=request.timeout,
            )

        await self._run(f"delete {request.resource_id}", request.urn, work)

    async def invoke(self, request: protocol.InvokeRequest) -> protocol.InvokeResponse:
        raise PluginError(
            manifests.unsupported_reason(request.tok)
            or f"function {request.tok} is not supported by the sandbox's bundled kubernetes plugin"
        )

    async def construct(self, request: protocol.ConstructRequest) -> protocol.ConstructResponse:
        reason = manifests.unsupported_reason(request.resource_type)
        raise InputPropertiesError(reason or f"{request.resource_type} is not a component the bundled plugin has", [])

    async def cancel(self) -> None:
        """End every wait: the resource stays in state, as not ready."""
        self._cancelled.set()

    async def _run(self, action: str, urn: str, work: Callable[..., Answer], *arguments: Any) -> Answer:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)
        except EXPECTED as error:
            raise plugin_error(error, action, urn) from None

    def _make_resources(self) -> Resources:
        return Resources(self._cluster, self._settings, self._log, self._cancelled, _recorded)

    def _cluster(self) -> Cluster:
        """The cluster, connected at first use: a program without Kubernetes resources needs no kubeconfig."""
        with self._lock:
            if not self._settings.is_known:
                raise UnreachableError("the kubeconfig is not known before the resource that makes it exists")
            if self._connected is None:
                connection = load_connection(self._settings.kubeconfig, self._settings.context)
                self._connected = Cluster(Api(connection), self._settings.namespace or connection.namespace)
            return self._connected


def _recorded(urn: str) -> set[tuple[str, str]]:
    """What the engine has written down for the stack of `urn`; nothing where that cannot be read."""
    _, _, stack, _, project, *_ = urn.split(":")
    try:
        return recorded_ids(os.environ.get("PULUMI_BACKEND_URL", ""), project, stack)
    except UnreadableError:
        return set()


def _supported(urn: str) -> str:
    token = manifests.token_of(urn)
    if reason := manifests.unsupported_reason(token):
        raise PluginError(reason)
    return token


def _diff_response(found: Difference) -> protocol.DiffResponse:
    detailed = {
        render(path): protocol.PropertyDiff((REPLACE_KINDS if path in found.replaces else PLAIN_KINDS)[change], True)
        for path, change in found.changes.items()
    }
    return protocol.DiffResponse(
        changes=bool(found.changes),
        replaces=[render(path) for path in sorted(found.replaces, key=str)],
        delete_before_replace=found.delete_first,
        diffs=sorted({str(path[0]) for path in found.changes}),
        detailed_diff=detailed,
    )
