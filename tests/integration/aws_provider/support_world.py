"""One resource type after the other through the generic engine, against a real fake AWS: no Pulumi engine needed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from sandbox import fake_aws
from sandbox.aws_provider import checks, diff, schema, state
from sandbox.aws_provider.clients import Clients, Configuration
from sandbox.aws_provider.lifecycle import Lifecycle
from sandbox.aws_provider.types import TYPES
from sandbox.paths import SandboxHome
from sandbox.plugin import plain_map, value_map

REGION = "eu-central-1"


class NoJournal:
    """A recorder that forgets; the journal has tests of its own."""

    def begin(self, *_: Any) -> str:
        return secrets.token_hex(16)

    def created(self, token: str, resource_id: str) -> None:
        """Nothing to note."""

    def failed(self, token: str) -> None:
        """Nothing to note."""


class World:
    """A fake AWS, and the plugin's parts configured for it. What was there before is not seen.

    Emptying the fake costs 2 s (moto reads its image catalogue again), so tests share it and use names of their own.
    """

    def __init__(self, endpoint: str, clients: Clients | None = None) -> None:
        self.endpoint = endpoint
        self.schema = schema.load()
        self.clients = clients or Clients(Configuration(region=REGION, endpoints={"*": endpoint}))
        self.recorder = NoJournal()
        self.seed = secrets.token_bytes(8)
        self._before = fake_aws.existing(endpoint)

    def client(self, service: str) -> Any:
        """A plain boto3 client: somebody who changes things behind the program's back."""
        return boto3.client(
            service,
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
        )

    def left(self) -> dict[str, list[str]]:
        """What exists and did not before this test."""
        now = fake_aws.existing(self.endpoint)
        new = {kind: [item for item in ids if item not in self._before.get(kind, ())] for kind, ids in now.items()}
        return {kind: ids for kind, ids in new.items() if ids}

    def up(self, token: str, name: str, /, **inputs: Any) -> Live:
        """Check and create; a resource that differs from its own program right away fails the test."""
        live = Live(self, token, name)
        live.inputs = live.check(inputs)
        live.id, found = live.lifecycle.create(live.urn, _plain(live.inputs), REGION, self.recorder)
        live.outputs = _sent(found)
        live.settled("after the create")
        assert undeclared(self.schema, token, live.outputs) == []
        return live


class Live:
    """One created resource, as the engine would keep it."""

    def __init__(self, world: World, token: str, name: str) -> None:
        self.world = world
        self.name = name
        self.described = TYPES[token]
        self.lifecycle = Lifecycle(self.described, world.schema, world.clients)
        self.urn = f"urn:pulumi:dev::project::{token}::{name}"
        self.id = ""
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}

    def check(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """Inputs with defaults; wrong ones fail the test."""
        checked, failures = checks.check(
            self.described,
            self.world.schema,
            name=self.name,
            new=inputs,
            old=self.inputs,
            default_tags={},
            seed=self.world.seed,
        )
        if failures:
            raise AssertionError(failures)
        return checked

    def program(self, **changed: Any) -> dict[str, Any]:
        """The program's inputs with some changed; None takes one away."""
        chosen = set(self.inputs.get(checks.DEFAULTS_KEY, ()))
        given = {k: v for k, v in self.inputs.items() if k not in chosen and not k.startswith("__")}
        return self.check({k: v for k, v in (given | changed).items() if v is not None})

    def plan(self, **changed: Any) -> dict[str, str]:
        """Changed property paths: "update" or "replace"."""
        new = self.program(**changed)
        found = diff.changes(
            self.described, self.world.schema, new=_plain(new), old=_plain(self.inputs), state=self.outputs
        )
        return {change.path: "replace" if change.replaces else "update" for change in found}

    def settled(self, when: str) -> None:
        """A second preview must show no changes."""
        left = self.plan()
        if left:
            raise AssertionError(f"{when} there is still to do: {left}", self.inputs, self.outputs)

    def update(self, **changed: Any) -> dict[str, str]:
        """Update in place, then there must be nothing left to do; returns what the plan said."""
        planned = self.plan(**changed)
        assert "replace" not in planned.values(), planned
        new = self.program(**changed)
        after = self.lifecycle.update(
            self.urn,
            self.id,
            inputs=_plain(new),
            old=_plain(self.inputs),
            state=self.outputs,
            ignore=(),
            region=REGION,
        )
        self.inputs, self.outputs = new, _sent(after)
        self.settled("after the update")
        return planned

    def refresh(self) -> bool:
        """Read; False where the resource is gone."""
        found = self.lifecycle.read(self.urn, self.id, _plain(self.inputs), self.outputs, REGION)
        if found is None:
            return False
        self.id, self.outputs = found[0], _sent(found[1])
        return True

    def imported(self, import_id: str | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Inputs and outputs as an import finds them; the imported program must not differ from the resource."""
        found = self.lifecycle.read(self.urn, import_id or self.id, {}, {}, REGION)
        if found is None or found[0] != self.id:
            raise AssertionError(f"the import found {found}")
        outputs = _sent(found[1])
        resource = self.world.schema.resources[self.described.token]
        inputs = state.imported_inputs(self.described, resource, self.world.schema, outputs)
        new = self.check(inputs)
        left = diff.changes(self.described, self.world.schema, new=_plain(new), old=inputs, state=outputs)
        if left:
            raise AssertionError(left, inputs, outputs)
        return inputs, outputs

    def delete(self) -> None:
        """Delete; then it is gone, and a second delete is no error."""
        for _ in range(2):
            self.lifecycle.delete(self.urn, self.id, self.outputs, self.outputs, REGION)
            if not self.described.delete:
                return
            if self.lifecycle.read(self.urn, self.id, _plain(self.inputs), self.outputs, REGION) is not None:
                raise AssertionError(f"{self.id} still exists")


def _sent(outputs: dict[str, Any]) -> dict[str, Any]:
    """Outputs after the wire, which has only doubles."""
    return plain_map(value_map(outputs))


def undeclared(declared: schema.Schema, token: str, outputs: dict[str, Any]) -> list[str]:
    """Outputs that are missing, unknown to the SDK or of another type than the SDK declares."""
    kinds = declared.resources[token].outputs
    wrong = [name for name in outputs if name not in kinds]
    for name, kind in kinds.items():
        absent = name not in outputs
        if absent and not schema.is_optional(kind) and schema.zero(kind) is not None:
            wrong.append(f"{name} is missing")
        if not absent and not _fits(declared, outputs[name], kind):
            wrong.append(f"{name}: {outputs[name]!r} is not {kind}")
    return wrong


def _fits(declared: schema.Schema, value: Any, kind: str) -> bool:
    if schema.is_list(kind):
        return isinstance(value, list) and all(_fits(declared, item, schema.element(kind)) for item in value)
    if schema.is_map(kind):
        return isinstance(value, dict) and all(_fits(declared, item, schema.element(kind)) for item in value.values())
    if schema.is_object(kind):
        fields = declared.fields(kind)
        return isinstance(value, dict) and all(
            name in fields and _fits(declared, item, fields[name]) for name, item in value.items()
        )
    scalars: dict[str, Any] = {"string": str, "integer": int, "number": int | float, "boolean": bool, "any": object}
    return isinstance(value, scalars[kind.rstrip("?")])


def _plain(inputs: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in inputs.items() if not name.startswith("__")}


@contextmanager
def fresh_world(folder: Path) -> Iterator[World]:
    """A world of its own for a test module."""
    home = SandboxHome(folder)
    try:
        yield World(fake_aws.start(home))
    finally:
        fake_aws.stop(home)
