"""A store without objects that answers fast: ``python -m tests.benchmarks.waiting_server [KEYS]``; prints its port.

Every object is absent, every listing has ``KEYS`` keys (none by default) in pages of 1,000, in the XML of OSS and S3.
It tells how many requests it had at ``/-/count``, for how many paths at ``/-/paths``, and ends when its standard input
does.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import threading
from email.utils import formatdate
from typing import ClassVar

PAGE = 1000
_ABSENT = b"<Error><Code>NoSuchKey</Code></Error>"
_TOKEN = re.compile(rb"continuation-token=(\d+)")


class Store(asyncio.Protocol):
    """One connection."""

    keys = 0
    requests = 0
    paths: ClassVar[set[bytes]] = set()
    transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self._received = b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            method, target, _ = head.split(b"\r\n", 1)[0].split(b" ")
            self._answer(method, target)

    def _answer(self, method: bytes, target: bytes) -> None:
        if target in (b"/-/count", b"/-/paths"):
            self._reply(b"200 OK", str(Store.requests if target == b"/-/count" else len(Store.paths)).encode())
            return
        Store.requests += 1
        Store.paths.add(target.partition(b"?")[0])
        if b"list-type" in target or b"prefix=" in target:
            self._reply(b"200 OK", self._page(target))
        else:
            self._reply(b"404 Not Found", b"" if method == b"HEAD" else _ABSENT)

    def _page(self, target: bytes) -> bytes:
        token = _TOKEN.search(target)
        start = int(token[1]) if token else 0
        end = min(start + PAGE, self.keys)
        rest = f"<NextContinuationToken>{end}</NextContinuationToken>" if end < self.keys else ""
        contents = "".join(
            f"<Contents><Key>data/{number:09}.csv</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
            f'<ETag>"{number:032x}"</ETag><Size>1</Size></Contents>'
            for number in range(start, end)
        )
        truncated = str(bool(rest)).lower()
        return (
            f'<?xml version="1.0"?><ListBucketResult><EncodingType>url</EncodingType>'
            f"<IsTruncated>{truncated}</IsTruncated>{rest}{contents}</ListBucketResult>"
        ).encode()

    def _reply(self, status: bytes, body: bytes) -> None:
        date = formatdate(usegmt=True).encode()
        self.transport.write(
            b"HTTP/1.1 %b\r\nContent-Length: %d\r\nContent-Type: application/xml\r\nDate: %b\r\n"
            b"x-oss-request-id: 1\r\n\r\n%b" % (status, len(body), date, body)
        )


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Store, "127.0.0.1", 0, backlog=10_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    Store.keys = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    asyncio.run(serve())
