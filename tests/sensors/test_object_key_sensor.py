"""The sensor in real DAG runs: in a worker, rescheduled, and deferred to a trigger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk import DAG, TaskGroup

from aksk_provider.errors import BucketNotFoundError, InvalidRequestError, ObjectStorageError, PermissionDeniedError
from aksk_provider.sensors import ObjectKeySensor, base
from aksk_provider.triggers.waiting import WaitTrigger
from tests.support import dag_runs
from tests.support.airflow_versions import AirflowSensorTimeout, AirflowSkipException, TaskDeferred
from tests.support.clouds import Cloud
from tests.support.processes import python

Put = Callable[..., str]
MODES = {"poke": {}, "reschedule": {"mode": "reschedule"}, "deferrable": {"deferrable": True}}
KEYS = ("a 1.csv", "b+2.csv", "b3.txt", "sub/c.csv", "[x].csv", "年.csv")


@pytest.fixture(autouse=True)
def connection(request: pytest.FixtureRequest, in_database: Put) -> None:
    in_database(request.getfixturevalue("cloud" if "cloud" in request.fixturenames else "oss"))


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


@pytest.fixture
def triggers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of every trigger that was made."""
    made: list[dict[str, Any]] = []
    original = WaitTrigger.__init__

    def recording(self: WaitTrigger, **arguments: Any) -> None:
        made.append(arguments)
        original(self, **arguments)

    monkeypatch.setattr(WaitTrigger, "__init__", recording)
    return made


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix of this test's own, emptied afterwards."""
    cloud = request.getfixturevalue("cloud" if "cloud" in request.fixturenames else "oss")
    made = f"sensors/{request.node.originalname}/"
    yield made
    with cloud.store() as store:
        store.delete_many([info.key for info in store.list(made)])


def sense(**arguments: Any) -> dag_runs.RunResult:
    with DAG("sensing", schedule=None) as dag:
        ObjectKeySensor(task_id="one", **{"poke_interval": 0.2, "timeout": 60, **arguments})
    return dag_runs.run(dag)


def found(**arguments: Any) -> list[dict[str, Any]]:
    result = sense(**arguments)
    assert result.state == "success", result.errors
    return result.xcom("one")


def test_what_is_there_is_returned_as_plain_data(
    cloud: Cloud, prefix: str, mode: dict[str, Any], triggers: list[Any]
) -> None:
    with cloud.store() as store:
        store.put(f"{prefix}年 1", b"content", metadata={"a": "b"})
        info = store.head(f"{prefix}年 1")
    assert found(key=f"{prefix}年 1", **mode) == [info.as_dict()]
    assert triggers == [], "it was there at the first look, so there was nothing to wait for"


def test_what_comes_later_is_found(cloud: Cloud, prefix: str, mode: dict[str, Any], triggers: list[Any]) -> None:
    def put() -> None:
        with cloud.store() as store:
            store.put(f"{prefix}first", b"1")
            time.sleep(0.5)
            store.put(f"{prefix}second.csv", b"22")

    later = threading.Timer(1.5, put)
    later.start()
    try:
        objects = found(key=[f"{prefix}first", cloud.uri(f"{prefix}*.csv")], **mode)
    finally:
        later.join()
    assert [(info["uri"], info["size"]) for info in objects] == [
        (cloud.uri(f"{prefix}first"), 1),
        (cloud.uri(f"{prefix}second.csv"), 2),
    ]
    assert len(triggers) == (2 if "deferrable" in mode else 0), "made once by the sensor, once to run it"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*", sorted(KEYS, key=str.encode)),
        ("*.csv", ["[x].csv", "a 1.csv", "b+2.csv", "sub/c.csv", "年.csv"]),
        ("b?.txt", ["b3.txt"]),
        ("b[+3]*", ["b+2.csv", "b3.txt"]),
        ("[[]x].csv", ["[x].csv"]),
        ("sub/*", ["sub/c.csv"]),
        ("?.csv", ["年.csv"]),
        ("[!a-z]*.csv", ["[x].csv", "年.csv"]),
    ],
)
def test_wildcards_match_like_file_names(cloud: Cloud, prefix: str, pattern: str, expected: list[str]) -> None:
    with cloud.store() as store:
        for key in KEYS:
            store.put(prefix + key, b"x")
    objects = found(key=prefix + pattern)
    assert [info["key"].removeprefix(prefix) for info in objects] == expected


@pytest.mark.parametrize("mode_of_worker", ["poke", "reschedule"])
def test_all_keys_of_a_list_must_be_there(cloud: Cloud, prefix: str, mode_of_worker: str) -> None:
    with cloud.store() as store:
        store.put(f"{prefix}there", b"x")
    result = sense(key=[f"{prefix}there", f"{prefix}missing"], timeout=0.5, mode=mode_of_worker)
    assert isinstance(result.errors["one"], AirflowSensorTimeout)


def test_soft_fail_skips_when_the_time_is_up(prefix: str) -> None:
    result = sense(key=f"{prefix}missing", timeout=0.5, soft_fail=True)
    assert result.states() == {"one": "skipped"}


