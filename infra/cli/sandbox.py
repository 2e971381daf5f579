"""`seekstack sandbox`: an engine, a fake AWS and a Kubernetes API on this machine, for plain `pulumi` commands."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.cli.output import add_json_flag, write_json, write_table
from infra.cli.signals import end_as_after_ctrl_c

if TYPE_CHECKING:
    from sandbox.paths import SandboxHome

__all__ = ["add_parser", "lines_of_failure", "on_wrong_flags"]

BYTES_PER_MB = 1_000_000


def add_parser(subparsers: Any) -> None:
    """Register the command and its sub-commands."""
    parser = subparsers.add_parser("sandbox", help="engine, fake AWS and Kubernetes API", description=__doc__)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    up = _add(commands, "up", _up, "bring the sandbox up")
    env = _add(commands, "env", _env, 'bring it up and print variables: eval "$(seekstack sandbox env)"')
    for command in (up, env):
        command.add_argument("--kubernetes", action="store_true", help="bring the Kubernetes API up too")
        command.add_argument("--engine", metavar="PATH", help="a pulumi program, or `own` for one of seekstack's own")
    forms = env.add_mutually_exclusive_group()
    forms.add_argument("--fish", action="store_true", help="lines for fish instead of sh")
    forms.add_argument("--json", action="store_true", help="one JSON object instead; null means unset")
    add_json_flag(_add(commands, "status", _status, "what is there and what runs"))
    down = _add(commands, "down", _down, "stop every process; stacks and plugins stay")
    down.add_argument("--purge", action="store_true", help="remove the stacks and all else of the sandbox too")
    configure = _add(
        commands, "configure", _configure, "point a stack file at the fake AWS, for the vendor's aws plugin"
    )
    configure.add_argument("-s", "--stack", default="dev", help="stack whose file gets the endpoints (default: dev)")
    configure.add_argument("-C", "--cwd", type=Path, help="project folder (default: the nearest with Pulumi.yaml)")
    _add(commands, "prune", _prune, "remove from the cache what only a further build would need")


def _add(
    commands: Any, name: str, act: Callable[[argparse.Namespace, SandboxHome], None], text: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--home", type=Path, help="the one folder everything stays in (default: .seekstack)")

    def run(options: argparse.Namespace) -> int:
        from sandbox.paths import SandboxHome

        signal.signal(signal.SIGTERM, end_as_after_ctrl_c)
        act(options, SandboxHome(options.home.resolve()) if options.home else SandboxHome.default())
        return 0

    parser.set_defaults(run=run)
    return parser


def _up(options: argparse.Namespace, home: SandboxHome) -> None:
    from sandbox.lifecycle import bring_up

    bring_up(home, _progress, kubernetes=options.kubernetes, engine_path=options.engine)
    _progress('ready; next: eval "$(seekstack sandbox env)"')


def _env(options: argparse.Namespace, home: SandboxHome) -> None:
    from sandbox.environment import as_json, environment
    from sandbox.lifecycle import bring_up

    try:
        bring_up(home, _progress, kubernetes=options.kubernetes, engine_path=options.engine)
    except BaseException:
        if not options.json:
            sys.stdout.write(lines_of_failure(home, for_fish=options.fish))
        raise
    form = as_json if options.json else _form(for_fish=options.fish)
    sys.stdout.write(form(environment(home)))


def on_wrong_flags(arguments: Sequence[str], leaving: SystemExit) -> None:
    """`eval "$(seekstack sandbox env --wrong)"`: argparse ends the program before `_env` runs.

    Whatever was mistyped, output that is no terminal is meant for `eval`.
    """
    meant = any(word.startswith(("sandbox", "env")) for word in arguments)
    if not leaving.code or not meant or sys.stdout.isatty() or ("--json" in arguments and "--fish" not in arguments):
        return
    from sandbox.paths import SandboxHome

    sys.stdout.write(lines_of_failure(SandboxHome.default(), for_fish="--fish" in arguments))


def lines_of_failure(home: SandboxHome, *, for_fish: bool = False) -> str:
    """What `eval` gets when the sandbox did not come up: a shell that reaches nothing real, and a status that fails."""
    from sandbox.environment import dead_environment

    return f"{_form(for_fish=for_fish)(dead_environment(home))}false\n"


def _form(*, for_fish: bool) -> Callable[[Mapping[str, str]], str]:
    from sandbox.environment import as_fish, as_sh

    return as_fish if for_fish else as_sh


def _status(options: argparse.Namespace, home: SandboxHome) -> None:
    from sandbox.lifecycle import status

    found = status(home)
    if options.json:
        write_json(found.to_json())
        return
    running = [name for name, runs in found.kubernetes.items() if runs]
    engine = f"{found.engine_version} ({found.engine_origin}) {found.engine}" if found.engine else "not made yet"
    rows = [
        ("home", found.home),
        ("engine", engine),
        *found.plugins.items(),
        ("fake AWS", found.fake_aws or "stopped"),
        ("Kubernetes API", ", ".join(running) or "stopped"),
        ("stacks", ", ".join(found.stacks) or "none"),
        ("cache", found.cache),
    ]
    write_table(("part", "state"), rows)


def _down(options: argparse.Namespace, home: SandboxHome) -> None:
    from sandbox.lifecycle import status, take_down

    stacks = status(home).stacks
    if take_down(home, purge=options.purge) and stacks and not options.purge:
        _progress(f"the fake AWS forgot what it held; after the next start `pulumi refresh` tells {', '.join(stacks)}")
    _progress("stopped and removed" if options.purge else "stopped")


def _configure(options: argparse.Namespace, home: SandboxHome) -> None:
    from infra.cli.check import project_root
    from infra.stack_file import read_stack_file, stack_file_path
    from sandbox import fake_aws
    from sandbox.aws_endpoints import write_official_config

    file = stack_file_path(options.cwd or project_root(Path.cwd()), options.stack)
    region = str(read_stack_file(file).values.get("aws:region", "us-east-1"))
    write_official_config(file, fake_aws.start(home), region)
    _progress(f"{file.name} now points at the fake AWS; `git checkout {file.name}` takes it back")


def _prune(options: argparse.Namespace, home: SandboxHome) -> None:  # noqa: ARG001
    from sandbox.lifecycle import prune

    _progress(f"freed {prune() / BYTES_PER_MB:.0f} MB of modules and compiled packages; finished programs stay")


def _progress(text: str) -> None:
    """On stderr: stdout is for `eval`."""
    sys.stderr.write(f"sandbox: {text}\n")
    sys.stderr.flush()
