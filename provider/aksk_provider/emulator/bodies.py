"""Bodies as files: written while they arrive, digested on the way, never whole in memory."""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import fastcrc

CHUNK = 1 << 20
_HASHES = {"md5": hashlib.md5, "sha1": hashlib.sha1, "sha256": hashlib.sha256}
_CRCS: Mapping[str, Callable[[bytes, int], int]] = {
    "crc32": zlib.crc32,
    "crc32c": fastcrc.crc32.iscsi,
    "crc64": fastcrc.crc64.xz,
}


@dataclass(frozen=True, slots=True)
class Body:
    """A complete body.

    :param name: name of its file
    :param size: bytes
    :param digests: by algorithm: hashes in lower-case hex, CRCs in decimal
    """

    name: str
    size: int
    digests: Mapping[str, str]


class Intake:
    """Writes a body and digests it."""

    def __init__(self, file: BinaryIO, digests: Collection[str]) -> None:
        self._file = file
        self._hashes = {name: _HASHES[name](usedforsecurity=False) for name in digests if name in _HASHES}
        self._crcs = {name: 0 for name in digests if name in _CRCS}
        self.size = 0

    def write(self, chunk: bytes) -> None:
        """Take the next bytes."""
        self._file.write(chunk)
        self.size += len(chunk)
        for digest in self._hashes.values():
            digest.update(chunk)
        for name, crc in self._crcs.items():
            self._crcs[name] = _CRCS[name](chunk, crc)

    def digests(self) -> dict[str, str]:
        """Return the digests of all bytes taken."""
        hashes = {name: digest.hexdigest() for name, digest in self._hashes.items()}
        return hashes | {name: str(crc) for name, crc in self._crcs.items()}


class Bodies:
    """The directory of bodies. A file is there in full or not at all."""

    def __init__(self, directory: Path) -> None:
        self._complete = directory / "bodies"
        self._incoming = directory / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True)
        self._complete.mkdir(exist_ok=True)

    def path(self, name: str) -> Path:
        """Return the file of a body."""
        return self._complete / name[:2] / name

    @contextmanager
    def intake(self, digests: Collection[str]) -> Iterator[Intake]:
        """Take a body; what is not adopted before the end is thrown away."""
        path = self._incoming / uuid.uuid4().hex
        try:
            with path.open("wb") as file:
                yield Intake(file, digests)
        finally:
            path.unlink(missing_ok=True)

    def adopt(self, intake: Intake) -> Body:
        """Keep what was taken in."""
        intake._file.flush()
        source = Path(intake._file.name)
        source.replace(self._new(source.name))
        return Body(source.name, intake.size, intake.digests())

    def duplicate(self, name: str) -> str:
        """Return the name of a second, independent body of the same bytes."""
        copy = uuid.uuid4().hex
        try:
            os.link(self.path(name), self._new(copy))
        except OSError:  # a file system without hard links
            shutil.copyfile(self.path(name), self._new(copy))
        return copy

    def join(
        self,
        pieces: Iterable[tuple[str, int, int]],
        digests: Collection[str],
        check: Callable[[Mapping[str, str]], None] = lambda _digests: None,
    ) -> Body:
        """Write one body from (name, offset, length) of others.

        :param check: is shown the digests of the whole and raises when it must not be kept
        """
        with self.intake(digests) as intake:
            for name, offset, length in pieces:
                for chunk in self.read(name, offset, length):
                    intake.write(chunk)
            check(intake.digests())
            return self.adopt(intake)

    def open(self, name: str) -> BinaryIO:
        """Open a body; it can be read to its end even when it is removed meanwhile."""
        return self.path(name).open("rb")

    def read(self, name: str, offset: int, length: int) -> Iterator[bytes]:
        """Give part of a body in chunks."""
        with self.open(name) as file:
            file.seek(offset)
            while length > 0 and (chunk := file.read(min(CHUNK, length))):
                length -= len(chunk)
                yield chunk

    def remove(self, names: Iterable[str]) -> None:
        """Remove bodies that nothing refers to any more."""
        for name in names:
            self.path(name).unlink(missing_ok=True)

    def _new(self, name: str) -> Path:
        path = self.path(name)
        path.parent.mkdir(exist_ok=True)
        return path
