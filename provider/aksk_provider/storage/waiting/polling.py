"""Looks again and again for many who wait, in one event loop: what several wait for is looked at once for all."""

from __future__ import annotations

import asyncio
import logging
import math
import random
from collections.abc import Callable, Sequence
from typing import Any

from aksk_provider.errors import BucketNotFoundError, NotFoundError, ObjectStorageError
from aksk_provider.storage.async_transport import CONNECTIONS, AsyncTransport, Kept
from aksk_provider.storage.waiting.conditions import Part
from aksk_provider.storage.waiting.looks import Answer, Look

log = logging.getLogger(__name__)
_JITTER = 0.1
_SLICE = 0.005
#: looks begin at multiples of so many seconds, since waking the event loop for each costs as much as half a look
_TICK = 0.05


class Waiter:
    """Somebody who waits for a part.

    :param part: what must hold
    :param interval: returns the seconds until the next look, given how many there were
    :param deadline: event loop time at which the wait ends with :class:`TimeoutError`
    :param keep_going: log failures instead of ending the wait with them
    """

    __slots__ = ("due", "future", "interval", "keep_going", "looks", "part", "timer")

    def __init__(
        self, part: Part, interval: Callable[[int], float], deadline: float | None, keep_going: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        self.part = part
        self.interval = interval
        self.keep_going = keep_going
        self.looks = 0
        self.due = 0.0
        self.future: asyncio.Future[Any] = loop.create_future()
        self.timer = None if deadline is None else loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        if not self.future.done():
            self.future.set_exception(TimeoutError())

    def fail(self, error: Exception) -> None:
        """End the wait with an error, or log it."""
        if self.keep_going:
            log.error("looking failed, and will be tried again: %s", error)
        elif not self.future.done():
            self.future.set_exception(error)


class Poller:
    """Looks for all who wait for something behind one connection.

    Each look has one poll, whose times are those of the most impatient of its waiters. At most as many looks are under
    way as there are connections; the others queue, so a slow store is not asked more often than it answers.
    """

    def __init__(self, transport: AsyncTransport) -> None:
        self.transport = transport
        self.requests = 0
        self._polls: dict[Look, Poll] = {}
        self._queue: asyncio.Queue[Poll] = asyncio.Queue()
        self._workers: list[asyncio.Task[None]] = []
        self._idle = 0

    async def wait(self, waiter: Waiter, first_in: float = 0.0) -> Any:
        """Return the result of a part as soon as a look satisfies it.

        :param first_in: seconds until the first look
        :raises ObjectStorageError: looking failed in a way that will not pass
        :raises TimeoutError: the deadline passed
        """
        poll = self._polls.get(waiter.part.look)
        if poll is None:
            poll = self._polls[waiter.part.look] = Poll(self, waiter.part.look)
        poll.join(waiter, first_in)
        try:
            return await waiter.future
        finally:
            if waiter.timer:
                waiter.timer.cancel()
            if poll.leave(waiter):
                del self._polls[poll.look]

    def enqueue(self, poll: Poll) -> None:
        """Look as soon as a connection is free."""
        self._queue.put_nowait(poll)
        if self._queue.qsize() > self._idle and len(self._workers) < CONNECTIONS:
            self._workers.append(asyncio.get_running_loop().create_task(self._work()))

    async def aclose(self) -> None:
        """Stop looking and close the connections."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        self._workers.clear()
        await self.transport.aclose()

    async def _work(self) -> None:
        while True:
            self._idle += 1
            try:
                poll = await self._queue.get()
            finally:
                self._idle -= 1
            await poll.look_now()


class Poll:
    """One look, repeated for its waiters."""

    __slots__ = ("_busy", "_due", "_kept", "_poller", "_timer", "_waiters", "look")

    def __init__(self, poller: Poller, look: Look) -> None:
        self.look = look
        self._poller = poller
        self._waiters: set[Waiter] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._busy = False
        self._kept = Kept()

    def join(self, waiter: Waiter, first_in: float) -> None:
        """Look for one more."""
        waiter.due = asyncio.get_running_loop().time() + first_in
        self._waiters.add(waiter)
        self._schedule(waiter.due)

    def leave(self, waiter: Waiter) -> bool:
        """Forget a waiter, and tell whether it was the last one."""
        self._waiters.discard(waiter)
        if not self._waiters and self._timer:
            self._timer.cancel()
            self._timer = None
        return not self._waiters

    def _schedule(self, due: float) -> None:
        if self._busy or (self._timer and self._due <= due):
            return
        if self._timer:
            self._timer.cancel()
        due = math.ceil(due / _TICK) * _TICK
        self._due = due
        self._timer = asyncio.get_running_loop().call_at(due, self._fire)

    def _fire(self) -> None:
        self._timer, self._busy = None, True
        self._poller.enqueue(self)

    async def look_now(self) -> None:
        """Look, answer all who waited when it began, and plan the next look."""
        asked = tuple(self._waiters)
        try:
            if asked:
                await self._look(asked)
        except ObjectStorageError as error:
            for waiter in asked:
                waiter.fail(error)
        except Exception as error:  # a worker must live on, and nobody may wait for an answer that never comes
            log.exception("looking at %s failed", self.look)
            for waiter in asked:
                waiter.fail(error)
        finally:
            self._busy = False
        now = asyncio.get_running_loop().time()
        for waiter in asked:
            if waiter in self._waiters and not waiter.future.done():
                waiter.looks += 1
                waiter.due = now + jittered(waiter.interval(waiter.looks))
        if self._waiters:
            self._schedule(min(waiter.due for waiter in self._waiters))

    async def _look(self, asked: Sequence[Waiter]) -> None:
        vendor, page = self._poller.transport.config.vendor, None
        for waiter in asked:
            waiter.part.begin()
        curious = asked
        while True:
            answer = await self._ask(vendor, page)
            if answer is None:
                return
            curious = await self._hand_out(answer, curious)
            page = answer.next_page
            if page is None or not curious:
                break
        for waiter in asked:
            self._conclude(waiter, answer)

    async def _ask(self, vendor: Any, page: str | None) -> Answer | None:
        self._poller.requests += 1
        try:
            kept = self._kept if page is None else None
            said = await self._poller.transport.read(self.look.operation(vendor, page), kept)
        except BucketNotFoundError:
            raise
        except NotFoundError:
            return None
        return None if said is None else self.look.answer(vendor, page, *said)

    @staticmethod
    async def _hand_out(answer: Answer, asked: Sequence[Waiter]) -> tuple[Waiter, ...]:
        """Show a page to those who wait, and return who needs the next one; lets the event loop run in between."""
        loop = asyncio.get_running_loop()
        curious, since = [], loop.time()
        for waiter in asked:
            if waiter.future.done():
                continue
            try:
                if not waiter.part.add(answer.objects):
                    curious.append(waiter)
            except ObjectStorageError as error:
                waiter.fail(error)
            if loop.time() - since > _SLICE:
                await asyncio.sleep(0)
                since = loop.time()
        return tuple(curious)

    @staticmethod
    def _conclude(waiter: Waiter, answer: Answer) -> None:
        if waiter.future.done():
            return
        try:
            result = waiter.part.end(answer.at)
        except ObjectStorageError as error:
            waiter.fail(error)
        else:
            if result is not None:
                waiter.future.set_result(result)


def jittered(seconds: float) -> float:
    """Return about so many seconds, so that those who began together do not stay together."""
    return seconds * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - no secret


async def wait_for(
    poller: Poller,
    parts: Sequence[Part],
    *,
    any_of: bool,
    interval: Callable[[int], float],
    deadline: float | None = None,
    keep_going: bool = False,
    first_in: float = 0.0,
) -> list[Any]:
    """Return the results of the parts, with ``any_of`` that of the first satisfied one.

    All parts are waited for one after the other, so one is looked at at a time; when that took more than one look at
    any of them they are all looked at once more, since what was there first may be gone.
    """
    if any_of and len(parts) > 1:
        return [await _first_of(poller, parts, interval, deadline, keep_going, first_in)]
    while True:
        results, looks = [], 0
        for part in parts:
            waiter = Waiter(part, interval, deadline, keep_going)
            results.append(await poller.wait(waiter, first_in))
            looks, first_in = max(looks, waiter.looks), 0.0
        if not looks or len(parts) == 1:
            return results


async def _first_of(
    poller: Poller,
    parts: Sequence[Part],
    interval: Callable[[int], float],
    deadline: float | None,
    keep_going: bool,
    first_in: float,
) -> Any:
    waits = [
        asyncio.ensure_future(poller.wait(Waiter(part, interval, deadline, keep_going), first_in)) for part in parts
    ]
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return next(wait for wait in waits if wait in done).result()
    finally:
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
