"""The ways to a host: through proxies, over TLS, on connections that were hung up; and refusals that come early."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from urllib3.exceptions import NewConnectionError, ProxyError, SSLError

from aksk_provider.signing import Request
from aksk_provider.storage.bodies import BytesBody
from aksk_provider.storage.checksums import CRC64
from aksk_provider.storage.connections import Connections
from aksk_provider.storage.presigning.client import FetchOptions
from tests.support.certificates import make_certificate
from tests.support.listening import listening

Make = Callable[[FetchOptions], Connections]
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def head_of(connection: socket.socket) -> bytes:
    """Read a request without a body."""
    said = b""
    while not said.endswith(b"\r\n\r\n"):
        if not (block := connection.recv(2**16)):
            raise OSError("the client hung up")
        said += block
    return said


class Proxy:
    """Passes tunnels on, answers other requests by itself, and notes the heads of both."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []

    def serve(self, client: socket.socket) -> None:
        while True:
            self.heads.append(head_of(client))
            if not self.heads[-1].startswith(b"CONNECT "):
                client.sendall(EMPTY)
                continue
            host, _, port = self.heads[-1].split(b" ")[1].decode().rpartition(":")
            with socket.create_connection((host, int(port))) as server:
                client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pass_on, args=(server, client))
                back.start()
                pass_on(client, server)
                back.join()
            return


def pass_on(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(2**16):
            target.sendall(block)
        target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy() -> Iterator[tuple[Proxy, str]]:
    made = Proxy()
    with listening(made.serve) as port:
        yield made, f"http://user:password@127.0.0.1:{port}"


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[tuple[str, str, list[bytes]]]:
    """A TLS server: its URL, its certificate, and the heads that it was sent."""
    certificate, heads = make_certificate(tmp_path), list[bytes]()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as wrapped:
            while True:
                heads.append(head_of(wrapped))
                wrapped.sendall(EMPTY)

    with listening(serve) as port:
        yield f"https://127.0.0.1:{port}", str(certificate), heads


def get(connections: Connections, url: str) -> int:
    host = url.partition("://")[2].partition("/")[0]
    with connections.exchange(Request("GET", url, {"Host": host}), None) as response:
        response.read()
        return response.status


@pytest.fixture
def made() -> Iterator[Make]:
    all_made: list[Connections] = []

    def make(options: FetchOptions) -> Connections:
        all_made.append(Connections(options))
        return all_made[-1]

    yield make
    for connections in all_made:
        connections.close()


def test_a_proxy_is_told_the_whole_url_and_its_password(made: Make, proxy: tuple[Proxy, str]) -> None:
    connections = made(FetchOptions(proxies={"http": proxy[1]}))
    assert [get(connections, "http://store.example.com/a?b=c") for _ in range(2)] == [200, 200]
    for head in proxy[0].heads:
        lines = head.decode().split("\r\n")
        assert lines[0] == "GET http://store.example.com/a?b=c HTTP/1.1"
        assert {"Host: store.example.com", "proxy-authorization: Basic dXNlcjpwYXNzd29yZA=="} <= {
            line.replace("Proxy-Auth", "proxy-auth") for line in lines
        }


def test_a_tunnel_hides_the_request_from_the_proxy_and_the_password_from_the_store(
    made: Make, proxy: tuple[Proxy, str], secure: tuple[str, str, list[bytes]]
) -> None:
    url, certificate, heads = secure
    connections = made(FetchOptions(proxies={"https": proxy[1]}, verify=certificate))
    assert [get(connections, f"{url}/secret?x=y") for _ in range(2)] == [200, 200]
    (opened,) = proxy[0].heads  # one tunnel for both
    assert opened.startswith(f"CONNECT {url.removeprefix('https://')} HTTP/1.".encode())
    assert b"Basic dXNlcjpwYXNzd29yZA==" in opened
    assert b"secret" not in opened
    assert [head.split(b"\r\n")[0] for head in heads] == [b"GET /secret?x=y HTTP/1.1"] * 2
    assert not any(b"Basic" in head for head in heads)


def test_what_fails_behind_a_tunnel_is_not_the_proxys_fault(
    made: Make, proxy: tuple[Proxy, str], secure: tuple[str, str, list[bytes]]
) -> None:
    with pytest.raises(SSLError, match="self-signed"):
        get(made(FetchOptions(proxies={"https": proxy[1]})), secure[0])


def test_a_proxy_that_is_not_there_is_named_without_its_password(made: Make) -> None:
    connections = made(FetchOptions(proxies={"http": "http://user:password@127.0.0.1:1"}))
    with pytest.raises(ProxyError, match=r"the proxy 127\.0\.0\.1 cannot be reached") as caught:
        get(connections, "http://store.example.com/")
    assert "password" not in str(caught.value)


def test_a_host_that_is_not_there(made: Make) -> None:
    with pytest.raises(NewConnectionError):
        get(made(FetchOptions()), "http://127.0.0.1:1/")


def test_certificates_are_verified(made: Make, secure: tuple[str, str, list[bytes]]) -> None:
    url, certificate, heads = secure
    with pytest.raises(SSLError, match="self-signed"):
        get(made(FetchOptions()), url)
    assert heads == []
    assert get(made(FetchOptions(verify=certificate)), url) == 200
    assert get(made(FetchOptions(verify=False)), url) == 200


def test_a_connection_that_was_hung_up_is_not_used_again(made: Make) -> None:
    hung_up = threading.Semaphore(0)

    def serve(connection: socket.socket) -> None:
        head_of(connection)
        connection.sendall(EMPTY)
        connection.shutdown(socket.SHUT_WR)
        hung_up.release()

    with listening(serve) as port:
        connections = made(FetchOptions())
        for _ in range(3):
            assert get(connections, f"http://127.0.0.1:{port}/") == 200
            hung_up.acquire()


def test_a_refusal_that_comes_before_the_body_was_sent_is_read(made: Make) -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
        connection.shutdown(socket.SHUT_WR)
        connection.shutdown(socket.SHUT_RD)

    body = BytesBody(bytes(2**26), CRC64)
    with listening(serve) as port:
        request = Request("PUT", f"http://127.0.0.1:{port}/", {"Host": "h", "Content-Length": str(len(body))})
        connections = made(FetchOptions())
        with connections.exchange(request, body) as response:
            assert (response.status, response.read()) == (403, b"no")
            assert response.will_close
