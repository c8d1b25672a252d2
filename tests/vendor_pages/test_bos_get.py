"""Baidu BOS, "Download a file by GET": each row of the page against a store that verifies every signature."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from aksk_provider.errors import NotFoundError, PermissionDeniedError, ServiceError
from aksk_provider.signing import BosSigner, Credentials, Request
from tests.vendor_pages import bos_demo
from tests.vendor_pages.common import ACCOUNTS, BUCKETS, HookMaker, mismatch

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")
CONTENT = b"\x89PNG\r\n\x1a\n" + os.urandom(300_000) + b"\r\n\x00\xff"
KEYS = pytest.mark.parametrize("keys", ACCOUNTS)


@pytest.fixture(autouse=True)
def stored(hook: HookMaker) -> None:
    hook("bos").upload(CONTENT, "aaa.png")


@KEYS
def test_signed_get_to_a_local_file(hook: HookMaker, keys: str, tmp_path: Path) -> None:
    result = hook("bos", keys).download("aaa.png", tmp_path / "aaa.png")
    assert Path(result.path).read_bytes() == CONTENT
    assert result.size == len(CONTENT)


@KEYS
def test_signature_in_the_url_as_authorization(hook: HookMaker, plain: requests.Session, keys: str) -> None:
    link = hook("bos", keys).presign("aaa.png")
    assert urlsplit(link.url).netloc == "bucketname.bj.bcebos.com"
    assert urlsplit(link.url).path == "/aaa.png"
    assert parse_qs(urlsplit(link.url).query)["authorization"][0].startswith(
        f"bce-auth-v1/{ACCOUNTS[keys].access_key}/"
    )
    assert plain.get(link.url, timeout=30).content == CONTENT


@KEYS
def test_signature_as_the_authorization_header(hook: HookMaker, plain: requests.Session, keys: str) -> None:
    signed = hook("bos", keys).sign("GET", "aaa.png")
    assert "?" not in signed.url
    assert plain.get(signed.url, headers=dict(signed.headers), timeout=30).content == CONTENT


def test_temporary_keys_send_their_token_as_x_bce_security_token(hook: HookMaker, plain: requests.Session) -> None:
    """The page adds the token after signing. Ours is signed as well, so nobody can change it."""
    token = ACCOUNTS["temporary"].token
    signed = hook("bos", "temporary").sign("GET", "aaa.png")
    assert signed.headers["x-bce-security-token"] == token
    assert "x-bce-security-token" in signed.headers["Authorization"].split("/")[4].split(";")
    link = hook("bos", "temporary").presign("aaa.png")
    assert parse_qs(urlsplit(link.url).query)["x-bce-security-token"] == [token]

    without = {name: value for name, value in signed.headers.items() if name != "x-bce-security-token"}
    assert mismatch(plain.get(signed.url, headers=without, timeout=30))


def test_further_headers_are_signed(hook: HookMaker, plain: requests.Session) -> None:
    """The page signs the host and x-bce-date, and says that more can be added."""
    date = f"{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    signed = hook("bos").sign("GET", "aaa.png", headers={"x-bce-date": date, "content-type": "image/png"})
    assert signed.headers["Authorization"].split("/")[4] == "content-type;host;x-bce-date"
    assert plain.get(signed.url, headers=dict(signed.headers), timeout=30).content == CONTENT
    changed = dict(signed.headers) | {"content-type": "text/plain"}
    assert mismatch(plain.get(signed.url, headers=changed, timeout=30))


def test_parameters_of_the_url_take_part_in_the_signature(hook: HookMaker, plain: requests.Session) -> None:
    link = hook("bos").presign("aaa.png", params={"responseContentDisposition": 'attachment; filename="b c.png"'})
    answer = plain.get(link.url, timeout=30)
    assert answer.content == CONTENT
    assert answer.headers["Content-Disposition"] == 'attachment; filename="b c.png"'
    assert mismatch(plain.get(link.url.replace("b%20c.png", "evil.exe"), timeout=30))


def test_an_answer_other_than_200_is_an_error_and_no_file(hook: HookMaker, tmp_path: Path) -> None:
    """The page's own code writes the error's body into the file."""
    target = tmp_path / "folder" / "aaa.png"
    with pytest.raises(NotFoundError, match="NoSuchKey"):
        hook("bos").download("no such key.png", target)
    with pytest.raises(NotFoundError, match="NoSuchBucket"):
        hook("bos").download("aaa.png", target, "nosuchbucket")
    with pytest.raises(PermissionDeniedError, match="SignatureDoesNotMatch"):
        hook("bos", password="not-the-secret-key").download("aaa.png", target)
    assert list(tmp_path.iterdir()) == []

    here = tmp_path / "kept.png"
    here.write_bytes(b"what was here")
    with pytest.raises(ServiceError):
        hook("bos").download("no such key.png", here)
    assert here.read_bytes() == b"what was here"


@KEYS
def test_the_way_of_the_page_works_beside_ours(plain: requests.Session, keys: str, tmp_path: Path) -> None:
    assert bos_demo.request(plain, ACCOUNTS[keys], "GET", "/aaa.png", tmp_path / "aaa.png") == 200
    assert (tmp_path / "aaa.png").read_bytes() == CONTENT


@pytest.mark.parametrize("method", ["GET", "PUT"])
@pytest.mark.parametrize("path", ["/aaa.png", "/目录/a b+c~'(1).png"])
def test_the_signature_of_the_page_is_ours(method: str, path: str) -> None:
    """Same time, same headers: the same text, for permanent keys; the page leaves the token of others unsigned."""
    now, account = datetime(2025, 11, 3, 8, 0, tzinfo=timezone.utc), ACCOUNTS["permanent"]
    headers = bos_demo.headers(f"{now:%Y-%m-%dT%H:%M:%SZ}")
    request = Request(method, requests.Request(method, f"http://{bos_demo.HOST}{path}").prepare().url or "", headers)
    ours = BosSigner().sign(request, Credentials(account.access_key, account.secret_key), now=now)
    assert ours.headers["Authorization"] == bos_demo.authorization(account, method, path, now)
    assert BUCKETS["bos"] in bos_demo.HOST
