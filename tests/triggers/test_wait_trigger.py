"""The trigger by itself: what it stores, what it says, and that it leaves the event loop free."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk._shared.module_loading import import_string
from airflow.sdk.serde import deserialize, serialize

from aksk_provider.storage.store import ObjectStore
from aksk_provider.triggers import object_key
from aksk_provider.triggers.object_key import ObjectKeyTrigger
from tests.support.clouds import Cloud

Put = Callable[..., str]


def trigger(*keys: str, bucket: str | None = None) -> ObjectKeyTrigger:
    return ObjectKeyTrigger(keys=keys, bucket=bucket, aksk_conn_id="aksk_default", poke_interval=0.05)


def events(made: ObjectKeyTrigger) -> list[Any]:
    async def collect() -> list[Any]:
        return [event.payload async for event in made.run()]

    return asyncio.run(collect())


def test_a_trigger_survives_storage_and_stores_no_secret(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud)
    made = trigger("a", "b*", bucket="bucket")
    path, arguments = made.serialize()
    stored = json.dumps(serialize(arguments))
    again = import_string(path)(**deserialize(json.loads(stored)))
    assert again.serialize() == (path, arguments)
    assert arguments == {"keys": ["a", "b*"], "bucket": "bucket", "aksk_conn_id": "aksk_default", "poke_interval": 0.05}
    assert any_cloud.account.secret_key not in stored


def test_it_fires_once_with_plain_data_when_everything_is_there(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud)
    with any_cloud.store() as store:
        store.put("triggers/there", b"x")
        info = store.head("triggers/there")
    (event,) = events(trigger("triggers/there", any_cloud.uri("triggers/ther?")))
    assert event["status"] == "found"
    assert event["objects"][0] == info.as_dict()
    assert [found["key"] for found in event["objects"]] == ["triggers/there"] * 2
    assert deserialize(serialize(event)) == event


def test_it_looks_again_until_the_object_comes(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud)
    key = f"triggers/later-{any_cloud.vendor}-{any_cloud.temporary}"

    def put() -> None:
        with any_cloud.store() as store:
            store.put(key, b"x")

    later = threading.Timer(0.3, put)
    later.start()
    (event,) = events(trigger(key))
    later.join()
    assert event["objects"][0]["uri"] == any_cloud.uri(key)


@pytest.mark.parametrize(
    ("changes", "bucket", "told"),
    [
        ({"password": "wrong-secret"}, None, "SignatureDoesNotMatch"),
        ({}, "nosuchbucket-1250000000", "NoSuchBucket"),
        ({"host": "http://127.0.0.1:1", "extra": {"max_attempts": 1}}, None, "no complete answer"),
        ({"extra": {"vendor": "s3"}}, None, "connection aksk_default: extra vendor must be one of bos, oss, cos"),
    ],
)
def test_an_error_is_an_event_with_the_vendors_words(
    changes: dict[str, Any], bucket: str | None, told: str, any_cloud: Cloud, in_environment: Put
) -> None:
    in_environment(any_cloud, **dict(changes))
    (event,) = events(trigger("key", bucket=bucket))
    assert event["status"] == "failed"
    assert told in event["message"]
    assert "wrong-secret" not in event["message"]


def test_looking_does_not_block_the_event_loop(
    oss: Cloud, in_environment: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_environment(oss)

    def slow(*_: object) -> list[Any]:
        time.sleep(0.5)
        return []

    monkeypatch.setattr(object_key, "find_all", slow)

    async def beats_meanwhile() -> int:
        beats, running = 0, asyncio.ensure_future(anext(trigger("key").run()))
        while not running.done():
            await asyncio.sleep(0.01)
            beats += 1
        return beats

    assert asyncio.run(beats_meanwhile()) > 20


def test_a_cancelled_trigger_closes_its_store(oss: Cloud, in_environment: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    in_environment(oss)
    closed: list[ObjectStore] = []
    close = ObjectStore.close
    monkeypatch.setattr(ObjectStore, "close", lambda store: (closed.append(store), close(store)))

    async def cancel() -> None:
        running = asyncio.ensure_future(anext(trigger("no/such/key").run()))
        await asyncio.sleep(0.3)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(cancel())
    assert len(closed) == 1
