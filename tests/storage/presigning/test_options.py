"""What is asked of a link becomes headers, parameters and a lifetime, or is refused before anything is made."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials
from aksk_provider.storage.presigning.options import Settled, settle
from aksk_provider.storage.vendors import OSS_V1, VENDORS, Vendor

NOW = datetime(2026, 11, 21, 8, 0, 0, 400_000, tzinfo=timezone.utc)
PERMANENT = Credentials("ak", "sk")
UNKNOWN_END = Credentials("ak", "sk", "token")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MD5 = hashlib.md5(b"content")
every_vendor = pytest.mark.parametrize("vendor", VENDORS.values(), ids=lambda vendor: vendor.name)


def ending(after: timedelta) -> Credentials:
    return Credentials("ak", "sk", "token", NOW.replace(microsecond=0) + after)


def settled(vendor: Vendor = VENDORS["oss"], credentials: Credentials = PERMANENT, **asked: Any) -> Settled:
    names = {"now": NOW} | {name: asked.pop(name) for name in PLAIN & set(asked)}
    return settle(vendor, credentials, **names, special=asked)  # type: ignore[typeddict-item]


PLAIN = {"method", "expires_in", "expires_at", "clamp", "headers", "params"}


@every_vendor
def test_nothing_special_costs_nothing(vendor: Vendor) -> None:
    headers, params = {"a": "1"}, {"b": "2"}
    it = settled(vendor, headers=headers, params=params, filename=None, content_type=None)
    assert it.headers is headers
    assert it.params is params
    assert (it.expires_in, it.warnings) == (None, ())


def test_overrides_have_the_names_of_oss_and_cos() -> None:
    it = settled(
        response_content_type="text/plain",
        response_content_disposition="inline",
        response_content_language="zh-CN",
        response_content_encoding="gzip",
        response_cache_control="no-store",
        response_expires="Fri, 27 Nov 2026 08:00:00 GMT",
        params={"x-oss-process": "image/info"},
    )
    assert it.params == {
        "x-oss-process": "image/info",
        "response-content-type": "text/plain",
        "response-content-disposition": "inline",
        "response-content-language": "zh-CN",
        "response-content-encoding": "gzip",
        "response-cache-control": "no-store",
        "response-expires": "Fri, 27 Nov 2026 08:00:00 GMT",
    }


def test_a_filename_is_a_disposition() -> None:
    assert settled(filename="a.csv").params == {"response-content-disposition": 'attachment; filename="a.csv"'}


@pytest.mark.parametrize("md5", [base64.b64encode(MD5.digest()).decode(), MD5.hexdigest(), MD5.hexdigest().upper()])
@pytest.mark.parametrize("method", ["PUT", "put", "POST"])
def test_constraints_of_an_upload_are_headers(md5: str, method: str) -> None:
    it = settled(method=method, content_type="text/csv", content_length="7", content_md5=md5, headers={"x-oss-a": "1"})
    assert it.headers == {
        "x-oss-a": "1",
        "Content-Type": "text/csv",
        "Content-Length": "7",
        "Content-MD5": base64.b64encode(MD5.digest()).decode(),
    }


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"filename": "a", "response_content_disposition": "inline"}, "not both"),
    ({"filename": "a\r\nb"}, "control character"),
    ({"filename": ""}, "no name of a file"),
    ({"filename": "a", "method": "PUT"}, "a PUT link cannot have it"),
    ({"response_expires": "0", "method": "DELETE"}, "a DELETE link cannot have it"),
    ({"response_content_type": "text/plain\r\nX: y"}, "control character"),
    ({"response_content_disposition": "attachment; filename=文.csv"}, "filename takes any name"),
    ({"response_cache_control": ""}, "empty"),
    ({"content_type": "text/csv"}, "response_content_type"),
    ({"content_length": 1, "method": "HEAD"}, "a HEAD link cannot have it"),
    ({"content_type": "", "method": "PUT"}, "must not be empty"),
    ({"content_length": -1, "method": "PUT"}, "content_length must be 0 to"),
    ({"content_length": 5 * 1024**3 + 1, "method": "PUT"}, "content_length must be 0 to"),
    ({"content_length": "many", "method": "PUT"}, "a number of bytes, not 'many'"),
    ({"content_length": 1.5, "method": "PUT"}, "a number of bytes"),
    ({"content_md5": "x", "method": "PUT"}, "base64 \\(24 characters\\) or hex"),
    ({"content_md5": "g" * 32, "method": "PUT"}, "base64 \\(24 characters\\) or hex"),
    ({"content_md5": base64.b64encode(b"short").decode(), "method": "PUT"}, "base64 \\(24 characters\\) or hex"),
    ({"content_type": "a/b", "method": "PUT", "headers": {"content-type": "c/d"}}, "given twice"),
    ({"filename": "a", "params": {"response-content-disposition": "inline"}}, "given twice"),
    ({"expires_at": datetime(2026, 11, 21, 9, 0)}, "aware"),  # noqa: DTZ001
    ({"expires_at": NOW}, "has passed"),
]


@pytest.mark.parametrize(("asked", "told"), REFUSED, ids=str)
def test_what_contradicts_itself_or_cannot_be_is_refused(asked: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        settled(**asked)


def test_a_vendors_own_name_of_an_override_counts_as_the_same() -> None:
    with pytest.raises(InvalidRequestError, match="given twice"):
        settled(VENDORS["bos"], filename="a", params={"responseContentDisposition": "inline"})


@every_vendor
def test_expires_at_wins_over_expires_in(vendor: Vendor) -> None:
    end = NOW.replace(microsecond=0) + 2 * HOUR
    assert settled(vendor, expires_in=HOUR, expires_at=end).expires_in == 2 * HOUR


@every_vendor
def test_a_lifetime_past_the_tokens_end_is_refused_or_shortened(vendor: Vendor) -> None:
    credentials = ending(HOUR)
    with pytest.raises(
        InvalidRequestError, match=r"end at 2026-11-21T09:00:00\+00:00. Ask for at most 1:00:00, or let"
    ):
        settled(vendor, credentials, expires_in=2 * HOUR)
    with pytest.raises(InvalidRequestError, match="too long"):
        settled(vendor, credentials, expires_at=NOW + 2 * HOUR)
    it = settled(vendor, credentials, expires_in=2 * HOUR, clamp=True)
    assert it.expires_in == HOUR
    assert it.warnings == (
        "The lifetime was shortened: the credentials that sign it end at 2026-11-21T09:00:00+00:00.",
    )
    assert settled(vendor, credentials, expires_in=HOUR) == Settled({}, {}, HOUR)


@every_vendor
def test_a_default_lifetime_past_the_tokens_end_is_shortened_with_a_warning(vendor: Vendor) -> None:
    minute = timedelta(minutes=1)
    it = settled(vendor, ending(minute))
    assert (it.expires_in, len(it.warnings)) == (minute, 1)
    assert settled(vendor, ending(DAY)) == Settled({}, {}, vendor.lifetimes.default)


@every_vendor
@pytest.mark.parametrize("clamp", [False, True])
def test_dead_credentials_are_refused(vendor: Vendor, clamp: bool) -> None:
    with pytest.raises(InvalidRequestError, match="the credentials expired at"):
        settled(vendor, ending(timedelta()), clamp=clamp)


@pytest.mark.parametrize(("credentials", "longest"), [(PERMANENT, 7 * DAY), (UNKNOWN_END, DAY / 2)])
def test_oss_limits_are_enforced_or_clamped(credentials: Credentials, longest: timedelta) -> None:
    second = timedelta(seconds=1)
    assert settled(credentials=credentials, expires_in=longest).expires_in == longest
    with pytest.raises(InvalidRequestError, match=f"lives at most {longest}"):
        settled(credentials=credentials, expires_in=longest + second)
    it = settled(credentials=credentials, expires_in=365 * DAY, clamp=True)
    assert it.expires_in == longest
    assert it.warnings[0].startswith(f"The lifetime was shortened: a link of Alibaba OSS lives at most {longest}")


def test_the_earliest_of_vendor_and_token_counts() -> None:
    assert settled(credentials=ending(DAY), expires_in=DAY, clamp=True).expires_in == DAY / 2
    assert settled(credentials=ending(HOUR), expires_in=DAY, clamp=True).expires_in == HOUR


@pytest.mark.parametrize("vendor", [VENDORS["bos"], VENDORS["cos"], OSS_V1], ids=["bos", "cos", "oss v1"])
def test_where_no_limit_is_documented_there_is_none(vendor: Vendor) -> None:
    assert settled(vendor, UNKNOWN_END, expires_in=3650 * DAY) == Settled({}, {}, 3650 * DAY)
