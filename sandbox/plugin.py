"""What the bundled `aws` and `kubernetes` plugins share: a gRPC server the engine can use, and plain Python values.

`pulumi.provider.experimental` carries the protocol. Five things it lacks are added here:
the old *inputs* in Diff and Update (a provider cannot see a removed input without them), errors without our stack
frames, a partly created resource that the engine keeps (`ErrorResourceInitFailed`), a Read that can say "does not
exist", and a watch on the parent: a plugin whose engine was killed leaves by itself.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import grpc
import grpc.aio
from google.protobuf import struct_pb2
from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import Computed, PropertyValue
from pulumi.provider.experimental.server import ProviderServicer
from pulumi.runtime import rpc
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc, status_pb2

__all__ = [
    "UNKNOWN",
    "DiffRequest",
    "PartialResourceError",
    "PluginError",
    "Secret",
    "Unknown",
    "UpdateRequest",
    "contains_unknown",
    "plain",
    "plain_map",
    "serve",
    "value",
    "value_map",
]

PARENT_POLL_SECONDS = 0.5
NO_SCHEMA = (
    "the sandbox's bundled plugins have no package schema to write code from. What `pulumi import` names above as "
    "imported is in the stack's state all the same: declare it in the program by hand. Without this error: "
    "`pulumi import --generate-code=false TYPE NAME ID`"
)
UNKNOWN_MARKERS = frozenset(
    # sdk/go/common/resource/plugin/rpc.go: bool, number, string, array, asset, archive, object. The vendor's Python
    # decoder leaves them as the strings they are on the wire.
    {
        "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
        "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
        rpc.UNKNOWN,
        "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
        "030794c1-ac77-496b-92df-f27374a8bd58",
        "e48ece36-62e2-4504-bad9-02848725956a",
        "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    }
)


class Unknown:
    """A value the engine does not know yet (preview only)."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


class Secret:
    """Marks an output the engine must encrypt in state."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner


class PluginError(Exception):
    """An expected refusal: the engine shows its text, and nothing of our stack."""


class PartialResourceError(PluginError):
    """The resource exists but is not ready; the engine must keep it in state under `resource_id`."""

    def __init__(
        self, message: str, resource_id: str, properties: Mapping[str, Any], inputs: Mapping[str, Any]
    ) -> None:
        super().__init__(message)
        self.resource_id = resource_id
        self.properties = properties
        self.inputs = inputs


def plain(item: PropertyValue) -> Any:
    """`item` as dict, list, str, bool, None, int or float; unknowns become UNKNOWN, secretness is dropped.

    The protocol has only doubles: a whole number comes back as int.
    """
    raw = item.value
    if isinstance(raw, Computed) or (isinstance(raw, str) and raw in UNKNOWN_MARKERS):
        return UNKNOWN
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else raw
    if isinstance(raw, Mapping):
        return {key: plain(child) for key, child in raw.items()}
    if isinstance(raw, Sequence) and not isinstance(raw, str):
        return [plain(child) for child in raw]
    return raw


def plain_map(items: Mapping[str, PropertyValue]) -> dict[str, Any]:
    """A property map as plain values; see `plain`."""
    return {key: plain(item) for key, item in items.items()}


def value(item: Any) -> PropertyValue:
    """The inverse of `plain`; `Secret(x)` becomes a secret value."""
    if isinstance(item, PropertyValue):
        return item
    if isinstance(item, Secret):
        return value(item.inner).with_secret(True)
    if isinstance(item, Unknown):
        return PropertyValue(rpc.UNKNOWN)  # as on the wire: the vendor's marshal() fails on computed()
    if isinstance(item, int | float) and not isinstance(item, bool):
        return PropertyValue(float(item))
    if isinstance(item, Mapping):
        return PropertyValue({str(key): value(child) for key, child in item.items()})
    if isinstance(item, list | tuple):
        return PropertyValue([value(child) for child in item])
    return PropertyValue(item)


def value_map(items: Mapping[str, Any]) -> dict[str, PropertyValue]:
    """A mapping of plain values as a property map; see `value`."""
    return {key: value(item) for key, item in items.items()}


def contains_unknown(item: Any) -> bool:
    """Whether a plain value is or holds UNKNOWN."""
    if isinstance(item, Mapping):
        return any(contains_unknown(child) for child in item.values())
    if isinstance(item, list | tuple):
        return any(contains_unknown(child) for child in item)
    return isinstance(item, Unknown)


class DiffRequest(protocol.DiffRequest):
    """The vendor's request plus `old_inputs`, the inputs of the last deployment."""

    def __init__(self, request: Any) -> None:
        super().__init__(
            request.urn,
            request.id,
            PropertyValue.unmarshal_map(request.olds),
            PropertyValue.unmarshal_map(request.news),
            list(request.ignoreChanges),
        )
        self.old_inputs = PropertyValue.unmarshal_map(request.old_inputs)


