"""Objects and their versions."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime

from aksk_provider.emulator.bodies import Bodies, Body
from aksk_provider.emulator.index import dump, load, seconds, successor, time_of
from aksk_provider.emulator.model import Bucket, Refused

UNVERSIONED = "null"


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One version of an object, or the marker that it was deleted.

    :param etag: entity tag without quotes
    :param digests: of the content, by algorithm
    :param headers: what the request that made it asked to keep
    """

    key: str
    version_id: str
    marker: bool
    current: bool
    body: str
    size: int
    etag: str
    digests: Mapping[str, str]
    headers: Mapping[str, str]
    modified: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    :param last: the last key or prefix of the page, after which the next one starts; ``None`` on the last page
    """

    objects: list[StoredObject]
    prefixes: list[str]
    last: str | None


class Objects:
    """The objects of all buckets."""

    def __init__(self, index: sqlite3.Connection, bodies: Bodies) -> None:
        self._index = index
        self._bodies = bodies

    def put(
        self,
        bucket: Bucket,
        key: str,
        body: Body,
        *,
        etag: str,
        headers: Mapping[str, str],
        now: datetime,
        allowed: Callable[[StoredObject | None], None] = lambda _current: None,
    ) -> StoredObject:
        """Make a body the current version of an object, at once.

        :param allowed: is shown what is there now and raises when it must stay
        """
        row = (body.name, body.size, etag, dump(body.digests), dump(headers), seconds(now))
        try:
            with self._transaction():
                allowed(self.current(bucket, key))
                return self._insert(bucket, key, 0, row)
        except BaseException:
            self._bodies.remove([body.name])
            raise

    def current(self, bucket: Bucket, key: str) -> StoredObject | None:
        """Return the current version, ``None`` when there is none or it is deleted."""
        found = self._newest(bucket, key)
        return None if found is None or found.marker else found

    def get(self, bucket: Bucket, key: str, version_id: str | None = None) -> StoredObject:
        """Return a version, by default the current one."""
        if version_id is None:
            found = self._newest(bucket, key)
            if found is None:
                raise Refused("NoSuchKey", Key=key)
            if found.marker:
                raise Refused("DeletedKey", Key=key, VersionId=found.version_id)
            return found
        row = self._index.execute(
            "SELECT * FROM objects WHERE bucket = ? AND key = ? AND version_id = ?",
            (_name(bucket), key.encode(), version_id),
        ).fetchone()
        if row is None:
            raise Refused("NoSuchVersion", Key=key, VersionId=version_id)
        found = _stored(row)
        if found.marker:
            raise Refused("VersionIsDeleteMarker", Key=key, VersionId=version_id)
        return found

    def delete(self, bucket: Bucket, key: str, version_id: str | None, now: datetime) -> StoredObject | None:
        """Delete an object, or one version for good; return the marker that was made, or the version that is gone."""
        with self._transaction():
            if version_id is not None:
                return self._delete_version(bucket, key, version_id)
            if bucket.versioned:
                return self._insert(bucket, key, 1, (None, 0, "", "{}", "{}", seconds(now)))
            return self._delete_version(bucket, key, UNVERSIONED)

    def page(self, bucket: Bucket, *, prefix: str, delimiter: str, after: str, limit: int) -> Page:
        """List current versions whose keys start with a prefix and come after a key or common prefix, in byte order."""
        begin, cut, seen = prefix.encode(), delimiter.encode(), after.encode()
        start = begin
        if seen and seen >= begin:
            start = successor(seen) if _common_prefix(seen, begin, cut) == seen else seen + b"\0"
        objects: list[StoredObject] = []
        prefixes: list[str] = []
        last: str | None = None
        while True:
            for row in self._rows(bucket, start):
                if not row["key"].startswith(begin):
                    return Page(objects, prefixes, None)
                if len(objects) + len(prefixes) == limit:
                    return Page(objects, prefixes, last)
                common = _common_prefix(row["key"], begin, cut)
                if common is not None:
                    prefixes.append(last := common.decode())
                    start = successor(common)
                    break
                objects.append(stored := _stored(row))
                last = stored.key
            else:
                return Page(objects, prefixes, None)

    def _rows(self, bucket: Bucket, start: bytes) -> sqlite3.Cursor:
        return self._index.execute(
            "SELECT * FROM objects WHERE bucket = ? AND key >= ? AND current = 1 AND NOT marker ORDER BY key",
            (_name(bucket), start),
        )

    def _newest(self, bucket: Bucket, key: str) -> StoredObject | None:
        row = self._index.execute(
            "SELECT * FROM objects WHERE bucket = ? AND key = ? AND current = 1", (_name(bucket), key.encode())
        ).fetchone()
        return None if row is None else _stored(row)

    def _insert(self, bucket: Bucket, key: str, marker: int, row: tuple[object, ...]) -> StoredObject:
        name, blob = _name(bucket), key.encode()
        if not bucket.versioned:
            self._delete_version(bucket, key, UNVERSIONED)
        self._index.execute("UPDATE objects SET current = 0 WHERE bucket = ? AND key = ? AND current = 1", (name, blob))
        version_id = uuid.uuid4().hex if bucket.versioned else UNVERSIONED
        inserted = self._index.execute(
            "INSERT INTO objects (bucket, key, version_id, current, marker, body, size, etag, digests, headers,"
            " modified) VALUES (?, ?, ?, 1, ?, ?, ?, ?, ?, ?, ?)",
            (name, blob, version_id, marker, *row),
        )
        return _stored(
            self._index.execute("SELECT * FROM objects WHERE sequence = ?", (inserted.lastrowid,)).fetchone()
        )

    def _delete_version(self, bucket: Bucket, key: str, version_id: str) -> StoredObject | None:
        name, blob = _name(bucket), key.encode()
        row = self._index.execute(
            "SELECT * FROM objects WHERE bucket = ? AND key = ? AND version_id = ?",
            (name, blob, version_id),
        ).fetchone()
        if row is None:
            return None
        self._index.execute("DELETE FROM objects WHERE sequence = ?", (row["sequence"],))
        if row["current"]:
            self._index.execute(
                "UPDATE objects SET current = 1 WHERE sequence ="
                " (SELECT max(sequence) FROM objects WHERE bucket = ? AND key = ?)",
                (name, blob),
            )
        if row["body"]:
            self._bodies.remove([row["body"]])
        return _stored(row)

    def _transaction(self) -> AbstractContextManager[sqlite3.Connection]:
        self._index.execute("BEGIN IMMEDIATE")
        return self._index


def _name(bucket: Bucket) -> str:
    return f"{bucket.vendor}/{bucket.name}"


def _common_prefix(key: bytes, prefix: bytes, delimiter: bytes) -> bytes | None:
    """Return the key up to and with the first delimiter after the prefix."""
    if not delimiter:
        return None
    found = key.find(delimiter, len(prefix))
    return None if found < 0 else key[: found + len(delimiter)]


def _stored(row: sqlite3.Row) -> StoredObject:
    return StoredObject(
        key=row["key"].decode(),
        version_id=row["version_id"],
        marker=bool(row["marker"]),
        current=bool(row["current"]),
        body=row["body"] or "",
        size=row["size"],
        etag=row["etag"],
        digests=load(row["digests"]),
        headers=load(row["headers"]),
        modified=time_of(row["modified"]),
    )
