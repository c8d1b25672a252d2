"""The object store: build, sign, send, parse. The only module that opens a socket."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Protocol

import requests
import tenacity
import urllib3.exceptions

from aksk_provider import __version__
from aksk_provider.errors import (
    BucketNotFoundError,
    InvalidRequestError,
    NotFoundError,
    ObjectStorageError,
    PermissionDeniedError,
    ServiceError,
    TransportError,
)
from aksk_provider.signing import PresignedURL, Request, Signer, encoding
from aksk_provider.storage import checksums, operations, responses, retry
from aksk_provider.storage.auth import SignatureAuth
from aksk_provider.storage.config import Endpoint, StoreConfig, locate, locate_bucket
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.responses import ObjectInfo, Page
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


def _now() -> datetime:
    return datetime.now(timezone.utc)


class ObjectStore:
    """One account's object storage behind one endpoint. Use as a context manager, or call :meth:`close`.

    Keys are text and are sent as they are. A ``key`` may also be a URI (``oss://bucket/key``); then no bucket is given.
    Every failure raises a :class:`~aksk_provider.errors.ObjectStorageError`.

    :param config: endpoint, credentials and transport
    :param clock: returns the time to sign with
    """

    def __init__(self, config: StoreConfig, *, clock: Callable[[], datetime] = _now) -> None:
        self.config = config
        self._clock = clock
        self._session = requests.Session()
        self._session.headers.clear()
        self._session.headers.update(
            {"User-Agent": f"airflow-provider-aksk/{__version__}", "Accept": "*/*", "Accept-Encoding": "identity"}
        )

    def __enter__(self) -> ObjectStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def uri(self, key: str, bucket: str | None = None) -> str:
        """Return the URI (``oss://bucket/key``) that a key stands for."""
        return operations.uri(self.config.vendor, *locate(self.config, key, bucket))

    def check(self) -> str:
        """Ask the store whether it accepts the credentials, and return what was found in one sentence.

        Reads one name of the default bucket. Without a default bucket it lists the buckets; being refused that right
        is an answer too, since the store checks who asks before what is asked.
        """
        bucket, title = self.config.bucket, self.config.vendor.title
        if bucket:
            next(self.pages(bucket=bucket, page_size=1))
            return f"{title} accepts the key pair, and bucket {bucket} can be listed"
        try:
            self.send(Operation("GET", None)).close()
        except PermissionDeniedError as error:
            if error.code != "AccessDenied":
                raise
            return f"{title} accepts the key pair, which may not list buckets: set a default bucket to test more"
        return f"{title} accepts the key pair"

    # objects

    def put(
        self,
        key: str,
        body: bytes | Body,
        bucket: str | None = None,
        *,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
        storage_class: str | None = None,
        headers: Mapping[str, str] | None = None,
        overwrite: bool = True,
    ) -> ObjectInfo:
        """Write an object of up to 5 GB in one request and compare the store's checksum with the body's.

        :param metadata: user metadata; what is not ASCII is percent-encoded on the wire
        :param headers: further headers to send, e.g. ``Cache-Control`` or the vendor's own
        :param overwrite: ``False`` raises :class:`~aksk_provider.errors.ObjectExistsError` when the key exists. COS
            ignores it in a bucket with versioning.
        """
        bucket, key = locate(self.config, key, bucket)
        if len(body) > operations.MAX_SINGLE_PUT:
            raise InvalidRequestError(f"{key}: one request writes at most 5 GiB, not {len(body)} bytes")
        operation = operations.put_object(
            self.config.vendor,
            bucket,
            key,
            content_type=content_type,
            metadata=metadata,
            storage_class=storage_class,
            headers=headers,
            overwrite=overwrite,
        )
        vendor = self.config.vendor
        with self.send(operation, body) as response:
            info = responses.object_info(vendor, bucket, key, response.headers, size=len(body))
            computed = checksums.ALGORITHMS[vendor.checksum](body, 0) if isinstance(body, bytes) else body.checksum
            checksums.verify(vendor, info.uri, response.headers, computed)
        return replace(info, content_type=content_type, storage_class=storage_class, metadata=metadata)

    def get(
        self,
        key: str,
        bucket: str | None = None,
        *,
        byte_range: tuple[int, int | None] | None = None,
        version_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = True,
    ) -> requests.Response:
        """Start to read an object; the caller closes the response and reads ``response.raw`` as stored, undecoded.

        :param byte_range: first and last byte, inclusive; ``None`` as the last means to the end
        :param headers: conditions such as ``If-Match``
        :param repeat: ``False`` asks once, for a caller that repeats the reading too
        """
        bucket, key = locate(self.config, key, bucket)
        operation = operations.get_object(bucket, key, byte_range=byte_range, version_id=version_id, headers=headers)
        return self.send(operation, repeat=repeat)

    def info(self, key: str, bucket: str | None, response: requests.Response) -> ObjectInfo:
        """Return what an answer to :meth:`get` says about the object."""
        bucket, key = locate(self.config, key, bucket)
        return responses.object_info(self.config.vendor, bucket, key, response.headers)

    def head(self, key: str, bucket: str | None = None, *, version_id: str | None = None) -> ObjectInfo:
        """Return the properties of an object."""
        bucket, key = locate(self.config, key, bucket)
        with self.send(operations.head_object(bucket, key, version_id=version_id)) as response:
            return responses.object_info(self.config.vendor, bucket, key, response.headers)

    def exists(self, key: str, bucket: str | None = None) -> bool:
        """Tell whether an object exists. Only a 404 means it does not; a missing bucket and all else raise."""
        try:
            self.head(key, bucket)
        except BucketNotFoundError:
            raise
        except NotFoundError:
            return False
        return True

    def pages(
        self, prefix: str = "", bucket: str | None = None, *, delimiter: str | None = None, page_size: int = 1000
    ) -> Iterator[Page]:
        """Yield every page of a listing, in the order of the keys' bytes, asking for each when it is needed."""
        bucket, prefix = self._locate_prefix(prefix, bucket)
        vendor, next_page = self.config.vendor, None
        while True:
            operation = operations.list_objects(
                vendor, bucket, prefix=prefix, delimiter=delimiter, page=next_page, page_size=page_size
            )
            page = responses.list_page(vendor, bucket, self._read(operation)[1])
            yield page
            if page.next_page is None:
                return
            if page.next_page == next_page:
                raise TransportError(f"{operation.describe(vendor)}: the listing does not advance past {next_page!r}")
            next_page = page.next_page

    def list(
        self, prefix: str = "", bucket: str | None = None, *, delimiter: str | None = None
    ) -> Iterator[ObjectInfo]:
        """Yield every object under a prefix, of every page.

        :param delimiter: leaves out the keys that hold it after the prefix (see :meth:`prefixes`)
        """
        for page in self.pages(prefix, bucket, delimiter=delimiter):
            yield from page.objects

    def prefixes(self, prefix: str = "", bucket: str | None = None, *, delimiter: str = "/") -> Iterator[str]:
        """Yield the "folders" under a prefix: what keys have in common up to the next delimiter."""
        for page in self.pages(prefix, bucket, delimiter=delimiter):
            yield from page.prefixes

    def delete(self, key: str, bucket: str | None = None, *, version_id: str | None = None) -> None:
        """Delete an object. Deleting what is not there is no error."""
        bucket, key = locate(self.config, key, bucket)
        try:
            self.send(operations.delete_object(bucket, key, version_id=version_id)).close()
        except BucketNotFoundError:
            raise
        except NotFoundError:
            log.debug("%s was not there", operations.uri(self.config.vendor, bucket, key))

    def delete_many(self, keys: Iterable[str], bucket: str | None = None) -> None:
        """Delete objects in batches of 1,000.

        :raises ObjectStorageError: names the keys that could not be deleted, after all batches were tried
        """
        by_bucket: dict[str, list[str]] = {}
        for key in keys:
            place, name = locate(self.config, key, bucket)
            by_bucket.setdefault(place, []).append(name)
        failures = [
            failure
            for place, names in by_bucket.items()
            for start in range(0, len(names), operations.DELETE_BATCH)
            for failure in self._delete_batch(place, names[start : start + operations.DELETE_BATCH])
        ]
        if failures:
            told = "; ".join(f"{f.key}: {f.code} {f.message}".rstrip() for f in failures[:5])
            raise ObjectStorageError(f"{len(failures)} objects could not be deleted: {told}")

    def copy(
        self,
        source: str,
        target: str,
        *,
        source_bucket: str | None = None,
        target_bucket: str | None = None,
        metadata: Mapping[str, str] | None = None,
        content_type: str | None = None,
        storage_class: str | None = None,
        overwrite: bool = True,
    ) -> ObjectInfo:
        """Copy an object of up to 5 GB inside the cloud.

        :param metadata: replaces the source's metadata, as does ``content_type``
        """
        vendor = self.config.vendor
        source_place = locate(self.config, source, source_bucket)
        target_place = locate(self.config, target, target_bucket)
        before = self.head(source_place[1], source_place[0])
        operation = operations.copy_object(
            vendor,
            source_place,
            target_place,
            service_host=self.config.service_host,
            metadata=metadata,
            content_type=content_type,
            storage_class=storage_class,
            overwrite=overwrite,
        )
        headers, body = self._read(operation)
        return responses.copy_result(vendor, before, target_place, headers, body)

    # signatures to hand out

    def presign(
        self,
        key: str,
        bucket: str | None = None,
        *,
        method: str = "GET",
        expires_in: timedelta | None = None,
        expires_at: datetime | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        version_id: str | None = None,
    ) -> PresignedURL:
        """Return a URL that anyone can use until it expires; nothing is sent.

        :param method: the one HTTP method it is good for
        :param expires_in: lifetime; by default the vendor's: BOS 30, OSS 15, COS 5 minutes
        :param expires_at: end of the lifetime, aware; wins over ``expires_in``
        :param headers: headers to sign, which the user of the URL must then send
        :param params: query parameters to sign, e.g. ``{"response-content-disposition": "attachment"}``
        """
        endpoint = self.config.public_endpoint or self.config.endpoint
        operation = self._operation(method, key, bucket, headers, params, version_id)
        now = self._clock()
        return self._signer(operation, endpoint, list(operation.headers)).presign(
            self._request(operation, endpoint),
            self.config.credentials(),
            now=now,
            expires_in=_lifetime(now, expires_in, expires_at),
        )

    def sign(
        self,
        method: str,
        key: str,
        bucket: str | None = None,
        *,
        expires_in: timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Request:
        """Return a request with the signature in its headers, for a client that sends it itself."""
        operation = self._operation(method, key, bucket, headers, params, None)
        return self._signer(operation, self.config.endpoint).sign(
            self._request(operation, self.config.endpoint),
            self.config.credentials(),
            now=self._clock(),
            expires_in=expires_in,
        )

    # transport

    def send(self, operation: Operation, body: bytes | Body | None = None, *, repeat: bool = True) -> requests.Response:
        """Sign and send, again after failures that may pass, and return the answer with its body unread.

        :param body: overrides the operation's own
        :param repeat: ``False`` sends once, for a caller that repeats more than the request
        :raises ServiceError: the store's error
        :raises TransportError: there was no answer
        """
        body = operation.body if body is None else body
        return self.retrying()(self._send_once, operation, body) if repeat else self._send_once(operation, body)

    def retrying(self) -> tenacity.Retrying:
        """Return the retry policy of this store."""
        return retry.policy(self.config.max_attempts)

    def _send_once(self, operation: Operation, body: bytes | Body) -> requests.Response:
        vendor, endpoint = self.config.vendor, self.config.endpoint
        request = self._request(operation, endpoint)
        try:
            response = self._session.request(
                request.method,
                request.url,
                headers=encoding.checked_headers(request.headers),
                data=body if len(body) else None,
                auth=SignatureAuth(self._signer(operation, endpoint), self.config.credentials, self._clock),
                timeout=(self.config.connect_timeout, self.config.read_timeout),
                verify=self.config.verify,
                proxies=dict(self.config.proxies),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise retry.transport_error(operation.describe(vendor), endpoint, error) from error
        if response.status_code >= 300:
            raise self._error(operation, response)
        return response

    def _error(self, operation: Operation, response: requests.Response) -> ServiceError:
        with response:
            try:
                body = b"" if operation.method == "HEAD" else response.raw.read(_ERROR_BODY_LIMIT)
            except urllib3.exceptions.HTTPError:
                body = b""
        return responses.service_error(self.config.vendor, operation, response.status_code, response.headers, body)

    def _read(self, operation: Operation) -> tuple[Mapping[str, str], bytes]:
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

        return self.retrying()(attempt)

    def _delete_batch(self, bucket: str, keys: Sequence[str]) -> Sequence[responses.DeleteFailure]:
        vendor = self.config.vendor
        return responses.delete_failures(vendor, self._read(operations.delete_objects(vendor, bucket, keys))[1])

    def _operation(
        self,
        method: str,
        key: str,
        bucket: str | None,
        headers: Mapping[str, str] | None,
        params: Mapping[str, str] | None,
        version_id: str | None,
    ) -> Operation:
        bucket, key = locate(self.config, key, bucket)
        pairs = [*(params or {}).items(), *([("versionId", version_id)] if version_id else [])]
        return Operation(method.upper(), bucket, key, pairs, dict(headers or {}))

    def _request(self, operation: Operation, endpoint: Endpoint) -> Request:
        return Request(
            operation.method, endpoint.url(operation.bucket, operation.key, operation.query), operation.headers
        )

    def _signer(self, operation: Operation, endpoint: Endpoint, headers: Collection[str] | None = None) -> Signer:
        path_style = endpoint.addressing == "path"
        return self.config.vendor.signer(Scope(self.config.region, operation.bucket, path_style, headers))

    def _locate_prefix(self, prefix: str, bucket: str | None) -> tuple[str, str]:
        place, separator, rest = prefix.partition("://")
        if not separator or place != self.config.vendor.name:
            return locate_bucket(self.config, bucket), prefix
        name, _, key = rest.partition("/")
        return locate_bucket(self.config, name), key


def _lifetime(now: datetime, expires_in: timedelta | None, expires_at: datetime | None) -> timedelta | None:
    if expires_at is None:
        return expires_in
    if expires_at.tzinfo is None:
        raise InvalidRequestError("expires_at must be an aware datetime")
    return expires_at - now.replace(microsecond=0)
