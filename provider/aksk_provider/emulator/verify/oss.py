"""Verification of ``OSS4-HMAC-SHA256``, in the header and in the URL; V1 is next door."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from aksk_provider.emulator.model import Account, Inbound, Refused
from aksk_provider.emulator.verify import oss_v1
from aksk_provider.emulator.verify.common import MAX_SKEW, check_skew, check_token, find_account, same
from aksk_provider.signing import encoding, oss

_SIGNATURE = "x-oss-signature"
_CREDENTIAL = re.compile(r"(?P<access_key>[^/]+)/(?P<scope>\d{8}/[^/]+/[^/]+/aliyun_v4_request)")


@dataclass(frozen=True, slots=True)
class _Claim:
    """What the request says about its signature, in whichever place it says it."""

    access_key: str
    scope: str
    timestamp: str
    additional_headers: tuple[str, ...]
    signature: str
    token: str | None
    lifetime: timedelta | None


def verify(inbound: Inbound, resource: str, accounts: Mapping[str, Account], now: datetime) -> Account:
    """Return the account that signed the request for the resource ``/bucket/key``."""
    if _SIGNATURE not in inbound.params and oss_v1.is_meant(inbound):
        return oss_v1.verify(inbound, resource, accounts, now)
    claim = _from_url(inbound) if _SIGNATURE in inbound.params else _from_header(inbound)
    account = find_account(claim.access_key, accounts)
    start = _start(claim)
    if claim.lifetime is None:
        check_skew(start, now)
    else:
        _check_expiry(start, claim.lifetime, account, now)
    query = encoding.without_query(f"?{inbound.query}", (_SIGNATURE,)).removeprefix("?")
    canonical = oss.canonical_request(inbound.as_signed(query), resource, claim.additional_headers)
    to_sign = oss.string_to_sign(canonical, claim.timestamp, claim.scope)
    if not same(oss.signature(account.secret_key, claim.scope, to_sign), claim.signature):
        raise Refused(
            "SignatureDoesNotMatch",
            OSSAccessKeyId=claim.access_key,
            SignatureProvided=claim.signature,
            StringToSign=to_sign,
            CanonicalRequest=canonical,
        )
    check_token(account, claim.token, now)
    return account


def _from_header(inbound: Inbound) -> _Claim:
    given = inbound.headers.get("authorization", "")
    if not given:
        raise Refused("AccessDenied", "You have no right to access this object because of bucket acl.")
    algorithm, _, rest = given.partition(" ")
    if algorithm != oss.ALGORITHM:
        raise Refused("InvalidAuthorization", f"This emulator verifies {oss.ALGORITHM} and V1 only.")
    fields = dict(field.strip().partition("=")[::2] for field in rest.split(","))
    if inbound.headers.get("x-oss-content-sha256") != oss.PAYLOAD:
        raise Refused("InvalidArgument", f"x-oss-content-sha256 must be {oss.PAYLOAD}.")
    timestamp = inbound.headers.get("x-oss-date") or _timestamp_of(inbound.headers.get("date", ""))
    return _claim(fields, timestamp, inbound.headers.get(oss.TOKEN), None)


def _from_url(inbound: Inbound) -> _Claim:
    params = inbound.params
    if params.get("x-oss-signature-version") != oss.ALGORITHM:
        raise Refused("InvalidAuthorization", f"This emulator verifies {oss.ALGORITHM} and V1 only.")
    for name in params.keys() & inbound.headers.keys():
        if name.startswith("x-oss-") and params[name] != inbound.headers[name]:
            raise Refused("InvalidArgument", f"{name} differs between the query and the header.")
    lifetime = params.get("x-oss-expires", "")
    if not lifetime.isdecimal():
        raise Refused("AuthorizationQueryParametersError", "x-oss-expires must be a number of seconds.")
    fields = {
        "Credential": params.get("x-oss-credential", ""),
        "AdditionalHeaders": params.get("x-oss-additional-headers", ""),
        "Signature": params[_SIGNATURE],
    }
    return _claim(fields, params.get("x-oss-date", ""), params.get(oss.TOKEN), timedelta(seconds=int(lifetime)))


def _claim(fields: Mapping[str, str], timestamp: str, token: str | None, lifetime: timedelta | None) -> _Claim:
    credential = _CREDENTIAL.fullmatch(fields.get("Credential", ""))
    if credential is None or not fields.get("Signature"):
        raise Refused("InvalidAuthorization", "The authorization misses its credential or signature.")
    additional = tuple(name for name in fields.get("AdditionalHeaders", "").split(";") if name)
    access_key, scope = credential["access_key"], credential["scope"]
    return _Claim(access_key, scope, timestamp, additional, fields["Signature"], token, lifetime)


def _timestamp_of(http_date: str) -> str:
    try:
        return f"{datetime.strptime(http_date, '%a, %d %b %Y %H:%M:%S GMT'):%Y%m%dT%H%M%SZ}"  # noqa: DTZ007
    except ValueError:
        return ""


def _start(claim: _Claim) -> datetime:
    try:
        start = datetime.strptime(claim.timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)
    except ValueError as error:
        raise Refused("AccessDenied", "OSS authentication requires a valid Date or x-oss-date.") from error
    if claim.timestamp[:8] != claim.scope[:8]:
        raise Refused("InvalidAuthorization", "The date of the credential is not the date of the request.")
    return start


def _check_expiry(start: datetime, lifetime: timedelta, account: Account, now: datetime) -> None:
    limit = oss.MAX_LIFETIME_WITH_TOKEN if account.token else oss.MAX_LIFETIME
    if not timedelta(seconds=1) <= lifetime <= limit:
        raise Refused("AuthorizationQueryParametersError", f"x-oss-expires must be 1 to {limit.total_seconds():.0f}.")
    if now > start + lifetime:
        expires = start + lifetime
        raise Refused(
            "AccessDenied",
            "Request has expired.",
            Expires=f"{expires:%Y-%m-%dT%H:%M:%S.000Z}",
            ServerTime=f"{now:%Y-%m-%dT%H:%M:%S.000Z}",
        )
    if start > now + MAX_SKEW:
        raise Refused("AccessDenied", "Request is not valid yet.", ServerTime=f"{now:%Y-%m-%dT%H:%M:%S.000Z}")
