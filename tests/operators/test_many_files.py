"""Operators over many files, stopped operators, and the clean-up, in real DAG runs for each cloud."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from aksk_provider.errors import TransferCancelledError, TransfersFailedError
from aksk_provider.operators import (
    AbortIncompleteUploadsOperator,
    DownloadObjectOperator,
    UploadObjectOperator,
    many,
)
from aksk_provider.storage.parts import open_uploads
from tests.operators.test_operators import run
from tests.support.clouds import Cloud


@pytest.fixture(autouse=True)
def connection(cloud: Cloud, in_database) -> None:
    in_database(cloud)


@pytest.fixture
def prefix(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[str]:
    made = f"many/{request.node.originalname}/"
    yield made
    with cloud.store() as store:
        store.delete_many([info.key for info in store.list(made.rstrip("/"))])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.csv", "b 文件.csv", "deep/c.txt"):
        path = tmp_path / "source" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path / "source"


def test_a_folder_goes_up_and_a_prefix_comes_down(cloud: Cloud, prefix: str, folder: Path, tmp_path: Path) -> None:
    sent = run(UploadObjectOperator, source=str(folder), key=prefix)
    assert (sent["count"], sent["size"], sent["skipped"], sent["manifest"]) == (3, 5 + 12 + 10, 0, None)
    assert [file["status"] for file in sent["files"]] == ["done"] * 3
    received = run(DownloadObjectOperator, key=prefix, target=str(tmp_path / "target"))
    assert [Path(file["path"]).relative_to(tmp_path / "target").as_posix() for file in received["files"]] == [
        "a.csv",
        "b 文件.csv",
        "deep/c.txt",
    ]
    again = run(DownloadObjectOperator, key=f"{prefix}*.csv", target=str(tmp_path / "target"), skip_equal=True)
    assert (again["count"], again["skipped"]) == (2, 2)


def test_a_dry_run_says_what_it_would_move(cloud: Cloud, prefix: str, folder: Path, tmp_path: Path) -> None:
    planned = run(UploadObjectOperator, source=f"{folder}/*.csv", key=prefix, dry_run=True)
    assert [file["status"] for file in planned["files"]] == ["planned"] * 2
    with cloud.store() as store:
        assert list(store.list(prefix)) == []


def test_one_failure_is_named_and_the_rest_is_there(cloud: Cloud, prefix: str, folder: Path) -> None:
    sources = [str(folder / "a.csv"), str(folder / "missing.csv"), str(folder / "deep/c.txt")]
    with pytest.raises(TransfersFailedError, match=r"1 of 3 files failed: .*missing\.csv"):
        run(UploadObjectOperator, source=sources, key=prefix)
    with cloud.store() as store:
        assert [info.key for info in store.list(prefix)] == [f"{prefix}a.csv", f"{prefix}c.txt"]


def test_more_files_than_xcom_should_hold_are_listed_in_a_manifest(
    cloud: Cloud, prefix: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many, "LONGEST_LIST", 2)
    sent = run(UploadObjectOperator, source=str(folder), key=prefix)
    assert (sent["count"], sent["files"]) == (3, None)
    with cloud.store() as store:
        assert sent["manifest"] == store.uri(f"{prefix.rstrip('/')}.manifest.jsonl")
        with store.get(sent["manifest"]) as response:
            lines = [json.loads(line) for line in response.read().decode().splitlines()]
    assert [line["path"] for line in lines] == [str(folder / name) for name in ("a.csv", "b 文件.csv", "deep/c.txt")]
    received = run(DownloadObjectOperator, key=prefix, target=str(tmp_path / "target"))
    assert received["files"] is None
    assert len(Path(received["manifest"]).read_text().splitlines()) == 3


def test_a_killed_task_stops_soon_and_its_next_try_continues(
    cloud: Cloud, in_environment, prefix: str, tmp_path: Path
) -> None:
    """As Airflow does it: a signal arrives in the main thread and its handler calls ``on_kill``."""
    in_environment(cloud)
    source = tmp_path / "large"
    source.write_bytes(os.urandom(70 * 1024**2))
    operator = UploadObjectOperator(task_id="up", source=str(source), key=f"{prefix}large", concurrency=1)
    previous = signal.signal(signal.SIGUSR1, lambda *_: operator.on_kill())
    stopper = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1))
    try:
        stopper.start()
        began = time.monotonic()
        with pytest.raises(TransferCancelledError, match="is kept for the next attempt"):
            operator.execute({})
        assert time.monotonic() - began < 30
    finally:
        stopper.join()
        signal.signal(signal.SIGUSR1, previous)
    with cloud.store() as store:
        assert not store.exists(f"{prefix}large")
        assert list(open_uploads(store, str(store.config.bucket), prefix))
        assert UploadObjectOperator(task_id="up", source=str(source), key=f"{prefix}large").execute({})["size"] == (
            70 * 1024**2
        )
        assert not list(open_uploads(store, str(store.config.bucket), prefix))


def test_incomplete_uploads_are_dropped(cloud: Cloud, prefix: str) -> None:
    from aksk_provider.storage.parts import PartStore

    with cloud.store() as store:
        PartStore(store, str(store.config.bucket), f"{prefix}left").initiate()
        assert run(AbortIncompleteUploadsOperator, prefix=prefix) == {"count": 0, "uris": []}
        dropped = run(AbortIncompleteUploadsOperator, prefix=prefix, older_than=timedelta(seconds=-5))
        assert dropped == {"count": 1, "uris": [store.uri(f"{prefix}left")]}
