"""What a sandbox's engine finds, and that the vendor's plugins come first."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.launchers import BUNDLED, PLUGINS, Plugin, write_launchers
from sandbox.paths import SandboxHome
from tests.unit.sandbox.support_tools import Machine

HOST, AWS, KUBERNETES = PLUGINS


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine.prepare(tmp_path, monkeypatch)


@pytest.fixture
def home(tmp_path: Path) -> SandboxHome:
    return SandboxHome(tmp_path / "a home")


@pytest.fixture
def engine(machine: Machine) -> Engine:
    return Engine(machine.pulumi("v3.259.0", machine.root / "engine" / "pulumi"), "3.259.0", "built")


def place(home: SandboxHome, plugin: Plugin) -> Path:
    return home.pulumi_home / "plugins" / plugin.folder


def test_bundled_plugins_stand_where_installed_ones_would(home: SandboxHome, engine: Engine) -> None:
    assert write_launchers(home, engine) == {plugin.program: BUNDLED for plugin in PLUGINS}
    for plugin in PLUGINS:
        launcher = place(home, plugin) / plugin.program
        assert os.access(launcher, os.X_OK)
        assert f"-m {plugin.module} " in launcher.read_text()


def test_the_version_is_the_one_that_the_sdk_asks_for() -> None:
    import pulumi_aws

    assert AWS.folder == f"resource-aws-v{pulumi_aws._utilities.get_version()}"


def test_the_engine_is_linked(home: SandboxHome, engine: Engine) -> None:
    write_launchers(home, engine)
    assert (home.bin / "pulumi").resolve() == engine.path.resolve()


def test_an_engine_on_path_is_left_where_it_is(home: SandboxHome, engine: Engine) -> None:
    write_launchers(home, engine)
    write_launchers(home, Engine(engine.path, engine.version, "PATH"))
    assert list(home.bin.iterdir()) == []


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_plugin_on_path_wins_and_ours_goes(
    machine: Machine, home: SandboxHome, engine: Engine, plugin: Plugin
) -> None:
    write_launchers(home, engine)
    official = machine.script(plugin.program, "#!/bin/sh\n")
    assert write_launchers(home, engine)[plugin.program] == str(official)
    assert not place(home, plugin).exists()


def test_a_language_host_beside_the_engine_wins(machine: Machine, home: SandboxHome, engine: Engine) -> None:
    official = machine.script(engine.path.with_name(HOST.program), "#!/bin/sh\n")
    assert write_launchers(home, engine)[HOST.program] == str(official)


@pytest.mark.parametrize("configured", [True, False])
def test_a_plugin_of_the_user_is_linked(
    machine: Machine, home: SandboxHome, engine: Engine, monkeypatch: pytest.MonkeyPatch, *, configured: bool
) -> None:
    pulumi_home = machine.root / ("elsewhere" if configured else "user/.pulumi")
    if configured:
        monkeypatch.setenv("PULUMI_HOME", str(pulumi_home))
    official = machine.script(pulumi_home / "plugins" / AWS.folder / AWS.program, "#!/bin/sh\n")
    write_launchers(home, engine)
    assert place(home, AWS).resolve() == official.parent.resolve()
    assert not place(home, KUBERNETES).is_symlink()


def test_a_plugin_of_another_version_or_half_installed_is_not(
    machine: Machine, home: SandboxHome, engine: Engine
) -> None:
    plugins = machine.root / "user/.pulumi/plugins"
    machine.script(plugins / "resource-aws-v1.0.0" / AWS.program, "#!/bin/sh\n")
    machine.script(plugins / KUBERNETES.folder / KUBERNETES.program, "#!/bin/sh\n")
    (plugins / f"{KUBERNETES.folder}.partial").touch()
    assert set(write_launchers(home, engine).values()) == {BUNDLED}


def test_in_a_shell_of_the_sandbox_the_users_own_plugins_are_still_found(
    machine: Machine, home: SandboxHome, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.script(machine.root / "user/.pulumi/plugins" / AWS.folder / AWS.program, "#!/bin/sh\n")
    monkeypatch.setenv("PULUMI_HOME", str(home.pulumi_home))
    assert write_launchers(home, engine)[AWS.program] != BUNDLED


def test_a_plugin_that_the_user_removed_is_replaced_by_ours(
    machine: Machine, home: SandboxHome, engine: Engine
) -> None:
    official = machine.script(machine.root / "user/.pulumi/plugins" / AWS.folder / AWS.program, "#!/bin/sh\n")
    write_launchers(home, engine)
    official.unlink()
    assert write_launchers(home, engine)[AWS.program] == BUNDLED
    assert (place(home, AWS) / AWS.program).is_file()
    assert not official.exists()


def test_a_second_time_changes_nothing_under_a_running_engine(home: SandboxHome, engine: Engine) -> None:
    write_launchers(home, engine)
    launcher = place(home, HOST) / HOST.program
    before = launcher.stat()
    write_launchers(home, engine)
    assert launcher.stat() == before
