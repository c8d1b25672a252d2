"""Sends operations: builds the URL, signs, sends, repeats, and turns refusals into errors. Opens the sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

import tenacity
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from aksk_provider import __version__
from aksk_provider.errors import PermissionDeniedError, ServiceError, TransportError
from aksk_provider.signing import Credentials, Request, Signer
from aksk_provider.storage import responses, retry
from aksk_provider.storage.bodies import Body
from aksk_provider.storage.config import Endpoint, StoreConfig
from aksk_provider.storage.connections import Connections, Response
from aksk_provider.storage.credentials import Reloading
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.vendors import Scope

log = logging.getLogger(__name__)
_ERROR_BODY_LIMIT = 1024**2
_SKEW = 30.0
_REFUSED = (400, 401, 403)
_HEADERS = {"User-Agent": f"airflow-provider-aksk/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


class Transport:
    """Requests to one endpoint. Redirects are never followed: they would take the credentials along.

    :param config: endpoint, credentials and transport settings
    :param clock: returns the time to sign with
    """

    def __init__(self, config: StoreConfig, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._clock = clock
        self._clock_offset = timedelta()
        self._known_buckets: set[str] = set()
        self._connections = Connections(config)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def now(self) -> datetime:
        """Return the time to sign with: this machine's, corrected by what the store's answers told."""
        return self._clock() + self._clock_offset

    def request(self, operation: Operation, endpoint: Endpoint) -> Request:
        """Return the request that an operation is at an endpoint."""
        url = endpoint.url(operation.bucket, operation.key, operation.query)
        return Request(operation.method, url, operation.headers)

    def signer(self, operation: Operation, endpoint: Endpoint, headers: Collection[str] | None = None) -> Signer:
        """Return the signer of an operation at an endpoint.

        :param headers: names of the headers to sign, by default those the vendor's SDK signs
        """
        scope = Scope(self._config.region, operation.bucket, endpoint.addressing == "path", headers)
        return self._config.vendor.signer(scope)

    def retrying(self) -> tenacity.Retrying:
        """Return the retry policy."""
        return retry.policy(self._config.max_attempts)

    def send(self, operation: Operation, *, repeat: bool = True) -> Response:
        """Sign and send, again after failures that may pass, and return the answer with its body unread.

        :param repeat: ``False`` sends once, for a caller that repeats more than the request
        :raises ServiceError: the store's error
        :raises TransportError: there was no answer
        """
        if not repeat:
            return self._send_once(operation, operation.body)
        return self.retrying()(self._send_once, operation, operation.body)

    def read(self, operation: Operation, body: bytes | Body | None = None) -> tuple[Mapping[str, str], bytes]:
        """Send as :meth:`send` does, and return headers and body; an error in the body of an answer is raised too.

        :param body: overrides the operation's own
        """
        body = operation.body if body is None else body
        try:
            return self.retrying()(self._read_once, operation, body)
        except ServiceError as error:
            if operation.method == "HEAD":
                raise self._explained(error, operation) from None
            raise

    def _read_once(self, operation: Operation, body: bytes | Body) -> tuple[Mapping[str, str], bytes]:
        """Send and read the answer to its end, however empty: only then its connection is used again."""
        config = self._config
        response = self._send_once(operation, body)
        try:
            answer = response.read(decode_content=False)
        except HTTPError as error:
            raise retry.transport_error(operation.describe(config.vendor), config.endpoint, error) from error
        finally:
            response.close()
        if responses.error_in_body(config.vendor, answer):
            raise responses.service_error(config.vendor, operation, response.status, response.headers, answer)
        return response.headers, answer

    def knock(self, url: str) -> str | None:
        """Ask a URL for nothing, without a signature, and return the time that the answer tells.

        :raises TransportError: there was no answer
        """
        try:
            with self._connections.exchange(Request("HEAD", url, _HEADERS), None) as response:
                return response.headers.get("Date")
        except (RequestException, HTTPError) as error:
            raise retry.transport_error(f"HEAD {url}", self._config.endpoint, error) from error

    def proxy(self, url: str) -> str | None:
        """Return the proxy that requests to a URL go through."""
        return self._connections.proxy(url)

    def _send_once(self, operation: Operation, body: bytes | Body) -> Response:
        """Send, and once more when a refusal has a cause that can be mended: rotated credentials, a wrong clock."""
        credentials = self._config.credentials()
        try:
            return self._send_as(credentials, operation, body)
        except PermissionDeniedError as refusal:
            if not self._corrected_clock(refusal) and not self._reloaded(credentials):
                raise
        return self._send_as(self._config.credentials(), operation, body)

    def _send_as(self, credentials: Credentials, operation: Operation, body: bytes | Body) -> Response:
        endpoint = self._config.endpoint
        request = self.request(operation, endpoint)
        given = {name.lower() for name in request.headers}
        headers = {name: value for name, value in _HEADERS.items() if name.lower() not in given} | dict(request.headers)
        if len(body) or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(len(body))
        unsigned = Request(request.method, request.url, headers)
        signed = self.signer(operation, endpoint).sign(unsigned, credentials, now=self.now())
        try:
            response = self._connections.exchange(signed, body if len(body) else None)
        except (RequestException, HTTPError) as error:
            raise retry.transport_error(operation.describe(self._config.vendor), endpoint, error) from error
        if response.status >= 300:
            raise self._error(operation, signed, response)
        return response

    def _reloaded(self, refused: Credentials) -> bool:
        source = self._config.credentials
        if not isinstance(source, Reloading) or not source.reload(refused):
            return False
        log.info("the connection has other credentials now: trying again with them")
        return True

    def _corrected_clock(self, refusal: ServiceError) -> bool:
        """Take over the store's time when a refusal shows that this machine's is far off."""
        if refusal.clock_skew is None or abs(refusal.clock_skew) < _SKEW:
            return False
        self._clock_offset += timedelta(seconds=refusal.clock_skew)
        behind = "behind" if refusal.clock_skew > 0 else "ahead of"
        log.warning("this machine's clock is %.0f s %s the store's: corrected here", abs(refusal.clock_skew), behind)
        return True

    def _error(self, operation: Operation, sent: Request, response: Response) -> ServiceError:
        with response:
            try:
                body = response.read(_ERROR_BODY_LIMIT)
            except HTTPError:
                body = b""
        error = responses.service_error(self._config.vendor, operation, response.status, response.headers, body)
        if date := response.headers.get("Date"):
            error.clock_skew = (parsedate_to_datetime(date) - self.now()).total_seconds()
        if error.status in _REFUSED:
            from aksk_provider.storage.doctor.refusals import advise

            resource = f"/{operation.bucket}/{operation.key or ''}" if operation.bucket else "/"
            advise(error, self._config.vendor, sent, responses.error_document(response.headers, body), resource)
        return error

    def _explained(self, error: ServiceError, operation: Operation) -> ServiceError:
        """Return an error that names the vendor's code: answers to HEAD have no body, those to GET have one.

        A missing bucket is told from a missing object this way; once that is known it is not asked again.
        """
        if error.code or error.retryable or (error.status == 404 and operation.bucket in self._known_buckets):
            return error
        try:
            self._send_once(replace(operation, method="GET", headers={"Range": "bytes=0-0"}), b"").close()
        except ServiceError as explained:
            error = explained if explained.status == error.status else error
        except TransportError:
            log.debug("%s: the store does not say why", error.operation)
        if error.code == "NoSuchKey" and operation.bucket:
            self._known_buckets.add(operation.bucket)
        return error
