"""Faults in what is sent: bytes that change or come slowly, and promises that are not kept."""

from __future__ import annotations

from dataclasses import dataclass, replace

from aksk_provider.emulator.faults.base import (
    HAVE_ANSWER_BODY,
    HAVE_REQUEST_BODY,
    Chunks,
    Effect,
    Exchange,
    at_least,
    first,
)
from aksk_provider.emulator.operations.call import Call
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.wire import Wire

_WITH_CHECKSUM = frozenset({"get", "head", "put", "copy", "upload_part", "complete"})


@dataclass(frozen=True, slots=True)
class CutRequest(Effect):
    """Close the connection while the client is sending, after so many bytes of its body.

    :param after: bytes that are read
    """

    after: int
    methods = HAVE_REQUEST_BODY

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        at_least(0, after=self.after)

    async def request_body(self, chunks: Chunks, exchange: Exchange) -> Chunks:
        """Read the first bytes and close."""
        async for chunk in first(chunks, self.after):
            yield chunk
        await exchange.wire.close()


@dataclass(frozen=True, slots=True)
class Flip(Effect):
    """Invert one byte of the body of the answer.

    :param at: which one, from 0
    """

    at: int
    methods = HAVE_ANSWER_BODY

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        at_least(0, at=self.at)

    def answer_body(self, chunks: Chunks, _reply: Reply, _exchange: Exchange) -> Chunks:
        """Send another byte."""
        return _flipped(chunks, self.at)


@dataclass(frozen=True, slots=True)
class FlipRequest(Effect):
    """Invert one byte of the body of the request, which is then digested and stored like that.

    :param at: which one, from 0
    """

    at: int
    methods = HAVE_REQUEST_BODY

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        at_least(0, at=self.at)

    def request_body(self, chunks: Chunks, _exchange: Exchange) -> Chunks:
        """Read another byte."""
        return _flipped(chunks, self.at)


@dataclass(frozen=True, slots=True)
class WrongChecksum(Effect):
    """Tell another CRC in the headers of the answer; what is stored stays right."""

    def fits(self, exchange: Exchange) -> bool:
        """Only these operations are answered with a checksum."""
        return exchange.operation in _WITH_CHECKSUM

    async def reply(self, reply: Reply, exchange: Exchange) -> Reply:
        """Change the lowest bit."""
        told = exchange.call.dialect.digest_headers.keys() & reply.headers.keys()
        return replace(reply, headers={**reply.headers, **{name: str(int(reply.headers[name]) ^ 1) for name in told}})


@dataclass(frozen=True, slots=True)
class WrongLength(Effect):
    """Promise another length in Content-Length than is sent, then close the connection.

    :param by: how many bytes too many; a negative number promises too few
    """

    by: int
    methods = ("GET", "HEAD", "POST")

    async def reply(self, reply: Reply, _exchange: Exchange) -> Reply:
        """Promise."""
        return replace(reply, length=max(0, reply.size + self.by))

    async def answer_body(self, chunks: Chunks, reply: Reply, exchange: Exchange) -> Chunks:
        """Send what was promised, and the rest past HTTP, which does not allow it."""
        left = reply.size
        async for chunk in chunks:
            if left:
                yield chunk[:left]
            exchange.wire.write(chunk[left:])
            left = max(0, left - len(chunk))
        await exchange.wire.close()


@dataclass(frozen=True, slots=True)
class Slow(Effect):
    """Read and send bodies slowly.

    :param bytes_per_second: how slowly
    """

    bytes_per_second: int

    def __post_init__(self) -> None:
        """Refuse a standstill, which is :class:`Hang`."""
        at_least(1, bytes_per_second=self.bytes_per_second)

    def request_body(self, chunks: Chunks, exchange: Exchange) -> Chunks:
        """Read slowly."""
        return self._paced(chunks, exchange.wire)

    def answer_body(self, chunks: Chunks, _reply: Reply, exchange: Exchange) -> Chunks:
        """Send slowly."""
        return self._paced(chunks, exchange.wire)

    async def _paced(self, chunks: Chunks, wire: Wire) -> Chunks:
        step = max(1, self.bytes_per_second // 10)
        async for chunk in chunks:
            for start in range(0, len(chunk), step):
                piece = chunk[start : start + step]
                await wire.pause(len(piece) / self.bytes_per_second)
                yield piece


@dataclass(frozen=True, slots=True)
class Replace(Effect):
    """Overwrite the object while it is read.

    :param after: bytes of the body of the answer that are sent before; the rest is still the old content
    :param content: what is there from then on
    """

    after: int
    content: bytes

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        at_least(0, after=self.after)

    def fits(self, exchange: Exchange) -> bool:
        """Only reading has a middle."""
        return exchange.operation == "get"

    async def answer_body(self, chunks: Chunks, reply: Reply, exchange: Exchange) -> Chunks:
        """Overwrite, and go on."""
        sent, due = 0, reply.content is not None
        async for chunk in chunks:
            before = chunk[: max(0, self.after - sent)]
            if before:
                yield before
            sent += len(chunk)
            if due and sent >= self.after:
                _overwrite(exchange.call, self.content)
                due = False
            if len(before) < len(chunk):
                yield chunk[len(before) :]


def _overwrite(call: Call, content: bytes) -> None:
    bodies, dialect = call.storage.bodies, call.dialect
    with bodies.intake(dialect.wanted_digests({})) as intake:
        intake.write(content)
        body = bodies.adopt(intake)
    etag, headers = dialect.etag(body.digests["md5"]), dialect.kept_headers({})
    call.storage.objects.put(call.bucket, call.key, body, etag=etag, headers=headers, now=call.now)


async def _flipped(chunks: Chunks, at: int) -> Chunks:
    async for chunk in chunks:
        if 0 <= at < len(chunk):
            yield chunk[:at] + bytes([chunk[at] ^ 0xFF]) + chunk[at + 1 :]
        else:
            yield chunk
        at -= len(chunk)
