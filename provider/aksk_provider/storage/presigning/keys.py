"""Where the keys of many links come from: an iterable, a listing, or a file."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from aksk_provider.errors import InvalidRequestError
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.transfer import ObjectReader
from aksk_provider.storage.transfer.files import checked_source
from aksk_provider.storage.vendors import VENDORS

_BLOCK = 1024**2


def is_uri(place: str | os.PathLike[str]) -> bool:
    """Tell whether a place is an object (``oss://bucket/key``), and not a path."""
    return isinstance(place, str) and place.partition("://")[0] in VENDORS and "://" in place


def keys_of(
    store: ObjectStore,
    keys: Iterable[str] | None,
    bucket: str | None,
    *,
    prefix: str | None,
    key_file: str | os.PathLike[str] | None,
) -> Iterable[str]:
    """Return the keys or URIs of the one source that is given, read as they are needed."""
    if sum(source is not None for source in (keys, prefix, key_file)) != 1:
        raise InvalidRequestError("give one of keys, prefix and key_file")
    if key_file is not None:
        return in_file(store, key_file)
    if prefix is not None:
        return (info.uri for info in store.list(prefix, bucket))
    return keys or ()


def in_file(store: ObjectStore, place: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the keys or URIs of a file or an object: its lines, or ``uri`` or ``key`` of its JSON lines.

    A line ends with a line feed, or carriage return and line feed; empty lines do not count, spaces do.

    :param place: path or URI; JSON lines when it ends in ``.jsonl``
    """
    of_json = os.fspath(place).lower().endswith(".jsonl")
    with _opened(store, place) as file:
        for number, line in enumerate(file, 1):
            text = line.removesuffix("\n").removesuffix("\r")
            if text:
                yield _named(text, f"{os.fspath(place)}, line {number}") if of_json else text


@contextmanager
def _opened(store: ObjectStore, place: str | os.PathLike[str]) -> Iterator[TextIO]:
    if is_uri(place):
        raw: io.RawIOBase = ObjectReader(store, str(place), None)
    else:
        raw = io.FileIO(checked_source(place))
    with io.TextIOWrapper(io.BufferedReader(raw, _BLOCK), encoding="utf-8-sig", newline="\n") as text:
        yield text


def _named(line: str, where: str) -> str:
    try:
        fields = json.loads(line)
        name = fields.get("uri") or fields["key"]
    except (ValueError, KeyError, AttributeError) as error:
        raise InvalidRequestError(f'{where}: expected a JSON object with "uri" or "key"') from error
    if not isinstance(name, str):
        raise InvalidRequestError(f"{where}: the key must be text, not {type(name).__name__}")
    return name
