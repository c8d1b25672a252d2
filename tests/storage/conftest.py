"""A loopback server that answers what a test scripted and remembers what it was asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static


@dataclass
class Answer:
    """An answer; ``sent`` cuts the body short of its Content-Length, ``drop`` closes without answering."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    sent: int | None = None
    drop: bool = False


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class ScriptedServer:
    """Answers in turn; the last answer repeats."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer()]
        self.asked: list[Asked] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                server.asked.append(Asked(self.command, self.path, dict(self.headers), self.rfile.read(length)))
                answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
                if answer.drop:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer.body[: answer.sent])
                self.close_connection = self.close_connection or answer.sent is not None

            do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that hang up are the point
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


BUCKETS = {"bos": "examplebucket", "oss": "examplebucket", "cos": "examplebucket-1250000000"}
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
MakeStore = Callable[..., ObjectStore]


@pytest.fixture
def make_store(server: ScriptedServer) -> Iterator[MakeStore]:
    """Make a store of a vendor in front of the scripted server."""
    made: list[ObjectStore] = []

    def make(vendor: str = "oss", **changes: object) -> ObjectStore:
        settings: dict[str, object] = {
            "credentials": static(Credentials("ak", "very-secret", "very-token")),
            "endpoint": server.endpoint,
            "region": REGIONS[vendor],
            "bucket": BUCKETS[vendor],
            **changes,
        }
        made.append(ObjectStore(resolve(vendor=vendor, **settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for store in made:
        store.close()


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Collect the waits between attempts instead of waiting."""
    slept: list[float] = []
    monkeypatch.setattr("aksk_provider.storage.retry._sleep", slept.append)
    return slept
