"""Tencent COS: ``q-sign-algorithm=sha1``.

Source: Tencent Cloud COS, "Request signature" (XML API).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import unquote_to_bytes

from aksk_provider.signing import encoding
from aksk_provider.signing.links import Draft
from aksk_provider.signing.model import Credentials, PresignedURL, Request

DEFAULT_LIFETIME = timedelta(minutes=5)
BACK_DATED = timedelta(seconds=60)
TOKEN = "x-cos-security-token"
_FIELDS = (
    "q-sign-algorithm",
    "q-ak",
    "q-sign-time",
    "q-key-time",
    "q-header-list",
    "q-url-param-list",
    "q-signature",
)
_DEFAULT_SIGNED = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-type",
        "content-md5",
        "content-length",
        "expect",
        "expires",
        "host",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "origin",
        "range",
        "transfer-encoding",
        "pic-operations",
    }
)
Pairs = list[tuple[str, str]]


def canonical_request(request: Request, headers: Iterable[tuple[str, str]], params: Iterable[tuple[str, str]]) -> str:
    r"""Return what is hashed into the string to sign; the vendor calls it HttpString.

    ``HttpString = method \n UriPathname \n HttpParameters \n HttpHeaders \n``, where the method is in lower case, the
    path is decoded, and parameters and headers are their encoded ``name=value`` pairs joined by ``&``.

    :param headers: the signed headers as :func:`header_pairs` gives them
    :param params: the signed parameters as :func:`param_pairs` gives them
    """
    path = encoding.decode(encoding.split_url(request.url).path or "/")
    joined = ["&".join(f"{name}={value}" for name, value in pairs) for pairs in (params, headers)]
    return "\n".join([request.method.lower(), path, *joined, ""])


def string_to_sign(canonical: str, key_time: str) -> str:
    r"""Return ``sha1 \n KeyTime \n hex(SHA1(HttpString)) \n``."""
    return f"sha1\n{key_time}\n{hashlib.sha1(canonical.encode()).hexdigest()}\n"


def key_time_of(now: datetime, expires_in: timedelta) -> str:
    """Return KeyTime, ``{start};{end}`` in Unix seconds; the start is back-dated by a minute."""
    start = int(encoding.utc(now).timestamp())
    return f"{start - int(BACK_DATED.total_seconds())};{start + encoding.whole_seconds(expires_in)}"


def signing_key(secret_key: str, key_time: str) -> bytes:
    """Return ``HMAC(secret key, KeyTime)`` as hex text (SHA-1); the vendor calls it SignKey."""
    return encoding.hmac_hex(secret_key, key_time, "sha1").encode()


def signature(secret_key: str, key_time: str, to_sign: str) -> str:
    """Return ``HMAC(HMAC(secret key, KeyTime), StringToSign)``; the inner hex text is the outer key (SHA-1)."""
    return encoding.hmac_hex(signing_key(secret_key, key_time), to_sign, "sha1")


def header_pairs(request: Request, chosen: Callable[[str], bool]) -> Pairs:
    """Return the chosen headers encoded, names in lower case, sorted by name."""
    headers = encoding.lower_names(request.headers).items()
    return sorted((encoding.encode(n).lower(), encoding.encode(v.strip())) for n, v in headers if chosen(n))


def param_pairs(request: Request, chosen: Callable[[str], bool]) -> Pairs:
    """Return the chosen query parameters encoded, names in lower case, sorted by name.

    The values of a repeated parameter are sorted as they were before encoding, as in the vendor's Go SDK; its
    Python SDK knows no repeated parameters.
    """
    pairs = encoding.query_pairs(encoding.split_url(request.url).query)
    return sorted(((n.lower(), v) for n, v in pairs if chosen(n.lower())), key=_name_and_plain_value)


def signed_by_default(name: str) -> bool:
    """Tell whether a header (in lower case) is signed unless a list says otherwise."""
    return name in _DEFAULT_SIGNED or name.startswith(("x-cos-", "x-ci-"))


@dataclass(frozen=True, slots=True)
class CosSigner:
    """Signs for Tencent COS.

    :param signed_headers: names of the headers to sign, as far as the request has them; by default ``host``,
        ``x-cos-*``, ``x-ci-*`` and the standard headers that describe the content, range and conditions
    :param signed_params: names of the query parameters to sign; by default all of them. The token is always signed.
    """

    signed_headers: Collection[str] | None = None
    signed_params: Collection[str] | None = None

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
        headers = encoding.signable_headers(request, without=("authorization", TOKEN))
        if credentials.token:
            headers[TOKEN] = credentials.token
        unsigned = Request(request.method, request.url, headers)
        key_time = key_time_of(now, DEFAULT_LIFETIME if expires_in is None else expires_in)
        pairs = self._signed(unsigned)
        to_sign = string_to_sign(canonical_request(unsigned, *pairs), key_time)
        fields = _fields(credentials, key_time, *pairs, signature(credentials.secret_key, key_time, to_sign))
        authorization = "&".join(f"{name}={value}" for name, value in fields)
        return Request(request.method, request.url, headers | {"Authorization": authorization})

    def presign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> PresignedURL:
        """Return the URL with the signature and, for temporary keys, the token (signed) in its query."""
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
        headers = encoding.signable_headers(request, without=("authorization", TOKEN))
        url = encoding.without_query(request.url, (*_FIELDS, TOKEN))
        if credentials.token:
            url = encoding.with_query(url, [(TOKEN, credentials.token)])
        lifetime = DEFAULT_LIFETIME if expires_in is None else expires_in
        unsigned, key_time = Request(request.method, url, headers), key_time_of(now, lifetime)
        signed_headers, signed_params = self._signed(unsigned)
        canonical = canonical_request(unsigned, signed_headers, signed_params)
        fields = _fields(credentials, key_time, signed_headers, signed_params, "")
        names = [name for name in encoding.lower_names(headers) if self._signs_header(name)]
        return Draft(
            method=request.method.upper(),
            url=encoding.with_query(url, fields),
            canonical=canonical,
            to_sign=string_to_sign(canonical, key_time),
            key=signing_key(credentials.secret_key, key_time),
            algorithm="sha1",
            expires_at=encoding.expiry(now, lifetime, credentials),
            signed_headers=encoding.required_headers(headers, names),
        )

    def _signed(self, request: Request) -> tuple[Pairs, Pairs]:
        return header_pairs(request, self._signs_header), param_pairs(request, self._signs_param)

    def _signs_header(self, name: str) -> bool:
        if self.signed_headers is None:
            return signed_by_default(name)
        return name == TOKEN or name in {chosen.lower() for chosen in self.signed_headers}

    def _signs_param(self, name: str) -> bool:
        if self.signed_params is None:
            return True
        return name == TOKEN or name in {encoding.encode(chosen).lower() for chosen in self.signed_params}


def _fields(
    credentials: Credentials, key_time: str, headers: Pairs, params: Pairs, signed: str
) -> list[tuple[str, str]]:
    """Return the fields of a signature, in order; the signature itself is the last."""
    names = (";".join(name for name, _ in pairs) for pairs in (headers, params))
    return list(zip(_FIELDS, ("sha1", credentials.access_key, key_time, key_time, *names, signed), strict=True))


def _name_and_plain_value(pair: tuple[str, str]) -> tuple[str, bytes]:
    return pair[0], unquote_to_bytes(pair[1])
