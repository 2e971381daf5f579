"""One mock monitor for component tests: runs a program without an engine and records what it registers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.settings import set_root_resource

PROJECT, STACK = "seekstack", "test"

Invoke = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Registration:
    """One registered resource as the engine would see it."""

    urn: str
    type: str
    name: str
    inputs: dict[str, Any]
    parent: str
    provider: str
    dependencies: frozenset[str]
    """URNs of `depends_on` and of every resource whose outputs are inputs here."""
    create_timeout: str
    protect: bool
    custom: bool


@dataclass(slots=True)
class Recording:
    """Everything one run registered, in order."""

    registrations: list[Registration] = field(default_factory=list)
    result: Any = None
    """What the program returned."""

    def one(self, type_: str, name: str | None = None) -> Registration:
        """The only resource of that type (and name)."""
        found = [item for item in self.of_type(type_) if name in (None, item.name)]
        assert len(found) == 1, f"{len(found)} of {type_} {name}: {sorted(item.name for item in self.registrations)}"
        return found[0]

    def of_type(self, type_: str) -> list[Registration]:
        """Every resource of that type by name: the SDK registers them from threads, in no order of its own."""
        return sorted((item for item in self.registrations if item.type == type_), key=lambda item: item.name)

    @property
    def urns(self) -> set[str]:
        """The set to compare between preview and update."""
        return {item.urn for item in self.registrations}


class RecordingMonitor(mocks.MockMonitor):
    """The SDK's mock monitor, which also keeps what mocks are not told: parent, dependencies, timeouts."""

    def __init__(self, program_mocks: mocks.Mocks, recording: Recording) -> None:
        super().__init__(program_mocks)
        self.recording = recording

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802 a gRPC method
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            self.recording.registrations.append(
                Registration(
                    urn=response.urn,
                    type=request.type,
                    name=request.name,
                    inputs=normalised(mocks.rpc.deserialize_properties(request.object)),
                    parent=request.parent,
                    provider=request.provider,
                    dependencies=frozenset(request.dependencies),
                    create_timeout=request.customTimeouts.create,
                    protect=request.protect,
                    custom=request.custom,
                )
            )
        return response


class ProgramMocks(mocks.Mocks):
    """Echoes inputs as outputs. In a preview ids and `computed` outputs stay unknown, as with an engine."""

    def __init__(
        self, *, preview: bool, computed: Mapping[str, Mapping[str, Any]], invokes: Mapping[str, Invoke]
    ) -> None:
        self.preview = preview
        self.computed = computed
        self.invokes = invokes

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if self.preview:
            return "", dict(args.inputs)
        return f"{args.name}-id", {**args.inputs, **self.computed.get(args.typ, {})}

    def call(self, args: pulumi.runtime.MockCallArgs) -> dict[str, Any]:
        return self.invokes[args.token](args.args)


def record(
    program: Callable[[], Any],
    *,
    preview: bool = False,
    computed: Mapping[str, Mapping[str, Any]] | None = None,
    invokes: Mapping[str, Invoke] | None = None,
) -> Recording:
    """Run `program` to its end; outputs in its return value are resolved in `result` (unknown ones are None).

    `computed` gives the outputs of a resource type that are not inputs, `invokes` answers look-ups by token.
    """
    recording = Recording()
    program_mocks = ProgramMocks(preview=preview, computed=computed or {}, invokes=invokes or {})
    set_root_resource(None)
    pulumi.runtime.set_mocks(
        program_mocks, PROJECT, STACK, preview=preview, monitor=RecordingMonitor(program_mocks, recording)
    )

    @pulumi.runtime.test
    def run() -> pulumi.Output[Any]:
        def keep(result: Any) -> None:
            recording.result = result

        return pulumi.Output.from_input(program()).apply(keep)

    run()
    return recording


def normalised(value: Any) -> Any:
    """Plain values as written: the wire has only doubles, so 8000 comes back as 8000.0."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: normalised(item) for key, item in value.items()}
    if isinstance(value, list):
        return [normalised(item) for item in value]
    return value