class UpdateRequest(protocol.UpdateRequest):
    """The vendor's request plus `old_inputs`, the inputs of the last deployment."""

    def __init__(self, request: Any) -> None:
        super().__init__(
            request.urn,
            request.id,
            PropertyValue.unmarshal_map(request.olds),
            PropertyValue.unmarshal_map(request.news),
            timeout=request.timeout,
            ignore_changes=list(request.ignoreChanges),
            preview=request.preview,
        )
        self.old_inputs = PropertyValue.unmarshal_map(request.old_inputs)


Handler = Callable[[Any, Any, Any], Awaitable[Any]]


def _clean(method: Handler) -> Handler:
    """Report an expected error by its text alone; anything else is our bug and keeps its traceback."""

    async def call(self: Any, request: Any, context: Any) -> Any:
        try:
            return await method(self, request, context)
        except Exception as error:
            cause = error if isinstance(error, PluginError) else error.__context__
            if isinstance(cause, PartialResourceError):
                await _abort_partial(context, cause)
            if isinstance(cause, PluginError):
                await context.abort(grpc.StatusCode.UNKNOWN, str(cause))
            raise

    return call


async def _abort_partial(context: Any, error: PartialResourceError) -> None:
    detail = provider_pb2.ErrorResourceInitFailed(
        id=error.resource_id,
        properties=_struct(error.properties),
        inputs=_struct(error.inputs),
        reasons=[str(error)],
    )
    status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=str(error))
    status.details.add().Pack(detail)
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(grpc.StatusCode.UNKNOWN, str(error))


def _struct(items: Mapping[str, Any]) -> struct_pb2.Struct:
    return PropertyValue.marshal_map(value_map(items))


class PluginServicer(ProviderServicer):
    """The vendor's servicer with the mends named in the module docstring."""

    CheckConfig = _clean(ProviderServicer.CheckConfig)
    Configure = _clean(ProviderServicer.Configure)
    Check = _clean(ProviderServicer.Check)
    Create = _clean(ProviderServicer.Create)
    Delete = _clean(ProviderServicer.Delete)
    Invoke = _clean(ProviderServicer.Invoke)

    @_clean
    async def Read(self, request: Any, context: Any) -> Any:  # noqa: N802 a gRPC method
        """What does not exist has no properties at all: an empty map is an empty resource to the engine."""
        response = await ProviderServicer.Read(self, request, context)
        return response if response.id else provider_pb2.ReadResponse()

    async def GetSchema(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 a gRPC method
        await context.abort(grpc.StatusCode.UNIMPLEMENTED, NO_SCHEMA)

    @_clean
    async def Diff(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 a gRPC method
        response = await self._provider.diff(DiffRequest(request))
        kinds = provider_pb2.PropertyDiff
        return provider_pb2.DiffResponse(
            replaces=response.replaces,
            stables=response.stables,
            deleteBeforeReplace=response.delete_before_replace,
            changes=provider_pb2.DiffResponse.DIFF_SOME if response.changes else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=response.diffs,
            detailedDiff={
                path: kinds(kind=kinds.Kind.Value(found.kind.name), inputDiff=found.input_diff)
                for path, found in response.detailed_diff.items()
            },
            hasDetailedDiff=True,
        )

    @_clean
    async def Update(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 a gRPC method
        response = await self._provider.update(UpdateRequest(request))
        return provider_pb2.UpdateResponse(properties=PropertyValue.marshal_map(response.properties))


def serve(provider: protocol.Provider, version: str) -> None:
    """Serve `provider` on a loopback port until the engine goes away; prints the port, as the engine expects."""
    parser = argparse.ArgumentParser(description="Pulumi provider plugin (gRPC server)")
    parser.add_argument("engine", help="address of the engine")
    known, _ = parser.parse_known_args()
    asyncio.run(_serve(provider, version, known.engine))


async def _serve(provider: protocol.Provider, version: str, engine_address: str) -> None:
    server = grpc.aio.server(options=_GRPC_CHANNEL_OPTIONS)
    servicer = PluginServicer(sys.argv[1:], version, provider, engine_address)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    await _until_told_or_orphaned()
    await server.stop(None)


async def _until_told_or_orphaned() -> None:
    """Wait for the engine's SIGINT, which is how it closes a plugin (and kills it 5 s later), or for the engine's end.

    The engine starts a plugin in a process group of its own, so a person's Ctrl-C does not come here.
    """
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    parent = os.getppid()
    while os.getppid() == parent and not told.is_set():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(told.wait(), PARENT_POLL_SECONDS)
