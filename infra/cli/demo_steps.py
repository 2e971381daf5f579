"""The steps of the demo, in the order a person would type them."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.catalog.load import load
from infra.cli.demo_drift import open_the_door
from infra.cli.output import write_table
from infra.cli.plan import show
from infra.errors import ToolError
from infra.planning import plan_for, read_settings
from infra.settings import Settings
from infra.sizing.result import Plan
from infra.stack_file import stack_file_path
from sandbox import fake_aws, kube, processes
from sandbox.aws_endpoints import write_official_config
from sandbox.demo_project import choose_model, write_project
from sandbox.engine import ensure_engine
from sandbox.environment import environment
from sandbox.kube_programs import ensure_program
from sandbox.launchers import BUNDLED, write_launchers
from sandbox.lifecycle import take_down
from sandbox.paths import PROJECT_ROOT, SandboxHome
from sandbox.pulumi_run import Change, Finished, Preview, PulumiStack

__all__ = ["Demo"]

STACK, KUBERNETES_STACK = "dev", "dev-k8s"
SMALL, LARGER = "1.5B", "7B"
SHOWN_VALUE_LENGTH = 48
UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
"""The engine's sign for a value it does not know yet (sdk/go/common/resource/plugin, UnknownStringValue)."""
DONE = re.compile(r"\b(created|updated|replaced|deleted) \(")


@dataclass(frozen=True, slots=True)
class ClusterLife:
    """What the Kubernetes half did while the other half was told."""

    kubeconfig: Path
    lines: list[str]
    created: Finished
    ending: str | None
    """How its stack was destroyed; None where it is kept."""


