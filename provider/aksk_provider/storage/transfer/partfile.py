"""The file a download grows in, and the journal that lets the next attempt continue it."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO, cast

from aksk_provider.errors import ServiceError, TransferCancelledError, TransportError
from aksk_provider.storage.bodies import BLOCK
from aksk_provider.storage.checksums import Checksum
from aksk_provider.storage.transfer.files import hidden_sibling, opened, temporary_sibling


@dataclass(frozen=True, slots=True)
class Content:
    """What a part file is to hold; a journal is good only for the same.

    :param etag: entity tag without quotes
    :param chunk: bytes of a chunk, the unit that is kept or moved again
    """

    uri: str
    etag: str | None
    size: int
    chunk: int

    def chunks(self) -> range:
        """Return the numbers of all chunks."""
        return range(max(1, -(-self.size // self.chunk)))

    def end(self, chunk: int) -> int:
        """Return the offset behind a chunk."""
        return min((chunk + 1) * self.chunk, self.size)


class PartFile:
    """A file of the final size in which chunks are written at their places, by several threads.

    :param path: where it is
    :param content: what it is to hold
    :param checksum: algorithm of the chunks' checksums
    :param journal: where finished chunks are noted; ``None`` keeps nothing for another attempt. What it says is
        believed as far as the file bears it out: a machine that went down may have kept the note and lost the bytes.
    """

    def __init__(
        self, path: Path, descriptor: int, content: Content, checksum: Checksum, journal: Path | None = None
    ) -> None:
        self.path = path
        self.content = content
        self._descriptor = descriptor
        self._update = checksum.update
        self._lock = threading.Lock()
        noted = _noted(journal, content) if journal else {}
        self.checksums = {chunk: value for chunk, value in noted.items() if self._on_disk(chunk) == value}
        self._journal = journal
        self._notes = None
        if not self.checksums:
            if journal:
                os.truncate(descriptor, 0)
            _make_room(path, descriptor, content.size)
        if journal:
            self._notes = journal.open("a" if self.checksums else "w")
            if not self.checksums:
                self._note(json.dumps(asdict(content)))

    def _on_disk(self, chunk: int) -> int | None:
        """Return the checksum of a chunk as the file has it; nothing when it is not all there."""
        value, offset, end = 0, chunk * self.content.chunk, self.content.end(chunk)
        while offset < end:
            block = os.pread(self._descriptor, min(BLOCK, end - offset), offset)
            if not block:
                return None
            value, offset = self._update(block, value), offset + len(block)
        return value

    def write(self, block: memoryview, offset: int) -> None:
        """Write a block at its place."""
        while block:
            written = os.pwrite(self._descriptor, block, offset)
            block, offset = block[written:], offset + written

    def finish(self, chunk: int, checksum: int) -> None:
        """Note that a chunk is there, with its checksum."""
        with self._lock:
            self.checksums[chunk] = checksum
            self._note(f"{chunk} {checksum}")

    def sync(self) -> None:
        """Bring the content to the disk."""
        os.fsync(self._descriptor)

    def close(self) -> None:
        """Close the journal."""
        if self._notes:
            self._notes.close()

    def forget(self) -> None:
        """Remove the journal: from here on the file is no attempt to be continued."""
        if self._journal:
            self._journal.unlink(missing_ok=True)

    def _note(self, line: str) -> None:
        if self._notes:
            self._notes.write(f"{line}\n")
            self._notes.flush()


class Sink:
    """A file object that takes an object's bytes in order, as one chunk."""

    def __init__(self, file: BinaryIO, content: Content) -> None:
        self.content = content
        self.checksums: dict[int, int] = {}
        self._file = file

    def write(self, block: memoryview, _offset: int) -> None:
        """Write the next block; a raw file may take it piece by piece, as it does when the disk gets full.

        The file gets bytes of its own: who keeps them would else find those of a later block there.
        """
        view = memoryview(bytes(block))
        while view:
            written = cast("int | None", self._file.write(view))
            view = view[len(view) if written is None else written :]

    def finish(self, chunk: int, checksum: int) -> None:
        """Note the checksum of all that was written."""
        self.checksums[chunk] = checksum


@contextmanager
def part_file(target: Path, content: Content, checksum: Checksum, *, keep: bool) -> Iterator[PartFile]:
    """Give the part file of a target, continued if an attempt left one for the same content.

    It goes with its journal when the block ends well, the disk fails or the content is wrong; an interrupted transfer
    leaves both. Only one process continues a part file: another one that writes the same target meanwhile works in a
    file of its own.
    """
    path = hidden_sibling(target, "part") if keep else None
    descriptor = _locked(path) if path else None
    if path is None or descriptor is None:
        with temporary_sibling(target) as (alone, fresh):
            yield PartFile(alone, fresh, content, checksum)
        return
    journal, interrupted = hidden_sibling(target, "part.journal"), False
    try:
        part = PartFile(path, descriptor, content, checksum, journal)
        try:
            yield part
        finally:
            part.close()
    except (TransportError, ServiceError, TransferCancelledError, KeyboardInterrupt):
        interrupted = True
        raise
    finally:
        if not interrupted:
            journal.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int | None:
    """Open and lock a part file; ``None`` when another process has it."""
    while True:
        descriptor = opened(path, 0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        try:
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        os.close(descriptor)  # it was renamed to its target between open and lock


def _make_room(path: Path, descriptor: int, size: int) -> None:
    """Give a file its size, when there is space for it: a full disk shows before anything is moved.

    A single block shows it by itself. The space is not reserved: where a file system cannot (NFS before 4.2, many in
    user space), ``posix_fallocate`` writes to each of its blocks, which takes as long as the download.
    """
    if size <= BLOCK:
        return
    space = os.fstatvfs(descriptor)
    free = space.f_bavail * space.f_frsize
    if space.f_blocks and size > free:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)}: {size} bytes are needed and {free} free", str(path))
    os.truncate(descriptor, size)


def _noted(journal: Path, content: Content) -> dict[int, int]:
    """Read the checksums of finished chunks; nothing when the journal is for something else."""
    try:
        lines = journal.read_text().split("\n")[:-1]
        head: Mapping[str, object] = json.loads(lines[0])
        if head != asdict(content):
            return {}
        return {int(chunk): int(checksum) for chunk, checksum in (line.split() for line in lines[1:])}
    except (OSError, ValueError, IndexError):
        return {}
