"""Baidu BOS, "Upload a file by PUT": each row of the page against a store that verifies every signature."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
import requests

from aksk_provider.errors import BucketNotFoundError, ObjectStorageError, PermissionDeniedError
from tests.vendor_pages import bos_demo
from tests.vendor_pages.common import ACCOUNTS, HookMaker, mismatch

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")
CONTENT = b"\x89PNG\r\n\x1a\n" + os.urandom(3_000_000) + b"\r\n\x00\xff"
KEYS = pytest.mark.parametrize("keys", ACCOUNTS)


@pytest.fixture
def local(tmp_path: Path) -> Path:
    path = tmp_path / "local file.png"
    path.write_bytes(CONTENT)
    return path


def content(hook: HookMaker, key: str) -> bytes:
    with hook("bos").open(key) as stream:
        return stream.read()


@KEYS
def test_a_file_is_uploaded_by_put(hook: HookMaker, keys: str, local: Path) -> None:
    info = hook("bos", keys).upload(local, "aaabbb.png")
    assert (info.uri, info.size) == ("bos://bucketname/aaabbb.png", len(CONTENT))
    assert content(hook, "aaabbb.png") == CONTENT


def test_the_file_is_streamed_as_binary(hook: HookMaker) -> None:
    """Fails when a body is read at once, or as text."""

    class Watched(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1) -> bytes:
            block = super().read(size)
            Watched.largest = max(Watched.largest, len(block))
            return block

    hook("bos").upload(Watched(CONTENT), "streamed.png")
    assert content(hook, "streamed.png") == CONTENT
    assert 0 < Watched.largest <= 1024 * 1024


@KEYS
def test_signature_in_the_url_and_a_plain_put(hook: HookMaker, plain: requests.Session, keys: str, local: Path) -> None:
    link = hook("bos", keys).presign(f"{keys}.png", method="PUT")
    with local.open("rb") as file:
        assert plain.put(link.url, data=file, timeout=30).status_code == 200
    assert content(hook, f"{keys}.png") == CONTENT
    assert mismatch(plain.get(link.url, timeout=30))


@KEYS
def test_signature_as_a_header_and_a_plain_put(
    hook: HookMaker, plain: requests.Session, keys: str, local: Path
) -> None:
    signed = hook("bos", keys).sign("PUT", "by header.png")
    with local.open("rb") as file:
        assert plain.put(signed.url, headers=dict(signed.headers), data=file, timeout=30).status_code == 200
    assert content(hook, "by header.png") == CONTENT


def test_extra_headers_such_as_content_type(hook: HookMaker, plain: requests.Session, local: Path) -> None:
    bos = hook("bos")
    bos.upload(local, "typed", content_type="image/png", headers={"Cache-Control": "no-store", "x-bce-meta-a": "b"})
    info = bos.head("typed")
    assert (info.content_type, info.metadata) == ("image/png", {"a": "b"})
    assert plain.get(bos.presign("typed").url, timeout=30).headers["Cache-Control"] == "no-store"

    link = bos.presign("linked", method="PUT", headers={"Content-Type": "image/png"})
    assert link.signed_headers == {"Content-Type": "image/png"}
    assert mismatch(plain.put(link.url, data=CONTENT, headers={"Content-Type": "text/html"}, timeout=30))
    assert not bos.exists("linked")
    assert plain.put(link.url, data=CONTENT, headers=dict(link.signed_headers), timeout=30).status_code == 200
    assert bos.head("linked").content_type == "image/png"


def test_an_upload_that_is_not_answered_with_200_is_an_error(hook: HookMaker, local: Path) -> None:
    with pytest.raises(BucketNotFoundError, match="NoSuchBucket"):
        hook("bos").upload(local, "aaabbb.png", "nosuchbucket")
    with pytest.raises(PermissionDeniedError):
        hook("bos", password="not-the-secret-key").upload(local, "refused.png")
    hook("bos").upload(b"first", "once.png")
    with pytest.raises(ObjectStorageError, match="412"):
        hook("bos").upload(local, "once.png", overwrite=False)
    assert not hook("bos").exists("refused.png")
    assert content(hook, "once.png") == b"first"


@KEYS
def test_the_way_of_the_page_works_beside_ours(
    hook: HookMaker, plain: requests.Session, keys: str, local: Path
) -> None:
    assert bos_demo.request(plain, ACCOUNTS[keys], "PUT", "/by the page.png", local) == 200
    assert content(hook, "by the page.png") == CONTENT
