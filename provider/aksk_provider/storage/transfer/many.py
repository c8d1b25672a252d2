"""Many files at once: a folder or glob up, a list or prefix down; one failure does not stop the rest."""

from __future__ import annotations

import glob
import logging
import os
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

from aksk_provider.errors import InvalidRequestError, TransferCancelledError, TransfersFailedError
from aksk_provider.storage.matching import find
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.transfer.download import download
from aksk_provider.storage.transfer.equal import equal_object
from aksk_provider.storage.transfer.options import DEFAULT_OPTIONS, TransferOptions
from aksk_provider.storage.transfer.pool import in_parallel
from aksk_provider.storage.transfer.upload import upload

log = logging.getLogger(__name__)
_DRIVE = re.compile(r"[A-Za-z]:")
Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class FileResult:
    """One file of many.

    :param status: ``done``, ``skipped`` (there already, with the same size and checksum) or ``planned`` (dry run)
    """

    path: str
    uri: str
    size: int
    etag: str | None
    crc64: str | None
    status: Literal["done", "skipped", "planned"]

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ManyOptions:
    """How many files are moved.

    :param workers: files moved at once; a large one is moved in parts besides
    :param skip_equal: leave out what is at the target already with the same size and checksum
    :param dry_run: say what would be moved, and move nothing
    :param each: how each file is moved
    """

    workers: int = 8
    skip_equal: bool = False
    dry_run: bool = False
    each: TransferOptions = DEFAULT_OPTIONS


def find_sources(source: str | os.PathLike[str] | Sequence[str]) -> list[tuple[Path, str]]:
    """Return the files that a file, folder, glob or list of files means, with their names below it.

    A folder gives all files in it, a glob (``**`` included) those it matches, named from its first wildcard's folder.

    :raises InvalidRequestError: there is no such file
    """
    if not isinstance(source, str | os.PathLike):
        return [(Path(path), Path(path).name) for path in source]
    text = os.fspath(source)
    if Path(text).is_file():
        return [(Path(text), Path(text).name)]
    if Path(text).is_dir():
        root, paths = Path(text), sorted(Path(text).rglob("*"))
    elif glob.has_magic(text):
        root = Path(f"{re.split(r'[*?[]', text, maxsplit=1)[0]}x").parent
        paths = sorted(map(Path, glob.glob(text, recursive=True)))  # noqa: PTH207 - Path.glob takes no absolute pattern
    else:
        paths, root = [], Path()
    found = [(path, path.relative_to(root).as_posix()) for path in paths if path.is_file()]
    if not found:
        raise InvalidRequestError(f"source {text}: there is no such file")
    return found


def upload_many(
    store: ObjectStore,
    sources: Iterable[tuple[Path, str]],
    prefix: str,
    bucket: str | None = None,
    *,
    overwrite: bool = True,
    options: ManyOptions = ManyOptions(),
    cancelled: threading.Event | None = None,
    **properties: Any,
) -> list[FileResult]:
    """Write files under a prefix and return a result for each, in order.

    :param sources: (path, name below the prefix), as :func:`find_sources` gives them
    :param properties: ``content_type``, ``metadata``, ``storage_class``, ``headers`` of every object
    :raises TransfersFailedError: names the files that failed, after the others were moved
    """

    def move(item: tuple[Path, str]) -> FileResult:
        path, name = item
        key, size = prefix + name, path.stat().st_size
        result = FileResult(str(path), store.uri(key, bucket), size, None, None, "planned")
        if options.skip_equal and (info := equal_object(store, path, key, bucket)):
            return replace(result, etag=info.etag, crc64=info.crc64, status="skipped")
        if options.dry_run:
            return result
        info = upload(
            store, path, key, bucket, overwrite=overwrite, options=options.each, cancelled=cancelled, **properties
        )
        return replace(result, etag=info.etag, crc64=info.crc64, status="done")

    return _each(options.workers, move, sources, lambda item: str(item[0]))


def find_objects(store: ObjectStore, keys: str | Iterable[str], bucket: str | None) -> Iterator[tuple[ObjectInfo, str]]:
    """Yield the objects that a key, wildcard, prefix (``.../``) or a list of them means, with their names below it."""
    for key in [keys] if isinstance(keys, str) else keys:
        wildcard = re.search(r"[*?\[]", key)
        if wildcard is None and not key.endswith("/"):
            info = store.head(key, bucket)
            yield info, info.key.rpartition("/")[2]
            continue
        fixed = key[: wildcard.start()] if wildcard else key
        folder = fixed[: fixed.rfind("/") + 1]
        below = len(store.key(folder, bucket)) if folder else 0
        for info in find(store, key, bucket) if wildcard else store.list(key, bucket):
            if not info.key.endswith("/"):
                yield info, info.key[below:]


def download_many(
    store: ObjectStore,
    objects: Iterable[tuple[ObjectInfo, str]],
    folder: str | os.PathLike[str],
    *,
    overwrite: bool = True,
    options: ManyOptions = ManyOptions(),
    cancelled: threading.Event | None = None,
) -> list[FileResult]:
    """Write objects into a folder and return a result for each, in order.

    :param objects: (object, name below the folder), as :func:`find_objects` gives them
    :raises InvalidRequestError: a name would lead out of the folder; nothing was moved
    :raises TransfersFailedError: names the objects that failed, after the others were moved
    """
    path_of = paths_below(Path(folder).absolute())
    planned = [(info, path_of(name)) for info, name in objects]

    def move(item: tuple[ObjectInfo, Path]) -> FileResult:
        info, path = item
        result = FileResult(str(path), info.uri, info.size or 0, info.etag, info.crc64, "planned")
        if options.skip_equal and equal_object(store, path, info.key, info.bucket):
            return replace(result, status="skipped")
        if options.dry_run:
            return result
        done = download(
            store, info.key, path, info.bucket, overwrite=overwrite, options=options.each, cancelled=cancelled
        )
        return replace(result, size=done.size, etag=done.etag, crc64=done.crc64, status="done")

    return _each(options.workers, move, planned, lambda item: item[0].uri)


def paths_below(root: Path) -> Callable[[str], Path]:
    """Return what tells the path of a name below a folder, and refuses one that leads out of it on any system."""
    real = root.resolve()

    @cache
    def is_inside(folder: str) -> bool:
        return (root / folder).resolve().is_relative_to(real)

    def path_of(name: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\\" in part or "\0" in part or _DRIVE.match(part) for part in parts):
            raise InvalidRequestError(f"key {name!r} cannot be the name of a file below {root}")
        if not is_inside("/".join(parts[:-1])):
            raise InvalidRequestError(f"key {name!r} leads out of {root} by a symbolic link")
        return root.joinpath(*parts)

    return path_of


def _each(
    workers: int, move: Callable[[Item], FileResult], items: Iterable[Item], name: Callable[[Item], str]
) -> list[FileResult]:
    """Return the results in order; failures are collected until the rest is done, a cancellation ends it at once."""
    todo = list(items)

    def attempt(item: Item) -> FileResult | Exception:
        try:
            return move(item)
        except TransferCancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - told below, after the rest
            log.error("%s: %s", name(item), error)
            return error

    results = in_parallel(workers, attempt, todo)
    failures = [(name(item), end) for item, end in zip(todo, results, strict=True) if isinstance(end, Exception)]
    if failures:
        told = "; ".join(f"{what}: {error}" for what, error in failures[:5])
        raise TransfersFailedError(f"{len(failures)} of {len(todo)} files failed: {told}") from failures[0][1]
    return [result for result in results if isinstance(result, FileResult)]
