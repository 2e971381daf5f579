"""`seekstack demo`: a whole life of the dev stack on the real engine, against a fake AWS and a real Kubernetes API."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path
from typing import Any

from infra.cli.signals import end_as_after_ctrl_c

__all__ = ["add_parser"]


def add_parser(subparsers: Any) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "demo", help="create, change and destroy a stack on this machine", description=__doc__
    )
    parser.add_argument("--model", help="model of the dev stack (default: as in Pulumi.dev.yaml)")
    parser.add_argument("--keep", action="store_true", help="leave everything up to play with")
    parser.add_argument("--no-kubernetes", action="store_true", help="leave out the Kubernetes half")
    parser.add_argument(
        "--home", type=Path, help="the folder of the sandbox, in which the demo has its own (.seekstack)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run every step; the first that fails ends the demo, and nothing is left running."""
    from infra.cli.demo_steps import Demo
    from sandbox.paths import SandboxHome

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # `nohup make demo` goes on without its terminal
            signal.signal(number, end_as_after_ctrl_c)
    home = SandboxHome(options.home.resolve()) if options.home else SandboxHome.default()
    demo = Demo(home, model=options.model, keeps=options.keep, with_kubernetes=not options.no_kubernetes)
    return demo.run()
