"""Lanes open where the network is what limits, and only there."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator

import pytest

from aksk_provider.storage.transfer.pool import in_lanes, in_parallel, taken


def lanes_of(limit: int, pieces: int, scheme: str = "https") -> tuple[set[int], list[int]]:
    """Return which lanes did pieces of work, and the pieces they did."""
    waiting, done, lanes = deque(range(pieces)), [], set()

    def lane(number: int) -> Iterator[None]:
        for piece in taken(waiting.popleft):
            time.sleep(0.01)
            done.append(piece)
            lanes.add(number)
            yield

    in_lanes(limit, scheme, lane, threading.Event())
    return lanes, sorted(done)


def test_lanes_that_wait_get_company_up_to_the_limit() -> None:
    assert lanes_of(4, 40) == ({0, 1, 2, 3}, list(range(40)))


@pytest.mark.parametrize(
    ("processors", "scheme", "lanes"), [(1, "https", 1), (2, "https", 2), (16, "https", 4), (16, "http", 1)]
)
def test_lanes_that_compute_get_company_only_to_decrypt_on_other_processors(
    processors: int, scheme: str, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aksk_provider.storage.transfer.pool.os.cpu_count", lambda: processors)
    monkeypatch.setattr("aksk_provider.storage.transfer.pool.time.thread_time", time.monotonic)
    assert lanes_of(4, 40, scheme) == (set(range(lanes)), list(range(40)))


def test_results_of_work_done_at_once_are_in_order() -> None:
    together = threading.Barrier(3, timeout=10)

    def work(number: int) -> int:
        together.wait()
        time.sleep(0.01 * (number % 3))
        return number * 2

    assert in_parallel(3, work, range(12)) == list(range(0, 24, 2))
    assert in_parallel(3, work, []) == []


def test_what_is_not_begun_when_work_fails_is_not_begun() -> None:
    begun: list[int] = []

    def work(number: int) -> None:
        begun.append(number)
        if number == 3:
            raise OSError("broken")
        time.sleep(0.01)

    with pytest.raises(OSError, match="broken"):
        in_parallel(2, work, range(1000))
    assert len(begun) < 10


def test_one_failure_ends_all_lanes_and_is_raised() -> None:
    waiting, begun = deque(range(1000)), threading.Barrier(2, timeout=10)

    def lane(number: int) -> Iterator[None]:
        for piece in taken(waiting.popleft):
            if piece == 0:
                time.sleep(0.01)
            else:
                begun.wait() if piece in (1, 2) else time.sleep(0.01)
                if number == 1:
                    raise OSError("broken")
            yield

    with pytest.raises(OSError, match="broken"):
        in_lanes(2, "http", lane, threading.Event())
    assert len(waiting) > 900


def test_a_signal_while_waiting_for_lanes_cancels_them(monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()

    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("aksk_provider.storage.transfer.pool.wait", interrupted)

    def lane(_: int) -> Iterator[None]:
        assert cancelled.wait(30)
        yield

    with pytest.raises(KeyboardInterrupt):
        in_lanes(2, "http", lane, cancelled)
