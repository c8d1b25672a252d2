"""Memory for blocks, and bodies of answers read through it."""

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


class BlockReader:
    """Reads answers block by block, all into one buffer, since a fresh one costs as much as reading into it.

    The slower a block comes the smaller is the next, so that a deadline is seen in time.

    :param largest: bytes of a block at most
    """

    def __init__(self, largest: int) -> None:
        self._largest = largest
        self._size = _FIRST
        self._buffer = memoryview(b"")

    def read(self, response: HTTPResponse, most: int) -> memoryview:
        """Return the next bytes of an answer, good until the next call; none at the end.

        :param most: bytes at most
        """
        size = min(self._size, most)
        if size > len(self._buffer):
            self._buffer = new_buffer(size)
        began = time.monotonic()
        count = response.readinto(self._buffer[:size])
        slow = time.monotonic() - began > _SLOW
        self._size = max(_SMALLEST, self._size // 8) if slow else min(self._largest, self._size * 2)
        return self._buffer[:count]
