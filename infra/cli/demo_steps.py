"""The steps of the demo, in the order a person would type them."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.catalog.load import load
from infra.cli.demo_drift import open_the_door
from infra.cli.demo_tables import counted, rows
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
from sandbox.environment import merged
from sandbox.home_folder import adopt
from sandbox.kube_programs import ensure_program
from sandbox.lifecycle import engine_pid_file, prepare, take_down
from sandbox.locks import try_lock
from sandbox.paths import PROJECT_ROOT, SandboxHome
from sandbox.pulumi_run import Finished, Preview, PulumiStack, refuse_live_lock
from sandbox.room import CLUSTER_MIB, STATE_MIB, require_room

__all__ = ["Demo"]

STACK, KUBERNETES_STACK = "dev", "dev-k8s"
SMALL, LARGER = "1.5B", "7B"
PROGRESS_SECONDS = 10
KUBERNETES_SECONDS = 180
"""How long the Kubernetes half may take after the other half is done; it is done by then where all is well."""
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
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
        self.outer = home
        self.home = home.demo
        self.keeps = keeps
        self.with_kubernetes = with_kubernetes
        self.project = self.home.project
        self.steps = 9 if with_kubernetes else 8
        self.step = 0
        self.started = time.monotonic()
        self.catalog = load()
        self.model = model
        self.environment: Mapping[str, str] = {}
        self.cancelled = threading.Event()
        self.pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="kubernetes")

    def run(self) -> int:
        """0 when every step did what it should; a failure takes everything down and is raised.

        A refusal before the first step stops and changes nothing: a kept demo goes on.
        """
        adopt(self.outer)
        adopt(self.home)
        with _alone(self.home):
            require_room(self.home.run, CLUSTER_MIB if self.with_kubernetes else STATE_MIB, "the demo")
            for stack in (STACK, KUBERNETES_STACK):
                processes.stop(engine_pid_file(self.home, stack))  # of a demo that was killed
                refuse_live_lock(self.home.state, stack)
            settings, plan = self._configure()
            try:
                self._live(settings, plan)
            except BaseException:
                self._stop()
                raise
        return 0

    def _stop(self) -> None:
        """End both halves and every daemon, also where nobody reads what is said: a closed terminal, an ended pipe.

        A second Ctrl-C must not leave half of them behind.
        """
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        self.cancelled.set()
        try:
            with contextlib.suppress(OSError, ValueError):
                self._note("stopping everything of the demo (seconds)")
            self.pool.shutdown()
        finally:
            take_down(self.home)

    def _configure(self) -> tuple[Settings, Plan]:
        """Copy the project and read it before anything is started: a wrong model costs no build."""
        write_project(PROJECT_ROOT, self.project)
        if self.model:
            choose_model(stack_file_path(self.project, STACK), self.model)
        settings = read_settings(self.project, STACK, self.catalog)
        return settings, plan_for(settings, self.catalog)

    def _live(self, settings: Settings, plan: Plan) -> None:
        stack, cluster = self._bring_up(str(settings.region))
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

    def _bring_up(self, region: str) -> tuple[PulumiStack, Future[ClusterLife] | None]:
        self._title("engine", "find or build the Pulumi engine")
        programs = prepare(self.home, self._note)
        program = ensure_program(self._note) if self.with_kubernetes else None  # not in the pool: Ctrl-C must end it
        self._title("sandbox", "a fake AWS on loopback; no account, no credentials")
        cloud_is_new = fake_aws.endpoint(self.home) is None
        endpoint = fake_aws.start(self.home)
        self._note(f"{endpoint}, everything below {_short(self.home.root)}")
        self.environment = merged(self.home)
        if programs.has_vendor_aws:
            write_official_config(stack_file_path(self.project, STACK), endpoint, region)
            self._note(f"the vendor's aws plugin is there and used: {programs.plugins['pulumi-resource-aws']}")
        # The cluster lives through its own stack meanwhile; what it did is told when its turn comes.
        cluster = self.pool.submit(self._live_on_kubernetes, program) if program else None
        stack = self._stack(STACK)
        stack.initialise()
        self._clear(stack, cloud_is_new=cloud_is_new)
        return stack, cluster

    def _stack(self, name: str) -> PulumiStack:
        return PulumiStack(
            self.project,
            name,
            self.environment,
            pid_file=engine_pid_file(self.home, name),
            cancelled=self.cancelled,
        )

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
        kubeconfig = kube.start(self.home, program=program, cancelled=self.cancelled)
        stack = self._stack(KUBERNETES_STACK)
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
        self._note(f"{counted(done.counts)} in {done.seconds:.1f} s; endpoint {outputs['endpoint']}")
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
        write_table(("operation", "resource", "property", "from", "to"), rows(found.changes))
        self._note(f"{counted(found.counts)}, {found.unchanged} unchanged, {found.seconds:.1f} s")

    def _find_drift(self, stack: PulumiStack, region: str, group_id: str) -> None:
        self._title("drift", "somebody opens the door behind Pulumi's back")
        self._note(open_the_door(self.environment, region, group_id))
        found = stack.preview("--refresh")
        if not found.changes:
            raise ToolError("drift was made but not found", code="SKS0791", fix="report this as a bug")
        write_table(("operation", "resource", "property", "from", "to"), rows(found.changes))
        self._note(f"found in {found.seconds:.1f} s; the next up would close it")

    def _tell_of_kubernetes(self, cluster: Future[ClusterLife]) -> None:
        self._title("kubernetes", "meanwhile a real API server took the same kind of plan as manifests")
        life = self._wait_for(cluster)
        self._note(f"kube-apiserver came up, kubeconfig {_short(life.kubeconfig)}")
        for line in life.lines:
            self._engine_line(line)
        self._note(f"{counted(life.created.counts)} in {life.created.seconds:.1f} s")
        if life.ending:
            self._note(life.ending)

    def _wait_for(self, cluster: Future[ClusterLife]) -> ClusterLife:
        """Its result; a word now and then, and an end to the wait."""
        began = time.monotonic()
        while not wait((cluster,), timeout=PROGRESS_SECONDS).done:
            waited = time.monotonic() - began
            if waited > KUBERNETES_SECONDS:
                raise ToolError(
                    f"the Kubernetes half was not done {waited:.0f} s after the other",
                    code="SKS0794",
                    fix=f"read the logs in {_short(self.home.logs)}; `make demo` again starts from nothing",
                )
            self._note(f"still at work, {waited:.0f} s")
        return cluster.result()

    def _destroy(self, stack: PulumiStack) -> None:
        self._title("destroy", "pulumi destroy: nothing is left")
        self._note(_end(stack))
        existing = fake_aws.existing(fake_aws.endpoint(self.home) or "")
        if existing:
            raise ToolError(
                f"left in the fake AWS: {existing}",
                code="SKS0792",
                fix=f"if nothing else worked in {_short(self.home.root)}, report this as a bug",
            )
        take_down(self.home)
        running = [file.stem for file in self.home.run.iterdir() if processes.is_running(file)]
        if running:
            raise ToolError(f"still running: {', '.join(running)}", code="SKS0792", fix="seekstack sandbox down")
        self._note(f"0 resources and 0 processes left, {self._elapsed()} in all")

    def _say_how_to_play(self) -> None:
        self._title("keep", f"the stack stays up, {self._elapsed()} so far")
        command = _own_command(self.home)
        for line in (
            f'vars="$({command("sandbox env")})" && eval "$vars" && cd {shlex.quote(_short(self.project))}',
            f"pulumi preview -s {STACK}    # or up, refresh, stack output, config set, destroy; the folder has its own",
            f"{'':<{len(STACK) + 18}}    # copies of the stack files",
            f"{command('sandbox down')}    # ends it",
        ):
            self._write(f"        {line}")

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


@contextlib.contextmanager
def _alone(home: SandboxHome) -> Iterator[None]:
    """One demo a folder: two would take each other's stack and processes. The kernel drops a killed one's lock."""
    home.run.mkdir(parents=True, exist_ok=True)
    with (home.run / "demo.lock").open("a+") as lock:
        if not try_lock(lock):
            lock.seek(0)
            raise ToolError(
                f"a demo runs already in {_short(home.root)} (pid {lock.read().strip() or 'unknown'})",
                code="SKS0793",
                value=str(home.root),
                fix="wait for it or end it, or give this one a folder of its own: seekstack demo --home FOLDER",
            )
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def _own_command(home: SandboxHome) -> Callable[[str], str]:
    """This very program, quoted for a shell in which it is not on PATH, with the folder of the sandbox."""
    script = Path(sys.executable).with_name("seekstack")
    program = shlex.quote(str(script)) if script.exists() else f"{shlex.quote(sys.executable)} -m infra.cli.main"
    where = f" --home {shlex.quote(str(home.root))}"
    return lambda arguments: f"{program} {arguments}{where}"


def _end(stack: PulumiStack) -> str:
    done = stack.destroy()
    stack.remove()  # refused by the engine where its state still holds a resource
    return f"{stack.stack}: {counted(done.counts)} in {done.seconds:.1f} s, 0 left in state"


def _unexpected(what: str, found: Preview) -> ToolError:
    touched = ", ".join(f"{change.operation} {change.name} {change.properties}" for change in found.changes)
    return ToolError(f"{what} wants to change: {touched}", code="SKS0791", fix="report this as a bug")


def _short(path: Path) -> str:
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(path)
