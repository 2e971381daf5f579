"""Which engine is taken, and why one is not."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from infra.errors import ToolError
from sandbox import engine as engines
from sandbox.engine import FLOOR, FLOORS, PULUMI, ensure_engine, find_engine
from tests.unit.sandbox.support_tools import Machine

FAKE_SDK = """
import pathlib
class PulumiCommand:
    @staticmethod
    def install(root, version):
        {body}
"""
GOOD_INSTALL = (
    "bin = pathlib.Path(root, 'bin'); file = bin / 'pulumi'; "
    "file.write_text('#!/bin/sh\\necho v' + version + '\\n'); file.chmod(0o755)"
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine.prepare(tmp_path, monkeypatch)


def ensured(machine: Machine, **options: str) -> engines.Engine:
    return ensure_engine(machine.lines.append, path_override=options.get("path_override"))


def refusal(machine: Machine, **options: str) -> ToolError:
    with pytest.raises(ToolError) as refused:
        ensured(machine, **options)
    return refused.value


@pytest.mark.parametrize(("answer", "version"), [("v3.259.0", "3.259.0"), ("3.300.1", "3.300.1")])
def test_takes_the_engine_on_path_and_says_so(machine: Machine, answer: str, version: str) -> None:
    path = machine.pulumi(answer)
    assert ensured(machine) == engines.Engine(path, version, "PATH")
    assert machine.lines == []


def test_takes_the_very_floor(machine: Machine) -> None:
    machine.pulumi(f"v{FLOOR.version}")
    assert ensured(machine).version == FLOOR.version


def test_floors_ascend_and_the_last_is_the_one_that_counts() -> None:
    numbers = [tuple(map(int, floor.version.split("."))) for floor in FLOORS]
    assert numbers == sorted(numbers)
    assert FLOORS[-1] == FLOOR


def test_refuses_an_old_engine_on_path_with_the_floor_the_reason_and_the_way_out(machine: Machine) -> None:
    machine.pulumi("v3.255.9")
    machine.go()
    error = refusal(machine)
    assert error.code == "SKS0703"
    assert "too old: 3.256.0: state on third-party S3" in error.message
    assert "3.224.0" not in error.message
    assert error.allowed == "pulumi 3.256.0 or newer, below 4"
    assert "SEEKSTACK_ENGINE=own" in str(error.fix)
    assert machine.go_runs == 0


def test_an_even_older_engine_lacks_more(machine: Machine) -> None:
    machine.pulumi("v3.100.0")
    assert all(f"{floor.version}: {floor.reason}" in refusal(machine).message for floor in FLOORS)


def test_refuses_an_engine_of_another_major_version(machine: Machine) -> None:
    machine.pulumi("v4.0.0")
    assert "too new" in refusal(machine).message


@pytest.mark.parametrize("answer", ["", "hello"])
def test_refuses_a_program_that_does_not_say_its_version(machine: Machine, answer: str) -> None:
    machine.pulumi(answer)
    assert refusal(machine).code == "SKS0702"


def test_refuses_a_program_that_cannot_be_run(machine: Machine) -> None:
    machine.script("pulumi", "#!/no/such/interpreter\n")
    assert refusal(machine).code == "SKS0702"


@pytest.mark.parametrize("place", ["engine/pulumi", "engine/bin/pulumi"])
def test_a_named_engine_wins_over_path(machine: Machine, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    machine.pulumi("v3.259.0")
    named = machine.pulumi("v3.260.0", machine.root / place)
    monkeypatch.setenv("SEEKSTACK_ENGINE", str(machine.root / "engine"))
    assert ensured(machine) == engines.Engine(named, "3.260.0", "named by SEEKSTACK_ENGINE")


def test_the_option_wins_over_the_variable(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    named = machine.pulumi("v3.260.0", machine.root / "other")
    monkeypatch.setenv("SEEKSTACK_ENGINE", "/no/such/file")
    assert ensured(machine, path_override=str(named)).origin == "named by --engine"


def test_refuses_an_old_engine_that_was_named_even_with_a_good_one_on_path(machine: Machine) -> None:
    machine.pulumi("v3.259.0")
    old = machine.pulumi("v3.1.0", machine.root / "old")
    error = refusal(machine, path_override=str(old))
    assert error.code == "SKS0703"
    assert "name another engine" in str(error.fix)


@pytest.mark.parametrize(("text", "message"), [(None, "does not exist"), ("no program", "is no program")])
def test_refuses_a_name_that_is_no_engine(machine: Machine, text: str | None, message: str) -> None:
    file = machine.root / "thing"
    if text:
        file.write_text(text)
    error = refusal(machine, path_override=str(file))
    assert (error.code, message in error.message) == ("SKS0701", True)


def test_builds_one_where_there_is_none_and_uses_it_again(machine: Machine) -> None:
    machine.go()
    built = ensured(machine)
    assert (built.version, built.origin) == (PULUMI.version, "built with go 1.26.0")
    assert built.path.is_relative_to(machine.cache)
    assert any("SEEKSTACK_OFFLINE is set; building it from source instead" in line for line in machine.lines)
    assert ensured(machine) == built
    assert machine.go_runs == 1


def test_own_passes_over_the_engine_on_path(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.pulumi("v3.1.0")
    machine.go()
    monkeypatch.setenv("SEEKSTACK_ENGINE", "own")
    assert ensured(machine).path.is_relative_to(machine.cache)


def test_the_launcher_of_a_sandbox_is_not_taken_for_an_engine_of_the_user(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    launchers = machine.root / "home" / "bin"
    machine.pulumi("v3.1.0", launchers / "pulumi")
    monkeypatch.setenv("PATH", f"{launchers}:{machine.bin}")
    assert find_engine() is None


def test_a_link_to_our_own_build_counts_as_the_cache(machine: Machine) -> None:
    machine.go()
    built = ensured(machine)
    (machine.bin / "pulumi").symlink_to(built.path)
    assert ensured(machine) == built


def test_finding_makes_nothing(machine: Machine) -> None:
    machine.go()
    assert find_engine() is None
    assert machine.go_runs == 0


def test_a_vendor_that_does_not_answer_is_named_and_the_build_is_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(engines, "INSTALLER_URL", f"http://127.0.0.1:{closed.getsockname()[1]}/install.sh")
        monkeypatch.delenv("SEEKSTACK_OFFLINE")
        assert ensured(machine).origin == "built with go 1.26.0"
    assert "does not answer" in machine.lines[0]


def with_vendor(machine: Machine, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """A reachable vendor whose installer does `body`."""
    sdk = machine.root / "sdk"
    (sdk / "pulumi").mkdir(parents=True)
    (sdk / "pulumi" / "__init__.py").touch()
    (sdk / "pulumi" / "automation.py").write_text(FAKE_SDK.format(body=body))
    (sdk / "semver.py").write_text("class VersionInfo:\n    parse = staticmethod(str)\n")
    monkeypatch.setenv("PYTHONPATH", str(sdk))
    monkeypatch.setattr(engines, "_vendor_unreachable", lambda: None)


def test_the_vendors_installer_is_used_before_a_build(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.go()
    with_vendor(machine, monkeypatch, GOOD_INSTALL)
    assert (ensured(machine).origin, machine.go_runs) == ("the vendor's installer", 0)


def test_an_installer_that_fails_is_quoted_and_the_build_is_next(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.go()
    with_vendor(machine, monkeypatch, "raise SystemExit('the mirror is down')")
    assert ensured(machine).origin == "built with go 1.26.0"
    assert any("failed: the mirror is down; building it from source instead" in line for line in machine.lines)


def test_an_installer_that_hangs_is_ended(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.go()
    monkeypatch.setattr(engines, "INSTALL_SECONDS", 0.2)
    with_vendor(machine, monkeypatch, "import time; time.sleep(60)")
    assert ensured(machine).origin == "built with go 1.26.0"
    assert any("not done after 0 s" in line for line in machine.lines)


def test_the_committed_module_builds_the_version_that_is_stamped() -> None:
    module = (PULUMI.module / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{PULUMI.version}" in module
    assert f"github.com/pulumi/pulumi/sdk/v3 v{PULUMI.version}" in module
    assert PULUMI.ldflags.endswith(f"version.Version={PULUMI.version}")
