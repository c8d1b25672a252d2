"""Verification of ``bce-auth-v1``, in the header and in the URL."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone

from aksk_provider.emulator.model import Account, Inbound, Refused
from aksk_provider.emulator.verify.common import MAX_SKEW, check_token, find_account, same
from aksk_provider.signing import bos


def verify(inbound: Inbound, _resource: str, accounts: Mapping[str, Account], now: datetime) -> Account:
    """Return the account that signed the request."""
    params = inbound.params
    given = inbound.headers.get("authorization") or params.get(bos.AUTHORIZATION)
    if not given:
        raise Refused("AccessDenied", "Anonymous access is forbidden for this operation.")
    try:
        version, access_key, timestamp, lifetime, signed_headers, signature = given.split("/")
        start = datetime.strptime(timestamp, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
        seconds = int(lifetime)
    except ValueError as error:
        raise Refused("InvalidAuthorization", "The HTTP authorization header is invalid.") from error
    if version != "bce-auth-v1":
        raise Refused("InvalidAuthorization", f"The version {version} of the authorization is not known.")
    account = find_account(access_key, accounts)
    _check_time(start, seconds, now)
    names = signed_headers.split(";") if signed_headers else _default_names(inbound)
    if "host" not in names:
        raise Refused("InvalidAuthorization", "The signed headers must include host.")
    canonical = bos.canonical_request(inbound.as_signed(), names)
    prefix = f"{version}/{access_key}/{timestamp}/{lifetime}"
    if not same(bos.signature(account.secret_key, prefix, canonical), signature):
        raise Refused("SignatureDoesNotMatch")
    check_token(account, inbound.headers.get(bos.TOKEN, params.get(bos.TOKEN)), now)
    return account


def _check_time(start: datetime, seconds: int, now: datetime) -> None:
    # -1 never expires. No bound is documented for a start in the future; a quarter of an hour is OSS's.
    late = seconds != -1 and now > start + timedelta(seconds=seconds)
    if late or start > now + MAX_SKEW:
        raise Refused("RequestExpired", f"Request has expired. Timestamp date is {start:%Y-%m-%dT%H:%M:%SZ}.")


def _default_names(inbound: Inbound) -> list[str]:
    """Return the headers that an empty list stands for."""
    default = ("host", "content-length", "content-type", "content-md5")
    return [name for name in inbound.headers if name in default or name.startswith("x-bce-")]
