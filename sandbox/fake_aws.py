"""A fake AWS on loopback: moto in a process of its own, whose state lives as long as the sandbox.

    endpoint = start(home)        http://127.0.0.1:<port>; a running one is used again
    existing(endpoint)            what a caller created and did not delete, as ids by type
    not_modelled(endpoint)        calls that moto has no model for
    stop(home)

`python -m sandbox.fake_aws --home FOLDER` is the daemon. This module imports no moto: the command line loads it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from infra.errors import ToolError
from sandbox import processes
from sandbox.locks import locked
from sandbox.paths import SandboxHome, with_our_packages
from sandbox.room import STATE_MIB, require_room

__all__ = ["derived", "endpoint", "existing", "main", "not_modelled", "reset", "start", "stop"]

READY_TIMEOUT_SECONDS = 60.0  # 1.5 s on an idle machine; the import of moto takes far longer on a busy one
ANSWER_TIMEOUT_SECONDS = 30.0
LOG_LINES_SHOWN = 15


def start(home: SandboxHome) -> str:
    """Bring the fake up, or find the one that runs for `home`; returns its URL once it answers."""
    with locked(home.run / "fake-aws.lock"):  # two starts at once give one daemon: the second finds the first's
        running = endpoint(home)
        if running is not None:
            return running
        require_room(home.run, STATE_MIB, "a sandbox")
        _endpoint_file(home).unlink(missing_ok=True)
        log_file = home.logs / "fake-aws.log"
        argv = [sys.executable, "-m", "sandbox.fake_aws", "--home", str(home.root)]
        processes.spawn(argv, pid_file=_pid_file(home), log_file=log_file, env=_environment())
        processes.wait_until(
            lambda: endpoint(home) is not None or not processes.is_running(_pid_file(home)),
            timeout_seconds=READY_TIMEOUT_SECONDS,
        )
        started = endpoint(home)
        if started is None:
            processes.stop(_pid_file(home))
            raise _did_not_start(log_file)
        return started


def stop(home: SandboxHome) -> bool:
    """End the fake of `home` and forget all it held; returns whether one ran."""
    stopped = processes.stop(_pid_file(home))
    _endpoint_file(home).unlink(missing_ok=True)
    return stopped


def endpoint(home: SandboxHome) -> str | None:
    """The URL of the fake that runs for `home`; None where none runs or it is not ready yet."""
    pid = processes.pid_of(_pid_file(home))
    try:
        record = json.loads(_endpoint_file(home).read_text())
        return str(record["endpoint"]) if pid is not None and record["pid"] == pid else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def existing(endpoint: str) -> dict[str, list[str]]:
    """Ids by type of all that a caller created and that still exists; {} means that nothing is left.

    Seeded AMIs, the default VPC and what AWS itself makes (see `derived`) are not in it.
    """
    found: dict[str, list[str]] = _ask(endpoint, "GET", "/seekstack/resources")["resources"]
    return found


def derived(endpoint: str) -> dict[str, list[str]]:
    """Ids by type of what AWS made for something else: root volumes, network interfaces, instances of a group."""
    found: dict[str, list[str]] = _ask(endpoint, "GET", "/seekstack/resources")["derived"]
    return found


def not_modelled(endpoint: str) -> list[dict[str, Any]]:
    """Calls answered "not modelled by the sandbox": service, operation, count and what moto said."""
    found: list[dict[str, Any]] = _ask(endpoint, "GET", "/seekstack/not-modelled")["calls"]
    return found


def reset(endpoint: str) -> None:
    """Forget all resources, the ledger and the list of calls not modelled; the seeds are put back."""
    _ask(endpoint, "POST", "/seekstack/reset")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.fake_aws", description="Serve a fake AWS on loopback.")
    parser.add_argument("--home", type=Path, required=True, help="the sandbox's folder")
    home = SandboxHome(parser.parse_args(arguments).home.resolve())
    from sandbox.fake_aws_server import serve  # moto: 1 s

    serve(_endpoint_file(home))
    return 0


def _ask(endpoint: str, method: str, path: str) -> dict[str, Any]:
    request = urllib.request.Request(endpoint + path, method=method)  # noqa: S310 our own loopback endpoint
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=ANSWER_TIMEOUT_SECONDS) as response:
            answer: dict[str, Any] = json.load(response)
    except (urllib.error.URLError, OSError) as error:
        raise ToolError(
            f"the fake AWS at {endpoint} does not answer: {error}",
            code="SKS0720",
            value=endpoint,
            fix="run `seekstack sandbox up` to start it again (what it held is lost)",
        ) from error
    return answer


def _did_not_start(log_file: Path) -> ToolError:
    lines = log_file.read_text(errors="replace").splitlines() if log_file.exists() else []
    return ToolError(
        "\n".join(["the fake AWS did not start", *lines[-LOG_LINES_SHOWN:]]),
        code="SKS0721",
        value=str(log_file),
        fix=f"read {log_file}; where moto is missing, install it with `uv sync --extra sandbox`",
    )


def _environment() -> dict[str, str]:
    """The caller's environment, with our packages importable from any folder and moto's switches as we need them."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("MOTO_", "AWS_"))}
    env = with_our_packages(kept)
    env["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"  # RolePolicyAttachment of AmazonSSMManagedInstanceCore and the like
    return env


def _pid_file(home: SandboxHome) -> Path:
    return home.run / "fake-aws.pid"


def _endpoint_file(home: SandboxHome) -> Path:
    return home.run / "fake-aws.json"


if __name__ == "__main__":
    status = main()
    sys.stderr.flush()
    os._exit(status)  # tearing moto's modules down would take a second
