"""What a signer refuses: whatever would be sent in another form than it was signed, or could never work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import pytest
import requests

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, Request

NOW = datetime(2024, 2, 29, 12, 0, tzinfo=timezone.utc)
KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
BASE = "https://examplebucket.example.com"
SIGNERS = {
    "bos": BosSigner(),
    "oss": OssSigner(region="cn-hangzhou", bucket="examplebucket"),
    "cos": CosSigner(),
}

Signs = Callable[..., object]


@pytest.fixture(params=[f"{vendor} {form}" for vendor in SIGNERS for form in ("header", "url")])
def signs(request: pytest.FixtureRequest) -> Signs:
    """Return a function that signs with one vendor's signer, in one form."""
    vendor, form = request.param.split()
    method = SIGNERS[vendor].sign if form == "header" else SIGNERS[vendor].presign

    def sign(url: str = f"{BASE}/a", headers: dict[str, str] | None = None, **changes: object) -> object:
        arguments = {"method": "GET", "credentials": KEYS, "now": NOW, "expires_in": timedelta(hours=1)} | changes
        unsigned = Request(arguments.pop("method"), url, headers or {})
        return method(unsigned, arguments.pop("credentials"), **arguments)

    return sign


@pytest.mark.parametrize(
    "key", [".", "..", "a/./b", "a/../b", "../a", "a/.", "a/%2E/b", "%2e%2E", "a/.%2e", "a%2F..%2Fb"]
)
def test_a_dot_segment_is_refused_however_it_is_spelled(signs: Signs, key: str) -> None:
    with pytest.raises(InvalidRequestError, match="segment"):
        signs(f"{BASE}/{key}")


@pytest.mark.parametrize("key", ["...", ".a", "a.", "a..b", "a/.../b", ".hidden/a"])
def test_dots_within_a_name_are_fine(signs: Signs, key: str) -> None:
    assert signs(f"{BASE}/{key}")


@pytest.mark.parametrize("value", ["a\r\nx-injected: 1", "a\n", "a\rb", "a\0b", "a\x7fb", "a\x1bb"])
def test_a_control_character_in_a_header_is_refused(signs: Signs, value: str) -> None:
    with pytest.raises(InvalidRequestError, match="x-meta holds a control character"):
        signs(headers={"x-meta": value})


@pytest.mark.parametrize("value", ["\u4e2d\u6587", "caf\u00e9", "\U0001f600", "\u2028"])
def test_a_header_outside_ascii_is_refused_with_a_way_out(signs: Signs, value: str) -> None:
    with pytest.raises(InvalidRequestError, match="percent-encode"):
        signs(headers={"x-meta": value})


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\r\nb", "\u212aey", "a\0"])
def test_what_is_not_a_header_name_is_refused(signs: Signs, name: str) -> None:
    with pytest.raises(InvalidRequestError, match="not a header name"):
        signs(headers={name: "v"})


def test_a_header_given_twice_is_refused(signs: Signs) -> None:
    with pytest.raises(InvalidRequestError, match="twice"):
        signs(headers={"Content-Type": "a", "content-type": "b"})


@pytest.mark.parametrize("url", ["", "/a", "example.com/a", "//example.com/a", "ftp://example.com/a", "https:///a"])
def test_a_url_that_is_not_absolute_is_refused(signs: Signs, url: str) -> None:
    with pytest.raises(InvalidRequestError, match="absolute"):
        signs(url)


def test_a_fragment_is_refused(signs: Signs) -> None:
    with pytest.raises(InvalidRequestError, match="fragment"):
        signs(f"{BASE}/a#b")


@pytest.mark.parametrize("key", ["a b", "\u4e2d", "a\nb", "a\tb"])
def test_a_url_that_is_not_encoded_is_refused(signs: Signs, key: str) -> None:
    with pytest.raises(InvalidRequestError, match="percent-encoded"):
        signs(f"{BASE}/{key}")


@pytest.mark.parametrize("rest", ["100%", "%zz", "a%2", "a?b=%"])
def test_a_percent_without_hex_digits_is_refused(signs: Signs, rest: str) -> None:
    with pytest.raises(InvalidRequestError, match="%25"):
        signs(f"{BASE}/{rest}")


def test_such_a_percent_would_be_sent_in_another_form() -> None:
    sent = requests.Request("GET", f"{BASE}/100%25%20%zz").prepare().url
    assert sent == f"{BASE}/100%2525%2520%25zz"


