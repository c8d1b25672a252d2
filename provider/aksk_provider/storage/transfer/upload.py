"""Uploads: in one request, or in parts that are sent at once, checked one by one, and kept for the next attempt."""

from __future__ import annotations

import hashlib
import logging
import mimetypes
import os
import threading
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from aksk_provider.errors import BucketNotFoundError, ChecksumMismatchError, NotFoundError, PermissionDeniedError
from aksk_provider.storage import retry
from aksk_provider.storage.bodies import ReadAt, SliceBody, in_memory, reader_at
from aksk_provider.storage.checksums import CHECKSUMS
from aksk_provider.storage.config import locate
from aksk_provider.storage.multipart import MAX_PARTS, Part
from aksk_provider.storage.parts import PartStore, open_uploads
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.transfer.equal import equal_object
from aksk_provider.storage.transfer.files import Source, checked_source, spooled
from aksk_provider.storage.transfer.options import DEFAULT_OPTIONS, MIB, TransferOptions, Watch
from aksk_provider.storage.transfer.pool import in_lanes, taken

log = logging.getLogger(__name__)
_LARGEST_PART = 5 * 1024**3


@dataclass(frozen=True, slots=True)
class Properties:
    """What an object is to be besides its bytes; see :meth:`~aksk_provider.storage.store.ObjectStore.put`."""

    content_type: str | None = None
    metadata: Mapping[str, str] | None = None
    storage_class: str | None = None
    headers: Mapping[str, str] | None = None
    overwrite: bool = True

    def keywords(self) -> dict[str, Any]:
        """Return them by name."""
        return {name: getattr(self, name) for name in self.__slots__}


def upload(
    store: ObjectStore,
    source: Source,
    key: str,
    bucket: str | None = None,
    *,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    headers: Mapping[str, str] | None = None,
    overwrite: bool = True,
    skip_equal: bool = False,
    options: TransferOptions = DEFAULT_OPTIONS,
    cancelled: threading.Event | None = None,
) -> ObjectInfo:
    """Write a file, bytes or the rest of a binary file object to an object, and check what arrived.

    From ``options.threshold`` on the object is sent in parts. A source that cannot seek is sent part by part, each
    through a temporary file.

    :param skip_equal: send nothing when the source is a file and the object has its size and checksum
    :raises IntegrityError: the store's checksum differs from that of the bytes sent
    """
    bucket, key = locate(store.config, key, bucket)
    properties = Properties(content_type or _content_type(key), metadata, storage_class, headers, overwrite)
    cancelled = cancelled or threading.Event()
    job = _Upload(store, bucket, key, properties, options, cancelled)
    with retry.ended_by(cancelled):
        if isinstance(source, bytes):
            return job.whole_or_parts(in_memory(source), len(source), True)
        if isinstance(source, str | os.PathLike):
            path = checked_source(source)
            if skip_equal and (info := equal_object(store, path, key, bucket)):
                log.info("%s is there already, equal to %s", info.uri, path)
                return info
            with path.open("rb", buffering=0) as file:
                return job.whole_or_parts(*reader_at(file))
        if source.seekable():
            return job.whole_or_parts(*reader_at(source))
        return job.stream(source)


