"""A store that is faster than its clients: ``python -m tests.benchmarks.fast_server FILE``; prints its port.

It speaks as much of the three vendors' protocols as uploads and downloads need, verifies nothing, serves the first N
bytes of one file as any key that ends in ``-N``, and throws away what it is sent once it has the checksum. It ends
when its standard input does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs

from aksk_provider.storage.checksums import CRC32, CRC64, Checksum

BLOCK = 1024**2
SMALL = 64 * 1024
MODIFIED = "Last-Modified: Fri, 20 Nov 2026 00:00:00 GMT\r\nContent-Type: application/octet-stream\r\n"
ETAG = '"0123456789ABCDEF0123456789ABCDEF"'


class Content:
    """The file, of which every object is a beginning."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("rb")
        self.bytes = memoryview(mmap(self.file.fileno(), 0, access=ACCESS_READ))
        self.checksum = lru_cache(lambda algorithm, size: algorithm.update(self.bytes[:size], 0))

    def size(self, target: str) -> int | None:
        """Return the size that the name of an object tells."""
        size = target.partition("?")[0].rpartition("-")[2]
        return int(size) if size.isdigit() and int(size) <= len(self.bytes) else None


@dataclass(frozen=True, slots=True)
class Options:
    """How every connection is served.

    :param latency: seconds to wait before each answer
    :param rate: bytes a second at most that a large answer is sent with; 0 for no limit
    :param context: for TLS
    """

    latency: float
    rate: float
    context: ssl.SSLContext | None


