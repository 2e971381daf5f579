"""A project folder for the demo: the repository's program and stack files, with a model of its own.

The demo must not edit the files a person edits (creating a stack writes a salt into its file, choosing a model a line),
so it runs the same program from a folder of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import yaml

from infra.errors import ToolError

__all__ = ["choose_model", "write_project"]

MODEL_KEYS = ("seekstack:model", "model", "seekstack:config:model")
"""The engine's three spellings of one key."""


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
    """Set the model in a stack file, however its line is written, and keep everything else as it is.

    Raises ToolError where it cannot: a demo of another model than was asked for must not run.
    """
    text = _text(file)
    found = _model_value(text)
    quoted = "'" + model.replace("'", "''") + "'"
    changed = text if found is None else f"{text[: found[0]]}{quoted}{text[found[1] :]}"
    if _models(changed) != [model]:
        raise ToolError(
            f"{file.name}: the model cannot be set to {model!r}",
            code="SKS0795",
            key="seekstack:model",
            value=model,
            allowed="one line below config: seekstack:model: NAME",
            fix=f"write the model of {file.name} on a line of its own, without anchor, alias or merge",
        )
    file.write_text(changed, encoding="utf-8")


def _model_value(text: str) -> tuple[int, int] | None:
    """From where to where the model's value stands in `text`; None where it is not written out below `config`."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for config in _values(root, ("config",)):
        for value in _values(config, MODEL_KEYS):
            if isinstance(value, yaml.ScalarNode):
                start, end = value.start_mark.index, value.end_mark.index
                return start, start + len(text[start:end].rstrip())  # a block's end is the next line's start
    return None


def _values(node: yaml.Node | None, keys: Collection[str]) -> Iterator[yaml.Node]:
    """What stands right behind one of `keys`: an alias (`*name`) stands elsewhere."""
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        if key.value in keys and value.start_mark.index >= key.end_mark.index:
            yield value


def _models(text: str) -> list[object]:
    """Every model that the file names; one, where it is right."""
    try:
        config = (yaml.safe_load(text) or {}).get("config") or {}
    except yaml.YAMLError:
        return []
    return [value for key, value in config.items() if key in MODEL_KEYS]


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8") if file.is_file() else ""
