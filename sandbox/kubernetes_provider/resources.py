"""The life of one resource on plain values: check, diff, create, read, update, delete.

Knows Kubernetes and nothing of gRPC; `provider.py` translates.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.kubernetes_provider import manifests
from sandbox.kubernetes_provider.awaiting import Awaiter, Log, NotReadyError, StillThereError
from sandbox.kubernetes_provider.client import ApiError, Object, UnreachableError
from sandbox.kubernetes_provider.cluster import Cluster
from sandbox.kubernetes_provider.drift import imported_inputs, refreshed_inputs
from sandbox.kubernetes_provider.failures import EXPECTED, is_conflict, plugin_error
from sandbox.kubernetes_provider.immutability import identity_paths, known_immutable, refused_paths
from sandbox.kubernetes_provider.kinds import CLUSTER_SCOPED, Kind, UnknownKindError
from sandbox.kubernetes_provider.ownership import has_manager
from sandbox.kubernetes_provider.paths import Change, Path, differences, same
from sandbox.kubernetes_provider.settings import Settings
from sandbox.plugin import UNKNOWN, PartialResourceError, PluginError, contains_unknown

__all__ = ["Difference", "Resources"]

NEW_DEFINITION_SECONDS = 5
"""A definition that another resource of the same `up` installed is served within a moment."""
READ_ATTEMPTS = 5
FORCE = "pulumi.com/patchForce"
SKIP_AWAIT = "pulumi.com/skipAwait"
TIMEOUT = "pulumi.com/timeoutSeconds"
PROPAGATION = "pulumi.com/deletionPropagationPolicy"
WORKLOAD_GROUPS = ("apps/", "batch/")
VOLATILE = ("generation", "managedFields", "resourceVersion")
COMPUTED_METADATA = ("creationTimestamp", "generation", "resourceVersion", "uid")
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Difference:
    """What a change does: the places, which of them need a new object, and whether the old one must go first."""

    changes: Mapping[Path, Change] = field(default_factory=dict)
    replaces: frozenset[Path] = frozenset()
    delete_first: bool = False


class Resources:
    """All resources of one configured provider. Safe to use from several threads."""

    def __init__(
        self,
        cluster: Callable[[], Cluster],
        settings: Settings,
        log: Log,
        cancelled: threading.Event,
        recorded: Callable[[str], Collection[tuple[str, str]]] = lambda _: (),
    ) -> None:
        self._cluster = cluster
        self._settings = settings
        self._log = log
        self._cancelled = cancelled
        self._recorded = recorded
        """(type, id) of all that the engine has written down for the stack of a URN."""
        self._in_state: dict[str, tuple[str | None, str]] = {}
        """Namespace and name by URN, of what the engine's state holds and this process has not deleted."""

    def check(self, urn: str, token: str, old: Object, new: Object) -> tuple[Object, list[tuple[str, str]]]:
        """The inputs with kind, name and namespace filled in, and what is wrong with them by property."""
        api_version, kind = manifests.parse_token(token)
        inputs = manifests.without_nulls(new)
        inputs.setdefault("apiVersion", api_version)
        inputs.setdefault("kind", kind)
        failures = [
            (key, f"must be {wanted}, as the resource's type says, not {inputs[key]}")
            for key, wanted in (("apiVersion", api_version), ("kind", kind))
            if inputs[key] != wanted
        ]
        metadata = inputs.setdefault("metadata", {})
        if metadata is UNKNOWN:
            return inputs, failures
        if not isinstance(metadata, dict):
            return inputs, [*failures, ("metadata", "must be an object with name, labels, annotations")]
        old_metadata = old.get("metadata") if isinstance(old.get("metadata"), Mapping) else {}
        self._name(urn, metadata, old_metadata or {}, manifests.is_autonamed(old))
        failures += self._place(api_version, kind, metadata)
        return inputs, failures

    def _name(self, urn: str, metadata: Object, old: Mapping[str, Any], old_is_auto: bool) -> None:
        """Keep the given name or the one made earlier; else make one, other than that of a living predecessor."""
        if isinstance(old.get("name"), str):
            self._in_state[urn] = (old.get("namespace"), old["name"])
        if metadata.get("name"):
            return
        prefix = str(metadata.pop("generateName", None) or urn.rpartition("::")[2]).rstrip("-")
        marks = metadata.get("annotations")
        metadata["annotations"] = (
            {**marks, manifests.AUTONAMED: "true"} if isinstance(marks, Mapping) else {manifests.AUTONAMED: "true"}
        )
        if old_is_auto and old.get("name"):
            metadata["name"] = old["name"]
        elif urn in self._in_state:
            metadata["name"] = manifests.next_auto_name(prefix, urn, self._in_state[urn][1])
        else:  # new, or a replacement that the person asked for (`--replace`), which comes without the old inputs
            token = manifests.token_of(urn)
            taken = {manifests.parse_id(known)[1] for kind, known in self._recorded(urn) if kind == token}
            metadata["name"] = manifests.free_auto_name(prefix, urn, taken)

    def _place(self, api_version: str, kind: str, metadata: Object) -> list[tuple[str, str]]:
        default = self._settings.namespace or "default"
        try:
            cluster = self._cluster()
            default = cluster.default_namespace
            namespaced = cluster.discovery.find(api_version, kind).namespaced
        except (UnknownKindError, UnreachableError):
            namespaced = kind not in CLUSTER_SCOPED
        if namespaced:
            metadata.setdefault("namespace", default)
        elif metadata.get("namespace"):
            return [("metadata.namespace", f"{kind} is not in any namespace: leave it out")]
        return []

    def diff(self, urn: str, old: Object, new: Object, state: Mapping[str, Any] = manifests.NO_STATE) -> Difference:
        """What changing `old` inputs into `new` does, by asking the server with a dry run where that is possible."""
        changes = differences(manifests.without_nulls(old), manifests.without_nulls(new))
        if not changes:
            return Difference()
        api_version, kind = str(new["apiVersion"]), str(new["kind"])
        mutable = {"ConfigMap": self._settings.mutable_config_map, "Secret": self._settings.mutable_secret}
        replaces = identity_paths(changes) | known_immutable(api_version, kind, changes, mutable_data=mutable)
        if not replaces and not contains_unknown(new):
            manager = manifests.field_manager(urn, new, state)
            if (answer := self._ask_server(manager, new, changes)) is None:
                return Difference()
            replaces = answer
        stays = not identity_paths(changes) and not manifests.is_autonamed(new)
        return Difference(
            {**dict.fromkeys(replaces, Change.UPDATE), **changes}, frozenset(replaces), bool(replaces) and stays
        )

    def _ask_server(self, manager: str, new: Object, changes: Mapping[Path, Change]) -> set[Path] | None:
        """The paths the server will not change in place; None where the change makes no difference to it."""
        try:
            return set() if self._makes_a_difference(manager, new) else None
        except ApiError as error:
            return refused_paths(error, changes)  # any other refusal is told by the update, with its text
        except (UnreachableError, UnknownKindError):
            return set()

    def _makes_a_difference(self, manager: str, new: Object) -> bool:
        """Whether applying `new` would change the live object; asked again where a controller was writing meanwhile.

        Who owns the fields does not matter here: a conflict is told by the update.
        """
        cluster = self._cluster()
        kind = cluster.discovery.find(new["apiVersion"], new["kind"])
        for _ in range(READ_ATTEMPTS):
            live = cluster.get(kind, new["metadata"].get("namespace"), new["metadata"]["name"])
            if live is None:
                return True
            planned = self._apply(cluster, kind, manager, new, dry_run=True, force=True)
            if same(_stable(live), _stable(planned)):
                return False
            if planned["metadata"].get("resourceVersion") == live["metadata"]["resourceVersion"]:
                break
        return True

    def create(self, urn: str, inputs: Object, *, seconds: float, preview: bool) -> tuple[str, Object]:
        """Id and state of the new object; the id is empty in a preview."""
        action, manager = f"create {_describe(inputs)}", manifests.field_manager(urn, inputs)
        if preview:
            return "", self._preview(urn, manager, inputs, action)
        with _told(action, urn):
            cluster = self._cluster()
            kind = cluster.discovery.find(inputs["apiVersion"], inputs["kind"], patience_seconds=NEW_DEFINITION_SECONDS)
            self._refuse_taken(cluster, kind, urn, inputs)
            live = self._apply(cluster, kind, manager, inputs)
        return _id_of(live), self._settle(cluster, kind, urn, manager, live, inputs, seconds)

    def _refuse_taken(self, cluster: Cluster, kind: Kind, urn: str, inputs: Object) -> None:
        """Refuse to take over what somebody else made; what this URN made in a run that was killed is ours."""
        namespace, name = inputs["metadata"].get("namespace"), inputs["metadata"]["name"]
        live = cluster.get(kind, namespace, name)
        if live is not None and live["metadata"].get("deletionTimestamp"):
            Awaiter(cluster, self._log, self._cancelled).until_gone(kind, namespace, name, urn, seconds=None)
            return
        if live is None:
            return
        resource_id, token = manifests.format_id(namespace, name), manifests.token_of(urn)
        if self._in_state.get(urn) == (namespace, name) or (token, resource_id) in self._recorded(urn):
            raise PluginError(
                f"create {_describe(inputs)}: its predecessor of the same name still exists and would be deleted "
                f"together with it; set the option delete_before_replace=True\n  urn: {urn}"
            )
        if not self._settings.upsert and not has_manager(live, manifests.field_manager(urn, inputs)):
            raise PluginError(
                f"create {_describe(inputs)}: it already exists and this stack did not make it. Import it "
                f"(`pulumi import {token} {urn.rpartition('::')[2]} {resource_id}`), "
                f"choose another name, or set the provider option upsertExistingObjects\n  urn: {urn}"
            )

    def read(
        self, urn: str, token: str, resource_id: str, state: Object, inputs: Object
    ) -> tuple[Object, Object] | None:
        """State and inputs as they are on the server; None where the object is gone."""
        api_version, kind_name = manifests.parse_token(token)
        with _told(f"read {resource_id} ({api_version} {kind_name})", urn):
            cluster = self._cluster()
            namespace, name = manifests.parse_id(resource_id)
            try:
                kind = cluster.discovery.find(str(inputs.get("apiVersion") or api_version), kind_name)
            except UnknownKindError:
                return None
            live = cluster.get(kind, namespace or cluster.default_namespace, name)
        if live is None:
            return None
        found = refreshed_inputs(inputs, state, live) if inputs else imported_inputs(live)
        manager = manifests.field_manager(urn, inputs, state)
        return manifests.outputs(live, manager), manifests.secret_fields(found)

    def update(self, urn: str, state: Object, inputs: Object, *, seconds: float, preview: bool) -> Object:
        """The state after applying `inputs`."""
        action, manager = f"update {_describe(inputs)}", manifests.field_manager(urn, inputs, state)
        if preview:
            return {**state, **self._preview(urn, manager, inputs, action)}
        try:
            with _told(action, urn, unreachable=not self._settings.skip_update_unreachable):
                cluster = self._cluster()
                kind = cluster.discovery.find(inputs["apiVersion"], inputs["kind"])
                live = self._apply(cluster, kind, manager, inputs)
        except UnreachableError as error:
            self._log(f"{action} skipped: {error}", urn)
            return state
        return self._settle(cluster, kind, urn, manager, live, inputs, seconds)

    def delete(self, urn: str, token: str, resource_id: str, state: Object, *, seconds: float) -> None:
        """Delete and wait until the object is gone; one that is gone already is fine."""
        api_version, kind_name = manifests.parse_token(token)
        namespace, name = manifests.parse_id(resource_id)
        action = f"delete {resource_id} ({api_version} {kind_name})"
        try:
            with _told(action, urn, unreachable=not self._settings.delete_unreachable, unknown_kind=False):
                cluster = self._cluster()
                kind = cluster.discovery.find(str(state.get("apiVersion") or api_version), kind_name)
                self._delete(cluster, kind, namespace or cluster.default_namespace, name, urn, state, seconds)
        except UnknownKindError:
            pass  # its definition is gone, and every object with it
        except UnreachableError as error:
            self._log(f"{action} skipped: {error}", urn)
        if self._in_state.get(urn) == (namespace, name):
            del self._in_state[urn]

    def _delete(
        self, cluster: Cluster, kind: Kind, namespace: str, name: str, urn: str, state: Object, seconds: float
    ) -> None:
        # The garbage collector ends a foreground deletion, for a new custom kind up to 30 s after it learnt of it.
        # In the sandbox only workloads have dependents to wait for: no operators run there.
        waits = kind.api_version.startswith(WORKLOAD_GROUPS) and cluster.has_controllers()
        propagation = "Foreground" if waits else "Background"
        notes = manifests.annotation_map(state)
        propagation = str(notes.get(PROPAGATION, propagation)).capitalize()
        if cluster.delete(kind, namespace, name, propagation=propagation) and notes.get(SKIP_AWAIT) != "true":
            Awaiter(cluster, self._log, self._cancelled).until_gone(
                kind, namespace, name, urn, seconds=_timeout(notes, seconds)
            )

    def _apply(
        self, cluster: Cluster, kind: Kind, manager: str, inputs: Object, *, dry_run: bool = False, force: bool = False
    ) -> Object:
        return cluster.apply(
            kind,
            manifests.body(inputs),
            manager=manager,
            force=force or self._settings.force or manifests.annotation_map(inputs).get(FORCE) == "true",
            dry_run=dry_run,
        )

    def _preview(self, urn: str, manager: str, inputs: Object, action: str) -> Object:
        """What the server would make of `inputs`; the inputs themselves where it cannot say (yet)."""
        if contains_unknown(inputs):
            return inputs
        try:
            with _told(action, urn, unreachable=False, unknown_kind=False):
                cluster = self._cluster()
                kind = cluster.discovery.find(inputs["apiVersion"], inputs["kind"])
                planned = self._apply_planned(cluster, kind, urn, manager, inputs)
        except (UnreachableError, UnknownKindError) as error:
            self._log(f"not validated in this preview: {error}", urn)
            return inputs
        return inputs if planned is None else _with_unknowns(manifests.outputs(planned, manager), inputs)

    def _apply_planned(self, cluster: Cluster, kind: Kind, urn: str, manager: str, inputs: Object) -> Object | None:
        """The dry run; None where it cannot be: the namespace is not there yet, or the update will meet a conflict."""
        try:
            return self._apply(cluster, kind, manager, inputs, dry_run=True)
        except ApiError as error:
            if error.status == NOT_FOUND and "namespaces" in error.message:
                return None
            if not is_conflict(error):
                raise
            self._log(str(plugin_error(error, f"the update of {_describe(inputs)} will be refused", urn)), urn)
            return None

    def _settle(
        self, cluster: Cluster, kind: Kind, urn: str, manager: str, live: Object, inputs: Object, seconds: float
    ) -> Object:
        """The state once the object is ready; an object that is not stays in the engine's state all the same."""
        notes = manifests.annotation_map(inputs)
        try:
            if notes.get(SKIP_AWAIT) != "true":
                awaiter = Awaiter(cluster, self._log, self._cancelled)
                live = awaiter.until_ready(kind, live, urn, seconds=_timeout(notes, seconds))
        except NotReadyError as error:
            raise PartialResourceError(
                f"{_describe(inputs)} was applied but is not ready: {error}\n  urn: {urn}",
                _id_of(live),
                manifests.outputs(error.live, manager),
                manifests.secret_fields(inputs),
            ) from None
        except EXPECTED as error:
            raise PartialResourceError(
                str(plugin_error(error, f"wait for {_describe(inputs)}", urn)),
                _id_of(live),
                manifests.outputs(live, manager),
                manifests.secret_fields(inputs),
            ) from None
        return manifests.outputs(live, manager)


