"""Downloads: streamed or in ranges at once, continued where they broke, checked, and in place only when whole."""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import tenacity

from aksk_provider.errors import (
    IntegrityError,
    ObjectChangedError,
    PreconditionFailedError,
    ServiceError,
    TransportError,
)
from aksk_provider.storage import operations, responses, retry
from aksk_provider.storage.blocks import BlockReader
from aksk_provider.storage.bodies import BLOCK
from aksk_provider.storage.checksums import CHECKSUMS, verify
from aksk_provider.storage.config import locate
from aksk_provider.storage.connections import NO_ANSWER
from aksk_provider.storage.http1 import Response
from aksk_provider.storage.multipart import MAX_PARTS
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.transfer.equal import equal_object
from aksk_provider.storage.transfer.files import checked_target, put_in_place
from aksk_provider.storage.transfer.options import DEFAULT_OPTIONS, MIB, TransferOptions, Watch
from aksk_provider.storage.transfer.partfile import Content, PartFile, Sink, part_file
from aksk_provider.storage.transfer.pool import in_lanes, taken

log = logging.getLogger(__name__)
_RANGE_NOT_SATISFIABLE = 416
# the first lane, alone on a fast network, takes more at a time than each of the others
_LARGEST_BLOCK_OF_FIRST = 2 * MIB
_LARGEST_BLOCK = MIB


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """A file that was downloaded whole.

    :param path: the file, absolute
    :param uri: where it came from
    :param size: bytes, as stored
    :param etag: entity tag without quotes
    :param crc64: CRC-64/XZ of the content as a decimal number, where the store reports it
    """

    path: str
    uri: str
    size: int
    etag: str | None
    crc64: str | None


def download(
    store: ObjectStore,
    key: str,
    target: str | os.PathLike[str] | BinaryIO,
    bucket: str | None = None,
    *,
    version_id: str | None = None,
    overwrite: bool = True,
    skip_equal: bool = False,
    checksum: str | None = None,
    options: TransferOptions = DEFAULT_OPTIONS,
    cancelled: threading.Event | None = None,
) -> DownloadResult:
    """Write an object, as it is stored, to a file that appears only when it is whole and checked.

    From ``options.threshold`` on, ranges are fetched at once where one stream leaves processors idle, each on condition
    that the object is still the same, and what an interrupted attempt left in the ``.part`` file beside the target is
    kept.

    :param target: path of the file; missing folders are made once the object is there. Or a binary file object, which
        gets the bytes in order as they come; it has all of them when this returns
    :param overwrite: ``False`` refuses a target that exists
    :param skip_equal: fetch nothing when the target is there with the object's size and checksum
    :param checksum: what the store's checksum must be, as a decimal number
    :raises InvalidRequestError: the target is a folder, or exists and must not be overwritten
    :raises IntegrityError: size or checksum differ, or the object changed; the target is as it was
    """
    bucket, key = locate(store.config, key, bucket)
    cancelled = cancelled or threading.Event()
    job = _Download(store, bucket, key, version_id, options, cancelled)
    with retry.ended_by(cancelled):
        if not isinstance(target, str | os.PathLike):
            return job.stream(target, expected=checksum)
        if skip_equal and (info := equal_object(store, Path(target), key, bucket, version_id)):
            log.info("%s is there already, equal to %s", target, info.uri)
            return DownloadResult(str(Path(target).absolute()), info.uri, info.size or 0, info.etag, info.crc64)
        path = checked_target(target, overwrite=overwrite)
        try:
            return job.run(path, overwrite=overwrite, expected=checksum)
        except ObjectChangedError:
            raise
        except IntegrityError as error:
            log.warning("%s: downloading it again", error)
            return job.run(path, overwrite=overwrite, expected=checksum)


