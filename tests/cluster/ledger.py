"""What the store did, as its answers say."""

from __future__ import annotations

from collections import Counter
from typing import Any

from aksk_provider.emulator.faults import Effect

Place = tuple[str, str]


class Ledger(Effect):
    """Notes what the store did, from its answers. It changes none."""

    def __init__(self) -> None:
        self.done: Counter[tuple[str, str, str]] = Counter()
        self.parts: dict[tuple[str, str, str], Counter[int]] = {}
        self.refused = 0

    async def reply(self, reply: Any, exchange: Any) -> Any:
        """Note an answer."""
        call = exchange.call
        self.refused += reply.status == 503
        if reply.status < 300:
            self.done[exchange.operation, call.dialect.name, call.key] += 1
            if exchange.operation == "upload_part":
                params = call.inbound.params
                parts = self.parts.setdefault((call.dialect.name, call.key, params["uploadId"]), Counter())
                parts[int(params["partNumber"])] += 1
        return reply

    def writes(self) -> Counter[tuple[str, str]]:
        """Return how often each object was written, in one request or by completing its parts."""
        counts: Counter[tuple[str, str]] = Counter()
        for (operation, vendor, key), count in self.done.items():
            if operation in ("put", "complete", "copy", "post_form"):
                counts[vendor, key] += count
        return counts

    def uploads_of(self, place: Place) -> list[Counter[int]]:
        """Return for each upload in parts of an object how often each part was stored."""
        return [parts for (*of, _), parts in self.parts.items() if tuple(of) == place]
