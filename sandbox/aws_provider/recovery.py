"""Remove what a killed run created and nobody wrote down, so that the next run leaves no orphan.

At the first mutating call of a plugin process the engine holds the stack's lock, so no other run of the stack is alive.
Every journal intent of an earlier run is then settled: its id (from the journal, or from the fake AWS's ledger, which
replays the response of the creating call by its token) is either in the checkpoint, or the resource is deleted.
A resource taken out of the state by hand (`pulumi state delete`) before a preview or another run has seen it there
counts as an orphan too; in a sandbox that is what one wants.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from sandbox.aws_provider.clients import READ_SECONDS, TOKEN_HEADER, Clients
from sandbox.aws_provider.description import Type
from sandbox.aws_provider.document import Document
from sandbox.aws_provider.errors import silence
from sandbox.aws_provider.journal import Intent, Journal
from sandbox.aws_provider.lifecycle import Lifecycle
from sandbox.checkpoint import UnreadableError, recorded_ids
from sandbox.plugin import PluginError

__all__ = ["recover", "replayed", "settle_recorded"]

YOUNG_SECONDS: Final = 5  # the killed run's request may still be on its way into the fake
YOUNG_PAUSE_SECONDS: Final = 1
PASSES: Final = 4  # an orphan may block the deletion of another; each pass removes what nothing holds any more


def settle_recorded(journal: Journal, backend: str, project: str, stack: str) -> list[Intent]:
    """Drop the intents that the engine has recorded; returns those in doubt. UnreadableError: nothing can be said."""
    intents = journal.open_intents()
    if not intents:
        return []
    recorded = recorded_ids(backend, project, stack)
    done = {intent.token for intent in intents if (intent.type, intent.id) in recorded}
    if done:
        journal.settle(done)
    return [intent for intent in intents if intent.token not in done]


def recover(
    journal: Journal, backend: str, project: str, stack: str, lifecycle_of: Callable[[str], Lifecycle | None]
) -> list[str]:
    """Delete orphans of earlier runs; returns a line on each, for the engine's log."""
    try:
        intents = settle_recorded(journal, backend, project, stack)
        recorded = recorded_ids(backend, project, stack) if intents else set()
    except UnreadableError as error:
        return [f"an interrupted run cannot be cleaned up after: {error}"]
    if not intents:
        return []
    orphans: list[tuple[Intent, Lifecycle, Document]] = []
    settled: list[str] = []
    for intent in reversed(intents):
        lifecycle = lifecycle_of(intent.type)
        document = _locate(intent, lifecycle) if lifecycle else None
        if lifecycle is None or document is None or (intent.type, document.id) in recorded:
            settled.append(intent.token)
        else:
            orphans.append((intent, lifecycle, document))
    lines, removed = _remove(orphans)
    journal.settle([*settled, *removed])
    return lines


def _remove(orphans: list[tuple[Intent, Lifecycle, Document]]) -> tuple[list[str], list[str]]:
    lines: list[str] = []
    removed: list[str] = []
    for last in (False,) * (PASSES - 1) + (True,):
        left = []
        for intent, lifecycle, document in orphans:
            try:
                lifecycle.delete(
                    intent.urn, document.id, document.inputs, document.outputs, intent.region, retry_seconds=1
                )
            except PluginError as error:
                left.append((intent, lifecycle, document))
                if last:
                    lines.append(f"could not remove {intent.type} {document.id} left by an interrupted run: {error}")
            else:
                removed.append(intent.token)
                lines.append(f"removed {intent.type} {document.id} left by an interrupted run")
        orphans = left
    return lines, removed


def _locate(intent: Intent, lifecycle: Lifecycle) -> Document | None:
    """What the intent made, ready to be deleted; None where it made nothing."""
    document = lifecycle.document(intent.region, id=intent.id)
    if not intent.id:
        response = replayed(intent, lifecycle.described, lifecycle.clients)
        if response is None and time.time() - intent.time < YOUNG_SECONDS:
            time.sleep(YOUNG_PAUSE_SECONDS)
            response = replayed(intent, lifecycle.described, lifecycle.clients)
        if response is None:
            return None
        document.response = response
    if intent.recover and lifecycle.described.import_id:
        found, seeds = lifecycle.described.import_id(intent.recover, document)
        document.id = intent.id or found
        document.inputs = document.outputs = seeds
    elif not intent.id:
        document.id = intent.recover or str(document.evaluate(lifecycle.described.id))
    return document


def replayed(intent: Intent, described: Type, clients: Clients) -> dict[str, Any] | None:
    """The response the creating call had, from the ledger; None where the call was never carried out.

    Asked with a bare POST, because the inputs for the real request are not known any more; parsed as boto3 does.
    """
    from botocore.awsrequest import HeadersDict
    from botocore.parsers import create_parser

    service = described.create.service or described.service
    url = urlsplit(clients.configuration.endpoint(service))
    connection = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=READ_SECONDS)
    try:
        connection.request("POST", "/", b"", {TOKEN_HEADER: intent.token, "X-Seekstack-Replay": "only"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise PluginError(f"cleaning up after an interrupted run: {silence(url.geturl(), error)}") from error
    finally:
        connection.close()
    if answer.status >= 300:
        return None
    model = clients.client(service, intent.region).meta.service_model
    operation = clients.client(service, intent.region).meta.method_to_api_mapping[described.create.operation]
    parsed: dict[str, Any] = create_parser(model.resolved_protocol).parse(
        {"status_code": answer.status, "headers": HeadersDict(answer.getheaders()), "body": body},
        model.operation_model(operation).output_shape,
    )
    return parsed
