"""Lines for the person at the terminal, shown by the engine beside the resource they are about."""

from __future__ import annotations

import contextlib

import grpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc

__all__ = ["EngineLog"]

TIMEOUT_SECONDS = 5


class EngineLog:
    """Callable with a message and a URN. A line that cannot be delivered is lost: the engine is gone then."""

    def __init__(self, engine_address: str) -> None:
        self._stub = engine_pb2_grpc.EngineStub(grpc.insecure_channel(engine_address))

    def __call__(self, message: str, urn: str) -> None:
        request = engine_pb2.LogRequest(severity=engine_pb2.LogSeverity.INFO, message=message, urn=urn)
        with contextlib.suppress(grpc.RpcError):
            self._stub.Log(request, timeout=TIMEOUT_SECONDS)
