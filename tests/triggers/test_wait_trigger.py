"""The trigger by itself: what it stores, what it says, what it shares, and that it cleans up."""

from __future__ import annotations

import asyncio
import gc
import json
import pkgutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aksk_provider import errors
from aksk_provider.emulator import Emulator
from aksk_provider.emulator.faults import Fault, Reset, Status
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.storage import exchange
from aksk_provider.storage.async_transport import AsyncTransport
from aksk_provider.storage.waiting import polling
from aksk_provider.storage.waiting.conditions import Keys, Prefix, Unchanged, to_plain
from aksk_provider.triggers import connections, failures
from aksk_provider.triggers.waiting import WaitTrigger
from tests.support.airflow_versions import deserialize, serialize
from tests.support.clouds import Cloud

Put = Callable[..., str]
Condition = Keys | Prefix | Unchanged


def trigger(*keys: str, **options: Any) -> WaitTrigger:
    names = ("poke_interval", "deadline", "backoff", "max_wait", "keep_going", "rejected", "not_before")
    given = {"poke_interval": 0.05} | {name: options.pop(name) for name in names if name in options}
    return waiting(Keys(keys, **options), **given)


def waiting(condition: Condition, **options: Any) -> WaitTrigger:
    return WaitTrigger(condition=to_plain(condition), aksk_conn_id="aksk_default", **options)


async def event(made: WaitTrigger) -> Any:
    (only,) = [event.payload async for event in made.run()]
    return only


def fired(made: WaitTrigger) -> Any:
    return asyncio.run(event(made))


