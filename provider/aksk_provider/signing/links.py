"""Presigned URLs in two steps: all that does not depend on the key once, and then little more than a hash for each key.

A signer drafts a URL: everything but the signature (:class:`Draft`). To presign it is to sign the draft. A
:class:`LinkTemplate` drafts the URL of a stand-in for the key with that same code, and cuts what was drafted around
the stand-in. So each vendor's formula is written once, and a template makes the very URLs that
:meth:`~aksk_provider.signing.model.Signer.presign` makes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from aksk_provider.signing import encoding
from aksk_provider.signing.model import Credentials, PresignedURL, Request, Signer

_BLOCK = 64
_INNER = bytes(octet ^ 0x36 for octet in range(256))
_OUTER = bytes(octet ^ 0x5C for octet in range(256))
LinkOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Draft:
    """A presigned URL but for its signature, which is the HMAC of a text, in lower-case hex, at the end of the URL.

    :param method: the HTTP method
    :param url: the URL up to where the signature is appended
    :param canonical: the canonical request
    :param to_sign: what is signed: the canonical request, or a text that holds its digest
    :param key: the key it is signed with
    :param algorithm: ``sha1`` or ``sha256``, of the digest and of the HMAC
    :param expires_at: when the URL stops working
    :param signed_headers: headers that must be sent with it
    """

    method: str
    url: str = field(repr=False)
    canonical: str = field(repr=False)
    to_sign: str = field(repr=False)
    key: bytes = field(repr=False)
    algorithm: str
    expires_at: datetime
    signed_headers: Mapping[str, str] = field(repr=False)

    def presigned(self) -> PresignedURL:
        """Return the URL with its signature."""
        signature = encoding.hmac_hex(self.key, self.to_sign, self.algorithm)
        return PresignedURL(self.method, self.url + signature, self.expires_at, self.signed_headers)


class Drafter(Protocol):
    """A signer whose URLs end with a signature in hex; those of the three vendors are."""

    def draft(
        self, request: Request, credentials: Credentials, *, now: datetime, expires_in: timedelta | None = None
    ) -> Draft:
        """Return the presigned URL of a request, but for its signature."""
        ...


@dataclass(frozen=True, slots=True)
class LinkTemplate:
    """What the presigned URLs of many keys have in common: bucket, method, parameters, headers, start and end.

    :param method: the one HTTP method they are good for
    :param expires_at: when they stop working
    :param signed_headers: headers that must be sent with each
    :param link: returns the URL of a key; raises :class:`~aksk_provider.errors.InvalidRequestError` for a key
        with a ``.`` or ``..`` segment. It checks nothing else of the key.
    """

    method: str
    expires_at: datetime
    signed_headers: Mapping[str, str] = field(repr=False)
    link: LinkOf = field(repr=False)

    def presigned(self, key: str) -> PresignedURL:
        """Return what the signer's ``presign`` returns for this key."""
        return PresignedURL(self.method, self.link(key), self.expires_at, dict(self.signed_headers))


def link_template(
    signer: Drafter | Signer,
    request_of: Callable[[str], Request],
    credentials: Credentials,
    *,
    now: datetime,
    expires_in: timedelta | None = None,
) -> LinkTemplate:
    """Return the template of the URLs that a signer would presign for requests that differ in their key alone.

    With a signer that drafts nothing it saves nothing.

    :param request_of: returns the request for a key; it writes the key once, with
        :func:`~aksk_provider.signing.encoding.encode_path`, into the path of the URL
    """
    stand_in = _stand_in(credentials, now)
    if not hasattr(signer, "draft"):
        presign = partial(signer.presign, credentials=credentials, now=now, expires_in=expires_in)
        sample = presign(request_of(stand_in))
        return LinkTemplate(
            sample.method, sample.expires_at, sample.signed_headers, lambda key: presign(request_of(key)).url
        )
    draft = signer.draft(request_of(stand_in), credentials, now=now, expires_in=expires_in)
    link = _link_of(draft, stand_in)
    return LinkTemplate(draft.method, draft.expires_at, draft.signed_headers, link)


def _stand_in(credentials: Credentials, now: datetime) -> str:
    """Return a key that no parameter or header holds, since nobody without the secret key can tell it.

    It ends in a letter that looks different when it is percent-encoded: some vendors sign the key as it is.
    """
    told = f"{credentials.secret_key}\n{now.isoformat()}"
    return f"{hashlib.sha256(told.encode()).hexdigest()}\u00e9"


def _link_of(draft: Draft, stand_in: str) -> LinkOf:
    """Return the function that does for a key what :meth:`Draft.presigned` does for the stand-in."""
    encoded = encoding.encode_path(stand_in)
    before, after = _around(draft.url, encoded)
    is_encoded = encoded in draft.canonical
    head, tail = (part.encode() for part in _around(draft.canonical, encoded if is_encoded else stand_in))
    inner, outer = _hmac_states(draft.key, draft.algorithm)
    if draft.to_sign == draft.canonical:
        inner.update(head)
        signature_of = _of_text(inner, outer, tail)
    else:
        digest = hashlib.new(draft.algorithm, draft.canonical.encode()).hexdigest()
        start, end = (part.encode() for part in _around(draft.to_sign, digest))
        inner.update(start)
        signature_of = _of_digest(hashlib.new(draft.algorithm, head), tail, inner, outer, end)
    safe, escaped, refuse_dots = encoding.SAFE_IN_PATH, encoding.escaped_path, encoding.refuse_dot_segments

    def link(key: str) -> str:
        if "/." in key or key[:1] == ".":
            refuse_dots(key)
        octets = key.encode()
        if not octets.translate(None, safe):
            return f"{before}{key}{after}{signature_of(octets)}"
        path = escaped(octets)
        return f"{before}{path}{after}{signature_of(path.encode() if is_encoded else octets)}"

    return link


def _of_text(inner: hashlib._Hash, outer: hashlib._Hash, tail: bytes) -> Callable[[bytes], str]:
    """Return the function from a key to the HMAC of the text it is in."""

    def signature(key: bytes) -> str:
        text = inner.copy()
        text.update(key + tail)
        last = outer.copy()
        last.update(text.digest())
        return last.hexdigest()

    return signature


def _of_digest(
    canonical: hashlib._Hash, tail: bytes, inner: hashlib._Hash, outer: hashlib._Hash, end: bytes
) -> Callable[[bytes], str]:
    """Return the function from a key to the HMAC of a text around the digest of the text it is in."""

    def signature(key: bytes) -> str:
        hashed = canonical.copy()
        hashed.update(key + tail)
        text = inner.copy()
        text.update(hashed.hexdigest().encode() + end)
        last = outer.copy()
        last.update(text.digest())
        return last.hexdigest()

    return signature


def _around(text: str, part: str) -> tuple[str, str]:
    before, found, after = text.partition(part)
    if not found or part in after:
        raise ValueError("a draft must hold the key once in its URL and once in what is signed")
    return before, after


def _hmac_states(key: bytes, algorithm: str) -> tuple[hashlib._Hash, hashlib._Hash]:
    """Return the two hashes of an HMAC (RFC 2104) with the key read: copying them is half the cost of a new HMAC."""
    if len(key) > _BLOCK:
        key = hashlib.new(algorithm, key).digest()
    padded = key.ljust(_BLOCK, b"\0")
    return hashlib.new(algorithm, padded.translate(_INNER)), hashlib.new(algorithm, padded.translate(_OUTER))
