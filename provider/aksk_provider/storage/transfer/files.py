"""Local files: sources that can be sent, and targets that appear only when they are whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from aksk_provider.errors import InvalidRequestError

Source = str | os.PathLike[str] | bytes | BinaryIO


def checked_target(target: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return the absolute path of a target, refusing one that cannot be written to."""
    path = Path(target).absolute()
    if path.is_dir():
        raise InvalidRequestError(f"target {path} is a folder: name the file to write")
    if not overwrite and path.exists():
        raise InvalidRequestError(f"target {path} exists and overwrite is off")
    if len(os.fsencode(path.name)) > 255:
        raise InvalidRequestError(f"target {path}: the name of the file is longer than 255 bytes")
    return path


def hidden_sibling(path: Path, suffix: str) -> Path:
    """Return a hidden path beside another, named after it as far as names may be long."""
    stem = os.fsencode(path.name)[:150].decode(errors="ignore")
    return path.with_name(f".{stem}.{suffix}")


def opened(path: Path, flags: int, mode: int = 0o666) -> int:
    """Open a file for writing, making the folders above it where they are missing, and return its descriptor."""
    flags |= os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
    try:
        return os.open(path, flags, mode)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, flags, mode)


@contextlib.contextmanager
def temporary_sibling(path: Path, mode: int = 0o666) -> Iterator[tuple[Path, int]]:
    """Give path and descriptor of a new file beside another, to be put in place; it is removed when something fails."""
    partial = hidden_sibling(path, f"{secrets.token_hex(8)}.part")
    descriptor = opened(partial, os.O_EXCL, mode)
    try:
        yield partial, descriptor
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def put_in_place(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Make a finished file appear under its name, with the permissions of the one it replaces."""
    if overwrite:
        with contextlib.suppress(FileNotFoundError):
            partial.chmod(stat.S_IMODE(path.stat().st_mode))
        partial.replace(path)
        return
    try:
        os.link(partial, path)
    except FileExistsError as error:
        raise InvalidRequestError(f"target {path} exists now and overwrite is off") from error
    partial.unlink()


def checked_source(source: str | os.PathLike[str]) -> Path:
    """Return the path of a source, refusing one that is no file."""
    path = Path(source)
    if not path.is_file():
        raise InvalidRequestError(f"source {path} is {'a folder' if path.is_dir() else 'not there'}: name a file")
    return path


def spooled(content: BinaryIO, size: int) -> BinaryIO:
    """Copy up to so many bytes of a stream into a temporary file, so that they can be sent again."""
    with contextlib.ExitStack() as stack:
        spool = stack.enter_context(tempfile.TemporaryFile())
        left = size
        while left and (block := content.read(min(1024**2, left))) != b"":
            if block is None:
                raise InvalidRequestError("the source does not block, so that its end cannot be told: make it block")
            spool.write(block)
            left -= len(block)
        spool.seek(0)
        stack.pop_all()  # the caller closes it
        return spool
