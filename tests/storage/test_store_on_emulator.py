"""Every operation of the store, for the three vendors and both kinds of credentials, against the verifying emulator."""

from __future__ import annotations

import base64
import hashlib
import io
import logging
import os
import urllib.request
import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import requests
from fastcrc import crc64

from aksk_provider import errors
from aksk_provider.emulator import Emulator
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore, transfer
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static
from aksk_provider.storage.matching import find
from tests.conftest import PERMANENT, TEMPORARY

BUCKETS = {"bos": "examplebucket", "oss": "examplebucket-oss", "cos": "examplebucket-1250000000"}
VERSIONED = {"bos": "versionedbucket", "oss": "versionedbucket-oss", "cos": "versionedbucket-1250000000"}
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
KEYS = ["plain.txt", "a b/文件+名\U0001f600.txt", "100%~*'()&=;,:@$!", "dir//double/", "q?m#h.csv", "%41%2F"]


def open_store(emulator: Emulator, vendor: str, account: object = PERMANENT, **changes: object) -> ObjectStore:
    credentials = Credentials(account.access_key, account.secret_key, account.token)  # type: ignore[attr-defined]
    settings = {"region": REGIONS[vendor], "endpoint": emulator.endpoint, "bucket": BUCKETS[vendor], "max_attempts": 1}
    return ObjectStore(resolve(vendor=vendor, credentials=static(credentials), **{**settings, **changes}))


