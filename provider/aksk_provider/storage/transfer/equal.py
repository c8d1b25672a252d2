"""Whether a file and an object are the same already."""

from __future__ import annotations

from pathlib import Path

from aksk_provider.errors import BucketNotFoundError, NotFoundError
from aksk_provider.storage.checksums import CHECKSUMS, of_file
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.store import ObjectStore


def equal_object(
    store: ObjectStore, path: Path, key: str, bucket: str | None, version_id: str | None = None
) -> ObjectInfo | None:
    """Return the object when it and the file are there with the same size and checksum.

    An object whose checksum the store does not report counts as different.
    """
    if not path.is_file():
        return None
    try:
        info, reported = store.head_with_checksum(key, bucket, version_id=version_id)
    except BucketNotFoundError:
        raise
    except NotFoundError:
        return None
    if reported is None or info.size != path.stat().st_size:
        return None
    return info if reported == str(of_file(path, CHECKSUMS[store.config.vendor.checksum])) else None
