"""`seekstack sandbox`: what goes to stdout for the shell, and what to stderr for the person."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.cli.main import main
from infra.errors import ToolError
from sandbox import lifecycle
from sandbox.engine import Engine
from sandbox.paths import SandboxHome
from sandbox.tool_cache import Progress


@pytest.fixture(autouse=True)
def quiet_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No engine, no cache, and the handler of SIGTERM as it was."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SEEKSTACK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEEKSTACK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AWS_PROFILE", "production")
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, bool, str | None]]:
    """What was asked to be brought up, instead of bringing it up."""
    calls: list[tuple[Path, bool, str | None]] = []

    def bring_up(home: SandboxHome, progress: Progress, *, kubernetes: bool, engine_path: str | None) -> Engine:
        calls.append((home.root, kubernetes, engine_path))
        progress("working")
        return Engine(Path("pulumi"), "3.259.0", "PATH")

    monkeypatch.setattr(lifecycle, "bring_up", bring_up)
    return calls


def test_env_prints_only_lines_for_the_shell(
    asked: list[object], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["sandbox", "env"]) == 0
    out, err = capsys.readouterr()
    assert all(line.startswith(("export ", "unset ")) for line in out.splitlines())
    assert f"export SEEKSTACK_HOME={tmp_path / 'home'}" in out
    assert err == "sandbox: working\n"


def test_env_for_fish(asked: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "env", "--fish"]) == 0
    assert all(line.startswith(("set -gx ", "set -e ")) for line in capsys.readouterr().out.splitlines())


def test_env_as_json_replaces_the_profile(asked: list[object], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "env", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["AWS_PROFILE"] == "default"


def test_up_passes_on_what_was_asked_for(asked: list[tuple[Path, bool, str | None]], tmp_path: Path) -> None:
    assert main(["sandbox", "up", "--kubernetes", "--engine", "own", "--home", str(tmp_path / "other")]) == 0
    assert asked == [(tmp_path / "other", True, "own")]


def test_status_of_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "status"]) == 0
    out = capsys.readouterr().out
    assert "not made yet" in out
    assert out.count("stopped") == 2


def test_status_as_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["sandbox", "status", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["home"], found["fake_aws"]) == (str(tmp_path / "home"), None)


@pytest.mark.parametrize(("flags", "said"), [([], "stopped"), (["--purge"], "stopped and removed")])
def test_down_where_nothing_runs(capsys: pytest.CaptureFixture[str], flags: list[str], said: str) -> None:
    assert main(["sandbox", "down", *flags]) == 0
    assert capsys.readouterr().err == f"sandbox: {said}\n"


def test_down_warns_of_stacks_whose_resources_are_gone(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stacks = tmp_path / "home" / "state" / ".pulumi" / "stacks" / "seekstack"
    stacks.mkdir(parents=True)
    (stacks / "dev.json").touch()
    monkeypatch.setattr(lifecycle.fake_aws, "endpoint", lambda _: "http://127.0.0.1:1")
    assert main(["sandbox", "down"]) == 0
    assert "`pulumi refresh` tells seekstack/dev" in capsys.readouterr().err


def test_prune_says_what_it_freed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "prune"]) == 0
    assert "freed 0 MB" in capsys.readouterr().err


def test_a_polite_kill_ends_like_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object, **__: object) -> None:
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(lifecycle, "bring_up", killed)
    with pytest.raises(SystemExit) as ended:
        main(["sandbox", "up"])
    assert ended.value.code == 143


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    def bring_up(*_: object, **__: object) -> None:
        raise ToolError("no engine", code="SKS0701")

    monkeypatch.setattr(lifecycle, "bring_up", bring_up)


REAL = {"PULUMI_STACK": "prod", "PULUMI_BACKEND_URL": "s3://real", "AWS_PROFILE": "production"}
DEAD = "file:///dev/null/the-sandbox-did-not-come-up"


@pytest.mark.parametrize(
    "words",
    [
        "sandbox env",
        "sandbox env --wrong",
        "sandbox env --home",
        "sandbox --x env",
        "sandbox envv",
        "--nope sandbox env",
    ],
)
def test_a_failed_env_leaves_the_shell_with_nothing_real_in_reach(
    failing: None, capsys: pytest.CaptureFixture[str], words: str
) -> None:
    with contextlib.suppress(SystemExit):
        assert main(words.split()) == 1
    shell = capsys.readouterr().out
    done = subprocess.run(
        ["/bin/sh", "-c", f'eval "$1"; echo $?; {sys.executable} -c "{PRINT}"', "sh", shell],
        env={**REAL, "AWS_ENDPOINT_URL_EC2": "https://real"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    status, backend, profile, endpoint = done.stdout.splitlines()
    assert (status, backend, profile, endpoint) == ("1", DEAD, "default", "http://127.0.0.1:9")


PRINT = (
    "import os; print(*(os.environ[n] for n in ('PULUMI_BACKEND_URL','AWS_PROFILE','AWS_ENDPOINT_URL')), sep=chr(10))"
)


def test_a_failed_env_for_fish_fails_in_its_own_way(failing: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "env", "--fish"]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert f"set -gx PULUMI_BACKEND_URL '{DEAD}'" in lines
    assert last == "false"


def test_a_failed_env_as_json_is_the_error_alone(failing: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sandbox", "env", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "SKS0701"


@pytest.mark.parametrize(
    "arguments", [["plan", "--wrong"], ["sandbox", "env", "--json", "--wrong"], ["sandbox", "env", "--help"]]
)
def test_what_is_not_meant_for_a_shell_gets_no_lines_for_one(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert "PULUMI_BACKEND_URL" not in capsys.readouterr().out
