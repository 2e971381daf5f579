"""Literal `pulumi` commands run a Python program, with the vendor's language host or, where it lacks, with ours."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from sandbox.engine import Engine
from sandbox.launchers import BUNDLED, write_launchers
from tests.e2e.support_tiny import TinyProject

PARTS = 'Part("a")\nPart("b")\npulumi.export("size", config.get("size") or "small")'
WAITS = 'Part("a")\nprint("waiting", flush=True)\nimport time\ntime.sleep(600)'
GONE_SECONDS = 90


def frames(output: str) -> list[tuple[str, str]]:
    """File and line of each frame of a traceback in the engine's output."""
    return [(Path(file).name, line) for file, line in re.findall(r'File "([^"]+)", line (\d+)', output)]


def counted(output: str) -> dict[str, int]:
    return {
        what: int(count) for count, what in re.findall(r"[+\-~ ]\s*(\d+) (created|deleted|unchanged|to create)", output)
    }


def test_a_stack_lives_its_whole_life(project: TinyProject) -> None:
    project.write(PARTS)
    assert counted(project.pulumi("preview").stdout) == {"to create": 3}
    up = project.pulumi("up", "--yes")
    assert (up.returncode, counted(up.stdout)["created"]) == (0, 3)
    assert project.pulumi("stack", "output", "size").stdout == "small\n"
    assert project.pulumi("config", "set", "size", "large").returncode == 0
    found = json.loads(project.pulumi("preview", "--json").stdout)
    assert (found["changeSummary"], {step["op"] for step in found["steps"]}) == ({"same": 3}, {"same"})
    assert project.up().returncode == 0
    assert json.loads(project.pulumi("stack", "output", "--json").stdout) == {"size": "large"}
    refreshed = project.pulumi("refresh", "--yes", "--skip-preview")
    assert (refreshed.returncode, counted(refreshed.stdout)) == (0, {"unchanged": 3})
    destroyed = project.pulumi("destroy", "--yes", "--skip-preview")
    assert (destroyed.returncode, counted(destroyed.stdout)) == (0, {"deleted": 3})


def test_no_command_warns_of_the_host(project: TinyProject) -> None:
    project.write(PARTS)
    done = project.pulumi("up", "--yes")
    assert "warning" not in (done.stdout + done.stderr).lower()


def test_the_program_sees_what_it_would_see_with_the_vendors_host(project: TinyProject) -> None:
    project.write(
        "import os, sys, sibling\n"
        'pulumi.export("cwd", os.getcwd())\n'
        'pulumi.export("path", sys.path[0])\n'
        'pulumi.export("name", __name__)\n'
        'pulumi.export("ours", [one for one in sys.path if os.path.exists(f"{one}/language_host.py")])\n'
        'pulumi.export("sibling", sibling.VALUE)\n'
        'pulumi.export("stack", [pulumi.get_project(), pulumi.get_stack(), pulumi.get_organization()])\n'
        'pulumi.export("root", pulumi.runtime.get_root_directory())',
        sibling="VALUE = 7\n",
    )
    assert project.up().returncode == 0
    infra = str(project.folder / "infra")
    assert json.loads(project.pulumi("stack", "output", "--json").stdout) == {
        "cwd": infra,
        "path": infra,
        "name": "__main__",
        "ours": [],
        "sibling": 7,
        "stack": ["tiny", "dev", "organization"],
        "root": str(project.folder),
    }


def test_a_secret_stays_one(project: TinyProject) -> None:
    project.write('pulumi.export("key", config.require_secret("key"))')
    assert project.pulumi("config", "set", "--secret", "key", "canary-1").returncode == 0
    done = project.up()
    assert (done.returncode, "canary-1" in done.stdout) == (0, False)
    assert "canary-1" not in "".join(file.read_text() for file in project.home.state.rglob("*.json"))
    assert project.pulumi("stack", "output", "key", "--show-secrets").stdout == "canary-1\n"


