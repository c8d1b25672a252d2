"""HTTP/1.1 on a connected socket: a request in as few pieces as it can leave in, and an answer with its body unread.

The standard library reads the head of an answer with a parser of e-mail, and urllib3 copies what that found, which
together is two thirds of the time of a small object.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterable, Mapping
from http.client import BadStatusLine, HTTPException, HTTPResponse, IncompleteRead, LineTooLong, RemoteDisconnected
from io import BufferedReader
from typing import TYPE_CHECKING, Any

from aksk_provider.storage.bodies import Body

if TYPE_CHECKING:
    from typing_extensions import Buffer

_PACKED = 32 * 1024
_QUEUED = 128 * 1024
_QUEUED_WITHOUT_LIMIT = -1
# bytes after which the speed of the network is known, and bytes a second that are quick
_PROOF = 1024**2
_QUICK = 8 * 1024**2
_LARGE = 64 * 1024
_LONGEST_READ = 1.0
_LONGEST_LINE = 64 * 1024
_MOST_LINES = 200
_EMPTY = (204, 304)


class Headers(dict[str, str]):
    """The headers of an answer: names in lower case, found in any."""

    def __getitem__(self, name: str) -> str:
        """Return the value of a header."""
        return super().__getitem__(name.lower())

    def __contains__(self, name: object) -> bool:
        """Tell whether the answer has a header."""
        return isinstance(name, str) and super().__contains__(name.lower())

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a header, or the default."""
        return super().get(name.lower(), default)


def send(sock: socket.socket, method: str, target: str, headers: Mapping[str, str], body: bytes | Body | None) -> None:
    """Send a request, a small body in one piece with its head: one packet, and one waking of the server, less."""
    lines = [f"{method} {target} HTTP/1.1\r\n", *[f"{name}: {value}\r\n" for name, value in headers.items()], "\r\n"]
    head = "".join(lines).encode("ascii")
    blocks = [body] if isinstance(body, bytes) else body or ()
    if body is None or len(body) <= _PACKED:
        packed = bytearray(head)
        for block in blocks:
            packed += block
        sock.sendall(packed)
        return
    sock.sendall(head)
    _send_blocks(sock, blocks)


def _send_blocks(sock: socket.socket, blocks: Iterable[bytes | memoryview]) -> None:
    """Send a body, little of it ahead of the network until that has shown to be quick.

    The system would take megabytes ahead and ask for more when a third of them is gone: on a slow network long after a
    deadline, or after a time-out although bytes moved all the while.
    """
    _queue_at_most(sock, _QUEUED)
    began, sent, quick = time.monotonic(), 0, False
    for block in blocks:
        sock.sendall(block)
        sent += len(block)
        if not quick and sent >= _PROOF and sent > (time.monotonic() - began) * _QUICK:
            quick = True
            _queue_at_most(sock, _QUEUED_WITHOUT_LIMIT)


def _queue_at_most(sock: socket.socket, size: int) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, size)


class Response(HTTPResponse):
    """An answer: ``status``, ``headers``, and the body as it was sent, decoded by nobody. Who reads it closes it.

    :param sock: the connection, which a request has left on
    :param method: that of the request
    :param release: is told at the end whether the connection may be used again
    :raises http.client.HTTPException: there is no answer, or it is not one of HTTP/1
    """

    headers: Headers  # type: ignore[assignment]
    _release: Callable[[bool], None] | None = None

    def __init__(self, sock: socket.socket, method: str, release: Callable[[bool], None]) -> None:
        super().__init__(sock, method=method)
        self._sock = sock
        self._asked_for_head = method == "HEAD"
        try:
            self.begin()
        except BaseException:
            self.close()
            raise
        self._release = release

    def begin(self) -> None:
        """Read the head, past those that only say that the answer is to come."""
        self.status, said = 0, dict[str, str]()
        while self.status < 200:
            self.version, self.status = _status(self.fp)
            said = _headers(self.fp)
        self.headers = Headers(said)
        empty = self._asked_for_head or self.status in _EMPTY
        self.chunked = not empty and said.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        self.length = 0 if empty else None if self.chunked else _length(said)
        connection = said.get("connection", "").lower()
        kept = "keep-alive" in connection if self.version == 10 else "close" not in connection
        self.will_close = not kept or (self.length is None and not self.chunked)

    def read(self, amt: int | None = None) -> bytes:
        """Read the next bytes, or all that are left.

        :raises http.client.IncompleteRead: the answer ended too early
        """
        try:
            block = super().read(amt)
            self._refuse_early_end(at_end=not block and amt != 0)
        except BaseException:
            self.will_close = True
            raise
        return block

    def readinto(self, buffer: Buffer) -> int:
        """Read the next bytes into a buffer; 0 at the end. Raises what :meth:`read` raises."""
        view = memoryview(buffer)
        try:
            count = self._read_large(view[: self.length]) if self._is_large(view) else super().readinto(view)
            self._refuse_early_end(at_end=not count and len(view) > 0)
        except BaseException:
            self.will_close = True
            raise
        return count

    def _is_large(self, view: memoryview) -> bool:
        return len(view) >= _LARGE and (self.length or 0) >= _LARGE

    def _read_large(self, view: memoryview) -> int:
        """Fill a buffer from the socket, after what the reader of the head holds, as far as a second or so brings.

        The reader calls five functions for each 16 KiB that TLS brings, which is a tenth of the time, and more where
        another thread waits for its turn.
        """
        until = time.monotonic() + _LONGEST_READ
        receive, size, count = self._sock.recv_into, len(view), self.fp.readinto1(view)
        while 0 < count < size and time.monotonic() < until:
            brought = receive(view[count:], size - count)
            if not brought:
                break
            count += brought
        self.length = (self.length or 0) - count
        return count

    def close(self) -> None:
        """Give the connection back when everything was read, else close it."""
        release, self._release = self._release, None
        read = release and (self.length == 0 or (self.chunked and self.isclosed()))
        super().close()
        if release:
            release(bool(read) and not self.will_close)

    def _refuse_early_end(self, *, at_end: bool) -> None:
        if at_end and self.length:
            raise IncompleteRead(b"", self.length)


def _status(reader: BufferedReader) -> tuple[int, int]:
    """Return version, 10 or 11, and status."""
    line = reader.readline(_LONGEST_LINE)
    if not line:
        raise RemoteDisconnected("the server closed the connection without an answer")
    version, _, rest = line.partition(b" ")
    if not (version.startswith(b"HTTP/1.") and rest[:3].isdigit()):
        raise BadStatusLine(repr(line[:100]))
    return 10 if version == b"HTTP/1.0" else 11, int(rest[:3])


def _headers(reader: BufferedReader) -> dict[str, str]:
    said, last = dict[str, str](), ""
    for _ in range(_MOST_LINES):
        line = reader.readline(_LONGEST_LINE)
        if not line.endswith(b"\n"):
            raise LineTooLong("header") if line else IncompleteRead(b"")
        text = line.decode("latin-1")
        name, colon, value = text.partition(":")
        if text[0] in " \t" and last:
            said[last] += f" {text.strip()}"
        elif colon:
            last = name.lower()
            value = value.strip()
            said[last] = f"{said[last]}, {value}" if last in said else value
        elif not text.strip():
            return said
    raise HTTPException(f"the answer has more than {_MOST_LINES} headers")


def _length(headers: Mapping[str, str]) -> int | None:
    stated = headers.get("content-length")
    if stated is None:
        return None
    if not (stated.isascii() and stated.isdigit()):
        raise HTTPException(f"the answer's Content-Length is {stated[:100]!r}")
    return int(stated)
