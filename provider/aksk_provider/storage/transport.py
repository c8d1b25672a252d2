"""Sends operations: builds the URL, signs, sends, repeats, and turns refusals into errors. Opens the sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import requests
import tenacity
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from requests.hooks import default_hooks
from requests.structures import CaseInsensitiveDict

from aksk_provider import __version__
from aksk_provider.errors import PermissionDeniedError, ServiceError, TransportError
from aksk_provider.signing import Credentials, Request, Signer, encoding
from aksk_provider.storage import responses, retry
from aksk_provider.storage.auth import SignatureAuth
from aksk_provider.storage.bodies import Body
from aksk_provider.storage.config import Endpoint, StoreConfig
from aksk_provider.storage.credentials import Reloading
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.vendors import Scope

log = logging.getLogger(__name__)
_ERROR_BODY_LIMIT = 1024**2
_POOL = 64
_SKEW = 30.0
_HEADERS = {"User-Agent": f"airflow-provider-aksk/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}


class Transport:
    """One session with one endpoint. Redirects are never followed: they would take the credentials along.

    :param config: endpoint, credentials and transport settings
    :param clock: returns the time to sign with
    """

    def __init__(self, config: StoreConfig, clock: Callable[[], datetime]) -> None:
        self._config = config
        self._clock = clock
        self._clock_offset = timedelta()
        self._known_buckets: set[str] = set()
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_connections=_POOL, pool_maxsize=_POOL)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)
        self._environment = cache(self._environment_settings)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

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

    def knock(self, url: str) -> str | None:
        """Ask a URL for nothing, without a signature, and return the time that the answer tells.

        :raises TransportError: there was no answer
        """
        config = self._config
        request = self._session.prepare_request(requests.Request("HEAD", url, dict(_HEADERS)))
        request.headers.pop("Authorization", None)  # of a netrc file
        try:
            with self._session.get_adapter(url).send(
                request,
                timeout=(config.connect_timeout, config.read_timeout),
                **self._environment(urlsplit(url).netloc),
            ) as response:
                return response.headers.get("Date")
        except requests.RequestException as error:
            raise retry.transport_error(f"HEAD {url}", config.endpoint, error) from error

    def proxy(self, url: str) -> str | None:
        """Return the proxy that requests to a URL go through."""
        return requests.utils.select_proxy(url, self._environment(urlsplit(url).netloc)["proxies"])

    def _send_once(self, operation: Operation, body: bytes | Body) -> requests.Response:
        """Send, and once more when a refusal has a cause that can be mended: rotated credentials, a wrong clock."""
        credentials = self._config.credentials()
        try:
            return self._send_as(credentials, operation, body)
        except PermissionDeniedError as refusal:
            if not self._corrected_clock(refusal) and not self._reloaded(credentials):
                raise
        return self._send_as(self._config.credentials(), operation, body)

    def _send_as(self, credentials: Credentials, operation: Operation, body: bytes | Body) -> requests.Response:
        config, endpoint = self._config, self._config.endpoint
        request = self.request(operation, endpoint)
        prepared = requests.PreparedRequest()
        prepared.method, prepared.url, prepared.hooks = request.method, request.url, default_hooks()
        prepared.headers = CaseInsensitiveDict({**_HEADERS, **encoding.checked_headers(request.headers)})
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

    def _environment_settings(self, host: str) -> Mapping[str, Any]:
        """Return proxies and certificates for a host; the connection's win over the environment's."""
        config = self._config
        url = f"{config.endpoint.scheme}://{host}/"
        settings = self._session.merge_environment_settings(url, dict(config.proxies), True, config.verify, None)
        return {name: settings[name] for name in ("proxies", "verify", "cert")}

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

    def _error(self, operation: Operation, response: requests.Response) -> ServiceError:
        with response:
            try:
                body = b"" if operation.method == "HEAD" else response.raw.read(_ERROR_BODY_LIMIT)
            except urllib3.exceptions.HTTPError:
                body = b""
        error = responses.service_error(self._config.vendor, operation, response.status_code, response.headers, body)
        if date := response.headers.get("Date"):
            error.clock_skew = (parsedate_to_datetime(date) - self.now()).total_seconds()
        self._explain(error, operation, response.request, responses.error_document(response.headers, body))
        return error

    def _explain(self, error: ServiceError, operation: Operation, sent: requests.PreparedRequest, body: bytes) -> None:
        """Say in the error why the store refused, as far as its answer and the request tell."""
        if error.status in (400, 401, 403):
            from aksk_provider.storage.doctor.refusals import advise

            headers = {name: str(value) for name, value in sent.headers.items()}
            request = Request(str(sent.method), str(sent.url), headers)
            resource = f"/{operation.bucket}/{operation.key or ''}" if operation.bucket else "/"
            advise(error, self._config.vendor, request, body, resource)

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