@pytest.fixture(params=["bos", "oss", "cos"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[PERMANENT, TEMPORARY], ids=["permanent", "token"])
def store(request: pytest.FixtureRequest, emulator: Emulator, vendor: str) -> Iterator[ObjectStore]:
    with open_store(emulator, vendor, request.param) as opened:
        yield opened


@pytest.fixture
def folder() -> str:
    return f"{uuid.uuid4()}/"


@pytest.mark.parametrize("name", KEYS)
def test_what_was_put_is_got(store: ObjectStore, folder: str, name: str) -> None:
    body = os.urandom(70_000)
    put = transfer.upload(store, body, folder + name, metadata={"owner": "数据"}, content_type="text/csv")
    info = store.head(folder + name)
    assert (info.key, info.size, info.content_type) == (folder + name, len(body), "text/csv")
    assert (info.etag, info.crc64, info.metadata) == (put.etag, put.crc64, {"owner": "数据"})
    if store.config.vendor.checksum == "crc64":
        assert info.crc64 == str(crc64.xz(body))
    assert info.last_modified is not None
    assert info.last_modified.tzinfo is not None
    with io.BufferedReader(transfer.ObjectReader(store, folder + name, None)) as stream:
        assert stream.read() == body


def test_a_large_file_streams_up_and_down(store: ObjectStore, folder: str, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(20_000_000))
    transfer.upload(store, source, folder + "large")
    result = transfer.download(store, folder + "large", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == source.read_bytes()
    assert result.size == 20_000_000


def test_one_connection_serves_request_after_request(
    store: ObjectStore, folder: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "urllib3")
    for _ in range(3):
        store.put(folder + "key", b"content")
        store.head(folder + "key")
        with store.get(folder + "key") as response:
            assert response.read() == b"content"
        store.delete(folder + "key")
    assert [
        record.getMessage().partition(" (")[0] for record in caplog.records if record.name.startswith("urllib3")
    ] == ["Starting new HTTP connection"]


def test_a_range_and_conditions(store: ObjectStore, folder: str) -> None:
    etag = store.put(folder + "key", b"0123456789").etag
    with store.get(folder + "key", byte_range=(2, 4), headers={"If-Match": f'"{etag}"'}) as response:
        assert (response.status, response.read()) == (206, b"234")
        assert store.info(folder + "key", None, response).size == 10
    with store.get(folder + "key", byte_range=(7, None)) as response:
        assert response.read() == b"789"
    with pytest.raises(errors.PreconditionFailedError):
        store.get(folder + "key", headers={"If-Match": '"other"'})
    with pytest.raises(errors.PreconditionFailedError):
        store.get(folder + "key", headers={"If-None-Match": f'"{etag}"'})
    with pytest.raises(errors.InvalidRequestError):
        store.get(folder + "key", byte_range=(4, 2))


def test_a_version_is_found_by_its_id(emulator: Emulator, vendor: str, folder: str) -> None:
    with open_store(emulator, vendor, bucket=VERSIONED[vendor]) as store:
        first = store.put(folder + "key", b"first").version_id
        second = store.put(folder + "key", b"second").version_id
        assert first
        assert first != second
        assert store.head(folder + "key", version_id=first).size == 5
        with store.get(folder + "key", version_id=first) as response:
            assert response.read() == b"first"
        store.delete(folder + "key")
        assert not store.exists(folder + "key")
        assert store.head(folder + "key", version_id=second).size == 6


def test_only_a_missing_object_is_absent(store: ObjectStore, folder: str) -> None:
    assert not store.exists(folder + "key")
    store.put(folder + "key", b"")
    assert store.exists(folder + "key")
    missing = "missingbucket-1250000000"
    with pytest.raises(errors.BucketNotFoundError, match="NoSuchBucket") as caught:
        store.exists("key", missing)
    assert caught.value.request_id


def test_wrong_credentials_are_told_with_the_vendors_code(emulator: Emulator, vendor: str) -> None:
    wrong = {
        "SignatureDoesNotMatch": Credentials("AKPERMANENT", "wrong"),
        "InvalidAccessKeyId": Credentials("nobody", "SKPERMANENT"),
    }
    for code, credentials in wrong.items():
        with open_store(emulator, vendor, credentials) as store:
            with pytest.raises(errors.PermissionDeniedError) as caught:
                store.exists("key")
            assert caught.value.code == code
            assert caught.value.request_id
            assert store.config.vendor.name in str(caught.value)
    for credentials in (Credentials("AKTEMPORARY", "SKTEMPORARY"), Credentials("AKTEMPORARY", "SKTEMPORARY", "wrong")):
        with open_store(emulator, vendor, credentials) as store, pytest.raises(errors.PermissionDeniedError) as caught:
            store.head("key")
        assert caught.value.code


def test_a_listing_goes_over_every_page_in_the_order_of_bytes(store: ObjectStore, folder: str) -> None:
    names = sorted([*KEYS, *(f"n/{number}" for number in range(7)), "\uffee", "\U00010000"], key=str.encode)
    for name in names:
        store.put(folder + name, name.encode())
    pages = list(store.pages(folder, page_size=3))
    assert len(pages) == -(-len(names) // 3)
    assert [info.key for page in pages for info in page.objects] == [folder + name for name in names]
    listed = next(info for info in store.list(folder) if info.key == folder + "plain.txt")
    assert listed == store.head(folder + "plain.txt").__class__(
        uri=listed.uri,
        vendor=store.config.vendor.name,
        bucket=BUCKETS[store.config.vendor.name],
        key=folder + "plain.txt",
        size=len("plain.txt"),
        etag=store.head(folder + "plain.txt").etag,
        last_modified=listed.last_modified,
        storage_class=listed.storage_class,
    )
    assert [info.key for info in store.list(f"{store.config.vendor.name}://{listed.bucket}/{folder}n/")] == [
        f"{folder}n/{number}" for number in range(7)
    ]


def test_a_delimiter_lists_one_folder(store: ObjectStore, folder: str) -> None:
    for name in ("a", "b/1", "b/2", "c+d 文/1", "e"):
        store.put(folder + name, b"x")
    assert [info.key for info in store.list(folder, delimiter="/")] == [folder + "a", folder + "e"]
    assert list(store.prefixes(folder)) == [f"{folder}b/", f"{folder}c+d 文/"]
    paged = list(store.pages(folder, delimiter="/", page_size=1))
    assert [prefix for page in paged for prefix in page.prefixes] == [f"{folder}b/", f"{folder}c+d 文/"]
    assert [info.key for page in paged for info in page.objects] == [folder + "a", folder + "e"]


def test_deleting_one_and_many(store: ObjectStore, folder: str) -> None:
    for name in KEYS:
        store.put(folder + name, b"x")
    store.delete(folder + KEYS[0])
    store.delete(folder + KEYS[0])
    assert [info.key for info in store.list(folder)] == sorted((folder + name for name in KEYS[1:]), key=str.encode)
    store.delete_many([folder + name for name in KEYS])
    assert list(store.list(folder)) == []


def test_deleting_more_than_a_batch_holds(emulator: Emulator, vendor: str, folder: str) -> None:
    with open_store(emulator, vendor) as store:
        for number in range(3):
            store.put(f"{folder}{number}", b"")
        store.delete_many(f"{folder}{number}" for number in range(2_100))
        assert list(store.list(folder)) == []


@pytest.mark.parametrize("name", KEYS)
def test_a_copy_is_the_object(store: ObjectStore, folder: str, name: str) -> None:
    store.put(folder + name, b"content", metadata={"a": "1"}, content_type="text/csv")
    copy = store.copy(folder + name, f"{folder}copy/{name}")
    assert copy.size == 7
    info = store.head(f"{folder}copy/{name}")
    assert (info.etag, info.metadata, info.content_type) == (copy.etag, {"a": "1"}, "text/csv")
    store.copy(folder + name, folder + "replaced", metadata={"b": "2"}, content_type="text/html")
    info = store.head(folder + "replaced")
    assert (info.metadata, info.content_type) == ({"b": "2"}, "text/html")


def test_overwriting_can_be_refused(store: ObjectStore, folder: str) -> None:
    store.put(folder + "key", b"old", overwrite=False)
    store.put(folder + "other", b"other")
    with pytest.raises(errors.ObjectExistsError):
        store.put(folder + "key", b"new", overwrite=False)
    with pytest.raises(errors.ObjectExistsError):
        store.copy(folder + "other", folder + "key", overwrite=False)
    with store.get(folder + "key") as response:
        assert response.read() == b"old"


def test_storage_class_and_further_headers_are_kept(store: ObjectStore, folder: str) -> None:
    cold = {"bos": "COLD", "oss": "IA", "cos": "STANDARD_IA"}[store.config.vendor.name]
    store.put(folder + "key", b"x", storage_class=cold, headers={"Cache-Control": "no-cache"})
    assert store.head(folder + "key").storage_class == cold
    with store.get(folder + "key") as response:
        assert response.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", KEYS)
def test_a_presigned_get_and_put_work_in_a_plain_client(store: ObjectStore, folder: str, name: str) -> None:
    put = store.presign(folder + name, method="PUT", headers={"Content-Type": "text/csv"})
    assert put.signed_headers == {"Content-Type": "text/csv"}
    assert requests.put(put.url, data=b"linked", headers=dict(put.signed_headers), timeout=10).status_code == 200
    assert requests.put(put.url, data=b"x", headers={"Content-Type": "text/html"}, timeout=10).status_code in (400, 403)
    url = store.presign(folder + name, expires_in=timedelta(minutes=1)).url
    with urllib.request.urlopen(url, timeout=10) as response:
        assert response.read() == b"linked"
    assert requests.delete(url, timeout=10).status_code in (400, 403)


def test_signed_headers_work_in_a_plain_client(emulator: Emulator, store: ObjectStore, folder: str) -> None:
    digest = base64.b64encode(hashlib.md5(b"signed", usedforsecurity=False).digest()).decode()
    signed = store.sign("PUT", folder + "key", headers={"Content-MD5": digest})
    answer = requests.put(signed.url, data=b"signed", headers=dict(signed.headers), timeout=10)
    assert answer.status_code == 200
    assert store.head(folder + "key").size == 6


@pytest.mark.parametrize("addressing", ["virtual", "cname"])
def test_bucket_hosts_and_custom_domains_are_signed_as_they_are_sent(
    emulator: Emulator, vendor: str, folder: str, addressing: str
) -> None:
    hosts = {"bos": "bj.bcebos.com", "oss": "oss-cn-hangzhou.aliyuncs.com", "cos": "cos.ap-guangzhou.myqcloud.com"}
    host = hosts[vendor] if addressing == "virtual" else f"{BUCKETS[vendor]}.{hosts[vendor]}"
    with open_store(
        emulator,
        vendor,
        endpoint=f"http://{host}",
        addressing=addressing,
        proxies={"http": emulator.endpoint},
    ) as store:
        store.put(folder + "a b+文", b"x")
        assert store.exists(folder + "a b+文")
        assert [info.key for info in store.list(folder)] == [folder + "a b+文"]


def test_wildcards_find_what_they_match(store: ObjectStore, folder: str) -> None:
    for name in ("2026/a.csv", "2026/b.csv", "2026/b.txt", "2026/[x].csv"):
        store.put(folder + name, b"x")
    uri = store.uri(folder)
    assert [info.key for info in find(store, folder + "2026/?.csv", None)] == [
        folder + "2026/a.csv",
        folder + "2026/b.csv",
    ]
    assert [info.key for info in find(store, uri + "2026/[[]x].csv", None)] == [folder + "2026/[x].csv"]
    assert find(store, folder + "2027/*", None) == []


def test_the_connection_test_says_what_is_wrong(emulator: Emulator, store: ObjectStore, vendor: str) -> None:
    assert "can be listed" in store.check()
    with (
        open_store(emulator, vendor, Credentials("AKPERMANENT", "wrong")) as wrong,
        pytest.raises(errors.PermissionDeniedError, match="SignatureDoesNotMatch"),
    ):
        wrong.check()
    with open_store(emulator, vendor, bucket=None) as without_bucket:
        assert "accepts the key pair" in without_bucket.check()
