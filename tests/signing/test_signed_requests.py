"""What holds of every signature: nothing signed can be changed, the token is in it, and signing again replaces it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given, settings

from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, PresignedURL, Request, bos
from tests.signing.strategies import Case, cases, headers

NOW = datetime(2024, 2, 29, 12, 0, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
TEMPORARY = Credentials("AKIDEXAMPLE", "not-a-secret", "token")
BASE = "https://examplebucket.example.com"
REQUEST = Request("GET", f"{BASE}/a/b?versionId=1&acl", {"Content-Type": "text/plain"})

OSS = {"region": "cn-hangzhou", "bucket": "examplebucket"}
SIGNERS = {"bos": BosSigner(), "oss": OssSigner(**OSS, additional_headers=["host"]), "cos": CosSigner()}
TOKENS = {"bos": "x-bce-security-token", "oss": "x-oss-security-token", "cos": "x-cos-security-token"}
FIELDS = {"bos": "authorization", "oss": "x-oss-signature", "cos": "q-signature"}
LISTING_NOTHING = {"bos": BosSigner([]), "oss": OssSigner(**OSS), "cos": CosSigner([], [])}

every_vendor = pytest.mark.parametrize("vendor", SIGNERS)
every_form = pytest.mark.parametrize("form", ["header", "url"])


@dataclass(frozen=True)
class Signing:
    """Everything that goes into a signature."""

    request: Request = REQUEST
    credentials: Credentials = TEMPORARY
    now: datetime = NOW
    expires_in: timedelta = HOUR

    def at(self, url: str) -> Signing:
        return replace(self, request=replace(self.request, url=url))


def signature(vendor: str, form: str, signing: Signing) -> str:
    arguments: dict[str, Any] = {"now": signing.now, "expires_in": signing.expires_in}
    signer = SIGNERS[vendor]
    if form == "header":
        authorization = signer.sign(signing.request, signing.credentials, **arguments).headers["Authorization"]
        return authorization.rpartition("/" if vendor == "bos" else "=")[2]
    presigned = signer.presign(signing.request, signing.credentials, **arguments)
    return query(presigned.url)[FIELDS[vendor]].rpartition("/")[2]


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


CHANGES: dict[str, Callable[[Signing], Signing]] = {
    "method": lambda it: replace(it, request=replace(it.request, method="PUT")),
    "key": lambda it: it.at(f"{BASE}/a/c?versionId=1&acl"),
    "letter case of the key": lambda it: it.at(f"{BASE}/A/b?versionId=1&acl"),
    "slash at the end": lambda it: it.at(f"{BASE}/a/b/?versionId=1&acl"),
    "slash at the front": lambda it: it.at(f"{BASE}//a/b?versionId=1&acl"),
    "host": lambda it: it.at("https://other.example.com/a/b?versionId=1&acl"),
    "port": lambda it: it.at("https://examplebucket.example.com:444/a/b?versionId=1&acl"),
    "parameter": lambda it: it.at(f"{BASE}/a/b?versionId=2&acl"),
    "parameter added": lambda it: it.at(f"{BASE}/a/b?versionId=1&acl&x"),
    "parameter twice": lambda it: it.at(f"{BASE}/a/b?versionId=1&versionId=1&acl"),
    "parameter removed": lambda it: it.at(f"{BASE}/a/b?versionId=1"),
    "header": lambda it: replace(it, request=replace(it.request, headers={"Content-Type": "text/html"})),
    "header removed": lambda it: replace(it, request=replace(it.request, headers={})),
    "secret key": lambda it: replace(it, credentials=replace(it.credentials, secret_key="another")),
    "token": lambda it: replace(it, credentials=replace(it.credentials, token="another")),
    "token removed": lambda it: replace(it, credentials=replace(it.credentials, token=None)),
    "time": lambda it: replace(it, now=NOW + timedelta(seconds=1)),
    "lifetime": lambda it: replace(it, expires_in=HOUR + timedelta(seconds=1)),
}


@every_vendor
@every_form
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_anything_signed_changes_the_signature(vendor: str, form: str, change: str) -> None:
    same = signature(vendor, form, CHANGES[change](Signing())) == signature(vendor, form, Signing())
    assert same is ((vendor, form, change) == ("oss", "header", "lifetime")), "OSS headers have no lifetime"


@every_vendor
@every_form
@pytest.mark.parametrize("spelled", ["/%61/b?versionId=1&acl", "/a/b?acl=&versionId=%31", "/a/%62?%61cl&versionId=1"])
def test_another_spelling_of_the_same_request_has_the_same_signature(vendor: str, form: str, spelled: str) -> None:
    assert signature(vendor, form, Signing().at(BASE + spelled)) == signature(vendor, form, Signing())


@every_vendor
@every_form
def test_a_method_in_lower_case_has_the_same_signature(vendor: str, form: str) -> None:
    lower = Signing(replace(REQUEST, method="get"))
    assert signature(vendor, form, lower) == signature(vendor, form, Signing())


@every_vendor
def test_the_token_is_sent_and_listed_even_by_a_signer_that_lists_nothing(vendor: str) -> None:
    signer, token = LISTING_NOTHING[vendor], TOKENS[vendor]
    signed = signer.sign(REQUEST, TEMPORARY, now=NOW)
    assert signed.headers[token] == "token"
    listed = signed.headers["Authorization"]
    assert vendor == "oss" or token in listed, "OSS signs all x-oss-*, listed or not"

    fields = query(signer.presign(REQUEST, TEMPORARY, now=NOW).url)
    assert fields[token] == "token"
    assert vendor != "cos" or fields["q-url-param-list"] == token


@every_vendor
def test_a_token_changes_the_signature_of_a_signer_that_lists_nothing(vendor: str) -> None:
    permanent = replace(TEMPORARY, token=None)
    signer = LISTING_NOTHING[vendor]
    last = [signer.sign(REQUEST, keys, now=NOW).headers["Authorization"][-40:] for keys in (TEMPORARY, permanent)]
    assert last[0] != last[1]


SIGNABLE = cases(headers(["content-type", "range"], "x-meta-"), longest=40_000)
again = settings(max_examples=100, derandomize=True, deadline=None, database=None)


@every_vendor
@again
@given(case=SIGNABLE)
def test_signing_again_replaces_a_signature_in_headers(vendor: str, case: Case) -> None:
    signer = SIGNERS[vendor]
    before = signer.sign(case.request(BASE), TEMPORARY, now=NOW - HOUR)
    after = signer.sign(before, case.credentials, now=case.now, expires_in=case.expires_in)
    fresh = signer.sign(case.request(BASE), case.credentials, now=case.now, expires_in=case.expires_in)
    assert after == replace(fresh, headers=dict(after.headers))
    assert dict(after.headers) == dict(fresh.headers)


@every_vendor
@again
@given(case=SIGNABLE)
def test_signing_again_replaces_a_signature_in_a_url(vendor: str, case: Case) -> None:
    signer = SIGNERS[vendor]
    request = case.request(BASE)
    before = signer.presign(request, TEMPORARY, now=NOW - HOUR)
    after = signer.presign(replace(request, url=before.url), case.credentials, now=case.now, expires_in=case.expires_in)
    assert after == signer.presign(request, case.credentials, now=case.now, expires_in=case.expires_in)


@every_vendor
def test_a_url_made_from_a_signed_request_asks_for_none_of_its_signing_headers(vendor: str) -> None:
    signed = SIGNERS[vendor].sign(REQUEST, TEMPORARY, now=NOW)
    presigned = SIGNERS[vendor].presign(signed, TEMPORARY, now=NOW)
    assert presigned == SIGNERS[vendor].presign(REQUEST, TEMPORARY, now=NOW)
    assert presigned.signed_headers == {"Content-Type": "text/plain"}


@every_vendor
@again
@given(case=SIGNABLE)
def test_a_url_is_changed_at_its_end_alone(vendor: str, case: Case) -> None:
    """What is signed is what is sent: the bytes that came in are the ones that go out."""
    request = case.request(BASE)
    presigned = SIGNERS[vendor].presign(request, case.credentials, now=case.now, expires_in=case.expires_in)
    assert presigned.url.startswith(request.url + ("&" if "?" in request.url else "?"))


@every_vendor
@pytest.mark.parametrize(
    ("end", "start"),
    [
        ("&", "&?"),
        ("a&", "a&?"),
        ("a&?", "a&?"),
        ("a", "a?"),
        ("a?", "a?"),
        ("a?b", "a?b&"),
        ("a?b&", "a?b&"),
    ],
)
def test_an_ampersand_is_part_of_the_key_until_there_is_a_query(vendor: str, end: str, start: str) -> None:
    url = SIGNERS[vendor].presign(Request("GET", f"{BASE}/{end}"), TEMPORARY, now=NOW).url
    assert url.startswith(f"{BASE}/{start}")
    assert urlsplit(url).path == "/" + end.partition("?")[0]
    assert query(url)[TOKENS[vendor]] == "token"
    assert FIELDS[vendor] in query(url)


@every_vendor
def test_the_request_that_came_in_is_left_alone(vendor: str) -> None:
    given_headers = {"Content-Type": " text/plain "}
    request = Request("GET", f"{BASE}/a", given_headers)
    signed = SIGNERS[vendor].sign(request, TEMPORARY, now=NOW)
    SIGNERS[vendor].presign(request, TEMPORARY, now=NOW)
    assert given_headers == {"Content-Type": " text/plain "}
    assert signed.headers["Content-Type"] == "text/plain"


DEFAULTS = {"bos": timedelta(minutes=30), "oss": timedelta(minutes=15), "cos": timedelta(minutes=5)}


@every_vendor
def test_a_url_lives_for_the_vendors_default_time(vendor: str) -> None:
    presigned = SIGNERS[vendor].presign(REQUEST, replace(TEMPORARY, token=None), now=NOW)
    assert presigned.expires_at == NOW + DEFAULTS[vendor]


@every_vendor
@pytest.mark.parametrize("minutes", [1, 59, 60, 61])
def test_a_url_dies_with_its_credentials_or_at_its_own_end_whichever_is_first(vendor: str, minutes: int) -> None:
    end_of_keys = NOW + timedelta(minutes=minutes)
    keys = replace(TEMPORARY, expires_at=end_of_keys.astimezone(timezone(timedelta(hours=8))))
    presigned = SIGNERS[vendor].presign(REQUEST, keys, now=NOW, expires_in=HOUR)
    assert presigned.expires_at == min(end_of_keys, NOW + HOUR)
    assert presigned.expires_at.tzinfo is not None


@every_vendor
def test_a_time_in_another_zone_is_the_same_time(vendor: str) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=5, minutes=45)))
    ours: list[PresignedURL] = [SIGNERS[vendor].presign(REQUEST, TEMPORARY, now=now) for now in (NOW, there)]
    assert ours[0] == ours[1]


def test_an_empty_header_does_not_count_for_bos_even_when_it_is_listed() -> None:
    request = Request("GET", f"{BASE}/a", {"Host": "h", "x-bce-acl": "  "})
    assert bos.canonical_request(request, ["host", "x-bce-acl", "absent"]) == "GET\n/a\n\nhost:h"


def test_cos_is_back_dated_by_a_minute_against_a_clock_that_is_ahead() -> None:
    signed = SIGNERS["cos"].sign(REQUEST, TEMPORARY, now=NOW, expires_in=HOUR)
    start, end = unquote(signed.headers["Authorization"]).split("q-sign-time=")[1].split("&")[0].split(";")
    assert int(start) == int(NOW.timestamp()) - 60
    assert int(end) == int(NOW.timestamp()) + 3600


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://a.example.com/k", "a.example.com"),
        ("http://a.example.com:80/k", "a.example.com"),
        ("https://a.example.com:443/k", "a.example.com"),
        ("https://a.example.com:80/k", "a.example.com:80"),
        ("http://A.Example.com:9000/k", "a.example.com:9000"),
        ("http://[2001:db8::1]/k", "[2001:db8::1]"),
        ("http://[2001:DB8::1]:9000/k", "[2001:db8::1]:9000"),
    ],
)
@every_vendor
def test_the_host_that_is_signed_is_the_one_a_client_sends(vendor: str, url: str, host: str) -> None:
    signer = OssSigner(region="cn-hangzhou", additional_headers=["host"]) if vendor == "oss" else SIGNERS[vendor]
    assert signer.sign(Request("GET", url), TEMPORARY, now=NOW).headers["Host"] == host


@pytest.mark.parametrize(
    ("url", "resource"),
    [
        ("https://examplebucket.oss-cn-hangzhou.aliyuncs.com", "/examplebucket/"),
        ("https://examplebucket.oss-cn-hangzhou.aliyuncs.com/?acl", "/examplebucket/"),
        ("https://examplebucket.oss-cn-hangzhou.aliyuncs.com//a/", "/examplebucket//a/"),
        ("https://oss-cn-hangzhou.aliyuncs.com/examplebucket", "/examplebucket/"),
        ("https://oss-cn-hangzhou.aliyuncs.com/examplebucket//a", "/examplebucket//a"),
        ("https://files.example.com/examplebucket/a", "/examplebucket/examplebucket/a"),
        ("http://192.0.2.7:9000/examplebucket/a", "/examplebucket/a"),
        ("http://[::1]:9000/examplebucket/a", "/examplebucket/a"),
        ("http://localhost:9000/examplebucket/a", "/examplebucket/a"),
    ],
)
def test_the_oss_resource_has_the_bucket_once_whatever_the_host(url: str, resource: str) -> None:
    assert OssSigner(**OSS).resource(url) == resource


def test_the_style_of_an_unusual_oss_host_can_be_told() -> None:
    url = "http://emulator:9000/examplebucket/a"
    assert OssSigner(**OSS, path_style=True).resource(url) == "/examplebucket/a"
    assert OssSigner(**OSS).resource(url) == "/examplebucket/examplebucket/a"
    assert OssSigner(region="cn-hangzhou").resource(url) == "/examplebucket/a"
