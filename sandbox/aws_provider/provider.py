"""The provider the engine talks to: requests go to `checks`, `diff`, `lifecycle` and `recovery`, by resource type."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from pulumi.provider.experimental import provider as protocol
from pulumi.provider.experimental.property_value import PropertyValue

from sandbox.aws_provider import checks, diff, recovery, schema, state
from sandbox.aws_provider.clients import Clients, parse_configuration
from sandbox.aws_provider.description import Type
from sandbox.aws_provider.errors import no_answer, unsupported_type
from sandbox.aws_provider.invokes import INVOKES
from sandbox.aws_provider.invokes import invoke as look_up
from sandbox.aws_provider.journal import Journal
from sandbox.aws_provider.lifecycle import Lifecycle
from sandbox.aws_provider.types import TYPES
from sandbox.checkpoint import UnreadableError
from sandbox.paths import SandboxHome
from sandbox.plugin import DiffRequest, PluginError, UpdateRequest, plain_map, value_map

__all__ = ["AwsProvider"]

THREADS: Final = 16  # the engine runs up to 4 operations a core; boto3 calls block


class AwsProvider(protocol.Provider):
    """Serves the described types; one instance a plugin process."""

    def __init__(self, *, run: str, environment: Mapping[str, str] = os.environ) -> None:
        self._run = run
        self._environment = environment
        self._schema = schema.load()
        self._clients: Clients | None = None
        self._journals: dict[tuple[str, str], Journal] = {}
        self._settled = threading.Lock()
        self._recovered: set[tuple[str, str]] = set()
        self._noted: set[tuple[str, str]] = set()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="aws")

    # -- configuration

    async def configure(self, request: protocol.ConfigureRequest) -> protocol.ConfigureResponse:
        """Refuse every endpoint but loopback; without secrets from us, the engine itself keeps track of them."""
        inputs = plain_map(request.args)
        self._clients = Clients(parse_configuration(inputs, self._environment))
        await self._in_thread(self._clients.check_account)
        return protocol.ConfigureResponse(accept_secrets=False, supports_preview=True)

    @property
    def clients(self) -> Clients:
        """Configured clients."""
        if self._clients is None:
            raise PluginError("aws: the provider is not configured")
        return self._clients

    # -- resources

    async def check(self, request: protocol.CheckRequest) -> protocol.CheckResponse:
        """Fill in defaults and find wrong inputs."""
        described = self._type(request.type)
        await self._in_thread(self._settle_once, request.urn)
        inputs, failures = checks.check(
            described,
            self._schema,
            name=request.name,
            new=plain_map(request.new_inputs),
            old=plain_map(request.old_inputs),
            default_tags=self.clients.configuration.default_tags,
            seed=request.random_seed,
        )
        return protocol.CheckResponse(
            value_map(inputs), [protocol.CheckFailure(failure.property, failure.reason) for failure in failures]
        )

    async def diff(self, request: protocol.DiffRequest) -> protocol.DiffResponse:
        """What an update would change, and what needs a replacement."""
        described, new = self._type(request.type), plain_map(request.new_inputs)
        olds = plain_map(request.old_state)
        old = plain_map(request.old_inputs) if isinstance(request, DiffRequest) else {}
        found = diff.changes(described, self._schema, new=new, old=old, state=olds, ignore=list(request.ignore_changes))
        if olds.get("region") and self._region(new, {}) != olds["region"]:
            found.append(diff.Change("region", diff.Kind.UPDATE, replaces=True))
        return _diff_response(described, found, new, old)

    async def create(self, request: protocol.CreateRequest) -> protocol.CreateResponse:
        """Create, or tell what is known before."""
        described, inputs = self._type(request.type), plain_map(request.properties)
        region = self._region(inputs, {})
        if request.preview:
            resource = self._schema.resources[described.token]
            known = state.previewed(resource, inputs, {}, region)
            return protocol.CreateResponse(None, value_map(known))
        await self._recover_once(request.urn)
        inputs = _without_internal(inputs)
        resource_id, found = await self._in_thread(
            self._lifecycle(described).create, request.urn, inputs, region, self._journal(request.urn)
        )
        return protocol.CreateResponse(resource_id, self._marked(described, found))

    async def read(self, request: protocol.ReadRequest) -> protocol.ReadResponse:
        """Refresh or import."""
        described = self._type(request.type)
        inputs, before = plain_map(request.inputs), plain_map(request.properties)
        region = self._region(inputs, before)
        found = await self._in_thread(
            self._lifecycle(described).read, request.urn, request.resource_id, _without_internal(inputs), before, region
        )
        if found is None:
            return protocol.ReadResponse(None, {}, {})
        resource_id, after = found
        resource = self._schema.resources[described.token]
        if inputs:
            inputs = state.refreshed_inputs(resource, inputs, before, after)
        else:
            inputs = state.imported_inputs(described, resource, self._schema, after)
        return protocol.ReadResponse(resource_id, self._marked(described, after), value_map(inputs))

    async def update(self, request: protocol.UpdateRequest) -> protocol.UpdateResponse:
        """Change in place, or tell what would be known after it."""
        described, inputs, before = self._type(request.type), plain_map(request.news), plain_map(request.olds)
        region = self._region(inputs, before)
        old = plain_map(request.old_inputs) if isinstance(request, UpdateRequest) else {}
        lifecycle, ignore = self._lifecycle(described), list(request.ignore_changes)
        if request.preview:
            volatile = lifecycle.update_changes(inputs, old, before, ignore)
            known = state.previewed(self._schema.resources[described.token], inputs, before, region, volatile)
            return protocol.UpdateResponse(self._marked(described, known))
        await self._recover_once(request.urn)
        after = await self._in_thread(
            lambda: lifecycle.update(
                request.urn,
                request.resource_id,
                inputs=_without_internal(inputs),
                old=old,
                state=before,
                ignore=ignore,
                region=region,
            )
        )
        return protocol.UpdateResponse(self._marked(described, after))

    async def delete(self, request: protocol.DeleteRequest) -> None:
        """Delete, and wait until it is gone."""
        described, before = self._type(request.type), plain_map(request.properties)
        await self._recover_once(request.urn)
        await self._in_thread(
            self._lifecycle(described).delete,
            request.urn,
            request.resource_id,
            before,
            before,
            self._region({}, before),
        )
        self._journal(request.urn).deleted(described.token, request.resource_id)

    async def invoke(self, request: protocol.InvokeRequest) -> protocol.InvokeResponse:
        """Look something up."""
        if request.tok not in INVOKES:
            raise unsupported_type(request.tok)
        arguments = {name: item for name, item in plain_map(request.args).items() if item is not None}
        found = await self._in_thread(look_up, request.tok, arguments, self.clients, self._schema)
        return protocol.InvokeResponse(value_map(found))

    # -- parts

    def _type(self, qualified: str) -> Type:
        token = qualified.rpartition("$")[2]  # a URN names the types of all parents before its own
        try:
            return TYPES[token]
        except KeyError:
            raise unsupported_type(token) from None

    def _lifecycle(self, described: Type) -> Lifecycle:
        return Lifecycle(described, self._schema, self.clients)

    def _region(self, inputs: Mapping[str, Any], before: Mapping[str, Any]) -> str:
        """A resource lives where its state says; a new one where its input or the provider says."""
        return str(before.get("region") or inputs.get("region") or self.clients.configuration.region)

    def _marked(self, described: Type, found: Mapping[str, Any]) -> dict[str, PropertyValue]:
        return value_map(state.with_secrets(described, found))

    def _journal(self, urn: str) -> Journal:
        project, stack = _project_and_stack(urn)
        if (project, stack) not in self._journals:
            folder = SandboxHome.default().journal
            self._journals[project, stack] = Journal(
                folder / f"{project}-{stack}.jsonl", backend=self._backend(), run=self._run
            )
        return self._journals[project, stack]

    def _backend(self) -> str:
        return self._environment.get("PULUMI_BACKEND_URL", "")

    def _settle_once(self, urn: str) -> None:
        """Take note of what the engine recorded in earlier runs, so that the journal stays short."""
        project_and_stack = _project_and_stack(urn)
        with self._settled:
            if project_and_stack not in self._noted:
                self._noted.add(project_and_stack)
                with contextlib.suppress(UnreadableError):
                    recovery.settle_recorded(self._journal(urn), self._backend(), *project_and_stack)

    async def _recover_once(self, urn: str) -> None:
        await self._in_thread(self._recover, urn)

    def _recover(self, urn: str) -> None:
        """Clean up after killed runs before the first change; later changes wait for it."""
        project_and_stack = _project_and_stack(urn)
        with self._settled:
            if project_and_stack in self._recovered:
                return
            lines = recovery.recover(
                self._journal(urn),
                self._backend(),
                *project_and_stack,
                lambda token: self._lifecycle(TYPES[token]) if token in TYPES else None,
            )
            self._recovered.add(project_and_stack)
        for line in lines:
            sys.stderr.write(f"{line}\n")  # the engine shows a plugin's stderr

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        """Run what calls AWS; a fake that does not answer is told in one line, wherever the call came from."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        except Exception as error:
            unanswered = no_answer(error)
            if unanswered is not None:
                raise PluginError(f"aws: {unanswered}") from error
            raise


def _without_internal(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if not name.startswith("__")}


def _project_and_stack(urn: str) -> tuple[str, str]:
    _, _, stack, _, project, *_ = urn.split(":")
    return project, stack


def _diff_response(
    described: Type, found: list[diff.Change], new: Mapping[str, Any], old: Mapping[str, Any]
) -> protocol.DiffResponse:
    replaces = sorted({change.property for change in found if change.replaces})
    kinds = protocol.PropertyDiffKind
    detailed = {
        change.path: protocol.PropertyDiff(
            kinds[f"{change.kind}_REPLACE" if change.replaces else change.kind], input_diff=False
        )
        for change in found
    }
    return protocol.DiffResponse(
        changes=bool(found),
        replaces=replaces,
        delete_before_replace=bool(replaces) and _must_delete_first(described, new, old),
        diffs=sorted({change.property for change in found}),
        detailed_diff=detailed,
    )


def _must_delete_first(described: Type, new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether the new resource would collide with the old one while both exist."""
    if described.delete_first:
        return True
    kept = [name for name in described.unique if not checks.is_generated(name, new)]
    return bool(kept) and len(kept) == len(described.unique) and all(new.get(n) == old.get(n) for n in kept)
