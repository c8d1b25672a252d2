"""How requests leave: in one piece where they are small, unchanged however large they are."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from aksk_provider.errors import IntegrityError
from aksk_provider.signing import Credentials, Request
from aksk_provider.storage.bodies import BytesBody, SliceBody
from aksk_provider.storage.checksums import CRC64
from aksk_provider.storage.config import resolve
from aksk_provider.storage.connections import Connections
from aksk_provider.storage.credentials import static
from tests.support.listening import listening


@contextmanager
def server(received: list[bytes]) -> Iterator[str]:
    """Answer requests, and note what each call of ``recv`` brings."""

    def answer(connection: socket.socket) -> None:
        said = b""
        while block := connection.recv(2**20):
            received.append(block)
            said += block
            head, _, body = said.partition(b"\r\n\r\n")
            length = next(int(line[16:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length: "))
            if len(body) == length:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                said = b""

    with listening(answer) as port:
        yield f"http://127.0.0.1:{port}"


def connections(url: str) -> Connections:
    credentials = static(Credentials("accesskey", "secretkey"))
    return Connections(resolve(vendor="bos", credentials=credentials, endpoint=url, region="bj"))


def put(url: str, size: int) -> Request:
    return Request("PUT", f"{url}/key", {"Host": "store", "Content-Length": str(size)})


@pytest.mark.parametrize("size", [0, 1, 10 * 1024, 32 * 1024, 2**20, 2**20 + 1])
def test_a_body_arrives_as_it_is_and_a_small_one_with_its_head(size: int) -> None:
    content, received = os.urandom(size), list[bytes]()
    with server(received) as url:
        sending = connections(url)
        for _ in range(2):  # the second on the same connection
            with sending.exchange(put(url, size), BytesBody(content, CRC64) if size else None) as response:
                assert (response.status, response.read()) == (200, b"")
            head, _, body = b"".join(received).partition(b"\r\n\r\n")
            assert head.startswith(b"PUT /key HTTP/1.1\r\n")
            assert body == content
            if size <= 10 * 1024:
                assert len(received) == 1
            received.clear()
        sending.close()


def test_a_source_that_fails_sends_nothing_of_a_small_body_and_the_next_request_is_whole() -> None:
    received = list[bytes]()
    with server(received) as url:
        sending = connections(url)
        with pytest.raises(IntegrityError, match="became shorter"):
            sending.exchange(put(url, 10), SliceBody(lambda *_: memoryview(b""), 0, 10, CRC64))
        assert received == []
        with sending.exchange(put(url, 3), BytesBody(b"abc", CRC64)) as response:
            assert response.status == 200
        assert b"".join(received).endswith(b"\r\n\r\nabc")
        sending.close()
