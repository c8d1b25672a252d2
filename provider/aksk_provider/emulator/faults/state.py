"""Faults of what the server knows: tokens, uploads, the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from aksk_provider.emulator.faults.base import Effect, Exchange
from aksk_provider.emulator.model import Refused


@dataclass(frozen=True, slots=True)
class ExpireToken(Effect):
    """Let the session token of the request expire: from then on it is refused, and another one is not."""

    def fits(self, exchange: Exchange) -> bool:
        """Tell whether there is one: a permanent key pair has no token."""
        return exchange.token is not None

    async def arrive(self, exchange: Exchange) -> None:
        """Remember the token."""
        exchange.expired.add(exchange.token or "")


@dataclass(frozen=True, slots=True)
class ForgetUpload(Effect):
    """Forget the multipart upload that the request is about, with all its parts."""

    def fits(self, exchange: Exchange) -> bool:
        """Only these requests name an upload."""
        return "uploadId" in exchange.call.inbound.params

    async def arrive(self, exchange: Exchange) -> None:
        """Forget it, unless it is gone already."""
        call = exchange.call
        try:
            upload = call.storage.uploads.get(call.bucket, call.key, call.inbound.params["uploadId"])
        except Refused:
            return
        call.storage.uploads.end(upload)


@dataclass(frozen=True, slots=True)
class Skew(Effect):
    """Set the clock wrong, by which the request is verified and which ``Date`` tells.

    :param seconds: how far ahead; a negative number is behind
    """

    seconds: float

    def time(self, now: datetime) -> datetime:
        """Return the wrong time."""
        return now + timedelta(seconds=self.seconds)
