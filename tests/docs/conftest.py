"""The world of the pages: a store with the buckets they name, and the connections they export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator

PERMANENT = Account("emulator-ak", "emulator-sk")
TEMPORARY = Account("emulator-tmp-ak", "emulator-tmp-sk", "emulator-token")
CLOUDS = {
    "aksk_default": ("oss", "my-bucket", "cn-hangzhou", PERMANENT),
    "aksk_oss": ("oss", "my-bucket", "cn-hangzhou", PERMANENT),
    "aksk_bos": ("bos", "my-bucket", "bj", PERMANENT),
    "aksk_cos": ("cos", "my-bucket-1250000000", "ap-guangzhou", TEMPORARY),
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    buckets = {name: Bucket(vendor, name, versioned=True) for vendor, name, *_ in CLOUDS.values() if vendor != "bos"}
    with Emulator(accounts=[PERMANENT, TEMPORARY], buckets=[*buckets.values(), Bucket("bos", "my-bucket")]) as running:
        yield running


@pytest.fixture
def connections(emulator: Emulator) -> dict[str, dict[str, object]]:
    """The fields of the connections, by id."""
    return {
        conn_id: {
            "conn_type": "aksk",
            "login": account.access_key,
            "password": account.secret_key,
            "host": emulator.endpoint,
            "schema": bucket,
            "extra": {"vendor": vendor, "region": region, "security_token": account.token},
        }
        for conn_id, (vendor, bucket, region, account) in CLOUDS.items()
    }


@pytest.fixture
def world(
    connections: dict[str, dict[str, object]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> dict[str, object]:
    """A fresh folder with a report in it, the connections in the environment, and the names of a page."""
    for conn_id, fields in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(fields))
    monkeypatch.chdir(tmp_path)
    Path("report.csv").write_text("city,people\nBeijing,21\n")
    return {"__name__": "page"}
