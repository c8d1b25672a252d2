"""Tencent COS, "Generate signatures and presigned URLs (Python SDK)": each row of the page, beside the SDK itself."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import requests
import time_machine
from qcloud_cos import CosConfig, CosS3Client

from aksk_provider.emulator import Emulator
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.signing import CosSigner, Credentials, Request, encoding
from tests.vendor_pages.common import ACCOUNTS, BUCKETS, HookMaker, mismatch

NOW = datetime(2025, 11, 3, 8, 0, tzinfo=timezone.utc)
EXPIRED = timedelta(seconds=300)
BUCKET = BUCKETS["cos"]
HOST = f"{BUCKET}.cos.ap-guangzhou.myqcloud.com"
TOKEN = "x-cos-security-token"
KEY = "目录/exampleobject 1+2"
CONTENT = b"example content"
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
METHODS = ("PUT", "POST", "GET", "DELETE", "HEAD")
HEADERS = {"Content-Length": "15", "Content-MD5": MD5}
PARAMS = {"param1": "string", "Param 2": "a/b+c"}
KEYS = pytest.mark.parametrize("keys", ACCOUNTS)
PARTS = pytest.mark.parametrize(
    ("headers", "params"),
    [({}, {}), (HEADERS, {}), ({}, PARAMS), (HEADERS, PARAMS)],
    ids=["plain", "Headers", "Params", "Headers and Params"],
)


@pytest.fixture
def cos(hook: HookMaker) -> ObjectStorageHook:
    return hook("cos")


@pytest.fixture
def stored(cos: ObjectStorageHook) -> None:
    cos.upload(CONTENT, KEY)


def sdk(keys: str = "permanent") -> CosS3Client:
    account = ACCOUNTS[keys]
    config = CosConfig(
        Region="ap-guangzhou",
        SecretId=account.access_key,
        SecretKey=account.secret_key,
        Token=account.token,
        Scheme="http",
    )
    return CosS3Client(config)


def fields(text: str) -> dict[str, str]:
    """Read a signature as get_auth gives it, where nothing is encoded."""
    return dict(pair.partition("=")[::2] for pair in text.split("&"))


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


@pytest.mark.parametrize("method", METHODS)
@PARTS
def test_get_auth(cos: ObjectStorageHook, method: str, headers: dict[str, str], params: dict[str, str]) -> None:
    with time_machine.travel(NOW, tick=False):
        ours = cos.authorization(method, KEY, expires_in=EXPIRED, headers=headers, params=params)
        theirs = sdk().get_auth(method, BUCKET, KEY, 300, dict(headers), dict(params))
    assert ours == theirs


@pytest.mark.parametrize("method", METHODS)
def test_get_auth_for_the_bucket(cos: ObjectStorageHook, plain: requests.Session, method: str) -> None:
    """The SDK writes the bucket as the key ``/``; ours is no key, since ``/`` may be one."""
    with time_machine.travel(NOW, tick=False):
        ours = cos.authorization(method, None, expires_in=EXPIRED, params={"prefix": "a/"})
        theirs = sdk().get_auth(method, BUCKET, "/", 300, {}, {"prefix": "a/"})
        assert ours == theirs
        if method == "GET":
            answer = plain.get(f"http://{HOST}/?prefix=a/", headers={"Authorization": ours}, timeout=30)
            assert (answer.status_code, "<Prefix>a/</Prefix>" in answer.text) == (200, True)


def test_get_auth_expires_after_300_seconds_by_default(
    cos: ObjectStorageHook, plain: requests.Session, stored: None
) -> None:
    """It starts 60 seconds early, as the SDK's, for clocks that are behind."""
    start = datetime.now(timezone.utc).replace(microsecond=0)
    with time_machine.travel(start, tick=False) as clock:
        ours = cos.authorization("GET", KEY)
        unix = int(start.timestamp())
        assert fields(ours)["q-sign-time"] == fields(ours)["q-key-time"] == f"{unix - 60};{unix + 300}"
        assert ours == cos.authorization("GET", KEY, expires_in=EXPIRED) == sdk().get_auth("GET", BUCKET, KEY)
        url = requests.Request("GET", f"http://{HOST}/{KEY}").prepare().url
        statuses = []
        for seconds in (-61, -60, 0, 300, 301):
            clock.move_to(start + timedelta(seconds=seconds))
            statuses.append(plain.get(url, headers={"Authorization": ours}, timeout=30).status_code)
    assert statuses == [403, 200, 200, 200, 403]


