"""OSS V1: what Alibaba's SDK and documents sign, where they are right, and where they are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.signer.v1 import SignerV1
from alibabacloud_oss_v2.types import HttpRequest, SigningContext
from hypothesis import strategies as st

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials, OssV1Signer, Request, oss_v1
from tests.signing import sdk_limits, strategies
from tests.signing.differential import against_sdk
from tests.signing.strategies import Case, cases, target

NOW = datetime(2024, 2, 29, 12, 0, tzinfo=timezone.utc)
BUCKET = "examplebucket"
BASE = f"https://{BUCKET}.oss-cn-hangzhou.aliyuncs.com"
TOKEN = "x-oss-security-token"
KEYS = Credentials("AKIDEXAMPLE", "not-a-secret")
WITH_TOKEN = replace(KEYS, token="a/token+=")
HEADERS = strategies.headers(
    ["content-type", "content-md5", "x-oss-object-acl", "x-oss-range-behavior", "range", "if-match"], "x-oss-meta-"
)
NAMES = st.one_of(
    st.sampled_from(sorted(oss_v1.SUB_RESOURCES - {oss_v1.TOKEN_PARAMETER})),
    st.sampled_from(["x-oss-process", "x-oss-traffic-limit", "prefix", "max-keys", "list-type", "text", "ACL"]),
    strategies.texts(6, 1),
)
PARAMS = st.lists(st.tuples(NAMES, st.one_of(st.just(""), strategies.texts(8))), max_size=5).filter(
    sdk_limits._unique_names
)


def sdk(
    case: Case, headers: dict[str, str], credentials: Credentials, seconds: int | None = None
) -> tuple[HttpRequest, SigningContext]:
    """Return what the SDK's signer makes of a case, told all sub-resources: its own list is shorter than its page's."""
    query = urlencode(case.params, quote_via=quote)
    url = f"{BASE}/{quote(case.key, safe='/')}"
    request = HttpRequest(case.method, f"{url}?{query}" if query else url, sdk_limits.oss_headers_on_the_wire(headers))
    keys = (credentials.access_key, credentials.secret_key, credentials.token)
    context = SigningContext(
        bucket=BUCKET,
        key=case.key,
        request=request,
        credentials=StaticCredentialsProvider(*keys).get_credentials(),
        signing_time=case.now,
    )
    context.sub_resource = [*oss_v1.SUB_RESOURCES, *(name for name, _ in case.params if name.startswith("x-oss-"))]
    if seconds is not None:
        context.auth_method_query = True
        context.expiration_time = case.now.replace(microsecond=0) + timedelta(seconds=seconds)
    SignerV1().sign(context)
    return request, context


@against_sdk("oss", 400, case=cases(HEADERS, params=PARAMS))
def test_a_signed_request_is_the_sdks(case: Case) -> None:
    """The token goes in as the header that the vendor documents: the SDK names it otherwise, see below."""
    signed = OssV1Signer(bucket=BUCKET).sign(case.request(BASE), case.credentials, now=case.now)
    with_token = {TOKEN: case.credentials.token} if case.credentials.token else {}
    theirs, _ = sdk(case, case.headers | with_token, replace(case.credentials, token=None))
    for name in ("Authorization", "Date", TOKEN):
        assert signed.headers.get(name) == theirs.headers.get(name)


@against_sdk("oss", 400, case=cases(HEADERS, params=PARAMS))
def test_a_url_is_the_sdks(case: Case) -> None:
    link = OssV1Signer(bucket=BUCKET).presign(
        case.request(BASE), case.credentials, now=case.now, expires_in=case.expires_in
    )
    theirs, context = sdk(case, case.headers, case.credentials, case.seconds)
    assert target(link.url) == target(theirs.url)
    assert link.expires_at == context.expiration_time


def test_the_examples_of_the_documents() -> None:
    """The second is the one of the page on URLs, which prints another signature than its string to sign has."""
    secret = "OtxrzxIsfpFjA7SwPzILwy8Bw21TLhquhboDYROV"
    described = {
        "Content-MD5": "ODBGOERFMDMzQTczRUY3NUE3NzA5QzdFNUYzMDQxNEM=",
        "Content-Type": "text/html",
        "X-OSS-Magic": "abracadabra",
        "X-OSS-Meta-Author": "foo@bar.com",
    }
    put = Request("PUT", "https://oss-example.oss-cn-hangzhou.aliyuncs.com/nelson", described)
    to_sign = oss_v1.string_to_sign(put, "/oss-example/nelson", "Thu, 17 Nov 2005 18:49:58 GMT")
    assert oss_v1.signature(secret, to_sign) == "26NBxoKdsyly4EDv6inkoDft/yA="
    get = Request("GET", "https://oss-example.oss-cn-hangzhou.aliyuncs.com/oss-api.pdf")
    to_sign = oss_v1.string_to_sign(get, "/oss-example/oss-api.pdf", "1141889120")
    assert oss_v1.signature(secret, to_sign) == "EwaNTn1erJGkimiJ9WmXgwnANLc="


def test_the_sdk_sends_the_token_of_a_header_under_a_name_that_nothing_reads() -> None:
    """And does not sign it. oss2, the SDK before it, and the one for Go say ``x-oss-security-token``, as the page."""
    case = Case("GET", "a", [], {}, WITH_TOKEN, NOW, 60, strategies.Spelling(""))
    theirs, context = sdk(case, {}, WITH_TOKEN)
    assert theirs.headers["security-token"] == WITH_TOKEN.token
    assert TOKEN not in theirs.headers
    assert "token" not in context.string_to_sign
    ours = OssV1Signer(bucket=BUCKET).sign(case.request(BASE), WITH_TOKEN, now=NOW)
    assert ours.headers[TOKEN] == WITH_TOKEN.token
    assert "security-token" not in {name.lower() for name in ours.headers}


def test_the_sdk_does_not_sign_sub_resources_of_its_own_page() -> None:
    """Its list is short by ``x-oss-process``, for one, so that a link to a picture made smaller never works."""
    case = Case("GET", "a", [("x-oss-process", "image/info")], {}, KEYS, NOW, 60, strategies.Spelling(""))
    context = SigningContext(
        bucket=BUCKET,
        key="a",
        request=HttpRequest("GET", f"{BASE}/a?x-oss-process=image%2Finfo", {}),
        credentials=StaticCredentialsProvider(KEYS.access_key, KEYS.secret_key).get_credentials(),
        signing_time=NOW,
    )
    SignerV1().sign(context)
    assert context.string_to_sign.endswith("/examplebucket/a")
    request = case.request(BASE)
    to_sign = oss_v1.string_to_sign(request, "/examplebucket/a", oss_v1.http_date(NOW))
    assert to_sign.endswith("/examplebucket/a?x-oss-process=image/info")


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def test_signing_again_replaces_the_signature() -> None:
    signer, request = OssV1Signer(bucket=BUCKET), Request("GET", f"{BASE}/a?acl", {"x-oss-meta-a": "1"})
    signed = signer.sign(request, WITH_TOKEN, now=NOW)
    assert signer.sign(signed, WITH_TOKEN, now=NOW) == signed
    link = signer.presign(request, WITH_TOKEN, now=NOW)
    again = signer.presign(replace(request, url=link.url), WITH_TOKEN, now=NOW)
    assert query(again.url) == query(link.url)


CHANGES: dict[str, dict[str, Any]] = {
    "method": {"method": "PUT"},
    "key": {"url": f"{BASE}/b?acl"},
    "sub-resource": {"url": f"{BASE}/a?tagging"},
    "content type": {"headers": {"Content-Type": "text/html"}},
    "oss header": {"headers": {"Content-Type": "text/plain", "x-oss-meta-a": "2"}},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_anything_signed_changes_the_signature(change: str) -> None:
    signer = OssV1Signer(bucket=BUCKET)
    request = Request("GET", f"{BASE}/a?acl", {"Content-Type": "text/plain"})
    changed = replace(request, **CHANGES[change])
    for one, other in ((request, changed),):
        first, second = signer.sign(one, KEYS, now=NOW), signer.sign(other, KEYS, now=NOW)
        assert first.headers["Authorization"] != second.headers["Authorization"]
        first_url, second_url = signer.presign(one, KEYS, now=NOW).url, signer.presign(other, KEYS, now=NOW).url
        assert query(first_url)["Signature"] != query(second_url)["Signature"]


def test_what_v1_signs_of_the_headers_is_what_must_be_sent() -> None:
    headers = {"Content-Type": "text/csv", "X-Oss-Meta-A": "1", "If-Match": "etag"}
    link = OssV1Signer(bucket=BUCKET).presign(Request("PUT", f"{BASE}/a", headers), KEYS, now=NOW)
    assert link.signed_headers == {"Content-Type": "text/csv", "X-Oss-Meta-A": "1"}
    with pytest.raises(InvalidRequestError, match="cannot cover the header If-Match"):
        OssV1Signer(bucket=BUCKET, signed_headers=headers).presign(Request("PUT", f"{BASE}/a", headers), KEYS, now=NOW)


def test_expired_credentials_are_refused() -> None:
    dead = replace(KEYS, expires_at=NOW)
    for form in (OssV1Signer().sign, OssV1Signer().presign):
        with pytest.raises(InvalidRequestError, match="expired"):
            form(Request("GET", f"{BASE}/a"), dead, now=NOW)


def test_the_date_is_english_and_of_two_digits() -> None:
    assert oss_v1.http_date(datetime(2005, 11, 7, 8, 9, 8, tzinfo=timezone.utc)) == "Mon, 07 Nov 2005 08:09:08 GMT"