class _Upload:
    def __init__(
        self,
        store: ObjectStore,
        bucket: str,
        key: str,
        properties: Properties,
        options: TransferOptions,
        cancelled: threading.Event,
    ) -> None:
        self._store = store
        self._vendor = store.config.vendor
        self._bucket = bucket
        self._key = key
        self._properties = properties
        self._options = options
        self._cancelled = cancelled
        self._parts = PartStore(store, bucket, key)
        self._checksum = CHECKSUMS[self._vendor.checksum]

    def whole_or_parts(self, read_at: ReadAt, size: int, parallel: bool) -> ObjectInfo:
        """Send something whose size is known."""
        watch = self._watch(size)
        if size < self._options.threshold:
            return self._put(SliceBody(read_at, 0, size, self._checksum, watch))
        part_size = plan_part_size(size, self._options.part_size, self._vendor.min_part)
        slices = [
            SliceBody(read_at, offset, min(part_size, size - offset), self._checksum, watch)
            for offset in range(0, size, part_size)
        ]
        try:
            return self._send_parts(slices, parallel, resume=self._options.resume)
        except BucketNotFoundError:
            raise
        except NotFoundError as error:
            log.warning("%s: beginning anew", error)
            return self._send_parts(slices, parallel, resume=False)

    def _send_parts(self, slices: Sequence[SliceBody], parallel: bool, *, resume: bool) -> ObjectInfo:
        upload_id, held = self._begin(resume=resume)
        waiting = deque(enumerate(slices, 1))
        sent: dict[int, SentPart] = {}

        def lane(_: int) -> Iterator[None]:
            for number, body in taken(waiting.popleft):
                sent[number] = self._send_part(upload_id, held.get(number), number, body)
                yield

        limit = self._options.concurrency if parallel else 1
        in_lanes(limit, self._store.config.endpoint.scheme, lane, self._cancelled)
        return self._complete(upload_id, [sent[number] for number in sorted(sent)])

    def stream(self, source: BinaryIO) -> ObjectInfo:
        """Send something that can be read only once, part by part; parts grow, so that 10,000 always suffice."""
        watch = self._watch(None)
        with spooled(source, self._options.threshold) as first:
            read_at, size, _ = reader_at(first)
            body = SliceBody(read_at, 0, size, self._checksum, watch)
            if size < self._options.threshold:
                return self._put(body)
            upload_id, held = self._begin(resume=self._options.resume)
            sent = [self._send_part(upload_id, held.get(1), 1, body)]
        while True:
            part_size = min(self._options.part_size << (len(sent) // 1000), _LARGEST_PART)
            with spooled(source, part_size) as piece:
                read_at, size, _ = reader_at(piece)
                if not size:
                    return self._complete(upload_id, sent)
                number = len(sent) + 1
                body = SliceBody(read_at, 0, size, self._checksum, watch)
                sent.append(self._send_part(upload_id, held.get(number), number, body))

    def _watch(self, size: int | None) -> Watch:
        return Watch(f"upload to {self._parts.uri}", size, self._options, self._cancelled)

    def _put(self, body: SliceBody) -> ObjectInfo:
        """Send in one request; what arrives damaged is sent again, and removed when it is damaged again."""
        try:
            return self._put_once(body, overwrite=self._properties.overwrite)
        except ChecksumMismatchError as error:
            log.warning("%s: sending it again", error)
        try:
            return self._put_once(body, overwrite=True)
        except ChecksumMismatchError:
            self._store.delete(self._key, self._bucket)
            raise

    def _put_once(self, body: SliceBody, *, overwrite: bool) -> ObjectInfo:
        return self._store.put(self._key, body, self._bucket, **{**self._properties.keywords(), "overwrite": overwrite})

    def _begin(self, *, resume: bool) -> tuple[str, Mapping[int, Part]]:
        """Return an upload to send parts to and the parts it holds: the last one left open, or a new one."""
        if resume and (left := self._left_open()):
            held = {part.number: part for part in self._parts.held(left)}
            log.info("%s: continuing an upload that holds %d parts", self._parts.uri, len(held))
            return left, held
        return self._parts.initiate(**self._properties.keywords()), {}

    def _left_open(self) -> str | None:
        try:
            uploads = [u for u in open_uploads(self._store, self._bucket, self._key) if u.key == self._key]
        except PermissionDeniedError:
            log.info("%s: these credentials may not list uploads, so none is continued", self._parts.uri)
            return None
        return max(uploads, key=lambda upload: upload.initiated).upload_id if uploads else None

    def _send_part(self, upload_id: str, held: Part | None, number: int, body: SliceBody) -> SentPart:
        """Send a part, unless the store holds it already; a part that arrives damaged is sent again."""
        if held and held.size == len(body) and _same(held, body):
            return SentPart(held, body.checksum)
        try:
            part = self._parts.put(upload_id, number, body)
        except ChecksumMismatchError as error:
            log.warning("%s: sending it again", error)
            part = self._parts.put(upload_id, number, body)
        return SentPart(part, body.checksum)

    def _complete(self, upload_id: str, sent: Sequence[SentPart]) -> ObjectInfo:
        checksum = self._checksum.combine((part.checksum, part.part.size) for part in sent)
        forbid = {} if self._properties.overwrite else {f"{self._vendor.headers}forbid-overwrite": "true"}
        info = self._parts.complete(upload_id, [part.part for part in sent], checksum, forbid)
        given = self._properties
        return replace(
            info, content_type=given.content_type, metadata=given.metadata, storage_class=given.storage_class
        )


@dataclass(frozen=True, slots=True)
class SentPart:
    """A part the store holds now, with the checksum of its bytes here."""

    part: Part
    checksum: int


def plan_part_size(size: int, wanted: int, smallest: int) -> int:
    """Return a part size, in whole MiB, with which at most 10,000 parts make the whole."""
    needed = max(wanted, smallest, -(-size // MAX_PARTS))
    return -(-needed // MIB) * MIB


def _same(held: Part, body: SliceBody) -> bool:
    """Tell whether a held part has the bytes of a body, by the checksum that the store lists for parts."""
    digest = hashlib.md5(usedforsecurity=False)
    for block in body:
        if not held.crc64:
            digest.update(block)
    return held.crc64 == str(body.checksum) if held.crc64 else held.etag.lower() == digest.hexdigest()


def _content_type(key: str) -> str:
    kind, compression = mimetypes.guess_type(key.rpartition("/")[2])
    return kind if kind and not compression else "application/octet-stream"