class Demo:
    """One run: brings the sandbox up, lives through the stack's life, and takes everything down again."""

    def __init__(self, home: SandboxHome, *, model: str | None, keeps: bool, with_kubernetes: bool) -> None:
        self.home = home
        self.keeps = keeps
        self.with_kubernetes = with_kubernetes
        self.project = home.root / "demo"
        self.steps = 9 if with_kubernetes else 8
        self.step = 0
        self.started = time.monotonic()
        self.catalog = load()
        self.model = model

    def run(self) -> int:
        """0 when every step did what it should; a failure takes everything down and is raised."""
        settings, plan = self._configure()
        try:
            self._live(settings, plan)
        except BaseException:
            take_down(self.home)
            raise
        return 0

    def _configure(self) -> tuple[Settings, Plan]:
        """Copy the project and read it before anything is started: a wrong model costs no build."""
        write_project(PROJECT_ROOT, self.project)
        if self.model:
            choose_model(stack_file_path(self.project, STACK), self.model)
        settings = read_settings(self.project, STACK, self.catalog)
        return settings, plan_for(settings, self.catalog)

    def _live(self, settings: Settings, plan: Plan) -> None:
        with ThreadPoolExecutor(max_workers=1) as pool:
            stack, cluster = self._bring_up(pool, str(settings.region))
            self._show_plan(plan)
            outputs = self._create(stack)
            self._preview_again(stack)
            self._preview_other_model(stack, settings)
            self._find_drift(stack, str(settings.region), outputs["securityGroupId"])
            if cluster:
                self._tell_of_kubernetes(cluster)
            if self.keeps:
                self._say_how_to_play()
            else:
                self._destroy(stack)

    def _bring_up(self, pool: ThreadPoolExecutor, region: str) -> tuple[PulumiStack, Future[ClusterLife] | None]:
        self._title("engine", "find or build the Pulumi engine")
        engine = ensure_engine(self._note)
        self._note(f"pulumi {engine.version} ({engine.origin})")
        plugins = write_launchers(self.home, engine)
        program = ensure_program(self._note) if self.with_kubernetes else None  # not in the pool: Ctrl-C must end it
        self._title("sandbox", "a fake AWS on loopback; no account, no credentials")
        cloud_is_new = fake_aws.endpoint(self.home) is None
        endpoint = fake_aws.start(self.home)
        self._note(f"{endpoint}, everything below {_short(self.home.root)}")
        if plugins["pulumi-resource-aws"] != BUNDLED:
            write_official_config(stack_file_path(self.project, STACK), endpoint, region)
            self._note(f"the vendor's aws plugin is there and used: {plugins['pulumi-resource-aws']}")
        # The cluster lives through its own stack meanwhile; what it did is told when its turn comes.
        cluster = pool.submit(self._live_on_kubernetes, program) if program else None
        stack = PulumiStack(self.project, STACK, self._environment())
        stack.initialise()
        self._clear(stack, cloud_is_new=cloud_is_new)
        return stack, cluster

    def _clear(self, stack: PulumiStack, *, cloud_is_new: bool) -> None:
        """Start from nothing, whatever an earlier demo was kept or killed with."""
        if not stack.resources():
            return
        self._note("an earlier demo left its stack: removing it")
        if cloud_is_new:
            stack.remove(force=True)  # what its state records went with the fake AWS of that time
            stack.initialise()
        else:
            stack.destroy()

    def _live_on_kubernetes(self, program: Path) -> ClusterLife:
        kubeconfig = kube.start(self.home, program=program)
        stack = PulumiStack(self.project, KUBERNETES_STACK, self._environment())
        stack.initialise()
        if stack.resources():
            stack.destroy()  # an earlier demo's; the cluster keeps its data over a stop
        lines: list[str] = []
        created = stack.up(lines.append)
        return ClusterLife(kubeconfig, lines, created, None if self.keeps else _end(stack))

    def _show_plan(self, plan: Plan) -> None:
        self._title("plan", f"hardware for {plan.requested_model}")
        show(plan, explained=False)

    def _create(self, stack: PulumiStack) -> dict[str, Any]:
        self._title("up", "pulumi up: the real engine creates the stack")
        done = stack.up(self._engine_line)
        outputs = stack.outputs()
        self._note(f"{_counted(done.counts)} in {done.seconds:.1f} s; endpoint {outputs['endpoint']}")
        return outputs

    def _preview_again(self, stack: PulumiStack) -> None:
        self._title("preview", "pulumi preview: a second look finds nothing to do")
        found = stack.preview()
        if found.changes:
            raise _unexpected("the second preview", found)
        self._note(f"0 changes, {found.unchanged} unchanged, {found.seconds:.1f} s")

    def _preview_other_model(self, stack: PulumiStack, settings: Settings) -> None:
        small = self.catalog.model(SMALL).id
        other = LARGER if settings.model == small else SMALL
        self._title("change", f"pulumi preview with model {other}: what would change")
        file = stack_file_path(self.project, STACK)
        kept = file.read_text(encoding="utf-8")
        try:
            choose_model(file, other)
            found = stack.preview()
        finally:
            file.write_text(kept, encoding="utf-8")
        write_table(("operation", "resource", "property", "from", "to"), _rows(found.changes))
        self._note(f"{_counted(found.counts)}, {found.unchanged} unchanged, {found.seconds:.1f} s")

    def _find_drift(self, stack: PulumiStack, region: str, group_id: str) -> None:
        self._title("drift", "somebody opens the door behind Pulumi's back")
        endpoint = fake_aws.endpoint(self.home) or ""
        self._note(open_the_door(endpoint, region, group_id))
        found = stack.preview("--refresh")
        if not found.changes:
            raise ToolError("drift was made but not found", code="SKS0791", fix="report this as a bug")
        write_table(("operation", "resource", "property", "from", "to"), _rows(found.changes))
        self._note(f"found in {found.seconds:.1f} s; the next up would close it")

    def _tell_of_kubernetes(self, cluster: Future[ClusterLife]) -> None:
        self._title("kubernetes", "meanwhile a real API server took the same kind of plan as manifests")
        life = cluster.result()
        self._note(f"kube-apiserver came up, kubeconfig {_short(life.kubeconfig)}")
        for line in life.lines:
            self._engine_line(line)
        self._note(f"{_counted(life.created.counts)} in {life.created.seconds:.1f} s")
        if life.ending:
            self._note(life.ending)

    def _destroy(self, stack: PulumiStack) -> None:
        self._title("destroy", "pulumi destroy: nothing is left")
        self._note(_end(stack))
        existing = fake_aws.existing(fake_aws.endpoint(self.home) or "")
        if existing:
            raise ToolError(f"left in the fake AWS: {existing}", code="SKS0792", fix="report this as a bug")
        take_down(self.home)
        running = [file.stem for file in self.home.run.glob("*.pid") if processes.is_running(file)]
        if running:
            raise ToolError(f"still running: {', '.join(running)}", code="SKS0792", fix="seekstack sandbox down")
        self._note(f"0 resources and 0 processes left, {self._elapsed()} in all")

    def _say_how_to_play(self) -> None:
        self._title("keep", f"the stack stays up, {self._elapsed()} so far")
        for line in (
            'eval "$(seekstack sandbox env)"',
            f"cd {_short(self.project)}        # same program, its own copies of the stack files",
            f"pulumi preview -s {STACK}          # or up, refresh, stack output, config set, destroy",
            "seekstack sandbox down     # ends it",
        ):
            self._write(f"        {line}")

    def _environment(self) -> Mapping[str, str]:
        return {**os.environ, **environment(self.home)}

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self.started:.0f} s"

    def _title(self, name: str, text: str) -> None:
        self.step += 1
        self._write(f"[{self.step}/{self.steps}] {name:<10} {text}")

    def _note(self, text: str) -> None:
        self._write(f"      {text}")

    def _engine_line(self, line: str) -> None:
        """Pass on what the engine says of finished resources; its progress lines would double each of them."""
        if DONE.search(line):
            self._write(f"        {' '.join(line.split())}")

    @staticmethod
    def _write(text: str) -> None:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def _end(stack: PulumiStack) -> str:
    done = stack.destroy()
    stack.remove()  # refused by the engine where its state still holds a resource
    return f"{stack.stack}: {_counted(done.counts)} in {done.seconds:.1f} s, 0 left in state"


def _rows(changes: tuple[Change, ...]) -> list[tuple[str, str, str, str, str]]:
    """One row a changed property; what an operation changes as a whole has one row."""
    rows = []
    for change in changes:
        for path in change.properties or ("",):
            old, new = _at(change.old_inputs, path), _at(change.new_inputs, path)
            rows.append((change.operation, change.name, path, _shown(old), _shown(new)))
    return rows


def _at(inputs: Mapping[str, Any], path: str) -> object:
    value: Any = inputs
    for part in _parts(path):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, Mapping):
            value = value.get(part)
        else:
            return None
    return value


def _parts(path: str) -> list[str]:
    """The steps of a property path: `a.b[0]["c.d"]` has a, b, 0 and c.d."""
    return [quoted or plain for quoted, plain in re.findall(r'\["([^"]*)"\]|([^.\[\]]+)', path)]


def _shown(value: object) -> str:
    text = {None: "-", UNKNOWN: "(known after up)"}.get(value) if isinstance(value, str | None) else None
    text = text or str(value)
    return text if len(text) <= SHOWN_VALUE_LENGTH else f"{text[: SHOWN_VALUE_LENGTH - 1]}…"


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items()) or "nothing to do"


def _unexpected(what: str, found: Preview) -> ToolError:
    touched = ", ".join(f"{change.operation} {change.name} {change.properties}" for change in found.changes)
    return ToolError(f"{what} wants to change: {touched}", code="SKS0791", fix="report this as a bug")


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
