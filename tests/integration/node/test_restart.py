"""The scheduled restart: skipped where it would hurt, and, by the fake's parameter store, never on two at once."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import fake_aws
from sandbox.paths import SandboxHome
from tests.integration.node import support_aws
from tests.integration.node.support_machine import Machine
from tests.node_factories import make_fleet_spec

pytestmark = pytest.mark.filterwarnings("ignore:subprocess .* is still running:ResourceWarning")  # a daemon, on purpose

REGION = "eu-central-1"
LOCK = "/seekstack/prod/restart-lock"
DEADLINE_SECONDS = 90
STAND_IN = f"{sys.executable} {support_aws.__file__}"
COMMANDS = [command for command in (STAND_IN, shutil.which("aws")) if command]
"""How to reach the fake: our few words of the command, and the command itself where it is installed."""
ACCOUNT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = SandboxHome(tmp_path_factory.mktemp("fake-aws"))
    yield fake_aws.start(home)
    fake_aws.stop(home)


@pytest.fixture
def endpoint(running: str) -> str:
    fake_aws.reset(running)
    return running


def parameters(endpoint: str) -> Any:
    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    return boto3.client("ssm", endpoint_url=endpoint, region_name=REGION, **keys)


def put_lock(endpoint: str, value: str) -> None:
    parameters(endpoint).put_parameter(Name=LOCK, Type="String", Value=value, Overwrite=True)


def lock_of(endpoint: str) -> list[str]:
    """Holder and time; nothing where no machine ever took it."""
    ssm = parameters(endpoint)
    try:
        return str(ssm.get_parameter(Name=LOCK)["Parameter"]["Value"]).split()
    except ssm.exceptions.ParameterNotFound:
        return []


def serving(
    root: Path, number: int = 0, *, others: str = "healthy", before_aws: str = "", aws: str = "", **over: Any
) -> Machine:
    """A machine whose engine serves; `aws` reaches the fake, but target health is `others` (moto's has no engines)."""
    aws = aws or STAND_IN
    machine = Machine(root / f"node-{number}", make_fleet_spec(**over), node_id=f"i-{number:017x}")
    machine.snapshot.mkdir(parents=True)
    (machine.snapshot / ".complete").touch()
    machine.stand_in("systemctl")
    machine.stand_in(
        "curl", "case $* in */health) printf 200 ;; *) echo 'vllm:num_requests_running{a=\"b\"} 0.0' ;; esac"
    )
    machine.stand_in("sleep")
    machine.stand_in("aws", f'if [ "$1" = elbv2 ]; then echo "{others}"; exit 0; fi\n{before_aws}\nexec {aws} "$@"')
    return machine


def environment(endpoint: str) -> dict[str, str]:
    return {**ACCOUNT, "AWS_ENDPOINT_URL": endpoint, "AWS_EC2_METADATA_DISABLED": "true"}


def restarts(machine: Machine) -> int:
    return len(machine.calls("systemctl", "restart"))


@pytest.mark.parametrize("command", COMMANDS, ids=["stand-in", "aws"][: len(COMMANDS)])
@pytest.mark.parametrize("before", [None, "i-dead 1"], ids=["nobody had it", "it has ended"])
def test_restarts_and_gives_the_lock_back(tmp_path: Path, endpoint: str, command: str, before: str | None) -> None:
    if before:
        put_lock(endpoint, before)
    machine = serving(tmp_path, aws=command)
    done = machine.run("restart.sh", **environment(endpoint))
    assert done.returncode == 0, done.stderr
    assert restarts(machine) == 1
    assert lock_of(endpoint) == [machine.node_id, "0"]


def test_restarts_again_the_next_time(tmp_path: Path, endpoint: str) -> None:
    machine = serving(tmp_path)
    for _ in range(2):
        machine.run("restart.sh", **environment(endpoint))
    assert restarts(machine) == 2


def test_waits_for_requests_that_run(tmp_path: Path, endpoint: str) -> None:
    machine = serving(tmp_path)
    machine.stand_in(
        "curl",
        'case $* in */health) printf 200 ;; *) n=$(cat "$SEEKSTACK_RUN/n" 2>/dev/null || echo 2); '
        'echo "vllm:num_requests_running $n"; echo $((n > 0 ? n - 1 : 0)) >"$SEEKSTACK_RUN/n" ;; esac',
    )
    machine.run("restart.sh", **environment(endpoint))
    assert restarts(machine) == 1
    assert len(machine.calls("sleep")) == 2


def make_draining(machine: Machine) -> None:
    machine.run_folder.mkdir()
    (machine.run_folder / "draining").touch()


SKIPS: dict[str, tuple[Callable[[Machine], object], str]] = {
    "draining": (make_draining, "draining"),
    "staging": (lambda machine: (machine.snapshot / ".complete").unlink(), "staging"),
    "no engine": (lambda machine: machine.stand_in("systemctl", "exit 3"), "the engine does not run"),
    "loading": (lambda machine: machine.stand_in("curl", "printf 000; exit 7"), "the engine is loading"),
}


@pytest.mark.parametrize("when", SKIPS)
def test_is_skipped_without_a_word_to_others(tmp_path: Path, endpoint: str, when: str) -> None:
    change, reason = SKIPS[when]
    machine = serving(tmp_path)
    change(machine)
    done = machine.run("restart.sh", **environment(endpoint))
    assert done.returncode == 0
    assert f"skipped: {reason}" in done.stdout
    assert restarts(machine) == 0
    assert lock_of(endpoint) == []


@pytest.mark.parametrize("others", ["unhealthy", "healthy draining", "healthy healthy initial"])
def test_is_skipped_while_another_machine_is_not_healthy_and_the_lock_is_free_again(
    tmp_path: Path, endpoint: str, others: str
) -> None:
    machine = serving(tmp_path, others=others)
    assert "another machine is not healthy" in machine.run("restart.sh", **environment(endpoint)).stdout
    assert restarts(machine) == 0
    assert lock_of(endpoint)[1] == "0"


def test_the_only_machine_restarts_all_the_same(tmp_path: Path, endpoint: str) -> None:
    machine = serving(tmp_path, others="")
    machine.run("restart.sh", **environment(endpoint))
    assert restarts(machine) == 1


def test_is_skipped_while_another_machine_restarts(tmp_path: Path, endpoint: str) -> None:
    held = f"i-other {int(time.time()) + 600}"
    put_lock(endpoint, held)
    machine = serving(tmp_path)
    assert "skipped: i-other restarts until 20" in machine.run("restart.sh", **environment(endpoint)).stdout
    assert restarts(machine) == 0
    assert lock_of(endpoint) == held.split()


def test_keeps_the_lock_when_the_engine_does_not_come_back(tmp_path: Path, endpoint: str) -> None:
    machine = serving(tmp_path)
    machine.stand_in("systemctl", '[ "$1" != restart ] || touch "$SEEKSTACK_RUN/gone"')
    machine.stand_in("curl", 'if [ -e "$SEEKSTACK_RUN/gone" ]; then printf 000; else printf 200; fi')
    done = machine.run("restart.sh", **environment(endpoint))
    assert done.returncode == 1
    assert "no answer 1200 s after the restart" in machine.failed
    assert int(lock_of(endpoint)[1]) > time.time()


def test_does_not_give_back_a_lock_that_has_run_out(tmp_path: Path, endpoint: str) -> None:
    machine = serving(tmp_path)
    machine.run("restart.sh", LOCK_SECONDS="0", **environment(endpoint))
    assert restarts(machine) == 1
    assert lock_of(endpoint)[1] != "0"


def test_a_parameter_store_that_refuses_means_no_restart(tmp_path: Path, endpoint: str) -> None:
    machine = serving(tmp_path)
    machine.stand_in("aws", "echo AccessDenied >&2; exit 254")
    assert machine.run("restart.sh", **environment(endpoint)).returncode == 1
    assert restarts(machine) == 0
    assert "the restart lock" in machine.failed


def test_a_machine_alone_asks_nobody(tmp_path: Path) -> None:
    machine = serving(tmp_path, takes_turns=False, target_group_arn=None)
    machine.run("restart.sh")
    assert restarts(machine) == 1
    assert machine.calls("aws") == []


MACHINES = 4
ALL_HAVE_READ = """
if [ "$2" = get-parameter ]; then
  {real} "$@" >"$SEEKSTACK_RUN/read"
  touch "{meeting}/$$"
  until [ "$(ls "{meeting}" | wc -l)" -eq {machines} ]; do /bin/sleep 0.05; done
  exec cat "$SEEKSTACK_RUN/read"
fi
"""
"""The worst case of a take-over: every machine has read the lock that ended before any writes its own."""


@pytest.mark.parametrize("ended", [False, True], ids=["nobody had it", "it has ended"])
def test_of_machines_at_one_moment_exactly_one_restarts(tmp_path: Path, endpoint: str, ended: bool) -> None:
    meeting, gate = tmp_path / "meeting", tmp_path / "gate"
    meeting.mkdir()
    if ended:
        put_lock(endpoint, "i-dead 1")
    wait = ALL_HAVE_READ.format(real=STAND_IN, meeting=meeting, machines=MACHINES) if ended else ""
    machines = [serving(tmp_path, number, before_aws=wait) for number in range(MACHINES)]
    for machine in machines:
        # The winner restarts until the others have ended, so none can come after it.
        machine.stand_in("systemctl", f'[ "$1" != restart ] || until [ -e {gate} ]; do /bin/sleep 0.05; done')
    started = [machine.start("restart.sh", **environment(endpoint)) for machine in machines]
    try:
        told = list(finished(started, MACHINES - 1))
        gate.touch()
        (last,) = (process for process in started if process.pid not in {pid for pid, _ in told})
        last_words, errors = last.communicate(timeout=DEADLINE_SECONDS)
    finally:
        gate.touch()
        for process in started:
            process.kill()
            process.communicate()
    assert all("skipped: " in words for _, words in told), told
    assert "restarted" in last_words, errors
    assert sum(map(restarts, machines)) == 1
    assert lock_of(endpoint)[1] == "0"


def finished(processes: list[subprocess.Popen[str]], count: int) -> Iterator[tuple[int, str]]:
    """Pid and words of the first `count` that end."""
    waiting, deadline = list(processes), time.monotonic() + DEADLINE_SECONDS
    while count and time.monotonic() < deadline:
        for process in [process for process in waiting if process.poll() is not None]:
            waiting.remove(process)
            count -= 1
            yield process.pid, process.communicate()[0]
        time.sleep(0.05)
    assert count <= 0, f"{count} of the machines neither restarted nor gave up"