@pytest.mark.parametrize("soft_fail", [True, False])
def test_a_deferred_sensor_whose_time_is_up_fails_or_skips(soft_fail: bool) -> None:
    sensor = ObjectKeySensor(task_id="one", key="key", deferrable=True, soft_fail=soft_fail)
    with pytest.raises(AirflowSkipException if soft_fail else AirflowSensorTimeout):
        sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})


def test_a_deferral_carries_the_timeout_and_no_secret(
    oss: Cloud, prefix: str, database: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_SETTLED", 10)
    sensor = ObjectKeySensor(task_id="one", key=f"{prefix}missing", deferrable=True, timeout=77, poke_interval=3)
    sensor.poke = lambda context: False  # type: ignore[assignment, method-assign, return-value]
    with pytest.raises(TaskDeferred) as caught:
        sensor.execute({})
    deferred = caught.value
    assert 86 < deferred.timeout.total_seconds() <= 87  # the trigger fires before Airflow's own end
    path, arguments = deferred.trigger.serialize()
    assert path == "aksk_provider.triggers.waiting.WaitTrigger"
    assert 76 < arguments.pop("deadline") - time.time() <= 77
    assert 9 < arguments.pop("not_before") - time.time() <= 10
    condition = {"kind": "Keys", "keys": [f"{prefix}missing"], "bucket": None, "any_of": False, "regex": False}
    assert arguments == {
        "condition": {**condition, "min_size": 0, "newer_than": None, "unchanged_for": 0.0},
        "aksk_conn_id": "aksk_default",
        "poke_interval": 3,
        "backoff": False,
        "max_wait": None,
        "keep_going": False,
        "rejected": None,
    }


@pytest.mark.parametrize(
    ("changes", "arguments", "error", "told"),
    [
        ({"password": "wrong-secret"}, {}, PermissionDeniedError, "SignatureDoesNotMatch"),
        ({}, {"bucket": "nosuchbucket-1250000000"}, BucketNotFoundError, "NoSuchBucket"),
        ({"host": "http://127.0.0.1:1", "extra": {"max_attempts": 1}}, {}, ObjectStorageError, "no complete answer"),
        ({"extra": {"vendor": "s3"}}, {}, InvalidRequestError, "extra vendor must be one of bos, oss, cos"),
    ],
)
@pytest.mark.parametrize("key", ["no/such/key", "no/such/*"])
def test_any_other_failure_ends_the_wait_at_once(
    changes: dict[str, Any],
    arguments: dict[str, Any],
    error: type[Exception],
    told: str,
    key: str,
    cloud: Cloud,
    mode: dict[str, Any],
    in_database: Put,
) -> None:
    in_database(cloud, **dict(changes))
    result = sense(**{"key": key, "poke_interval": 3600, **arguments, **mode})
    assert result.states() == {"one": "failed"}
    raised = result.errors["one"]
    assert isinstance(raised, error)
    assert told in str(raised)
    if "failed: HTTP" in str(raised):
        assert "request id" in str(raised)
    assert "wrong-secret" not in str(raised)


def test_a_key_that_cannot_be_fails_at_once(mode: dict[str, Any]) -> None:
    result = sense(key="no/../such", poke_interval=3600, **mode)
    assert "'.' or '..' segment" in str(result.errors["one"])


@pytest.mark.parametrize("uri", ["bos://bucket/key", "bos://bucket/*", "oss://bucket/key", "oss://bucket/*"])
def test_a_uri_of_another_cloud_or_beside_a_bucket_fails_instead_of_waiting(uri: str) -> None:
    result = sense(key=uri, bucket="bucket" if uri.startswith("oss") else None)
    assert isinstance(result.errors["one"], InvalidRequestError)


def test_an_error_that_comes_later_fails_a_deferred_sensor_with_the_vendors_code(
    oss: Cloud, prefix: str, in_database: Put, triggers: list[Any]
) -> None:
    with DAG("sensing", schedule=None) as dag, TaskGroup("group"):
        ObjectKeySensor(task_id="one", key=f"{prefix}missing", deferrable=True, poke_interval=0.2)
    original = ObjectKeySensor.poke

    def poke_then_revoke(self: ObjectKeySensor, context: Any) -> Any:
        looked = original(self, context)
        in_database(oss, password="revoked-secret")
        return looked

    ObjectKeySensor.poke = poke_then_revoke  # type: ignore[method-assign]
    try:
        result = dag_runs.run(dag)
    finally:
        ObjectKeySensor.poke = original  # type: ignore[method-assign]
    assert len(triggers) == 2
    assert result.states() == {"group.one": "failed"}
    assert "SignatureDoesNotMatch" in str(result.errors["group.one"])
    assert "request id" in str(result.errors["group.one"])


def test_deferring_is_the_default_where_airflow_says_so() -> None:
    code = "from aksk_provider.sensors import ObjectKeySensor as S; print(S(task_id='one', key='key').deferrable)"
    for setting in ("True", "False"):
        assert python("-W", "ignore", "-c", code, AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE=setting).split()[-1] == setting
