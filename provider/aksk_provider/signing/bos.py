"""Baidu BOS: ``bce-auth-v1``.

Source: Baidu AI Cloud, "Generate authentication string" (access authentication, version 1).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from aksk_provider.signing import encoding
from aksk_provider.signing.links import Draft
from aksk_provider.signing.model import Credentials, PresignedURL, Request

DEFAULT_LIFETIME = timedelta(minutes=30)
TOKEN = "x-bce-security-token"
AUTHORIZATION = "authorization"
_DEFAULT_SIGNED = frozenset({"host", "content-length", "content-type", "content-md5"})


def canonical_request(request: Request, signed_headers: Iterable[str]) -> str:
    r"""Return what is signed.

    ``CanonicalRequest = METHOD \n CanonicalURI \n CanonicalQuery \n CanonicalHeaders``, where the URI is the
    path as sent, the query is its encoded ``name=value`` pairs sorted as text, without ``authorization``, and
    the headers are the encoded ``name:value`` lines of ``signed_headers``, sorted as text; empty values do not count.
    """
    parts = encoding.split_url(request.url)
    pairs = encoding.query_pairs(parts.query)
    query = sorted(f"{name}={value}" for name, value in pairs if name.lower() != AUTHORIZATION)
    headers = encoding.lower_names(request.headers)
    lines = sorted(
        f"{encoding.encode(name)}:{encoding.encode(headers[name].strip())}"
        for name in signed_headers
        if headers.get(name, "").strip()
    )
    path = encoding.recode_path(parts.path or "/")
    return "\n".join([request.method.upper(), path, "&".join(query), "\n".join(lines)])


def auth_prefix(access_key: str, now: datetime, expires_in: timedelta) -> str:
    """Return ``bce-auth-v1/{access key}/{start, UTC}/{lifetime in seconds}``."""
    return f"bce-auth-v1/{access_key}/{encoding.utc(now):%Y-%m-%dT%H:%M:%SZ}/{encoding.whole_seconds(expires_in)}"


def signing_key(secret_key: str, prefix: str) -> bytes:
    """Return ``HMAC(secret key, prefix)`` as hex text (SHA-256)."""
    return encoding.hmac_hex(secret_key, prefix, "sha256").encode()


def signature(secret_key: str, prefix: str, canonical: str) -> str:
    """Return ``HMAC(HMAC(secret key, prefix), CanonicalRequest)``; the inner hex text is the outer key (SHA-256)."""
    return encoding.hmac_hex(signing_key(secret_key, prefix), canonical, "sha256")


@dataclass(frozen=True, slots=True)
class BosSigner:
    """Signs for Baidu BOS, always with the explicit list of signed headers.

    :param signed_headers: names of the headers to sign, as far as the request has them, besides ``host``;
        by default ``content-length``, ``content-type``, ``content-md5`` and all of ``x-bce-*``. The token is always
        signed.
    """

    signed_headers: Collection[str] | None = None

    def sign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> Request:
        """Return the request with ``Authorization`` and, for temporary keys, the token (signed) in its headers."""
        encoding.refuse_expired(credentials, now)
        headers = encoding.signable_headers(request, without=(AUTHORIZATION, TOKEN))
        if credentials.token:
            headers[TOKEN] = credentials.token
        unsigned = Request(request.method, request.url, headers)
        names = self._names(headers)
        prefix = auth_prefix(credentials.access_key, now, DEFAULT_LIFETIME if expires_in is None else expires_in)
        signed = signature(credentials.secret_key, prefix, canonical_request(unsigned, names))
        headers["Authorization"] = f"{prefix}/{';'.join(names)}/{signed}"
        return Request(request.method, request.url, headers)

    def presign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> PresignedURL:
        """Return the URL with ``authorization`` and, for temporary keys, the token (signed) in its query."""
        return self.draft(request, credentials, now=now, expires_in=expires_in).presigned()

    def draft(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> Draft:
        """Return the presigned URL but for its signature."""
        headers = encoding.signable_headers(request, without=(AUTHORIZATION, TOKEN))
        url = encoding.without_query(request.url, (AUTHORIZATION, TOKEN))
        if credentials.token:
            url = encoding.with_query(url, [(TOKEN, credentials.token)])
        lifetime = DEFAULT_LIFETIME if expires_in is None else expires_in
        prefix, names = auth_prefix(credentials.access_key, now, lifetime), self._names(headers)
        canonical = canonical_request(Request(request.method, url, headers), names)
        return Draft(
            method=request.method.upper(),
            url=encoding.with_query(url, [(AUTHORIZATION, f"{prefix}/{';'.join(names)}/")]),
            canonical=canonical,
            to_sign=canonical,
            key=signing_key(credentials.secret_key, prefix),
            algorithm="sha256",
            expires_at=encoding.expiry(now, lifetime, credentials),
            signed_headers=encoding.required_headers(headers, names),
        )

    def _names(self, headers: Mapping[str, str]) -> list[str]:
        chosen = None if self.signed_headers is None else {"host", TOKEN, *map(str.lower, self.signed_headers)}
        return sorted(
            name
            for name, value in encoding.lower_names(headers).items()
            if value and (name in chosen if chosen else name in _DEFAULT_SIGNED or name.startswith("x-bce-"))
        )
