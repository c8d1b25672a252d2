"""The connection below HTTP, where faults break it."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect
from uvicorn.protocols.http.h11_impl import H11Protocol


class Wire:
    """The connection that a request came by.

    :param transport: what uvicorn reads from and writes to
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self.lost = asyncio.Event()
        self._transport = transport
        self._waiting = False

    def write(self, data: bytes) -> None:
        """Send bytes as they are, past the framing of HTTP."""
        self._transport.write(data)

    async def pause(self, seconds: float) -> None:
        """Wait, but not longer than the connection lives."""
        self._waiting = True
        try:
            await asyncio.wait_for(self.lost.wait(), seconds)
        except asyncio.TimeoutError:
            return
        finally:
            self._waiting = False
        raise ClientDisconnect

    async def close(self) -> NoReturn:
        """Send what was written and close; nothing more can be said to this client."""
        self._transport.close()
        await self._gone()

    async def reset(self) -> NoReturn:
        """Close with a TCP RST; what was not sent yet is dropped."""
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()
        await self._gone()

    def shut_down(self) -> None:
        """Close when only a fault keeps it open."""
        if self._waiting:
            self._transport.abort()

    async def _gone(self) -> NoReturn:
        self._waiting = True
        await self.lost.wait()
        raise ClientDisconnect


class WireProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which shows its connection to the application as ``scope["state"]["wire"]``.

    By h11, whatever is installed beside it: it hands over the request target as it was sent.
    """

    wire: Wire

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Show the connection to every request that comes by it."""
        super().connection_made(transport)
        self.wire = Wire(transport)
        self.app_state: dict[str, Any] = {**self.app_state, "wire": self.wire}

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake up who waits for the end."""
        super().connection_lost(exc)
        self.wire.lost.set()

    def shutdown(self) -> None:
        """Do not wait for answers that a fault holds back."""
        super().shutdown()
        self.wire.shut_down()
