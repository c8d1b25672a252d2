"""Verification of ``q-sign-algorithm=sha1``, in the header and in the URL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from aksk_provider.emulator.model import Account, Inbound, Refused, decoded
from aksk_provider.emulator.verify.common import check_token, find_account, same
from aksk_provider.signing import Request, cos

_FIELDS = ("q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list", "q-signature")


def verify(inbound: Inbound, _resource: str, accounts: Mapping[str, Account], now: datetime) -> Account:
    """Return the account that signed the request."""
    fields = _fields(inbound)
    if fields["q-sign-algorithm"] != "sha1" or fields["q-sign-time"] != fields["q-key-time"]:
        raise Refused("InvalidAuthorization", "The authorization must have q-sign-algorithm=sha1 and one time.")
    account = find_account(fields["q-ak"], accounts)
    _check_time(fields["q-key-time"], now)
    signed = any(
        same(_signature(request, fields, account.secret_key), fields["q-signature"])
        for request in _readings(inbound.as_signed())
    )
    if not signed:
        canonical = _canonical(inbound.as_signed(), fields)
        to_sign = cos.string_to_sign(canonical, fields["q-key-time"])
        raise Refused("SignatureDoesNotMatch", StringToSign=to_sign, FormatString=canonical)
    check_token(account, inbound.headers.get(cos.TOKEN, inbound.params.get(cos.TOKEN)), now)
    return account


def _fields(inbound: Inbound) -> dict[str, str]:
    params = inbound.params
    given = inbound.headers.get("authorization") or params.get("sign")
    source = dict(part.partition("=")[::2] for part in given.strip().split("&")) if given else params
    if "q-signature" not in source:
        raise Refused("AccessDenied")
    missing = [name for name in _FIELDS if name not in source]
    if missing:
        raise Refused("InvalidAuthorization", f"The authorization misses {', '.join(missing)}.")
    return {name: source[name] for name in _FIELDS}


def _check_time(key_time: str, now: datetime) -> None:
    start, _, end = key_time.partition(";")
    if not (start.isdecimal() and end.isdecimal()):
        raise Refused("InvalidAuthorization", "q-key-time must be two times in seconds.")
    if not int(start) <= now.timestamp() <= int(end):
        raise Refused("AccessDenied", "Request has expired")


def _readings(request: Request) -> Iterator[Request]:
    """Give the request as it was sent, then as the vendor's Python SDK signs it: its host without the port."""
    yield request
    host, colon, _port = request.headers.get("host", "").rpartition(":")
    if colon:
        yield replace(request, headers={**request.headers, "host": host})


def _canonical(request: Request, fields: Mapping[str, str]) -> str:
    listed_headers = {decoded(name) for name in fields["q-header-list"].split(";")}
    listed_params = set(fields["q-url-param-list"].split(";"))
    headers = cos.header_pairs(request, listed_headers.__contains__)
    params = cos.param_pairs(request, listed_params.__contains__)
    return cos.canonical_request(request, headers, params)


def _signature(request: Request, fields: Mapping[str, str], secret_key: str) -> str:
    key_time = fields["q-key-time"]
    to_sign = cos.string_to_sign(_canonical(request, fields), key_time)
    return cos.signature(secret_key, key_time, to_sign)
