"""A bounded pool whose results come in order and whose first failure stops the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_parallel(workers: int, work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Return the results of all items in their order.

    :raises Exception: the first failure, once the running items have ended; items not begun are not begun
    """
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="aksk-transfer") as pool:
        futures = [pool.submit(work, item) for item in items]
        done, waiting = wait(futures, return_when=FIRST_EXCEPTION)
        for future in waiting:
            future.cancel()
        for future in done:
            if error := future.exception():
                raise error
    return [future.result() for future in futures]
