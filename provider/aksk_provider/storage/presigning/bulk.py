"""Presigned links by the million: one after another, or into a file, in constant memory."""

from __future__ import annotations

import csv
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from types import MappingProxyType
from typing import Any, NamedTuple, TextIO

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing.links import LinkOf
from aksk_provider.storage import operations, transfer
from aksk_provider.storage.config import check_key, locate, locate_bucket
from aksk_provider.storage.presigning.keys import is_uri, keys_of
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.transfer.files import checked_target, put_in_place, temporary_sibling

log = logging.getLogger(__name__)
COLUMNS = ("uri", "method", "url", "expires_at", "signed_headers")
_RENEWED = 1.0
_LONGEST_CHARACTER = 4
_Common = tuple[str, str, LinkOf, datetime, Mapping[str, str]]  # start of the URI; method, link, end, headers


class Link(NamedTuple):
    """A presigned link of many: like :class:`~aksk_provider.signing.PresignedURL`, and it names its object.

    ``url`` is the link, which its representation hides; ``signed_headers`` must be sent with it.
    """

    uri: str
    method: str
    url: str
    expires_at: datetime
    signed_headers: Mapping[str, str]

    @property
    def key(self) -> str:
        """The key of the object."""
        return self.uri.split("/", 3)[3]

    def __repr__(self) -> str:
        return f"Link({self.method} {self.uri}, expires_at={self.expires_at.isoformat()})"


@dataclass(frozen=True, slots=True)
class Manifest:
    """A file of links.

    :param place: path, or URI of the object
    :param format: ``csv`` or ``jsonl``
    :param count: how many links it has
    :param expires_at: when the first of them stops working; ``None`` when there are none
    """

    place: str
    format: str
    count: int
    expires_at: datetime | None


def presign_many(
    store: ObjectStore,
    keys: Iterable[str],
    bucket: str | None = None,
    *,
    method: str = "GET",
    **options: Any,
) -> Iterator[Link]:
    """Yield the link of each key, in order, signed when it is asked for; nothing is sent and nothing is collected.

    A link lives ``expires_in`` from when it is yielded; links of the same second start together. With ``expires_at``
    all end together, and asking for more after that time raises. What may keep them from working is in the log, once.

    :param keys: keys or URIs; may be endless
    :param method: the one HTTP method the links are good for
    :param options: the rest of what :meth:`~aksk_provider.storage.store.ObjectStore.presign` takes, without
        ``version_id``, which is of one object
    :raises InvalidRequestError: at a key that cannot be, naming it
    """
    if options.get("version_id"):
        raise InvalidRequestError("version_id is of one object: presign its link alone")
    if isinstance(keys, str):
        raise InvalidRequestError("keys is a text: give a list of keys, even of one")
    config = store.config
    # A key this short cannot be too long; all that needs a closer look takes the slow way.
    told: set[str] = set()
    short, forbidden = config.vendor.key_bytes // _LONGEST_CHARACTER, config.vendor.forbidden_key_start

    def common_to(place: str) -> _Common:
        common = store.templates.get(place, method, **options)
        template = common.template
        for warning in {*common.warnings, *common.doubts("")} - told:
            told.add(warning)
            log.warning("%s", warning)
        required = MappingProxyType(dict(template.signed_headers))
        return operations.uri(config.vendor, place, ""), template.method, template.link, template.expires_at, required

    new, kept, until = tuple.__new__, None, 0.0
    for key in keys:
        if 0 < len(key) <= short and "://" not in key and not key.startswith(forbidden):
            if kept is None or monotonic() >= until:
                until = monotonic() + _RENEWED
                kept = common_to(locate_bucket(config, bucket))
            start, verb, link, end, required = kept
            try:
                url = link(key)
            except ValueError:
                check_key(config.vendor, key)
                raise
            yield new(Link, (start + key, verb, url, end, required))
        else:
            place, name = locate(config, key, bucket)
            start, verb, link, end, required = common_to(place)
            yield Link(start + name, verb, link(name), end, required)


