"""What the plugin was about to create, on disk before the call: `$SEEKSTACK_HOME/journal/<project>-<stack>.jsonl`.

One JSON object a line. An intent names token, URN, type, region, call and run, and never an input (they hold secrets);
later lines say which id came of it, that the call failed, or that the resource was deleted. `recovery` reads it after a
run that was killed.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sandbox.aws_provider.description import Type
from sandbox.aws_provider.document import Document
from sandbox.locks import locked

__all__ = ["Intent", "Journal"]


@dataclass(frozen=True, slots=True)
class Intent:
    """One creating call that was made or about to be made; `id` is "" until AWS answered."""

    token: str
    urn: str
    type: str
    region: str
    backend: str
    run: str
    time: float
    recover: str = ""
    id: str = ""


class Journal:
    """The journal of one stack; several plugin processes of one run may write to it."""

    def __init__(self, path: Path, *, backend: str, run: str) -> None:
        self._path = path
        self._backend = backend
        self._run = run

    def begin(self, document: Document, described: Type, urn: str) -> str:
        """Note that `described` is about to be created; returns the token for the creating call."""
        recover = document.evaluate(described.recover) if described.recover is not None else None
        intent = Intent(
            token=secrets.token_hex(16),
            urn=urn,
            type=described.token,
            region=document.region,
            backend=self._backend,
            run=self._run,
            time=time.time(),
            recover=str(recover or ""),
        )
        self._append(asdict(intent))
        return intent.token

    def created(self, token: str, resource_id: str) -> None:
        """Note the id that a creating call returned."""
        self._append({"token": token, "id": resource_id})

    def failed(self, token: str) -> None:
        """Note that a creating call made nothing."""
        self._append({"token": token, "failed": True})

    def deleted(self, token_type: str, resource_id: str) -> None:
        """Note that a resource is gone for good."""
        if self._path.exists():
            self._append({"type": token_type, "id": resource_id, "deleted": True})

    def open_intents(self) -> list[Intent]:
        """Intents of other runs on the same backend that may have left something, in order of creation."""
        intents = [item for item in self._intents() if item.backend == self._backend and item.run != self._run]
        return sorted(intents, key=lambda intent: intent.time)

    def settle(self, tokens: Iterable[str]) -> None:
        """Drop intents whose outcome is certain, and everything that later lines have settled."""
        with self.locked():
            settled = set(tokens)
            kept = [asdict(intent) for intent in self._intents() if intent.token not in settled]
            temporary = self._path.with_suffix(".tmp")
            with temporary.open("w") as file:
                file.writelines(json.dumps(entry) + "\n" for entry in kept)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes of the run out."""
        with locked(self._path.with_suffix(".lock")):
            yield

    def _append(self, entry: dict[str, Any]) -> None:
        """One line, on disk when this returns. A line torn by a crash is skipped by the reader."""
        with self.locked(), self._path.open("ab") as file:
            file.write(("\n" + json.dumps(entry) + "\n").encode())
            file.flush()
            os.fsync(file.fileno())

    def _intents(self) -> list[Intent]:
        found: dict[str, Intent] = {}
        for entry in self._entries():
            token = entry.get("token", "")
            if "urn" in entry:
                found[token] = Intent(**entry)
            elif entry.get("failed"):
                found.pop(token, None)
            elif entry.get("deleted"):
                key = (entry["type"], entry["id"])
                found = {name: item for name, item in found.items() if (item.type, item.id) != key}
            elif token in found:
                found[token] = Intent(**{**asdict(found[token]), "id": entry["id"]})
        return list(found.values())

    def _entries(self) -> Iterator[dict[str, Any]]:
        try:
            lines = self._path.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict):
                yield entry
