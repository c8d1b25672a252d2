"""Computes again what a decoded signature was computed from, with the public steps of the signers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from aksk_provider.signing import bos, cos, decode, encoding, oss, oss_v1
from aksk_provider.signing.decode import Decoded
from aksk_provider.signing.model import Request

Lines = list[tuple[str, str]]
_V1_UNSIGNED = ("ossaccesskeyid", "expires", "signature")
_BOS_DEFAULT = ("host", "content-length", "content-type", "content-md5")


@dataclass(frozen=True, slots=True)
class Signed:
    """What is signed, and how.

    :param canonical: the canonical request
    :param to_sign: the string to sign; that of BOS and of OSS version 1 is the same text
    """

    canonical: str = field(repr=False)
    to_sign: str = field(repr=False)


def signed_text(decoded: Decoded, request: Request, resource: str) -> Signed:
    """Return what the signature of a request covers, by what the signature says of itself.

    :param request: as it is sent, the signature included; ``Host`` is read from the URL unless it is in the headers
    :param resource: decoded ``/bucket/key``, which OSS signs whatever the URL
    :raises InvalidRequestError: the URL cannot be sent as it is
    """
    headers = {**request.headers}
    if "host" not in encoding.lower_names(headers):
        headers["Host"] = encoding.host_header(encoding.split_url(request.url))
    request = Request(request.method, request.url, headers)
    if decoded.version == "bce-auth-v1":
        canonical = bos.canonical_request(request, decoded.signed_headers or _bos_default(headers))
        return Signed(canonical, canonical)
    if decoded.version == oss.ALGORITHM:
        unsigned = Request(request.method, encoding.without_query(request.url, ("x-oss-signature",)), headers)
        canonical = oss.canonical_request(unsigned, resource, decoded.signed_headers)
        return Signed(canonical, oss.string_to_sign(canonical, decoded.fields["timestamp"], decoded.fields["scope"]))
    if decoded.version == decode.COS:
        named = {encoding.decode(name) for name in decoded.signed_headers}
        params = set(decoded.signed_params or ())
        canonical = cos.canonical_request(
            request, cos.header_pairs(request, named.__contains__), cos.param_pairs(request, params.__contains__)
        )
        return Signed(canonical, cos.string_to_sign(canonical, decoded.fields["q-key-time"]))
    unsigned = Request(request.method, encoding.without_query(request.url, _V1_UNSIGNED), headers)
    sent = encoding.lower_names(headers)
    date = decoded.fields.get("expires") or sent.get("x-oss-date") or sent.get("date", "")
    to_sign = oss_v1.string_to_sign(unsigned, resource, date)
    return Signed(to_sign, to_sign)


def signature(decoded: Decoded, signed: Signed, secret_key: str) -> str:
    """Return the signature that a secret key gives."""
    fields = decoded.fields
    if decoded.version == "bce-auth-v1":
        prefix = "/".join([decoded.version, decoded.access_key, fields["timestamp"], fields["lifetime"]])
        return bos.signature(secret_key, prefix, signed.canonical)
    if decoded.version == oss.ALGORITHM:
        return oss.signature(secret_key, fields["scope"], signed.to_sign)
    if decoded.version == decode.OSS_V1:
        return oss_v1.signature(secret_key, signed.to_sign)
    return cos.signature(secret_key, fields["q-key-time"], signed.to_sign)


def named_lines(version: str, canonical: str) -> Lines:
    """Return a canonical request as (what, value) pairs in its order, one for each parameter and header."""
    lines = canonical.rstrip("\n").split("\n")
    if version == "bce-auth-v1":
        method, path, query, *headers = [*lines, "", ""][: max(3, len(lines))]
        return [("method", method), ("path", path), *_params(query), *_headers(headers)]
    if version == oss.ALGORITHM:
        method, path, query, *rest = [*lines, "", ""][: max(3, len(lines))]
        blank = rest.index("") if "" in rest else len(rest)
        tail = zip(("list of signed headers", "hash of the body"), rest[blank + 1 :], strict=False)
        return [("method", method), ("path", path), *_params(query), *_headers(rest[:blank]), *tail]
    if version == decode.COS:
        method, path, query, joined = [*lines, "", "", ""][:4]
        return [("method", method), ("path", path), *_params(query), *_headers(joined.split("&"), "=")]
    return [(f"line {number}", line) for number, line in enumerate(lines, 1)]


def _bos_default(headers: Iterable[str]) -> list[str]:
    names = {name.lower() for name in headers}
    return [name for name in names if name in _BOS_DEFAULT or name.startswith("x-bce-")]


def _params(query: str) -> Lines:
    return [(f"parameter {name}", value) for name, _, value in (p.partition("=") for p in query.split("&") if p)]


def _headers(lines: Iterable[str], separator: str = ":") -> Lines:
    return [(f"header {name}", value) for name, _, value in (line.partition(separator) for line in lines if line)]
