"""Every method of the hook, for each cloud, with permanent keys and with a token, against the verifying emulator."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import requests

from aksk_provider.errors import (
    BucketNotFoundError,
    InvalidRequestError,
    NotFoundError,
    ObjectExistsError,
    ObjectStorageError,
    PermissionDeniedError,
)
from aksk_provider.hooks.object_storage import ObjectStorageHook
from tests.support.clouds import Cloud

Put = Callable[..., str]
KEYS = ("plain.txt", "年/月 日+1%~*'()?&#=;.csv", "🎉/ends with slash/", "double//slash")


@pytest.fixture
def hook(any_cloud: Cloud, in_environment: Put) -> ObjectStorageHook:
    return ObjectStorageHook(in_environment(any_cloud))


@pytest.fixture
def prefix(any_cloud: Cloud, request: pytest.FixtureRequest) -> Iterator[str]:
    """A prefix of this test's own, emptied afterwards."""
    made = f"hook/{request.node.originalname}/{any_cloud.temporary}/"
    yield made
    with any_cloud.store() as store:
        store.delete_many([info.key for info in store.list(made)])


@pytest.mark.parametrize("name", KEYS)
def test_what_is_uploaded_comes_back(hook: ObjectStorageHook, prefix: str, name: str, tmp_path: Path) -> None:
    key = prefix + name
    sent = hook.upload("payload 内容".encode(), key)
    assert (sent.uri, sent.size) == (hook.uri(key), 14)
    assert hook.head(key).etag == sent.etag
    assert hook.exists(key)
    with hook.open(key) as stream:
        assert stream.read() == "payload 内容".encode()
    result = hook.download(key, tmp_path / "deep" / "target")
    assert Path(result.path).read_bytes() == "payload 内容".encode()
    assert (result.uri, result.size, result.etag) == (sent.uri, 14, sent.etag)


