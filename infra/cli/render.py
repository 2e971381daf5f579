"""`seekstack render`: the manifests as files, byte for byte those that the Pulumi program applies."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from infra.cli.check import project_root
from infra.errors import ConfigurationError

if TYPE_CHECKING:
    from infra.catalog.facts import Catalog
    from infra.settings import Settings

__all__ = ["add_parser"]

DEFAULT_STACK = "dev-k8s"


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("render", help="write the Kubernetes manifests of a stack", description=__doc__)
    parser.add_argument("-s", "--stack", help="stack to render (default: dev-k8s, unless --set says everything)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_key_and_value,
        metavar="KEY=VALUE",
        dest="overrides",
        help="a configuration key, above the stack's; lists as JSON, such as intranetCidrs='[\"10.0.0.0/8\"]'",
    )
    parser.add_argument("-o", "--out", type=Path, help="folder to write to (default: one YAML stream on stdout)")
    parser.add_argument("-C", "--cwd", type=Path, help="project folder (default: the nearest with Pulumi.yaml)")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """0 once the manifests are written; errors leave as exceptions with their exit code."""
    from infra.catalog.load import load
    from infra.planning import plan_for
    from infra.serving import render_checked, serving_spec
    from infra.settings import Target

    catalog = load(arguments.cwd or project_root(Path.cwd()))
    settings = _settings(arguments, catalog)
    if settings.target is not Target.KUBERNETES:
        raise ConfigurationError(
            f"the target is {settings.target}: it has no manifests",
            code="SKS0503",
            key="seekstack:target",
            value=str(settings.target),
            allowed="kubernetes",
            fix="name a stack with target kubernetes (-s dev-k8s), or add --set target=kubernetes",
        )
    files = render_checked(serving_spec(settings, plan_for(settings, catalog))).files
    if arguments.out is None:
        sys.stdout.write("---\n".join(file.text for file in files))
        return 0
    write_files(arguments.out, {file.name: file.text for file in files})
    sys.stdout.write(f"{len(files)} files in {arguments.out}; apply them with: kubectl apply -f {arguments.out}\n")
    return 0


def _settings(arguments: argparse.Namespace, catalog: Catalog) -> Settings:
    """From the stack file with `--set` on top; from `--set` alone where no stack is named."""
    from infra.planning import read_settings
    from infra.settings import parse

    overrides: dict[str, str] = dict(arguments.overrides)
    if arguments.stack is None and overrides:
        return parse(overrides, catalog)
    root = arguments.cwd or project_root(Path.cwd())
    return read_settings(root, arguments.stack or DEFAULT_STACK, catalog, overrides=overrides)


def _key_and_value(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key.removeprefix("seekstack:"), value


def write_files(folder: Path, texts: dict[str, str]) -> None:
    """Write `texts` and remove files of an earlier render that are no longer made, so the folder is the truth."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("[0-9][0-9]-*.yaml"):
        if stale.name not in texts:
            stale.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
