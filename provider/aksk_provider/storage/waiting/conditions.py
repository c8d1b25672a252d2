"""What must hold for a wait to end. The one implementation: a worker's look and the triggerer's polls both use it.

A condition is plain data. Its parts each have one look at the store, take what it shows page by page, and say at its
end whether they are satisfied.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, Protocol

import pendulum

from aksk_provider.errors import InvalidRequestError, ObjectStorageError
from aksk_provider.storage.config import StoreConfig, locate, locate_prefix
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.waiting.looks import Head, Listing, Look
from aksk_provider.storage.waiting.patterns import Matches, expression, wildcard, wildcard_start

Found = list[dict[str, Any]]


class Part(Protocol):
    """What must hold for one look; may remember what it saw at the last one."""

    look: Look

    def begin(self) -> None:
        """Start a look."""
        ...

    def add(self, objects: Sequence[ObjectInfo]) -> bool:
        """Take a page, and tell whether no other is needed."""
        ...

    def end(self, at: datetime) -> Any | None:
        """Return the result at the end of a look as plain JSON values, ``None`` for not yet.

        :param at: the store's time
        """
        ...


class Condition(Protocol):
    """What must hold for a wait to end."""

    @property
    def any_of(self) -> bool:
        """Whether one satisfied part is enough."""
        ...

    def parts(self, config: StoreConfig) -> Sequence[Part]:
        """Return the parts, after checking what was given.

        :raises InvalidRequestError: it cannot be waited for
        """
        ...

    def result(self, results: Sequence[Any]) -> Any:
        """Return plain JSON values from the results of the parts."""
        ...

    def __str__(self) -> str:
        """Say in a few words what is waited for."""
        ...


@dataclass(frozen=True)
class Keys:
    """Each key, or any of them, has an object.

    :param keys: keys, URIs, wildcards, or regular expressions
    :param bucket: bucket, by default the configuration's
    :param any_of: one of the keys is enough
    :param regex: the keys are regular expressions that match whole keys
    :param min_size: bytes an object must have to count
    :param newer_than: ISO time; an object must have been modified then or later to count
    :param unchanged_for: seconds an object must have been left alone to count
    """

    keys: Sequence[str]
    bucket: str | None = None
    any_of: bool = False
    regex: bool = False
    min_size: int = 0
    newer_than: str | None = None
    unchanged_for: float = 0

    def parts(self, config: StoreConfig) -> Sequence[Part]:
        """Return a part for each key: one object for a plain key, a listing from the fixed start for a pattern."""
        if not self.keys:
            raise InvalidRequestError("no key was given to wait for")
        return [self._part(config, key) for key in self.keys]

    def result(self, results: Sequence[Found]) -> list[dict[str, Any]]:
        """Return the objects, in the order of the keys."""
        return [info for found in results for info in found]

    def _part(self, config: StoreConfig, key: str) -> _Objects:
        if not self.regex and wildcard_start(key) is None:
            return _Objects(self, Head(*locate(config, key, self.bucket)))
        bucket, pattern = locate_prefix(config, key, self.bucket)
        prefix, matches = expression(pattern) if self.regex else wildcard(pattern)
        return _Objects(self, Listing(bucket, prefix), matches)

    def __str__(self) -> str:
        shown = ", ".join(self.keys[:3]) + (f" and {len(self.keys) - 3} more" if len(self.keys) > 3 else "")
        return f"any of {shown}" if self.any_of and len(self.keys) > 1 else shown


class _Objects:
    """The objects of a look that match and have the right size and age; only these are kept of a listing."""

    __slots__ = ("_found", "_matches", "_min_size", "_newer_than", "_quiet", "look")

    def __init__(self, keys: Keys, look: Look, matches: Matches | None = None) -> None:
        self.look = look
        self._matches = matches
        self._min_size = keys.min_size
        self._newer_than = aware(keys.newer_than) if keys.newer_than else None
        self._quiet = timedelta(seconds=keys.unchanged_for)
        self._found: list[ObjectInfo] = []

    def begin(self) -> None:
        self._found = []

    def add(self, objects: Sequence[ObjectInfo]) -> bool:
        self._found += [info for info in objects if self._counts(info)]
        return False

    def end(self, at: datetime) -> Found | None:
        # Every write of an object sets its time, also one of equal bytes: nothing must be remembered between looks
        found = [info.as_dict() for info in self._found if not self._quiet or at - _modified(info) >= self._quiet]
        self._found = []
        return found or None

    def _counts(self, info: ObjectInfo) -> bool:
        return (
            (self._matches is None or bool(self._matches(info.key)))
            and (not self._min_size or (info.size or 0) >= self._min_size)
            and (self._newer_than is None or _modified(info) >= self._newer_than)
        )


@dataclass(frozen=True)
class Prefix:
    """There is enough under a prefix; all that is given must hold. The placeholders of empty folders do not count.

    :param prefix: prefix or URI
    :param bucket: bucket, by default the configuration's
    :param min_objects: number of objects
    :param min_bytes: bytes in all
    :param marker: name under the prefix of an object that says that all is there, such as ``_SUCCESS``
    """

    prefix: str
    bucket: str | None = None
    min_objects: int = 0
    min_bytes: int = 0
    marker: str | None = None

    any_of = False

    def parts(self, config: StoreConfig) -> Sequence[Part]:
        """Return a part for the marker and one for what is counted."""
        bucket, prefix = locate_prefix(config, self.prefix, self.bucket)
        parts: list[Part] = []
        if self.marker:
            parts.append(_Objects(Keys(()), Head(*locate(config, prefix + self.marker, bucket))))
        if self.min_objects > 0 or self.min_bytes > 0:
            parts.append(_Enough(self, Listing(bucket, prefix)))
        if not parts:
            raise InvalidRequestError("give min_objects, min_bytes or marker: nothing at all is always there")
        return parts

    def result(self, results: Sequence[Any]) -> dict[str, Any]:
        """Return what was counted and the marker; ``count`` and ``size`` go no further than was needed."""
        merged: dict[str, Any] = {"prefix": self.prefix, "count": None, "size": None, "marker": None}
        for result in results:
            merged.update(result if isinstance(result, dict) else {"marker": result[0]})
        return merged

    def __str__(self) -> str:
        return f"{self.prefix}{self.marker or '*'}"


class _Enough:
    """Counts objects and bytes, and stops as soon as there are enough."""

    def __init__(self, prefix: Prefix, look: Listing) -> None:
        self.look: Look = look
        self._wanted = prefix
        self._marker = look.prefix + prefix.marker if prefix.marker else None
        self.begin()

    def begin(self) -> None:
        self._count = self._size = 0

    def add(self, objects: Sequence[ObjectInfo]) -> bool:
        for info in objects:
            if not is_placeholder(info) and info.key != self._marker:
                self._count += 1
                self._size += info.size or 0
        return self._enough

    def end(self, at: datetime) -> dict[str, int] | None:
        return {"count": self._count, "size": self._size} if self._enough else None

    @property
    def _enough(self) -> bool:
        return self._count >= self._wanted.min_objects and self._size >= self._wanted.min_bytes


@dataclass(frozen=True)
class Unchanged:
    """What is under a prefix has been left alone.

    :param prefix: prefix or URI
    :param bucket: bucket, by default the configuration's
    :param min_objects: number of objects, at least 1
    :param inactivity_period: seconds since the last object was written, or was seen to be gone
    :param allow_delete: ``False`` fails the wait when an object is gone that was there at the look before
    """

    prefix: str
    bucket: str | None = None
    min_objects: int = 1
    inactivity_period: float = 3600
    allow_delete: bool = True

    any_of = False

    def parts(self, config: StoreConfig) -> Sequence[Part]:
        """Return the one part."""
        if self.min_objects < 1:
            raise InvalidRequestError("min_objects must be at least 1: nothing cannot be told from not yet anything")
        return [_Quiet(self, Listing(*locate_prefix(config, self.prefix, self.bucket)))]

    def result(self, results: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Return number and bytes of the objects, and when the last one was written."""
        return {"prefix": self.prefix, **results[0]}

    def __str__(self) -> str:
        return f"{self.prefix}* unchanged for {self.inactivity_period:g} s"