@contextlib.contextmanager
def _told(action: str, urn: str, *, unreachable: bool = True, unknown_kind: bool = True) -> Iterator[None]:
    """Turn expected failures into an error with the action and the URN; two kinds can be left for the caller."""
    try:
        yield
    except (*EXPECTED, StillThereError) as error:
        left = (isinstance(error, UnreachableError) and not unreachable) or (
            isinstance(error, UnknownKindError) and not unknown_kind
        )
        if left:
            raise
        raise plugin_error(error, action, urn) from None


def _describe(inputs: Mapping[str, Any]) -> str:
    metadata = inputs["metadata"] if isinstance(inputs.get("metadata"), Mapping) else {}
    name = manifests.format_id(metadata.get("namespace"), str(metadata.get("name", "?")))
    return f"{name} ({inputs['apiVersion']} {inputs['kind']})"


def _id_of(live: Mapping[str, Any]) -> str:
    return manifests.format_id(live["metadata"].get("namespace"), live["metadata"]["name"])


def _timeout(notes: Mapping[str, Any], seconds: float) -> float | None:
    """The annotation, else the resource option `custom_timeouts` (0 where unset), else None."""
    try:
        return float(notes[TIMEOUT])
    except (KeyError, ValueError, TypeError):
        return seconds or None


def _stable(live: Mapping[str, Any]) -> Object:
    """What of an object a dry run that changes nothing leaves the same."""
    metadata = {key: item for key, item in live["metadata"].items() if key not in VOLATILE}
    return {**{key: item for key, item in live.items() if key != "status"}, "metadata": metadata}


def _with_unknowns(planned: Object, inputs: Mapping[str, Any]) -> Object:
    """`planned` without what a dry run invents: identifiers, addresses and status come with the real object."""
    metadata = {**planned["metadata"], **dict.fromkeys(COMPUTED_METADATA, UNKNOWN)}
    shown = {**planned, "metadata": metadata}
    if "status" in shown:
        shown["status"] = UNKNOWN
    if planned.get("kind") == "Service" and "clusterIP" not in (inputs.get("spec") or {}):
        shown["spec"] = {**planned["spec"], "clusterIP": UNKNOWN, "clusterIPs": UNKNOWN}
    return shown
