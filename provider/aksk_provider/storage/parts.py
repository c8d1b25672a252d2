"""Uploads in parts, as a store performs them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from aksk_provider.errors import NotFoundError
from aksk_provider.storage import multipart, responses
from aksk_provider.storage.bodies import Body
from aksk_provider.storage.checksums import verify
from aksk_provider.storage.config import locate_prefix
from aksk_provider.storage.multipart import OpenUpload, Part
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore


class PartStore:
    """The uploads in parts of one object.

    :param store: the store
    :param bucket: bucket
    :param key: key
    """

    def __init__(self, store: ObjectStore, bucket: str, key: str) -> None:
        self._store = store
        self._vendor = store.config.vendor
        self._send = store.transport
        self._bucket = bucket
        self._key = key
        self.uri = store.uri(key, bucket)

    def initiate(self, **properties: object) -> str:
        """Begin an upload and return its id.

        :param properties: those of :func:`~aksk_provider.storage.multipart.initiate`
        """
        operation = multipart.initiate(self._vendor, self._bucket, self._key, **properties)  # type: ignore[arg-type]
        return multipart.upload_id(self._vendor, self._send.read(operation)[1])

    def put(self, upload_id: str, number: int, body: Body) -> Part:
        """Send one part and compare the store's checksum with the body's."""
        operation = multipart.upload_part(self._bucket, self._key, upload_id, number)
        headers, _ = self._send.read(self._store.with_checksum(operation, body), body)
        reported = headers.get(self._vendor.checksum_header)
        verify(f"{self.uri}, part {number}", self._vendor.checksum, reported, body.checksum)
        return Part(number, len(body), headers.get("ETag", "").strip('"'))

    def complete(self, upload_id: str, parts: Sequence[Part], checksum: int, headers: Mapping[str, str]) -> ObjectInfo:
        """Make the object of its parts and compare the store's checksum of the whole.

        When an answer to this was lost, the upload is gone and the object is there: then the object is asked.
        """
        vendor, size = self._vendor, sum(part.size for part in parts)
        if vendor.checks_what_is_sent:
            headers = {**headers, vendor.checksum_header: str(checksum)}
        operation = multipart.complete(vendor, self._bucket, self._key, upload_id, parts, headers)
        try:
            answered, body = self._send.read(operation)
        except NotFoundError:
            info, reported = self._store.head_with_checksum(self._key, self._bucket)
            if info.size != size or reported != str(checksum):
                raise
            return info
        verify(self.uri, vendor.checksum, answered.get(vendor.checksum_header), checksum)
        info = responses.object_info(vendor, self._bucket, self._key, answered, size=size)
        etag = responses.field(vendor, body, "eTag", "ETag").strip('"')
        return replace(info, etag=etag, content_type=None)

    def abort(self, upload_id: str) -> None:
        """Drop an upload and its parts."""
        self._send.read(multipart.abort(self._bucket, self._key, upload_id))

    def held(self, upload_id: str) -> Iterator[Part]:
        """Yield the parts that an upload holds."""
        after = None
        while True:
            operation = multipart.list_parts(self._vendor, self._bucket, self._key, upload_id, after)
            parts, after = multipart.parts_page(self._vendor, self._send.read(operation)[1])
            yield from parts
            if after is None:
                return


def open_uploads(store: ObjectStore, bucket: str, prefix: str) -> Iterator[OpenUpload]:
    """Yield the uploads under a prefix that were begun and neither completed nor aborted."""
    after = None
    while True:
        operation = multipart.list_uploads(store.config.vendor, bucket, prefix, after)
        uploads, after = multipart.uploads_page(store.config.vendor, store.transport.read(operation)[1])
        yield from uploads
        if after is None:
            return


def abort_incomplete(store: ObjectStore, prefix: str, bucket: str | None, older_than: timedelta) -> list[str]:
    """Drop the uploads under a prefix that were begun so long ago and never completed, and return their URIs.

    Their parts are stored, and paid for, until somebody does.
    """
    bucket, prefix = locate_prefix(store.config, prefix, bucket)
    begun_before = store.transport.now() - older_than
    dropped = []
    for upload in open_uploads(store, bucket, prefix):
        if upload.initiated <= begun_before:
            parts = PartStore(store, bucket, upload.key)
            parts.abort(upload.upload_id)
            dropped.append(parts.uri)
    return dropped
