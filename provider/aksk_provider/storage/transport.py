"""Sends operations: builds the URL, signs, sends, repeats, and turns refusals into errors. Opens the sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

import requests
import tenacity
import urllib3.exceptions

from aksk_provider import __version__
from aksk_provider.errors import ServiceError, TransportError
from aksk_provider.signing import Request, Signer, encoding
from aksk_provider.storage import responses, retry
from aksk_provider.storage.auth import SignatureAuth
from aksk_provider.storage.config import Endpoint, StoreConfig
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.vendors import Scope

log = logging.getLogger(__name__)
_ERROR_BODY_LIMIT = 1024**2


class Body(Protocol):
    """A request body that can be sent again from its start.

    :param checksum: the vendor's checksum of what was last sent
    """

    checksum: int

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in blocks, from the start."""
        ...

    def __len__(self) -> int:
        """Return the size in bytes."""
        ...


class Transport:
    """One session with one endpoint. Redirects are never followed: they would take the credentials along.

    :param config: endpoint, credentials and transport settings
    :param clock: returns the time to sign with
    """

    def __init__(self, config: StoreConfig, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._clock = clock
        self._known_buckets: set[str] = set()
        self._session = requests.Session()
        self._session.headers.clear()
        self._session.headers.update(
            {"User-Agent": f"airflow-provider-aksk/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

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
            if operation.method == "HEAD":
                raise self._explained(error, operation) from None
            raise

    def read(self, operation: Operation) -> tuple[Mapping[str, str], bytes]:
        """Send and return headers and body, raising the error that a body of a successful status may hold."""
        vendor = self._config.vendor

        def attempt() -> tuple[Mapping[str, str], bytes]:
            with self._send_once(operation, operation.body) as response:
                try:
                    body = response.content
                except requests.RequestException as error:
                    raise retry.transport_error(operation.describe(vendor), self._config.endpoint, error) from error
            if responses.error_in_body(vendor, body):
                raise responses.service_error(vendor, operation, response.status_code, response.headers, body)
            return response.headers, body

        return self.retrying()(attempt)

    def _send_once(self, operation: Operation, body: bytes | Body) -> requests.Response:
        config, endpoint = self._config, self._config.endpoint
        request = self.request(operation, endpoint)
        try:
            response = self._session.request(
                request.method,
                request.url,
                headers=encoding.checked_headers(request.headers),
                data=body if len(body) else None,
                auth=SignatureAuth(self.signer(operation, endpoint), config.credentials, self._clock),
                timeout=(config.connect_timeout, config.read_timeout),
                verify=config.verify,
                proxies=dict(config.proxies),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise retry.transport_error(operation.describe(config.vendor), endpoint, error) from error
        if response.status_code >= 300:
            raise self._error(operation, response)
        return response

    def _error(self, operation: Operation, response: requests.Response) -> ServiceError:
        with response:
            try:
                body = b"" if operation.method == "HEAD" else response.raw.read(_ERROR_BODY_LIMIT)
            except urllib3.exceptions.HTTPError:
                body = b""
        return responses.service_error(self._config.vendor, operation, response.status_code, response.headers, body)

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
