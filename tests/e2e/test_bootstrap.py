"""`make` on a fresh clone: it sets itself up, whatever its folder is called, and writes nowhere else.

uv and the packages come from what `make setup` left in this checkout and in the cache folder, so that no network is
needed a second time. Where they are missing, they come from the package index, as for a newcomer.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from sandbox.paths import cache_root
from tests.contract.support_files import committed_files
from tests.contract.support_source import ROOT

FRAME = ("Makefile", "pyproject.toml", "uv.lock", "README.md", "LICENSE", "scripts/bootstrap.sh")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What `make` and the build of the package need, in a folder with a space in its name."""
    folder = tmp_path / "a clone"
    packages = [
        name for name in committed_files() if name.startswith(("infra/", "k8s/", "stager/", "sandbox/", "templates/"))
    ]
    for name in (*FRAME, *packages):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    if (ROOT / ".tools").is_dir():
        shutil.copytree(ROOT / ".tools", folder / ".tools")
    return folder


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """`make` in `folder` without uv on PATH, as a person without any configuration."""
    kept = {name: text for name, text in os.environ.items() if "CERT" in name or "PROXY" in name.upper()}
    environment = {
        **kept,
        "HOME": str(folder.parent),
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(cache_root() / "uv"),
        **variables,
    }
    return subprocess.run(
        ["make", *arguments],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_sets_itself_up_and_runs_from_a_folder_with_a_space(clone: Path) -> None:
    first = make(clone, "setup", PYTHON=shutil.which("python3") or "")
    assert first.returncode == 0, first.stdout[-3000:]
    help_text = subprocess.run([clone / ".venv/bin/seekstack", "--help"], capture_output=True, text=True, check=True)
    assert "plan" in help_text.stdout

    again = make(clone, "setup")
    assert "Nothing to be done" in again.stdout

    assert {entry.name for entry in clone.parent.iterdir()} <= {clone.name, ".cache"}
    assert {entry.name for entry in clone.parent.glob(".cache/*")} <= {"seekstack"}


def test_a_checkout_that_cannot_be_written_stays_as_it_is(clone: Path) -> None:
    """Its environment would be made anew, since it lay elsewhere; without rights nothing of it may be removed."""
    (clone / ".venv").mkdir()
    (clone / ".venv/.seekstack-setup").write_text("/somewhere/else")
    home = clone.parent / "home"
    home.mkdir()
    as_nobody = (
        f"mount -t tmpfs tmpfs {shlex.quote(str(home))} && "
        f"mount --bind {shlex.quote(str(clone))} {shlex.quote(str(clone))} && "
        f"mount -o remount,bind,ro {shlex.quote(str(clone))} && "
        f"cd {shlex.quote(str(clone))} && HOME={shlex.quote(str(home))} scripts/bootstrap.sh"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", as_nobody],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "setup: the folder . cannot be written" in done.stderr
    assert len(done.stderr.splitlines()) == 2, done.stderr
    assert (clone / ".venv/.seekstack-setup").exists()


def test_a_python_without_pip_borrows_one_and_writes_nothing_into_the_home(clone: Path, tmp_path: Path) -> None:
    shutil.rmtree(clone / ".tools", ignore_errors=True)
    bare = tmp_path / "bare"
    subprocess.run([shutil.which("python3") or "python3", "-m", "venv", "--without-pip", str(bare)], check=True)
    done = make(clone, "setup", PYTHON=str(bare / "bin/python"))
    assert done.returncode == 0, done.stdout[-3000:]
    assert (clone / ".tools/uv/bin/uv").exists()
    assert not (clone.parent / ".local").exists()


def test_says_which_python_it_needs(clone: Path, tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "make", "dirname", "cat", "rm"):
        (programs / name).symlink_to(shutil.which(name) or name)
    (programs / "python3").write_text("#!/bin/sh\necho Python 3.9.2\nexit 1\n")
    (programs / "python3").chmod(0o755)
    refused = make(clone, "setup", PATH=str(programs))
    assert refused.returncode != 0
    assert "Python 3.11 or newer is needed; python3 here is: Python 3.9.2" in refused.stdout
    assert "fix:" in refused.stdout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("demo",), "seekstack demo"),
        (("demo", "MODEL=7B"), 'seekstack demo --model="$MODEL"'),
        (("demo", "KEEP=1"), "seekstack demo --keep"),
        (("demo", "KEEP=0"), "seekstack demo"),
    ],
)
def test_passes_the_model_and_keep_on(clone: Path, arguments: tuple[str, ...], expected: str) -> None:
    shown = make(clone, "-n", *arguments)
    assert " ".join(shown.stdout.splitlines()[-1].split()) == f".venv/bin/{expected}"


def test_help_lists_every_target(clone: Path) -> None:
    shown = make(clone)
    assert shown.returncode == 0
    assert {line.split()[1] for line in shown.stdout.splitlines()} >= {"demo", "test", "unit", "lint", "setup", "clean"}
