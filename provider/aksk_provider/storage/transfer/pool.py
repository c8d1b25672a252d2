"""Work at the same time: a bounded pool over many files, and lanes that open where the network is what limits."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from typing import TypeVar

#: share of the time in which the lanes together compute, from which another one is taken to gain nothing
BUSY = 0.5

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(workers: int, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of all items in their order.

    Each thread takes its next item from one queue: a future for each costs as much as moving a small file.

    :raises Exception: the first failure, once the running items have ended; items not begun are not begun
    """
    waiting = deque(enumerate(items))
    results: dict[int, Result] = {}

    def work_off() -> None:
        try:
            for number, item in taken(waiting.popleft):
                results[number] = work(item)
        except BaseException:
            waiting.clear()
            raise

    workers = max(1, min(workers, len(waiting)))
    with ThreadPoolExecutor(workers, thread_name_prefix="aksk-transfer") as pool:
        futures = [pool.submit(copy_context().run, work_off) for _ in range(workers)]
        try:
            wait(futures)
        except BaseException:  # a signal
            waiting.clear()
            raise
    for future in futures:
        future.result()
    return [results[number] for number in sorted(results)]


def taken(take: Callable[[], Item]) -> Iterator[Item]:
    """Yield what is taken from a deque that several threads take from, until it is empty."""
    while True:
        try:
            item = take()
        except IndexError:
            return
        yield item


def in_lanes(limit: int, scheme: str, lane: Callable[[int], Iterator[object]], cancelled: threading.Event) -> None:
    """Drive one lane in a thread, and more of them while all together wait for the network more than they compute.

    A stream that keeps a processor busy with copying gains nothing from a second one beside it; one that waits does,
    and one that decrypts does where another processor is.

    :param limit: lanes at most
    :param scheme: ``https`` or ``http``
    :param lane: makes the lane of a number, from 0; it takes its work from what the lanes share and yields after
        each piece of it
    :param cancelled: is set when a signal ends the wait for the lanes, so that they end at once
    :raises Exception: the first failure; the other lanes end after the piece they are at
    """
    gainful = (os.cpu_count() or 1) if scheme == "https" else 1
    failed = threading.Event()
    lock = threading.Lock()
    futures: list[Future[None]] = []
    with ThreadPoolExecutor(max_workers=max(1, limit), thread_name_prefix="aksk-transfer") as pool:

        def drive(number: int) -> None:
            began, computed = time.monotonic(), time.thread_time()
            try:
                for _ in lane(number):
                    if failed.is_set():
                        return
                    elapsed, used = time.monotonic() - began, time.thread_time() - computed
                    if len(futures) < gainful or used * len(futures) < elapsed * BUSY:
                        open_lane()
                    began, computed = began + elapsed, computed + used
            except BaseException:
                failed.set()
                raise

        def open_lane() -> None:
            with lock:
                if len(futures) < max(1, limit) and not failed.is_set():
                    futures.append(pool.submit(copy_context().run, drive, len(futures)))

        open_lane()
        try:
            while waiting := [future for future in futures if not future.done()]:
                wait(waiting)
        except BaseException:
            cancelled.set()
            raise
    for future in futures:
        future.result()
