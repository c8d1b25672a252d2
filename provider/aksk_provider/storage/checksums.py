"""The checksums the stores report, computed while bytes stream by."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from fastcrc import crc64

from aksk_provider.errors import IntegrityError
from aksk_provider.storage.vendors import Vendor

Update = Callable[[bytes, int], int]

#: name of the checksum -> function of (bytes, value so far, 0 at the start); CRC-64 is CRC-64/XZ
ALGORITHMS: Mapping[str, Update] = {"crc64": crc64.xz, "crc32": zlib.crc32}


def verify(vendor: Vendor, uri: str, headers: Mapping[str, str], computed: int) -> None:
    """Compare a checksum with the one the store answered, if it answered one.

    :raises IntegrityError: names both values
    """
    reported = headers.get(vendor.checksum_header)
    if reported is not None and reported != str(computed):
        raise IntegrityError(f"{uri}: the store reports {vendor.checksum} {reported}, the bytes here have {computed}")
