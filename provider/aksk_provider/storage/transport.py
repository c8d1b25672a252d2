"""Sends operations: builds the URL, signs, sends, repeats, and turns refusals into errors. Opens the sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict

from aksk_provider.errors import PermissionDeniedError, ServiceError, TransportError
from aksk_provider.signing import Credentials, encoding
from aksk_provider.storage import responses, retry
from aksk_provider.storage.auth import SignatureAuth
from aksk_provider.storage.bodies import Body
from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.exchange import ERROR_BODY_LIMIT, HEADERS, Exchange
from aksk_provider.storage.operations import Operation

log = logging.getLogger(__name__)
_POOL = 64


class Transport(Exchange):
    """One session with one endpoint. Redirects are never followed: they would take the credentials along.

    :param config: endpoint, credentials and transport settings
    :param clock: returns the time to sign with
    """

    def __init__(self, config: StoreConfig, clock: Callable[[], datetime]) -> None:
        super().__init__(config, clock)
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._environment = cache(self.environment)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def retrying(self) -> tenacity.Retrying:
        """Return the retry policy."""
        return retry.policy(self.config.max_attempts, before_sleep=self._count)

    def _count(self, _: tenacity.RetryCallState) -> None:
        self.repeated += 1

    def send(self, operation: Operation, body: bytes | Body | None = None, *, repeat: bool = True) -> requests.Response:
        """Sign and send, again after failures that may pass, and return the answer with its body unread.

        :param body: overrides the operation's own
        :param repeat: ``False`` sends once, for a caller that repeats more than the request
        :raises ServiceError: the store's error
        :raises TransportError: there was no answer
        """
        body = operation.body if body is None else body
        try:
            return self.retrying()(self._send_once, operation, body) if repeat else self._send_once(operation, body)
        except ServiceError as error:
            raise self._explained(error, operation) from None

    def read(self, operation: Operation) -> tuple[Mapping[str, str], bytes]:
        """Send and return headers and body, raising the error that a body of a successful status may hold."""
        vendor = self.config.vendor

        def attempt() -> tuple[Mapping[str, str], bytes]:
            with self._send_once(operation, operation.body) as response:
                try:
                    body = response.content
                except requests.RequestException as error:
                    raise retry.transport_error(operation.describe(vendor), self.config.endpoint, error) from error
            if responses.error_in_body(vendor, body):
                raise responses.service_error(vendor, operation, response.status_code, response.headers, body)
            return response.headers, body

        try:
            return self.retrying()(attempt)
        except ServiceError as error:
            raise self._explained(error, operation) from None

    def _send_once(self, operation: Operation, body: bytes | Body) -> requests.Response:
        """Send, and once more when a refusal has a cause that can be mended: rotated credentials, a wrong clock."""
        credentials = self.config.credentials()
        try:
            return self._send_as(credentials, operation, body)
        except PermissionDeniedError as refusal:
            if not self.corrected_clock(refusal) and not self.reloaded(credentials):
                raise
        return self._send_as(self.config.credentials(), operation, body)

    def _send_as(self, credentials: Credentials, operation: Operation, body: bytes | Body) -> requests.Response:
        config, endpoint = self.config, self.config.endpoint
        request = self.request(operation, endpoint)
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url, prepared.hooks = request.method, request.url, default_hooks()
        prepared.headers = CaseInsensitiveDict({**HEADERS, **encoding.checked_headers(request.headers)})
        if len(body) or request.method in ("PUT", "POST"):
            prepared.headers["Content-Length"] = str(len(body))
            prepared.body = body or None  # type: ignore[assignment]  # an iterable with a length
        SignatureAuth(self.signer(operation, endpoint), credentials, self.now())(prepared)
        try:
            response = self._session.get_adapter(request.url).send(
                prepared,
                stream=True,
                timeout=(config.connect_timeout, config.read_timeout),
                **self._environment(urlsplit(request.url).netloc),
            )
        except requests.RequestException as error:
            raise retry.transport_error(operation.describe(config.vendor), endpoint, error) from error
        if response.status_code >= 300:
            raise self._error(operation, response)
        return response

    def _error(self, operation: Operation, response: requests.Response) -> ServiceError:
        with response:
            try:
                body = b"" if operation.method == "HEAD" else response.raw.read(ERROR_BODY_LIMIT)
            except urllib3.exceptions.HTTPError:
                body = b""
        return self.refusal(operation, response.status_code, response.headers, body)

    def _explained(self, error: ServiceError, operation: Operation) -> ServiceError:
        """Return an error that names the vendor's code: answers to HEAD have no body, those to GET have one.

        A missing bucket is told from a missing object this way; once that is known it is not asked again for a while.
        """
        if not self.needs_explanation(error, operation):
            return error
        try:
            self._send_once(self.explaining(operation), b"").close()
        except ServiceError as explained:
            error = explained if explained.status == error.status else error
        except TransportError:
            log.debug("%s: the store does not say why", error.operation)
        self.learned(error, operation)
        return error
