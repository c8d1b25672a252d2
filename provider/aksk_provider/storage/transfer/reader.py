"""An object as a stream."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from aksk_provider.errors import IntegrityError
from aksk_provider.storage.bodies import BLOCK
from aksk_provider.storage.checksums import CHECKSUMS, verify
from aksk_provider.storage.connections import NO_ANSWER
from aksk_provider.storage.retry import transport_error
from aksk_provider.storage.store import ObjectStore

if TYPE_CHECKING:
    from typing_extensions import Buffer

Asked = TypeVar("Asked")
Answered = TypeVar("Answered")


class ObjectReader(io.RawIOBase):
    """The bytes of an object as they are stored; reading to the end checks their size and checksum.

    :param store: the store
    :param key: key or URI
    """

    def __init__(self, store: ObjectStore, key: str, bucket: str | None, version_id: str | None = None) -> None:
        super().__init__()
        self._config = store.config
        self._response = store.get(key, bucket, version_id=version_id)
        self.info = store.info(key, bucket, self._response)
        self._update = CHECKSUMS[store.config.vendor.checksum].update
        self._computed = 0
        self._size = 0

    def readable(self) -> bool:
        """Return ``True``."""
        return True

    def readinto(self, buffer: Buffer) -> int:
        """Read into a buffer; 0 at the end.

        :raises TransportError: the connection broke or stalled
        :raises IntegrityError: at the end, when size or checksum differ from what the store reported
        """
        view = memoryview(buffer).cast("B")
        count = self._asked(self._response.readinto, view)
        if view:
            self._note(view[:count])
        return count

    def readall(self) -> bytes:
        """Return what is left; raises what :meth:`readinto` raises."""
        return b"".join(iter(self._next, b""))

    def _next(self) -> bytes:
        block = self._asked(self._response.read, BLOCK)
        self._note(block)
        return block

    def _asked(self, read: Callable[[Asked], Answered], what: Asked) -> Answered:
        try:
            return read(what)
        except NO_ANSWER as error:
            raise transport_error(f"GET {self.info.uri}", self._config.endpoint, error) from error

    def _note(self, block: bytes | memoryview) -> None:
        self._computed = self._update(block, self._computed)
        self._size += len(block)
        if not block:
            self._verify()

    def close(self) -> None:
        """Close the connection, or give it back when everything was read."""
        response = getattr(self, "_response", None)  # none when the request failed and the finaliser calls this
        if response is not None:
            response.close()
        super().close()

    def _verify(self) -> None:
        vendor = self._config.vendor
        if self.info.size is not None and self._size != self.info.size:
            raise IntegrityError(f"{self.info.uri}: the store promised {self.info.size} bytes and sent {self._size}")
        verify(self.info.uri, vendor.checksum, self._response.headers.get(vendor.checksum_header), self._computed)
