"""OSS V1 in the header: what is whole is accepted, everything else refused; tests/storage/presigning does the URLs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from aksk_provider.emulator import Emulator
from aksk_provider.signing import Credentials, OssV1Signer, Request
from tests.emulator.asking import BUCKETS, Asker, Said, credentials_of, said, send

KEY = "v1/年 a+b"
TOKEN = "x-oss-security-token"


@pytest.fixture(params=["AKPERMANENT", "AKTEMPORARY"])
def credentials(request: pytest.FixtureRequest, emulator: Emulator) -> Credentials:
    permanent = credentials_of(emulator.accounts["AKPERMANENT"])
    Asker(emulator, "oss", permanent).put(KEY)
    return credentials_of(emulator.accounts[request.param])


@pytest.fixture
def plain(emulator: Emulator) -> Request:
    asker = Asker(emulator, "oss", Credentials("a", "b"))
    headers = {"x-oss-traffic-limit": "819200", "Content-Type": "text/plain"}
    return asker.request("GET", KEY, [("response-cache-control", "no-store")], headers, signed=False)


def signed(request: Request, credentials: Credentials, behind: timedelta = timedelta()) -> Request:
    return OssV1Signer(bucket=BUCKETS["oss"]).sign(request, credentials, now=datetime.now(timezone.utc) - behind)


def refused(request: Request) -> Said:
    return said("oss", send(request))


def test_a_whole_request_is_accepted(plain: Request, credentials: Credentials) -> None:
    answer = send(signed(plain, credentials))
    assert (answer.status_code, answer.content, answer.headers["Cache-Control"]) == (200, b"hello", "no-store")


def test_a_clock_may_be_wrong_by_minutes(plain: Request, credentials: Credentials) -> None:
    assert send(signed(plain, credentials, timedelta(minutes=14))).status_code == 200
    for minutes in (16, -16):
        answer = refused(signed(plain, credentials, timedelta(minutes=minutes)))
        assert (answer.status, answer.code) == (403, "RequestTimeTooSkewed")
        assert answer.fields["ServerTime"].startswith("20")


def with_header(name: str, value: str | None) -> Callable[[Request], Request]:
    def change(request: Request) -> Request:
        kept = {n: v for n, v in request.headers.items() if n.lower() != name.lower()}
        return replace(request, headers=kept | ({name: value} if value is not None else {}))

    return change


CHANGES: dict[str, Callable[[Request], Request]] = {
    "method": lambda request: replace(request, method="DELETE"),
    "key": lambda request: replace(request, url=request.url.replace("v1/", "v2/")),
    "sub-resource": lambda request: replace(request, url=request.url.replace("no-store", "no-cache")),
    "sub-resource added": lambda request: replace(request, url=f"{request.url}&versionId=null"),
    "content type": with_header("Content-Type", "text/html"),
    "content type removed": with_header("Content-Type", None),
    "own header": with_header("x-oss-traffic-limit", "838860800"),
    "own header removed": with_header("x-oss-traffic-limit", None),
    "own header added": with_header("x-oss-request-payer", "requester"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_changed_after_signing_is_refused(plain: Request, credentials: Credentials, change: str) -> None:
    answer = refused(CHANGES[change](signed(plain, credentials)))
    assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch")
    assert answer.fields["StringToSign"].startswith(("GET\n", "DELETE\n"))


def test_what_is_no_sub_resource_is_not_signed(plain: Request, credentials: Credentials) -> None:
    added = replace(signed(plain, credentials), url=f"{plain.url}&prefix=x")
    assert send(added).content == b"hello"


def test_wrong_keys_and_tokens_are_refused(plain: Request, emulator: Emulator) -> None:
    temporary = credentials_of(emulator.accounts["AKTEMPORARY"])
    whole = signed(plain, temporary)
    moved = with_header("security-token", temporary.token)(with_header(TOKEN, None)(whole))
    codes = {
        "secret": refused(signed(plain, replace(temporary, secret_key="other"))).code,
        "access key": refused(signed(plain, replace(temporary, access_key="AKNOBODY"))).code,
        "token": refused(signed(plain, replace(temporary, token="other"))).code,
        "no token": refused(signed(plain, replace(temporary, token=None))).code,
        "token removed": refused(with_header(TOKEN, None)(whole)).code,
        "token elsewhere": refused(moved).code,
        "no date": refused(with_header("Date", None)(whole)).code,
    }
    assert codes == {
        "secret": "SignatureDoesNotMatch",
        "access key": "InvalidAccessKeyId",
        "token": "InvalidSecurityToken",
        "no token": "InvalidAccessKeyId",
        "token removed": "SignatureDoesNotMatch",
        "token elsewhere": "SignatureDoesNotMatch",
        "no date": "AccessDenied",
    }
