"""HTTP to the API server: JSON in, JSON out, refusals as `ApiError` with the server's own reason and field causes."""

from __future__ import annotations

import json
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import urllib3

from sandbox.kubernetes_provider.kubeconfig import Connection

__all__ = ["APPLY_PATCH", "Api", "ApiError", "Cause", "UnreachableError"]

APPLY_PATCH = "application/apply-patch+yaml"
"""Server-side apply; JSON is valid YAML, so the body is JSON."""
TIMEOUT = urllib3.Timeout(connect=5, read=60)
POOL_SIZE = 32
"""The engine works on up to 4 resources a core at once; a pool that is too small only costs new connections."""

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Cause:
    """One field the server named: a path like `spec.template.spec.containers[0].image`, and what is wrong there."""

    field: str
    message: str
    reason: str


class ApiError(Exception):
    """The API server answered with a failure (a `Status` object)."""

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.reason = str(body.get("reason") or f"HTTP {status}")
        self.message = str(body.get("message") or "no message")
        causes = (body.get("details") or {}).get("causes") or ()
        self.causes = tuple(
            Cause(str(cause.get("field") or ""), str(cause.get("message") or ""), str(cause.get("reason") or ""))
            for cause in causes
        )
        super().__init__(f"{self.reason} ({status}): {self.message}")


class UnreachableError(Exception):
    """No API server answers at the address the kubeconfig names."""


class Api:
    """One API server. Safe to use from several threads."""

    def __init__(self, connection: Connection) -> None:
        self.server = connection.server
        self._headers = {"Accept": "application/json"}
        if connection.token:
            self._headers["Authorization"] = f"Bearer {connection.token}"
        self._pool = urllib3.PoolManager(
            maxsize=POOL_SIZE, timeout=TIMEOUT, retries=False, ssl_context=_ssl_context(connection)
        )

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: object = None,
        content_type: str = "application/json",
    ) -> Object:
        """The decoded answer; `ApiError` for a status of 400 and more, `UnreachableError` where nobody answers."""
        headers = dict(self._headers)
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = content_type
        url = f"{self.server}{path}?{urlencode(query)}" if query else f"{self.server}{path}"
        try:
            response = self._pool.urlopen(method, url, body=data, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(_unreachable(self.server, error)) from None
        answer = _decode(response.data)
        if response.status >= 400:
            raise ApiError(response.status, answer)
        return answer

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Object:
        return self.request("GET", path, query=query)

    def close(self) -> None:
        """Close pooled connections."""
        self._pool.clear()


def _decode(data: bytes) -> Object:
    """The answer as an object; health checks and proxies answer with text."""
    try:
        answer = json.loads(data) if data else {}
    except ValueError:
        answer = {"message": data.decode(errors="replace").strip()}
    return answer if isinstance(answer, dict) else {"items": answer}


def _unreachable(server: str, error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return (
        f"no API server answers at {server} ({type(cause).__name__}). Start the sandbox's again: "
        'eval "$(seekstack sandbox env --kubernetes)"; its log is logs/kube-apiserver.log in the sandbox\'s folder'
    )


def _ssl_context(connection: Connection) -> ssl.SSLContext:
    authority = connection.authority.decode() if connection.authority else None
    context = ssl.create_default_context(cadata=authority)
    if connection.certificate and connection.key:
        # the ssl module reads client certificates from files only; mkstemp makes them readable by this user alone
        handle, name = tempfile.mkstemp()
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(connection.certificate + b"\n" + connection.key)
            context.load_cert_chain(name)
        finally:
            os.unlink(name)  # noqa: PTH108 mkstemp gives a name, not a Path
    return context
