"""Alibaba OSS, "Download by a presigned URL (Python SDK V2)": each row of the page, beside the page's own script."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import alibabacloud_oss_v2 as oss
import pytest
import requests
import time_machine

from aksk_provider.emulator import Emulator
from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import PresignedURL
from tests.vendor_pages.common import ACCOUNTS, CLIENTS, DOMAIN, HookMaker, mismatch

NOW = datetime(2025, 7, 31, 9, 0, tzinfo=timezone.utc)
KEY = "文件夹/exampleobject 1+2.txt"
CONTENT = b"what the link is for\r\n" * 2000
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SIGNED = {"x-oss-range-behavior": "standard", "x-oss-request-payer": "requester"}
DISPOSITION = {"response-content-disposition": "attachment;filename=test.txt"}
KEYS = pytest.mark.parametrize("keys", ACCOUNTS)


@pytest.fixture(autouse=True)
def stored(hook: HookMaker) -> None:
    hook("oss").upload(CONTENT, KEY)


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def script(
    keys: str, request: Mapping[str, Any] | None = None, client: Mapping[str, Any] | None = None, **presign: Any
) -> oss.PresignResult:
    """Do what the page's script does, with these credentials."""
    config = oss.config.load_default()
    account = ACCOUNTS[keys]
    config.credentials_provider = oss.credentials.StaticCredentialsProvider(
        account.access_key, account.secret_key, account.token
    )
    config.region, config.disable_ssl = "cn-hangzhou", True
    for name, value in (client or {}).items():
        setattr(config, name, value)
    arguments = {"bucket": "examplebucket", "key": KEY, **(request or {})}
    return oss.Client(config).presign(oss.GetObjectRequest(**arguments), **presign)


VARIANTS: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    # name: ours (connection, presign), theirs (request, client, presign)
    "plain": ({}, {}, {}, {}, {}),
    "expires": ({}, {"expires_in": 30 * MINUTE}, {}, {}, {"expires": 30 * MINUTE}),
    "expiration": ({}, {"expires_at": NOW + 5 * MINUTE}, {}, {}, {"expiration": NOW + 5 * MINUTE}),
    "version": ({}, {"version_id": "v/1"}, {"version_id": "v/1"}, {}, {}),
    "request headers": (
        {},
        {"headers": SIGNED},
        {"range_behavior": "standard", "request_payer": "requester"},
        {},
        {},
    ),
    "disposition": (
        {},
        {"params": DISPOSITION},
        {"response_content_disposition": DISPOSITION["response-content-disposition"]},
        {},
        {},
    ),
    "custom domain": (
        {"host": f"http://{DOMAIN}"},
        {},
        {},
        {"endpoint": f"http://{DOMAIN}", "use_cname": True},
        {},
    ),
    "internal endpoint": (
        {"host": "http://oss-cn-hangzhou-internal.aliyuncs.com"},
        {},
        {},
        {"use_internal_endpoint": True},
        {},
    ),
}


@KEYS
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_result_is_that_of_the_script(hook: HookMaker, keys: str, variant: str) -> None:
    connection, ours, request, client, theirs = VARIANTS[variant]
    with time_machine.travel(NOW, tick=False):
        link = hook("oss", keys, **connection).presign(KEY, **ours)
        result = script(keys, request, client, **theirs)
    assert (urlsplit(link.url)[:3], query(link.url)) == (urlsplit(result.url)[:3], query(result.url))
    assert (link.method, link.expires_at) == (result.method, result.expiration.replace(tzinfo=timezone.utc))
    assert link.signed_headers == dict(result.signed_headers)


@KEYS
def test_the_signature_is_version_4(hook: HookMaker, plain: requests.Session, keys: str) -> None:
    link = hook("oss", keys).presign(KEY)
    said = query(link.url)
    assert said["x-oss-signature-version"] == "OSS4-HMAC-SHA256"
    day = said["x-oss-date"][:8]
    assert said["x-oss-credential"] == f"{ACCOUNTS[keys].access_key}/{day}/cn-hangzhou/oss/aliyun_v4_request"
    assert urlsplit(link.url).netloc == "examplebucket.oss-cn-hangzhou.aliyuncs.com"
    assert plain.get(link.url, timeout=30).content == CONTENT


def test_presigning_sends_nothing(hook: HookMaker) -> None:
    unreachable = hook("oss", proxies={"http": "http://127.0.0.1:9"})
    assert unreachable.presign("an object nobody made").url.startswith("http://examplebucket.")


@KEYS
def test_expires_is_15_minutes_by_default(hook: HookMaker, plain: requests.Session, keys: str) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        link = hook("oss", keys).presign(KEY)
        assert query(link.url)["x-oss-expires"] == "900"
        assert link.expires_at == NOW + 15 * MINUTE
        for minutes in (0, 7, 15):
            clock.move_to(NOW + minutes * MINUTE)
            assert plain.get(link.url, timeout=30).content == CONTENT
        clock.move_to(NOW + 15 * MINUTE + timedelta(seconds=1))
        late = plain.get(link.url, timeout=30)
    assert (late.status_code, "Request has expired" in late.text) == (403, True)


def test_expiration_wins_over_expires(hook: HookMaker) -> None:
    with time_machine.travel(NOW, tick=False):
        link = hook("oss").presign(KEY, expires_in=DAY, expires_at=NOW + MINUTE)
        assert link.expires_at == NOW + MINUTE
        assert query(link.url)["x-oss-expires"] == "60"


