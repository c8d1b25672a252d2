"""The operator of manifests in real DAG runs: what it writes, what XCom says, and where no link is."""

from __future__ import annotations

import csv
import logging
import stat
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk import DAG

from aksk_provider.errors import InvalidRequestError
from aksk_provider.operators import PresignManifestOperator
from tests.operators.test_operators import run
from tests.support import dag_runs, leaks
from tests.support.clouds import Cloud

Put = Callable[..., str]


@pytest.fixture(autouse=True)
def connection(cloud: Cloud, in_database: Put) -> None:
    in_database(cloud)


@pytest.fixture
def prefix(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix with two objects below it, emptied afterwards."""
    made = f"links/{request.node.originalname}/"
    with cloud.store() as store:
        for name in ("a b.csv", "\u6587\u4ef6.csv"):
            store.put(made + name, name.encode())
        yield made
        store.delete_many([info.key for info in store.list(made)])


def rows(path: str | Path) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_listing_becomes_links_that_work(cloud: Cloud, prefix: str, tmp_path: Path) -> None:
    target = tmp_path / "new" / "links.csv"
    returned = run(PresignManifestOperator, prefix=prefix, target=str(target), expires_in=60)
    found = rows(target)
    end = found[0]["expires_at"]
    assert returned == {"manifest": str(target), "format": "csv", "count": 2, "expires_at": end}
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert [requests.get(row["url"], timeout=10).text for row in found] == ["a b.csv", "\u6587\u4ef6.csv"]
    assert datetime.fromisoformat(end) - datetime.now(timezone.utc) <= timedelta(minutes=1)


def test_the_links_are_in_the_manifest_alone(
    cloud: Cloud, home: Path, prefix: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Fails when XCom, rendered templates or a log of the run holds a link of the manifest."""
    with caplog.at_level(logging.DEBUG):
        run(PresignManifestOperator, prefix=prefix, target=str(tmp_path / "links.csv"))
    signatures = [leaks.signature(row["url"]) for row in rows(tmp_path / "links.csv")]
    assert len(signatures) == 2
    assert not [signature for signature in signatures if signature in caplog.text]
    assert leaks.tables_with(home / "airflow.db", signatures) == set()
    assert leaks.files_with(home / "logs", signatures) == set()


def test_links_for_another_door_live_no_longer_than_they_can(cloud: Cloud, tmp_path: Path) -> None:
    target = str(tmp_path / "links.csv")
    given = {"keys": ["a"], "target": target, "endpoint": "https://files.example.com", "expires_in": 8 * 24 * 3600}
    returned = run(PresignManifestOperator, **given, clamp=True)
    assert rows(target)[0]["url"].startswith("https://files.example.com/a?")
    days = timedelta(days={"oss": 7}.get(cloud.vendor, 8))
    until = datetime.fromisoformat(returned["expires_at"])
    assert days - timedelta(minutes=5) < until - datetime.now(timezone.utc) <= days


def test_every_text_is_rendered(cloud: Cloud, prefix: str, tmp_path: Path, in_database: Put) -> None:
    in_database(cloud, "another")
    keys = tmp_path / "keys.txt"
    keys.write_text(f"{prefix}a b.csv\n")
    given = {
        "target": str(tmp_path / "links"),
        "key_file": str(keys),
        "bucket": cloud.bucket,
        "file_format": "csv",
        "method": "HEAD",
        "endpoint": cloud.fields()["host"],
        "aksk_conn_id": "another",
    }
    with DAG("rendered", schedule=None, params=dict.fromkeys(given, "")) as dag:
        PresignManifestOperator(
            task_id="one",
            expires_in="{{ 60 * 2 }}",
            expires_at="{{ dag_run.run_after + macros.timedelta(hours=1) }}",
            headers={"X-Run": "{{ run_id }}"},
            params={"response-content-type": "text/{{ params.file_format }}"},
            **{name: f"{{{{ params.{name} }}}}" for name in given},
        )
    result = dag_runs.run(dag, given)
    assert result.state == "success", result.errors
    (row,) = rows(tmp_path / "links")
    assert (row["method"], row["uri"]) == ("HEAD", cloud.uri(f"{prefix}a b.csv"))
    assert row["signed_headers"] == f'{{"X-Run": "{result.run_id}"}}'
    assert "text%2Fcsv" in row["url"]
    assert "file_format" not in row["url"]
    assert result.xcom("one")["expires_at"] == row["expires_at"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": "links.csv"}, "give one of keys, prefix and key_file"),
        ({"target": "links.csv", "keys": ["a"], "prefix": ""}, "give one of keys, prefix and key_file"),
        ({"target": "links", "keys": ["a"]}, "csv or jsonl"),
        ({"target": "links.csv", "keys": "a"}, "give a list of keys"),
        ({"target": "links.csv", "keys": ["a"], "expires_in": "soon"}, "number of seconds"),
    ],
)
def test_what_cannot_be_meant_fails_before_anything_is_written(
    arguments: dict[str, Any], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidRequestError, match=message):
        run(PresignManifestOperator, **arguments)
    assert list(tmp_path.iterdir()) == []
