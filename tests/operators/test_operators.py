"""The operators in real DAG runs, for each cloud: what they do, and what they leave in XCom."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests
from airflow.sdk import DAG, BaseOperator

from aksk_provider.errors import InvalidRequestError, NotFoundError, ObjectExistsError, PermissionDeniedError
from aksk_provider.operators import DownloadObjectOperator, PresignURLOperator, UploadObjectOperator
from tests.support import dag_runs
from tests.support.clouds import Cloud

Put = Callable[..., str]
UPLOADED = {"uri", "vendor", "bucket", "key", "size", "etag", "crc64", "version_id"}
DOWNLOADED = {"path", "uri", "size", "etag", "crc64"}
PRESIGNED = {"uri", "method", "url", "expires_at", "signed_headers"}


@pytest.fixture(autouse=True)
def connection(cloud: Cloud, in_database: Put) -> None:
    in_database(cloud)


@pytest.fixture
def prefix(cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix of this test's own, emptied afterwards."""
    made = f"operators/{request.node.originalname} 1+1/"
    yield made
    with cloud.store() as store:
        store.delete_many([info.key for info in store.list(made)])


def run(operator: type[BaseOperator], **arguments: Any) -> Any:
    """Run an operator as the one task of a DAG; return its XCom or raise its error."""
    with DAG(f"one_{operator.__name__}", schedule=None) as dag:
        operator(task_id="one", **arguments)
    result = dag_runs.run(dag)
    if result.errors:
        raise result.errors["one"]
    assert result.state == "success"
    return result.xcom("one")


def test_upload_returns_what_the_store_said(cloud: Cloud, prefix: str, tmp_path: Path) -> None:
    source = tmp_path / "source.csv"
    source.write_bytes(b"a,b\n")
    returned = run(
        UploadObjectOperator,
        source=str(source),
        key=f"{prefix}年.csv",
        metadata={"author": "李白"},
        headers={"Cache-Control": "no-store"},
    )
    assert set(returned) == UPLOADED
    with cloud.store() as store:
        info = store.head(f"{prefix}年.csv")
    assert returned == {name: getattr(info, name) for name in UPLOADED}
    assert (info.content_type, info.metadata) == ("text/csv", {"author": "李白"})


