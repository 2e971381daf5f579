"""What holds for every test: its layer is its folder, no real account is in reach, nothing leaves loopback."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent
LAYERS = ("unit", "golden", "components", "contract", "integration", "e2e")
"""Folders of tests/, quickest first: the order in which they run."""
MARKED_LAYERS = ("integration", "e2e")
LONG = (
    "e2e/test_dev_stack.py",
    "e2e/test_aws_provider.py",
    "e2e/test_killed_runs.py",
    "integration/kubernetes",
    "integration/aws_provider",
)
"""Groups of a minute and more, longest first."""
ALONE = (
    "e2e/test_demo.py",
    "e2e/test_kubernetes_provider.py",
    "e2e/test_language_host.py",
    "e2e/test_bootstrap.py",
    "e2e/test_locks.py",
    "e2e/test_readme.py",
    "e2e/test_sandbox_command.py",
    "e2e/test_aws_unreachable.py",
)
"""Modules whose tests share nothing: each goes to the worker that is free."""
GROUPED = ("contract/test_project.py",)
"""A module of a quick layer that shares what takes seconds."""
REAL_ACCOUNT_PREFIXES = ("AWS_", "PULUMI_", "KUBE", "SEEKSTACK_HOME")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Tests that share daemons stay on one worker: on two the daemons would start twice.

    xdist's own `--dist loadgroup` groups nothing with pytest 9.2: it marks a node id that pytest reads no more.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return scope_of(nodeid)

    return ByGroup(config, log)


def scope_of(nodeid: str) -> str:
    """What goes to one worker as a whole: a group, or the test alone."""
    path = TESTS.parent / nodeid.partition("::")[0]
    is_grouped = layer_of(path) in MARKED_LAYERS or group_of(path) in GROUPED
    return group_of(path) if is_grouped and group_of(path) not in ALONE else nodeid


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Quick layers first, then long groups, at last single tests: both workers end at about the same time.

    Random order stays within each of them.
    """
    for item in items:
        if layer_of(item.path) in MARKED_LAYERS:
            item.add_marker(layer_of(item.path))
    items.sort(key=lambda item: place_of(item.path))


def place_of(path: Path) -> tuple[int, int]:
    """Where in a run the tests of a file have their turn."""
    layer, group = layer_of(path), group_of(path)
    if layer not in MARKED_LAYERS:
        return LAYERS.index(layer), 0
    if group in LONG:
        return len(LAYERS), LONG.index(group)
    return len(LAYERS), len(LONG) + (group in ALONE)


def group_of(path: Path) -> str:
    """A module of a slow layer, or a folder of modules with one conftest."""
    parts = path.relative_to(TESTS).parts if path.is_relative_to(TESTS) else path.parts
    return "/".join(parts[:2])


def layer_of(path: Path) -> str:
    """The folder of tests/ that `path` lies in; a file beside the folders counts as the last layer."""
    first = path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""
    return first if first in LAYERS else LAYERS[-1]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: a missing tool must not look like a pass."""
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where every tool must be there: {item.nodeid}: {reason}"
    return report


@pytest.fixture(scope="session", autouse=True)
def no_real_account() -> Iterator[None]:
    """Credentials, profiles, stacks and kubeconfigs of the person who runs the tests are out of reach."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(REAL_ACCOUNT_PREFIXES)]:
            patch.delenv(name)
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("PULUMI_SKIP_UPDATE_CHECK", "true")
        patch.setenv("PULUMI_ERROR_OUTPUT_STRING", "1")  # an Output in an f-string raises, as in infra/__main__.py
        yield


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """A run in the background ignores SIGINT, one under nohup SIGHUP, and so would every program that a test starts."""
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def bytecode_kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Where Python is told to write no bytecode, each engine command would compile the AWS SDK anew (0.4 s of CPU)."""
    with pytest.MonkeyPatch.context() as patch:
        if sys.dont_write_bytecode:
            run = tmp_path_factory.getbasetemp()
            shared = (
                run.parent if "PYTEST_XDIST_WORKER" in os.environ else run
            )  # a worker's own folder lies in the run's
            patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
            patch.setenv("PYTHONPYCACHEPREFIX", str(shared / "bytecode"))
        yield


@pytest.fixture(autouse=True)
def only_loopback(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but loopback fails the test, except in e2e: there the engine may have to be fetched."""
    if layer_of(request.path) == "e2e":
        return
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_loopback(address[0]):
            pytest.fail(f"a test connects to {address[0]}:{address[1]}; only loopback is allowed")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by name or address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
