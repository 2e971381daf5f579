"""The entry point: exit codes, error text and JSON, and how little it imports."""

from __future__ import annotations

import argparse
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.cli import main as entry
from infra.errors import ConfigurationError, Location, ResourceError


def run_with(
    monkeypatch: pytest.MonkeyPatch, run: Callable[[argparse.Namespace], int], *, as_json: bool = False
) -> int:
    """`main` around a command that does `run`."""
    parser = argparse.ArgumentParser()
    parser.set_defaults(run=run, json=as_json)
    monkeypatch.setattr(entry, "build_parser", lambda: parser)
    return entry.main([])


def raising(error: BaseException) -> Callable[[argparse.Namespace], int]:
    def run(options: argparse.Namespace) -> int:
        raise error

    return run


WRONG_KEY = ConfigurationError(
    "model: '7C' is not in the catalogue",
    code="SKS0201",
    key="model",
    location=Location("Pulumi.dev.yaml", 4),
    value="7C",
    allowed="7B",
    fix="did you mean 7B?",
)


def test_returns_what_the_command_returns(monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_with(monkeypatch, lambda options: 7) == 7


def test_an_error_goes_to_stderr_with_its_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(monkeypatch, raising(WRONG_KEY)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("SKS0201 Pulumi.dev.yaml:4: model: '7C' is not in the catalogue\n    allowed: 7B\n")


def test_an_error_with_json_is_one_document_on_stdout(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(monkeypatch, raising(WRONG_KEY), as_json=True) == 2
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["error"] == WRONG_KEY.to_json()


def test_a_refusal_of_the_cloud_has_its_own_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(monkeypatch, raising(ResourceError("no", code="SKS0999"))) == 4


def test_ctrl_c_is_exit_code_8(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_with(monkeypatch, raising(KeyboardInterrupt())) == 8
    assert capsys.readouterr().err == "cancelled\n"


def test_an_unforeseen_error_says_that_it_is_a_bug_and_shows_where(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(monkeypatch, raising(ZeroDivisionError("by zero"))) == 255
    err = capsys.readouterr().err
    assert err.startswith("this is a bug in seekstack, please report it: ZeroDivisionError: by zero\n")
    assert "Traceback" in err


def test_nothing_more_is_written_to_a_pipe_that_broke(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        assert run_with(monkeypatch, raising(BrokenPipeError())) == 1
        stream.write("late")
    assert (tmp_path / "out").read_text() == ""


def run_command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "infra.cli.main", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_a_reader_that_leaves_early_sees_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        finished = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", "instances", "--json"],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
        )
    finally:
        os.close(writer)
    assert (finished.returncode, finished.stderr) == (1, b"")


@pytest.mark.parametrize(
    "arguments",
    [
        ("plan", "--model", "7B", "--json"),
        ("plan", "--model", "7B"),
        ("plan", "--model", "7X", "--json"),
        ("instances", "--json"),
        ("gpus",),
        ("--version",),
    ],
)
def test_a_full_disk_behind_stdout_is_told_in_one_line(arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        finished = subprocess.run(
            [sys.executable, "-m", "infra.cli.main", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    first, *fix = finished.stderr.splitlines()
    assert (finished.returncode, first) == (1, "SKS0001 writing the output: No space left on device")
    assert [line.split()[0] for line in fix] == ["fix:"]


def test_version_is_that_of_the_package() -> None:
    finished = run_command("--version")
    assert finished.returncode == 0
    assert finished.stdout.startswith("seekstack ")


def test_version_without_an_installed_package_still_answers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import importlib.metadata

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(SystemExit) as caught:
        entry.main(["--version"])
    assert caught.value.code == 0
    assert capsys.readouterr().out == "seekstack (not installed)\n"


def test_no_command_is_a_configuration_error_with_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        entry.main([])
    assert caught.value.code == 2
    assert "usage: seekstack" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["plan", "models", "gpus", "instances", "check", "render", "sandbox", "demo"])
def test_every_command_has_help_with_a_description(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        entry.main([command, "--help"])
    assert caught.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 4


HEAVY = ("pulumi", "pulumi_aws", "pulumi_kubernetes", "boto3", "botocore", "moto", "yaml", "jinja2", "rich", "grpc")


@pytest.mark.parametrize(
    ("statement", "allowed"),
    [
        ("from infra.cli.main import build_parser; build_parser()", ()),
        ("from infra.cli.main import main; main(['plan', '--model', '7B', '--json'])", ("yaml",)),
        ("from infra.cli.main import main; main(['plan', '--model', '7B'])", ("yaml", "rich")),
    ],
)
def test_imports_only_what_the_command_needs(statement: str, allowed: tuple[str, ...]) -> None:
    program = f"import sys; {statement}; sys.stderr.write(' '.join(n for n in {HEAVY} if n in sys.modules))"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(finished.stderr.split()) <= set(allowed)


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/full/file"), "make room"),
        (OSError(errno.ENOSPC, "No space left on device"), "make room"),
        (PermissionError(errno.EACCES, "Permission denied", "/theirs"), "take the rights"),
        (OSError(errno.EROFS, "Read-only file system", "/cd"), "read-only"),
        (FileExistsError(errno.EEXIST, "File exists", "/file"), "move it away"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/file/x"), "no folder"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/gone"), "make it"),
    ],
)
def test_what_the_system_refuses_is_told_with_its_own_fix_and_no_traceback(
    error: OSError, advice: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run_with(monkeypatch, raising(error))
    text = capsys.readouterr().err
    assert code == 1
    assert text.startswith(f"SKS0001 {error.filename}: " if error.filename else "SKS0001 ")
    assert str(error.strerror) in text
    assert advice in text
    assert "Traceback" not in text


@pytest.mark.parametrize("error", [ConnectionRefusedError(errno.ECONNREFUSED, "refused"), OSError("no answer")])
def test_a_broken_connection_is_not_blamed_on_the_disk(
    error: OSError, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_with(monkeypatch, raising(error)) == 255
    text = capsys.readouterr().err
    assert "SKS0001" not in text
    assert "Traceback" in text
