"""Sends operations: repeats, mends what a refusal tells, and turns refusals into errors."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime

import tenacity

from aksk_provider.errors import PermissionDeniedError, ServiceError, TransportError
from aksk_provider.signing import Credentials, Request, encoding
from aksk_provider.storage import responses, retry
from aksk_provider.storage.bodies import Body
from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.connections import NO_ANSWER, Connections
from aksk_provider.storage.exchange import ERROR_BODY_LIMIT, HEADERS, Exchange
from aksk_provider.storage.http1 import Response
from aksk_provider.storage.operations import Operation

log = logging.getLogger(__name__)


class Transport(Exchange):
    """Requests to one endpoint. Redirects are never followed: they would take the credentials along.

    :param config: endpoint, credentials and transport settings
    :param clock: returns the time to sign with
    """

    def __init__(self, config: StoreConfig, clock: Callable[[], datetime]) -> None:
        super().__init__(config, clock)
        self._connections = Connections(config)

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def retrying(self) -> tenacity.Retrying:
        """Return the retry policy."""
        return retry.policy(self.config.max_attempts, before_sleep=self._count)

    def _count(self, _: tenacity.RetryCallState) -> None:
        self.repeated += 1

    def send(self, operation: Operation, *, repeat: bool = True) -> Response:
        """Sign and send, again after failures that may pass, and return the answer with its body unread.

        :param repeat: ``False`` sends once, for a caller that repeats more than the request
        :raises ServiceError: the store's error
        :raises TransportError: there was no answer
        """
        if not repeat:
            return self._send_once(operation, operation.body)
        return retry.repeated(self.retrying, self._send_once, operation, operation.body)

    def read(self, operation: Operation, body: bytes | Body | None = None) -> tuple[Mapping[str, str], bytes]:
        """Send as :meth:`send` does, and return headers and body; an error in the body of an answer is raised too.

        :param body: overrides the operation's own
        """
        body = operation.body if body is None else body
        try:
            return retry.repeated(self.retrying, self._read_once, operation, body)
        except ServiceError as error:
            raise self._explained(error, operation) from None

    def knock(self, url: str) -> str | None:
        """Ask a URL for nothing, without a signature, and return the time that the answer tells.

        :raises TransportError: there was no answer
        """
        try:
            headers = {"Host": encoding.host_header(encoding.split_url(url)), **HEADERS}
            with self._connections.exchange(Request("HEAD", url, headers), None) as response:
                told: str | None = response.headers.get("Date")
                return told
        except NO_ANSWER as error:
            raise retry.transport_error(f"HEAD {url}", self.config.endpoint, error) from error

    def proxy(self, url: str) -> str | None:
        """Return the proxy that requests to a URL go through."""
        return self._connections.proxy(url)

    def _read_once(self, operation: Operation, body: bytes | Body) -> tuple[Mapping[str, str], bytes]:
        """Send and read the answer to its end, however empty: only then its connection is used again."""
        config = self.config
        response = self._send_once(operation, body)
        try:
            answer = response.read()
        except NO_ANSWER as error:
            raise retry.transport_error(operation.describe(config.vendor), config.endpoint, error) from error
        finally:
            response.close()
        if responses.error_in_body(config.vendor, answer):
            raise responses.service_error(config.vendor, operation, response.status, response.headers, answer)
        return response.headers, answer

    def _send_once(self, operation: Operation, body: bytes | Body) -> Response:
        """Send, and once more when a refusal has a cause that can be mended: rotated credentials, a wrong clock."""
        credentials = self.config.credentials()
        try:
            return self._send_as(credentials, operation, body)
        except PermissionDeniedError as refusal:
            if not self.corrected_clock(refusal) and not self.reloaded(credentials):
                raise
        return self._send_as(self.config.credentials(), operation, body)

    def _send_as(self, credentials: Credentials, operation: Operation, body: bytes | Body) -> Response:
        signed = self.signed(operation, credentials, len(body))
        try:
            response = self._connections.exchange(signed, body if len(body) else None)
        except NO_ANSWER as error:
            config = self.config
            raise retry.transport_error(operation.describe(config.vendor), config.endpoint, error) from error
        if response.status < 300:
            return response
        with response:
            try:
                told = response.read(ERROR_BODY_LIMIT)
            except NO_ANSWER:
                told = b""
        raise self.refusal(operation, signed, response.status, response.headers, told)

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
