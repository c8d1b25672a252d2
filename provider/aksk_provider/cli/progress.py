"""One line on a terminal that tells how far transfers are."""

from __future__ import annotations

import shutil
import threading
import time
from typing import TextIO

from aksk_provider.storage.transfer import Progress

MIB = 1024**2
_WIDTH = 20


class Bar:
    """Rewrites one line; call it with what each transfer tells. On anything but a terminal it writes nothing.

    :param stream: usually standard error
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown = stream.isatty()
        self._transfers: dict[str, Progress] = {}
        self._began = time.monotonic()
        self._lock = threading.Lock()

    def __call__(self, progress: Progress) -> None:
        """Show how far all transfers are, given news of one."""
        if not self._shown:
            return
        with self._lock:
            self._transfers[progress.what] = progress
            columns = shutil.get_terminal_size().columns
            self._stream.write(f"\r\x1b[K{self._line(progress)[: columns - 1]}")
            self._stream.flush()

    def close(self) -> None:
        """Clear the line."""
        if self._shown and self._transfers:
            self._stream.write("\r\x1b[K")
            self._stream.flush()

    def _line(self, progress: Progress) -> str:
        if len(self._transfers) > 1:
            done = sum(each.done for each in self._transfers.values())
            speed = done / MIB / max(time.monotonic() - self._began, 0.001)
            return f"{done / MIB:.0f} MiB, {speed:.0f} MiB/s, {len(self._transfers)} large files begun"
        if not progress.total:
            return str(progress)
        full = min(_WIDTH, _WIDTH * progress.done // progress.total)
        return f"[{'#' * full}{' ' * (_WIDTH - full)}] {progress}"
