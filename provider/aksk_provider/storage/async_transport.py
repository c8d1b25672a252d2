"""Sends operations from an event loop with aiohttp, for waiting: answers are small and are read whole."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

import aiohttp
import requests.utils
import tenacity
from yarl import URL

from aksk_provider.errors import (
    ConnectionConfigError,
    ObjectStorageError,
    PermissionDeniedError,
    ServiceError,
    TransportError,
)
from aksk_provider.signing import Credentials, Request
from aksk_provider.storage import responses, retry
from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.connections import environment
from aksk_provider.storage.credentials import Reloading
from aksk_provider.storage.exchange import Exchange
from aksk_provider.storage.operations import Operation

log = logging.getLogger(__name__)
CONNECTIONS = 32
_KEEP_ALIVE = 75.0
_NAMES_KNOWN_FOR = 60
_SIGNATURE_KEPT_FOR = 60.0
T = TypeVar("T")
Answer = tuple[Mapping[str, str], bytes]
InThread = Callable[[Callable[..., Any]], Callable[..., Awaitable[Any]]]


def _in_thread(function: Callable[..., T]) -> Callable[..., Awaitable[T]]:
    async def run(*arguments: Any) -> T:
        return await asyncio.to_thread(function, *arguments)

    return run


class Kept:
    """A signed request that is sent again while its signature is young: signing costs as much as sending.

    The vendors accept a signature for many minutes: OSS for 15, BOS and COS for as long as it says, 30 and 5.
    """

    __slots__ = ("credentials", "request", "until", "url")

    def __init__(self) -> None:
        self.until = 0.0
        self.credentials: Credentials | None = None

    def fits(self, credentials: Credentials) -> bool:
        """Tell whether it may be sent as it is."""
        return self.credentials is credentials and monotonic() < self.until

    def keep(self, request: Request, url: URL, credentials: Credentials) -> None:
        """Keep a request that was signed just now."""
        self.request, self.url, self.credentials = request, url, credentials
        self.until = monotonic() + _SIGNATURE_KEPT_FOR

    def forget(self) -> None:
        """Sign anew the next time."""
        self.credentials = None


class AsyncTransport(Exchange):
    """One client session with one endpoint, of one event loop. Close it with :meth:`aclose`.

    :param config: endpoint, credentials and transport settings
    :param clock: returns the time to sign with
    :param in_thread: makes a coroutine function of one that blocks, to read the connection again
    """

    def __init__(self, config: StoreConfig, clock: Callable[[], datetime], in_thread: InThread = _in_thread) -> None:
        super().__init__(config, clock)
        self._in_thread = in_thread
        self._session: aiohttp.ClientSession | None = None
        self._proxies: dict[str, str | None] = {}
        self._mending: dict[Credentials, asyncio.Future[bool]] = {}

    async def aopen(self) -> None:
        """Make the session; certificates are read in a thread."""
        endpoint = self.config.endpoint
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=self.config.connect_timeout, sock_read=self.config.read_timeout
        )
        tls = await asyncio.to_thread(self._tls) if endpoint.scheme == "https" else False
        connector = aiohttp.TCPConnector(
            limit=CONNECTIONS, ssl=tls, keepalive_timeout=_KEEP_ALIVE, ttl_dns_cache=_NAMES_KNOWN_FOR
        )
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def read(self, operation: Operation, kept: Kept | None = None) -> Answer | None:
        """Sign, send and return headers and body, again after failures that may pass.

        ``None`` means that the object of a HEAD is absent from a bucket that is there: what is said most while
        waiting, without the cost of an error. Where that is not yet known, a 404 raises as all errors do.

        :param kept: where the signed request may be kept, by a caller that sends the same again
        :raises ServiceError: the store's error
        :raises TransportError: there was no answer
        """
        try:
            try:
                return await self._read_once(operation, kept or Kept())
            except ObjectStorageError as error:
                if not error.retryable or self.config.max_attempts == 1:
                    raise
                return await self._repeat(operation, error)
        except ServiceError as error:
            raise await self._explained(error, operation) from None

    async def _repeat(self, operation: Operation, first: ObjectStorageError) -> Answer | None:
        """Go on after a first failure; the policy is only made here, since making it costs more than a request."""
        failures = [first]

        async def attempt() -> Answer | None:
            if failures:
                raise failures.pop()
            return await self._read_once(operation, Kept())

        answer: Answer | None = await retry.async_policy(self.config.max_attempts, self._count)(attempt)
        return answer

    def _count(self, _: tenacity.RetryCallState) -> None:
        self.repeated += 1

    async def _read_once(self, operation: Operation, kept: Kept) -> Answer | None:
        """Send, and once more when a refusal has a cause that can be mended: rotated credentials, a wrong clock."""
        credentials = self.config.credentials()
        try:
            return await self._read_as(credentials, operation, kept)
        except PermissionDeniedError as refusal:
            kept.forget()
            if not self.corrected_clock(refusal) and not await self._reloaded_once(credentials):
                raise
        return await self._read_as(self.config.credentials(), operation, kept)

    async def _read_as(self, credentials: Credentials, operation: Operation, kept: Kept) -> Answer | None:
        status, headers, body = await self._send(credentials, operation, kept)
        if status == 404 and operation.method == "HEAD" and self.bucket_is_known(operation.bucket):
            return None
        if status >= 300 or (body and responses.error_in_body(self.config.vendor, body)):
            raise self.refusal(operation, kept.request, status, headers, body)
        return headers, body

    async def _send(
        self, credentials: Credentials, operation: Operation, kept: Kept, *, read: bool = True
    ) -> tuple[int, Mapping[str, str], bytes]:
        if self._session is None:
            await self.aopen()
        assert self._session is not None
        if not kept.fits(credentials):
            request = self.signed(operation, credentials)
            kept.keep(request, URL(request.url, encoded=True), credentials)
        url = kept.url
        try:
            async with self._session.request(
                operation.method, url, headers=kept.request.headers, allow_redirects=False, proxy=self._proxy(url)
            ) as response:
                wanted = read or response.status >= 300
                return response.status, response.headers, await response.read() if wanted else b""
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            failure = retry.transport_error(operation.describe(self.config.vendor), self.config.endpoint, error)
            failure.retryable = not isinstance(error, aiohttp.ClientSSLError)
            raise failure from error

    async def _reloaded_once(self, refused: Credentials) -> bool:
        """Read the connection again, once for all requests that were refused with the same credentials."""
        if not isinstance(self.config.credentials, Reloading):
            return False
        if (mending := self._mending.get(refused)) is None:
            mending = self._mending[refused] = asyncio.ensure_future(self._in_thread(self.reloaded)(refused))
            mending.add_done_callback(lambda _: self._mending.pop(refused, None))
        return await asyncio.shield(mending)

    async def _explained(self, error: ServiceError, operation: Operation) -> ServiceError:
        """Return an error that names the vendor's code, which the answer to a HEAD lacks."""
        if not self.needs_explanation(error, operation):
            return error
        asking, kept = self.explaining(operation), Kept()
        try:
            status, headers, body = await self._send(self.config.credentials(), asking, kept, read=False)
            if status == error.status:
                error = self.refusal(asking, kept.request, status, headers, body)
        except TransportError:
            log.debug("%s: the store does not say why", error.operation)
        self.learned(error, operation)
        return error

    def _tls(self) -> ssl.SSLContext | bool:
        """Return what requests would verify with: the connection's setting, the environment's, certifi's bundle."""
        verify = environment(self.config, self.config.endpoint.url(None, None))["verify"]
        if verify is False:
            return False
        bundle = requests.utils.DEFAULT_CA_BUNDLE_PATH if verify is True else verify
        if Path(bundle).is_dir():
            return ssl.create_default_context(capath=bundle)
        return ssl.create_default_context(cafile=bundle)

    def _proxy(self, url: URL) -> str | None:
        host = url.authority
        if host not in self._proxies:
            proxy = requests.utils.select_proxy(str(url), environment(self.config, str(url))["proxies"])
            if proxy and not proxy.startswith(("http://", "https://")):
                scheme = proxy.partition(":")[0]
                raise ConnectionConfigError(f"proxies: waiting in the triggerer needs an http proxy, not {scheme}")
            self._proxies[host] = proxy
        return self._proxies[host]
