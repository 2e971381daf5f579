"""Manifests of each model variant as files to review; `SEEKSTACK_UPDATE_GOLDEN=1 pytest tests/golden` rewrites them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from infra.serving import render_checked, serving_spec
from tests.serving_factories import VARIANTS, make_variant

FOLDER = Path(__file__).parent / "kubernetes"


@pytest.mark.parametrize("model", VARIANTS)
def test_renders_what_was_reviewed(model: str) -> None:
    files = render_checked(serving_spec(*make_variant(model))).files
    text = "---\n".join(f"# {file.name}\n{file.text}" for file in files)
    golden = FOLDER / f"{model}.yaml"
    if os.environ.get("SEEKSTACK_UPDATE_GOLDEN") == "1":
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8", newline="\n")
    assert golden.read_text(encoding="utf-8") == text


def test_holds_a_file_for_each_variant_and_no_other() -> None:
    assert {path.stem for path in FOLDER.glob("*.yaml")} == set(VARIANTS)
