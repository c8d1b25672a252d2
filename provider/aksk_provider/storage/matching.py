"""Finds the objects that keys, URIs and wildcards mean."""

from __future__ import annotations

from collections.abc import Sequence

from aksk_provider.errors import BucketNotFoundError, NotFoundError
from aksk_provider.storage.config import locate_prefix
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.waiting.patterns import wildcard, wildcard_start


def find(store: ObjectStore, key: str, bucket: str | None) -> Sequence[ObjectInfo]:
    """Return the objects that a key means: itself, or those that match its wildcards.

    ``*`` matches any characters, ``/`` included, ``?`` one, ``[seq]`` one of a set; write ``[*]`` for a literal star.
    Only what starts like the pattern before its first wildcard is listed.
    """
    if wildcard_start(key) is None:
        try:
            return [store.head(key, bucket)]
        except BucketNotFoundError:
            raise
        except NotFoundError:
            return []
    bucket, pattern = locate_prefix(store.config, key, bucket)
    prefix, matches = wildcard(pattern)
    return [info for info in store.list(prefix, bucket) if matches(info.key)]