def test_a_path_a_file_object_and_bytes_are_sources(hook: ObjectStorageHook, prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "source.csv"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(4)
        sizes = [hook.upload(source, f"{prefix}key").size for source in (path, str(path), file, io.BytesIO(b"ab"), b"")]
    assert sizes == [10, 10, 6, 2, 0]


def test_content_type_metadata_and_headers_are_kept(hook: ObjectStorageHook, prefix: str) -> None:
    hook.upload(
        b"x",
        f"{prefix}key",
        content_type="application/x-own",
        metadata={"Author": "李白 100%"},
        headers={"Cache-Control": "no-store"},
    )
    info = hook.head(f"{prefix}key")
    assert (info.content_type, info.metadata) == ("application/x-own", {"author": "李白 100%"})
    answer = requests.get(hook.presign(f"{prefix}key").url, timeout=10)
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_type_of_the_content_is_guessed_from_the_key(hook: ObjectStorageHook, prefix: str) -> None:
    hook.upload(b"{}", f"{prefix}guess.json")
    assert hook.head(f"{prefix}guess.json").content_type == "application/json"


def test_upload_without_overwrite_raises_when_the_object_exists(hook: ObjectStorageHook, prefix: str) -> None:
    hook.upload(b"first", f"{prefix}key", overwrite=False)
    with pytest.raises(ObjectExistsError):
        hook.upload(b"second", f"{prefix}key", overwrite=False)
    with hook.open(f"{prefix}key") as stream:
        assert stream.read() == b"first"


def test_download_without_overwrite_leaves_the_file_alone(hook: ObjectStorageHook, prefix: str, tmp_path: Path) -> None:
    hook.upload(b"new", f"{prefix}key")
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(InvalidRequestError, match="exists and overwrite is off"):
        hook.download(f"{prefix}key", tmp_path / "file", overwrite=False)
    assert (tmp_path / "file").read_bytes() == b"old"
    hook.download(f"{prefix}key", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"new"


def test_download_of_a_missing_object_raises_and_writes_nothing(hook: ObjectStorageHook, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        hook.download("no/such/key", tmp_path / "folder" / "file")
    assert caught.value.code == "NoSuchKey"
    assert caught.value.request_id
    assert list(tmp_path.iterdir()) == []


def test_a_version_is_downloaded_and_presigned_by_its_id(
    hook: ObjectStorageHook, any_cloud: Cloud, prefix: str, tmp_path: Path
) -> None:
    bucket = any_cloud.versioned_bucket
    first = hook.upload(b"first", f"{prefix}key", bucket)
    hook.upload(b"second", f"{prefix}key", bucket)
    assert first.version_id
    hook.download(f"{prefix}key", tmp_path / "file", bucket, version_id=first.version_id)
    assert (tmp_path / "file").read_bytes() == b"first"
    link = hook.presign(f"{prefix}key", bucket, version_id=first.version_id)
    assert requests.get(link.url, timeout=10).content == b"first"


def test_list_yields_every_page_in_order(hook: ObjectStorageHook, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["a", "b 1", "b+2", "c/1", "c/2", "é"]
    for name in reversed(names):
        hook.upload(name.encode(), prefix + name)
    pages = hook.store.pages
    monkeypatch.setattr(hook.store, "pages", lambda *args, **kwargs: pages(*args, **kwargs, page_size=2))
    assert [info.key for info in hook.list(prefix)] == [prefix + name for name in names]
    assert [info.key for info in hook.list(hook.uri(f"{prefix}b"))] == [f"{prefix}b 1", f"{prefix}b+2"]
    assert [info.key for info in hook.list(prefix, delimiter="/")] == [
        prefix + name for name in names if "/" not in name
    ]
    assert [info.size for info in hook.list(f"{prefix}c/")] == [3, 3]


def test_delete_takes_a_key_and_keys_and_forgives_missing_ones(hook: ObjectStorageHook, prefix: str) -> None:
    for name in ("a", "b", "c"):
        hook.upload(b"x", prefix + name)
    hook.delete(f"{prefix}a")
    hook.delete(f"{prefix}a")
    hook.delete([f"{prefix}b", hook.uri(f"{prefix}c"), f"{prefix}never there"])
    assert list(hook.list(prefix)) == []


def test_copy_takes_keys_and_uris(hook: ObjectStorageHook, prefix: str) -> None:
    hook.upload(b"content", f"{prefix}from 1+1", metadata={"kept": "yes"})
    copied = hook.copy(f"{prefix}from 1+1", hook.uri(f"{prefix}to"))
    assert (copied.uri, copied.size) == (hook.uri(f"{prefix}to"), 7)
    assert hook.head(f"{prefix}to").metadata == {"kept": "yes"}


def test_a_presigned_get_downloads_with_a_plain_client(hook: ObjectStorageHook, prefix: str) -> None:
    hook.upload(b"content", f"{prefix}key")
    link = hook.presign(
        f"{prefix}key",
        expires_in=timedelta(minutes=2),
        params={"response-content-disposition": 'attachment; filename="a b.txt"'},
    )
    assert link.method == "GET"
    assert timedelta(minutes=1) < link.expires_at - datetime.now(timezone.utc) <= timedelta(minutes=2)
    answer = requests.get(link.url, headers=dict(link.signed_headers), timeout=10)
    assert (answer.content, answer.headers["Content-Disposition"]) == (b"content", 'attachment; filename="a b.txt"')


def test_a_presigned_put_wants_the_headers_it_was_signed_with(hook: ObjectStorageHook, prefix: str) -> None:
    link = hook.presign(f"{prefix}key", method="PUT", headers={"Content-Type": "text/csv"})
    refused = requests.put(link.url, data=b"a,b", headers={"Content-Type": "text/html"}, timeout=10)
    assert (refused.status_code, "SignatureDoesNotMatch" in refused.text) in ((403, True), (400, True))
    accepted = requests.put(link.url, data=b"a,b", headers=dict(link.signed_headers), timeout=10)
    assert accepted.status_code == 200
    assert hook.head(f"{prefix}key").content_type == "text/csv"


def test_expires_at_wins_over_expires_in(hook: ObjectStorageHook) -> None:
    end = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(minutes=30)
    assert hook.presign("key", expires_in=timedelta(minutes=1), expires_at=end).expires_at == end


def test_a_link_points_to_the_public_endpoint(any_cloud: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(any_cloud, extra={"public_endpoint": "https://files.example.com"}))
    assert hook.presign("a/b").url.startswith("https://files.example.com/a/b?")
    assert hook.store.config.endpoint.host in any_cloud.emulator.endpoint


def test_an_authorization_serves_a_client_that_sends_the_request_itself(
    hook: ObjectStorageHook, any_cloud: Cloud, prefix: str
) -> None:
    hook.upload(b"content", f"{prefix}key")
    signed = hook.sign("GET", f"{prefix}key", expires_in=timedelta(minutes=5))
    assert requests.get(signed.url, headers=dict(signed.headers), timeout=10).content == b"content"
    start = {"bos": "bce-auth-v1/", "oss": "OSS4-HMAC-SHA256 ", "cos": "q-sign-algorithm=sha1&"}[any_cloud.vendor]
    assert hook.authorization("GET", f"{prefix}key").startswith(start)


def test_get_conn_is_the_store(hook: ObjectStorageHook) -> None:
    assert hook.get_conn() is hook.store


def test_a_uri_of_another_cloud_or_with_a_bucket_is_refused(hook: ObjectStorageHook, any_cloud: Cloud) -> None:
    other = "cos" if any_cloud.vendor == "bos" else "bos"
    with pytest.raises(InvalidRequestError, match=f"whose URIs start with {any_cloud.vendor}://"):
        hook.head(f"{other}://bucket/key")
    with pytest.raises(InvalidRequestError, match="names its bucket"):
        hook.head(any_cloud.uri("key"), any_cloud.bucket)


def test_without_any_bucket_the_error_says_where_to_give_one(any_cloud: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(any_cloud, schema=None))
    with pytest.raises(InvalidRequestError, match=r"default bucket \(schema\)"):
        hook.head("key")


def test_only_a_missing_object_is_absent(any_cloud: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(any_cloud))
    assert hook.exists("no/such/key") is False
    missing = "nosuchbucket-1250000000" if any_cloud.vendor == "cos" else "nosuchbucket"
    with pytest.raises(BucketNotFoundError):
        hook.exists("key", missing)
    hook = ObjectStorageHook(in_environment(any_cloud, password="wrong"))
    with pytest.raises(PermissionDeniedError):
        hook.exists("no/such/key")


def test_a_refusal_tells_code_message_and_request_id(any_cloud: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(any_cloud, password="wrong-secret"))
    with pytest.raises(PermissionDeniedError) as caught:
        hook.upload(b"x", "key")
    error = caught.value
    status = 400 if any_cloud.vendor == "bos" else 403
    assert (error.status, error.code) == (status, "SignatureDoesNotMatch")
    assert error.request_id
    assert error.request_id in str(error)
    assert error.message in str(error)
    assert str(error).startswith(f"PUT {any_cloud.uri('key')} failed: HTTP {status} SignatureDoesNotMatch")
    assert "wrong-secret" not in str(error)


def test_an_object_info_is_plain_data(hook: ObjectStorageHook, prefix: str) -> None:
    hook.upload(b"x", f"{prefix}key")
    info = hook.head(f"{prefix}key")
    assert set(asdict(info)) == {
        "uri", "vendor", "bucket", "key", "size", "etag", "crc64", "last_modified", "version_id", "content_type",
        "storage_class", "metadata",
    }  # fmt: skip
    assert json.loads(json.dumps(info.as_dict())) == info.as_dict()


def test_test_connection_says_what_works(any_cloud: Cloud, in_environment: Put) -> None:
    ok, message = ObjectStorageHook(in_environment(any_cloud)).test_connection()
    assert (ok, any_cloud.bucket in message) == (True, True)
    ok, message = ObjectStorageHook(in_environment(any_cloud, schema=None)).test_connection()
    assert (ok, "accepts the key pair" in message) == (True, True)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"password": "wrong-secret"}, "SignatureDoesNotMatch"),
        ({"login": "nobody"}, "InvalidAccessKeyId"),
        ({"extra": {"security_token": "wrong-token"}}, ""),
        ({"host": "http://127.0.0.1:1", "extra": {"max_attempts": 1}}, "127.0.0.1:1 does not answer"),
        ({"extra": {"vendor": "s3"}}, "extra vendor must be one of"),
    ],
)
def test_test_connection_says_what_does_not_and_shows_no_secret(
    changes: dict[str, object], told: str, any_cloud: Cloud, in_environment: Put
) -> None:
    ok, message = ObjectStorageHook(in_environment(any_cloud, **dict(changes))).test_connection()
    assert ok is False
    assert told in message
    for secret in ("wrong-secret", "wrong-token", any_cloud.account.secret_key, any_cloud.account.token or "wrong-"):
        assert secret not in message


def test_errors_share_one_base(any_cloud: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(any_cloud, host="http://127.0.0.1:1", extra={"max_attempts": 1}))
    for call in (
        lambda: hook.head("key"),
        lambda: hook.head(""),
        lambda: list(hook.list()),
        lambda: hook.copy("a", "b"),
    ):
        with pytest.raises(ObjectStorageError):
            call()