@pytest.mark.parametrize(("keys", "longest"), [("permanent", 7 * DAY), ("temporary", timedelta(hours=12))])
def test_the_maximum_is_7_days_and_12_hours_with_a_token(
    hook: HookMaker, plain: requests.Session, keys: str, longest: timedelta
) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        link = hook("oss", keys).presign(KEY, expires_in=longest)
        clock.move_to(NOW + longest)
        assert plain.get(link.url, timeout=30).content == CONTENT
        for late in ({"expires_in": longest + timedelta(seconds=1)}, {"expires_at": NOW + 2 * longest + MINUTE}):
            with pytest.raises(InvalidRequestError, match="lives at most"):
                hook("oss", keys).presign(KEY, **late)


def test_the_result_has_method_url_expiration_and_signed_headers(hook: HookMaker) -> None:
    link = hook("oss").presign(KEY, headers={"Content-Type": "text/plain"})
    assert isinstance(link, PresignedURL)
    assert link.method == "GET"
    assert link.url.startswith("http://examplebucket.oss-cn-hangzhou.aliyuncs.com/")
    assert link.expires_at.utcoffset() == timedelta(0)
    assert link.signed_headers == {"Content-Type": "text/plain"}
    assert "x-oss-signature=" not in repr(link)


def test_a_version_id_gets_that_version(hook: HookMaker, plain: requests.Session) -> None:
    store = hook("oss")
    first = store.upload(b"first", "versioned.txt", "versionedbucket")
    store.upload(b"second", "versioned.txt", "versionedbucket")
    link = store.presign("versioned.txt", "versionedbucket", version_id=first.version_id)
    assert query(link.url)["versionId"] == first.version_id
    assert plain.get(link.url, timeout=30).content == b"first"
    assert plain.get(store.presign("oss://versionedbucket/versioned.txt").url, timeout=30).content == b"second"


def test_request_headers_are_signed_returned_and_required(hook: HookMaker, plain: requests.Session) -> None:
    link = hook("oss").presign(KEY, headers=SIGNED)
    assert link.signed_headers == SIGNED
    assert plain.get(link.url, headers=dict(link.signed_headers), timeout=30).content == CONTENT
    assert mismatch(plain.get(link.url, timeout=30))
    for name in SIGNED:
        assert mismatch(plain.get(link.url, headers={**SIGNED, name: "other"}, timeout=30))
        assert mismatch(plain.get(link.url, headers={n: v for n, v in SIGNED.items() if n != name}, timeout=30))


def test_x_oss_range_behavior_standard_refuses_a_range_outside_the_object(
    hook: HookMaker, plain: requests.Session
) -> None:
    outside = {"Range": f"bytes={len(CONTENT)}-"}
    link = hook("oss").presign(KEY, headers={"x-oss-range-behavior": "standard"})
    assert plain.get(link.url, headers={**link.signed_headers, **outside}, timeout=30).status_code == 416
    assert plain.get(hook("oss").presign(KEY).url, headers=outside, timeout=30).content == CONTENT


def test_response_content_disposition_forces_a_download(hook: HookMaker, plain: requests.Session) -> None:
    link = hook("oss").presign(KEY, params=DISPOSITION)
    answer = plain.get(link.url, timeout=30)
    assert answer.content == CONTENT
    assert answer.headers["Content-Disposition"] == "attachment;filename=test.txt"
    assert mismatch(plain.get(link.url.replace("test.txt", "test.exe"), timeout=30))


@pytest.mark.parametrize("client", CLIENTS)
@KEYS
def test_download_by_a_plain_http_client(
    hook: HookMaker, emulator: Emulator, keys: str, client: str, tmp_path: Path
) -> None:
    link = hook("oss", keys).presign(KEY, headers=SIGNED, params=DISPOSITION)
    assert CLIENTS[client](link, link.signed_headers, tmp_path / "myfile.txt", emulator) == 200
    assert (tmp_path / "myfile.txt").read_bytes() == CONTENT


@pytest.mark.parametrize("client", CLIENTS)
def test_a_custom_domain(hook: HookMaker, emulator: Emulator, client: str, tmp_path: Path) -> None:
    """The bucket is in neither host nor path of the URL, but in the signature."""
    link = hook("oss", host=f"http://{DOMAIN}").presign(KEY)
    assert urlsplit(link.url).netloc == DOMAIN
    assert CLIENTS[client](link, {}, tmp_path / "myfile.txt", emulator) == 200
    assert (tmp_path / "myfile.txt").read_bytes() == CONTENT


def test_a_custom_domain_for_links_beside_the_endpoint_for_requests(hook: HookMaker, plain: requests.Session) -> None:
    store = hook("oss", public_endpoint=f"http://{DOMAIN}")
    store.upload(b"for others", "shared.txt")
    link = store.presign("shared.txt")
    assert urlsplit(link.url).netloc == DOMAIN
    assert plain.get(link.url, timeout=30).content == b"for others"


def test_the_internal_endpoint(hook: HookMaker, plain: requests.Session) -> None:
    store = hook("oss", host="http://oss-cn-hangzhou-internal.aliyuncs.com", region="")
    assert store.head(KEY).size == len(CONTENT)
    link = store.presign(KEY)
    assert urlsplit(link.url).netloc == "examplebucket.oss-cn-hangzhou-internal.aliyuncs.com"
    assert plain.get(link.url, timeout=30).content == CONTENT


@pytest.mark.parametrize(
    "names",
    [
        ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ],
)
@KEYS
def test_credentials_from_the_environment(
    hook: HookMaker, plain: requests.Session, keys: str, names: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    account = ACCOUNTS[keys]
    for name, value in zip(names, (account.access_key, account.secret_key, account.token or ""), strict=True):
        monkeypatch.setenv(name, value)
    link = hook("oss", None).presign(KEY)
    assert query(link.url)["x-oss-credential"].startswith(f"{account.access_key}/")
    assert plain.get(link.url, timeout=30).content == CONTENT
