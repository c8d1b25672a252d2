"""What an operation works with."""

from __future__ import annotations

import base64
import binascii
import hashlib
import sqlite3
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from aksk_provider.emulator.bodies import Bodies, Body
from aksk_provider.emulator.dialects import Dialect
from aksk_provider.emulator.index import open_index
from aksk_provider.emulator.model import Account, Bucket, Inbound, Refused
from aksk_provider.emulator.objects import Objects
from aksk_provider.emulator.uploads import Uploads

MAX_BODY = 5 * 1024**3
_MAX_DOCUMENT = 4 * 1024**2


class Storage:
    """Everything the emulator keeps, in one directory."""

    def __init__(self, directory: Path) -> None:
        self._index: sqlite3.Connection = open_index(directory)
        self.bodies = Bodies(directory)
        self.objects = Objects(self._index, self.bodies)
        self.uploads = Uploads(self._index, self.bodies)

    def close(self) -> None:
        """Close the index."""
        self._index.close()


@dataclass(frozen=True, slots=True)
class Call:
    """A verified request and what it works on.

    :param buckets: all buckets, by vendor and name
    :param body: the body of the request, once
    :param accounts: the key pairs that may ask, for an operation that verifies a signature in the body
    """

    inbound: Inbound
    dialect: Dialect
    bucket_name: str | None
    key: str
    storage: Storage
    buckets: Mapping[tuple[str, str], Bucket]
    now: datetime
    body: AsyncIterator[bytes]
    accounts: Mapping[str, Account] = field(default_factory=dict)

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the request."""
        return self.inbound.headers

    @property
    def bucket(self) -> Bucket:
        """The bucket of the request."""
        return self.bucket_named(self.bucket_name or "")

    def bucket_named(self, name: str) -> Bucket:
        """Return a bucket of this vendor."""
        try:
            return self.buckets[self.dialect.name, name]
        except KeyError:
            raise Refused("NoSuchBucket", BucketName=name) from None

    def own_header(self, name: str) -> str | None:
        """Return one of the vendor's own headers, named without its prefix."""
        return self.headers.get(f"{self.dialect.prefix}{name}")

    async def take_body(self) -> Body:
        """Stream the body of the request to disk, and check it against the digests in the headers."""
        length = self.headers.get("content-length")
        if length is None and self.dialect.length_required:
            raise Refused("MissingContentLength")
        if length is not None and int(length) > MAX_BODY:
            raise _too_large(int(length))
        expected_md5 = content_md5(self.headers)
        with self.storage.bodies.intake(self.dialect.wanted_digests(self.headers)) as intake:
            async for chunk in self.body:
                intake.write(chunk)
                if intake.size > MAX_BODY:
                    raise _too_large(intake.size)
            digests = intake.digests()
            if expected_md5 is not None and expected_md5 != digests["md5"]:
                raise Refused("BadDigest", ClientDigest=expected_md5, ServerDigest=digests["md5"])
            self.check_digests(digests)
            return self.storage.bodies.adopt(intake)

    def check_digests(self, digests: Mapping[str, str]) -> None:
        """Refuse a body whose digests are not those that the vendor's own headers tell."""
        for header, name in self.dialect.checked_headers.items():
            expected = self.headers.get(header)
            if expected is not None and expected.strip().lower() != digests[name]:
                raise Refused("BadDigest", f"The {header} you specified did not match what we received.")

    async def read_document(self) -> bytes:
        """Return the body of a request that is small: an XML or JSON document."""
        document = bytearray()
        async for chunk in self.body:
            document += chunk
            if len(document) > _MAX_DOCUMENT:
                raise _too_large(len(document))
        expected_md5 = content_md5(self.headers)
        if expected_md5 is not None and expected_md5 != hashlib.md5(document, usedforsecurity=False).hexdigest():
            raise Refused("BadDigest")
        return bytes(document)


def content_md5(headers: Mapping[str, str]) -> str | None:
    """Return the MD5 that Content-MD5 promises, in hex."""
    value = headers.get("content-md5")
    if value is None:
        return None
    try:
        digest = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise Refused("InvalidDigest") from error
    if len(digest) != hashlib.md5(usedforsecurity=False).digest_size:
        raise Refused("InvalidDigest")
    return digest.hex()


def _too_large(size: int) -> Refused:
    return Refused("EntityTooLarge", MaxSizeAllowed=str(MAX_BODY), ProposedSize=str(size))
