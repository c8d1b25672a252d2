import json

import pytest
from airflow.sdk import task

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator.faults import Cut, Fault, Status
from aksk_provider.errors import ServerError
from aksk_provider.hooks.object_storage import ObjectStorageHook


@task
def publish(rows: list[str]) -> str:
    """The task to test; your own is in a file of your DAGs."""
    return ObjectStorageHook().upload("\n".join(rows).encode(), "reports/today.csv").uri


@pytest.fixture
def emulator(monkeypatch):
    with Emulator(accounts=[Account("ak", "sk")], buckets=[Bucket("oss", "my-bucket")]) as emulator:
        connection = {
            "conn_type": "aksk",
            "login": "ak",
            "password": "sk",
            "host": emulator.endpoint,
            "schema": "my-bucket",
            "extra": {"vendor": "oss", "region": "cn-hangzhou"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AKSK_DEFAULT", json.dumps(connection))
        yield emulator


def test_publish_survives_a_busy_store_and_a_lost_answer(emulator):
    busy = emulator.faults.add(Fault(Status(503, retry_after=0), operation="put", times=1))
    lost = emulator.faults.add(Fault(Cut(performed=True), operation="put", nth=2))
    assert publish.function(["a,b", "1,2"]) == "oss://my-bucket/reports/today.csv"
    assert (busy.fired, lost.fired) == (1, 1)


def test_publish_fails_when_the_store_stays_broken(emulator):
    emulator.faults.add(Fault(Status(500), key="reports/*"))
    with pytest.raises(ServerError, match="InternalError"):
        publish.function(["a,b"])
