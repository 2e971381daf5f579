"""`seekstack check`: is a stack file right, and what does it plan; no engine, no cloud."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

__all__ = ["add_parser", "project_root"]


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check", help="check Pulumi.<stack>.yaml and show what it plans", description=__doc__
    )
    parser.add_argument("-s", "--stack", default="dev", help="stack to check (default: dev)")
    parser.add_argument("-C", "--cwd", type=Path, help="project folder (default: the nearest with Pulumi.yaml)")
    parser.add_argument("--json", action="store_true", help="machine-readable result")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 where the stack file is right and its model fits; errors leave as exceptions with their exit code."""
    from infra.catalog.load import load
    from infra.planning import plan_for, read_settings

    root = arguments.cwd or project_root(Path.cwd())
    catalog = load(root)
    settings = read_settings(root, arguments.stack, catalog, for_engine=True)
    plan = plan_for(settings, catalog)
    if arguments.json:
        found = {"stack": arguments.stack, "warnings": settings.warnings, "plan": plan.to_json()}
        json.dump(found, sys.stdout, indent=2)
        sys.stdout.write("\n")
        return 0
    where = plan.instance.instance_type if plan.instance else f"{plan.gpus} x {plan.gpu.name}"
    sys.stdout.write(
        f"{arguments.stack}: {plan.model.label} {plan.quantization} on {where}, target {settings.target}\n"
    )
    for warning in (*settings.warnings, *plan.warnings):
        sys.stdout.write(f"  warning: {warning}\n")
    return 0


def project_root(start: Path) -> Path:
    """The nearest folder at or above `start` that holds Pulumi.yaml; else the checkout that this code stands in."""
    for folder in (start, *start.parents):
        if (folder / "Pulumi.yaml").is_file():
            return folder
    return Path(__file__).resolve().parents[2]
