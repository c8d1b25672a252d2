"""Events of new objects: each once, none of what was there, remembered over restarts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk import AssetWatcher

from aksk_provider.emulator import Emulator
from aksk_provider.emulator.faults import Fault, Status
from aksk_provider.storage import ObjectInfo
from aksk_provider.storage.waiting.watermark import Watermark
from aksk_provider.triggers import memory, object_events
from aksk_provider.triggers.memory import AssetStateMemory
from aksk_provider.triggers.object_events import ObjectEventTrigger
from tests.support.airflow_versions import deserialize, serialize
from tests.support.clouds import Cloud

Put = Callable[..., str]


class OneAsset:
    """What Airflow's accessor of one asset does, in memory."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}

    async def aget(self, key: str, default: Any = None) -> Any:
        return self.values.get(key, default)

    async def aset(self, key: str, value: Any) -> None:
        self.values[key] = value


class Assets:
    def __init__(self, count: int = 1) -> None:
        self._by_name = {str(number): OneAsset() for number in range(count)}
        self._by_uri: Mapping[str, OneAsset] = {}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_events, "_HANDED_OVER_AFTER", 0.0)


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    vendor = request.node.callspec.params["cloud"] if "cloud" in request.fixturenames else "oss"
    return f"events/{request.node.originalname}-{vendor}/"


async def collect(
    assets: Assets | None, expected: int, then: Callable[[], None] = lambda: None, **arguments: Any
) -> list[dict[str, Any]]:
    """Run a new trigger, as after a start of the triggerer, until it told so much and a little longer.

    :param then: done when the first look is over
    """
    trigger = ObjectEventTrigger(**{"poke_interval": 0.1, **arguments})
    trigger.asset_state_store = assets
    told: list[dict[str, Any]] = []
    looked = asyncio.Event()
    save = memory.AssetStateMemory.save if assets else memory.VariableMemory.save

    async def listen() -> None:
        async for event in trigger.run():
            assert deserialize(serialize(event.payload)) == event.payload
            told.append(event.payload)

    async def saving(*arguments: Any) -> None:
        await save(*arguments)  # type: ignore[arg-type]
        looked.set()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(memory.AssetStateMemory if assets else memory.VariableMemory, "save", saving)
        listening = asyncio.ensure_future(listen())
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(looked.wait(), 20 if then.__name__ == "write" else 1)
        await asyncio.to_thread(then)
        for _ in range(100):
            if listening.done() or len(told) >= expected:
                break
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.8)
    if listening.done():
        listening.result()
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    return told


def put(cloud: Cloud, prefix: str, **contents: bytes) -> Callable[[], None]:
    def write() -> None:
        with cloud.store() as store:
            for name, body in contents.items():
                store.put(prefix + name, body)

    return write


def test_each_key_and_etag_is_told_once_over_restarts(cloud: Cloud, in_environment: Put, prefix: str) -> None:
    in_environment(cloud)
    put(cloud, prefix, old=b"x")()
    assets, watched = Assets(2), {"prefix": cloud.uri(prefix)}

    async def story() -> None:
        first = await collect(assets, 2, put(cloud, prefix, a=b"1", b=b"22"), **watched)
        assert sorted((told["key"].removeprefix(prefix), told["size"]) for told in first) == [("a", 1), ("b", 2)]
        assert set(first[0]) >= {"uri", "bucket", "key", "size", "etag", "last_modified"}
        assert await collect(assets, 0, **watched) == [], "a restart tells nothing again"
        put(cloud, prefix, c=b"3")()
        assert [told["key"][-1] for told in await collect(assets, 1, **watched)] == ["c"], "nor misses anything"
        both = put(cloud, prefix, a=b"1", b=b"new")
        again = await collect(assets, 1, both, **watched)
        assert [told["key"][-1] for told in again] == ["b"], "the same content is the same ETag"

    asyncio.run(story())
    first, second = assets._by_name.values()
    assert first.values == second.values != {}


