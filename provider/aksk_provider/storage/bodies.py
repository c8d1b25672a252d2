"""Request bodies: streamed in blocks, with a checksum of what was sent, and sent again from the start."""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Iterator
from typing import BinaryIO, Protocol

from aksk_provider.errors import IntegrityError
from aksk_provider.storage.blocks import Pace, new_buffer
from aksk_provider.storage.checksums import Checksum

#: large enough to be cheap, small enough to stay in a processor's cache between its checksum and the socket
BLOCK = 512 * 1024

#: function of (buffer, offset): fills the buffer and returns as much of it as there was, or bytes that it has by itself
ReadAt = Callable[[memoryview, int], memoryview]


class Body(Protocol):
    """A request body.

    :param checksum: the vendor's checksum of what was last sent
    """

    checksum: int

    def __iter__(self) -> Iterator[memoryview]:
        """Yield the content in blocks, from the start; each is good until the next."""
        ...

    def __len__(self) -> int:
        """Return the size in bytes."""
        ...


class SliceBody:
    """A slice of something that can be read at any place.

    All blocks are read into one buffer: memory that a thread frees and takes again costs it a fifth of its speed.

    :param read_at: what reads
    :param offset: where the slice starts
    :param size: bytes of the slice
    :param checksum: algorithm
    :param watch: called with the number of bytes of each block; what it raises ends the transfer
    """

    def __init__(
        self, read_at: ReadAt, offset: int, size: int, checksum: Checksum, watch: Callable[[int], None] | None = None
    ) -> None:
        self._read_at = read_at
        self._offset = offset
        self._size = size
        self._update = checksum.update
        self._watch = watch
        self._sent = 0
        self.checksum = 0

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[memoryview]:
        if self._watch and self._sent:
            self._watch(-self._sent)
        self.checksum = self._sent = 0
        buffer, pace = new_buffer(min(BLOCK, self._size)), Pace(BLOCK)
        while self._sent < self._size:
            wanted = min(pace.size, self._size - self._sent)
            block = self._read_at(buffer[:wanted], self._offset + self._sent)
            if not block:
                gone = self._size - self._sent
                raise IntegrityError(f"the source became shorter while it was sent: {gone} bytes are gone")
            self.checksum = self._update(block, self.checksum)
            self._sent += len(block)
            if self._watch:
                self._watch(len(block))
            pace.begin()
            yield block
            pace.end()


class BytesBody(SliceBody):
    """Bytes in memory."""

    def __init__(self, content: bytes, checksum: Checksum) -> None:
        super().__init__(in_memory(content), 0, len(content), checksum)


def in_memory(content: bytes) -> ReadAt:
    """Return what reads bytes at any place, without a copy."""
    view = memoryview(content)
    return lambda buffer, offset: view[offset : offset + len(buffer)]


def reader_at(file: BinaryIO) -> tuple[ReadAt, int, bool]:
    """Return what reads a seekable file at any place after its present position, and the bytes there.

    The last value tells whether several threads may read: those of a real file, by its descriptor. That of a
    compressed file is not its content's.
    """
    start = file.tell()
    raw = getattr(file, "raw", file)
    if isinstance(raw, io.FileIO):
        file.flush()
        descriptor = raw.fileno()
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            return (
                lambda buffer, offset: buffer[: os.preadv(descriptor, [buffer], start + offset)],
                status.st_size - start,
                True,
            )
    size = file.seek(0, os.SEEK_END) - start
    file.seek(start)

    def read_at(buffer: memoryview, offset: int) -> memoryview:
        file.seek(start + offset)
        return memoryview(file.read(len(buffer)))

    return read_at, size, False
