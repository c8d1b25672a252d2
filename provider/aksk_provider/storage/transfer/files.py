"""Local files: sources that can be sent, and targets that appear only when they are whole."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


def make_parents(path: Path) -> None:
    """Make the folders above a file, where they are missing."""
    if not path.parent.is_dir():
        path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def temporary_sibling(path: Path) -> Iterator[Path]:
    """Give the path of a new file beside another, which is to be put in place; it is removed when something fails."""
    make_parents(path)
    partial = hidden_sibling(path, f"{secrets.token_hex(8)}.part")
    try:
        yield partial
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def put_in_place(partial: Path, path: Path, *, overwrite: bool) -> None:
    """Make a finished file appear under its name, with the permissions of the one it replaces."""
    if overwrite:
        if path.exists():
            shutil.copymode(path, partial)
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
    spool = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    left = size
    while left and (block := content.read(min(1024**2, left))):
        spool.write(block)
        left -= len(block)
    spool.seek(0)
    return spool
