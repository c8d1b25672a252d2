"""A store of each vendor with keys as the vendors make them, and what may stand between it and its client."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static

BUCKETS = {"bos": "clinic", "oss": "clinic-oss", "cos": "clinic-1250000000"}
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
HOSTS = {"bos": "bj.bcebos.com", "oss": "oss-cn-hangzhou.aliyuncs.com", "cos": "cos.ap-guangzhou.myqcloud.com"}
PERMANENT = {
    "bos": Account("0123456789abcdef0123456789abcdef", "SK+PERMANENT/BOS"),
    "oss": Account("LTAI5tExample0000000000A", "SK+PERMANENT/OSS"),
    "cos": Account("AKID" + "0123456789abcdefghijklmnopqrstuv", "SK+PERMANENT/COS"),
}
TEMPORARY = {
    "bos": Account("fedcba9876543210fedcba9876543210", "SK+TEMPORARY/BOS", token="TOKEN+BOS/="),
    "oss": Account("STS.Nexample0000000000000A", "SK+TEMPORARY/OSS", token="TOKEN+OSS/="),
    "cos": Account("AKID" + "x" * 60, "SK+TEMPORARY/COS", token="TOKEN+COS/="),
}
MakeStore = Callable[..., ObjectStore]


def secrets() -> list[str]:
    """What must be in no finding, as it is and percent-encoded."""
    accounts = [*PERMANENT.values(), *TEMPORARY.values()]
    values = [value for account in accounts for value in (account.secret_key, account.token) if value]
    return [form for value in values for form in (value, quote(value, safe=""))]


def assert_no_secret(text: str) -> None:
    assert [secret for secret in (*secrets(), "wrong-secret", "wrong-token") if secret in text] == []


@pytest.fixture(scope="session")
def clinic() -> Iterator[Emulator]:
    buckets = [Bucket(vendor, name) for vendor, name in BUCKETS.items()]
    with Emulator(accounts=[*PERMANENT.values(), *TEMPORARY.values()], buckets=buckets) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(clinic: Emulator) -> Iterator[None]:
    yield
    clinic.faults.clear()


@pytest.fixture(params=["bos", "oss", "cos"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def make_store(clinic: Emulator) -> Iterator[MakeStore]:
    """Make a store of a vendor; ``key`` replaces parts of its permanent account."""
    made: list[ObjectStore] = []

    def make(vendor: str, account: Account | None = None, **changes: object) -> ObjectStore:
        account = account or PERMANENT[vendor]
        settings: dict[str, object] = {
            "credentials": static(Credentials(account.access_key, account.secret_key, account.token)),
            "endpoint": clinic.endpoint,
            "region": REGIONS[vendor],
            "bucket": BUCKETS[vendor],
            "max_attempts": 1,
            **changes,
        }
        made.append(ObjectStore(resolve(vendor=vendor, **settings)))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for store in made:
        store.close()


class Meddler:
    """A proxy in front of a server that changes requests on the way, as ``change`` says.

    :ivar change: takes and returns path and headers
    """

    def __init__(self, behind: Emulator) -> None:
        self.change: Callable[[str, dict[str, str]], tuple[str, dict[str, str]]] = lambda path, headers: (path, headers)
        meddler = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                path, headers = meddler.change(self.path, dict(self.headers))
                upstream = http.client.HTTPConnection(behind.host, behind.port, timeout=10)
                upstream.request(self.command, path, body or None, headers)
                answer = upstream.getresponse()
                content = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
                upstream.close()

            do_PUT = do_HEAD = do_GET  # noqa: N815 - the library's names

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
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
def meddler(clinic: Emulator) -> Iterator[Meddler]:
    running = Meddler(clinic)
    yield running
    running.close()
