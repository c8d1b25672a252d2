"""Wait for objects in the triggerer."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from aksk_provider.errors import ObjectStorageError
from aksk_provider.triggers import failures
from aksk_provider.triggers.connections import poller

FOUND, FAILED, TIMED_OUT = "found", "failed", "timed out"


class WaitTrigger(BaseTrigger):
    """Fires when a condition holds, when asking fails, or when the time is up; the waiting half of all sensors here.

    :param condition: what must hold, as :func:`aksk_provider.storage.waiting.conditions.to_plain` writes it
    :param aksk_conn_id: id of a connection of type ``aksk``
    :param poke_interval: seconds between two looks
    :param deadline: when the time is up, in seconds since 1970; a restart of the triggerer does not move it
    :param backoff: double the interval with each look
    :param max_wait: longest interval in seconds, with ``backoff``
    :param keep_going: log failures and look again
    :param rejected: digest of results that a check refused; the same results do not fire again
    :param not_before: fire no sooner, in seconds since 1970
    """

    def __init__(
        self,
        condition: Mapping[str, Any],
        aksk_conn_id: str,
        poke_interval: float,
        deadline: float | None = None,
        backoff: bool = False,
        max_wait: float | None = None,
        keep_going: bool = False,
        rejected: str | None = None,
        not_before: float = 0,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.condition = dict(condition)
        self.aksk_conn_id = aksk_conn_id
        self.poke_interval = poke_interval
        self.deadline = deadline
        self.backoff = backoff
        self.max_wait = max_wait
        self.keep_going = keep_going
        self.rejected = rejected
        self.not_before = not_before

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return plain values; the credentials stay in the connection."""
        return "aksk_provider.triggers.waiting.WaitTrigger", {
            "condition": self.condition,
            "aksk_conn_id": self.aksk_conn_id,
            "poke_interval": self.poke_interval,
            "deadline": self.deadline,
            "backoff": self.backoff,
            "max_wait": self.max_wait,
            "keep_going": self.keep_going,
            "rejected": self.rejected,
            "not_before": self.not_before,
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait, and fire once."""
        end = await self._end()
        await asyncio.sleep(self.not_before - time.time())
        yield TriggerEvent(end)

    async def _end(self) -> dict[str, Any]:
        try:
            results = await self._wait()
        except ObjectStorageError as error:
            return {"status": FAILED, "error": failures.to_plain(error)}
        except TimeoutError:
            return {"status": TIMED_OUT}
        return {"status": FOUND, "results": results, "deadline": self.deadline}

    async def _wait(self) -> list[Any]:
        from aksk_provider.storage.waiting.conditions import from_plain
        from aksk_provider.storage.waiting.polling import jittered, wait_for

        condition = from_plain(self.condition)
        deadline = None
        if self.deadline is not None:
            deadline = asyncio.get_running_loop().time() + self.deadline - time.time()
        # The worker has just looked, or the triggerer has just started with all its triggers at once: spread the looks
        first_in = self.poke_interval * random.random()  # noqa: S311 - no secret
        async with poller(self.aksk_conn_id) as shared:
            parts = condition.parts(shared.transport.config)
            while True:
                results = await wait_for(
                    shared,
                    parts,
                    any_of=condition.any_of,
                    interval=self.interval,
                    deadline=deadline,
                    keep_going=self.keep_going,
                    first_in=first_in,
                )
                if self.rejected is None or digest(results) != self.rejected:
                    return results
                first_in = jittered(self.poke_interval)

    def interval(self, looks: int) -> float:
        """Return the seconds until the next look, given how many there were."""
        seconds = self.poke_interval * 2 ** min(looks - 1, 30) if self.backoff else self.poke_interval
        return seconds if self.max_wait is None else min(seconds, self.max_wait)


def digest(results: Sequence[Any]) -> str:
    """Return a short text that stands for results."""
    return blake2b(json.dumps(results, sort_keys=True).encode(), digest_size=16).hexdigest()
