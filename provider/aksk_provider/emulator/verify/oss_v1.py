"""Verification of OSS V1 (HMAC-SHA1), in the header and in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone

from aksk_provider.emulator.model import Account, Inbound, Refused
from aksk_provider.emulator.verify.common import check_skew, check_token, find_account, same
from aksk_provider.signing import encoding, oss, oss_v1

_START = f"{oss_v1.SCHEME} "


def is_meant(inbound: Inbound) -> bool:
    """Tell whether a request is signed with version 1."""
    return "Signature" in inbound.params or inbound.headers.get("authorization", "").startswith(_START)


def verify(inbound: Inbound, resource: str, accounts: Mapping[str, Account], now: datetime) -> Account:
    """Return the account that signed the request for the resource ``/bucket/key``."""
    params = inbound.params
    in_url = "Signature" in params
    if in_url:
        access_key, signature, date = params.get("OSSAccessKeyId", ""), params["Signature"], params.get("Expires", "")
        token = params.get(oss_v1.TOKEN_PARAMETER)
    else:
        access_key, _, signature = inbound.headers["authorization"].removeprefix(_START).partition(":")
        date = inbound.headers.get("x-oss-date") or inbound.headers.get("date", "")
        token = inbound.headers.get(oss.TOKEN)
    if not access_key or not signature:
        raise Refused("InvalidAuthorization", "The authorization misses its access key or signature.")
    account = find_account(access_key, accounts)
    if in_url:
        _check_expires(date, now)
    else:
        check_skew(_http_date(date), now)
    # The three fields of the signature are no sub-resources, so they stay in the URL.
    to_sign = oss_v1.string_to_sign(inbound.as_signed(), resource, date)
    if not same(oss_v1.signature(account.secret_key, to_sign), signature):
        raise Refused(
            "SignatureDoesNotMatch", OSSAccessKeyId=access_key, SignatureProvided=signature, StringToSign=to_sign
        )
    check_token(account, token, now)
    return account


def _check_expires(expires: str, now: datetime) -> None:
    if not expires.isdecimal():
        raise Refused("AccessDenied", "Invalid date (should be seconds since epoch): Expires")
    if now.timestamp() > int(expires):
        end = datetime.fromtimestamp(int(expires), timezone.utc)
        raise Refused(
            "AccessDenied",
            "Request has expired.",
            Expires=f"{end:%Y-%m-%dT%H:%M:%S.000Z}",
            ServerTime=f"{encoding.utc(now):%Y-%m-%dT%H:%M:%S.000Z}",
        )


def _http_date(date: str) -> datetime:
    try:
        return datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise Refused("AccessDenied", "OSS authentication requires a valid Date.") from error