def test_what_was_there_is_told_when_it_is_asked_for(oss: Cloud, in_environment: Put, prefix: str) -> None:
    in_environment(oss)
    put(oss, prefix, a=b"x", b=b"x")()
    (told, _) = asyncio.run(collect(Assets(), 2, prefix=prefix, existing=True))
    assert told["uri"] == oss.uri(f"{prefix}a")
    told = asyncio.run(collect(Assets(), 1, prefix=f"{prefix}[b]", existing=True))
    assert [one["key"] for one in told] == [f"{prefix}b"], "wildcards"


def test_an_object_is_told_when_it_was_left_alone(oss: Cloud, in_environment: Put, prefix: str) -> None:
    in_environment(oss)
    told = asyncio.run(collect(Assets(), 0, put(oss, prefix, a=b"x"), prefix=prefix, settle=60))
    assert told == []
    told = asyncio.run(collect(Assets(), 1, put(oss, prefix, b=b"x"), prefix=prefix, settle=1))
    assert [one["key"][-1] for one in told] == ["b"]


def test_a_watch_outlives_refusals(oss: Cloud, in_environment: Put, prefix: str, emulator: Emulator) -> None:
    in_environment(oss)
    emulator.faults.add(Fault(Status(403, "AccessDenied"), times=4))
    try:
        told = asyncio.run(collect(Assets(), 1, put(oss, prefix, a=b"x"), prefix=prefix))
    finally:
        emulator.faults.clear()
    assert [one["key"][-1] for one in told] == ["a"]


def test_airflow_before_3_3_remembers_in_a_variable(
    oss: Cloud, in_environment: Put, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(oss)
    kept: dict[str, str] = {}
    monkeypatch.setattr("airflow.sdk.Variable.get", lambda key, default: kept.get(key, default))
    monkeypatch.setattr("airflow.sdk.Variable.set", lambda key, value, description: kept.update({key: value}))

    async def story() -> None:
        assert len(await collect(None, 1, put(oss, prefix, a=b"1"), prefix=prefix)) == 1
        put(oss, prefix, b=b"1")()
        assert len(await collect(None, 1, prefix=prefix)) == 1

    asyncio.run(story())
    assert [name.startswith("aksk_objects_") for name in kept] == [True]


def test_it_is_a_trigger_for_a_watcher_and_stores_no_secret() -> None:
    trigger = ObjectEventTrigger("oss://bucket/in/", settle=5)
    assert AssetWatcher(name="incoming", trigger=trigger).trigger is trigger
    path, arguments = trigger.serialize()
    assert path == f"{ObjectEventTrigger.__module__}.ObjectEventTrigger"
    assert ObjectEventTrigger(**arguments).serialize() == (path, arguments)


def info(number: int, age: float = 0) -> ObjectInfo:
    modified = datetime(2026, 11, 20, tzinfo=timezone.utc) - timedelta(seconds=age)
    return ObjectInfo(f"oss://b/{number}", "oss", "b", str(number), 1, f"etag{number}", last_modified=modified)


def test_what_is_remembered_stays_small_and_nothing_is_told_twice() -> None:
    mark = Watermark(remember=1000)
    for number in range(5000):
        one = info(number, age=5000 - number)
        assert mark.is_new(one)
        mark.add([one])
        assert not mark.is_new(one)
    assert len(mark.known) <= 1000
    assert [number for number in range(5000) if mark.is_new(info(number, age=5000 - number))] == []
    again = Watermark.from_plain(mark.to_plain(), 1000)
    assert (again.floor, again.known) == (mark.floor, mark.known)
    assert len(str(Watermark.to_plain(mark))) < 16 * 1000


def test_a_late_object_with_an_earlier_time_is_new() -> None:
    mark = Watermark(1000)
    mark.begin_at(datetime(2026, 11, 20, tzinfo=timezone.utc))
    mark.add([info(1), info(2)])
    assert mark.is_new(info(3, age=3600)), "as a long upload in parts may leave it"
    assert not mark.is_new(info(4, age=2 * 86400)), "but not what is older than the watch by a day"


def test_the_memory_of_one_asset_is_enough() -> None:
    assets = Assets(2)
    asyncio.run(AssetStateMemory(assets, "name").save({"a": 1}))
    assets._by_name["0"].values.clear()
    assert asyncio.run(AssetStateMemory(assets, "name").load()) == {"a": 1}
