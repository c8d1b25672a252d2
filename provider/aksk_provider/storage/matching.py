"""Finds the objects that keys, URIs and wildcards mean."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Sequence

from aksk_provider.errors import BucketNotFoundError, NotFoundError
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore

_WILDCARD = re.compile(r"[*?\[]")


def find_all(store: ObjectStore, keys: Iterable[str], bucket: str | None) -> Sequence[ObjectInfo] | None:
    """Return the objects that the keys mean, or ``None`` as soon as one key has none."""
    found: list[ObjectInfo] = []
    for key in keys:
        objects = find(store, key, bucket)
        if not objects:
            return None
        found.extend(objects)
    return found


def find(store: ObjectStore, key: str, bucket: str | None) -> Sequence[ObjectInfo]:
    """Return the objects that a key means: itself, or those that match its wildcards.

    ``*`` matches any characters, ``/`` included, ``?`` one, ``[seq]`` one of a set; write ``[*]`` for a literal star.
    Only what starts like the pattern before its first wildcard is listed.
    """
    wildcard = _WILDCARD.search(key)
    if wildcard is None:
        try:
            return [store.head(key, bucket)]
        except BucketNotFoundError:
            raise
        except NotFoundError:
            return []
    scheme = f"{store.config.vendor.name}://"
    pattern = key.removeprefix(scheme).partition("/")[2] if key.startswith(scheme) else key
    matches = re.compile(fnmatch.translate(pattern)).match
    return [info for info in store.list(key[: wildcard.start()], bucket) if matches(info.key)]