def found(made: WaitTrigger) -> list[str]:
    said = fired(made)
    assert said["status"] == "found", said
    return [info["key"] for objects in said["results"] for info in objects]


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was asked of the store, in words."""
    asked: list[str] = []
    send = AsyncTransport._send

    async def recording(self: AsyncTransport, credentials: Any, operation: Any, *rest: Any, **options: Any) -> Any:
        asked.append(f"{operation.method} {operation.key or dict(operation.params).get('prefix', '')}")
        return await send(self, credentials, operation, *rest, **options)

    monkeypatch.setattr(AsyncTransport, "_send", recording)
    return asked


def test_a_trigger_survives_storage_and_stores_no_secret(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud)
    made = trigger("a", "b*", bucket="bucket", newer_than="2026-01-01T00:00:00+00:00", deadline=1.5, rejected="x")
    path, arguments = made.serialize()
    stored = json.dumps(serialize(arguments))
    again = pkgutil.resolve_name(path)(**deserialize(json.loads(stored)))
    assert again.serialize() == (path, arguments)
    assert arguments["condition"]["keys"] == ["a", "b*"]
    assert any_cloud.account.secret_key not in stored


def test_it_fires_once_with_plain_data_when_everything_is_there(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud)
    with any_cloud.store() as store:
        store.put("triggers/there", b"x")
        info = store.head("triggers/there")
    said = fired(trigger("triggers/there", any_cloud.uri("triggers/ther?")))
    assert said["status"] == "found"
    assert said["results"][0] == [info.as_dict()]
    assert [objects[0]["key"] for objects in said["results"]] == ["triggers/there"] * 2
    assert deserialize(serialize(said)) == said


def test_it_looks_again_until_the_object_comes(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud)
    key = f"triggers/later-{any_cloud.vendor}-{any_cloud.temporary}"

    def put() -> None:
        with any_cloud.store() as store:
            store.put(key, b"x")

    later = threading.Timer(0.3, put)
    later.start()
    said = fired(trigger(key))
    later.join()
    assert said["results"][0][0]["uri"] == any_cloud.uri(key)


@pytest.mark.parametrize(
    ("changes", "bucket", "kind", "told"),
    [
        ({"password": "wrong-secret"}, None, errors.PermissionDeniedError, "SignatureDoesNotMatch"),
        ({}, "nosuchbucket-1250000000", errors.BucketNotFoundError, "NoSuchBucket"),
        (
            {"host": "http://127.0.0.1:1", "extra": {"max_attempts": 1}},
            None,
            errors.TransportError,
            "no complete answer from 127.0.0.1:1",
        ),
        ({"extra": {"vendor": "s3"}}, None, errors.ConnectionConfigError, "vendor must be one of bos, oss, cos"),
    ],
)
@pytest.mark.parametrize("key", ["key", "ke*"])
def test_an_error_is_an_event_with_its_class_and_the_vendors_words(
    changes: dict[str, Any],
    bucket: str | None,
    kind: type[errors.ObjectStorageError],
    told: str,
    key: str,
    any_cloud: Cloud,
    in_environment: Put,
) -> None:
    in_environment(any_cloud, **dict(changes))
    said = fired(trigger(key, bucket=bucket))
    assert said["status"] == "failed"
    assert deserialize(serialize(said)) == said
    raised = failures.from_plain(said["error"])
    assert type(raised) is kind
    assert told in str(raised)
    assert "wrong-secret" not in str(said)


def test_its_own_deadline_ends_it(oss: Cloud, in_environment: Put) -> None:
    in_environment(oss)
    began = time.monotonic()
    assert fired(trigger("no/such/key", deadline=time.time() + 0.4, poke_interval=60))["status"] == "timed out"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("bucket", "key", "status"),
    [
        (None, "triggers/soon", "found"),
        (None, "no/such/key", "timed out"),
        ("nosuchbucket-1250000000", "key", "failed"),
    ],
)
def test_however_it_ends_it_fires_no_sooner_than_told(
    bucket: str | None, key: str, status: str, oss: Cloud, in_environment: Put
) -> None:
    in_environment(oss)
    with oss.store() as store:
        store.put("triggers/soon", b"x")
    now = time.time()
    said = fired(trigger(key, bucket=bucket, deadline=now + 0.2, not_before=now + 1))
    assert said["status"] == status
    assert time.time() >= now + 1


def test_many_triggers_with_one_look_ask_no_more_than_one(oss: Cloud, in_environment: Put, sent: list[str]) -> None:
    in_environment(oss)

    async def wait(count: int) -> tuple[int, float]:
        sent.clear()
        began = time.monotonic()
        patterns = [f"triggers/shared/*.{number}" for number in range(count)]
        options = {"deadline": time.time() + 1.5, "poke_interval": 0.2}
        said = await asyncio.gather(*(event(trigger(pattern, **options)) for pattern in patterns))
        assert {one["status"] for one in said} == {"timed out"}
        return len(sent), time.monotonic() - began

    for count in (1, 200):
        looks, seconds = asyncio.run(wait(count))
        # those that wait begin within the first interval, at its ticks; from then on they are answered together
        assert 3 < looks <= 0.2 / polling._TICK + 1 + seconds / (0.2 * 0.9)


def test_one_page_answers_all_who_wait_for_its_prefix(oss: Cloud, in_environment: Put, sent: list[str]) -> None:
    in_environment(oss)
    with oss.store() as store:
        for name in "abc":
            store.put(f"triggers/page/{name}", name.encode())

    async def wait() -> list[Any]:
        async with connections.poller("aksk_default"):  # so that it lives as long as all of them
            return await asyncio.gather(*(event(trigger(f"triggers/page/[{name}]")) for name in "abc"))

    said = asyncio.run(wait())
    assert [one["results"][0][0]["key"][-1] for one in said] == ["a", "b", "c"]
    assert len(sent) <= 3


def test_the_connection_is_read_once_for_all(oss: Cloud, in_environment: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    in_environment(oss)
    read: list[str] = []
    original = ObjectStorageHook.get_connection

    def reading(conn_id: str) -> Any:
        read.append(conn_id)
        return original(conn_id)

    monkeypatch.setattr(ObjectStorageHook, "get_connection", reading)

    async def wait() -> None:
        soon = time.time() + 0.5
        await asyncio.gather(*(event(trigger(f"no/{number}", deadline=soon)) for number in range(50)))

    asyncio.run(wait())
    assert read == ["aksk_default"]


def test_a_cancelled_trigger_leaves_nothing_behind(
    oss: Cloud, in_environment: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(oss)
    closed: list[AsyncTransport] = []
    aclose = AsyncTransport.aclose

    async def closing(self: AsyncTransport) -> None:
        closed.append(self)
        await aclose(self)

    monkeypatch.setattr(AsyncTransport, "aclose", closing)

    async def cancel() -> None:
        running = [asyncio.ensure_future(anext(trigger("no/such/key", f"no/{n}*", any_of=True).run())) for n in "ab"]
        await asyncio.sleep(0.5)
        running[0].cancel()
        await asyncio.gather(running[0], return_exceptions=True)
        assert closed == [], "somebody still waits with it"
        running[1].cancel()
        await asyncio.gather(running[1], return_exceptions=True)
        assert len(closed) == 1
        state = connections._LOOPS[asyncio.get_running_loop()]
        assert state.shared == {}
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancel())
    gc.collect()


@pytest.fixture
def faults(emulator: Emulator) -> Iterator[Any]:
    yield emulator.faults
    emulator.faults.clear()


@pytest.mark.parametrize("effect", [Status(503), Status(429), Status(500), Reset()], ids=str)
def test_failures_that_may_pass_are_repeated_and_counted(
    oss: Cloud, in_environment: Put, faults: Any, effect: Any
) -> None:
    in_environment(oss, extra={"max_attempts": 4})
    with oss.store() as store:
        store.put("triggers/flaky", b"x")
    faults.add(Fault(effect, times=2))

    async def wait() -> int:
        async with connections.poller("aksk_default") as poller:
            said = await event(trigger("triggers/flaky"))
            assert said["status"] == "found"
            return poller.transport.repeated

    # aiohttp itself repeats once what broke off on a connection that had served before
    assert asyncio.run(wait()) in ((1, 2) if effect == Reset() else (2,))


def test_rotated_credentials_are_picked_up_while_waiting(
    oss: Cloud, in_environment: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(oss)
    read: list[str] = []
    original = ObjectStorageHook.get_connection

    def reading(conn_id: str) -> Any:
        read.append(conn_id)
        return original(conn_id)

    monkeypatch.setattr(ObjectStorageHook, "get_connection", reading)
    account = oss.account
    fresh = type(account)("AKROTATED", "SKROTATED")

    async def rotate() -> list[Any]:
        waits = [asyncio.ensure_future(event(trigger(f"triggers/rotated-{n}"))) for n in range(20)]
        await asyncio.sleep(0.4)
        del oss.emulator.accounts[account.access_key]
        oss.emulator.accounts[fresh.access_key] = fresh
        in_environment(oss, login=fresh.access_key, password=fresh.secret_key)
        await asyncio.sleep(0.6)
        oss.emulator.accounts[account.access_key] = account
        with oss.store() as store:
            for number in range(20):
                store.put(f"triggers/rotated-{number}", b"x")
        return await asyncio.gather(*waits)

    try:
        said = asyncio.run(rotate())
    finally:
        oss.emulator.accounts[account.access_key] = account
        oss.emulator.accounts.pop(fresh.access_key, None)
    assert {one["status"] for one in said} == {"found"}
    assert len(read) == 2, "once to begin and once for all that were refused"


@pytest.mark.parametrize(
    ("key", "status", "code"),
    [
        ("no/such/key", 403, "AccessDenied"),
        ("no/such/*", 403, "AccessDenied"),
        ("no/such/key", 404, "NoSuchBucket"),
        ("no/such/*", 404, "NoSuchBucket"),
    ],
)
def test_a_refusal_after_an_hour_of_absence_fails_at_once(
    key: str,
    status: int,
    code: str,
    any_cloud: Cloud,
    in_environment: Put,
    faults: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every look is a minute for the part that remembers for ten minutes that the bucket is there."""
    in_environment(any_cloud)
    minutes = iter(range(10**6))
    monkeypatch.setattr(exchange, "monotonic", lambda: next(minutes) * 60)

    async def wait() -> Any:
        async with connections.poller("aksk_default") as poller:
            running = asyncio.ensure_future(event(trigger(key, poke_interval=0.01)))
            while poller.requests < 60:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert not running.done(), "absent for an hour"
            faults.add(Fault(Status(status, code)))
            return await asyncio.wait_for(running, 20)

    said = asyncio.run(wait())
    assert said["status"] == "failed"
    assert said["error"]["fields"]["code"] == code


@pytest.mark.parametrize(
    ("options", "looks", "seconds"),
    [
        ({}, [1, 2, 3], [10, 10, 10]),
        ({"backoff": True}, [1, 2, 3, 4], [10, 20, 40, 80]),
        ({"backoff": True, "max_wait": 25}, [1, 2, 3, 99], [10, 20, 25, 25]),
    ],
)
def test_intervals_grow_as_the_sensors_options_say(
    options: dict[str, Any], looks: list[int], seconds: list[float]
) -> None:
    made = trigger("key", poke_interval=10, **options)
    assert [made.interval(count) for count in looks] == seconds
