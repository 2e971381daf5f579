"""A sandbox as a whole, without starting anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.launchers import write_launchers
from sandbox.lifecycle import prune, status, take_down
from sandbox.paths import SandboxHome
from tests.unit.sandbox.support_tools import Machine


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine.prepare(tmp_path, monkeypatch)


@pytest.fixture
def home(machine: Machine) -> SandboxHome:
    return SandboxHome(machine.root / "home")


def test_an_empty_home_has_nothing_and_gets_nothing(home: SandboxHome) -> None:
    found = status(home)
    assert (found.engine, found.fake_aws, found.stacks) == (None, None, [])
    assert set(found.plugins.values()) == {"not there"}
    assert not any(found.kubernetes.values())
    assert not home.root.exists()


def test_tells_engine_plugins_and_stacks(machine: Machine, home: SandboxHome) -> None:
    path = machine.pulumi("v3.259.0")
    official = machine.script("pulumi-resource-aws", "#!/bin/sh\n")
    write_launchers(home, Engine(path, "3.259.0", "PATH"))
    (home.state / ".pulumi/stacks/seekstack").mkdir(parents=True)
    (home.state / ".pulumi/stacks/seekstack/dev.json").touch()
    found = status(home).to_json()
    assert (found["engine"], found["engine_version"], found["stacks"]) == (str(path), "3.259.0", ["seekstack/dev"])
    assert found["plugins"] == {
        "pulumi-language-python": "bundled",
        "pulumi-resource-aws": str(official),
        "pulumi-resource-kubernetes": "bundled",
    }


def test_a_plugin_of_the_user_is_told_with_its_place(machine: Machine, home: SandboxHome) -> None:
    from sandbox.launchers import PLUGINS

    official = machine.script(
        machine.root / "user/.pulumi/plugins" / PLUGINS[1].folder / PLUGINS[1].program, "#!/bin/sh\n"
    )
    write_launchers(home, Engine(machine.pulumi("v3.259.0"), "3.259.0", "PATH"))
    assert status(home).plugins["pulumi-resource-aws"] == str(official.parent.resolve())


def test_an_engine_that_is_refused_counts_as_none(machine: Machine, home: SandboxHome) -> None:
    machine.pulumi("v3.1.0")
    assert status(home).engine is None


def test_down_keeps_the_stacks(machine: Machine, home: SandboxHome) -> None:
    write_launchers(home, Engine(machine.pulumi("v3.259.0"), "3.259.0", "PATH"))
    assert take_down(home) is False
    assert home.state.is_dir()


def test_purge_removes_what_the_sandbox_wrote_and_nothing_else(machine: Machine, home: SandboxHome) -> None:
    write_launchers(home, Engine(machine.pulumi("v3.259.0"), "3.259.0", "PATH"))
    (home.root / "mine.txt").touch()
    take_down(home, purge=True)
    assert [path.name for path in home.root.iterdir()] == ["mine.txt"]


def test_purge_removes_the_home_where_nothing_else_is_in_it(machine: Machine, home: SandboxHome) -> None:
    write_launchers(home, Engine(machine.pulumi("v3.259.0"), "3.259.0", "PATH"))
    take_down(home, purge=True)
    assert not home.root.exists()


def test_there_is_nothing_to_prune_in_an_empty_cache(machine: Machine) -> None:
    assert prune() == 0
