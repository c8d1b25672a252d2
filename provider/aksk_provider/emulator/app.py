"""The server as an ASGI application: one pipeline from the bytes of a request to those of its answer."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from aksk_provider.emulator import operations
from aksk_provider.emulator.bodies import CHUNK
from aksk_provider.emulator.dialects import DIALECTS, Dialect
from aksk_provider.emulator.faults import control
from aksk_provider.emulator.faults.base import Answered, Chunks
from aksk_provider.emulator.faults.rules import Faults, Strike
from aksk_provider.emulator.forms.reader import is_form
from aksk_provider.emulator.model import Account, Bucket, Inbound, Refused
from aksk_provider.emulator.operations.call import Call, Storage
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.routing import Target, route
from aksk_provider.emulator.verify import VERIFIERS
from aksk_provider.errors import InvalidRequestError

_NAMES = {"etag": "ETag", "content-md5": "Content-MD5"}


class Application:
    """Answers the requests of the three protocols.

    :param clock: tells the time, as an aware datetime in UTC
    :param faults: what goes wrong
    """

    def __init__(
        self,
        storage: Storage,
        accounts: Mapping[str, Account],
        buckets: Mapping[tuple[str, str], Bucket],
        domains: Mapping[str, Bucket],
        clock: Callable[[], datetime],
        faults: Faults,
    ) -> None:
        self._storage = storage
        self._accounts = accounts
        self._buckets = buckets
        self._domains = domains
        self._clock = clock
        self._faults = faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        try:
            await self._serve(_inbound(scope), request, send)
        except ClientDisconnect:
            return

    async def _serve(self, inbound: Inbound, request: Request, send: Send) -> None:
        now = self._clock()
        if control.is_meant(inbound, self._buckets, self._domains):
            await _send(control.answer(self._faults, inbound.method, await request.body()), now, request, send)
            return
        try:
            target = route(inbound, self._buckets, self._domains)
        except Refused as refused:
            told = f"{refused.code}: {refused.message}\n"
            await _send(Reply(400, {"content-type": "text/plain"}, told.encode()), now, request, send)
            return
        dialect = DIALECTS[target.vendor]
        inbound = dialect.heard(inbound)
        try:
            key = target.key
        except Refused as refused:
            await _send(_named(dialect.error(refused, inbound), dialect, inbound), now, request, send)
            return
        call = Call(
            inbound, dialect, target.bucket, key, self._storage, self._buckets, now, request.stream(), self._accounts
        )
        strike = self._faults.strike(call, request.state.wire)
        answer = await self._answer(target, strike)
        with answer.content.file if answer.content else nullcontext():
            reply = _named(await strike.reply(answer), dialect, inbound)
            await _send(reply, strike.call.now, request, send, strike.answer_body)

    async def _answer(self, target: Target, strike: Strike) -> Reply:
        call = strike.call
        try:
            await strike.arrive()
            if not (is_form(call.inbound.method, call.headers) and not call.key):  # a form's signature is in its body
                VERIFIERS[target.vendor](call.inbound, target.resource, self._accounts, call.now)
            return await operations.find(call)(call)
        except Answered as answered:
            return answered.reply
        except InvalidRequestError as error:
            return call.dialect.error(Refused("InvalidURI", str(error)), call.inbound)
        except Refused as refused:
            return call.dialect.error(refused, call.inbound)


def _named(reply: Reply, dialect: Dialect, inbound: Inbound) -> Reply:
    """Name server and request in the headers."""
    named = dialect.request_headers(inbound.request_id, failed=reply.status >= 400)
    return replace(reply, headers={**reply.headers, "server": dialect.server, **named})


def _inbound(scope: Scope) -> Inbound:
    """Read what the server read, from the raw request target: a decoded path has lost what was signed."""
    path = scope["raw_path"].decode("ascii")
    if not path.startswith("/"):
        # A forward proxy is sent absolute URLs.
        path = urlsplit(path).path or "/"
    return Inbound(
        method=scope["method"],
        path=path,
        query=scope["query_string"].decode("ascii"),
        headers={name.decode("latin-1"): _text(value) for name, value in scope["headers"]},
        request_id=uuid.uuid4().hex.upper(),
    )


def _text(value: bytes) -> str:
    """Read a header value: the vendors' SDKs send UTF-8 where they do not encode."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _wire_name(name: str) -> str:
    """Write the name of a header as the vendors do: Tencent's SDK hands headers out in a plain dictionary."""
    return name if name.startswith("x-") else _NAMES.get(name, name.title())


async def _send(
    reply: Reply,
    now: datetime,
    request: Request,
    send: Send,
    through: Callable[[Chunks, Reply], Chunks] = lambda chunks, _reply: chunks,
) -> None:
    """Send an answer.

    :param through: what its body goes through
    """
    headers = {**reply.headers, "date": format_datetime(now.replace(microsecond=0), usegmt=True)}
    if reply.status not in (204, 304):
        headers["content-length"] = str(reply.size)
    raw = [(_wire_name(name).encode("latin-1"), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if request.method != "HEAD":
        async for chunk in through(_body(reply, request), reply):
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _body(reply: Reply, request: Request) -> Chunks:
    if reply.content is None:
        yield reply.body
        return
    content, left = reply.content, reply.content.length
    content.file.seek(content.offset)
    while left > 0 and not await request.is_disconnected() and (chunk := content.file.read(min(CHUNK, left))):
        left -= len(chunk)
        yield chunk
