"""Why a store refused a request: what it says of itself in its answer, compared with what was sent."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from datetime import datetime
from xml.etree import ElementTree as ET

from aksk_provider.errors import InvalidRequestError, PermissionDeniedError, ServiceError
from aksk_provider.signing import Request, encoding, recompute
from aksk_provider.signing.decode import Decoded, decode_authorization, decode_url
from aksk_provider.storage.doctor.links import token_finding
from aksk_provider.storage.doctor.places import locate_url, region_finding
from aksk_provider.storage.doctor.report import Finding, joined, told
from aksk_provider.storage.vendors import Vendor

log = logging.getLogger(__name__)
_SKEW = 30.0
_SECRET = re.compile(r"token|signature|customer-key|authorization|secret|callback", re.IGNORECASE)
_LONGEST = 120
_CANONICAL = ("CanonicalRequest", "FormatString")  # Alibaba's name, and Tencent's
_KEY_CODES = frozenset({"InvalidAccessKeyId", "InvalidSecurityToken", "InvalidToken"})


def advise(error: ServiceError, vendor: Vendor, request: Request, body: bytes, resource: str) -> None:
    """Put what the answer gives away into the hint of an error, in place of the general advice.

    It never raises and never sends anything: an error that cannot be explained stays as it is.

    :param request: as it was sent
    :param body: of the answer
    :param resource: decoded ``/bucket/key`` that was asked for
    """
    if not isinstance(error, PermissionDeniedError) and error.status != 400:
        return
    try:
        if hint := joined(diagnose(error, vendor, request, body, resource=resource)):
            error.advise(hint)
    except Exception as failure:  # noqa: BLE001 - the refusal is what matters, not why it could not be explained
        log.debug("%s: not explained (%s)", error.operation, type(failure).__name__)


def diagnose(
    error: ServiceError,
    vendor: Vendor,
    request: Request,
    body: bytes,
    *,
    resource: str | None = None,
    now: datetime | None = None,
) -> list[Finding]:
    """Return what explains a refusal, the likeliest cause first.

    :param request: as it was sent
    :param body: of the answer
    :param resource: decoded ``/bucket/key`` that was asked for; by default read from the URL, where a custom domain
        does not tell its bucket
    :param now: the store's time, where it is known, to tell an expired link
    """
    return list(_causes(error, vendor, request, body, resource, now))


def _causes(
    error: ServiceError, vendor: Vendor, request: Request, body: bytes, resource: str | None, now: datetime | None
) -> Iterator[Finding]:
    headers = encoding.lower_names(request.headers)
    if error.clock_skew is not None and abs(error.clock_skew) >= _SKEW:
        behind = "behind" if error.clock_skew > 0 else "ahead of"
        skew = f"this machine's clock is {abs(error.clock_skew):.0f} s {behind} the store's"
        yield Finding("error", skew, "set it, for example with NTP")
    try:
        given = headers.get("authorization")
        decoded = decode_authorization(given, headers) if given else decode_url(request.url)
    except InvalidRequestError as unreadable:
        yield Finding("error", str(unreadable))
        return
    if decoded is None:
        yield Finding("error", "the request was anonymous: it had no signature", "presign the link, and use all of it")
        return
    place = locate_url(vendor, request.url)
    if resource is None and place.bucket and not vendor.bucket_pattern.fullmatch(place.bucket):
        yield Finding("error", f"the bucket {place.bucket!r} is named wrongly", f"name it by {vendor.bucket_rule}")
    if wrong := region_finding(vendor, decoded.region, place.region) or _region_refused(error, decoded):
        yield wrong
    if now and decoded.expires_at and decoded.expires_at < now:
        yield Finding("error", f"the link died {told(now - decoded.expires_at)} ago", "make a new one")
    yield from _keys(error, vendor, decoded)
    if error.code == "SignatureDoesNotMatch":
        yield _signature(vendor, decoded, request, resource or place.resource, body)


def _region_refused(error: ServiceError, decoded: Decoded) -> Finding | None:
    if decoded.region and "signing region" in error.message:
        return Finding(
            "error",
            f"the store does not serve the region that was signed, {decoded.region}",
            "set the region of the connection to the bucket's, without 'oss-' and '-internal', e.g. cn-hangzhou",
        )
    return None


def _keys(error: ServiceError, vendor: Vendor, decoded: Decoded) -> Iterator[Finding]:
    pair = token_finding(vendor.name, decoded.access_key, has_token=decoded.has_token)
    if pair:
        yield pair
    elif error.code in _KEY_CODES and decoded.has_token:
        yield Finding(
            "error",
            f"a token was sent with access key {decoded.access_key}, and {vendor.title} refuses one of them",
            "take both from the same answer of the token service; a permanent key has no token",
        )
    elif error.code in _KEY_CODES:
        yield Finding(
            "error",
            f"{vendor.title} refuses access key {decoded.access_key}, which was sent without a token",
            "check it; if it is a temporary one, set its token as security_token",
        )


def _signature(vendor: Vendor, decoded: Decoded, request: Request, resource: str, body: bytes) -> Finding:
    """Return the first difference between what the store signed and what was signed here."""
    theirs, to_sign = _said(body)
    changed = "something between here and the store (a proxy?) changes it; go around it, or let it pass unchanged"
    ours = recompute.signed_text(decoded, request, resource)
    if theirs is not None:
        difference = first_difference(decoded.version, ours.canonical, theirs)
        if difference:
            what, here, there = difference
            return Finding(
                "error", f"the store read another {what} than was signed: {there}, signed was {here}", changed
            )
    elif to_sign is None or to_sign.rstrip() == ours.to_sign.rstrip():
        names = ", ".join(what for what, _ in recompute.named_lines(decoded.version, ours.canonical))
        unseen = "" if to_sign else f" ({vendor.title} does not say what it read), or one of these changed: {names}"
        return Finding(
            "error",
            f"the secret key is not that of access key {decoded.access_key}{unseen}",
            "check the secret key of the connection, its ends and spaces included",
        )
    if to_sign is not None and to_sign.rstrip() != ours.to_sign.rstrip():
        here, there = _differing_line(ours.to_sign, to_sign)
        return Finding("error", f"the store's string to sign differs: {there}, signed was {here}", changed)
    return Finding(
        "error",
        f"the store signed the same request: the secret key is not that of access key {decoded.access_key}",
        "check the secret key of the connection, its ends and spaces included",
    )


def first_difference(version: str, ours: str, theirs: str) -> tuple[str, str, str] | None:
    """Return what differs first between two canonical requests, and both values, secrets masked.

    A parameter or header that only one of them has is a difference, whose other value is ``none``.
    """
    here = recompute.named_lines(version, ours)
    there = recompute.named_lines(version, theirs)
    ours_by_name, theirs_by_name = _by_name(here), _by_name(there)
    for what in dict.fromkeys(name for name, _ in (*here, *there)):
        mine, other = ours_by_name.get(what), theirs_by_name.get(what)
        if mine != other:
            return what, _shown(what, mine), _shown(what, other)
    return None


def _by_name(lines: recompute.Lines) -> dict[str, list[str]]:
    named: dict[str, list[str]] = {}
    for name, value in lines:
        named.setdefault(name, []).append(value)
    return named


def _shown(what: str, values: list[str] | None) -> str:
    if values is None:
        return "none"
    if _SECRET.search(what):
        return "another value, not shown"
    text = ", ".join(values)
    return repr(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")


def _differing_line(ours: str, theirs: str) -> tuple[str, str]:
    pairs = zip((*ours.split("\n"), ""), (*theirs.split("\n"), ""), strict=False)
    return next(((repr(here), repr(there)) for here, there in pairs if here != there), ("its end", "its end"))


def _said(body: bytes) -> tuple[str | None, str | None]:
    """Return the canonical request and the string to sign that an answer tells, as far as it does."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat limits entity expansion
    except ET.ParseError:
        return None, None
    found = {node.tag.rpartition("}")[2]: node.text or "" for node in root}
    canonical = next((found[name] for name in _CANONICAL if name in found), None)
    return canonical, found.get("StringToSign")
