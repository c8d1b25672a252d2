"""Links that will not work for the people they are meant for say so, and no others do."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials, PresignedURL
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static
from aksk_provider.storage.presigning import lint

BUCKETS = {"bos": "examplebucket", "oss": "examplebucket", "cos": "examplebucket-1250000000"}
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
DOMAIN = "https://files.example.com"


def link(vendor: str, host: str = "", *, key: str = "report.csv", **asked: Any) -> PresignedURL:
    settings = {
        name: asked.pop(name) for name in ("public_endpoint", "signature_version", "addressing") if name in asked
    }
    credentials = Credentials("ak", "not-a-secret", asked.pop("token", None), asked.pop("token_end", None))
    config = resolve(
        vendor=vendor,
        credentials=static(credentials),
        endpoint=host or None,
        region=REGIONS[vendor],
        bucket=BUCKETS[vendor],
        **settings,
    )
    with ObjectStore(config) as store:
        return store.presign(key, **asked)


WARNED: list[tuple[str, str, dict[str, Any], str]] = [
    ("oss", "oss-cn-hangzhou-internal.aliyuncs.com", {}, "internal endpoint"),
    ("cos", "cos-internal.ap-guangzhou.tencentcos.cn", {}, "internal domain"),
    ("bos", "http://127.0.0.1:9000", {}, "this machine itself"),
    ("bos", "http://localhost:9000", {}, "this machine itself"),
    ("cos", "http://[::1]:9000", {}, "this machine itself"),
    ("bos", "http://10.1.2.3", {}, "private network"),
    ("bos", "http://192.168.0.1:9000", {}, "private network"),
    ("bos", "https://emulator:9000", {}, "private network"),
    ("bos", "https://store.prod.svc.cluster.local", {}, "private network"),
    ("bos", "http://bj.bcebos.com", {}, "plain HTTP"),
    ("oss", "http://files.example.com", {}, "plain HTTP"),
    ("oss", "oss-cn-hangzhou.aliyuncs.com", {}, "since 2025-03-20"),
    ("oss", "cn-hangzhou.oss.aliyuncs.com", {}, "since 2025-03-20"),
    ("oss", "oss-accelerate.aliyuncs.com", {"key": "app.APK"}, "ApkDownloadForbidden"),
    ("oss", "oss-eu-central-1.aliyuncs.com", {"key": "a/app.ipa"}, "ApkDownloadForbidden"),
    ("oss", "oss-eu-central-1.aliyuncs.com", {"key": "index.html"}, "instead of showing"),
    ("oss", "oss-eu-central-1.aliyuncs.com", {"addressing": "path"}, "SecondLevelDomainForbidden"),
    ("oss", DOMAIN, {"method": "PUT"}, "fixes no Content-Type"),
    ("oss", DOMAIN, {"signature_version": "v1"}, "V1 signatures are being retired"),
    ("cos", "", {"key": "app.apk"}, "DownloadForbidden"),
    ("cos", "cos.accelerate.myqcloud.com", {"key": "app.ipa"}, "DownloadForbidden"),
    ("cos", "", {"key": "picture.PNG"}, "instead of showing"),
    ("cos", "", {"addressing": "path"}, "PathStyleDomainForbidden"),
    ("bos", "", {"addressing": "path"}, "newer buckets"),
    ("bos", "", {"token": "a-token"}, "whose end is not known"),
]


@pytest.mark.parametrize(("vendor", "host", "asked", "told"), WARNED, ids=lambda value: str(value) or "default")
def test_a_link_that_will_not_work_for_others_says_so(vendor: str, host: str, asked: dict[str, Any], told: str) -> None:
    (warning,) = (text for text in link(vendor, host, **asked).warnings if told in text)
    assert warning[0].isupper()
    assert warning.endswith(".")
    for secret in ("not-a-secret", "a-token", "http://", "?", "report", "app."):
        assert secret not in warning


QUIET: list[tuple[str, str, dict[str, Any]]] = [
    ("bos", "", {}),
    ("bos", "", {"key": "index.html"}),
    ("bos", "", {"method": "PUT"}),
    ("oss", DOMAIN, {"key": "app.apk"}),
    ("oss", DOMAIN, {"method": "PUT", "content_type": "text/csv"}),
    ("oss", DOMAIN, {"method": "PUT", "headers": {"content-type": "text/csv"}}),
    ("oss", "oss-cn-hongkong.aliyuncs.com", {}),
    ("oss", "oss-eu-central-1.aliyuncs.com", {"key": "index.html", "filename": "index.html"}),
    ("oss", "oss-eu-central-1.aliyuncs.com", {"key": "app.apk", "method": "HEAD"}),
    ("cos", "", {}),
    ("cos", "", {"key": "picture.png", "response_content_disposition": "attachment"}),
    ("cos", "", {"key": "app.apk", "method": "DELETE"}),
    ("cos", DOMAIN, {"key": "app.apk"}),
    ("bos", "https://8.8.8.8", {}),
    ("bos", "", {"token": "a-token", "token_end": datetime(2100, 1, 1, tzinfo=timezone.utc)}),
]


@pytest.mark.parametrize(("vendor", "host", "asked"), QUIET, ids=str)
def test_a_link_that_works_is_not_warned_of(vendor: str, host: str, asked: dict[str, Any]) -> None:
    assert link(vendor, host, **asked).warnings == ()


@pytest.fixture
def inside() -> Iterator[ObjectStore]:
    """A store that is reached by its internal endpoint and names no other."""
    config = resolve(
        vendor="oss",
        credentials=static(Credentials("ak", "not-a-secret")),
        endpoint="oss-cn-hangzhou-internal.aliyuncs.com",
        bucket="examplebucket",
    )
    with ObjectStore(config) as store:
        yield store


def test_a_public_endpoint_of_the_connection_is_signed_for_and_not_warned_of() -> None:
    it = link("oss", "oss-cn-hangzhou-internal.aliyuncs.com", public_endpoint=DOMAIN)
    assert it.url.startswith(f"{DOMAIN}/report.csv?")
    assert it.warnings == ()


@pytest.mark.parametrize(
    ("endpoint", "start"),
    [
        ("files.example.com", "https://files.example.com/a?"),
        ("http://files.example.com:8080", "http://files.example.com:8080/a?"),
        ("oss-accelerate.aliyuncs.com", "https://examplebucket.oss-accelerate.aliyuncs.com/a?"),
        ("https://examplebucket.oss-cn-hangzhou.aliyuncs.com", "https://examplebucket.oss-cn-hangzhou.aliyuncs.com/a?"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000/examplebucket/a?"),
    ],
)
def test_an_endpoint_of_the_call_wins(inside: ObjectStore, endpoint: str, start: str) -> None:
    assert inside.presign("a", endpoint=endpoint).url.startswith(start)


@pytest.mark.parametrize(
    ("endpoint", "told"),
    [
        ("other.oss-cn-hangzhou.aliyuncs.com", "for bucket other, the link is for examplebucket"),
        ("oss-cn-beijing.aliyuncs.com", "is in cn-beijing, the connection's bucket in cn-hangzhou"),
        ("https://files.example.com/path", "host or a URL of a host"),
        ("", "host or a URL of a host"),
    ],
)
def test_an_endpoint_that_cannot_be_is_refused(inside: ObjectStore, endpoint: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        inside.presign("a", endpoint=endpoint)


def test_the_warnings_of_an_endpoint_are_found_once() -> None:
    lint._of_endpoint.cache_clear()
    for _ in range(3):
        link("oss", "oss-cn-hangzhou-internal.aliyuncs.com")
    assert lint._of_endpoint.cache_info().misses == 1
