"""The index of the emulator: one SQLite file, keys in the order of their bytes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

# Keys are blobs: SQLite compares them bytewise, and the end of a prefix is the prefix with its last byte raised.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    version_id TEXT NOT NULL,
    current INTEGER NOT NULL,
    marker INTEGER NOT NULL,
    body TEXT,
    size INTEGER NOT NULL,
    etag TEXT NOT NULL,
    digests TEXT NOT NULL,
    headers TEXT NOT NULL,
    modified INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS current_objects ON objects (bucket, key) WHERE current = 1;
CREATE UNIQUE INDEX IF NOT EXISTS object_versions ON objects (bucket, key, version_id);
CREATE TABLE IF NOT EXISTS uploads (
    upload_id TEXT PRIMARY KEY,
    bucket TEXT NOT NULL,
    key BLOB NOT NULL,
    headers TEXT NOT NULL,
    initiated INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS upload_keys ON uploads (bucket, key, upload_id);
CREATE TABLE IF NOT EXISTS parts (
    upload_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    size INTEGER NOT NULL,
    digests TEXT NOT NULL,
    modified INTEGER NOT NULL,
    PRIMARY KEY (upload_id, number)
) WITHOUT ROWID;
"""


def open_index(directory: Path) -> sqlite3.Connection:
    """Open the index in a directory, creating it when there is none."""
    # The server's thread is not the one that creates the emulator, and it is the only one that uses this.
    index = sqlite3.connect(directory / "index.sqlite3", isolation_level=None, check_same_thread=False)
    index.row_factory = sqlite3.Row
    # A crash of the machine may cost the last writes: this is a test server, and every fsync costs its users time.
    index.execute("PRAGMA journal_mode = WAL")
    index.execute("PRAGMA synchronous = OFF")
    index.executescript(_SCHEMA)
    return index


def dump(values: Mapping[str, str]) -> str:
    """Write a mapping for a column."""
    return json.dumps(values)


def load(column: str) -> dict[str, str]:
    """Read a mapping from a column."""
    values: dict[str, str] = json.loads(column)
    return values


def seconds(time: datetime) -> int:
    """Write a time for a column; the protocols tell times in seconds."""
    return int(time.timestamp())


def time_of(column: int) -> datetime:
    """Read a time from a column."""
    return datetime.fromtimestamp(column, timezone.utc)


def successor(prefix: bytes) -> bytes:
    """Return the first key after all keys with this prefix; no byte of UTF-8 is 0xFF."""
    return prefix[:-1] + bytes([prefix[-1] + 1])