class _Download:
    def __init__(
        self,
        store: ObjectStore,
        bucket: str,
        key: str,
        version_id: str | None,
        options: TransferOptions,
        cancelled: threading.Event,
    ) -> None:
        self._store = store
        self.config = store.config
        self.checksum = CHECKSUMS[store.config.vendor.checksum]
        self._place = (bucket, key)
        self._version_id = version_id
        self._options = options
        self._cancelled = cancelled
        self._uri = store.uri(key, bucket)

    def run(self, path: Path, *, overwrite: bool, expected: str | None) -> DownloadResult:
        """Fetch what is missing, check the whole and put it in place."""
        vendor = self.config.vendor
        with self.get(0, None, None) as first:
            info = responses.object_info(vendor, *self._place, first.headers)
            content = self._plan(info)
            keep = self._options.resume and content.size >= self._options.threshold and content.etag is not None
            with part_file(path, content, self.checksum, keep=keep) as part:
                self._fetch_missing(part, first)
                self._check(part, first.headers.get(vendor.checksum_header), expected)
                part.sync()
                part.forget()
                put_in_place(part.path, path, overwrite=overwrite)
        return DownloadResult(str(path), self._uri, content.size, info.etag, info.crc64)

    def stream(self, file: BinaryIO, *, expected: str | None) -> DownloadResult:
        """Write to a file object, in order."""
        vendor = self.config.vendor
        with self.get(0, None, None) as first:
            info = responses.object_info(vendor, *self._place, first.headers)
            if info.size is None:
                raise TransportError(f"{self._uri}: the store does not say how large it is")
            sink = Sink(file, Content(self._uri, info.etag, info.size, max(info.size, MIB)))
            self._fetch_missing(sink, first)
            self._check(sink, first.headers.get(vendor.checksum_header), expected)
        return DownloadResult(str(getattr(file, "name", "")), self._uri, info.size, info.etag, info.crc64)

    def get(self, start: int, end: int | None, etag: str | None) -> Response:
        """Ask for bytes, on condition that they are of the same object."""
        operation = operations.get_object(
            *self._place,
            byte_range=None if end is None else (start, end - 1),
            version_id=self._version_id,
            headers={"If-Match": f'"{etag}"'} if etag else {},
        )
        return self._store.transport.send(operation, repeat=end is None)

    def _plan(self, info: ObjectInfo) -> Content:
        """Return the content, in one chunk when it is not moved in parts."""
        if info.size is None:
            raise TransportError(f"{self._uri}: the store does not say how large it is")
        wanted = max(self._options.part_size, -(-info.size // MAX_PARTS))
        chunk = wanted if info.size >= self._options.threshold else max(info.size, MIB)
        return Content(self._uri, info.etag, info.size, chunk)

    def _fetch_missing(self, part: PartFile | Sink, opened: Response) -> None:
        content = part.content
        if not content.size:
            part.finish(0, 0)
            return
        watch = Watch(f"download of {self._uri}", content.size, self._options, self._cancelled)
        missing = deque(chunk for chunk in content.chunks() if chunk not in part.checksums)
        if kept := len(content.chunks()) - len(missing):
            log.info("%s: continuing, %d of %d parts are there", self._uri, kept, len(content.chunks()))
            watch(min(kept * content.chunk, content.size))
            opened.close()

        def lane(number: int) -> Iterator[None]:
            """Fetch chunks: the first lane with what was opened, from the front; the others from the end, one each."""
            with closing(_Stream(self, part, watch, None if number or kept else opened)) as stream:
                for chunk in taken(missing.pop if number else missing.popleft):
                    stream.fetch(chunk)
                    yield

        if len(missing) <= 1:
            list(lane(0))
        else:
            in_lanes(self._options.concurrency, self.config.endpoint.scheme, lane, self._cancelled)

    def _check(self, part: PartFile | Sink, reported: str | None, expected: str | None) -> None:
        content = part.content
        sizes = [(part.checksums[chunk], content.end(chunk) - chunk * content.chunk) for chunk in content.chunks()]
        computed = self.checksum.combine(sizes)
        verify(self._uri, self.checksum.name, reported, computed)
        if expected is not None and expected != str(computed):
            raise IntegrityError(
                f"{self._uri}: {self.checksum.name} {expected} was expected, the object has {computed}"
            )


class _Stream:
    """What one lane reads: chunk after chunk, and when it breaks off, on from the byte reached.

    :param opened: an answer that begins with the first chunk and holds the whole object; chunks are then fetched in
        order. Without one, each chunk is asked for by itself
    """

    def __init__(self, job: _Download, part: PartFile | Sink, watch: Watch, opened: Response | None = None) -> None:
        self._job = job
        self._part = part
        self._watch = watch
        self._response = opened
        self._whole = opened is not None
        self._position = 0
        self._blocks = BlockReader(_LARGEST_BLOCK_OF_FIRST if self._whole else _LARGEST_BLOCK)

    def fetch(self, chunk: int) -> None:
        """Fetch a chunk, write it at its place and note its checksum."""
        self._position, self._running = chunk * self._part.content.chunk, 0
        retry.repeated(self._policy, self._read, self._part.content.end(chunk))
        self._part.finish(chunk, self._running)

    def _policy(self) -> tenacity.Retrying:
        return retry.policy(self._job.config.max_attempts, lambda: self._position // BLOCK)

    def close(self) -> None:
        """Close the connection, or give it back when everything was read."""
        if self._response is not None:
            self._response.close()
            self._response = None

    def _read(self, end: int) -> None:
        update = self._job.checksum.update
        try:
            while self._position < end:
                block = self._next(end)
                self._part.write(block, self._position)
                self._running = update(block, self._running)
                self._position += len(block)
                self._watch(len(block))
        except BaseException:
            self.close()
            raise
        if not self._whole:
            self.close()

    def _next(self, end: int) -> memoryview:
        content = self._part.content
        if self._response is None:
            self._response = self._open(content.size if self._whole else end)
        doing = f"GET {content.uri}"
        try:
            block = self._blocks.read(self._response, end - self._position)
        except NO_ANSWER as error:
            raise retry.transport_error(doing, self._job.config.endpoint, error) from error
        if not block:
            raise TransportError(f"{doing}: the answer ended after {self._position} of {end} bytes")
        return block

    def _open(self, end: int) -> Response:
        content = self._part.content
        if content.etag is None:
            raise IntegrityError(f"{content.uri} broke off, and without an entity tag it cannot be continued")
        try:
            response = self._job.get(self._position, end, content.etag)
        except PreconditionFailedError as error:
            raise ObjectChangedError(f"{content.uri} was replaced while it was downloaded") from error
        except ServiceError as error:
            if error.status != _RANGE_NOT_SATISFIABLE:
                raise
            raise IntegrityError(f"{content.uri} is shorter than the {content.size} bytes it promised") from error
        said = responses.object_info(self._job.config.vendor, "", "", response.headers)
        if response.status != 206 or said.size != content.size or said.etag != content.etag:
            response.close()
            raise IntegrityError(f"{content.uri}: the store answered something else than the range asked for")
        return response
