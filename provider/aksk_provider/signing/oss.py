"""Alibaba OSS: ``OSS4-HMAC-SHA256``.

Source: Alibaba Cloud OSS, "Include a V4 signature" in a header, and in a URL.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from ipaddress import ip_address

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import encoding
from aksk_provider.signing.links import Draft
from aksk_provider.signing.model import Credentials, PresignedURL, Request

ALGORITHM = "OSS4-HMAC-SHA256"
DEFAULT_LIFETIME = timedelta(minutes=15)
MAX_LIFETIME = timedelta(days=7)
MAX_LIFETIME_WITH_TOKEN = timedelta(hours=12)
PAYLOAD = "UNSIGNED-PAYLOAD"
TOKEN = "x-oss-security-token"
_CONTENT_SHA256 = "x-oss-content-sha256"
_HEADER_NAMES = ("authorization", "x-oss-date", _CONTENT_SHA256, TOKEN)
_QUERY_NAMES = (
    "x-oss-signature-version",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-additional-headers",
    "x-oss-signature",
    TOKEN,
)


def signed_by_default(name: str) -> bool:
    """Tell whether a header (in lower case) is always signed when it is sent."""
    return name in ("content-type", "content-md5") or name.startswith("x-oss-")


def canonical_request(request: Request, resource: str, additional_headers: Iterable[str] = ()) -> str:
    r"""Return what is hashed into the string to sign.

    ``VERB \n CanonicalURI \n CanonicalQuery \n CanonicalHeaders \n AdditionalHeaders \n HashedPayload``, where
    the URI is the encoded ``/bucket/key`` whatever the host, the query is the encoded pairs sorted by name and
    value (an empty value leaves the bare name), and the headers are ``name:value\n`` lines sorted by name.

    :param resource: ``/bucket/key``, ``/bucket/`` or ``/``, not encoded
    :param additional_headers: lower-case names of the headers signed besides the default ones
    """
    extra = sorted(additional_headers)
    headers = encoding.lower_names(request.headers)
    pairs = sorted(encoding.query_pairs(encoding.split_url(request.url).query))
    query = "&".join(f"{name}={value}" if value else name for name, value in pairs)
    signed = sorted(name for name in headers if signed_by_default(name) or name in extra)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in signed)
    payload = headers.get(_CONTENT_SHA256, PAYLOAD)
    return "\n".join([request.method.upper(), encoding.encode_path(resource), query, lines, ";".join(extra), payload])


def string_to_sign(canonical: str, timestamp: str, scope: str) -> str:
    r"""Return ``OSS4-HMAC-SHA256 \n {timestamp} \n {scope} \n hex(SHA256(CanonicalRequest))``."""
    return "\n".join([ALGORITHM, timestamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])


@lru_cache(maxsize=8)  # the same for all requests of a day
def signing_key(secret_key: str, scope: str) -> bytes:
    """Return the key of a day: ``aliyun_v4{secret key}`` keyed down the parts of the scope with HMAC-SHA256."""
    key = f"aliyun_v4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def signature(secret_key: str, scope: str, to_sign: str) -> str:
    """Return the HMAC-SHA256 of the string to sign under the signing key."""
    return encoding.hmac_hex(signing_key(secret_key, scope), to_sign, "sha256")


def resource(url: str, bucket: str | None, *, path_style: bool | None = None) -> str:
    """Return the decoded ``/bucket/key`` that a URL addresses.

    :param path_style: whether the path of the URL starts with the bucket; by default read from the host
    """
    parts = encoding.split_url(url)
    path = encoding.decode(parts.path or "/")
    if bucket is None:
        return path
    if path_style is None:
        host = parts.hostname or ""
        own_host = host.startswith(f"{bucket}.")
        path_style = not own_host and (host == "localhost" or host.endswith(".aliyuncs.com") or _is_ip(host))
    if not path_style:
        return f"/{bucket}{path}"
    first, _, key = path[1:].partition("/")
    if first != bucket:
        raise InvalidRequestError(f"the path of the URL does not start with the bucket {bucket}")
    return f"/{bucket}/{key}"


@dataclass(frozen=True, slots=True)
class OssSigner:
    """Signs for Alibaba OSS with version 4.

    :param region: region id without ``oss-``, e.g. ``cn-hangzhou``
    :param bucket: bucket of the request; ``None`` for requests to the service
    :param path_style: whether the path of the URL starts with the bucket; by default read from the host: yes for
        an IP address, ``localhost`` or a host of the service itself, no for ``bucket.`` hosts and custom domains
    :param additional_headers: names of headers to sign, as far as the request has them, besides ``content-type``,
        ``content-md5`` and ``x-oss-*``, which are always signed
    :param product: ``oss``, or ``oss-cloudbox`` with the CloudBox id as the region
    """

    region: str
    bucket: str | None = None
    path_style: bool | None = None
    additional_headers: Collection[str] = ()
    product: str = "oss"

    def __post_init__(self) -> None:
        if not self.region or self.region.startswith("oss-"):
            raise InvalidRequestError(f"region {self.region!r}: give the region id without 'oss-', e.g. cn-hangzhou")

    def sign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> Request:
        """Return the request with ``Authorization``, ``x-oss-date`` and, for temporary keys, the token (signed).

        :param expires_in: has no meaning in a header: OSS allows 15 minutes from ``now``
        """
        encoding.refuse_expired(credentials, now)
        headers = encoding.signable_headers(request, without=_HEADER_NAMES)
        timestamp, scope = self._timestamp_and_scope(now)
        headers |= {"x-oss-date": timestamp, _CONTENT_SHA256: PAYLOAD}
        if credentials.token:
            headers[TOKEN] = credentials.token
        extra = self._extra(headers)
        canonical = canonical_request(Request(request.method, request.url, headers), self.resource(request.url), extra)
        signed = signature(credentials.secret_key, scope, string_to_sign(canonical, timestamp, scope))
        fields = [f"Credential={credentials.access_key}/{scope}", f"Signature={signed}"]
        if extra:
            fields.insert(1, f"AdditionalHeaders={';'.join(extra)}")
        authorization = f"{ALGORITHM} {','.join(fields)}"
        return Request(request.method, request.url, headers | {"Authorization": authorization})

    def presign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> PresignedURL:
        """Return the URL with the signature and, for temporary keys, the token (signed) in its query.

        :raises InvalidRequestError: for a lifetime over 7 days, or over 12 hours with a token
        """
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
        lifetime = DEFAULT_LIFETIME if expires_in is None else expires_in
        limit = MAX_LIFETIME_WITH_TOKEN if credentials.token else MAX_LIFETIME
        if lifetime > limit:
            raise InvalidRequestError(
                f"an OSS URL lives at most {limit}{' with a token' if credentials.token else ''}, not {lifetime}"
            )
        headers = encoding.signable_headers(request, without=_HEADER_NAMES)
        timestamp, scope = self._timestamp_and_scope(now)
        extra = self._extra(headers)
        pairs = [
            ("x-oss-signature-version", ALGORITHM),
            ("x-oss-date", timestamp),
            ("x-oss-expires", str(encoding.whole_seconds(lifetime))),
            ("x-oss-credential", f"{credentials.access_key}/{scope}"),
        ]
        if credentials.token:
            pairs.append((TOKEN, credentials.token))
        if extra:
            pairs.append(("x-oss-additional-headers", ";".join(extra)))
        url = encoding.with_query(encoding.without_query(request.url, _QUERY_NAMES), pairs)
        canonical = canonical_request(Request(request.method, url, headers), self.resource(url), extra)
        names = [name for name in encoding.lower_names(headers) if signed_by_default(name) or name in extra]
        return Draft(
            method=request.method.upper(),
            url=encoding.with_query(url, [("x-oss-signature", "")]),
            canonical=canonical,
            to_sign=string_to_sign(canonical, timestamp, scope),
            key=signing_key(credentials.secret_key, scope),
            algorithm="sha256",
            expires_at=encoding.expiry(now, lifetime, credentials),
            signed_headers=encoding.required_headers(headers, names),
        )

    def resource(self, url: str) -> str:
        """Return the decoded ``/bucket/key`` that a URL addresses."""
        return resource(url, self.bucket, path_style=self.path_style)

    def _timestamp_and_scope(self, now: datetime) -> tuple[str, str]:
        timestamp = f"{encoding.utc(now):%Y%m%dT%H%M%SZ}"
        return timestamp, f"{timestamp[:8]}/{self.region}/{self.product}/aliyun_v4_request"

    def _extra(self, headers: Mapping[str, str]) -> list[str]:
        present = encoding.lower_names(headers)
        names = {name.lower() for name in self.additional_headers}
        return sorted(name for name in names if present.get(name) and not signed_by_default(name))


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
