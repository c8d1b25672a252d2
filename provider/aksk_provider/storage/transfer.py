"""Streaming upload and download: constant memory, checked sizes and checksums, atomic files."""

from __future__ import annotations

import io
import mimetypes
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import urllib3.exceptions

from aksk_provider.errors import IntegrityError, InvalidRequestError
from aksk_provider.storage.checksums import ALGORITHMS, Update, verify
from aksk_provider.storage.config import locate
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.retry import transport_error
from aksk_provider.storage.store import ObjectStore

if TYPE_CHECKING:
    from typing_extensions import Buffer

Source = str | os.PathLike[str] | bytes | BinaryIO

_SEND_BLOCK = 256 * 1024
_READ_BLOCK = 1024 * 1024
_SPOOL_IN_MEMORY = 8 * 1024 * 1024


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


class FileBody:
    """The rest of a seekable binary file as a request body that can be sent again, with a checksum of what was sent.

    :param file: read from its present position to its end
    :param update: checksum algorithm
    """

    def __init__(self, file: BinaryIO, update: Update) -> None:
        self._file = file
        self._update = update
        self._start = file.tell()
        self._size = file.seek(0, os.SEEK_END) - self._start
        self.checksum = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(self._start)
        self.checksum, left = 0, self._size
        while left:
            block = self._file.read(min(_SEND_BLOCK, left))
            if not block:
                raise IntegrityError(
                    f"the source became shorter while it was sent: {left} of {self._size} bytes are gone"
                )
            self.checksum = self._update(block, self.checksum)
            left -= len(block)
            yield block


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
) -> ObjectInfo:
    """Write a file, bytes or the rest of a binary file object to an object, and check what arrived.

    An object that cannot seek is copied to a temporary file first, so that its size is known.

    :raises IntegrityError: the store's checksum differs from that of the bytes sent
    """
    locate(store.config, key, bucket)
    with _opened(source) as file:
        body = FileBody(file, ALGORITHMS[store.config.vendor.checksum])
        return store.put(
            key,
            body if len(body) else b"",
            bucket,
            content_type=content_type or _content_type(key),
            metadata=metadata,
            storage_class=storage_class,
            headers=headers,
            overwrite=overwrite,
        )


class ObjectReader(io.RawIOBase):
    """The bytes of an object as they are stored; reading to the end checks their size and checksum.

    :param repeat: whether to ask again when the store fails to answer
    """

    def __init__(
        self, store: ObjectStore, key: str, bucket: str | None, version_id: str | None = None, *, repeat: bool = True
    ) -> None:
        super().__init__()
        self._config = store.config
        self._response = store.get(key, bucket, version_id=version_id, repeat=repeat)
        self.info = store.info(key, bucket, self._response)
        self._update = ALGORITHMS[store.config.vendor.checksum]
        self._checksum = 0
        self.size = 0

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Read into a buffer; 0 at the end.

        :raises TransportError: the connection broke or stalled
        :raises IntegrityError: at the end, when size or checksum differ from what the store reported
        """
        view = memoryview(buffer).cast("B")
        try:
            block = self._response.raw.read(len(view), decode_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise transport_error(f"GET {self.info.uri}", self._config.endpoint, error) from error
        view[: len(block)] = block
        self._checksum = self._update(block, self._checksum)
        self.size += len(block)
        if not block and len(view):
            self._verify()
        return len(block)

    def close(self) -> None:
        """Close the connection, or give it back when everything was read."""
        response = getattr(self, "_response", None)  # none when the request failed and the finaliser calls this
        if response is not None:
            response.close()
        super().close()

    def _verify(self) -> None:
        if self.info.size is not None and self.size != self.info.size:
            raise IntegrityError(f"{self.info.uri}: the store promised {self.info.size} bytes and sent {self.size}")
        verify(self._config.vendor, self.info.uri, self._response.headers, self._checksum)


def download(
    store: ObjectStore,
    key: str,
    target: str | os.PathLike[str],
    bucket: str | None = None,
    *,
    version_id: str | None = None,
    overwrite: bool = True,
) -> DownloadResult:
    """Write an object, as it is stored, to a file that appears only when it is whole and checked.

    :param target: path of the file; missing folders are made once the object is there
    :param overwrite: ``False`` refuses a target that exists
    :raises InvalidRequestError: the target is a folder, or exists and must not be overwritten
    :raises IntegrityError: size or checksum differ from what the store reported; the target is as it was
    """
    path = Path(target).absolute()
    if path.is_dir():
        raise InvalidRequestError(f"target {path} is a folder: name the file to write")
    if not overwrite and path.exists():
        raise InvalidRequestError(f"target {path} exists and overwrite is off")

    def attempt() -> DownloadResult:
        with ObjectReader(store, key, bucket, version_id, repeat=False) as reader:
            with _atomic_file(path, overwrite=overwrite) as file:
                shutil.copyfileobj(reader, file, _READ_BLOCK)
            info = reader.info
            return DownloadResult(str(path), info.uri, reader.size, info.etag, info.crc64)

    return store.transport.retrying()(attempt)


@contextmanager
def _atomic_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Give a file beside the path that takes its place when the block ends well and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(8)}.part")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            if path.exists():
                shutil.copymode(path, partial)
            partial.replace(path)
        else:
            _move_if_absent(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _move_if_absent(partial: Path, path: Path) -> None:
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise InvalidRequestError(f"target {path} exists now and overwrite is off") from error


@contextmanager
def _opened(source: Source) -> Iterator[BinaryIO]:
    """Give a seekable binary file for a source; a file object of the caller's stays open."""
    if isinstance(source, bytes):
        yield io.BytesIO(source)
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        if not path.is_file():
            raise InvalidRequestError(f"source {path} is {'a folder' if path.is_dir() else 'not there'}: name a file")
        with path.open("rb") as file:
            yield file
    elif source.seekable():
        yield source
    else:
        with tempfile.SpooledTemporaryFile(_SPOOL_IN_MEMORY) as spool:
            shutil.copyfileobj(source, spool, _READ_BLOCK)
            spool.seek(0)
            yield spool  # type: ignore[misc]


def _content_type(key: str) -> str:
    kind, compression = mimetypes.guess_type(key.rpartition("/")[2])
    return kind if kind and not compression else "application/octet-stream"