def test_a_user_name_in_a_url_is_refused_because_it_becomes_an_authorization(signs: Signs) -> None:
    url = "https://user:password@examplebucket.example.com/a"
    signed = requests.Request("GET", url, headers={"Authorization": "signed"}).prepare()
    assert signed.headers["Authorization"].startswith("Basic ")
    with pytest.raises(InvalidRequestError, match="user name"):
        signs(url)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "G\u00c9T"])
def test_what_is_not_a_method_is_refused(signs: Signs, method: str) -> None:
    with pytest.raises(InvalidRequestError, match="method"):
        signs(method=method)


def test_a_naive_time_is_refused(signs: Signs) -> None:
    with pytest.raises(InvalidRequestError, match="aware"):
        signs(now=NOW.replace(tzinfo=None))


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(milliseconds=999), timedelta(seconds=-1)])
@pytest.mark.parametrize("vendor", SIGNERS)
def test_a_lifetime_under_a_second_is_refused(vendor: str, lifetime: timedelta) -> None:
    with pytest.raises(InvalidRequestError, match="one second"):
        SIGNERS[vendor].presign(Request("GET", f"{BASE}/a"), KEYS, now=NOW, expires_in=lifetime)
    if vendor != "oss":
        with pytest.raises(InvalidRequestError, match="one second"):
            SIGNERS[vendor].sign(Request("GET", f"{BASE}/a"), KEYS, now=NOW, expires_in=lifetime)


@pytest.mark.parametrize("left", [timedelta(0), timedelta(seconds=-1)])
def test_expired_credentials_are_refused(signs: Signs, left: timedelta) -> None:
    with pytest.raises(InvalidRequestError, match="expired at 2024-02-29"):
        signs(credentials=Credentials("AKIDEXAMPLE", "not-a-secret", "token", NOW + left))


@pytest.mark.parametrize(
    ("token", "limit"), [(None, timedelta(days=7)), ("token", timedelta(hours=12))], ids=["keys", "token"]
)
def test_an_oss_url_lives_no_longer_than_the_vendor_allows(token: str | None, limit: timedelta) -> None:
    credentials = Credentials("AKIDEXAMPLE", "not-a-secret", token)
    request = Request("GET", f"{BASE}/a")
    presigned = SIGNERS["oss"].presign(request, credentials, now=NOW, expires_in=limit)
    assert f"x-oss-expires={int(limit.total_seconds())}&" in presigned.url
    with pytest.raises(InvalidRequestError, match="at most"):
        SIGNERS["oss"].presign(request, credentials, now=NOW, expires_in=limit + timedelta(seconds=1))


def test_an_oss_region_is_written_without_its_prefix() -> None:
    for region in ("oss-cn-hangzhou", ""):
        with pytest.raises(InvalidRequestError, match="without 'oss-'"):
            OssSigner(region=region)


def test_a_path_style_oss_url_has_to_start_with_the_bucket() -> None:
    for url in (
        "http://192.0.2.7/other/a",
        "http://localhost/examplebucket2/a",
        "https://oss-cn-hangzhou.aliyuncs.com/",
    ):
        with pytest.raises(InvalidRequestError, match="bucket examplebucket"):
            SIGNERS["oss"].sign(Request("GET", url), KEYS, now=NOW)


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_a_path_that_is_not_utf8_is_refused_where_the_decoded_path_is_signed(vendor: str) -> None:
    with pytest.raises(InvalidRequestError, match="UTF-8"):
        SIGNERS[vendor].sign(Request("GET", f"{BASE}/%FF"), KEYS, now=NOW)


@pytest.mark.parametrize("field", ["access_key", "secret_key", "token"])
@pytest.mark.parametrize("value", ["", "a b", "a\n", "\u00e9", "\ufeffa"])
def test_credentials_that_cannot_be_right_are_refused_by_name_and_not_shown(field: str, value: str) -> None:
    good = {"access_key": "AKIDEXAMPLE", "secret_key": "not-a-secret", "token": "token"}
    with pytest.raises(InvalidRequestError, match=f"^{field} is empty or holds") as error:
        Credentials(**good | {field: value})
    assert not value.strip() or value not in str(error.value).replace(field, "")


def test_credentials_with_a_naive_expiry_are_refused() -> None:
    with pytest.raises(InvalidRequestError, match="aware"):
        Credentials("AKIDEXAMPLE", "not-a-secret", expires_at=NOW.replace(tzinfo=None))
