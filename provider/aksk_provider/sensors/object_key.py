"""Wait for objects by their keys."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from aksk_provider.sensors.base import WaitingSensor

if TYPE_CHECKING:
    from aksk_provider.storage.waiting.conditions import Keys

Check = Callable[[dict[str, Any]], bool]


class ObjectKeySensor(WaitingSensor):
    """Wait until each key has an object, or any of them.

    Only a 404 means "not yet there"; any other failure, such as a 403 or a missing bucket, fails the task at once with
    the vendor's code. XCom: the matched objects as a list of dictionaries, with ``any_of`` those of the first key that
    has some. Of a wildcard or regular expression, what a listing tells; of a plain key, also metadata and content type.

    :param key: key or URI, or a list of them; ``*``, ``?`` and ``[...]`` are wildcards (``[*]`` is a literal star).
        Only what starts like the pattern before its first wildcard is listed.
    :param bucket: bucket, by default the connection's
    :param any_of: an object for one of the keys is enough
    :param regex: the keys are regular expressions, each matching whole keys; only their literal start is listed
    :param min_size: bytes an object must have to count
    :param unchanged_for: how long an object must have been left alone to count: time or seconds since it was last
        written, by the store's clock
    :param newer_than: an object must have been modified then or later to count: a time, or ISO 8601 text such as
        ``{{ data_interval_start }}``
    :param check_fn: called in the worker with the dictionary of each object that was found; those it returns false
        for do not count. A deferred sensor calls it again when other objects, or changed ones, are found.
    :param deferrable: wait in the triggerer, holding no worker slot; by default as ``[operators] default_deferrable``
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = ("key", "bucket", "newer_than", "aksk_conn_id")

    def __init__(
        self,
        *,
        key: str | Sequence[str],
        bucket: str | None = None,
        any_of: bool = False,
        regex: bool = False,
        min_size: int = 0,
        unchanged_for: timedelta | float = 0,
        newer_than: str | datetime | None = None,
        check_fn: Check | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.bucket = bucket
        self.any_of = any_of
        self.regex = regex
        self.min_size = min_size
        self.unchanged_for = unchanged_for
        self.newer_than = newer_than
        self.check_fn = check_fn

    def condition(self) -> Keys:
        """Return what is waited for."""
        from aksk_provider.storage.waiting.conditions import Keys

        return Keys(
            keys=[self.key] if isinstance(self.key, str) else list(self.key),
            bucket=self.bucket,
            any_of=self.any_of,
            regex=self.regex,
            min_size=self.min_size,
            newer_than=self.newer_than.isoformat() if isinstance(self.newer_than, datetime) else self.newer_than,
            unchanged_for=seconds(self.unchanged_for),
        )

    def accepted(self, results: Sequence[Any]) -> Sequence[Any] | None:
        """Return the objects that ``check_fn`` lets pass, ``None`` when a key has none left."""
        if self.check_fn is None:
            return results
        kept = [[info for info in found if self.check_fn(info)] for found in results]
        enough = any(kept) if self.any_of else all(kept)
        return kept if enough else None


def seconds(time: timedelta | float) -> float:
    """Return a time in seconds."""
    return time.total_seconds() if isinstance(time, timedelta) else float(time)
