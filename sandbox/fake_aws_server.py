"""The server side of the fake AWS: moto behind one lock, the call ledger, our control routes, and honest refusals.

moto is not thread-safe (a describe that walks a dict while a create adds to it fails), so calls run one at a time;
they take 1 to 15 ms each. A call that moto has no model for becomes an AWS error `NotModelledBySandbox` in the caller's
protocol instead of an HTML page, with status 400 so that no SDK retries it.
"""

from __future__ import annotations

import json
import logging
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import moto.moto_server.werkzeug_app as moto_app
from werkzeug.serving import make_server

from sandbox import fake_aws_census as census
from sandbox import fake_aws_seeds as seeds
from sandbox.fake_aws_ledger import Answer, Ledger, collect, read_body
from sandbox.fake_aws_protocol import ApiCall, identify, refuse

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

__all__ = ["FakeAws", "serve"]

CONTROL_PREFIX = "/seekstack/"
WARM_SERVICES = (
    "ec2",
    "sts",
    "ssm",
    "iam",
    "kms",
    "s3",
    "elbv2",
    "autoscaling",
    "logs",
    "cloudwatch",
    "secretsmanager",
)

UNIMPLEMENTED = (b"not yet implemented", b"not been implemented")

log = logging.getLogger("fake-aws")


class FakeAws:
    """The WSGI application."""

    def __init__(self) -> None:
        self._moto = moto_app.DomainDispatcherApplication(_backend)
        self._lock = threading.Lock()
        self._ledger = Ledger(self._run)
        self._not_modelled: dict[tuple[str, str], dict[str, Any]] = {}

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if read_body(environ) is None:
            return Answer.text("400 Bad Request", "the request ended before its body").send(start_response)
        if environ.get("PATH_INFO", "").startswith(CONTROL_PREFIX):
            return self._control(environ).send(start_response)
        return self._ledger(environ, start_response)

    def warm(self) -> None:
        """Import the backends one by one, so that a call in between waits for one import at most."""
        for service in WARM_SERVICES:
            with self._lock:
                if service not in self._moto.app_instances:
                    self._moto.app_instances[service] = _backend(service)

    def _run(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        call = identify(environ)
        began = time.monotonic()
        with self._lock:
            seeds.ensure(call.service, call.region)
            answer = self._modelled(call, environ)
        spent_ms = round((time.monotonic() - began) * 1000)
        log.info("%s.%s %s %d ms", call.service, call.operation or environ.get("PATH_INFO"), answer.code, spent_ms)
        return answer.send(start_response)

    def _modelled(self, call: ApiCall, environ: WSGIEnvironment) -> Answer:
        try:
            answer = collect(self._moto, environ)
        except NotImplementedError as error:
            return self._refuse(call, environ, str(error))
        except Exception as error:  # a crash of moto is its gap, not our caller's fault
            log.exception("moto failed in %s.%s", call.service, call.operation)
            return self._refuse(call, environ, f"moto failed with {type(error).__name__}: {error}")
        if call.operation == "CreateSecurityGroup" and answer.code < 400:
            census.note_new_group(call.region, answer.body)
        reason = _gap(answer, call, environ)
        return answer if reason is None else self._refuse(call, environ, reason)

    def _refuse(self, call: ApiCall, environ: WSGIEnvironment, reason: str) -> Answer:
        named = call.resolved(environ)
        entry = self._not_modelled.setdefault(
            (named.service, named.operation),
            {"service": named.service, "operation": named.operation, "count": 0, "reason": reason},
        )
        entry["count"] += 1
        log.warning("not modelled by the sandbox: %s.%s (%s)", named.service, named.operation, reason)
        return refuse(named)

    def _control(self, environ: WSGIEnvironment) -> Answer:
        route = (environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(CONTROL_PREFIX))
        if route == ("GET", "health"):  # without the lock: an import or a call under way is no illness
            return _json({"status": "ok", "pid": os.getpid()})
        with self._lock:
            match route:
                case ("GET", "resources"):
                    return _json(census.census())
                case ("GET", "not-modelled"):
                    return _json(
                        {"calls": sorted(self._not_modelled.values(), key=lambda c: (c["service"], c["operation"]))}
                    )
                case ("POST", "reset"):
                    self._reset()
                    return _json({"status": "reset"})
        return Answer.text("404 Not Found", f"no such route: {route[0]} {environ['PATH_INFO']}")

    def _reset(self) -> None:
        from moto.core.base_backend import BackendDict

        BackendDict.reset()
        seeds.forget()
        census.forget()
        self._ledger.forget()
        self._not_modelled.clear()


def serve(endpoint_file: Path) -> None:
    """Serve on loopback until SIGTERM or SIGINT; `endpoint_file` says where.

    The port is the one of the last time where that is still free: shells that were set up then go on working.
    """
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    app = FakeAws()
    handler = type("Handler", (moto_app.MotoRequestHandler,), {"log_request": lambda *_: None})
    server = make_server("127.0.0.1", _port(endpoint_file), app, threaded=True, request_handler=handler)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    threading.Thread(target=app.warm, name="warm", daemon=True).start()
    try:
        _publish(endpoint_file, server.server_port)
        server.serve_forever(poll_interval=0.1)
    except SystemExit:
        log.info("stopped")
    finally:
        endpoint_file.unlink(missing_ok=True)
        server.server_close()


def _backend(service: str | None) -> Any:
    if service is None:
        raise NotImplementedError("moto has no such service")
    return moto_app.create_backend_app(service)


def _leave(*_: object) -> None:
    raise SystemExit


def _port(endpoint_file: Path) -> int:
    """The port of the last time; 0, which lets the system choose, where there is none or somebody has it now."""
    try:
        port = int(_port_file(endpoint_file).read_text())
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except (OSError, ValueError, OverflowError):
        return 0
    return port


def _port_file(endpoint_file: Path) -> Path:
    return endpoint_file.with_suffix(".port")


def _publish(endpoint_file: Path, port: int) -> None:
    endpoint_file.parent.mkdir(parents=True, exist_ok=True)
    _port_file(endpoint_file).write_text(str(port))
    record = {"endpoint": f"http://127.0.0.1:{port}", "port": port, "pid": os.getpid()}
    temporary = endpoint_file.with_suffix(".tmp")
    temporary.write_text(json.dumps(record))
    temporary.replace(endpoint_file)


def _gap(answer: Answer, call: ApiCall, environ: WSGIEnvironment) -> str | None:
    """Why `answer` shows that moto has no model for the call; None where it is a real answer."""
    start = answer.body[:200].lstrip().lower()
    if answer.code in {404, 405, 500} and start.startswith((b"<!doctype html", b"<html")):
        return f"moto answered HTTP {answer.code} with a web page"
    if answer.code == 404 and not answer.body and environ["REQUEST_METHOD"] != "HEAD" and call.service != "s3":
        return "moto knows no such call"
    if call.service == "eks" and answer.code == 404 and re.match(r"/tags/.*:nodegroup/", environ.get("PATH_INFO", "")):
        return "moto keeps tags of clusters only"
    if answer.code >= 400 and any(phrase in answer.body[:2000].lower() for phrase in UNIMPLEMENTED):
        return "moto says it is not implemented"
    return None


def _json(content: Any) -> Answer:
    return Answer.text("200 OK", json.dumps(content), "application/json")
