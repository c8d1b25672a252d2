"""Tell Airflow of new objects, to schedule DAGs by them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from aksk_provider.triggers.connections import poller
from aksk_provider.triggers.memory import memory

#: The triggerer takes about a second to hand an event to the database. What is told is only then noted as told: a
#: triggerer that is killed in between tells it again after its start, and never leaves it out.
_HANDED_OVER_AFTER = 3.0


class ObjectEventTrigger(BaseEventTrigger):
    """Fires for each new object under a prefix, once for each key and ETag; for an ``AssetWatcher``.

    The event's payload, which is in the asset event's ``extra``, has ``uri, vendor, bucket, key, size, etag,
    last_modified, storage_class``. What is there when the watch begins is no event. What was told is remembered in the
    state store of the asset (Airflow 3.3) or in a variable named ``aksk_objects_...`` (before), so a restart of the
    triggerer tells nothing twice and misses nothing. A failure, such as a 403, is logged with the vendor's code at
    every look until it passes, since a watch has no task that could fail.

    :param prefix: what the keys start with, or a URI; with wildcards, what they match
    :param bucket: bucket, by default the connection's
    :param aksk_conn_id: id of a connection of type ``aksk``
    :param poke_interval: seconds between two looks; triggers and sensors with the same prefix share them
    :param settle: seconds an object must have been left alone before it is told
    :param existing: tell what is there when the watch begins as well
    :param remember: how many of the newest objects to remember by key and ETag; more than ever come within a day
    """

    def __init__(
        self,
        prefix: str,
        bucket: str | None = None,
        aksk_conn_id: str = "aksk_default",
        poke_interval: float = 60,
        settle: float = 0,
        existing: bool = False,
        remember: int = 4000,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.prefix = prefix
        self.bucket = bucket
        self.aksk_conn_id = aksk_conn_id
        self.poke_interval = poke_interval
        self.settle = settle
        self.existing = existing
        self.remember = remember

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return plain values; the credentials stay in the connection."""
        return "aksk_provider.triggers.object_events.ObjectEventTrigger", {
            "prefix": self.prefix,
            "bucket": self.bucket,
            "aksk_conn_id": self.aksk_conn_id,
            "poke_interval": self.poke_interval,
            "settle": self.settle,
            "existing": self.existing,
            "remember": self.remember,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for ever, and fire for each new object."""
        from aksk_provider.storage.config import locate_prefix
        from aksk_provider.storage.waiting.looks import Listing
        from aksk_provider.storage.waiting.patterns import wildcard, wildcard_start
        from aksk_provider.storage.waiting.polling import Waiter, jittered
        from aksk_provider.storage.waiting.watermark import NewObjects, Watermark

        store = memory(getattr(self, "asset_state_store", None), self.aksk_conn_id, self.bucket, self.prefix)
        stored = await store.load()
        known = Watermark(self.remember) if stored is None else Watermark.from_plain(stored, self.remember)
        first_in = 0.0 if stored is None else self.poke_interval * random.random()  # noqa: S311 - no secret
        async with poller(self.aksk_conn_id) as shared:
            bucket, prefix = locate_prefix(shared.transport.config, self.prefix, self.bucket)
            start, matches = wildcard(prefix) if wildcard_start(prefix) is not None else (prefix, None)
            settle = timedelta(seconds=self.settle)
            baseline = stored is None and not self.existing
            part = NewObjects(Listing(bucket, start), known, matches, settle, baseline=baseline)
            while True:
                waiter = Waiter(part, lambda _: self.poke_interval, None, keep_going=True)
                objects = await shared.wait(waiter, first_in)
                for info in objects:
                    told = info.as_dict()
                    unsaid = ("crc64", "version_id", "content_type", "metadata")  # a listing does not have them
                    yield TriggerEvent({name: value for name, value in told.items() if name not in unsaid})
                known.add(objects)
                if objects:
                    await asyncio.sleep(_HANDED_OVER_AFTER)
                try:
                    await store.save(known.to_plain())
                except Exception:
                    self.log.exception("what was told could not be stored, and will be with the next object")
                first_in = jittered(self.poke_interval)
