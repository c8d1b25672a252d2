"""What a signature says of itself is read back from every kind of URL and header, ours and the vendors' SDKs'."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, Request, encoding, recompute
from aksk_provider.signing.decode import COS, OSS_V1, Decoded, decode_authorization, decode_url
from aksk_provider.signing.oss_v1 import OssV1Signer
from tests.signing import sdk_bos, sdk_cos, sdk_limits, sdk_oss
from tests.signing.strategies import Case, cases, headers

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")
DRAWN = settings(max_examples=150, derandomize=True, deadline=None, database=None)
HEADERS = headers(["content-type", "range", "x-bce-acl", "x-oss-object-acl", "x-cos-acl"], "x-oss-meta-")
BASES = {
    "bos": "https://examplebucket.bj.bcebos.com",
    "oss": "https://examplebucket.oss-cn-hangzhou.aliyuncs.com",
    "oss-v1": "https://examplebucket.oss-cn-hangzhou.aliyuncs.com",
    "cos": "https://examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com",
}
SIGNERS = {
    "bos": BosSigner(),
    "oss": OssSigner(region="cn-hangzhou", bucket="examplebucket"),
    "oss-v1": OssV1Signer(bucket="examplebucket"),
    "cos": CosSigner(),
}
VERSIONS = {"bos": "bce-auth-v1", "oss": "OSS4-HMAC-SHA256", "oss-v1": OSS_V1, "cos": COS}
KEYS = Credentials("LTAIexample", "secret", "a-token/+=")
NOW = datetime(2026, 1, 31, 8, 0, tzinfo=timezone.utc)
kinds = st.sampled_from(sorted(SIGNERS))
DRAWN_CASES = cases(HEADERS, params=sdk_limits.bos_params, longest=43_200)


def again(decoded: Decoded, request: Request, key: str, secret_key: str) -> str:
    signed = recompute.signed_text(decoded, request, f"/examplebucket/{key}")
    return recompute.signature(decoded, signed, secret_key)


@DRAWN
@given(kind=kinds, case=DRAWN_CASES)
def test_a_presigned_url_says_who_signed_it_and_until_when(kind: str, case: Case) -> None:
    link = SIGNERS[kind].presign(case.request(BASES[kind]), case.credentials, now=case.now, expires_in=case.expires_in)
    decoded = decode_url(link.url)
    assert decoded is not None
    assert (decoded.vendor, decoded.version, decoded.place) == (kind.partition("-")[0], VERSIONS[kind], "url")
    assert (decoded.access_key, decoded.has_token) == (case.credentials.access_key, case.credentials.token is not None)
    assert decoded.expires_at == link.expires_at
    assert decoded.well_formed
    assert not decoded.endless
    start = encoding.utc(case.now)
    assert decoded.signed_at == {"oss-v1": None, "cos": start - timedelta(seconds=60)}.get(kind, start)
    if kind == "oss":
        assert (decoded.date, decoded.region, decoded.product) == (f"{start:%Y%m%d}", "cn-hangzhou", "oss")


@DRAWN
@given(kind=kinds, case=DRAWN_CASES)
def test_the_same_signature_comes_out_again(kind: str, case: Case) -> None:
    request = case.request(BASES[kind])
    link = SIGNERS[kind].presign(request, case.credentials, now=case.now, expires_in=case.expires_in)
    decoded = decode_url(link.url)
    assert decoded is not None
    sent = Request(case.method, link.url, case.headers)
    assert again(decoded, sent, case.key, case.credentials.secret_key) == decoded.signature
    assert again(decoded, sent, case.key, "another") != decoded.signature

    signed = SIGNERS[kind].sign(request, case.credentials, now=case.now, expires_in=case.expires_in)
    decoded = decode_authorization(signed.headers["Authorization"], signed.headers)
    assert (decoded.place, decoded.has_token) == ("header", case.credentials.token is not None)
    assert again(decoded, signed, case.key, case.credentials.secret_key) == decoded.signature


@DRAWN
@given(case=cases(st.just({}), keys=sdk_limits.bos_client_keys, params=st.just([])), place=sdk_limits.bos_places)
def test_urls_of_baidus_sdk_are_read_and_computed_again(case: Case, place: sdk_bos.Place) -> None:
    url = sdk_bos.presign(place, "GET", case.key, {}, {}, None, case.credentials, case.now, case.seconds)
    decoded = decode_url(url)
    assert decoded is not None
    assert (decoded.vendor, decoded.access_key) == ("bos", case.credentials.access_key)
    assert decoded.expires_at == encoding.utc(case.now) + timedelta(seconds=case.seconds)
    assert again(decoded, Request("GET", url), case.key, case.credentials.secret_key) == decoded.signature


@DRAWN
@given(case=cases(st.just({}), params=st.just([]), longest=43_200), place=sdk_limits.oss_places)
def test_urls_of_alibabas_sdk_are_read_and_computed_again(case: Case, place: sdk_oss.Place) -> None:
    signed = (place, case.method, sdk_oss.BUCKET, case.key, [], {}, case.credentials, case.now, case.seconds)
    url = sdk_oss.request(*signed).url
    decoded = decode_url(url)
    assert decoded is not None
    assert (decoded.vendor, decoded.region) == ("oss", "cn-hangzhou")
    assert decoded.expires_at == encoding.utc(case.now) + timedelta(seconds=case.seconds)
    assert again(decoded, Request(case.method, url), case.key, case.credentials.secret_key) == decoded.signature


@DRAWN
@given(case=cases(st.just({}), keys=sdk_limits.cos_keys, params=st.just([])), place=sdk_limits.cos_places)
def test_urls_of_tencents_sdk_are_read_and_computed_again(case: Case, place: sdk_cos.Place) -> None:
    url = sdk_cos.presign(place, case.method, case.key, {}, {}, case.credentials, case.now, case.seconds)
    decoded = decode_url(url)
    assert decoded is not None
    assert (decoded.vendor, decoded.access_key) == ("cos", case.credentials.access_key)
    assert decoded.expires_at == encoding.utc(case.now) + timedelta(seconds=case.seconds)
    assert again(decoded, Request(case.method, url), case.key, case.credentials.secret_key) == decoded.signature


def test_the_old_form_of_cos_with_everything_in_one_parameter_is_read() -> None:
    signed = CosSigner().sign(Request("GET", f"{BASES['cos']}/key"), replace(KEYS, token=None), now=NOW)
    authorization = signed.headers["Authorization"]
    url = f"{BASES['cos']}/key?sign={quote(authorization, safe='')}"
    decoded = decode_url(url)
    assert decoded == replace(decode_authorization(authorization), place="url")
    assert decoded is not None
    assert again(decoded, Request("GET", url), "key", "secret") == decoded.signature


def test_a_bos_url_may_never_end() -> None:
    signed = BosSigner().presign(Request("GET", f"{BASES['bos']}/key"), KEYS, now=NOW)
    decoded = decode_url(signed.url.replace("%2F1800%2F", "%2F-1%2F"))
    assert decoded is not None
    assert (decoded.endless, decoded.expires_at) == (True, None)


@pytest.mark.parametrize("kind", sorted(SIGNERS))
def test_neither_signature_nor_token_is_in_the_representation(kind: str) -> None:
    link = SIGNERS[kind].presign(Request("GET", f"{BASES[kind]}/key"), KEYS, now=NOW)
    decoded = decode_url(link.url)
    assert decoded is not None
    assert decoded.has_token
    assert decoded.signature not in repr(decoded)
    assert "a-token" not in repr(decoded)
    signed = recompute.signed_text(decoded, Request("GET", link.url), "/examplebucket/key")
    assert "a-token" not in repr(signed)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/key",
        "https://example.com/key?versionId=1&response-content-type=text",
        "https://example.com",
    ],
)
def test_a_url_without_a_signature_is_none(url: str) -> None:
    assert decode_url(url) is None


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", "AWS signature version 4"),
        ("AWSAccessKeyId=a&Expires=1&Signature=b", "AWS signature version 2"),
        ("X-Goog-Algorithm=GOOG4-RSA-SHA256", "Google Cloud Storage"),
        ("sv=2024-01-01&sig=abc&se=2026", "an Azure shared access signature"),
        ("sign=YT0xMjUw", "no q-sign-algorithm"),
        ("authorization=bce-auth-v2/a/b/c/d/e", "no bce-auth-v1"),
    ],
)
def test_the_url_of_another_service_is_named(query: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        decode_url(f"https://example.com/key?{query}")


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("AWS4-HMAC-SHA256 Credential=a/b", "AWS signature version 4"),
        ("Bearer abc", "a bearer token"),
        ("anything", "none of the signatures"),
        ("bce-auth-v1/ak/2026-01-31T08:00:00Z/1800/host", "6 parts"),
        ("OSS4-HMAC-SHA256 Credential=ak/20260131/cn-hangzhou/oss/aliyun_v4_request", "misses Signature"),
        ("q-sign-algorithm=sha1&q-ak=a", "misses q-sign-time"),
    ],
)
def test_the_header_of_another_service_or_a_cut_one_is_refused(value: str, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        decode_authorization(value)


@pytest.mark.parametrize("kind", sorted(SIGNERS))
def test_a_url_that_lost_any_of_its_parts_is_refused_or_not_well_formed(kind: str) -> None:
    url = SIGNERS[kind].presign(Request("GET", f"{BASES[kind]}/key"), replace(KEYS, token=None), now=NOW).url
    base, _, query = url.partition("?")
    parts = query.split("&")
    for left_out in range(len(parts)):
        rest = "&".join(part for place, part in enumerate(parts) if place != left_out)
        with suppress(InvalidRequestError):
            assert decode_url(f"{base}?{rest}") is None
    cut = decode_url(url[:-3])
    assert cut is not None
    assert not cut.well_formed


@given(text=st.text(max_size=200), kind=kinds)
@settings(max_examples=300, derandomize=True, deadline=None, database=None)
def test_no_text_makes_anything_but_an_answer_or_a_refusal(text: str, kind: str) -> None:
    url = SIGNERS[kind].presign(Request("GET", f"{BASES[kind]}/key"), KEYS, now=NOW).url
    middle = len(text) % len(url)
    for tried in (text, f"https://h/?{text}", url[:middle] + text + url[middle:]):
        for read in (decode_url, decode_authorization):
            try:
                read(tried)
            except InvalidRequestError:
                continue
