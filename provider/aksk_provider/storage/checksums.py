"""The checksums the stores report, computed while bytes stream by, and joined from those of parts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from fastcrc import crc32, crc64

from aksk_provider.errors import ChecksumMismatchError

Update = Callable[[bytes | memoryview, int], int]


@dataclass(frozen=True, slots=True)
class Checksum:
    """A reflected CRC whose initial and final values are all ones, such as CRC-64/XZ and CRC-32.

    :param name: how messages call it
    :param width: bits
    :param polynomial: generator polynomial, reflected
    :param update: function of bytes and the value so far, 0 at the start
    """

    name: str
    width: int
    polynomial: int
    update: Update

    def combine(self, parts: Iterable[tuple[int, int]]) -> int:
        """Return the checksum of a whole from the (checksum, size) of its parts in order.

        A CRC is a remainder of polynomials over GF(2): appending n bytes multiplies the remainder by x to the 8n.
        """
        whole = 0
        for checksum, size in parts:
            if whole:
                whole = _multiply(whole, _shift(size, self.width, self.polynomial), self.width, self.polynomial)
            whole ^= checksum
        return whole


def _multiply(a: int, b: int, width: int, polynomial: int) -> int:
    product = 0
    for bit in range(width - 1, -1, -1):
        if a >> bit & 1:
            product ^= b
        b = b >> 1 ^ (polynomial if b & 1 else 0)
    return product


@lru_cache(maxsize=64)
def _shift(size: int, width: int, polynomial: int) -> int:
    """Return x to the power of the bits in ``size`` bytes; the highest bit stands for x to the 0."""
    result, square = 1 << (width - 1), 1 << (width - 2)
    exponent = 8 * size
    while exponent:
        if exponent & 1:
            result = _multiply(result, square, width, polynomial)
        square = _multiply(square, square, width, polynomial)
        exponent >>= 1
    return result


CRC64 = Checksum("crc64", 64, 0xC96C5795D7870F42, crc64.xz)
CRC32 = Checksum("crc32", 32, 0xEDB88320, crc32.iso_hdlc)
CHECKSUMS: Mapping[str, Checksum] = {checksum.name: checksum for checksum in (CRC64, CRC32)}


def verify(what: str, name: str, reported: str | None, computed: int) -> None:
    """Compare a checksum with the one a store reported, if it reported one.

    :raises ChecksumMismatchError: names both values
    """
    if reported is not None and reported != str(computed):
        raise ChecksumMismatchError(f"{what}: the store reports {name} {reported}, the bytes here have {computed}")


def of_file(path: Path, checksum: Checksum) -> int:
    """Return the checksum of a file."""
    value = 0
    with path.open("rb") as file:
        while block := file.read(1024**2):
            value = checksum.update(block, value)
    return value
