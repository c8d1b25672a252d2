"""One poller for each connection, shared by all triggers of a loop: one client, one look-up of the connection."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from hashlib import blake2b
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from asgiref.sync import sync_to_async

from aksk_provider.hooks.object_storage import ObjectStorageHook

if TYPE_CHECKING:
    from aksk_provider.storage.config import StoreConfig
    from aksk_provider.storage.waiting.polling import Poller

_READ_AGAIN_AFTER = 30.0


@dataclass
class _Shared:
    """A poller, how many use it, and the connection that it was made from."""

    poller: Poller
    digest: bytes
    read_at: float
    users: int = 0


class _OfLoop:
    def __init__(self) -> None:
        self.shared: dict[str, _Shared] = {}
        self.locks: dict[str, asyncio.Lock] = {}


_LOOPS: WeakKeyDictionary[asyncio.AbstractEventLoop, _OfLoop] = WeakKeyDictionary()


@asynccontextmanager
async def poller(conn_id: str) -> AsyncIterator[Poller]:
    """Lend the poller of a connection; the last one to give it back closes it.

    A connection that was edited gets a new poller, which triggers that start from then on use.

    :raises ConnectionConfigError: a field of the connection is missing or wrong
    """
    loop = asyncio.get_running_loop()
    state = _LOOPS.setdefault(loop, _OfLoop())
    async with state.locks.setdefault(conn_id, asyncio.Lock()):
        shared = await _current(state, conn_id)
        shared.users += 1
    try:
        yield shared.poller
    finally:
        shared.users -= 1
        if not shared.users:
            if state.shared.get(conn_id) is shared:
                del state.shared[conn_id]
            await asyncio.shield(shared.poller.aclose())


async def _current(state: _OfLoop, conn_id: str) -> _Shared:
    shared = state.shared.get(conn_id)
    if shared and time.monotonic() - shared.read_at < _READ_AGAIN_AFTER:
        return shared
    # In asgiref's thread: Airflow 3.1 to 3.3.1 may deadlock in aget_connection and in extra_dejson, and under
    # dag.test() aget_connection does not find connections of the metadata database.
    digest, config = await sync_to_async(_read)(conn_id)
    if shared is None or shared.digest != digest:
        from aksk_provider.storage.async_transport import AsyncTransport
        from aksk_provider.storage.waiting.polling import Poller

        shared = _Shared(Poller(AsyncTransport(config, _now, sync_to_async)), digest, 0.0)
        state.shared[conn_id] = shared
    shared.read_at = time.monotonic()
    return shared


def _read(conn_id: str) -> tuple[bytes, StoreConfig]:
    from aksk_provider.hooks.connection import store_config

    def read() -> Any:
        return ObjectStorageHook.get_connection(conn_id)

    connection = read()
    names = ("host", "login", "password", "schema", "port")
    fields = [*(getattr(connection, name) for name in names), connection.extra_dejson]
    digest = blake2b(json.dumps(fields, sort_keys=True, default=str).encode()).digest()
    return digest, store_config(connection, read)


def _now() -> datetime:
    return datetime.now(timezone.utc)
