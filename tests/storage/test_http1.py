"""Requests and answers on a bare socket: what a head may hold, how a body ends, when the connection is good again."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from http.client import BadStatusLine, HTTPException, IncompleteRead, LineTooLong, RemoteDisconnected

import pytest

from aksk_provider.storage import http1
from aksk_provider.storage.blocks import new_buffer
from aksk_provider.storage.bodies import BLOCK, SliceBody
from aksk_provider.storage.checksums import CRC64
from aksk_provider.storage.http1 import Response

OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


class Line:
    """Two ends of a connection: ``ours``, and what the server says and then perhaps hangs up."""

    def __init__(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            self.ours = socket.create_connection(listening.getsockname())
            self._theirs = listening.accept()[0]
        self.released: list[bool] = []

    def say(self, answer: bytes, *, hang_up: bool = False) -> None:
        self._theirs.sendall(answer)
        if hang_up:
            self._theirs.shutdown(socket.SHUT_WR)

    def heard(self) -> bytes:
        return self._theirs.recv(2**20)

    def answer(self, method: str = "GET") -> Response:
        return Response(self.ours, method, self.released.append)

    def close(self) -> None:
        self.ours.close()
        self._theirs.close()


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def test_a_request_is_what_is_sent(line: Line) -> None:
    http1.send(line.ours, "PUT", "/a%20b?c=", {"Host": "h", "X-A": "1"}, b"body")
    assert line.heard() == b"PUT /a%20b?c= HTTP/1.1\r\nHost: h\r\nX-A: 1\r\n\r\nbody"


@pytest.mark.parametrize("size", [10_000, 100_000])
def test_blocks_that_share_their_memory_are_sent_as_they_come(line: Line, size: int) -> None:
    content = os.urandom(size)

    def read_at(buffer: memoryview, offset: int) -> memoryview:
        count = min(999, len(buffer))
        buffer[:count] = content[offset : offset + count]
        return buffer[:count]

    body = SliceBody(read_at, 0, size, CRC64)

    def send() -> None:
        http1.send(line.ours, "PUT", "/", {}, body)
        line.ours.shutdown(socket.SHUT_WR)

    sending = threading.Thread(target=send)
    sending.start()
    heard = b"".join(iter(line.heard, b""))
    sending.join()
    assert heard.partition(b"\r\n\r\n")[2] == content
    assert body.checksum == CRC64.update(content, 0)


def test_headers_are_found_in_any_case(line: Line) -> None:
    line.say(OK + b'ETag: "e"\r\nX-Empty:\r\nX-Two: a\r\nx-two:  b \r\nX-Long: a\r\n\t b\r\nContent-Length: 0\r\n\r\n')
    with line.answer() as response:
        headers = response.headers
        assert (headers["etag"], headers["ETAG"], headers.get("Etag")) == ('"e"',) * 3
        assert ("eTaG" in headers, "other" in headers, headers.get("Other"), headers.get("Other", "x")) == (
            True,
            False,
            None,
            "x",
        )
        assert dict(headers) == {"etag": '"e"', "x-empty": "", "x-two": "a, b", "x-long": "a b", "content-length": "0"}


@pytest.mark.parametrize(
    ("method", "head", "body", "kept"),
    [
        ("GET", OK + b"Content-Length: 4\r\n\r\n", b"body", True),
        ("GET", b"HTTP/1.1 206\r\nContent-Length: 4\r\n\r\n", b"body", True),
        ("PUT", OK + b"Content-Length: 0\r\n\r\n", b"", True),
        ("GET", OK + b"Content-Length: 4\r\nConnection: close\r\n\r\n", b"body", False),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\n", b"body", False),
        ("GET", b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: Keep-Alive\r\n\r\n", b"body", True),
        ("GET", CHUNKED + b"3\r\nbod\r\n1;x=y\r\ny\r\n0\r\nTrailer: t\r\n\r\n", b"body", True),
        ("HEAD", OK + b"Content-Length: 4\r\n\r\n", b"", True),
        ("HEAD", CHUNKED, b"", True),
        ("DELETE", b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 4\r\n\r\n", b"", True),
        (
            "PUT",
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 X\r\nLink: l\r\n\r\n" + OK + b"Content-Length: 0\r\n\r\n",
            b"",
            True,
        ),
    ],
)
@pytest.mark.parametrize("by", ["read", "blocks", "readinto"])
def test_a_body_ends_where_the_head_says(
    line: Line, method: str, head: bytes, body: bytes, kept: bool, by: str
) -> None:
    line.say(head + (b"" if b"chunked" in head else body))
    with line.answer(method) as response:
        assert read(response, by) == body
        assert read(response, by) == b""
    assert line.released == [kept]


@pytest.mark.parametrize("by", ["read", "blocks", "readinto"])
def test_a_body_without_a_length_ends_with_the_connection(line: Line, by: str) -> None:
    line.say(OK + b"\r\nbody", hang_up=True)
    with line.answer() as response:
        assert read(response, by) == b"body"
    assert line.released == [False]


@pytest.mark.parametrize(
    "answer",
    [OK + b"Content-Length: 5\r\n\r\nbody", CHUNKED + b"5\r\nbody", CHUNKED + b"4\r\nbody\r\n", CHUNKED + b"x\r\n"],
)
@pytest.mark.parametrize("by", ["read", "blocks", "readinto"])
def test_a_body_that_ends_too_early_is_an_error_and_the_end_of_the_connection(
    line: Line, answer: bytes, by: str
) -> None:
    line.say(answer, hang_up=True)
    with line.answer() as response, pytest.raises(IncompleteRead):
        read(response, by)
    assert line.released == [False]


def test_a_body_that_was_not_read_to_its_end_costs_the_connection(line: Line) -> None:
    line.say(OK + b"Content-Length: 4\r\n\r\nbody")
    response = line.answer()
    assert response.read(3) == b"bod"
    response.close()
    response.close()
    assert line.released == [False]


def test_a_body_that_stalls_costs_the_connection(line: Line) -> None:
    line.say(OK + b"Content-Length: 4\r\n\r\nbod")
    line.ours.settimeout(0.05)
    with line.answer() as response, pytest.raises(TimeoutError):
        response.read()
    assert line.released == [False]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", RemoteDisconnected),
        (b"SSH-2.0-OpenSSH\r\n", BadStatusLine),
        (b"HTTP/2 200\r\n\r\n", BadStatusLine),
        (b"HTTP/1.1 OK\r\n\r\n", BadStatusLine),
        (OK, IncompleteRead),
        (OK + b"Content-Length: 4\r\n", IncompleteRead),
        (OK + b"Content-Length: 4", LineTooLong),
        (OK + b"A: " + b"x" * 70_000, LineTooLong),
        (OK + b"A: b\r\n" * 300 + b"\r\n", HTTPException),
        (OK + b"Content-Length: 4, 5\r\n\r\n", HTTPException),
        (OK + b"Content-Length: -4\r\n\r\n", HTTPException),
    ],
)
def test_what_is_no_answer_is_an_error(line: Line, answer: bytes, error: type[Exception]) -> None:
    line.say(answer, hang_up=True)
    with pytest.raises(error):
        line.answer()
    assert line.released == []


@pytest.mark.parametrize("size", [100_000, 3_000_000])
def test_a_large_body_is_read_past_the_reader_of_its_head(line: Line, size: int) -> None:
    content = os.urandom(size)
    saying = threading.Thread(target=line.say, args=(OK + f"Content-Length: {size}\r\n\r\n".encode() + content,))
    saying.start()
    buffer, heard = new_buffer(BLOCK), bytearray()
    with line.answer() as response:
        heard += response.read(10)  # small and large pieces in turn
        while count := response.readinto(buffer[: BLOCK if len(heard) % 2 else 65_536]):
            heard += buffer[:count]
            heard += response.read(1)
    saying.join()
    assert heard == content
    assert line.released == [True]


def test_a_large_read_ends_with_what_has_come_when_that_takes_long(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http1, "_LONGEST_READ", 0.1)
    line.say(OK + b"Content-Length: 200000\r\n\r\n")
    rest = threading.Event()

    def trickle() -> None:
        while not rest.wait(0.01):
            line.say(b"a")
            trickled.append(1)
        line.say(bytes(200_000 - len(trickled)))

    trickled: list[int] = []
    saying = threading.Thread(target=trickle)
    saying.start()
    buffer = new_buffer(BLOCK)
    with line.answer() as response:
        counts = [response.readinto(buffer)]
        rest.set()
        while count := response.readinto(buffer):
            counts.append(count)
    saying.join()
    assert 0 < counts[0] <= len(trickled)
    assert sum(counts) == 200_000
    assert line.released == [True]


def test_a_large_body_that_ends_too_early(line: Line) -> None:
    line.say(OK + b"Content-Length: 200000\r\n\r\n" + bytes(100_000), hang_up=True)
    buffer = new_buffer(BLOCK)
    with line.answer() as response:
        assert response.readinto(buffer) == 100_000
        with pytest.raises(IncompleteRead):
            response.readinto(buffer)
    assert line.released == [False]


def read(response: Response, by: str) -> bytes:
    """Read what is left: at once, in blocks of three bytes, or into a buffer of three."""
    if by == "read":
        return response.read()
    if by == "blocks":
        return b"".join(iter(lambda: response.read(3), b""))
    buffer, found = bytearray(3), b""
    while count := response.readinto(buffer):
        found += buffer[:count]
    return found
