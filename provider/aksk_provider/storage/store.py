"""The object store: what can be done with objects, in terms of keys and buckets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from aksk_provider.errors import (
    BucketNotFoundError,
    InvalidRequestError,
    NotFoundError,
    ObjectStorageError,
    PermissionDeniedError,
    TransportError,
)
from aksk_provider.signing import PresignedURL, Request
from aksk_provider.storage import operations, responses
from aksk_provider.storage.bodies import Body, BytesBody
from aksk_provider.storage.checksums import CHECKSUMS, verify
from aksk_provider.storage.config import StoreConfig, check_key, locate, locate_bucket, locate_prefix
from aksk_provider.storage.http1 import Response
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.presigning.options import Special
from aksk_provider.storage.presigning.templates import Templates
from aksk_provider.storage.responses import ObjectInfo, Page
from aksk_provider.storage.transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Unpack

log = logging.getLogger(__name__)


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
        self.transport = Transport(config, clock)
        self.templates = Templates(config, self.transport)

    def __enter__(self) -> ObjectStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.transport.close()

    def uri(self, key: str, bucket: str | None = None) -> str:
        """Return the URI (``oss://bucket/key``) that a key stands for."""
        return operations.uri(self.config.vendor, *locate(self.config, key, bucket))

    def key(self, key: str, bucket: str | None = None) -> str:
        """Return the key alone, of a key or a URI."""
        return locate_prefix(self.config, key, bucket)[1]

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
            self.transport.read(Operation("GET", None))
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
        checksum = CHECKSUMS[self.config.vendor.checksum]
        sent = BytesBody(body, checksum) if isinstance(body, bytes) else body
        answered, _ = self.transport.read(self.with_checksum(operation, sent), sent)
        given = {"content_type": content_type, "storage_class": storage_class, "metadata": metadata}
        info = responses.object_info(self.config.vendor, bucket, key, answered, size=len(sent), **given)
        reported = answered.get(self.config.vendor.checksum_header)
        verify(info.uri, checksum.name, reported, sent.checksum)
        return info

    def get(
        self,
        key: str,
        bucket: str | None = None,
        *,
        byte_range: tuple[int, int | None] | None = None,
        version_id: str | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = True,
    ) -> Response:
        """Start to read an object; the caller closes the response and reads it as stored, undecoded.

        :param byte_range: first and last byte, inclusive; ``None`` as the last means to the end
        :param headers: conditions such as ``If-Match``
        :param repeat: ``False`` asks once, for a caller that repeats the reading too
        """
        bucket, key = locate(self.config, key, bucket)
        operation = operations.get_object(bucket, key, byte_range=byte_range, version_id=version_id, headers=headers)
        return self.transport.send(operation, repeat=repeat)

    def info(self, key: str, bucket: str | None, response: Response) -> ObjectInfo:
        """Return what an answer to :meth:`get` says about the object."""
        bucket, key = locate(self.config, key, bucket)
        return responses.object_info(self.config.vendor, bucket, key, response.headers)

    def head(self, key: str, bucket: str | None = None, *, version_id: str | None = None) -> ObjectInfo:
        """Return the properties of an object."""
        return self.head_with_checksum(key, bucket, version_id=version_id)[0]

    def head_with_checksum(
        self, key: str, bucket: str | None = None, *, version_id: str | None = None
    ) -> tuple[ObjectInfo, str | None]:
        """Return the properties of an object and its checksum, which is the vendor's own: CRC-64, or CRC-32 of BOS."""
        bucket, key = locate(self.config, key, bucket)
        vendor = self.config.vendor
        headers, _ = self.transport.read(operations.head_object(bucket, key, version_id=version_id))
        return responses.object_info(vendor, bucket, key, headers), headers.get(vendor.checksum_header)

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
        bucket, prefix = locate_prefix(self.config, prefix, bucket)
        vendor, next_page = self.config.vendor, None
        while True:
            operation = operations.list_objects(
                vendor, bucket, prefix=prefix, delimiter=delimiter, page=next_page, page_size=page_size
            )
            page = responses.list_page(vendor, bucket, self.transport.read(operation)[1])
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
            self.transport.read(operations.delete_object(bucket, key, version_id=version_id))
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
        headers, body = self.transport.read(operation)
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
        endpoint: str | None = None,
        clamp: bool = False,
        **special: Unpack[Special],
    ) -> PresignedURL:
        """Return a URL that anyone can use until it expires; nothing is sent.

        :param method: the one HTTP method it is good for
        :param expires_in: lifetime; by default the vendor's: BOS 30, OSS 15, COS 5 minutes
        :param expires_at: end of the lifetime, aware; wins over ``expires_in``
        :param headers: headers to sign, which the user of the URL must then send
        :param params: query parameters to sign, e.g. ``{"x-oss-process": "image/resize,w_100"}``
        :param endpoint: host to sign for, by default the configuration's ``public_endpoint``, or else its endpoint
        :param clamp: shorten a lifetime that the vendor or the token does not allow, with a warning, not refuse it
        :param special: ``filename`` (what a browser saves the download as) or ``response_content_disposition``,
            ``response_content_type``, ``response_content_language``, ``response_content_encoding``,
            ``response_cache_control``, ``response_expires``: headers of the answer to a GET; ``content_type``,
            ``content_length`` (bytes), ``content_md5`` (base64 or hex): what alone may be uploaded
        :raises InvalidRequestError: for what contradicts itself or is over a limit
        """
        if "://" in key:
            bucket, key = locate_prefix(self.config, key, bucket)
        check_key(self.config.vendor, key)
        common = self.templates.get(
            bucket,
            method,
            expires_in=expires_in,
            expires_at=expires_at,
            headers=headers,
            params=params,
            version_id=version_id,
            endpoint=endpoint,
            clamp=clamp,
            **special,
        )
        return common.presigned(key)

    def sign(
        self,
        method: str,
        key: str | None,
        bucket: str | None = None,
        *,
        expires_in: timedelta | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
    ) -> Request:
        """Return a request with the signature in its headers, for a client that sends it itself.

        :param key: key or URI; ``None`` for a request to the bucket, such as a listing
        """
        if key is None:
            bucket = locate_bucket(self.config, bucket)
        else:
            bucket, key = locate(self.config, key, bucket)
        operation = operations.own_operation(self.config.vendor, method, bucket, key, headers, params, None)
        endpoint = self.config.endpoint
        return self.transport.signer(operation, endpoint).sign(
            self.transport.request(operation, endpoint),
            self.config.credentials(),
            now=self.transport.now(),
            expires_in=expires_in,
        )

    def with_checksum(self, operation: Operation, body: Body) -> Operation:
        """Tell the checksum of the body in advance to a store that then refuses another one."""
        vendor = self.config.vendor
        if not vendor.checks_what_is_sent:
            return operation
        for _ in body:
            pass
        return replace(operation, headers={**operation.headers, vendor.checksum_header: str(body.checksum)})

    def _delete_batch(self, bucket: str, keys: Sequence[str]) -> Sequence[responses.DeleteFailure]:
        vendor = self.config.vendor
        return responses.delete_failures(
            vendor, self.transport.read(operations.delete_objects(vendor, bucket, keys))[1]
        )
