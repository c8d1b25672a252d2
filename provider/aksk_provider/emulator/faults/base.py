"""What a fault gets to see, and the stages of a request at which it may act."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar

from aksk_provider.emulator.operations.call import Call
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.wire import Wire

Chunks = AsyncIterator[bytes]

# HEAD is answered without a body, and most writes with an empty one.
HAVE_ANSWER_BODY = ("GET", "POST")
HAVE_REQUEST_BODY = ("PUT", "POST")


class Answered(Exception):  # noqa: N818 - it is an answer, not a failure
    """The request is answered without being looked at.

    :param reply: the answer
    """

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that faults may hit.

    :param call: what it asks for, not verified yet
    :param operation: its name, ``""`` for one that is not served
    :param wire: the connection it came by
    :param expired: tokens that have expired; faults add to it
    """

    call: Call
    operation: str
    wire: Wire
    expired: set[str]

    @property
    def token(self) -> str | None:
        """The session token of the request."""
        name = f"{self.call.dialect.prefix}security-token"
        return self.call.headers.get(name) or self.call.inbound.params.get(name)

    def error(self, status: int, code: str, message: str, headers: Mapping[str, str]) -> Reply:
        """Return an error in the vendor's format."""
        reply = self.call.dialect.error_reply(status, headers, (code, message), {}, self.call.inbound)
        return replace(reply, body=b"") if status in (204, 304) else reply


class Effect:
    """Base of all effects, which does nothing; a stage that is not overridden stays as it is."""

    __slots__ = ()
    # Methods of the requests that it can do something to; ``None`` for all.
    methods: ClassVar[Collection[str] | None] = None

    def fits(self, exchange: Exchange) -> bool:
        """Tell whether it can do something to this request."""
        return self.methods is None or exchange.call.inbound.method in self.methods

    def time(self, now: datetime) -> datetime:
        """Return what the server's clock shows."""
        return now

    async def arrive(self, exchange: Exchange) -> None:
        """Act when the head of the request is there, before it is verified."""

    def request_body(self, chunks: Chunks, _exchange: Exchange) -> Chunks:
        """Change the body of the request on its way in."""
        return chunks

    async def reply(self, reply: Reply, _exchange: Exchange) -> Reply:
        """Change the answer, before any of it is sent."""
        return reply

    def answer_body(self, chunks: Chunks, _reply: Reply, _exchange: Exchange) -> Chunks:
        """Change the body of the answer on its way out."""
        return chunks


def at_least(least: int, **values: float | None) -> None:
    """Refuse numbers that are smaller.

    :raises ValueError: names the field
    """
    for name, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"{name} must be at least {least}, not {value}")


async def first(chunks: Chunks, size: int) -> Chunks:
    """Give the first bytes, without asking for more."""
    if size <= 0:
        return
    async for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return
