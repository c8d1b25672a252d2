"""What the three verifications share."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta

from aksk_provider.emulator.model import Account, Refused

MAX_SKEW = timedelta(minutes=15)


def find_account(access_key: str, accounts: Mapping[str, Account]) -> Account:
    """Return the account of an access key."""
    try:
        return accounts[access_key]
    except KeyError:
        raise Refused("InvalidAccessKeyId") from None


def same(computed: str, given: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(computed.encode(), given.encode())


def check_token(account: Account, token: str | None, now: datetime) -> None:
    """Refuse a token that is missing, not asked for, wrong or expired."""
    if account.token is None:
        if token is not None:
            raise Refused("UnexpectedToken")
    elif not token:
        raise Refused("MissingToken")
    elif not same(account.token, token):
        raise Refused("InvalidToken")
    if account.expires_at is not None and account.expires_at <= now:
        raise Refused("ExpiredToken")


def check_skew(start: datetime, now: datetime) -> None:
    """Refuse a request whose header tells another time than ours, as OSS does."""
    if abs(now - start) > MAX_SKEW:
        raise Refused(
            "RequestTimeTooSkewed",
            RequestTime=f"{start:%Y-%m-%dT%H:%M:%S.000Z}",
            ServerTime=f"{now:%Y-%m-%dT%H:%M:%S.000Z}",
            MaxAllowedSkewMilliseconds=str(int(MAX_SKEW.total_seconds() * 1000)),
        )
