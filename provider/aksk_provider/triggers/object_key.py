"""Wait for objects in the triggerer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from aksk_provider.errors import ObjectStorageError
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.storage.matching import find_all


class ObjectKeyTrigger(BaseTrigger):
    """Fires when each key has an object, or when asking fails; looks in a thread, so the event loop stays free.

    :param keys: keys, URIs or wildcards
    :param bucket: bucket, by default the connection's
    :param aksk_conn_id: id of a connection of type ``aksk``
    :param poke_interval: seconds between two looks
    """

    def __init__(self, keys: Sequence[str], bucket: str | None, aksk_conn_id: str, poke_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.keys = list(keys)
        self.bucket = bucket
        self.aksk_conn_id = aksk_conn_id
        self.poke_interval = poke_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return plain values; the credentials stay in the connection."""
        return "aksk_provider.triggers.object_key.ObjectKeyTrigger", {
            "keys": self.keys,
            "bucket": self.bucket,
            "aksk_conn_id": self.aksk_conn_id,
            "poke_interval": self.poke_interval,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until everything is there."""
        try:
            # In asgiref's thread: Airflow 3.1 to 3.3.1 may deadlock in aget_connection and in extra_dejson, and under
            # dag.test() aget_connection does not find connections of the metadata database.
            with await sync_to_async(ObjectStorageHook(self.aksk_conn_id).get_conn)() as store:
                while (found := await asyncio.to_thread(find_all, store, self.keys, self.bucket)) is None:  # noqa: ASYNC110
                    await asyncio.sleep(self.poke_interval)
        except ObjectStorageError as error:
            yield TriggerEvent({"status": "failed", "message": str(error)})
        else:
            yield TriggerEvent({"status": "found", "objects": [info.as_dict() for info in found]})
