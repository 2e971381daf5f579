"""A sandbox writes and removes only in a folder of its own."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from infra.errors import ToolError
from sandbox.home_folder import MARKER, adopt, is_sandbox, of_a_sandbox
from sandbox.lifecycle import take_down
from sandbox.paths import SandboxHome


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "home"
    adopt(SandboxHome(root))
    assert stat.S_IMODE(root.stat().st_mode) == 0o700
    assert is_sandbox(root)
    adopt(SandboxHome(root))  # a second time


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    adopt(SandboxHome(tmp_path))
    assert (tmp_path / MARKER).is_file()


def test_a_folder_of_an_older_sandbox_is_taken(tmp_path: Path) -> None:
    (tmp_path / "aws-config").touch()
    (tmp_path / "pulumi-home").mkdir()
    adopt(SandboxHome(tmp_path))


def test_a_folder_with_other_files_is_refused_and_stays(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").write_text("precious")
    with pytest.raises(ToolError, match="not made by a sandbox") as caught:
        adopt(SandboxHome(tmp_path))
    assert caught.value.code == "SKS0740"
    with pytest.raises(ToolError, match="nothing is removed"):
        take_down(SandboxHome(tmp_path), purge=True)
    assert (tmp_path / "bin" / "tool").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_root_and_the_users_own_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for root in (Path("/"), tmp_path):
        with pytest.raises(ToolError, match="not a sandbox's own"):
            adopt(SandboxHome(root))


@pytest.mark.parametrize("name", ["a:b", "a\nb"])
def test_a_path_that_path_and_urls_cannot_hold_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ToolError, match="colon or a line end"):
        adopt(SandboxHome(tmp_path / name))
    assert not (tmp_path / name).exists()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ToolError, match="no folder"):
        adopt(SandboxHome(tmp_path / "file"))


def test_a_folder_below_a_sandbox_belongs_to_it(tmp_path: Path) -> None:
    adopt(SandboxHome(tmp_path / "home"))
    assert of_a_sandbox(tmp_path / "home" / "pulumi-home")
    assert not of_a_sandbox(tmp_path / "elsewhere")


def test_purge_takes_a_kept_demo_with_it(tmp_path: Path) -> None:
    home = SandboxHome(tmp_path / "home")
    adopt(home)
    adopt(home.demo)
    home.demo.state.mkdir()
    take_down(home, purge=True)
    assert not home.root.exists()
