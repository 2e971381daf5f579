"""What the bundled language host decides, and what it answers the engine."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import struct_pb2
from pulumi.runtime.proto import language_pb2

from sandbox.language_host import LanguageHost, OptionError, _program_environment, interpreter, outcome
from sandbox.paths import PROJECT_ROOT


def virtual_environment(root: Path, name: str) -> Path:
    python = root / name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    return python


def program_info(root: Path, **options: Any) -> language_pb2.ProgramInfo:
    struct = struct_pb2.Struct()
    struct.update(options)
    return language_pb2.ProgramInfo(
        root_directory=str(root), program_directory=str(root / "infra"), entry_point=".", options=struct
    )


class Context:
    """The part of a gRPC context that the host uses."""

    def __init__(self, *, abandoned: bool = False) -> None:
        self.abandoned = abandoned
        self.aborted = ""

    def add_callback(self, callback: Any) -> bool:
        return not self.abandoned

    def abort(self, code: Any, text: str) -> None:
        self.aborted = text


def test_without_options_the_program_runs_in_our_interpreter(tmp_path: Path) -> None:
    assert interpreter(tmp_path, {}) == sys.executable


@pytest.mark.parametrize(
    ("options", "folder"),
    [
        ({"virtualenv": "venv"}, "venv"),
        ({"virtualenv": "../shared"}, "../shared"),
        ({"toolchain": "pip", "virtualenv": "venv"}, "venv"),
        ({"toolchain": "uv"}, ".venv"),
        ({"toolchain": "uv", "virtualenv": "other"}, "other"),
    ],
)
def test_the_projects_virtual_environment_is_relative_to_pulumi_yaml(
    tmp_path: Path, options: dict[str, str], folder: str
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    python = virtual_environment(root, folder)
    assert interpreter(root, options) == str(python)


def test_a_missing_virtual_environment_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"`virtualenv: venv` .*venv/bin/python does not exist; .*python3 -m venv"):
        interpreter(tmp_path, {"virtualenv": "venv"})


@pytest.mark.parametrize("option", ["toolchain", "typechecker"])
def test_an_option_it_cannot_follow_is_refused_and_not_passed_over(tmp_path: Path, option: str) -> None:
    with pytest.raises(OptionError, match=f"`{option}: other` .* needs the vendor's pulumi-language-python"):
        interpreter(tmp_path, {option: "other"})


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (0, ("", False)),
        (32, ("", True)),
        (3, ("Program exited with non-zero exit code: 3", False)),
        (-9, ("Program was killed by SIGKILL", False)),
    ],
)
def test_exit_statuses_mean_what_they_mean_to_the_vendors_host(status: int, expected: tuple[str, bool]) -> None:
    assert outcome(status) == expected


def test_a_job_carries_what_the_program_may_ask_for(tmp_path: Path) -> None:
    host = LanguageHost("127.0.0.1:1")
    host.Handshake(language_pb2.LanguageHandshakeRequest(engine_address="127.0.0.1:2"), Context())
    request = language_pb2.RunRequest(
        project="p", stack="s", pwd=str(tmp_path), dryRun=True, parallel=4, monitor_address="127.0.0.1:3",
        config={"p:key": "value"}, configSecretKeys=["p:key"], args=["--flag"], info=program_info(tmp_path),
    )  # fmt: skip
    job = host._job(request)
    assert job["program"] == str(tmp_path / "infra")
    assert (job["config"], job["secret_keys"], job["arguments"]) == ({"p:key": "value"}, ["p:key"], ["--flag"])
    assert job["settings"] == {
        "project": "p", "stack": "s", "organization": "organization", "root_directory": str(tmp_path),
        "parallel": 4, "dry_run": True, "monitor": "127.0.0.1:3", "engine": "127.0.0.1:2",
    }  # fmt: skip


def test_a_wrong_option_is_the_error_of_the_run(tmp_path: Path) -> None:
    request = language_pb2.RunRequest(pwd=str(tmp_path), info=program_info(tmp_path, virtualenv="gone"))
    assert "does not exist" in LanguageHost("").Run(request, Context()).error


def test_a_run_that_the_engine_abandoned_is_ended_at_once(tmp_path: Path) -> None:
    request = language_pb2.RunRequest(pwd=str(tmp_path), info=program_info(tmp_path))
    assert LanguageHost("").Run(request, Context(abandoned=True)).error == "Program was killed by SIGKILL"


def test_about_tells_interpreter_version_and_packages(tmp_path: Path) -> None:
    host = LanguageHost("")
    about = host.About(language_pb2.AboutRequest(info=program_info(tmp_path)), Context())
    found = host.GetProgramDependencies(
        language_pb2.GetProgramDependenciesRequest(info=program_info(tmp_path)), Context()
    )
    assert (about.executable, about.version) == (sys.executable, sys.version.split()[0])
    assert "pulumi" in {package.name for package in found.dependencies}


def test_about_says_why_it_cannot(tmp_path: Path) -> None:
    context = Context()
    with pytest.raises(OptionError):
        LanguageHost("").About(language_pb2.AboutRequest(info=program_info(tmp_path, virtualenv="gone")), context)
    assert "does not exist" in context.aborted


def test_install_says_that_nothing_is_installed(tmp_path: Path) -> None:
    request = language_pb2.InstallDependenciesRequest(info=program_info(tmp_path))
    (line,) = LanguageHost("").InstallDependencies(request, Context())
    assert f"installs nothing; run `uv sync` or pip in {tmp_path / 'infra'}" in line.stdout.decode()


@pytest.mark.parametrize(
    "method", ["GetPluginInfo", "GetRequiredPlugins", "GetRequiredPackages", "RuntimeOptionsPrompts", "Cancel"]
)
def test_has_an_empty_answer_where_there_is_nothing_to_say(method: str) -> None:
    assert getattr(LanguageHost(""), method)(None, Context()).ByteSize() == 0


@pytest.mark.parametrize(
    ("inherited", "passed_on"),
    [(str(PROJECT_ROOT), None), (f"{PROJECT_ROOT}:/theirs", "/theirs"), ("/theirs", "/theirs"), ("", None)],
)
def test_the_program_does_not_inherit_the_way_to_us(
    monkeypatch: pytest.MonkeyPatch, inherited: str, passed_on: str | None
) -> None:
    monkeypatch.setenv("PYTHONPATH", inherited)
    assert _program_environment().get("PYTHONPATH") == passed_on