class _Quiet:
    """Remembers which keys there were (8 bytes each), to notice those that are gone."""

    def __init__(self, wanted: Unchanged, look: Listing) -> None:
        self.look: Look = look
        self._wanted = wanted
        self._before: array[int] | None = None
        self._deleted_at: datetime | None = None
        self.begin()

    def begin(self) -> None:
        self._keys = array("Q")
        self._count = self._size = 0
        self._last: datetime | None = None

    def add(self, objects: Sequence[ObjectInfo]) -> bool:
        for info in objects:
            if is_placeholder(info):
                continue
            self._keys.append(fingerprint(info.key))
            self._count += 1
            self._size += info.size or 0
            modified = _modified(info)
            self._last = modified if self._last is None else max(self._last, modified)
        return False

    def end(self, at: datetime) -> dict[str, Any] | None:
        gone = set(self._before).difference(self._keys) if self._before is not None else ()
        self._before, self._keys = self._keys, array("Q")
        if gone and not self._wanted.allow_delete:
            raise ObjectStorageError(
                f"{self._wanted.prefix}: {len(gone)} objects were deleted while waiting; allow_delete=True permits it"
            )
        if gone:
            self._deleted_at = at
        if self._count < self._wanted.min_objects or self._last is None:
            return None
        last = max(self._last, self._deleted_at or self._last)
        if at - last < timedelta(seconds=self._wanted.inactivity_period):
            return None
        return {"count": self._count, "size": self._size, "last_modified": self._last.isoformat()}


CONDITIONS: Mapping[str, type[Keys | Prefix | Unchanged]] = {kind.__name__: kind for kind in (Keys, Prefix, Unchanged)}


def to_plain(condition: Keys | Prefix | Unchanged) -> dict[str, Any]:
    """Return a condition as plain JSON values."""
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(condition).items()}
    return {"kind": type(condition).__name__, **values}


def from_plain(plain: Mapping[str, Any]) -> Keys | Prefix | Unchanged:
    """Return the condition that :func:`to_plain` wrote."""
    values = dict(plain)
    return CONDITIONS[values.pop("kind")](**values)


def is_placeholder(info: ObjectInfo) -> bool:
    """Tell whether an object only makes consoles show an empty folder."""
    return info.key.endswith("/") and not info.size


def fingerprint(text: str) -> int:
    """Return 64 bits that stand for a text."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def aware(text: str) -> datetime:
    """Read a time as Airflow reads it: ISO 8601, UTC when it has no time zone."""
    try:
        time = pendulum.parse(text.strip())
    except ValueError:
        time = None
    if not isinstance(time, pendulum.DateTime):
        raise InvalidRequestError(f"newer_than {text!r} is not a time in ISO 8601")
    return time


def _modified(info: ObjectInfo) -> datetime:
    if info.last_modified is None:
        raise ObjectStorageError(f"{info.uri}: the store does not say when it was modified")
    return info.last_modified
