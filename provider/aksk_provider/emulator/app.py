"""The server as an ASGI application: one pipeline from the bytes of a request to those of its answer."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from email.utils import format_datetime
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope, Send

from aksk_provider.emulator import operations
from aksk_provider.emulator.bodies import CHUNK
from aksk_provider.emulator.dialects import DIALECTS
from aksk_provider.emulator.model import Account, Bucket, Inbound, Refused
from aksk_provider.emulator.operations.call import Call, Storage
from aksk_provider.emulator.replies import Content, Reply
from aksk_provider.emulator.routing import Target, route
from aksk_provider.emulator.verify import VERIFIERS
from aksk_provider.errors import InvalidRequestError

_NAMES = {"etag": "ETag", "content-md5": "Content-MD5"}


class Application:
    """Answers the requests of the three protocols.

    :param clock: tells the time, as an aware datetime in UTC
    """

    def __init__(
        self,
        storage: Storage,
        accounts: Mapping[str, Account],
        buckets: Mapping[tuple[str, str], Bucket],
        domains: Mapping[str, Bucket],
        clock: Callable[[], datetime],
    ) -> None:
        self._storage = storage
        self._accounts = accounts
        self._buckets = buckets
        self._domains = domains
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        now = self._clock()
        try:
            reply = await self._answer(_inbound(scope), request.stream(), now)
        except ClientDisconnect:
            return
        headers = {**reply.headers, "date": format_datetime(now.replace(microsecond=0), usegmt=True)}
        await _send(reply, headers, request, send)

    async def _answer(self, inbound: Inbound, body: AsyncIterator[bytes], now: datetime) -> Reply:
        try:
            target = route(inbound, self._buckets, self._domains)
        except Refused as refused:
            return Reply(400, {"content-type": "text/plain"}, f"{refused.code}: {refused.message}\n".encode())
        dialect = DIALECTS[target.vendor]
        inbound = dialect.heard(inbound)
        try:
            reply = await self._perform(inbound, target, body, now)
        except InvalidRequestError as error:
            reply = dialect.error(Refused("InvalidURI", str(error)), inbound)
        except Refused as refused:
            reply = dialect.error(refused, inbound)
        named = dialect.request_headers(inbound.request_id, failed=reply.status >= 400)
        headers = {**reply.headers, "server": dialect.server, **named}
        return Reply(reply.status, headers, reply.body, reply.content, reply.length)

    async def _perform(self, inbound: Inbound, target: Target, body: AsyncIterator[bytes], now: datetime) -> Reply:
        dialect = DIALECTS[target.vendor]
        VERIFIERS[target.vendor](inbound, target.resource, self._accounts, now)
        call = Call(inbound, dialect, target.bucket, target.key, self._storage, self._buckets, now, body)
        return await operations.find(call)(call)


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


async def _send(reply: Reply, headers: Mapping[str, str], request: Request, send: Send) -> None:
    if reply.status not in (204, 304):
        length = reply.content.length if reply.content else len(reply.body) if reply.length is None else reply.length
        headers = {**headers, "content-length": str(length)}
    raw = [(_wire_name(name).encode("latin-1"), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    if reply.content:
        await _send_content(reply.content, request, send)
    await send({"type": "http.response.body", "body": b"" if request.method == "HEAD" else reply.body})


async def _send_content(content: Content, request: Request, send: Send) -> None:
    with content.file as file:
        file.seek(content.offset)
        left = content.length
        while left > 0 and not await request.is_disconnected() and (chunk := file.read(min(CHUNK, left))):
            left -= len(chunk)
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
