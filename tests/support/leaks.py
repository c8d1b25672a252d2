"""Looks for secrets where Airflow keeps things: as they are, percent-encoded, and inside base64 and compressed data."""

from __future__ import annotations

import base64
import binascii
import re
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from aksk_provider.emulator import Account, Emulator
from aksk_provider.emulator.faults import Effect, Fault

#: what every signed URL or header of the three clouds holds, whoever made it
SIGNED = re.compile(
    r"x-oss-signature=|q-signature=|bce-auth-v1/|OSS4-HMAC-SHA256 Credential|x-(?:bce|oss|cos)-security-token=",
    re.IGNORECASE,
)
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")


class Overheard:
    """The signatures of all requests that reach an emulator.

    :param emulator: listened to from now on, until its faults are cleared
    """

    def __init__(self, emulator: Emulator) -> None:
        self.signatures: set[str] = set()
        self.by_url: set[str] = set()
        self.links_used = 0
        overheard = self

        class Listen(Effect):
            async def arrive(self, exchange: Any) -> None:
                inbound = exchange.call.inbound
                found = re.findall(r"[0-9a-f]{40,}", unquote(inbound.query))
                overheard.by_url.update(found)
                overheard.links_used += bool(found)
                overheard.signatures.update(
                    found, re.findall(r"[0-9a-f]{40,}", inbound.headers.get("authorization", ""))
                )

        emulator.faults.add(Fault(Listen()))


def secrets(account: Account) -> list[str]:
    """Return what must not be seen: secret key and token, as they are and percent-encoded."""
    values = [value for value in (account.secret_key, account.token) if value]
    return sorted({form for value in values for form in (value, quote(value, safe=""), quote(quote(value, safe="")))})


def signature(url: str) -> str:
    """Return the signature of a presigned URL."""
    return re.findall(r"[0-9a-f]{40,}", url)[-1]


def tables_with(database: Path, texts: Iterable[str]) -> set[str]:
    """Return the names of the tables of a metadata database that hold any of the texts."""
    return _tables(database, list(texts), None)


def tables_with_signatures(database: Path, since: str = "") -> set[str]:
    """Return the names of the tables that hold what looks signed, whoever signed it.

    :param since: only rows that hold this text, e.g. the id of a DAG
    """
    return _tables(database, [], SIGNED, since)


def files_with(folder: Path, texts: Iterable[str]) -> set[str]:
    """Return the files below a folder that hold any of the texts, databases aside."""
    wanted = list(texts)
    return {name for name, text in _files(folder) if _holds(text, wanted, None)}


def files_with_signatures(folder: Path) -> set[str]:
    """Return the files below a folder that hold what looks signed, databases aside."""
    return {name for name, text in _files(folder) if _holds(text, [], SIGNED)}


def readings(value: object) -> Iterator[str]:
    """Give a value as text, and what it holds percent-encoded, in base64, or compressed."""
    if isinstance(value, bytes):
        with suppress(zlib.error):
            yield from readings(zlib.decompress(value))
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    for _ in range(3):
        yield text
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    for piece in _BASE64.findall(text):
        try:
            yield base64.b64decode(
                piece + "=" * (-len(piece) % 4), altchars=b"-_" if {"-", "_"} & {*piece} else None
            ).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue


def _tables(database: Path, texts: list[str], pattern: re.Pattern[str] | None, since: str = "") -> set[str]:
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert "rendered_task_instance_fields" in names
        return {
            name
            for name in names
            for row in connection.execute(f'SELECT * FROM "{name}"')
            if any(since in str(value) for value in row)
            and any(_holds(value, texts, pattern) for value in row if value is not None)
        }


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*"):
        if path.is_file() and ".db" not in path.name:
            yield str(path.relative_to(folder)), path.read_bytes()


def _holds(value: object, texts: list[str], pattern: re.Pattern[str] | None) -> bool:
    return any(
        any(text in reading for text in texts) or (pattern and pattern.search(reading)) for reading in readings(value)
    )