def test_the_projects_own_virtual_environment_runs_the_program(project: TinyProject) -> None:
    python = project.folder / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    packages = next(entry for entry in sys.path if entry.endswith("site-packages"))
    python.write_text(f'#!/bin/sh\nRAN_BY=venv PYTHONPATH="{packages}" exec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    project.write('import os\npulumi.export("by", os.environ.get("RAN_BY"))', options="{virtualenv: venv}")
    assert project.up().returncode == 0
    assert project.pulumi("stack", "output", "by").stdout == "venv\n"


def test_a_missing_virtual_environment_is_said_so(project: TinyProject) -> None:
    project.write(PARTS, options="{virtualenv: venv}")
    done = project.up()
    assert done.returncode != 0
    assert "venv" in done.stdout
    assert "Traceback" not in done.stdout


def test_an_exception_shows_the_programs_frames_and_no_others(project: TinyProject) -> None:
    project.write('import sibling\nPart("a")\nsibling.fail()', sibling='def fail():\n    raise ValueError("mine")\n')
    done = project.up()
    assert done.returncode != 0
    assert frames(done.stdout) == [("__main__.py", "11"), ("sibling.py", "2")]
    assert "ValueError: mine" in done.stdout


def test_an_exception_in_apply_shows_the_programs_frame_first(project: TinyProject) -> None:
    project.write("pulumi.Output.from_input(0).apply(lambda zero: 1 / zero)")
    done = project.up()
    assert done.returncode != 0
    assert frames(done.stdout)[0] == ("__main__.py", "9")
    assert "ZeroDivisionError: division by zero" in done.stdout


def test_a_syntax_error_shows_the_line(project: TinyProject) -> None:
    project.write("def f(:")
    done = project.up()
    assert done.returncode != 0
    assert frames(done.stdout)[-1] == ("__main__.py", "9")
    assert "SyntaxError: invalid syntax" in done.stdout


def test_a_missing_import_shows_who_wanted_it(project: TinyProject) -> None:
    project.write("import no_such_module")
    done = project.up()
    assert done.returncode != 0
    assert frames(done.stdout) == [("__main__.py", "9")]
    assert "No module named 'no_such_module'" in done.stdout


def test_a_folder_without_a_program_is_said_so(project: TinyProject) -> None:
    project.write("")
    project.main.unlink()
    done = project.up()
    assert done.returncode != 0
    assert "unable to find main python program `__main__.py`" in done.stdout


def test_a_run_error_is_its_message_alone(project: TinyProject) -> None:
    project.write('raise pulumi.RunError("choose a model")')
    done = project.up()
    assert done.returncode != 0
    assert "error: choose a model" in done.stdout
    assert "Traceback" not in done.stdout


def test_sys_exit_is_an_exit_status(project: TinyProject) -> None:
    project.write("import sys\nsys.exit(3)")
    done = project.up()
    assert done.returncode != 0
    assert "non-zero exit code: 3" in done.stdout
    project.write('import sys\nPart("a")\nsys.exit(0)')
    assert project.up().returncode == 0


@pytest.fixture
def bundled(project: TinyProject, engine: Engine) -> TinyProject:
    """What our own host does beyond the vendor's; expected to differ where that one is installed."""
    if write_launchers(project.home, engine)["pulumi-language-python"] != BUNDLED:
        pytest.xfail("the vendor's language host is installed here")
    return project


def test_an_error_made_for_people_is_its_text_alone(bundled: TinyProject) -> None:
    bundled.write(
        "class ConfigurationError(Exception):\n"
        '    code, exit_code, to_json = "SKS0201", 2, dict\n'
        'raise ConfigurationError("SKS0201 bad model\\n    fix:     choose 7B")'
    )
    done = bundled.up()
    assert done.returncode != 0
    assert "error: SKS0201 bad model\n        fix:     choose 7B\n" in done.stdout
    assert "Traceback" not in done.stdout


def test_ctrl_c_ends_cleanly_and_the_stack_goes_on(project: TinyProject) -> None:
    project.write(WAITS)
    with project.start_up() as running:
        await_line(running, "waiting")
        os.killpg(running.pid, signal.SIGINT)
        rest, _ = running.communicate(timeout=GONE_SECONDS)
    assert running.returncode != 0
    assert "cancel" in rest
    assert "Traceback" not in rest
    project.write(PARTS)
    assert project.up().returncode == 0


@pytest.mark.parametrize("victim", ["language_host", "language_program"])
def test_a_killed_host_or_program_fails_the_run_and_not_the_stack(bundled: TinyProject, victim: str) -> None:
    bundled.write(WAITS)
    with bundled.start_up() as running:
        await_line(running, "waiting")
        (pid,) = parts_of(bundled, victim)
        os.kill(pid, signal.SIGKILL)
        rest, _ = running.communicate(timeout=GONE_SECONDS)
    assert running.returncode != 0
    assert "error:" in rest
    bundled.write(PARTS)
    assert bundled.up().returncode == 0


def test_host_and_program_leave_when_their_engine_is_killed(bundled: TinyProject) -> None:
    bundled.write(WAITS)
    with bundled.start_up() as running:
        await_line(running, "waiting")
        assert len([*parts_of(bundled, "language_host"), *parts_of(bundled, "language_program")]) == 2
        running.kill()
        running.wait(timeout=GONE_SECONDS)
    deadline = time.monotonic() + GONE_SECONDS
    while parts_of(bundled, "language_"):
        assert time.monotonic() < deadline, "still running"
        time.sleep(0.05)
    assert bundled.pulumi("cancel", "--yes").returncode == 0
    bundled.write(PARTS)
    assert bundled.up().returncode == 0


def await_line(running: subprocess.Popen[str], text: str) -> None:
    """Read output until `text` is in it; the watchdog ends a command that never says it."""
    assert running.stdout is not None
    watchdog = threading.Timer(180, running.kill)
    watchdog.start()
    try:
        seen = next((line for line in running.stdout if text in line), None)
    finally:
        watchdog.cancel()
    assert seen is not None, f"ended without saying {text!r}"


def parts_of(project: TinyProject, name: str) -> list[int]:
    """Processes of this project's sandbox whose command line has `name` in it."""
    return [
        int(process.name)
        for process in Path("/proc").iterdir()
        if process.name.isdigit() and is_part(process, name, str(project.home.root))
    ]


def is_part(process: Path, name: str, root: str) -> bool:
    try:
        command, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
    except OSError:
        return False
    return name.encode() in command and f"SEEKSTACK_HOME={root}".encode() in environment
