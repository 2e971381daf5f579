"""`seekstack render`: the bytes that Pulumi applies, in a folder, from a stack file or from flags."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import pytest

from infra.cli import render
from infra.errors import ConfigurationError, ConfigurationErrors
from infra.serving import render_checked, serving_spec
from tests.serving_factories import ENGINE_IMAGE, RESTART_IMAGE, make_variant

CONFIG = {
    "target": "kubernetes",
    "model": "7B",
    "gpu": "A10G",
    "gpus": "1",
    "image": ENGINE_IMAGE,
    "restartImage": RESTART_IMAGE,
    "restartSchedule": "0 */12 * * *",
    "intranetCidrs": json.dumps(["10.0.0.0/8", "192.168.10.0/24"]),
}
FLAGS = [word for key, value in CONFIG.items() for word in ("--set", f"{key}={value}")]
STACK_FILE = "config:\n" + "".join(f"  seekstack:{key}: {json.dumps(value)}\n" for key, value in CONFIG.items())


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    render.add_parser(parser.add_subparsers())
    arguments = parser.parse_args(["render", *words])
    code: int = arguments.run(arguments)
    return code


def expected() -> dict[str, str]:
    return {file.name: file.text for file in render_checked(serving_spec(*make_variant("7B"))).files}


def written(folder: Path) -> dict[str, str]:
    return {path.name: path.read_bytes().decode() for path in folder.iterdir()}


def test_writes_the_bytes_that_pulumi_applies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*FLAGS, "--out", str(tmp_path / "out")) == 0
    assert written(tmp_path / "out") == expected()
    assert f"kubectl apply -f {tmp_path / 'out'}" in capsys.readouterr().out


def test_renders_a_stack_file_like_the_same_flags(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(STACK_FILE, encoding="utf-8")
    assert run("--cwd", str(tmp_path), "--stack", "prod", "--out", str(tmp_path / "out")) == 0
    assert written(tmp_path / "out") == expected()


def test_puts_flags_above_the_stack_file(tmp_path: Path) -> None:
    (tmp_path / "Pulumi.prod.yaml").write_text(STACK_FILE, encoding="utf-8")
    over = ("--set", "seekstack:namespace=other")
    run("--cwd", str(tmp_path), "--stack", "prod", *over, "--out", str(tmp_path / "out"))
    assert 'name: "other"' in written(tmp_path / "out")["00-namespace.yaml"]


def test_streams_to_stdout_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*FLAGS) == 0
    assert capsys.readouterr().out == "---\n".join(expected().values())


def test_removes_files_of_an_earlier_render_and_nothing_else(tmp_path: Path) -> None:
    run(*FLAGS, "--out", str(tmp_path))
    (tmp_path / "kustomization.yaml").write_text("mine", encoding="utf-8")
    assert (tmp_path / "07-restart.yaml").exists()
    run(*FLAGS, "--set", "restartSchedule=", "--out", str(tmp_path))
    assert not (tmp_path / "07-restart.yaml").exists()
    assert (tmp_path / "kustomization.yaml").exists()


def test_reports_every_missing_key_at_once() -> None:
    with pytest.raises(ConfigurationErrors) as refused:
        run("--set", "model=7B", "--set", "target=kubernetes")
    assert {error.key for error in refused.value.errors} >= {"seekstack:gpu", "seekstack:image"}


def test_refuses_the_ec2_target(tmp_path: Path) -> None:
    text = "config:\n  aws:region: us-east-1\n  seekstack:model: 7B\n  seekstack:intranetCidrs: [10.0.0.0/8]\n"
    (tmp_path / "Pulumi.dev.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="it has no manifests") as refused:
        run("--cwd", str(tmp_path), "--stack", "dev")
    assert (refused.value.code, refused.value.exit_code) == ("SKS0503", 2)


@pytest.mark.parametrize("word", ["model", "=7B", ""])
def test_refuses_a_flag_that_is_no_key_and_value(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        run("--set", word)
    assert refused.value.code == 2
    assert "is not KEY=VALUE" in capsys.readouterr().err


def test_imports_no_pulumi() -> None:
    code = (
        "import argparse, sys\nfrom infra.cli import render\n"
        "parser = argparse.ArgumentParser()\nrender.add_parser(parser.add_subparsers())\n"
        "arguments = parser.parse_args(sys.argv[1:])\narguments.run(arguments)\n"
        "sys.exit(3 if any(name.split('.')[0].startswith('pulumi') for name in sys.modules) else 0)"
    )
    root = Path(__file__).resolve().parents[3]
    words = [sys.executable, "-c", code, "render", *FLAGS]
    assert subprocess.run(words, cwd=root, check=False, stdout=subprocess.DEVNULL).returncode == 0
