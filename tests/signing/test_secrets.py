"""No secret key, token or signature is in anything that is printed, logged or raised."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from urllib.parse import parse_qsl, urlsplit

import pytest

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, Request

NOW = datetime(2024, 2, 29, 12, 0, tzinfo=timezone.utc)
KEYS = Credentials("AKIDEXAMPLE", "TheSecretKey", "TheToken", NOW + timedelta(days=1))
REQUEST = Request("GET", "https://examplebucket.example.com/a?versionId=1", {"Content-Type": "text/plain"})
SIGNERS = {"bos": BosSigner(), "oss": OssSigner(region="cn-hangzhou", bucket="examplebucket"), "cos": CosSigner()}
every_vendor = pytest.mark.parametrize("vendor", SIGNERS)


def printed(value: object, caplog: pytest.LogCaptureFixture) -> str:
    """Return a value in all the ways in which it gets into a log."""
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", value, value)
    return f"{value} {value!r} {value!s} {value:} {[value]} { {'v': value} } {caplog.text}"


def signature_fields(authorization: str) -> Iterator[str]:
    """Take the longest run of hexadecimal digits, which is the signature of every vendor."""
    runs = "".join(c if c in "0123456789abcdef" else " " for c in authorization).split()
    yield max(runs, key=len)


def test_credentials_print_as_their_access_key(caplog: pytest.LogCaptureFixture) -> None:
    text = printed(KEYS, caplog)
    assert "TheSecretKey" not in text
    assert "TheToken" not in text
    assert "AKIDEXAMPLE" in text


@every_vendor
def test_a_signed_request_prints_without_its_signature(vendor: str, caplog: pytest.LogCaptureFixture) -> None:
    signed = SIGNERS[vendor].sign(REQUEST, KEYS, now=NOW)
    text = printed(signed, caplog)
    for secret in ("TheSecretKey", "TheToken", *signature_fields(signed.headers["Authorization"])):
        assert len(secret) >= 8
        assert secret not in text
    assert "GET https://examplebucket.example.com/a" in text
    assert "Authorization" in text, "the names of the headers are shown"


@every_vendor
def test_a_presigned_url_prints_without_its_signature(vendor: str, caplog: pytest.LogCaptureFixture) -> None:
    presigned = SIGNERS[vendor].presign(REQUEST, KEYS, now=NOW)
    text = printed(presigned, caplog) + printed(replace(REQUEST, url=presigned.url), caplog)
    for secret in ("TheSecretKey", "TheToken", *signature_fields(urlsplit(presigned.url).query)):
        assert len(secret) >= 8
        assert secret not in text
    assert ("TheToken" in dict(parse_qsl(urlsplit(presigned.url).query)).values()) is True
    assert "expires_at=datetime.datetime(2024" in text


@every_vendor
@pytest.mark.parametrize(
    "broken",
    [
        {"url": "https://examplebucket.example.com/a/../b?x-signature=TheToken"},
        {"url": "https://examplebucket.example.com/a b?x-signature=TheToken"},
        {"url": "https://examplebucket.example.com/a?x-signature=TheToken#"},
        {"url": "/a?x-signature=TheToken"},
        {"url": "https://TheToken@examplebucket.example.com/a"},
        {"headers": {"x-meta": "TheToken\n"}},
        {"headers": {"Authorization": "TheToken", "authorization": "TheToken"}},
        {"method": ""},
    ],
)
def test_a_refusal_does_not_show_what_is_secret(vendor: str, broken: dict[str, object]) -> None:
    request = replace(REQUEST, **broken)
    for sign in (SIGNERS[vendor].sign, SIGNERS[vendor].presign):
        with pytest.raises(InvalidRequestError) as error:
            sign(request, KEYS, now=NOW)
        assert "TheToken" not in str(error.value)
        assert "TheSecretKey" not in repr(error.value)


@every_vendor
def test_signing_logs_nothing(
    vendor: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        SIGNERS[vendor].sign(REQUEST, KEYS, now=NOW)
        SIGNERS[vendor].presign(REQUEST, KEYS, now=NOW)
    assert caplog.text == ""
    assert capsys.readouterr() == ("", "")
