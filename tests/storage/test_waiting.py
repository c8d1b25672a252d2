"""What is listed for a pattern, and how much memory a very long listing takes."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timezone

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.async_transport import AsyncTransport
from aksk_provider.storage.config import StoreConfig, resolve
from aksk_provider.storage.credentials import static
from aksk_provider.storage.waiting.conditions import Keys, Prefix, Unchanged, from_plain, to_plain
from aksk_provider.storage.waiting.once import look_at
from aksk_provider.storage.waiting.patterns import expression, wildcard
from aksk_provider.storage.waiting.polling import Poller, wait_for
from tests.support.processes import REPOSITORY

MILLION = 1_000_000


@pytest.mark.parametrize(
    ("pattern", "start"),
    [
        (r"in/2026-\d+\.csv", "in/2026-"),
        (r"^in/part\.csv", "in/part.csv"),
        (r"in/parts?", "in/part"),
        (r"in/a{2}", "in/"),
        (r"in/(a|b)", "in/"),
        (r"in/a|out/b", ""),
        (r"in/[|]", "in/"),
        (r"in/\|x", "in/|x"),
        (r"in/[](]|out/b", ""),
        (r"in/[^])](|)", "in/"),
        (r"(?i)in/a", ""),
        (r"in/\d", "in/"),
        ("年/月", "年/月"),
    ],
)
def test_only_the_literal_start_of_an_expression_is_listed(pattern: str, start: str) -> None:
    assert expression(pattern)[0] == start


@pytest.mark.filterwarnings("ignore::FutureWarning")
@given(st.text("ab|.*+?()[]\\^${}0", max_size=8), st.text("ab|.0", max_size=6))
def test_what_an_expression_matches_starts_with_what_is_listed(pattern: str, key: str) -> None:
    try:
        start, matches = expression(pattern)
    except InvalidRequestError:
        return
    if re.fullmatch(pattern, key):
        assert matches(key)
        assert key.startswith(start)


@given(st.text("ab*?[]!-", max_size=8), st.text("ab*?[", max_size=6))
def test_what_a_wildcard_matches_starts_with_what_is_listed(pattern: str, key: str) -> None:
    start, matches = wildcard(pattern + "*")
    assert not matches(key) or key.startswith(start)


def test_conditions_are_plain_data() -> None:
    for condition in (
        Keys(["a", "b*"], min_size=1, newer_than="2026-01-01"),
        Prefix("a/", marker="x"),
        Unchanged("a/"),
    ):
        assert from_plain(to_plain(condition)) == condition


@pytest.fixture(scope="module")
def million() -> Iterator[StoreConfig]:
    """A store with a million keys under one prefix."""
    command = [sys.executable, "-m", "tests.benchmarks.waiting_server", str(MILLION)]
    server = subprocess.Popen(command, cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdout
    yield resolve(
        vendor="oss",
        credentials=static(Credentials("ak", "sk")),
        endpoint=f"http://127.0.0.1:{server.stdout.readline().strip()}",
        region="cn-hangzhou",
        bucket="waiting",
    )
    server.communicate("")


@pytest.mark.slow
def test_a_million_keys_are_matched_in_constant_memory(million: StoreConfig) -> None:
    """Fails when a look keeps what does not match; the loop runs on meanwhile."""
    condition = Keys(["data/*77777.csv", "data/000000001.csv*"])
    late: list[float] = []
    process = psutil.Process()
    resident = [process.memory_info().rss]

    async def watch() -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + 0.02
            await asyncio.sleep(0.02)
            late.append(loop.time() - due)
            resident.append(process.memory_info().rss)

    async def wait() -> list[int]:
        poller = Poller(AsyncTransport(million, lambda: datetime.now(timezone.utc)))
        watching = asyncio.ensure_future(watch())
        first = condition.parts(million)[:1]
        results = await wait_for(poller, first, any_of=False, interval=lambda _: 60.0)
        assert poller.requests == MILLION // 1000
        watching.cancel()
        await poller.aclose()
        return [len(found) for found in results]

    assert asyncio.run(wait()) == [10]
    assert max(resident) - resident[0] < 25e6, "a million kept would be 400 MB"
    assert sorted(late)[int(len(late) * 0.9)] < 1


@pytest.mark.slow
def test_enough_is_enough(million: StoreConfig) -> None:
    """Fails when a sensor pages through a million keys to find one."""
    with ObjectStore(million) as store:
        sent: list[object] = []
        send = store.transport._send_as
        store.transport._send_as = lambda *given: (sent.append(given), send(*given))[1]  # type: ignore[method-assign]
        (result,) = look_at(store, Prefix("data/", min_objects=1500).parts(million)) or ()
        assert (len(sent), result["count"]) == (2, 2000)
