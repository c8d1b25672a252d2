"""What is asked of a store while waiting: one object, or everything under a prefix. Nothing is sent here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from aksk_provider.errors import TransportError
from aksk_provider.storage import operations, responses
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.vendors import Vendor


@dataclass(frozen=True, slots=True)
class Answer:
    """What one request told.

    :param objects: the objects
    :param at: the store's time when it answered, so that the clock of this machine does not matter
    :param next_page: asks for the rest; ``None`` when this was all
    """

    objects: Sequence[ObjectInfo]
    at: datetime
    next_page: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Looks at one object."""

    bucket: str
    key: str

    def operation(self, vendor: Vendor, page: str | None) -> Operation:
        """Return the request."""
        return operations.head_object(self.bucket, self.key)

    def answer(self, vendor: Vendor, page: str | None, headers: Mapping[str, str], body: bytes) -> Answer:
        """Read the answer to the request."""
        return Answer([responses.object_info(vendor, self.bucket, self.key, headers)], _time(headers))

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}"


@dataclass(frozen=True, slots=True)
class Listing:
    """Looks at everything under a prefix, page by page."""

    bucket: str
    prefix: str

    def operation(self, vendor: Vendor, page: str | None) -> Operation:
        """Return the request for a page."""
        return operations.list_objects(vendor, self.bucket, prefix=self.prefix, page=page)

    def answer(self, vendor: Vendor, page: str | None, headers: Mapping[str, str], body: bytes) -> Answer:
        """Read the answer to the request for a page."""
        listed = responses.list_page(vendor, self.bucket, body)
        if listed.next_page is not None and listed.next_page == page:
            asked = self.operation(vendor, page).describe(vendor)
            raise TransportError(f"{asked}: the listing does not advance past {page!r}")
        return Answer(listed.objects, _time(headers), listed.next_page)

    def __str__(self) -> str:
        return f"{self.bucket}/{self.prefix}*"


Look = Head | Listing


def _time(headers: Mapping[str, str]) -> datetime:
    date = headers.get("Date")
    return parsedate_to_datetime(date) if date else datetime.now(timezone.utc)