def test_get_auth_is_good_for_each_method(cos: ObjectStorageHook, plain: requests.Session) -> None:
    """PUT, HEAD, GET, POST and DELETE of one object by a client that has the five signatures and no key."""
    url = requests.Request("GET", f"http://{HOST}/{KEY}").prepare().url

    def send(method: str, suffix: str = "", body: bytes = b"", **parts: Any) -> requests.Response:
        headers = parts.get("headers", {}) | {"Authorization": cos.authorization(method, KEY, **parts)}
        return plain.request(method, f"{url}{suffix}", data=body or None, headers=headers, timeout=30)

    assert send("PUT", body=CONTENT, headers={"Content-Length": str(len(CONTENT))}).status_code == 200
    assert send("HEAD").headers["Content-Length"] == str(len(CONTENT))
    assert send("GET").content == CONTENT
    assert "<UploadId>" in send("POST", "?uploads", params={"uploads": ""}).text
    assert send("DELETE").status_code == 204
    assert not cos.exists(KEY)


def test_what_get_auth_signed_is_required(cos: ObjectStorageHook, plain: requests.Session, stored: None) -> None:
    url = requests.Request("GET", f"http://{HOST}/{KEY}").prepare().url
    signature = cos.authorization("GET", KEY, headers={"Range": "bytes=0-6"}, params={"response-expires": "0"})

    def get(signed_range: str, params: str, method: str = "GET") -> requests.Response:
        headers = {"Authorization": signature, "Range": signed_range}
        return plain.request(method, f"{url}{params}", headers=headers, timeout=30)

    assert get("bytes=0-6", "?response-expires=0").content == CONTENT[:7]
    assert mismatch(get("bytes=0-9", "?response-expires=0"))
    assert mismatch(get("bytes=0-6", "?response-expires=1"))
    assert mismatch(get("bytes=0-6", ""))
    assert get("bytes=0-6", "?response-expires=0", method="DELETE").status_code == 403
    assert cos.exists(KEY)


@pytest.mark.parametrize("method", METHODS)
@PARTS
def test_get_presigned_url(
    cos: ObjectStorageHook, method: str, headers: dict[str, str], params: dict[str, str]
) -> None:
    with time_machine.travel(NOW, tick=False):
        link = cos.presign(KEY, method=method, expires_in=EXPIRED, headers=headers, params=params)
        theirs = sdk().get_presigned_url(BUCKET, KEY, method, 300, dict(params), dict(headers))
    assert (urlsplit(link.url)[:3], query(link.url)) == (urlsplit(theirs)[:3], query(theirs))
    assert (link.method, link.expires_at, link.signed_headers) == (method, NOW + EXPIRED, headers)


@KEYS
def test_get_presigned_url_is_good_for_each_method(hook: HookMaker, plain: requests.Session, keys: str) -> None:
    cos = hook("cos", keys)

    def send(method: str, body: bytes = b"", **parts: Any) -> requests.Response:
        link = cos.presign(KEY, method=method, **parts)
        return plain.request(link.method, link.url, data=body or None, headers=dict(link.signed_headers), timeout=30)

    assert send("PUT", CONTENT, headers={"Content-MD5": MD5, "Content-Type": "text/x-example"}).status_code == 200
    assert send("HEAD").headers["Content-Type"] == "text/x-example"
    assert send("GET").content == CONTENT
    assert "<UploadId>" in send("POST", params={"uploads": ""}).text
    assert send("DELETE").status_code == 204
    assert not cos.exists(KEY)


@PARTS
def test_get_presigned_download_url(cos: ObjectStorageHook, headers: dict[str, str], params: dict[str, str]) -> None:
    """A download is what presigning is for by default."""
    with time_machine.travel(NOW, tick=False):
        link = cos.presign(KEY, headers=headers, params=params)
        theirs = sdk().get_presigned_download_url(BUCKET, KEY, Params=dict(params), Headers=dict(headers))
    assert (urlsplit(link.url)[:3], query(link.url)) == (urlsplit(theirs)[:3], query(theirs))


