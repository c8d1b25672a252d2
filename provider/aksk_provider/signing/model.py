"""The values a signer takes and returns. Their representations never show a secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from aksk_provider.errors import InvalidRequestError


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key pair, permanent or temporary.

    :param access_key: access key id (BOS and OSS: AccessKeyId, COS: SecretId)
    :param secret_key: secret access key (COS: SecretKey)
    :param token: session token of a temporary (STS) key pair
    :param expires_at: when the temporary key pair dies, as an aware datetime
    """

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        for name in ("access_key", "secret_key", "token"):
            value = getattr(self, name)
            if value is None and name == "token":
                continue
            if not value or not value.isascii() or not value.isprintable() or " " in value:
                raise InvalidRequestError(f"{name} is empty or holds a space, line break or character outside ASCII")
        if self.expires_at is not None and self.expires_at.tzinfo is None:
            raise InvalidRequestError("expires_at of credentials must be an aware datetime")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """An HTTP request without its body; the URL is complete and percent-encoded.

    :param method: HTTP method
    :param url: absolute URL, exactly as it will be sent
    :param headers: headers that will be sent; a signer signs those its algorithm or its options name
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url.partition('?')[0]}, headers: {', '.join(self.headers) or 'none'})"


@dataclass(frozen=True, slots=True)
class PresignedURL:
    """A URL that carries its signature.

    :param method: the only HTTP method it is good for
    :param url: the URL; whoever has it can use it
    :param expires_at: when it stops working: the earlier of the URL's and the credentials' expiry
    :param signed_headers: headers that must be sent with the URL, with exactly these values
    :param warnings: what may keep it from working for the people it is meant for; holds no secret
    """

    method: str
    url: str = field(repr=False)
    expires_at: datetime
    signed_headers: Mapping[str, str] = field(repr=False)
    warnings: tuple[str, ...] = ()


class Signer(Protocol):
    """Signs a request for one vendor. Pure: the time is an argument, nothing is read or sent."""

    def sign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> Request:
        """Return a copy of the request with the signature in its headers."""
        ...

    def presign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> PresignedURL:
        """Return the URL of the request with the signature in its query."""
        ...
