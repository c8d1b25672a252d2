"""Tells new objects from known ones, in bounded memory, and can be stored."""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.waiting.conditions import fingerprint, is_placeholder
from aksk_provider.storage.waiting.looks import Look
from aksk_provider.storage.waiting.patterns import Matches

_ENTRY = struct.Struct(">I6s")
_LATE = timedelta(days=1)


class Watermark:
    """A time before which everything is known, and fingerprints of what is known after it.

    An object that was put together from parts may carry the time its upload began, so one that appears may be older
    than others that are known: at the first scan the time is set a day back and what is there is known by its
    fingerprint.
    Each fingerprint is of key and ETag, 48 bits. When there are more than ``remember`` the oldest are dropped, and the
    time moves up to the newest of these.

    :param remember: number of fingerprints
    """

    def __init__(self, remember: int) -> None:
        self.remember = remember
        self.floor = 0
        self.known: dict[bytes, int] = {}
        self.changed = False

    def is_new(self, info: ObjectInfo) -> bool:
        """Tell whether an object with this key and ETag was never added."""
        return _seconds(info) > self.floor and _mark(info) not in self.known

    def add(self, objects: Sequence[ObjectInfo]) -> None:
        """Take objects as known."""
        for info in objects:
            self.known[_mark(info)] = _seconds(info)
        self.changed = self.changed or bool(objects)
        if len(self.known) > self.remember:
            ordered = sorted(self.known.items(), key=lambda item: item[1])
            dropped = ordered[: len(ordered) - self.remember * 9 // 10]
            self.floor = max(self.floor, dropped[-1][1])
            self.known = dict(ordered[len(dropped) :])

    def begin_at(self, now: datetime) -> None:
        """Take everything that is more than a day old as known."""
        self.floor = max(int((now - _LATE).timestamp()), 0)
        self.changed = True

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain JSON values of about 14 bytes a fingerprint."""
        packed = b"".join(_ENTRY.pack(seconds, mark) for mark, seconds in self.known.items())
        return {"version": 1, "floor": self.floor, "known": base64.b64encode(packed).decode()}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any], remember: int) -> Watermark:
        """Return what :meth:`to_plain` wrote."""
        made = cls(remember)
        made.floor = int(plain["floor"])
        made.known = {mark: seconds for seconds, mark in _ENTRY.iter_unpack(base64.b64decode(plain["known"]))}
        return made


class NewObjects:
    """Part of a wait that is satisfied by objects that the watermark does not know.

    :param look: where to look
    :param watermark: what is known; the objects of a result are added by the caller, once they are on their way
    :param matches: tells whether a key matters
    :param settle: how long an object must have been left alone
    :param baseline: take what the first look shows as known, instead of as new; then its result is empty
    """

    def __init__(
        self, look: Look, watermark: Watermark, matches: Matches | None, settle: timedelta, *, baseline: bool
    ) -> None:
        self.look = look
        self.baseline = baseline
        self._watermark = watermark
        self._matches = matches
        self._settle = settle
        self._found: list[ObjectInfo] = []

    def begin(self) -> None:
        """Start a look."""
        self._found = []
        if self.baseline:
            self._watermark.begin_at(datetime.now(timezone.utc))

    def add(self, objects: Sequence[ObjectInfo]) -> bool:
        """Take a page."""
        fresh = [info for info in objects if self._matters(info) and self._watermark.is_new(info)]
        if self.baseline:
            self._watermark.add(fresh)
        else:
            self._found += fresh
        return False

    def end(self, at: datetime) -> list[ObjectInfo] | None:
        """Return the new objects, oldest first, ``None`` when there are none."""
        if self.baseline:
            self.baseline = False
            return []
        settled = [info for info in self._found if at - info.last_modified >= self._settle]  # type: ignore[operator]
        self._found = []
        return sorted(settled, key=lambda info: (info.last_modified, info.key)) or None

    def _matters(self, info: ObjectInfo) -> bool:
        return not is_placeholder(info) and (self._matches is None or bool(self._matches(info.key)))


def _mark(info: ObjectInfo) -> bytes:
    return fingerprint(f"{info.key}\n{info.etag}").to_bytes(8, "big")[:6]


def _seconds(info: ObjectInfo) -> int:
    return int(info.last_modified.timestamp()) if info.last_modified else 0
