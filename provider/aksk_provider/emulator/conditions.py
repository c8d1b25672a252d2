"""Conditions and ranges of requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from aksk_provider.emulator.model import Refused
from aksk_provider.emulator.objects import StoredObject

_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)")


def check_read(headers: Mapping[str, str], stored: StoredObject, *, not_modified: str, prefix: str = "if-") -> None:
    """Check the conditions of reading an object.

    :param not_modified: what the object being the same is called: ``NotModified`` or ``PreconditionFailed``
    :param prefix: how the headers begin; those about the source of a copy begin otherwise
    """
    match, none_match = headers.get(f"{prefix}match"), headers.get(f"{prefix}none-match")
    since = _time(headers.get(f"{prefix}modified-since"))
    until = _time(headers.get(f"{prefix}unmodified-since"))
    if match is not None and not _names(match, stored.etag):
        raise Refused("PreconditionFailed", Condition="If-Match")
    if match is None and until is not None and stored.modified > until:
        raise Refused("PreconditionFailed", Condition="If-Unmodified-Since")
    if none_match is not None and _names(none_match, stored.etag):
        raise Refused(not_modified, ETag=f'"{stored.etag}"')
    if none_match is None and since is not None and stored.modified <= since:
        raise Refused(not_modified, ETag=f'"{stored.etag}"')


def check_write(headers: Mapping[str, str], current: StoredObject | None) -> None:
    """Check the conditions of writing over an object."""
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is not None and (current is None or not _names(match, current.etag)):
        raise Refused("PreconditionFailed", Condition="If-Match")
    if none_match is not None and current is not None and _names(none_match, current.etag):
        raise Refused("PreconditionFailed", Condition="If-None-Match")


def byte_range(value: str | None, size: int, *, lenient: bool = False) -> tuple[int, int] | None:
    """Return (offset, length) of the bytes a Range header asks for, ``None`` for all of them.

    What is no single range of bytes is ignored, as HTTP has it.

    :param lenient: ignore ranges that reach beyond the end as well, which is what OSS does by default
    """
    asked = _RANGE.fullmatch(value.replace(" ", "")) if value else None
    if asked is None or not (asked["first"] or asked["last"]):
        return None
    if not asked["first"]:
        first, last = max(size - int(asked["last"]), 0), size - 1
    else:
        first, last = int(asked["first"]), int(asked["last"] or max(size - 1, int(asked["first"])))
    if last < first and asked["first"]:
        return None
    if lenient and last >= size:
        return None
    if first >= size:
        raise Refused("InvalidRange", ActualObjectSize=str(size), RangeRequested=value or "")
    return first, min(last, size - 1) - first + 1


def _names(value: str, etag: str) -> bool:
    names = [name.strip().removeprefix("W/").strip('"') for name in value.split(",")]
    return "*" in names or etag.lower() in (name.lower() for name in names)


def _time(value: str | None) -> datetime | None:
    """Read an HTTP date; one that is none does not count."""
    try:
        time = parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
    return time.replace(tzinfo=timezone.utc) if time and time.tzinfo is None else time
