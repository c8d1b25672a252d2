"""Downloads from links and uploads to them: streamed, checked, repeated, and in place only when whole."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from aksk_provider.errors import (
    ChecksumMismatchError,
    IntegrityError,
    InvalidRequestError,
    ObjectChangedError,
    PreconditionFailedError,
    ServiceError,
    TransportError,
)
from aksk_provider.storage import responses, retry
from aksk_provider.storage.blocks import BlockReader
from aksk_provider.storage.bodies import BLOCK, SliceBody, reader_at
from aksk_provider.storage.checksums import CHECKSUMS, CRC64, of_file, verify
from aksk_provider.storage.connections import NO_ANSWER
from aksk_provider.storage.http1 import Response
from aksk_provider.storage.presigning.client import FetchOptions, Link, vendor_of
from aksk_provider.storage.transfer.files import checked_source, checked_target, put_in_place, temporary_sibling
from aksk_provider.storage.transfer.options import TransferOptions, Watch

log = logging.getLogger(__name__)
DEFAULT_OPTIONS = FetchOptions()
_HASHES = ("md5", "sha1", "sha256", "sha384", "sha512")


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file that was downloaded whole.

    :param path: the file, absolute
    :param size: bytes, as they were sent
    :param etag: entity tag without quotes
    :param crc64: CRC-64/XZ of the bytes as a decimal number; of BOS, which reports CRC-32, where it reports this too
    """

    path: str
    size: int
    etag: str | None
    crc64: str | None


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that was uploaded.

    :param size: bytes
    :param etag: entity tag without quotes
    :param crc64: CRC-64/XZ of the bytes as a decimal number
    """

    size: int
    etag: str | None
    crc64: str


def download_url(
    url: str,
    target: str | os.PathLike[str],
    *,
    headers: Mapping[str, str] | None = None,
    checksum: str | None = None,
    overwrite: bool = True,
    options: FetchOptions = DEFAULT_OPTIONS,
    cancelled: threading.Event | None = None,
) -> FetchedFile:
    """Write what a link gives to a file that appears only when it is whole and checked.

    A download that breaks off continues where it broke, on condition that the object is still the same; where the link
    or the server does not allow that, it begins anew.

    :param url: presigned URL of any of the vendors, or any other URL
    :param target: path of the file; missing folders are made once the server has answered
    :param headers: headers the link was signed with
    :param checksum: what the checksum must be: ``sha256:`` or another hash and its hex digits, or a decimal number:
        CRC-64/XZ, of BOS CRC-32
    :param overwrite: ``False`` refuses a target that exists
    :raises InvalidRequestError: the link died more than 15 minutes ago, or an argument is wrong; nothing was sent
    :raises PermissionDeniedError: the link is refused; no file was made
    :raises IntegrityError: size or checksum differ, or the object changed; the target is as it was
    """
    expected = _Expected(checksum)
    path = checked_target(target, overwrite=overwrite)
    link = Link(url, "GET", headers or {}, options)
    try:
        try:
            return _Download(link, expected, cancelled).run(path, overwrite=overwrite)
        except ObjectChangedError:
            raise
        except IntegrityError as error:
            log.warning("%s: downloading it again", error)
            return _Download(link, expected, cancelled).run(path, overwrite=overwrite)
    finally:
        link.close()


def upload_url(
    url: str,
    source: str | os.PathLike[str],
    *,
    headers: Mapping[str, str] | None = None,
    checksum: str | None = None,
    options: FetchOptions = DEFAULT_OPTIONS,
    cancelled: threading.Event | None = None,
) -> SentFile:
    """Send a file to a link that was signed for PUT, and compare the checksum that the store answers with.

    :param source: path of the file
    :param headers: headers the link was signed with; exactly these are sent, and no content type that they do not name
    :param checksum: what the file's checksum must be, as for :func:`download_url`; another one is refused
    :raises InvalidRequestError: the link died more than 15 minutes ago, or an argument is wrong; nothing was sent
    :raises ChecksumMismatchError: the store has other bytes than were sent, also when they were sent again
    """
    expected = _Expected(checksum)
    path = checked_source(source)
    link = Link(url, "PUT", headers or {}, options)
    try:
        with path.open("rb") as file:
            expected.check_file(file, path)
            read_at, size, _ = reader_at(file)
            signed = link.headers.get("Content-Length")
            if signed is not None and signed != str(size):
                raise InvalidRequestError(f"the link is for {signed} bytes, and source {path} has {size}")
            body = SliceBody(read_at, 0, size, CRC64, _watch(link, "upload to", size, cancelled))
            policy = retry.policy(options.max_attempts)
            try:
                return policy(_send, link, body, path)
            except ChecksumMismatchError as error:
                log.warning("%s: sending it again", error)
                return policy(_send, link, body, path)
    finally:
        link.close()


def _send(link: Link, body: SliceBody, path: Path) -> SentFile:
    with link.send(body=body) as response:
        vendor = vendor_of(response)
        reported = response.headers.get(vendor.checksum_header)
        if reported is not None:
            checksum = CHECKSUMS[vendor.checksum]
            verify(link.place, checksum.name, reported, body.checksum if checksum is CRC64 else of_file(path, checksum))
        return SentFile(len(body), _etag(response), str(body.checksum))


class _Download:
    """One download: what was promised, and how far it is."""

    def __init__(self, link: Link, expected: _Expected, cancelled: threading.Event | None) -> None:
        self._link = link
        self._expected = expected
        self._cancelled = cancelled
        self._position = 0
        self._blocks = BlockReader(BLOCK)

    def run(self, path: Path, *, overwrite: bool) -> FetchedFile:
        """Fetch, check and put in place."""
        attempts = self._link.options.max_attempts
        first = [retry.policy(attempts)(self._begin)]
        with first[0], temporary_sibling(path) as (partial, descriptor):
            with open(descriptor, "wb", closefd=False) as file:
                policy = retry.policy(attempts, lambda: self._position // BLOCK)
                policy(lambda: self._read(first.pop() if first else self._continue(), file))
                self._check()
                file.flush()
                os.fsync(descriptor)
            put_in_place(partial, path, overwrite=overwrite)
        crc64 = str(self._running) if self._checksum is CRC64 else self._crc64
        return FetchedFile(str(path), self._position, self._etag, crc64)

    def _begin(self) -> Response:
        """Ask for all of it, and note what is promised."""
        response = self._link.send()
        vendor = vendor_of(response)
        self._checksum = CHECKSUMS[vendor.checksum]
        length = response.headers.get("Content-Length", "")
        self._size = int(length) if length.isdigit() else None
        whole = response.status != 206  # a range was asked for, and the checksum is that of the whole object
        self._reported = response.headers.get(vendor.checksum_header) if whole else None
        self._crc64 = responses.object_info(vendor, "", "", response.headers).crc64 if whole else None
        self._etag = _etag(response)
        strong = response.headers.get("ETag", "").startswith('"')
        self._condition = response.headers["ETag"] if strong and "Range" not in self._link.headers else None
        self._position = self._running = 0
        self._expected.begin()
        size = None if self._size is None else self._size
        self._watch = _watch(self._link, "download of", size, self._cancelled)
        return response

    def _continue(self) -> Response:
        """Ask for the rest, on condition that the object is the same; for all of it where that cannot be asked."""
        if not self._position or not self._condition or self._size is None:
            return self._begin()
        place = self._link.place
        try:
            response = self._link.send({"Range": f"bytes={self._position}-", "If-Match": self._condition})
        except PreconditionFailedError as error:
            raise ObjectChangedError(f"{place} was replaced while it was downloaded") from error
        except ServiceError as error:
            if error.status != 416:
                raise
            raise IntegrityError(f"{place} is shorter than the {self._size} bytes it promised") from error
        promised = f"bytes {self._position}-{self._size - 1}/{self._size}"
        if response.status == 206 and response.headers.get("Content-Range") == promised:
            return response
        response.close()
        if response.status == 206:
            raise IntegrityError(f"{place}: the server answered something else than the range asked for")
        log.info("%s gives no ranges: beginning anew", place)
        return self._begin()

    def _read(self, response: Response, file: BinaryIO) -> None:
        update = self._checksum.update
        with response:
            file.seek(self._position)
            file.truncate()
            while self._size is None or self._position < self._size:
                block = self._next(response)
                if not block:
                    if self._size is None:
                        return
                    promised = f"{self._position} of {self._size} bytes"
                    raise TransportError(f"{self._link.describe}: the answer ended after {promised}")
                file.write(block)
                self._running = update(block, self._running)
                self._expected.update(block)
                self._position += len(block)
                self._watch(len(block))

    def _next(self, response: Response) -> memoryview:
        most = BLOCK if self._size is None else self._size - self._position
        try:
            return self._blocks.read(response, most)
        except NO_ANSWER as error:
            raise retry.transport_error(self._link.describe, self._link.endpoint, error) from None

    def _check(self) -> None:
        verify(self._link.place, self._checksum.name, self._reported, self._running)
        self._expected.check(self._link.place, self._checksum.name, self._running)


class _Expected:
    """A checksum that somebody expects.

    :param text: ``sha256:{hex}`` or the like, or a decimal number, a CRC
    """

    def __init__(self, text: str | None) -> None:
        name, colon, digits = (text or "").partition(":")
        self._hash = name.lower() if colon else None
        self._wanted = digits.lower() if colon else text or None
        if colon and self._hash not in _HASHES:
            raise InvalidRequestError(f"checksum: {name!r} is not one of {', '.join(_HASHES)}")
        if self._wanted and not colon and not self._wanted.isdecimal():
            raise InvalidRequestError("checksum must be a decimal number, or e.g. sha256: and hex digits")
        self.begin()

    def begin(self) -> None:
        """Begin to compute."""
        self._running = hashlib.new(self._hash, usedforsecurity=False) if self._hash else None

    def update(self, block: bytes | memoryview) -> None:
        """Take the next bytes."""
        if self._running:
            self._running.update(block)

    def check(self, what: str, crc_name: str, crc: int) -> None:
        """Compare.

        :raises ChecksumMismatchError: names both values
        """
        name, computed = (self._hash, self._running.hexdigest()) if self._running else (crc_name, str(crc))
        if self._wanted and computed != self._wanted:
            raise ChecksumMismatchError(f"{what}: {name} {self._wanted} was expected, the bytes have {computed}")

    def check_file(self, file: BinaryIO, path: Path) -> None:
        """Compare with a file's, before anything is sent; leaves the file at its start."""
        if not self._wanted:
            return
        crcs = dict.fromkeys(CHECKSUMS, 0)
        self.begin()
        while block := file.read(1024**2):
            self.update(block)
            if not self._running:
                crcs = {name: CHECKSUMS[name].update(block, value) for name, value in crcs.items()}
        file.seek(0)
        if self._running:
            self.check(f"source {path}", "", 0)
        elif self._wanted not in map(str, crcs.values()):
            had = ", ".join(f"{name} {value}" for name, value in crcs.items())
            raise ChecksumMismatchError(f"source {path}: checksum {self._wanted} was expected, the bytes have {had}")


def _watch(link: Link, doing: str, size: int | None, cancelled: threading.Event | None) -> Watch:
    options = TransferOptions(deadline=link.options.deadline)
    return Watch(f"{doing} {link.place}", size, options, cancelled or threading.Event())


def _etag(response: Response) -> str | None:
    etag = response.headers.get("ETag")
    return etag.removeprefix("W/").strip('"') if etag else None