def write_manifest(
    store: ObjectStore,
    target: str | os.PathLike[str],
    keys: Iterable[str] | None = None,
    bucket: str | None = None,
    *,
    prefix: str | None = None,
    key_file: str | os.PathLike[str] | None = None,
    file_format: str | None = None,
    overwrite: bool = True,
    **options: Any,
) -> Manifest:
    """Write a link for each key to a file or an object, which appears when it is whole.

    Whoever reads it can use the links. A file can be read by its owner alone (mode 0600), and so can the temporary one
    that an object is uploaded from.

    :param target: path of the file, whose missing folders are made, or URI of the object
    :param keys: keys or URIs; instead of these,
    :param prefix: the objects listed under a prefix, ``""`` for the whole bucket; or
    :param key_file: path or URI of a text file with a key or URI on each line; if it ends in ``.jsonl``, of JSON lines
        with ``uri`` or ``key``
    :param file_format: ``csv`` or ``jsonl``, by default the target's ending
    :param overwrite: ``False`` refuses a target that exists
    :param options: those of :func:`presign_many`
    """
    kind = file_format or os.fspath(target).rpartition(".")[2].lower()
    if kind not in _FORMATS:
        raise InvalidRequestError(
            f"{os.fspath(target)}: a manifest is csv or jsonl; end its name so or say file_format"
        )
    write, content_type = _FORMATS[kind]
    links = presign_many(store, keys_of(store, keys, bucket, prefix=prefix, key_file=key_file), bucket, **options)
    if is_uri(target):
        uri = store.uri(str(target))
        with tempfile.NamedTemporaryFile(prefix="links-") as spool:
            with open(spool.fileno(), "w", encoding="utf-8", newline="", closefd=False) as file:
                count, expires_at = write(file, links)
            transfer.upload(store, spool.name, uri, content_type=content_type, overwrite=overwrite)
        return Manifest(uri, kind, count, expires_at)
    path = checked_target(target, overwrite=overwrite)
    with temporary_sibling(path, 0o600) as (partial, descriptor):
        with open(descriptor, "w", encoding="utf-8", newline="", closefd=False) as file:
            count, expires_at = write(file, links)
        if overwrite:
            partial.replace(path)  # not with the mode of the file that was there, which others may read
        else:
            put_in_place(partial, path, overwrite=False)
    return Manifest(str(path), kind, count, expires_at)


def _write_csv(file: TextIO, links: Iterable[Link]) -> tuple[int, datetime | None]:
    rows = csv.writer(file)
    rows.writerow(COLUMNS)
    return _write_each(links, lambda uri, method, url, end, required: rows.writerow((uri, method, url, end, required)))


def _write_jsonl(file: TextIO, links: Iterable[Link]) -> tuple[int, datetime | None]:
    text = json.JSONEncoder(ensure_ascii=False).encode

    def write(uri: str, method: str, url: str, end: str, required: str) -> None:
        known = text({"uri": uri, "method": method, "url": url, "expires_at": end})
        file.write(f'{known[:-1]}, "signed_headers": {required}}}\n')

    return _write_each(links, write)


def _write_each(
    links: Iterable[Link], write: Callable[[str, str, str, str, str], object]
) -> tuple[int, datetime | None]:
    """Write each link as text, signed headers as JSON, and return how many there were and when the first one ends."""
    count, first, end, required, said, needed = 0, None, None, None, "", ""
    for link in links:
        count += 1
        if link.expires_at is not end or link.signed_headers is not required:
            _, _, _, end, required = link
            said, needed = end.isoformat(), json.dumps(dict(required))
            first = end if first is None else min(first, end)
        write(link[0], link[1], link[2], said, needed)
    return count, first


_FORMATS = {"csv": (_write_csv, "text/csv"), "jsonl": (_write_jsonl, "application/x-ndjson")}
