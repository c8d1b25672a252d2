"""Secret keys, tokens and signatures stay out of logs, rendered templates, errors and the metadata database."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from airflow.sdk import DAG, task

from aksk_provider.emulator import Account
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.operators import DownloadObjectOperator, PresignURLOperator, UploadObjectOperator
from aksk_provider.sensors import ObjectKeySensor
from tests.support import dag_runs, leaks
from tests.support.clouds import Cloud

Put = Callable[..., str]


@pytest.fixture
def leaky(any_cloud: Cloud, in_database: Put) -> Iterator[Cloud]:
    """A cloud whose key pair no other test uses and no source holds: what is found was left by the test."""
    token = f"{secrets.token_hex(12)}/+={secrets.token_hex(12)}" if any_cloud.temporary else None
    account = Account(secrets.token_hex(8), secrets.token_hex(16), token)
    any_cloud.emulator.accounts[account.access_key] = account
    mine = replace(any_cloud, own_account=account)
    in_database(mine)
    yield mine
    del any_cloud.emulator.accounts[account.access_key]


def everything(folder: Path) -> DAG:
    """A DAG in which everything happens, failures too."""
    (folder / "file").write_bytes(b"content")
    late = {"trigger_rule": "all_done"}
    with DAG("leaks", schedule=None) as dag:
        up = UploadObjectOperator(task_id="up", source=str(folder / "file"), key="leaks/key", metadata={"a": "b"})
        wait = ObjectKeySensor(task_id="wait", key=["leaks/key", "leaks/*"], timeout=1)
        link = PresignURLOperator(task_id="link", key="leaks/key", params={"response-content-type": "text/plain"})
        links = PresignURLOperator(task_id="links", key=["leaks/a", "leaks/b"], method="PUT")
        down = DownloadObjectOperator(task_id="down", key="leaks/key", target=str(folder / "copy"))
        missing = DownloadObjectOperator(task_id="missing", key="leaks/no", target=str(folder / "no"), **late)
        refused = UploadObjectOperator(
            task_id="refused", source=str(folder / "file"), key="k", bucket="nosuchbucket-1250000000", **late
        )
        deferred = ObjectKeySensor(
            task_id="deferred", key="k", bucket="nosuchbucket-1250000000", deferrable=True, **late
        )

        @task(trigger_rule="all_done")
        def hook() -> str:
            opened = ObjectStorageHook()
            logging.getLogger("airflow.task").info("%r %r %r", opened, opened.store, opened.store.config)
            signed = opened.sign("GET", "leaks/key")
            presigned = opened.presign("leaks/key")
            logging.getLogger("airflow.task").info("%r %r %s", signed, presigned, opened.test_connection())
            raise ValueError(f"{opened.store.config.credentials()!r} {presigned}")

        up >> wait >> [link, links, down] >> missing >> refused >> deferred >> hook()
    return dag


def test_nothing_of_a_run_shows_a_secret_but_the_links_in_xcom(
    leaky: Cloud,
    home: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG, "aksk_provider")
    caplog.set_level(logging.DEBUG, "airflow.task")
    capfd.readouterr()
    result = dag_runs.run(everything(tmp_path))
    printed = capfd.readouterr()
    logged = "\n".join(r.getMessage() for r in caplog.records if not r.name.startswith("uvicorn"))
    assert {name for name, state in result.states().items() if state == "failed"} == {
        "missing", "refused", "deferred", "hook",
    }  # fmt: skip
    assert set(result.errors) == {"missing", "refused", "deferred", "hook"}

    urls = [result.xcom("link")["url"], *(link["url"] for link in result.xcom("links"))]
    forbidden = [*leaks.secrets(leaky.account), *map(leaks.signature, urls)]
    told = "\n".join([logged, printed.out, printed.err, *(f"{error!r} {error}" for error in result.errors.values())])
    assert "uploaded 7 bytes" in told
    assert [text for text in forbidden if text in told] == []
    assert leaks.files_with(home, forbidden) == set()
    assert leaks.tables_with(home / "airflow.db", forbidden) == {"xcom"}
    assert leaks.tables_with(home / "airflow.db", [leaky.account.secret_key]) == set()


def test_the_search_finds_what_is_there(home: Path, oss: Cloud, in_database: Put) -> None:
    bucket = f"bucket-{secrets.token_hex(8)}"
    in_database(oss, schema=bucket)
    assert leaks.tables_with(home / "airflow.db", [bucket]) == {"connection"}
    (home / "a-file").write_text(bucket)
    assert leaks.files_with(home, [bucket]) == {"a-file"}


def test_debug_logs_show_no_secret(
    leaky: Cloud, in_environment: Put, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    hook = ObjectStorageHook(in_environment(leaky))
    caplog.set_level(logging.DEBUG)
    hook.upload(b"x", "leaks/key")
    hook.download("leaks/key", tmp_path / "file")
    hook.presign("leaks/key")
    list(hook.list("leaks/"))
    records = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    assert any(record.name.startswith("urllib3") for record in records)
    shown = "\n".join(record.getMessage() for record in records)
    assert [text for text in leaks.secrets(leaky.account) if text in shown] == []
