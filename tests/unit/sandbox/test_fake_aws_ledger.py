"""The call ledger on a plain WSGI application: no moto, no sockets."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from sandbox.fake_aws_ledger import Answer, Ledger, collect, read_body


class Counter:
    """Answers each call with its number; `status` may be changed, `gate` holds calls back."""

    def __init__(self, status: str = "200 OK") -> None:
        self.status = status
        self.calls = 0
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, _environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        assert self.gate.wait(120)
        self.calls += 1
        start_response(self.status, [("X-Number", str(self.calls))])
        return [b"call ", str(self.calls).encode()]


def request(token: str | None = None, *, replay: str | None = None) -> dict[str, Any]:
    environ: dict[str, Any] = {"REQUEST_METHOD": "POST", "PATH_INFO": "/", "wsgi.input": io.BytesIO()}
    if token:
        environ["HTTP_X_SEEKSTACK_TOKEN"] = token
    if replay:
        environ["HTTP_X_SEEKSTACK_REPLAY"] = replay
    return environ


def test_executes_a_token_once_and_replays_status_headers_and_body() -> None:
    app = Counter("201 Created")
    ledger = Ledger(app)
    first, second = collect(ledger, request("a")), collect(ledger, request("a"))
    assert first == second == Answer("201 Created", (("X-Number", "1"),), b"call 1")
    assert app.calls == 1


def test_keeps_tokens_apart_and_does_not_remember_calls_without_one() -> None:
    app = Counter()
    ledger = Ledger(app)
    bodies = [collect(ledger, request(token)).body for token in ("a", "b", None, None, "a")]
    assert bodies == [b"call 1", b"call 2", b"call 3", b"call 4", b"call 1"]


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "500 Internal Server Error"])
def test_does_not_remember_a_failed_call(status: str) -> None:
    app = Counter(status)
    ledger = Ledger(app)
    assert collect(ledger, request("a")).status == status
    app.status = "200 OK"
    assert collect(ledger, request("a")).body == b"call 2"


def test_answers_404_to_replay_only_for_an_unknown_token_without_executing() -> None:
    app = Counter()
    answer = collect(Ledger(app), request("a", replay="only"))
    assert (answer.code, answer.body, app.calls) == (404, b"unknown token", 0)


def test_replay_only_gives_the_answer_of_a_known_token() -> None:
    ledger = Ledger(Counter())
    first = collect(ledger, request("a"))
    assert collect(ledger, request("a", replay="only")) == first


def test_a_duplicate_waits_for_the_first_call_and_gets_its_answer() -> None:
    app = Counter()
    app.gate.clear()
    ledger = Ledger(app)
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(collect, ledger, request("a")) for _ in range(3)]
        waiting.append(pool.submit(collect, ledger, request("a", replay="only")))
        time.sleep(0.05)
        assert not any(call.done() for call in waiting[:3])
        app.gate.set()
        answers = {call.result(120) for call in waiting[:3]}
    assert len(answers) == 1
    assert app.calls == 1


def test_replay_only_waits_for_a_call_in_flight() -> None:
    app = Counter()
    app.gate.clear()
    ledger = Ledger(app)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(collect, ledger, request("a"))
        while not ledger._in_flight:
            time.sleep(0.001)
        second = pool.submit(collect, ledger, request("a", replay="only"))
        time.sleep(0.05)
        assert not second.done()
        app.gate.set()
        assert second.result(120) == first.result(120)


def test_a_crash_frees_the_token() -> None:
    def broken(_environ: dict[str, Any], _start: Any) -> Iterable[bytes]:
        raise RuntimeError("boom")

    ledger = Ledger(broken)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="boom"):
            collect(ledger, request("a"))


def test_forgets_all_answers_on_request() -> None:
    ledger = Ledger(Counter())
    collect(ledger, request("a"))
    ledger.forget()
    assert collect(ledger, request("a")).body == b"call 2"


def test_a_body_that_ends_early_is_no_request() -> None:
    assert read_body({"wsgi.input": io.BytesIO(b"Action=Create"), "CONTENT_LENGTH": "40"}) is None


def test_a_whole_body_is_read_and_put_back() -> None:
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO(b"Action=CreateVpc"), "CONTENT_LENGTH": "16"}
    assert read_body(environ) == b"Action=CreateVpc"
    assert environ["wsgi.input"].read() == b"Action=CreateVpc"


def test_a_chunked_body_is_read_to_its_end_and_gets_a_length() -> None:
    environ: dict[str, Any] = {"wsgi.input": io.BytesIO(b"abc"), "wsgi.input_terminated": True}
    assert read_body(environ) == b"abc"
    assert environ["CONTENT_LENGTH"] == "3"
