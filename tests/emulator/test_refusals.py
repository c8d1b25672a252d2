"""What is not signed exactly as it is sent, by a known key pair with its token, now, is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.signing import Credentials, Request, encoding
from tests.emulator.asking import BUCKETS, VENDORS, Asker, Said, credentials_of, said, send

KEY, OTHER = "refusals/目录 a+b.txt", "refusals/other.txt"
CONTENT_TYPE = {"bos": "responseContentType", "oss": "response-content-type", "cos": "response-content-type"}
MISMATCH = {
    "bos": (400, "SignatureDoesNotMatch"),
    "oss": (403, "SignatureDoesNotMatch"),
    "cos": (403, "SignatureDoesNotMatch"),
}
EVERY_VENDOR = dict.fromkeys(VENDORS)
UNKNOWN_KEY = dict.fromkeys(VENDORS, (403, "InvalidAccessKeyId"))
ANONYMOUS = dict.fromkeys(VENDORS, (403, "AccessDenied"))

form = pytest.mark.parametrize("form", ["header", "url"])
every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
def asker(emulator: Emulator, vendor: str, form: str) -> Asker:
    permanent = credentials_of(emulator.accounts["AKPERMANENT"])
    asker = Asker(emulator, vendor, permanent, form)
    for key in (KEY, OTHER):
        asker.but(form="header").put(key)
    return asker


@pytest.fixture
def token(asker: Asker) -> Asker:
    return asker.but(credentials=credentials_of(asker.emulator.accounts["AKTEMPORARY"]))


def whole(asker: Asker) -> Request:
    """Return a request that has something of everything that is signed."""
    return asker.request(
        "GET", KEY, [(CONTENT_TYPE[asker.vendor], "text/plain")], {f"{asker.prefix}traffic-limit": "819200"}
    )


def refused(vendor: str, request: Request) -> Said:
    answer = send(request)
    assert answer.status_code >= 400, f"accepted: {answer.status_code}"
    return said(vendor, answer)


def in_path(asker: Asker, request: Request) -> Request:
    return replace(request, url=request.url.replace(encoding.encode_path(KEY), encoding.encode_path(OTHER)))


def in_query(asker: Asker, request: Request) -> Request:
    return replace(request, url=request.url.replace("text%2Fplain", "text%2Fhtml"))


def in_header(asker: Asker, request: Request) -> Request:
    return replace(request, headers={**request.headers, f"{asker.prefix}traffic-limit": "838860800"})


def in_method(asker: Asker, request: Request) -> Request:
    return replace(request, method="DELETE")


def in_signature(asker: Asker, request: Request) -> Request:
    """Change the last digit of the signature, wherever it is."""

    def other_digit(text: str) -> str:
        pattern = r"([0-9a-f]{39,})([0-9a-f])(?![0-9a-f])"
        return re.sub(pattern, lambda found: found[1] + ("1" if found[2] == "0" else "0"), text)

    headers = {
        name: other_digit(value) if name == "Authorization" else value for name, value in request.headers.items()
    }
    return Request(request.method, other_digit(request.url), headers)


def without_header(asker: Asker, request: Request) -> Request:
    name = f"{asker.prefix}traffic-limit"
    return replace(request, headers={n: v for n, v in request.headers.items() if n != name})


TAMPERED: list[Callable[[Asker, Request], Request]] = [
    in_path, in_query, in_header, in_method, in_signature, without_header,
]  # fmt: skip


@form
@every_vendor
def test_a_whole_request_is_accepted(asker: Asker) -> None:
    answer = send(whole(asker))
    assert (answer.status_code, answer.content) == (200, b"hello")
    assert answer.headers["Content-Type"] == "text/plain"


@pytest.mark.parametrize("tamper", TAMPERED, ids=lambda tamper: tamper.__name__)
@form
@every_vendor
def test_a_request_changed_after_signing_is_refused(asker: Asker, tamper: Callable[[Asker, Request], Request]) -> None:
    request = whole(asker)
    changed = tamper(asker, request)
    assert changed != request
    answer = refused(asker.vendor, changed)
    assert (answer.status, answer.code) == MISMATCH[asker.vendor]


@form
@every_vendor
def test_a_parameter_added_after_signing_is_refused_where_all_are_signed(asker: Asker) -> None:
    request = whole(asker)
    added = replace(request, url=encoding.with_query(request.url, [("versionId", "null")]))
    if asker.vendor == "cos":
        # COS verifies the parameters that the signature lists, and no others.
        assert send(added).status_code == 200
    else:
        answer = refused(asker.vendor, added)
        assert (answer.status, answer.code) == MISMATCH[asker.vendor]


@form
@every_vendor
def test_a_wrong_secret_key_is_refused(asker: Asker) -> None:
    wrong = asker.but(credentials=Credentials("AKPERMANENT", "SKOTHER"))
    answer = refused(asker.vendor, whole(wrong))
    assert (answer.status, answer.code) == MISMATCH[asker.vendor]


@form
@every_vendor
def test_an_unknown_access_key_is_refused(asker: Asker) -> None:
    wrong = asker.but(credentials=Credentials("AKNOBODY", "SKPERMANENT"))
    answer = refused(asker.vendor, whole(wrong))
    assert (answer.status, answer.code) == UNKNOWN_KEY[asker.vendor]


@form
@every_vendor
def test_a_temporary_key_pair_with_its_token_is_accepted(token: Asker) -> None:
    assert send(whole(token)).content == b"hello"


@form
@every_vendor
def test_a_wrong_token_is_refused(token: Asker) -> None:
    wrong = token.but(credentials=replace(token.credentials, token="TOKENOTHER"))
    answer = refused(token.vendor, whole(wrong))
    codes = {"bos": "InvalidAccessKeyId", "oss": "InvalidSecurityToken", "cos": "InvalidToken"}
    assert (answer.status, answer.code) == (403, codes[token.vendor])


@form
@every_vendor
def test_a_missing_token_is_refused(token: Asker) -> None:
    without = token.but(credentials=replace(token.credentials, token=None))
    answer = refused(token.vendor, whole(without))
    assert (answer.status, answer.code) == UNKNOWN_KEY[token.vendor]


@form
@every_vendor
def test_a_token_taken_away_after_signing_is_refused(token: Asker) -> None:
    request = whole(token)
    name = f"{token.prefix}{'security-token'}"
    headers = {n: v for n, v in request.headers.items() if n != name}
    answer = refused(token.vendor, Request(request.method, encoding.without_query(request.url, [name]), headers))
    assert (answer.status, answer.code) == MISMATCH[token.vendor]


@form
@every_vendor
def test_a_token_that_the_key_pair_does_not_have_is_refused(asker: Asker) -> None:
    unexpected = asker.but(credentials=replace(asker.credentials, token="TOKENTEMPORARY/+="))
    answer = refused(asker.vendor, whole(unexpected))
    assert (answer.status, answer.code) == UNKNOWN_KEY[asker.vendor]


@form
@every_vendor
def test_a_request_that_has_expired_is_refused(asker: Asker) -> None:
    then = datetime.now(timezone.utc) - timedelta(minutes=20)
    answer = refused(asker.vendor, whole(asker.but(now=then, expires_in=timedelta(minutes=19))))
    expected = {
        ("bos", "header"): (400, "RequestExpired"),
        ("bos", "url"): (400, "RequestExpired"),
        ("oss", "header"): (403, "RequestTimeTooSkewed"),
        ("oss", "url"): (403, "AccessDenied"),
        ("cos", "header"): (403, "AccessDenied"),
        ("cos", "url"): (403, "AccessDenied"),
    }
    assert (answer.status, answer.code) == expected[asker.vendor, asker.form]
    if answer.code == "AccessDenied":
        assert answer.message.startswith("Request has expired")


@form
@every_vendor
def test_a_request_from_a_clock_that_is_ahead_is_refused(asker: Asker) -> None:
    ahead = datetime.now(timezone.utc) + timedelta(minutes=16)
    answer = refused(asker.vendor, whole(asker.but(now=ahead)))
    expected = {
        ("bos", "header"): (400, "RequestExpired"),
        ("bos", "url"): (400, "RequestExpired"),
        ("oss", "header"): (403, "RequestTimeTooSkewed"),
        ("oss", "url"): (403, "AccessDenied"),
        ("cos", "header"): (403, "AccessDenied"),
        ("cos", "url"): (403, "AccessDenied"),
    }
    assert (answer.status, answer.code) == expected[asker.vendor, asker.form]


@pytest.mark.parametrize("form", ["header"])
@every_vendor
def test_a_clock_that_is_slow_by_minutes_is_tolerated(asker: Asker) -> None:
    then = datetime.now(timezone.utc) - timedelta(minutes=4)
    assert send(whole(asker.but(now=then))).status_code == 200


@pytest.mark.parametrize("form", ["header"])
@every_vendor
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
def test_an_unsigned_request_is_refused(asker: Asker, method: str) -> None:
    answer = refused(asker.vendor, asker.request(method, KEY, signed=False))
    assert (answer.status, answer.code or "AccessDenied") == ANONYMOUS[asker.vendor]


@form
@every_vendor
def test_a_refused_put_leaves_the_object_as_it_was(asker: Asker) -> None:
    request = asker.but(credentials=Credentials("AKPERMANENT", "SKOTHER")).request("PUT", KEY)
    assert send(request, b"x" * 300_000).status_code in (400, 403)
    assert asker.but(form="header").ask("GET", KEY).content == b"hello"


@pytest.mark.parametrize("form", ["header"])
@pytest.mark.parametrize(
    ("vendor", "authorization", "expected"),
    [
        ("bos", "bce-auth-v1/AKPERMANENT/nonsense", (400, "InvalidHTTPAuthHeader")),
        ("bos", "bce-auth-v2/AKPERMANENT/2024-01-01T00:00:00Z/1800/host/00", (400, "InvalidHTTPAuthHeader")),
        ("oss", "OSS4-HMAC-SHA256 Credential=AKPERMANENT/nonsense,Signature=00", (400, "InvalidArgument")),
        ("oss", "OSS AKPERMANENT", (400, "InvalidArgument")),
        ("oss", "OSS AKPERMANENT:c2lnbmF0dXJl", (403, "AccessDenied")),
        ("oss", "OSS2 AccessKeyId:AKPERMANENT,Signature:c2lnbmF0dXJl", (400, "InvalidArgument")),
        ("cos", "q-sign-algorithm=sha1&q-ak=AKPERMANENT&q-signature=00", (403, "AccessDenied")),
    ],
)
def test_a_malformed_authorization_is_refused(asker: Asker, authorization: str, expected: tuple[int, str]) -> None:
    request = asker.request("GET", KEY, headers={"Authorization": authorization}, signed=False)
    request = replace(request, headers={**request.headers, "x-oss-content-sha256": "UNSIGNED-PAYLOAD"})
    answer = refused(asker.vendor, request)
    assert (answer.status, answer.code) == expected


@pytest.mark.parametrize("form", ["header"])
@pytest.mark.parametrize("vendor", ["bos"])
def test_bos_wants_the_host_among_the_signed_headers(asker: Asker) -> None:
    request = whole(asker)
    authorization = re.sub(r"/host;[^/]*/", "/x-bce-traffic-limit/", request.headers["Authorization"])
    answer = refused("bos", replace(request, headers={**request.headers, "Authorization": authorization}))
    assert (answer.status, answer.code) == (400, "InvalidHTTPAuthHeader")


@form
@pytest.mark.parametrize("vendor", ["oss"])
def test_oss_shows_what_it_signed_when_signatures_differ(asker: Asker) -> None:
    answer = refused("oss", in_query(asker, whole(asker)))
    assert answer.fields["SignatureProvided"]
    assert answer.fields["StringToSign"].startswith("OSS4-HMAC-SHA256\n")
    assert answer.fields["CanonicalRequest"].startswith(f"GET\n/{BUCKETS['oss']}/refusals/")


@pytest.mark.parametrize("form", ["url"])
@pytest.mark.parametrize("vendor", ["oss"])
@pytest.mark.parametrize("lifetime", ["0", "604801", "soon", ""])
def test_oss_refuses_lifetimes_beyond_its_limits(asker: Asker, lifetime: str) -> None:
    request = asker.request("GET", KEY)
    url = re.sub(r"x-oss-expires=\d+", f"x-oss-expires={lifetime}", request.url)
    answer = refused("oss", replace(request, url=url))
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")


@pytest.mark.parametrize("form", ["url"])
@pytest.mark.parametrize("vendor", ["oss"])
def test_oss_limits_urls_with_a_token_to_twelve_hours(token: Asker) -> None:
    request = token.request("GET", KEY)
    url = re.sub(r"x-oss-expires=\d+", "x-oss-expires=43201", request.url)
    answer = refused("oss", replace(request, url=url))
    assert (answer.status, answer.code) == (400, "AuthorizationQueryParametersError")


@form
@every_vendor
def test_temporary_credentials_die_at_their_time(vendor: str, form: str) -> None:
    clock = Clock()
    account = Account("AKSTS", "SKSTS", token="TOKEN", expires_at=clock.now + timedelta(minutes=5))
    with Emulator(accounts=[account], buckets=[Bucket(vendor, BUCKETS[vendor])], clock=clock) as emulator:
        asker = Asker(emulator, vendor, credentials_of(account), form, now=clock.now, expires_in=timedelta(hours=1))
        asker.but(form="header").put(KEY)
        clock.now += timedelta(minutes=4, seconds=59)
        assert send(whole(asker)).status_code == 200
        clock.now += timedelta(seconds=1)
        answer = refused(vendor, whole(asker))
    codes = {"bos": (400, "RequestExpired"), "oss": (403, "SecurityTokenExpired"), "cos": (403, "ExpiredToken")}
    assert (answer.status, answer.code) == codes[vendor]


@every_vendor
def test_a_url_lives_to_the_second(vendor: str) -> None:
    clock = Clock()
    account = Account("AK", "SK")
    with Emulator(accounts=[account], buckets=[Bucket(vendor, BUCKETS[vendor])], clock=clock) as emulator:
        asker = Asker(emulator, vendor, credentials_of(account), now=clock.now, expires_in=timedelta(seconds=90))
        asker.put(KEY)
        url = whole(asker.but(form="url"))
        clock.now += timedelta(seconds=90)
        assert send(url).status_code == 200
        clock.now += timedelta(seconds=1)
        assert refused(vendor, url).status in (400, 403)


@every_vendor
def test_answers_tell_the_time_of_the_emulators_clock(vendor: str) -> None:
    clock = Clock()
    with Emulator(buckets=[Bucket(vendor, BUCKETS[vendor])], clock=clock) as emulator:
        answer = send(Asker(emulator, vendor, Credentials("AK", "SK")).request("GET", KEY))
    assert answer.headers["Date"] == "Thu, 29 Feb 2024 12:00:00 GMT"


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now
