"""Files of a GPU machine to review; `SEEKSTACK_UPDATE_GOLDEN=1 pytest tests/golden` rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from node.render import SCRIPT_FOLDER
from node.user_data import render_checked
from tests.node_factories import VARIANTS

FOLDER = Path(__file__).parent / "node"


@pytest.mark.parametrize("variant", VARIANTS)
def test_renders_what_was_reviewed(variant: str) -> None:
    """All but the scripts, which are the same on every machine and reviewed where they lie."""
    files = [file for file in render_checked(VARIANTS[variant]) if not file.path.startswith(SCRIPT_FOLDER)]
    text = "\n".join(f"==> {file.path} {file.permissions}\n{file.text}" for file in files)
    golden = FOLDER / f"{variant}.txt"
    if os.environ.get("SEEKSTACK_UPDATE_GOLDEN") == "1":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert golden.read_text(encoding="utf-8") == text


def test_holds_a_file_for_each_variant_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(VARIANTS)