def test_upload_to_a_versioned_bucket_returns_the_version(cloud: Cloud, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    key = f"{cloud.vendor}://{cloud.versioned_bucket}/{prefix}key"
    returned = run(UploadObjectOperator, source=str(tmp_path / "source"), key=key)
    with cloud.store() as store:
        assert returned["version_id"] == store.head(key).version_id
    assert returned["version_id"]


def test_upload_without_overwrite_fails_with_the_vendors_code(cloud: Cloud, prefix: str, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    arguments = {"source": str(tmp_path / "source"), "key": f"{prefix}key", "overwrite": False}
    run(UploadObjectOperator, **arguments)
    with pytest.raises(ObjectExistsError, match=r"failed: HTTP 4(09|12) .*request id"):
        run(UploadObjectOperator, **arguments)


def test_upload_of_a_missing_file_fails(cloud: Cloud) -> None:
    with pytest.raises(InvalidRequestError, match="source /no/such/file is not there"):
        run(UploadObjectOperator, source="/no/such/file", key="key")


def test_download_returns_path_and_checksums(cloud: Cloud, prefix: str, tmp_path: Path) -> None:
    with cloud.store() as store:
        info = store.put(f"{prefix}key", b"content")
    target = tmp_path / "made" / "on the way" / "file"
    returned = run(DownloadObjectOperator, key=cloud.uri(f"{prefix}key"), target=str(target))
    assert set(returned) == DOWNLOADED
    assert returned["path"] == str(target)
    assert (returned["uri"], returned["size"], returned["etag"]) == (info.uri, 7, info.etag)
    assert target.read_bytes() == b"content"


def test_download_of_a_version(cloud: Cloud, prefix: str, tmp_path: Path) -> None:
    with cloud.store() as store:
        first = store.put(f"{prefix}key", b"first", cloud.versioned_bucket)
        store.put(f"{prefix}key", b"second", cloud.versioned_bucket)
    arguments = {"key": f"{prefix}key", "bucket": cloud.versioned_bucket, "target": str(tmp_path / "file")}
    run(DownloadObjectOperator, version_id=first.version_id, **arguments)
    assert (tmp_path / "file").read_bytes() == b"first"


def test_download_of_a_missing_object_fails_and_leaves_no_file(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"HTTP 404 NoSuchKey.*request id"):
        run(DownloadObjectOperator, key="no/such/key", target=str(tmp_path / "folder" / "file"))
    assert list(tmp_path.iterdir()) == []


def test_download_without_overwrite_fails_when_the_file_exists(cloud: Cloud, prefix: str, tmp_path: Path) -> None:
    with cloud.store() as store:
        store.put(f"{prefix}key", b"new")
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(InvalidRequestError, match="exists and overwrite is off"):
        run(DownloadObjectOperator, key=f"{prefix}key", target=str(tmp_path / "file"), overwrite=False)
    assert (tmp_path / "file").read_bytes() == b"old"


@pytest.mark.parametrize("operator", [UploadObjectOperator, DownloadObjectOperator])
def test_a_refused_key_pair_fails_the_task_with_code_and_request_id(
    operator: type[BaseOperator], cloud: Cloud, in_database: Put, tmp_path: Path
) -> None:
    in_database(cloud, password="wrong-secret")
    (tmp_path / "file").write_bytes(b"x")
    other = {"source" if operator is UploadObjectOperator else "target": str(tmp_path / "file")}
    with pytest.raises(PermissionDeniedError, match=r"HTTP 40[03] SignatureDoesNotMatch: .*request id") as caught:
        run(operator, key="key", **other)
    assert "wrong-secret" not in str(caught.value)


def test_presign_returns_a_link_that_works(cloud: Cloud, prefix: str) -> None:
    with cloud.store() as store:
        store.put(f"{prefix}key", b"content")
    returned = run(
        PresignURLOperator,
        key=f"{prefix}key",
        expires_in=timedelta(minutes=3),
        params={"response-content-type": "application/x-own"},
    )
    assert set(returned) == PRESIGNED
    assert (returned["uri"], returned["method"]) == (cloud.uri(f"{prefix}key"), "GET")
    left = datetime.fromisoformat(returned["expires_at"]) - datetime.now(timezone.utc)
    assert timedelta(minutes=2) < left <= timedelta(minutes=3)
    answer = requests.get(returned["url"], headers=returned["signed_headers"], timeout=10)
    assert (answer.content, answer.headers["Content-Type"]) == (b"content", "application/x-own")


def test_presign_of_a_put_returns_the_headers_to_send(cloud: Cloud, prefix: str) -> None:
    link = run(PresignURLOperator, key=f"{prefix}key", method="PUT", headers={"Content-Type": "text/csv"})
    assert link["signed_headers"]["Content-Type"] == "text/csv"
    assert requests.put(link["url"], data=b"a", headers=link["signed_headers"], timeout=10).status_code == 200
    with cloud.store() as store:
        assert store.head(f"{prefix}key").content_type == "text/csv"


def test_presign_of_a_list_of_keys_returns_a_list(cloud: Cloud) -> None:
    end = (datetime.now(timezone.utc) + timedelta(hours=1)).replace(microsecond=0)
    returned = run(PresignURLOperator, key=["a 1", cloud.uri("b+2")], expires_in=1, expires_at=end)
    assert [link["uri"] for link in returned] == [cloud.uri("a 1"), cloud.uri("b+2")]
    assert {link["expires_at"] for link in returned} == {end.isoformat()}
    assert all(set(link) == PRESIGNED for link in returned)


def test_presign_of_a_version(cloud: Cloud, prefix: str) -> None:
    with cloud.store() as store:
        first = store.put(f"{prefix}key", b"first", cloud.versioned_bucket)
        store.put(f"{prefix}key", b"second", cloud.versioned_bucket)
    link = run(PresignURLOperator, key=f"{prefix}key", bucket=cloud.versioned_bucket, version_id=first.version_id)
    assert requests.get(link["url"], headers=link["signed_headers"], timeout=10).content == b"first"


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"expires_in": "soon"}, "expires_in must be a timedelta or a number of seconds, not 'soon'"),
        ({"expires_in": 0}, "the lifetime must be at least one second"),
        ({"expires_in": "-5"}, "the lifetime must be at least one second"),
        ({"expires_at": "tomorrow"}, "expires_at must be an ISO 8601 time, not 'tomorrow'"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at 2020-01-01T00:00:00+00:00 has passed"),
        ({"headers": {"X-A": "a\r\nb"}}, "X-A"),
        ({"key": "../etc"}, "'.' or '..' segment"),
    ],
)
def test_presign_refuses_what_cannot_work(arguments: dict[str, Any], told: str, cloud: Cloud) -> None:
    with pytest.raises(InvalidRequestError, match=re.escape(told)):
        run(PresignURLOperator, **{"key": "key", **arguments})
