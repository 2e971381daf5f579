"""A project folder for the demo: the repository's program and stack files, with a model of its own.

The demo must not edit the files a person edits (creating a stack writes a salt into its file, choosing a model a line),
so it runs the same program from a folder of its own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

__all__ = ["choose_model", "write_project"]


def write_project(source: Path, folder: Path) -> Path:
    """Copy Pulumi.yaml and every stack file from `source`; `main` still names the program of `source`."""
    folder.mkdir(parents=True, exist_ok=True)
    program = os.path.relpath(source / "infra", folder)
    project = (source / "Pulumi.yaml").read_text(encoding="utf-8")
    (folder / "Pulumi.yaml").write_text(re.sub(r"(?m)^main: .*$", f"main: {program}", project), encoding="utf-8")
    for file in source.glob("Pulumi.*.yaml"):
        salt = re.search(r"(?m)^encryptionsalt: .*$", _text(folder / file.name))
        copied = re.sub(r"(?m)^encryptionsalt: .*$\n?", "", _text(file)).rstrip("\n")
        (folder / file.name).write_text(f"{copied}\n{salt[0]}\n" if salt else f"{copied}\n", encoding="utf-8")
    return folder


def choose_model(file: Path, model: str) -> None:
    """Set `seekstack:model` in a stack file, every other line kept as it is."""
    quoted = "'" + model.replace("'", "''") + "'"
    pattern = re.compile(r"(?m)^(\s*)seekstack:model: .*$")
    file.write_text(pattern.sub(lambda found: f"{found[1]}seekstack:model: {quoted}", _text(file)), encoding="utf-8")


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