@KEYS
def test_get_presigned_download_url_downloads_the_object(
    hook: HookMaker, plain: requests.Session, keys: str, stored: None
) -> None:
    link = hook("cos", keys).presign(KEY, params={"response-content-disposition": 'attachment; filename="a b.txt"'})
    answer = plain.get(link.url, timeout=30)
    assert answer.content == CONTENT
    assert answer.headers["Content-Disposition"] == 'attachment; filename="a b.txt"'


def test_the_token_in_the_query_is_always_signed(hook: HookMaker, plain: requests.Session, stored: None) -> None:
    """As the SDK signs it when its caller passes it among Params; its URL without it never works."""
    token = ACCOUNTS["temporary"].token
    with time_machine.travel(datetime.now(timezone.utc), tick=False):
        link = hook("cos", "temporary").presign(KEY)
        with_token = sdk("temporary").get_presigned_url(BUCKET, KEY, "GET", 300, {TOKEN: token})
        without = sdk("temporary").get_presigned_url(BUCKET, KEY, "GET", 300)
    assert query(link.url) == query(with_token)
    assert query(link.url)["q-url-param-list"] == TOKEN
    assert plain.get(link.url, timeout=30).content == CONTENT
    assert mismatch(plain.get(link.url.replace("page-token", "page-other"), timeout=30))
    assert plain.get(without, timeout=30).status_code == 403


def test_the_token_in_the_headers_is_always_signed(hook: HookMaker, plain: requests.Session, stored: None) -> None:
    """As the SDK signs it when its caller passes it among Headers."""
    token = ACCOUNTS["temporary"].token
    with time_machine.travel(datetime.now(timezone.utc), tick=False):
        signed = hook("cos", "temporary").sign("GET", KEY)
        assert signed.headers["Authorization"] == hook("cos", "temporary").authorization("GET", KEY)
        assert signed.headers["Authorization"] == sdk("temporary").get_auth("GET", BUCKET, KEY, 300, {TOKEN: token})
    assert fields(signed.headers["Authorization"])["q-header-list"] == f"host;{TOKEN}"
    assert plain.get(signed.url, headers=dict(signed.headers), timeout=30).content == CONTENT
    assert mismatch(plain.get(signed.url, headers={**signed.headers, TOKEN: "another"}, timeout=30))
    left = {name: value for name, value in signed.headers.items() if name != TOKEN}
    assert plain.get(signed.url, headers=left, timeout=30).status_code == 403


@pytest.mark.parametrize("method", METHODS)
@PARTS
def test_sign_host_off(method: str, headers: dict[str, str], params: dict[str, str]) -> None:
    """``SignHost=False`` of the SDK is a list of headers without the host; without a list, the host is signed."""
    account = ACCOUNTS["permanent"]
    credentials = Credentials(account.access_key, account.secret_key)
    url = encoding.with_query(f"http://{HOST}/{encoding.encode_path(KEY)}", params.items())
    request, signer = Request(method, url, headers), CosSigner(signed_headers=list(headers))
    link = signer.presign(request, credentials, now=NOW, expires_in=EXPIRED)
    signed = signer.sign(request, credentials, now=NOW, expires_in=EXPIRED)
    with time_machine.travel(NOW, tick=False):
        theirs = sdk().get_presigned_url(BUCKET, KEY, method, 300, dict(params), dict(headers), SignHost=False)
        authorization = sdk().get_auth(method, BUCKET, KEY, 300, dict(headers), dict(params), SignHost=False)
    assert (urlsplit(link.url)[:3], query(link.url)) == (urlsplit(theirs)[:3], query(theirs))
    assert signed.headers["Authorization"] == authorization
    assert "host" not in query(link.url)["q-header-list"].split(";")


def test_a_link_whose_host_is_not_signed_may_be_used_at_another(
    cos: ObjectStorageHook, emulator: Emulator, plain: requests.Session, stored: None
) -> None:
    """The vendor calls that a risk, and it is off by default: with the host signed, another one is refused."""
    account = ACCOUNTS["permanent"]
    credentials, now = Credentials(account.access_key, account.secret_key), datetime.now(timezone.utc)
    request = Request("GET", f"http://{HOST}/{encoding.encode_path(KEY)}")
    free = CosSigner(signed_headers=[]).presign(request, credentials, now=now)
    other = HOST.replace("cos.ap-guangzhou", "cos.accelerate")
    assert plain.get(free.url.replace(HOST, other), timeout=30).content == CONTENT
    assert mismatch(plain.get(cos.presign(KEY).url.replace(HOST, other), timeout=30))
