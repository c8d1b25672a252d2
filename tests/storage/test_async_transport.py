"""The triggers' transport takes the ways of the workers' one: proxies and certificates mean the same."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from aksk_provider.emulator import Emulator
from aksk_provider.errors import ConnectionConfigError, TransportError
from aksk_provider.storage import ObjectStore, operations
from aksk_provider.storage.async_transport import AsyncTransport
from aksk_provider.storage.config import StoreConfig, resolve
from aksk_provider.storage.credentials import static
from tests.storage.test_store_on_emulator import BUCKETS, PERMANENT, REGIONS
from tests.support.certificates import make_certificate


def head(config: StoreConfig, key: str) -> str | None:
    """Ask for an object in an event loop, and return its entity tag."""

    async def ask() -> str | None:
        transport = AsyncTransport(config, lambda: datetime.now(timezone.utc))
        try:
            answer = await transport.read(operations.head_object(config.bucket or "", key))
        finally:
            await transport.aclose()
        return answer[0].get("ETag") if answer else None

    return asyncio.run(ask())


def configured(vendor: str, **settings: object) -> StoreConfig:
    given = {"region": REGIONS[vendor], "bucket": BUCKETS[vendor], "max_attempts": 1, **settings}
    return resolve(vendor=vendor, credentials=static(PERMANENT), **given)  # type: ignore[arg-type]


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A TLS server whose certificate nobody knows; its URL and the certificate."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("ETag", '"over-tls"')
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    certificate = make_certificate(tmp_path)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}", certificate
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("vendor", ["bos", "oss", "cos"])
def test_a_proxy_of_the_connection_is_used(emulator: Emulator, vendor: str) -> None:
    proxied = configured(vendor, endpoint=_http_endpoint(vendor), proxies={"http": emulator.endpoint})
    with ObjectStore(proxied) as store:
        etag = store.put("async/through a proxy", b"content").etag
    assert head(proxied, "async/through a proxy") == f'"{etag}"'


def test_a_proxy_that_speaks_no_http_is_refused_by_name() -> None:
    with pytest.raises(ConnectionConfigError, match="socks5"):
        head(configured("bos", proxies={"https": "socks5://127.0.0.1:1"}), "key")


def test_a_certificate_of_the_connection_is_trusted_and_an_unknown_one_is_not(tls: tuple[str, Path]) -> None:
    url, certificate = tls
    assert head(configured("oss", endpoint=url, verify=str(certificate)), "key") == '"over-tls"'
    assert head(configured("oss", endpoint=url, verify=False), "key") == '"over-tls"'
    with pytest.raises(TransportError, match="certificate") as refused:
        head(configured("oss", endpoint=url), "key")
    assert not refused.value.retryable


def _http_endpoint(vendor: str) -> str:
    return "http://" + configured(vendor).endpoint.host
