import json

import pytest
from airflow.sdk import task

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.errors import PermissionDeniedError
from aksk_provider.hooks.object_storage import ObjectStorageHook


@task
def publish(rows: list[str]) -> str:
    """The task to test; your own is in a file of your DAGs."""
    return ObjectStorageHook().upload("\n".join(rows).encode(), "reports/today.csv").uri


@pytest.fixture
def store(monkeypatch):
    bucket = Bucket("oss", "my-bucket")
    with Emulator(accounts=[Account("ak", "sk")], buckets=[bucket]) as emulator:
        connection = {
            "conn_type": "aksk",
            "login": "ak",
            "password": "sk",
            "host": emulator.endpoint,
            "schema": bucket.name,
            "extra": {"vendor": "oss", "region": "cn-hangzhou"},
        }
        monkeypatch.setenv("AIRFLOW_CONN_AKSK_DEFAULT", json.dumps(connection))
        yield connection


def test_publish_writes_the_report(store):
    assert publish.function(["a,b", "1,2"]) == "oss://my-bucket/reports/today.csv"
    with ObjectStorageHook().open("reports/today.csv") as stream:
        assert stream.read() == b"a,b\n1,2"


def test_publish_fails_with_a_wrong_key(store, monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_AKSK_DEFAULT", json.dumps({**store, "password": "wrong"}))
    with pytest.raises(PermissionDeniedError, match="SignatureDoesNotMatch"):
        publish.function(["a,b"])
