import json

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.hooks.object_storage import ObjectStorageHook


@pytest.fixture
def emulator(monkeypatch):
    with Emulator(accounts=[Account("old-ak", "old-sk")], buckets=[Bucket("bos", "my-bucket")]) as emulator:
        connect(monkeypatch, emulator, "old-ak", "old-sk")
        yield emulator


def connect(monkeypatch, emulator, access_key, secret_key):
    """Put the connection where the worker reads it; a secrets backend is another such place."""
    connection = {
        "conn_type": "aksk",
        "login": access_key,
        "password": secret_key,
        "host": emulator.endpoint,
        "schema": "my-bucket",
        "extra": {"vendor": "bos", "region": "bj"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_AKSK_DEFAULT", json.dumps(connection))


def test_a_running_task_goes_on_when_the_key_is_rotated(emulator, monkeypatch):
    hook = ObjectStorageHook()
    hook.upload(b"1", "before.txt")

    # 1. Make a second key at the cloud. 2. Put it into the connection. 3. Disable the first.
    emulator.accounts["new-ak"] = Account("new-ak", "new-sk")
    connect(monkeypatch, emulator, "new-ak", "new-sk")
    del emulator.accounts["old-ak"]

    # The same hook, in the middle of its task: it is refused once, reads the connection again and goes on.
    hook.upload(b"2", "after.txt")
    assert [info.key for info in hook.list()] == ["after.txt", "before.txt"]
