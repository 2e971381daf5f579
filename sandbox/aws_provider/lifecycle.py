"""Create, read, update and delete of one described type: the generic engine."""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from sandbox.aws_provider.calls import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    create_tags_member,
    format_tags,
    perform,
    request,
    retrying,
    send,
)
from sandbox.aws_provider.clients import Clients
from sandbox.aws_provider.description import Call, Items, Setting, Type
from sandbox.aws_provider.diff import changed_properties, changes, is_empty, item_changes
from sandbox.aws_provider.document import Document
from sandbox.aws_provider.errors import code_of, explain, gap, is_not_found
from sandbox.aws_provider.schema import Schema
from sandbox.aws_provider.state import outputs
from sandbox.plugin import PartialResourceError, PluginError

__all__ = ["Lifecycle", "Recorder"]

DELETE_RETRY_SECONDS: Final = 30
CREATE_RETRY_SECONDS: Final = 20
GONE_SECONDS: Final = 120
BUSY_CODES: Final = ("DependencyViolation", "ResourceInUse", "ResourceInUseException", "DeleteConflict")


class Recorder(Protocol):
    """Who writes down creates before and after they happen; see `journal`."""

    def begin(self, document: Document, described: Type, urn: str) -> str:
        """Note the intent; returns the token that the creating call carries."""

    def created(self, token: str, resource_id: str) -> None:
        """Note that the call made `resource_id`."""

    def failed(self, token: str) -> None:
        """Note that the call made nothing."""


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The work on resources of one type; every method blocks, and raises PluginError with the URN."""

    described: Type
    schema: Schema
    clients: Clients

    def document(self, region: str, **fields: Any) -> Document:
        """A document for this type's expressions."""
        return Document(self.clients, region, **fields)

    def create(
        self, urn: str, inputs: Mapping[str, Any], region: str, recorder: Recorder
    ) -> tuple[str, dict[str, Any]]:
        """Create, then all that AWS wants in further calls; after the first, a failure keeps the resource in state."""
        document = self.document(region, inputs=inputs)
        try:
            members = self._create_members(document)
            retrying(
                lambda: self._creating_call(urn, document, members, recorder),
                self.described.retry_create,
                CREATE_RETRY_SECONDS,
            )
        except Exception as error:
            raise self._explain(error, "creating", urn, inputs) from error
        try:
            self._finish_create(urn, document)
            found = self._outputs(urn, document, inputs, "creating")
        except Exception as error:
            explained = self._explain(error, "creating", urn, inputs)
            raise PartialResourceError(
                str(explained), document.id, self._salvaged(urn, document), dict(inputs)
            ) from error
        if found is None:
            raise PluginError(f"creating {urn}: {document.id} vanished right after its creation")
        return document.id, found

    def _create_members(self, document: Document) -> dict[str, Any]:
        call, described = self.described.create, self.described
        omit = {name for setting in described.settings if setting.at_create for name in setting.properties}
        omit |= {items.property for items in described.items if items.at_create} | {"tags", "region"}
        members = request(call, described, document, omit=omit)
        return members | create_tags_member(described.tags, document.inputs.get("tags") or {})

    def _creating_call(self, urn: str, document: Document, members: Mapping[str, Any], recorder: Recorder) -> None:
        """Each try has a token of its own: the ledger must not answer a retry with an earlier failure."""
        call, described = self.described.create, self.described
        token = recorder.begin(document, described, urn)
        try:
            with self.clients.token(token):
                document.response = send(call, call.service or described.service, document, members) or {}
        except Exception as error:
            if code_of(error):
                recorder.failed(token)
            raise
        found = document.evaluate(described.id)
        if not found:
            recorder.failed(token)
            raise PluginError(f"creating {urn}: AWS gave no id, it said {json.dumps(document.response, default=str)}")
        document.id = str(found)
        recorder.created(token, document.id)

    def _finish_create(self, urn: str, document: Document) -> None:
        described, inputs = self.described, document.inputs
        if described.ready:
            self._wait_ready(urn, document, "creating")
        for setting in described.settings:
            if setting.at_create and _wants_call(setting, inputs):
                self._perform_all(setting.calls, document, "creating", urn)
        for items in described.items:
            self._perform_all(items.start, document, "creating", urn)
            given = (inputs.get(items.property) or []) if items.at_create else []
            self._each_item(
                items, items.add, items.flatten(given) if items.flatten else given, urn, document, "creating"
            )
        if described.tags is not None and described.tags.member is None and inputs.get("tags"):
            document.tags = format_tags(described.tags, inputs["tags"])
            self._perform_all([described.tags.add], document, "creating", urn)

    def _salvaged(self, urn: str, document: Document) -> dict[str, Any]:
        """What is true of a half-made resource; only AWS's own words, so that the next update sets the rest."""
        try:
            return self._outputs(urn, document, {}, "creating") or {}
        except Exception:  # noqa: BLE001 the first error is the one to show
            return {}

    def read(
        self, urn: str, resource_id: str, inputs: Mapping[str, Any], state: Mapping[str, Any], region: str
    ) -> tuple[str, dict[str, Any]] | None:
        """The id and outputs as AWS has them now; None where the resource is gone. An empty `state` is an import."""
        document = self.document(region, id=resource_id, inputs=inputs, outputs=state)
        if not state and self.described.import_id is not None:
            try:
                document.id, seeds = self.described.import_id(resource_id, document)
            except Exception as error:
                raise self._explain(error, "importing", urn, inputs) from error
            document.inputs = document.outputs = seeds
        carry = state or document.outputs
        found = self._outputs(urn, document, carry, "reading")
        return None if found is None else (document.id, found)

    def update(
        self,
        urn: str,
        resource_id: str,
        *,
        inputs: Mapping[str, Any],
        old: Mapping[str, Any],
        state: Mapping[str, Any],
        ignore: Sequence[str],
        region: str,
    ) -> dict[str, Any]:
        """Bring a resource to its new inputs by the calls that its changed properties need."""
        document = self.document(region, id=resource_id, inputs=inputs, old=old, outputs=state)
        found = changes(self.described, self.schema, new=inputs, old=old, state=state, ignore=ignore)
        try:
            self._refuse_missing(urn, document)
            self._update(urn, document, changed_properties(found))
            carry = {**_without_inputs(state, self.schema.resources[self.described.token].inputs), **inputs}
            after = self._outputs(urn, document, carry, "updating")
        except Exception as error:
            raise self._explain(error, "updating", urn, inputs) from error
        if after is None:
            raise self._missing(urn, resource_id)
        return after

    def _refuse_missing(self, urn: str, document: Document) -> None:
        if self._find(urn, document, "updating") is None:
            raise self._missing(urn, document.id)

    @staticmethod
    def _missing(urn: str, resource_id: str) -> PluginError:
        return PluginError(
            f"updating {urn}: {resource_id} does not exist any more. "
            "Run `pulumi refresh` to take note of it; the next `pulumi up` creates it again."
        )

    def _update(self, urn: str, document: Document, changed: set[str]) -> None:
        described = self.described
        rest = set(changed)
        for setting in described.settings:
            if rest.intersection(setting.properties):
                unset = setting.unset and all(document.inputs.get(name) is None for name in setting.properties)
                self._perform_all(setting.unset if unset else setting.calls, document, "updating", urn)
        rest -= {name for setting in described.settings for name in setting.properties}
        for items in described.items:
            if items.property in rest:
                self._update_items(urn, document, items)
                rest.discard(items.property)
        if "tags" in rest:
            self._update_tags(urn, document)
        rest -= {"tags", *described.ignored}
        if rest and described.update is None:
            names = ", ".join(sorted(rest))
            raise PluginError(f"updating {urn}: the bundled sandbox plugin cannot change {names} in place")
        if rest and described.update is not None:
            calls = [described.update] if isinstance(described.update, Call) else described.update
            self._perform_all(calls, document, "updating", urn)
        if changed and described.ready:
            self._wait_ready(urn, document, "updating")

    def _update_items(self, urn: str, document: Document, items: Items) -> None:
        new, old = document.inputs.get(items.property) or [], document.outputs.get(items.property) or []
        found = item_changes(self.described, self.schema, items, new, old)
        self._each_item(items, items.remove, found.removed, urn, document, "updating")
        if items.change is not None:
            self._each_item(items, items.change, found.changed, urn, document, "updating")
        self._each_item(items, items.add, found.added, urn, document, "updating")

    def _each_item(
        self, items: Items, call: Call, elements: Sequence[Any], urn: str, document: Document, action: str
    ) -> None:
        for element in elements:
            single = dataclasses.replace(document, item=_without_empty(element), item_property=items.property)
            perform(call, self.described, single, action=action, urn=urn)

    def _update_tags(self, urn: str, document: Document) -> None:
        tags = self.described.tags
        if tags is None:
            return
        new = document.inputs.get("tags") or {}
        old = document.outputs.get("tagsAll") or document.outputs.get("tags") or {}
        document.tag_keys = [key for key in old if key not in new]
        if document.tag_keys and tags.remove is not None:
            self._perform_all([tags.remove], document, "updating", urn)
        wanted = new if tags.replace else {key: value for key, value in new.items() if old.get(key) != value}
        if wanted or (tags.replace and tags.remove is None):
            document.tags = format_tags(tags, wanted)
            self._perform_all([tags.add], document, "updating", urn)

    def update_changes(
        self, inputs: Mapping[str, Any], old: Mapping[str, Any], state: Mapping[str, Any], ignore: Sequence[str]
    ) -> Collection[str]:
        """Outputs that an update to these inputs makes unknown: those that its `update` call renews."""
        found = changes(self.described, self.schema, new=inputs, old=old, state=state, ignore=ignore)
        elsewhere = {name for setting in self.described.settings for name in setting.properties}
        elsewhere |= {items.property for items in self.described.items} | {"tags", *self.described.ignored}
        return self.described.volatile if changed_properties(found) - elsewhere else ()

    def delete(
        self,
        urn: str,
        resource_id: str,
        inputs: Mapping[str, Any],
        state: Mapping[str, Any],
        region: str,
        *,
        retry_seconds: float = DELETE_RETRY_SECONDS,
    ) -> None:
        """Delete and wait until it is gone; what does not exist any more counts as deleted."""
        document = self.document(region, id=resource_id, inputs=inputs, outputs=state)
        codes = {*BUSY_CODES, *self.described.retry_delete}
        try:
            if self.described.delete and self._find(urn, document, "deleting") is None:
                return
            for call in self.described.before_delete:
                self._delete_call(call, urn, document, (), 0)
            for call in self.described.delete:
                self._delete_call(call, urn, document, codes, retry_seconds)
            if self.described.delete:
                self._wait_gone(urn, document)
        except Exception as error:
            raise self._explain(error, "deleting", urn, inputs) from error

    def _delete_call(self, call: Call, urn: str, document: Document, codes: Collection[str], seconds: float) -> None:
        try:
            retrying(lambda: perform(call, self.described, document, action="deleting", urn=urn), codes, seconds)
        except Exception as error:
            if not is_not_found(error, self.described):
                raise

    def _wait_gone(self, urn: str, document: Document) -> None:
        gone = self.described.gone
        deadline = time.monotonic() + (gone.timeout_seconds if gone else GONE_SECONDS)
        pause = FIRST_PAUSE_SECONDS
        while self._find(urn, document, "deleting") is not None:
            if time.monotonic() > deadline:
                raise PluginError(f"deleting {urn}: {document.id} still exists after {GONE_SECONDS} s")
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _find(self, urn: str, document: Document, action: str) -> Any:
        """`it`: the resource as AWS describes it, or None where it does not exist."""
        try:
            found = perform(self.described.read, self.described, document, action=action, urn=urn)
        except Exception as error:
            if is_not_found(error, self.described):
                return None
            raise
        document.it = found
        if found in (None, [], {}):
            return None
        gone = self.described.gone
        return None if gone and document.evaluate(gone.state) in gone.done else found

    def _outputs(self, urn: str, document: Document, carry: Mapping[str, Any], action: str) -> dict[str, Any] | None:
        try:
            if self._find(urn, document, action) is None:
                return None
            document.more = {
                name: self._more(call, urn, document, action) for name, call in self.described.more.items()
            }
            return outputs(self.described, self.schema, document, carry)
        except Exception as error:
            raise self._explain(error, action, urn, document.inputs) from error

    def _more(self, call: Call, urn: str, document: Document, action: str) -> Any:
        try:
            return perform(call, self.described, document, action=action, urn=urn)
        except Exception as error:
            if is_not_found(error, self.described) or gap(error, self.described.service, call.operation):
                return None
            raise

    def _wait_ready(self, urn: str, document: Document, action: str) -> None:
        ready = self.described.ready
        assert ready is not None  # noqa: S101 callers look first
        deadline = time.monotonic() + ready.timeout_seconds
        pause, state = FIRST_PAUSE_SECONDS, None
        while time.monotonic() < deadline:
            if self._find(urn, document, action) is not None:
                state = document.evaluate(ready.state)
            if state in ready.done:
                return
            if state in ready.failed:
                raise PluginError(f"{action} {urn}: {document.id} ended in state '{state}'")
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        raise PluginError(f"{action} {urn}: {document.id} is still '{state}' after {ready.timeout_seconds:.0f} s")

    def _perform_all(self, calls: Sequence[Call], document: Document, action: str, urn: str) -> None:
        for call in calls:
            perform(call, self.described, document, action=action, urn=urn)

    def _explain(self, error: Exception, action: str, urn: str, inputs: Mapping[str, Any]) -> PluginError:
        default = (self.described.service, self.described.create.operation)
        service, operation = getattr(error, "seekstack_operation", default)
        return explain(error, action=action, urn=urn, service=service, operation=operation, inputs=inputs)


def _wants_call(setting: Setting, inputs: Mapping[str, Any]) -> bool:
    """Whether a given input differs from what AWS sets by itself."""
    given = [name for name in setting.properties if inputs.get(name) is not None]
    return any(inputs[name] != setting.initial.get(name) or is_empty(setting.initial) for name in given)


def _without_inputs(state: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """State that no input stands for: an input that has left the program must not linger in the outputs."""
    return {name: value for name, value in state.items() if name not in names}


def _without_empty(item: Any) -> Any:
    """An element without its fields that are not set: state names them all."""
    if not isinstance(item, Mapping):
        return item
    return {key: value for key, value in item.items() if value not in (None, "", [], {})}
