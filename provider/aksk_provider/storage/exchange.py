"""What every transport does around sending: builds, signs, mends what a refusal tells, explains answers without a body.

No socket is opened here. :class:`~aksk_provider.storage.transport.Transport` sends with urllib3,
:class:`~aksk_provider.storage.async_transport.AsyncTransport` with aiohttp; what they send and how they read the answer
is the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from time import monotonic

from aksk_provider import __version__
from aksk_provider.errors import ServiceError
from aksk_provider.signing import Credentials, Request, Signer
from aksk_provider.storage import responses
from aksk_provider.storage.config import Endpoint, StoreConfig
from aksk_provider.storage.credentials import Reloading
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.vendors import Scope

log = logging.getLogger(__name__)
ERROR_BODY_LIMIT = 1024**2
HEADERS = {"User-Agent": f"airflow-provider-aksk/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
_SKEW = 30.0
_REFUSED = (400, 401, 403)
_BUCKET_KNOWN_FOR = 600.0


class Exchange:
    """The parts of a transport that need no socket.

    ``repeated`` counts the requests that were sent again after a failure that may pass.

    :param config: endpoint, credentials and transport settings
    :param clock: returns the time to sign with
    """

    def __init__(self, config: StoreConfig, clock: Callable[[], datetime]) -> None:
        self.config = config
        self.repeated = 0
        self._clock = clock
        self._clock_offset = timedelta()
        self._known_buckets: dict[str, float] = {}

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
        scope = Scope(self.config.region, operation.bucket, endpoint.addressing == "path", headers)
        return self.config.vendor.signer(scope)

    def signed(self, operation: Operation, credentials: Credentials, length: int = 0) -> Request:
        """Return an operation as it goes to the endpoint, signed.

        :param length: bytes of its body
        """
        endpoint = self.config.endpoint
        request = self.request(operation, endpoint)
        given = {name.lower() for name in request.headers}
        headers = {name: value for name, value in HEADERS.items() if name.lower() not in given} | dict(request.headers)
        if length or request.method in ("PUT", "POST"):
            headers["Content-Length"] = str(length)
        unsigned = Request(request.method, request.url, headers)
        return self.signer(operation, endpoint).sign(unsigned, credentials, now=self.now())

    # what a refusal tells

    def refusal(
        self, operation: Operation, sent: Request, status: int, headers: Mapping[str, str], body: bytes
    ) -> ServiceError:
        """Return the error that an answer means, with how far this machine's clock is off, and what explains it.

        :param sent: the request as it was sent
        """
        error = responses.service_error(self.config.vendor, operation, status, headers, body)
        if date := headers.get("Date"):
            error.clock_skew = (parsedate_to_datetime(date) - self.now()).total_seconds()
        if status in _REFUSED:
            from aksk_provider.storage.doctor.refusals import advise

            resource = f"/{operation.bucket}/{operation.key or ''}" if operation.bucket else "/"
            advise(error, self.config.vendor, sent, responses.error_document(headers, body), resource)
        return error

    def reloaded(self, refused: Credentials) -> bool:
        """Tell whether there are other credentials now than those that were refused; may read the connection."""
        source = self.config.credentials
        if not isinstance(source, Reloading) or not source.reload(refused):
            return False
        log.info("the connection has other credentials now: trying again with them")
        return True

    def corrected_clock(self, refusal: ServiceError) -> bool:
        """Take over the store's time when a refusal shows that this machine's is far off."""
        if refusal.clock_skew is None or abs(refusal.clock_skew) < _SKEW:
            return False
        self._clock_offset += timedelta(seconds=refusal.clock_skew)
        behind = "behind" if refusal.clock_skew > 0 else "ahead of"
        log.warning("this machine's clock is %.0f s %s the store's: corrected here", abs(refusal.clock_skew), behind)
        return True

    # answers to HEAD have no body, those to GET have one

    def bucket_is_known(self, bucket: str | None) -> bool:
        """Tell whether the store said in the last ten minutes that the bucket is there and the object is not."""
        return monotonic() - self._known_buckets.get(bucket or "", -_BUCKET_KNOWN_FOR) < _BUCKET_KNOWN_FOR

    def needs_explanation(self, error: ServiceError, operation: Operation) -> bool:
        """Tell whether the vendor's code is missing from an error, and would tell something new."""
        known = error.status == 404 and self.bucket_is_known(operation.bucket)
        return operation.method == "HEAD" and not (error.code or error.retryable or known)

    def explaining(self, operation: Operation) -> Operation:
        """Return the request whose answer has the body that the answer to a HEAD lacks."""
        return replace(operation, method="GET", headers={"Range": "bytes=0-0"})

    def learned(self, error: ServiceError, operation: Operation) -> None:
        """Remember that the bucket is there, when the error says that only the object is not."""
        if error.code == "NoSuchKey" and operation.bucket:
            self._known_buckets[operation.bucket] = monotonic()
