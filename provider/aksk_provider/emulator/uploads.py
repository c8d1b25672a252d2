"""Multipart uploads in progress."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from aksk_provider.emulator.bodies import Bodies, Body
from aksk_provider.emulator.index import dump, load, seconds, time_of
from aksk_provider.emulator.model import Bucket, Refused


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload.

    :param headers: what the request that started it asked to keep
    """

    upload_id: str
    key: str
    headers: Mapping[str, str]
    initiated: datetime


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload; its entity tag is its MD5."""

    number: int
    body: str
    size: int
    digests: Mapping[str, str]
    modified: datetime


class Uploads:
    """The uploads of all buckets."""

    def __init__(self, index: sqlite3.Connection, bodies: Bodies) -> None:
        self._index = index
        self._bodies = bodies

    def start(self, bucket: Bucket, key: str, headers: Mapping[str, str], now: datetime) -> Upload:
        """Start an upload."""
        upload_id = uuid.uuid4().hex.upper()
        self._index.execute(
            "INSERT INTO uploads VALUES (?, ?, ?, ?, ?)",
            (upload_id, _name(bucket), key.encode(), dump(headers), seconds(now)),
        )
        return self.get(bucket, key, upload_id)

    def get(self, bucket: Bucket, key: str, upload_id: str) -> Upload:
        """Return an upload."""
        row = self._index.execute(
            "SELECT * FROM uploads WHERE upload_id = ? AND bucket = ? AND key = ?",
            (upload_id, _name(bucket), key.encode()),
        ).fetchone()
        if row is None:
            raise Refused("NoSuchUpload", UploadId=upload_id)
        return _upload(row)

    def still(self, upload: Upload, body: Body) -> None:
        """Refuse a body that was meant for an upload which ended while the body was made."""
        found = self._index.execute("SELECT 1 FROM uploads WHERE upload_id = ?", (upload.upload_id,)).fetchone()
        if found is None:
            self._bodies.remove([body.name])
            raise Refused("NoSuchUpload", UploadId=upload.upload_id)

    def put_part(self, upload: Upload, number: int, body: Body, now: datetime) -> Part:
        """Keep a part; one of the same number is replaced."""
        self.still(upload, body)
        replaced = self._index.execute(
            "SELECT body FROM parts WHERE upload_id = ? AND number = ?", (upload.upload_id, number)
        ).fetchone()
        self._index.execute(
            "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?)",
            (upload.upload_id, number, body.name, body.size, dump(body.digests), seconds(now)),
        )
        if replaced is not None:
            self._bodies.remove([replaced["body"]])
        return Part(number, body.name, body.size, body.digests, now)

    def parts(self, upload: Upload, after: int = 0, limit: int = -1) -> list[Part]:
        """Return the parts in order of their numbers."""
        rows = self._index.execute(
            "SELECT * FROM parts WHERE upload_id = ? AND number > ? ORDER BY number LIMIT ?",
            (upload.upload_id, after, limit),
        )
        return [
            Part(row["number"], row["body"], row["size"], load(row["digests"]), time_of(row["modified"]))
            for row in rows
        ]

    def page(self, bucket: Bucket, prefix: str, after: tuple[str, str], limit: int) -> list[Upload]:
        """List uploads whose keys start with a prefix and come after a (key, upload id), in that order."""
        key, upload_id = after
        beyond = (upload_id or "~") if key else ""
        rows = self._index.execute(
            "SELECT * FROM uploads WHERE bucket = ? AND (key, upload_id) > (?, ?) ORDER BY key, upload_id",
            (_name(bucket), key.encode(), beyond),
        )
        return list(islice((_upload(row) for row in rows if row["key"].startswith(prefix.encode())), limit))

    def end(self, upload: Upload) -> None:
        """Forget an upload and its parts."""
        bodies = [part.body for part in self.parts(upload)]
        self._index.execute("DELETE FROM parts WHERE upload_id = ?", (upload.upload_id,))
        self._index.execute("DELETE FROM uploads WHERE upload_id = ?", (upload.upload_id,))
        self._bodies.remove(bodies)


def chosen_parts(parts: Sequence[Part], wanted: Sequence[tuple[int, str]], *, min_size: int) -> list[Part]:
    """Return the parts that a request to complete names as (number, entity tag), checked."""
    by_number = {part.number: part for part in parts}
    numbers = [number for number, _ in wanted]
    if not wanted:
        raise Refused("InvalidPart", "You must specify at least one part.")
    if numbers != sorted(set(numbers)):
        raise Refused("InvalidPartOrder")
    chosen = []
    for number, etag in wanted:
        part = by_number.get(number)
        if part is None or part.digests["md5"] != etag.strip('"').lower():
            raise Refused("InvalidPart", PartNumber=str(number))
        chosen.append(part)
    for part in chosen[:-1]:
        if part.size < min_size:
            raise Refused(
                "EntityTooSmall",
                ProposedSize=str(part.size),
                MinSizeAllowed=str(min_size),
                PartNumber=str(part.number),
            )
    return chosen


def _name(bucket: Bucket) -> str:
    return f"{bucket.vendor}/{bucket.name}"


def _upload(row: sqlite3.Row) -> Upload:
    return Upload(row["upload_id"], row["key"].decode(), load(row["headers"]), time_of(row["initiated"]))