class Connection(threading.Thread):
    """Answers the requests of one connection, each after the latency.

    ``uploads`` holds, for all connections, the checksum and size of each part of each upload.
    """

    uploads: ClassVar[dict[str, dict[int, tuple[int, int]]]] = {}
    ids: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self, sock: socket.socket, content: Content, options: Options) -> None:
        super().__init__(daemon=True)
        self._sock = sock
        self._content = content
        self._latency = options.latency
        self._rate = options.rate
        self._context = options.context
        self._received = b""

    def run(self) -> None:
        """Serve until the client hangs up."""
        try:
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._context:
                self._sock = self._context.wrap_socket(self._sock, server_side=True)
            while self._answer_one():
                pass
        except OSError:
            pass
        finally:
            self._sock.close()

    def _answer_one(self) -> bool:
        while b"\r\n\r\n" not in self._received:
            if not (more := self._sock.recv(SMALL)):
                return False
            self._received += more
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        pairs = (line.partition(":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in pairs}
        if "expect" in headers:
            self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        vendor = _vendor(headers.get("authorization", ""))
        got = self._discard(int(headers.get("content-length", 0)), _checksum(vendor))
        if self._latency:
            time.sleep(self._latency)
        query = parse_qs(target.partition("?")[2], keep_blank_values=True)
        if method in ("GET", "HEAD") and "uploads" not in query and "uploadId" not in query:
            self._get(method, target, headers, vendor)
        elif method == "PUT":
            if "uploadId" in query:
                self.uploads[query["uploadId"][0]][int(query["partNumber"][0])] = got
            self._reply(b"", _headers(vendor, got[0]))
        else:
            self._multipart(method, query, vendor)
        return headers.get("connection", "").lower() != "close"

    def _discard(self, size: int, checksum: Checksum) -> tuple[int, int]:
        """Read a body and return its checksum and size."""
        block, self._received = self._received[:size], self._received[size:]
        computed, left = checksum.update(block, 0), size - len(block)
        buffer = memoryview(bytearray(min(BLOCK, left)))
        while left:
            count = self._sock.recv_into(buffer, min(BLOCK, left))
            if not count:
                raise OSError("the client hung up")
            computed, left = checksum.update(buffer[:count], computed), left - count
        return computed, size

    def _get(self, method: str, target: str, headers: Mapping[str, str], vendor: str) -> None:
        size = self._content.size(target)
        if size is None:
            self._reply(b"<Error><Code>NoSuchKey</Code></Error>", "", 404)
            return
        if headers.get("if-match", ETAG) not in (ETAG, ETAG.strip('"')):
            self._reply(b"<Error><Code>PreconditionFailed</Code></Error>", "", 412)
            return
        start, end, status, said = 0, size, 200, ""
        if wanted := headers.get("range", "").removeprefix("bytes="):
            first, _, last = wanted.partition("-")
            start, end = int(first), min(int(last) + 1, size) if last else size
            status, said = 206, f"Content-Range: bytes {start}-{end - 1}/{size}\r\n"
        said += MODIFIED + _headers(vendor, self._content.checksum(_checksum(vendor), size))
        head = _head(status, end - start, said)
        if method == "HEAD":
            self._sock.sendall(head)
        elif end - start <= SMALL:
            self._sock.sendall(head + self._content.bytes[start:end])
        elif self._context or self._rate:
            self._sock.sendall(head)
            began = time.monotonic()
            for offset in range(start, end, BLOCK):
                if self._rate:
                    time.sleep(max(0.0, began + (offset - start) / self._rate - time.monotonic()))
                self._sock.sendall(self._content.bytes[offset : min(offset + BLOCK, end)])
        else:
            self._sock.sendall(head)
            while start < end:
                start += os.sendfile(self._sock.fileno(), self._content.file.fileno(), start, end - start)

    def _multipart(self, method: str, query: Mapping[str, list[str]], vendor: str) -> None:
        if method == "POST" and "uploads" in query:
            upload_id = f"upload{next(self.ids)}"
            self.uploads[upload_id] = {}
            self._told(vendor, "InitiateMultipartUploadResult", {"uploadId": upload_id, "bucket": "b", "key": "k"})
        elif method == "POST":
            parts = sorted(self.uploads.pop(query["uploadId"][0]).items())
            whole = _checksum(vendor).combine(part for _, part in parts)
            fields = {"eTag": ETAG, "bucket": "b", "key": "k", "location": "http://loopback/k"}
            self._told(vendor, "CompleteMultipartUploadResult", fields, _headers(vendor, whole))
        elif method == "GET":
            self._told(vendor, "ListMultipartUploadsResult", {"isTruncated": "false"})
        else:
            self._reply(b"", "", 204)

    def _told(self, vendor: str, root: str, fields: Mapping[str, str], headers: str = "") -> None:
        if vendor == "bos":
            self._reply(json.dumps({**fields, "isTruncated": False}).encode(), headers)
            return
        named = ((name[0].upper() + name[1:], value) for name, value in fields.items())
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in named)
        self._reply(f'<?xml version="1.0"?><{root}>{inner}</{root}>'.encode(), headers)

    def _reply(self, body: bytes, headers: str, status: int = 200) -> None:
        self._sock.sendall(_head(status, len(body), headers) + body)


def _vendor(authorization: str) -> str:
    return "cos" if authorization.startswith("q-") else "bos" if authorization.startswith("bce-") else "oss"


def _checksum(vendor: str) -> Checksum:
    return CRC32 if vendor == "bos" else CRC64


def _headers(vendor: str, checksum: int) -> str:
    """Return what the vendor tells about an object or part."""
    name = "x-bce-content-crc32" if vendor == "bos" else f"x-{vendor}-hash-crc64ecma"
    return f"ETag: {ETAG}\r\nx-{'bce' if vendor == 'bos' else vendor}-request-id: 1\r\n{name}: {checksum}\r\n"


def _head(status: int, length: int, headers: str) -> bytes:
    first = f"HTTP/1.1 {status} OK\r\nServer: loopback\r\nContent-Length: {length}\r\n"
    return f"{first}{headers}Connection: keep-alive\r\n\r\n".encode("latin-1")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.fast_server")
    parser.add_argument("file", type=Path, help="whose first N bytes are the object NAME-N")
    parser.add_argument("--certificate", help="PEM file with certificate and key: speak TLS")
    parser.add_argument("--latency", type=float, default=0.0, help="milliseconds to wait before each answer")
    parser.add_argument("--rate", type=float, default=0.0, help="MiB a second that a connection gets at most")
    options = parser.parse_args()
    context = None
    if options.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.certificate)
    content = Content(options.file)
    served = Options(options.latency / 1000, options.rate * BLOCK, context)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    while True:
        Connection(listener.accept()[0], content, served).start()


if __name__ == "__main__":
    main()
