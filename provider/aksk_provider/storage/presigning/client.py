"""Sends the requests that links are. Errors and logs name host and path of a link, never its query."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

from requests.structures import CaseInsensitiveDict

from aksk_provider.errors import InvalidRequestError, ServiceError
from aksk_provider.signing import Request, encoding
from aksk_provider.storage import responses, retry
from aksk_provider.storage.bodies import Body
from aksk_provider.storage.config import Endpoint
from aksk_provider.storage.connections import NO_ANSWER, Connections
from aksk_provider.storage.exchange import ERROR_BODY_LIMIT, HEADERS
from aksk_provider.storage.http1 import Response
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.presigning import inspection
from aksk_provider.storage.vendors import COS, VENDORS, Vendor

#: clocks may differ by so much: a link that died only just now is for the store to judge
_CLOCKS_DIFFER = timedelta(minutes=15)
_NEW_LINK = "The link has expired, or the keys that signed it may not do this: make a new one"
_NO_LONGER = "The keys that signed the link are no longer good: make a new one"
_HINTS = {
    "AccessDenied": _NEW_LINK,
    "RequestExpired": _NEW_LINK,
    "ExpiredToken": _NO_LONGER,
    "SecurityTokenExpired": _NO_LONGER,
    "InvalidAccessKeyId": _NO_LONGER,
    "InvalidSecurityToken": _NO_LONGER,
    "InvalidToken": _NO_LONGER,
    "SignatureDoesNotMatch": "Use the link as it was made, with the method and with every header it was signed for",
}
#: any other server, read as those that speak S3
_WEB = replace(COS, name="", title="web server", headers="x-amz-", checksum_header="", hosts=re.compile(r"(?!)"))


@dataclass(frozen=True, slots=True)
class FetchOptions:
    """How a link is used.

    :param connect_timeout: seconds to wait for a connection
    :param read_timeout: seconds to wait between two bytes of an answer
    :param max_attempts: how often it is tried without getting any further
    :param verify: whether to verify TLS certificates, or the path of a CA bundle
    :param proxies: proxy URL by scheme, over those of the environment
    :param deadline: time the whole may take
    """

    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_attempts: int = 5
    verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    deadline: timedelta | None = None


class _Use(Operation):
    """The use of a link, whose bucket is its place; errors call it by that."""

    __slots__ = ()

    def describe(self, _vendor: Vendor) -> str:
        """Say it in words for errors and logs: ``GET https://host/path``."""
        return f"{self.method} {self.bucket}"


class Link:
    """A link in use.

    :param url: the link
    :param method: how it is used
    :param headers: headers it was signed with
    :raises InvalidRequestError: the link or a header could not be sent as it is, or the link died long ago
    """

    def __init__(self, url: str, method: str, headers: Mapping[str, str], options: FetchOptions) -> None:
        parts = encoding.split_url(url)
        try:
            host = encoding.host_header(parts)
        except ValueError as error:
            raise InvalidRequestError(f"the URL of the link: {error}") from None
        self.headers = CaseInsensitiveDict(encoding.checked_headers(headers))
        self.method = method
        self.place = inspection.place(url)
        self.options = options
        self.endpoint = Endpoint(parts.scheme, host, "path")
        self._url = url
        self._connections = Connections(options)
        died = inspection.expires_at(url)
        if died and died + _CLOCKS_DIFFER < datetime.now(timezone.utc):
            raise InvalidRequestError(f"the link to {self.place} expired at {died.isoformat()}: make a new one")

    @property
    def describe(self) -> str:
        """The use in words: ``GET https://host/path``."""
        return f"{self.method} {self.place}"

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def send(self, further: Mapping[str, str] | None = None, body: Body | None = None) -> Response:
        """Send once and return the answer with its body unread. Redirects are not followed: they were not signed.

        :param further: headers besides those of the link
        :raises ServiceError: with the vendor's code and request id
        :raises TransportError: there was no answer
        """
        headers = CaseInsensitiveDict({"Host": self.endpoint.host, **HEADERS, **self.headers, **(further or {})})
        if body is not None:
            headers["Content-Length"] = str(len(body))
        request = Request(self.method, self._url, dict(headers))
        try:
            response = self._connections.exchange(request, body or None)
        except NO_ANSWER as error:
            failure = retry.transport_error(self.describe, self.endpoint, error)
            raise failure from None  # the message of its cause may have the whole URL
        if response.status >= 300:
            raise self._error(response)
        return response

    def _error(self, response: Response) -> ServiceError:
        with response:
            try:
                body = response.read(ERROR_BODY_LIMIT)
            except NO_ANSWER:
                body = b""
        vendor = vendor_of(response)
        use = _Use(self.method, self.place, headers=self.headers)
        error = responses.service_error(vendor, use, response.status, response.headers, body, _HINTS)
        hidden = [text for text in inspection.secrets(self._url) if text in str(error)]
        if not (hidden or 300 <= error.status < 400):
            return error
        host = urlsplit(response.headers.get("Location", "")).netloc
        elsewhere = f"The server points to {host}, where the link was not signed for: make one for there"
        again = type(error)(
            vendor=error.vendor,
            operation=error.operation,
            status=error.status,
            code=error.code,
            message="" if hidden else error.message,
            request_id=error.request_id,
            hint=elsewhere if host else error.hint,
            retry_after=error.retry_after,
        )
        again.retryable = error.retryable
        return again


def vendor_of(response: Response) -> Vendor:
    """Return whose answer this is, by the header in which each vendor tells the request's id."""
    return next((one for one in VENDORS.values() if f"{one.headers}request-id" in response.headers), _WEB)
