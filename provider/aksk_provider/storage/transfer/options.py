"""How transfers are done, and the watch that is kept over one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from aksk_provider.errors import TransferCancelledError, TransportError

log = logging.getLogger(__name__)
MIB = 1024**2
_LOG_EVERY = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a transfer is.

    :param done: bytes moved, those of an earlier attempt that were kept included
    :param total: bytes of the whole, ``None`` where the source does not tell
    :param seconds: since the transfer began
    """

    what: str
    done: int
    total: int | None
    seconds: float

    def __str__(self) -> str:
        """Say it in one line, the numbers first, since keys are long and lines are cut off."""
        speed = self.done / MIB / self.seconds if self.seconds else 0.0
        if not self.total:
            return f"{self.done / MIB:.0f} MiB, {speed:.0f} MiB/s: {self.what}"
        left = (self.total - self.done) / MIB / speed if speed else 0.0
        share = f"{100 * self.done // self.total} % of {self.total / MIB:.0f} MiB"
        return f"{share}, {speed:.0f} MiB/s, {left:.0f} s left: {self.what}"


@dataclass(frozen=True, slots=True)
class TransferOptions:
    """How a transfer is done.

    :param threshold: bytes from which an object is moved in parts
    :param part_size: bytes of a part; grows where 10,000 parts would not suffice
    :param concurrency: parts moved at once at most; fewer where more would only be in each other's way
    :param resume: continue what an earlier attempt left: an open upload of the same key, or the ``.part`` file beside
        the target
    :param deadline: time the whole transfer may take
    :param progress: called about twice a second, from the thread that moves bytes
    """

    threshold: int = 64 * MIB
    part_size: int = 16 * MIB
    concurrency: int = 4
    resume: bool = True
    deadline: timedelta | None = None
    progress: Callable[[Progress], None] | None = None


DEFAULT_OPTIONS = TransferOptions()


class Watch:
    """Counts the bytes of one transfer, tells how far it is, and ends it when it is cancelled or late.

    :param what: the transfer in words
    :param total: bytes of the whole, where known
    :param cancelled: set by whoever wants the transfer to stop
    """

    def __init__(self, what: str, total: int | None, options: TransferOptions, cancelled: threading.Event) -> None:
        self._what = what
        self._total = total
        self._options = options
        self._cancelled = cancelled
        self._lock = threading.Lock()
        self._done = 0
        self._began = self._told = self._logged = time.monotonic()

    def __call__(self, count: int) -> None:
        """Count bytes; negative ones are those that must be moved again.

        :raises TransferCancelledError: the transfer was cancelled
        :raises TransportError: the deadline has passed
        """
        if self._cancelled.is_set():
            raise TransferCancelledError(f"{self._what}: cancelled; what was moved is kept for the next attempt")
        now = time.monotonic()
        with self._lock:
            self._done += count
            tell, write = now - self._told >= 0.5, now - self._logged >= _LOG_EVERY
            self._told, self._logged = now if tell else self._told, now if write else self._logged
            progress = Progress(self._what, self._done, self._total, now - self._began) if tell or write else None
        if progress and tell and self._options.progress:
            self._options.progress(progress)
        if progress and write:
            log.info("%s", progress)
        deadline = self._options.deadline
        if deadline is not None and now - self._began > deadline.total_seconds():
            late = TransportError(f"{self._what}: not done within {deadline}; what was moved is kept")
            late.retryable = False
            raise late
