"""What counts as there, and what is done about time: the same in a worker, rescheduled, and deferred."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from airflow.sdk import DAG, BaseSensorOperator

from aksk_provider.emulator.faults import Fault, Status
from aksk_provider.errors import InvalidRequestError, ObjectStorageError, ServerError
from aksk_provider.sensors import ObjectKeySensor, PrefixSensor, PrefixUnchangedSensor
from tests.support import dag_runs
from tests.support.airflow_versions import AirflowSensorTimeout
from tests.support.clouds import Cloud

Put = Callable[..., str]
MODES = {"poke": {}, "reschedule": {"mode": "reschedule"}, "deferrable": {"deferrable": True}}


@pytest.fixture(autouse=True)
def connection(request: pytest.FixtureRequest, in_database: Put) -> None:
    in_database(request.getfixturevalue("cloud" if "cloud" in request.fixturenames else "oss"))


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> dict[str, Any]:
    return MODES[request.param]


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> Iterator[str]:
    cloud = request.getfixturevalue("cloud" if "cloud" in request.fixturenames else "oss")
    made = f"counts/{request.node.originalname}/"
    yield made
    with cloud.store() as store:
        store.delete_many([info.key for info in store.list(made)])


@pytest.fixture
def put(request: pytest.FixtureRequest, prefix: str) -> Callable[..., threading.Timer]:
    """Write objects below the prefix, after some seconds."""
    cloud = request.getfixturevalue("cloud" if "cloud" in request.fixturenames else "oss")

    def write(names: list[str], size: int) -> None:
        with cloud.store() as store:
            for name in names:
                store.put(prefix + name, b"x" * size)

    def later(*names: str, after: float = 0, size: int = 1) -> None:
        if not after:
            return write(list(names), size)
        timer = threading.Timer(after, write, (list(names), size))
        timer.daemon = True
        timer.start()
        return None

    return later


def run(kind: type[BaseSensorOperator], **arguments: Any) -> dag_runs.RunResult:
    with DAG("counting", schedule=None) as dag:
        kind(task_id="one", **{"poke_interval": 0.3, "timeout": 30, **arguments})
    return dag_runs.run(dag)


def found(kind: type[BaseSensorOperator] = ObjectKeySensor, **arguments: Any) -> Any:
    result = run(kind, **arguments)
    assert result.state == "success", result.errors
    return result.xcom("one")


def names(objects: list[dict[str, Any]]) -> list[str]:
    return [info["key"].rpartition("/")[2] for info in objects]


def times_out(kind: type[BaseSensorOperator] = ObjectKeySensor, **arguments: Any) -> None:
    result = run(kind, **{"timeout": 1, **arguments})
    assert isinstance(result.errors["one"], AirflowSensorTimeout), result.errors


def test_a_regular_expression_matches_whole_keys(cloud: Cloud, prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("part-1.csv", "part-12.csv", "part-123.csv", "spart-1.csv", "part-1.csv.tmp")
    assert names(found(key=prefix + r"part-\d{1,2}\.csv", regex=True, **mode)) == ["part-1.csv", "part-12.csv"]


def test_any_of_the_keys_is_enough(prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("second.csv", after=1.5)
    keys = [f"{prefix}first", f"{prefix}*.csv", f"{prefix}third"]
    assert names(found(key=keys, any_of=True, **mode)) == ["second.csv"]


def test_a_small_object_does_not_count(prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("a", "b")
    put("a", after=1.5, size=100)
    assert [info["size"] for info in found(key=f"{prefix}*", min_size=50, **mode)] == [100]


def test_an_old_object_does_not_count(prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("report")
    ahead = datetime.now(timezone.utc) + timedelta(seconds=3)
    put("report", after=4.5)
    written = datetime.fromisoformat(found(key=f"{prefix}report", newer_than=ahead, **mode)[0]["last_modified"])
    assert written >= ahead.replace(microsecond=0)


def test_the_time_may_be_a_template(prefix: str, put: Any) -> None:
    put("report")
    assert found(key=f"{prefix}report", newer_than="{{ macros.datetime(2026, 1, 1) }}")
    times_out(key=f"{prefix}report", newer_than="{{ '2100-01-01 00:00:00+00:00' }}")
    assert isinstance(run(ObjectKeySensor, key="a", newer_than="soon").errors["one"], InvalidRequestError)


def test_what_was_just_written_does_not_count_until_it_was_left_alone(
    cloud: Cloud, prefix: str, put: Any, mode: dict[str, Any]
) -> None:
    put("report")
    put("report", after=1, size=2)
    (info,) = found(key=f"{prefix}report", unchanged_for=timedelta(seconds=3), **mode)
    assert info["size"] == 2
    assert (datetime.now(timezone.utc) - datetime.fromisoformat(info["last_modified"])).total_seconds() >= 3


def test_the_users_check_runs_in_the_worker_over_each_object(prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("a", "b", size=3)
    put("b", after=1.5, size=4)
    seen: list[int] = []

    def even(info: dict[str, Any]) -> bool:
        seen.append(threading.get_ident())
        return info["size"] % 2 == 0

    assert names(found(key=f"{prefix}*", check_fn=even, **mode)) == ["b"]
    assert set(seen) == {threading.get_ident()}
    assert len(seen) < (10 if "deferrable" in mode else 100), "not asked again about the same objects"


@pytest.mark.parametrize("kind", [ObjectKeySensor, PrefixSensor])
def test_the_timeout_holds_also_where_triggers_run_in_line(kind: Any, prefix: str, mode: dict[str, Any]) -> None:
    given = {"key": f"{prefix}x"} if kind is ObjectKeySensor else {"prefix": prefix}
    times_out(kind, **given, **mode)
    assert run(kind, **given, **mode, timeout=1, soft_fail=True).states() == {"one": "skipped"}


def test_enough_objects_or_bytes_end_the_wait(cloud: Cloud, prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("folder/", size=0)
    put("a", after=1, size=10)
    assert found(PrefixSensor, prefix=prefix, **mode) == {"prefix": prefix, "count": 1, "size": 10, "marker": None}
    put("b", after=1, size=10)
    many = found(PrefixSensor, prefix=cloud.uri(prefix), min_objects=2, min_bytes=20, **mode)
    assert (many["count"], many["size"]) == (2, 20)
    times_out(PrefixSensor, prefix=prefix, min_bytes=21, **mode)


def test_a_marker_ends_the_wait(prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("part-0", "part-1")
    put("_SUCCESS", after=1.5, size=0)
    result = found(PrefixSensor, prefix=prefix, marker="_SUCCESS", **mode)
    assert (result["marker"]["key"], result["count"]) == (f"{prefix}_SUCCESS", None)
    assert found(PrefixSensor, prefix=prefix, marker="_SUCCESS", min_objects=2, **mode)["count"] == 2
    times_out(PrefixSensor, prefix=prefix, marker="_SUCCESS", min_objects=3, **mode)


def test_a_prefix_that_is_left_alone_ends_the_wait(cloud: Cloud, prefix: str, put: Any, mode: dict[str, Any]) -> None:
    put("a", "b")
    put("c", after=1.5)
    result = found(PrefixUnchangedSensor, prefix=prefix, min_objects=3, inactivity_period=3, **mode)
    assert result["count"] == 3
    assert (datetime.now(timezone.utc) - datetime.fromisoformat(result["last_modified"])).total_seconds() >= 3
    began = time.monotonic()
    assert found(PrefixUnchangedSensor, prefix=prefix, inactivity_period=3, **mode)["count"] == 3
    assert time.monotonic() - began < 3, "the time before it began counts"


@pytest.mark.parametrize("mode", [MODES["poke"], MODES["deferrable"]], ids=["poke", "deferrable"])
@pytest.mark.parametrize("allow_delete", [True, False])
def test_an_object_that_goes_is_a_change_or_an_error(
    oss: Cloud, prefix: str, put: Any, mode: dict[str, Any], allow_delete: bool
) -> None:
    put("a", "b")

    def delete() -> None:
        with oss.store() as store:
            store.delete(f"{prefix}b")

    threading.Timer(2.5, delete).start()
    result = run(PrefixUnchangedSensor, prefix=prefix, inactivity_period=6, allow_delete=allow_delete, **mode)
    if allow_delete:
        assert result.xcom("one")["count"] == 1
    else:
        assert type(result.errors["one"]) is ObjectStorageError
        assert "1 objects were deleted while waiting" in str(result.errors["one"])


def test_what_cannot_be_waited_for_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="remember"):
        PrefixUnchangedSensor(task_id="one", prefix="a/", allow_delete=False, mode="reschedule", deferrable=False)
    assert "at least 1" in str(run(PrefixUnchangedSensor, prefix="a/", min_objects=0).errors["one"])
    assert "regular expression" in str(run(ObjectKeySensor, key="a(", regex=True).errors["one"])
    assert "no key" in str(run(ObjectKeySensor, key=[]).errors["one"])


@pytest.fixture
def failing(oss: Cloud) -> Iterator[Any]:
    yield oss.emulator.faults
    oss.emulator.faults.clear()


def test_never_fail_skips_and_silent_fail_goes_on(prefix: str, put: Any, mode: dict[str, Any], failing: Any) -> None:
    put("there")
    failing.add(Fault(Status(403, "AccessDenied")))
    assert run(ObjectKeySensor, key=f"{prefix}there", never_fail=True, **mode).states() == {"one": "skipped"}
    failing.clear()
    failing.add(Fault(Status(403, "AccessDenied"), times=6))
    assert names(found(key=f"{prefix}there", silent_fail=True, **mode)) == ["there"]


def test_failures_are_repeated_within_a_look_and_then_raised(
    prefix: str, put: Any, mode: dict[str, Any], failing: Any
) -> None:
    put("there")
    failing.add(Fault(Status(503), times=1))
    assert names(found(key=f"{prefix}there", **mode)) == ["there"]
    failing.add(Fault(Status(503)))
    assert isinstance(run(ObjectKeySensor, key=f"{prefix}there", **mode).errors["one"], ServerError)
