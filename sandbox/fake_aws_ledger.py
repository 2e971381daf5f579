"""Each create happens once: WSGI middleware that replays the response of a call whose token it has seen.

Few AWS calls take a client token, so a plugin killed between "AWS did it" and "the engine wrote it down" would leave an
orphan. A caller that names its call with `X-Seekstack-Token` can ask again and gets the first answer, byte for byte;
with `X-Seekstack-Replay: only` it only asks whether the call was done. Failed calls (status 400 and above) are not
remembered. The ledger lives in memory with the resources it speaks of: some kB a create, for the life of the sandbox.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

__all__ = ["Answer", "Ledger", "collect", "read_body"]

UNKNOWN_TOKEN = "unknown token"  # noqa: S105 a message


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP response."""

    status: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def code(self) -> int:
        """The status as a number."""
        return int(self.status.split()[0])

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer a WSGI request with it."""
        start_response(self.status, list(self.headers))
        return [self.body]

    @classmethod
    def text(cls, status: str, body: str, content_type: str = "text/plain") -> Answer:
        """A response of our own."""
        encoded = body.encode()
        headers = (("Content-Type", content_type), ("Content-Length", str(len(encoded))))
        return cls(status, headers, encoded)


def collect(app: WSGIApplication, environ: WSGIEnvironment) -> Answer:
    """Run `app` to its end and keep what it answered."""
    head: list[tuple[str, list[tuple[str, str]]]] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Callable[[bytes], object]:
        head.append((status, headers))
        return written.append

    chunks = app(environ, start_response)
    try:
        written.extend(chunks)
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()
    status, headers = head[-1]
    return Answer(status, tuple(headers), b"".join(written))


def read_body(environ: WSGIEnvironment) -> bytes | None:
    """The request's whole body, put back for the next reader; None where the caller died while sending it."""
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):  # chunked: the server marks its end
        body: bytes = stream.read()
    else:
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = stream.read(length) if length else b""
        if len(body) < length:
            return None
    environ["wsgi.input"] = io.BytesIO(body)
    environ["CONTENT_LENGTH"] = str(len(body))
    return body


class Ledger:
    """Remembers answers by token; a call with a token that is being answered waits for that answer."""

    def __init__(self, app: WSGIApplication) -> None:
        self._app = app
        self._answers: dict[str, Answer] = {}
        self._in_flight: set[str] = set()
        self._changed = threading.Condition()

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        token = environ.get("HTTP_X_SEEKSTACK_TOKEN")
        if not token:
            return self._app(environ, start_response)
        return self._once(token, environ).send(start_response)

    def forget(self) -> None:
        """Drop all answers."""
        with self._changed:
            self._answers.clear()

    def _once(self, token: str, environ: WSGIEnvironment) -> Answer:
        with self._changed:
            self._changed.wait_for(lambda: token not in self._in_flight)
            if token in self._answers:
                return self._answers[token]
            if environ.get("HTTP_X_SEEKSTACK_REPLAY") == "only":
                return Answer.text("404 Not Found", UNKNOWN_TOKEN)
            self._in_flight.add(token)
        try:
            answer = collect(self._app, environ)
            if answer.code < 400:
                with self._changed:
                    self._answers[token] = answer
            return answer
        finally:
            with self._changed:
                self._in_flight.discard(token)
                self._changed.notify_all()
