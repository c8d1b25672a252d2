"""Looks for secrets where Airflow keeps things."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from aksk_provider.emulator import Account


def secrets(account: Account) -> list[str]:
    """Return what must not be seen: secret key and token, as they are and percent-encoded."""
    values = [value for value in (account.secret_key, account.token) if value]
    return sorted({form for value in values for form in (value, quote(value, safe=""), quote(quote(value, safe="")))})


def signature(url: str) -> str:
    """Return the signature of a presigned URL."""
    return re.findall(r"[0-9a-f]{40,}", url)[-1]


def tables_with(database: Path, texts: Iterable[str]) -> set[str]:
    """Return the names of the tables of a metadata database that hold any of the texts."""
    wanted = list(texts)
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        assert "rendered_task_instance_fields" in names
        return {
            name
            for name in names
            for row in connection.execute(f'SELECT * FROM "{name}"')
            for value in row
            if value is not None and any(text in _text(value) for text in wanted)
        }


def files_with(folder: Path, texts: Iterable[str]) -> set[str]:
    """Return the files below a folder that hold any of the texts, databases aside."""
    wanted = [text.encode() for text in texts]
    paths = [path for path in folder.rglob("*") if path.is_file() and ".db" not in path.name]
    return {str(path.relative_to(folder)) for path in paths if any(text in path.read_bytes() for text in wanted)}


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
