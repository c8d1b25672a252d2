"""Memory for blocks, how large they are, and answers read in them."""

from __future__ import annotations

import mmap
import time
from http.client import HTTPResponse

_LARGE = 64 * 1024
_SMALLEST = 1024
_FIRST = 16 * 1024
_SLOW = 1.0


def new_buffer(size: int) -> memoryview:
    """Return memory for blocks, a large one at the start of a page.

    C libraries before glibc 2.39 copy eight times slower on AMD's Zen 3 and 4 when the target lies a few bytes further
    into its page than the source does; large pieces of the heap lie 16 bytes into theirs.
    """
    if size < _LARGE:
        return memoryview(bytearray(size))
    return memoryview(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


class Pace:
    """How large the next block is: the slower they go the smaller, so that a deadline is seen in time.

    :param largest: bytes of a block at most
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self.size = _FIRST
        self._began = 0.0

    def begin(self) -> None:
        """Note that a block begins."""
        self._began = time.monotonic()

    def end(self) -> None:
        """Note that it is done."""
        slow = time.monotonic() - self._began > _SLOW
        self.size = max(_SMALLEST, self.size // 8) if slow else min(self._largest, self.size * 2)


class BlockReader:
    """Reads answers block by block, all into one buffer, since a fresh one costs as much as reading into it.

    :param largest: bytes of a block at most
    """

    def __init__(self, largest: int) -> None:
        self._pace = Pace(largest)
        self._buffer = memoryview(b"")

    def read(self, response: HTTPResponse, most: int) -> memoryview:
        """Return the next bytes of an answer, good until the next call; none at the end.

        :param most: bytes at most
        """
        size = min(self._pace.size, most)
        if size > len(self._buffer):
            self._buffer = new_buffer(size)
        self._pace.begin()
        count = response.readinto(self._buffer[:size])
        self._pace.end()
        return self._buffer[:count]
