"""Faults that answer something else, or nothing any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import urlsplit

from aksk_provider.emulator.faults.base import (
    HAVE_ANSWER_BODY,
    Answered,
    Chunks,
    Effect,
    Exchange,
    at_least,
    first,
)
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.wire import Wire

# Codes that are not the phrase of their status without its spaces.
_CODES = {403: "AccessDenied", 404: "NoSuchKey", 500: "InternalError"}
_REDIRECTS = {
    301: "PermanentRedirect",
    302: "TemporaryRedirect",
    303: "TemporaryRedirect",
    307: "TemporaryRedirect",
    308: "PermanentRedirect",
}


class Ending(Effect):
    """Base of the ways in which an answer may end too early."""

    __slots__ = ()
    after: int | None
    performed: bool

    def __post_init__(self) -> None:
        """Refuse a negative number."""
        at_least(0, after=self.after)

    def fits(self, exchange: Exchange) -> bool:
        """Within the body of an answer, only when there is one."""
        return self.after is None or exchange.call.inbound.method in HAVE_ANSWER_BODY

    async def arrive(self, exchange: Exchange) -> None:
        """End before the request is carried out."""
        if self.after is None and not self.performed:
            await self.end(exchange.wire)

    async def reply(self, reply: Reply, exchange: Exchange) -> Reply:
        """End before the answer begins."""
        if self.after is None:
            await self.end(exchange.wire)
        return reply

    async def answer_body(self, chunks: Chunks, _reply: Reply, exchange: Exchange) -> Chunks:
        """End within the answer."""
        async for chunk in first(chunks, self.after or 0):
            yield chunk
        await self.end(exchange.wire)

    async def end(self, wire: Wire) -> None:
        """End the connection."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Cut(Ending):
    """Close the connection.

    :param after: after so many bytes of the body of the answer; by default without any answer
    :param performed: whether the request is carried out when there is no answer
    """

    after: int | None = None
    performed: bool = False

    async def end(self, wire: Wire) -> None:
        """Close."""
        await wire.close()


@dataclass(frozen=True, slots=True)
class Reset(Ending):
    """Reset the connection (TCP RST), which may take bytes with it that the client has not read yet.

    :param after: after so many bytes of the body of the answer; by default without any answer
    :param performed: whether the request is carried out when there is no answer
    """

    after: int | None = None
    performed: bool = False

    async def end(self, wire: Wire) -> None:
        """Reset."""
        await wire.reset()


@dataclass(frozen=True, slots=True)
class Hang(Ending):
    """Say nothing for a while, then close the connection.

    :param seconds: how long
    :param after: after so many bytes of the body of the answer; by default without any answer
    :param performed: whether the request is carried out when there is no answer
    """

    seconds: float
    after: int | None = None
    performed: bool = False

    def __post_init__(self) -> None:
        """Refuse negative numbers."""
        at_least(0, seconds=self.seconds, after=self.after)

    async def end(self, wire: Wire) -> None:
        """Wait and close."""
        await wire.pause(self.seconds)
        await wire.close()


@dataclass(frozen=True, slots=True)
class Status(Effect):
    """Answer with a status, in the vendor's format of errors.

    :param status: HTTP status
    :param code: the vendor's code; by default one that goes with the status
    :param message: the vendor's message
    :param retry_after: seconds to tell in ``Retry-After``
    :param headers: further headers of the answer
    :param performed: whether the request is carried out nevertheless, and only its answer is lost
    """

    status: int
    code: str | None = None
    message: str = "This is a fault of the emulator."
    retry_after: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    performed: bool = False

    def __post_init__(self) -> None:
        """Refuse what is not the status of an answer."""
        if not 200 <= self.status <= 599:
            raise ValueError(f"status must be 200 to 599, not {self.status}")
        at_least(0, retry_after=self.retry_after)

    async def arrive(self, exchange: Exchange) -> None:
        """Answer at once."""
        if not self.performed:
            raise Answered(self._answer(exchange))

    async def reply(self, _reply: Reply, exchange: Exchange) -> Reply:
        """Answer something else than what was done."""
        return self._answer(exchange)

    def _answer(self, exchange: Exchange) -> Reply:
        known = self.status in set(HTTPStatus)
        code = self.code or _CODES.get(self.status) or (HTTPStatus(self.status).phrase if known else "Error")
        headers = {} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        headers |= {name.lower(): value for name, value in self.headers.items()}
        return exchange.error(self.status, code.replace(" ", ""), self.message, headers)


@dataclass(frozen=True, slots=True)
class Redirect(Effect):
    """Send the client to another host.

    :param location: where to; without a path of its own it gets path and query of the request
    :param status: 301, 302, 303, 307 or 308
    """

    location: str
    status: int = 307

    def __post_init__(self) -> None:
        """Refuse what does not redirect."""
        if self.status not in _REDIRECTS:
            raise ValueError(f"status must be one of {', '.join(map(str, _REDIRECTS))}, not {self.status}")
        if not urlsplit(self.location).netloc:
            raise ValueError(f"location must be a URL, not {self.location!r}")

    async def arrive(self, exchange: Exchange) -> None:
        """Answer with a location."""
        inbound = exchange.call.inbound
        target = f"{inbound.path}?{inbound.query}" if inbound.query else inbound.path
        location = self.location if urlsplit(self.location).path else f"{self.location}{target}"
        headers = {"location": location}
        raise Answered(exchange.error(self.status, _REDIRECTS[self.status], "Ask the host in Location.", headers))
