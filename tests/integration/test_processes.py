"""Daemons are found again, end for certain, and are never confused with somebody else's process."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from sandbox import processes

pytestmark = pytest.mark.integration

FOREVER = "import time; time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)
WITH_CHILD = (
    "import subprocess, sys, time; child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']);"
    "print(child.pid, flush=True); time.sleep(600)"
)


@pytest.fixture
def files(tmp_path):
    pid_file, log_file = tmp_path / "run" / "daemon.pid", tmp_path / "logs" / "daemon.log"
    yield pid_file, log_file
    processes.stop(pid_file, timeout_seconds=0.1)


def spawn(files, program):
    pid_file, log_file = files
    return processes.spawn([sys.executable, "-c", program], pid_file=pid_file, log_file=log_file)


def ended(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_started_daemon_is_found_by_its_pid_file(files):
    pid = spawn(files, FOREVER)
    assert processes.pid_of(files[0]) == pid
    assert os.getsid(pid) == pid


def test_stop_ends_it_and_says_that_there_was_one(files):
    pid = spawn(files, FOREVER)
    assert processes.stop(files[0]) is True
    assert ended(pid)
    assert not files[0].exists()
    assert processes.stop(files[0]) is False


def test_a_daemon_that_ignores_sigterm_is_killed(files):
    pid = spawn(files, STUBBORN)
    assert processes.wait_until(lambda: "up" in files[1].read_text(), timeout_seconds=60)
    processes.stop(files[0], timeout_seconds=0.2)
    assert ended(pid)


def test_children_of_a_daemon_end_with_it(files):
    spawn(files, WITH_CHILD)
    assert processes.wait_until(lambda: files[1].read_text().strip() != "", timeout_seconds=60)
    child = int(files[1].read_text())
    processes.stop(files[0])
    assert processes.wait_until(lambda: ended(child), timeout_seconds=60)


def test_a_killed_daemon_does_not_count_as_running(files):
    pid = spawn(files, FOREVER)
    os.kill(pid, signal.SIGKILL)
    assert processes.wait_until(lambda: not processes.is_running(files[0]), timeout_seconds=60)


def test_a_pid_that_now_belongs_to_somebody_else_is_left_alone(files):
    files[0].parent.mkdir(parents=True)
    files[0].write_text(json.dumps({"pid": os.getpid(), "started": "0", "argv": []}))
    assert processes.pid_of(files[0]) is None
    assert processes.stop(files[0]) is False  # and this test still runs


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"pid": "x", "started": "1"}', "null"])
def test_a_broken_pid_file_means_not_running(files, text):
    files[0].parent.mkdir(parents=True)
    files[0].write_text(text)
    assert processes.pid_of(files[0]) is None


def test_waiting_ends_at_its_limit():
    assert processes.wait_until(lambda: False, timeout_seconds=0.05) is False
