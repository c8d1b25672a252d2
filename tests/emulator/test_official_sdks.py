"""The vendors' official SDKs work against the emulator: they are the proof that it speaks their protocols."""

from __future__ import annotations

import gc
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator

import pytest

from aksk_provider.emulator import Emulator
from tests.emulator.sdk_clients import BUCKETS, SDKS, SdkClient

# Baidu's SDK opens a connection for every request and leaves it to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
CREDENTIALS = {"permanent": "AKPERMANENT", "token": "AKTEMPORARY"}
MIB = 1 << 20


@pytest.fixture
def sdk(emulator: Emulator, vendor: str, credentials: str) -> Iterator[SdkClient]:
    client = SDKS[vendor](emulator, emulator.accounts[CREDENTIALS[credentials]], BUCKETS[vendor])
    yield client
    client.close()
    gc.collect()


def fresh(name: str) -> str:
    """Return a key of this test, of the kind that encodings get wrong."""
    return f"{uuid.uuid4().hex}/目录 a+b/{name} ~(1)'&=%20;🚀.txt"


def put(sdk: SdkClient) -> None:
    etag = sdk.put(fresh("put"), b"hello", "text/plain", {})
    assert etag.strip('"').lower() == hashlib.md5(b"hello").hexdigest()


def get(sdk: SdkClient) -> None:
    key, body = fresh("get"), os.urandom(3 * MIB + 1)
    sdk.put(key, body, "application/octet-stream", {})
    assert sdk.get(key) == body


def get_range(sdk: SdkClient) -> None:
    key = fresh("range")
    sdk.put(key, b"0123456789", "text/plain", {})
    assert sdk.get_range(key, 2, 5) == b"2345"


def head(sdk: SdkClient) -> None:
    key = fresh("head")
    sdk.put(key, b"hello", "text/markdown", {"owner": "team a"})
    info = sdk.head(key)
    assert (info.size, info.content_type) == (5, "text/markdown")
    assert info.etag.strip('"').lower() == hashlib.md5(b"hello").hexdigest()
    assert info.metadata == {"owner": "team a"}


def list_pages(sdk: SdkClient) -> None:
    folder = f"{uuid.uuid4().hex}/"
    keys = sorted((f"{folder}{i:02} +é&.txt" for i in range(7)), key=str.encode)
    for key in keys:
        sdk.put(key, b"x", "text/plain", {})
    found, marker, pages = [], "", 0
    while pages == 0 or marker:
        names, prefixes, marker = sdk.page(folder, marker, "", 3)
        assert not prefixes
        found, pages = found + names, pages + 1
    assert found == keys
    assert pages == 3


def list_folders(sdk: SdkClient) -> None:
    folder = f"{uuid.uuid4().hex}/"
    for name in ("a.txt", "b c/1.txt", "b c/2.txt", "d+é/3.txt", "e.txt"):
        sdk.put(folder + name, b"x", "text/plain", {})
    found, marker = [], None
    while marker != "":
        names, prefixes, marker = sdk.page(folder, marker or "", "/", 2)
        found += [name.removeprefix(folder) for name in names + prefixes]
    assert sorted(found) == ["a.txt", "b c/", "d+é/", "e.txt"]


def delete(sdk: SdkClient) -> None:
    key = fresh("delete")
    sdk.put(key, b"x", "text/plain", {})
    sdk.delete(key)
    assert sdk.missing(key) == (404, "NoSuchKey")


def delete_many(sdk: SdkClient) -> None:
    keys = [fresh(f"many <{i}>") for i in range(3)]
    for key in keys:
        sdk.put(key, b"x", "text/plain", {})
    sdk.delete_many(keys)
    assert {sdk.missing(key) for key in keys} == {(404, "NoSuchKey")}


def copy(sdk: SdkClient) -> None:
    source, target = fresh("source"), fresh("target")
    sdk.put(source, b"hello", "text/markdown", {"owner": "me"})
    etag = sdk.copy(source, target)
    assert etag.strip('"').lower() == hashlib.md5(b"hello").hexdigest()
    assert sdk.get(target) == b"hello"
    assert sdk.head(target).metadata == {"owner": "me"}


def multipart(sdk: SdkClient) -> None:
    key, parts = fresh("multipart"), [os.urandom(MIB), os.urandom(MIB), b"the end"]
    etag, listed = sdk.multipart(key, parts)
    assert listed == [MIB, MIB, 7]
    assert sdk.get(key) == b"".join(parts)
    assert sdk.head(key).etag.strip('"') == etag.strip('"')


def multipart_copy(sdk: SdkClient) -> None:
    source, target, body = fresh("source"), fresh("target"), os.urandom(2 * MIB)
    sdk.put(source, body, "application/octet-stream", {})
    sdk.multipart_copy(source, target, len(body))
    assert sdk.get(target) == body


def multipart_abort(sdk: SdkClient) -> None:
    key = f"{uuid.uuid4().hex}.bin"
    assert sdk.abort(key) == [key]


def presigned_get(sdk: SdkClient) -> None:
    key = fresh("presigned")
    sdk.put(key, b"hello", "text/plain", {})
    answer = sdk.fetch("GET", sdk.presign("GET", key, {}))
    assert (answer.status_code, answer.content) == (200, b"hello")


def presigned_put(sdk: SdkClient) -> None:
    key, headers = fresh("presigned"), {"Content-Type": "text/markdown"}
    answer = sdk.fetch("PUT", sdk.presign("PUT", key, headers), data=b"hello", headers=headers)
    assert answer.status_code == 200, answer.text
    assert sdk.get(key) == b"hello"
    assert sdk.head(key).content_type == "text/markdown"


OPERATIONS: list[Callable[[SdkClient], None]] = [
    put, get, get_range, head, list_pages, list_folders, delete, delete_many, copy,
    multipart, multipart_copy, multipart_abort, presigned_get, presigned_put,
]  # fmt: skip


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.__name__)
@pytest.mark.parametrize("credentials", CREDENTIALS)
@pytest.mark.parametrize("vendor", SDKS)
def test_the_official_sdk_is_served(sdk: SdkClient, operation: Callable[[SdkClient], None]) -> None:
    operation(sdk)
