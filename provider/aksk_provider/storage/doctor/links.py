"""What is to be said about a link, or about an Authorization header, without asking anybody."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from aksk_provider.errors import InvalidRequestError, ObjectStorageError
from aksk_provider.signing import Request, encoding, oss
from aksk_provider.signing.decode import Decoded, decode_authorization, decode_url
from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.doctor.guesses import METHODS, Case, fitting_method, what_was_changed
from aksk_provider.storage.doctor.places import (
    Place,
    host_findings,
    link_findings,
    locate_url,
    region_finding,
    vendor_of_host,
)
from aksk_provider.storage.doctor.report import Finding, Report, told
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.vendors import VENDORS

_SKEW = timedelta(minutes=15)  # what OSS allows; BOS names no number
_CLOCKS_DIFFER = timedelta(seconds=30)


def explain_url(
    url: str,
    now: datetime,
    store: ObjectStore | None = None,
    *,
    method: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Report:
    """Say what a link is and whether it can work. Nothing is sent.

    :param now: the time to judge it by, aware
    :param store: the store that should have signed it; its secret key shows whether it did, and what was changed
    :param method: the HTTP method it is meant for; by default it may be any
    :param headers: the headers that are sent with it
    """
    findings: list[Finding] = []
    url = _repaired(url, findings)
    subject = url.partition("?")[0]
    try:
        decoded = decode_url(url)
        encoding.split_url(url)
    except InvalidRequestError as error:
        return Report(subject, [*findings, Finding("error", str(error), "copy the link again, or make a new one")])
    if decoded is None:
        return Report(subject, [*findings, *_anonymous(url)])
    place = locate_url(VENDORS[decoded.vendor], url, store.config if store else None)
    findings += _who(decoded, place)
    findings += _when(decoded, now)
    findings += _token(decoded)
    findings += host_findings(VENDORS[decoded.vendor], place)
    names = {name for name, _ in encoding.query_pairs(urlsplit(url).query)} | set(decoded.signed_headers)
    findings += link_findings(VENDORS[decoded.vendor], place, method or "GET", {*names, *(headers or {})})
    if wrong := region_finding(VENDORS[decoded.vendor], decoded.region, place.region):
        findings.append(wrong)
    findings += _params(decoded, url)
    findings += _headers(decoded, headers or {})
    if store is not None:
        findings += _by_secret(decoded, url, place, store.config, method, headers or {})
    return Report(subject, findings)


def explain_authorization(value: str, now: datetime, headers: Mapping[str, str] | None = None) -> Report:
    """Say what the value of an Authorization header is.

    :param headers: the other headers of the request, if they are known
    """
    subject = "Authorization"
    try:
        decoded = decode_authorization(value, headers)
    except InvalidRequestError as error:
        return Report(subject, [Finding("error", str(error), "copy it again")])
    findings = [*_who(decoded, None), *_when(decoded, now)]
    if headers is not None:
        findings += _token(decoded)
    return Report(subject, [*findings, *_headers(decoded, headers or {})])


def _repaired(url: str, findings: list[Finding]) -> str:
    """Undo what mail, chat and web pages do to links, and tell of it."""
    clean = url.strip().strip("<>\"'")
    if "&amp;" in clean:
        findings.append(
            Finding(
                "error", "the link was copied from HTML: it has '&amp;' instead of '&'", "write '&', as is read below"
            )
        )
        clean = html.unescape(clean)
    if re.search(r"\s", clean):
        findings.append(Finding("error", "the link holds white space", "put it on one line, as is read below"))
        clean = re.sub(r"\s", "", clean)
    if re.search(r"%25(?:2[0-9A-Fa-f]|3[ABab])", urlsplit(clean).query) and _unreadable(clean):
        findings.append(Finding("error", "the query was percent-encoded twice", "give the link to the client as it is"))
        base, _, query = clean.partition("?")
        clean = f"{base}?{re.sub('%25(?=[0-9A-Fa-f]{2})', '%', query)}"
    return clean


def _unreadable(url: str) -> bool:
    try:
        return decode_url(url) is None
    except InvalidRequestError:
        return True


def _anonymous(url: str) -> Iterator[Finding]:
    host = urlsplit(url).hostname or ""
    vendor = vendor_of_host(host)
    yield Finding(
        "error",
        "there is no signature in the URL: the request is anonymous, and only public objects answer it",
        "presign it, and copy the whole link with everything after the '?'",
    )
    if vendor:
        yield from host_findings(vendor, locate_url(vendor, url))


def _who(decoded: Decoded, place: Place | None) -> Iterator[Finding]:
    title = VENDORS[decoded.vendor].title
    scope = f", scope {decoded.date}/{decoded.region}/{decoded.product}" if decoded.region else ""
    yield Finding("ok", f"signed for {title} ({decoded.version}) by access key {decoded.access_key}{scope}")
    if place:
        yield Finding("ok", f"it leads to bucket {place.bucket or 'of the custom domain'}, key {place.key!r}")
    if not decoded.well_formed:
        yield Finding("error", "the signature has not the length or letters of its algorithm", "copy the link again")
    if decoded.version == "OSS":
        yield Finding(
            "warn",
            "OSS signature version 1 is not accepted for accounts and buckets made since 2025",
            "sign with version 4",
        )


def _when(decoded: Decoded, now: datetime) -> Iterator[Finding]:
    start, end = decoded.signed_at, decoded.expires_at
    if start and decoded.date and f"{start:%Y%m%d}" != decoded.date:
        yield Finding(
            "error", f"the day of its scope, {decoded.date}, is not that of its time, {start:%Y%m%d}", "sign anew"
        )
    early = start - now if start else timedelta(0)
    harmless = decoded.vendor != "cos" and early <= _SKEW
    if start and early > (_CLOCKS_DIFFER if harmless else timedelta(0)):
        yield Finding(
            "warn" if harmless else "error",
            f"it begins only in {told(early)}, at {start.isoformat()}",
            "set the clock of the machine that signed it, or of this one",
        )
    if decoded.endless:
        yield Finding("warn", "it never expires", "give it a lifetime; only a new secret key ends it")
    elif end is None:
        yield Finding("ok", "it does not say when it dies: OSS allows 15 minutes from the time in the headers")
    elif end < now:
        yield Finding("error", f"it died {told(now - end)} ago, at {end.isoformat()}", "make a new one")
    else:
        yield Finding("ok", f"it lives {told(end - now)} more, until {end.isoformat()}")
    if decoded.version == oss.ALGORITHM and start and end and decoded.place == "url":
        limit = oss.MAX_LIFETIME_WITH_TOKEN if decoded.has_token else oss.MAX_LIFETIME
        if not timedelta(0) < end - start <= limit:
            yield Finding("error", f"its lifetime is {told(end - start)}; OSS allows {told(limit)}", "sign for less")


def token_finding(vendor: str, access_key: str, *, has_token: bool) -> Finding | None:
    """Tell whether an access key and a token, or none, go together."""
    row = VENDORS[vendor]
    if not has_token and row.temporary_key and row.temporary_key.fullmatch(access_key):
        return Finding(
            "error",
            f"access key {access_key} looks like one of a temporary pair, and there is no token",
            "set the token of the pair as security_token of the connection",
        )
    if has_token and row.permanent_key and row.permanent_key.fullmatch(access_key):
        return Finding(
            "warn",
            f"there is a token, and access key {access_key} looks like one of a permanent pair",
            "leave out the token, or use the access key that came with it",
        )
    return None


def _token(decoded: Decoded) -> Iterator[Finding]:
    if found := token_finding(decoded.vendor, decoded.access_key, has_token=decoded.has_token):
        yield found
    elif decoded.has_token:
        yield Finding("ok", "a token is with it, and it dies with the token if that is earlier")
    else:
        yield Finding("ok", "no token is with it: right for a permanent key pair")


def _headers(decoded: Decoded, given: Mapping[str, str]) -> Iterator[Finding]:
    names = sorted(set(decoded.signed_headers) - {"host"} - set(encoding.lower_names(given)))
    if names and decoded.place == "url":
        yield Finding(
            "warn", f"the headers {', '.join(names)} are signed", "send them with the values that were signed"
        )
    elif decoded.signed_headers:
        yield Finding("ok", f"signed headers: {', '.join(decoded.signed_headers)}")


def _params(decoded: Decoded, url: str) -> Iterator[Finding]:
    """Tell which parameters were signed and are gone, and which are there and were not signed."""
    if decoded.signed_params is None:
        return
    present = {name.lower() for name, _ in encoding.query_pairs(urlsplit(url).query)}
    if missing := sorted(set(decoded.signed_params) - present):
        gone = f"the signed parameters {', '.join(missing)} are gone from the URL"
        yield Finding("error", gone, "use the link as it was made")
    own = {"sign", "x-cos-security-token", *decoded.signed_params}
    if loose := sorted(name for name in present - own if not name.startswith("q-")):
        yield Finding("warn", f"the signature does not cover {', '.join(loose)}", "sign the parameters too")


def _by_secret(
    decoded: Decoded,
    url: str,
    place: Place,
    config: StoreConfig,
    method: str | None,
    headers: Mapping[str, str],
) -> Iterator[Finding]:
    """Compute the signature again with the store's secret key, and tell whether it is that of the URL."""
    if decoded.vendor != config.vendor.name:
        yield Finding("error", f"the connection is for {config.vendor.title}", "use a connection of the link's vendor")
        return
    try:
        credentials = config.credentials()
    except ObjectStorageError as error:
        yield Finding("error", str(error))
        return
    if credentials.access_key != decoded.access_key:
        yield Finding(
            "warn",
            f"the connection has access key {credentials.access_key}: it cannot tell whether the signature is right",
            "use the connection that signed the link",
        )
        return
    case = Case(Request(method or "GET", url, headers), decoded, place.resource)
    methods = (method.upper(),) if method else METHODS
    if fits := fitting_method(case, credentials.secret_key, methods):
        yield Finding("ok", f"the connection's secret key gives the same signature, for {fits}")
        return
    if method and (other := fitting_method(case, credentials.secret_key)):
        yield Finding(
            "error", f"it was signed for {other}, not for {method.upper()}", f"use {other}, or sign for {method}"
        )
        return
    if change := what_was_changed(case, credentials.secret_key, config):
        yield Finding("error", f"the signature is not right: {change}", "use the link as it was made")
        return
    yield _no_match(decoded, headers)


def _no_match(decoded: Decoded, headers: Mapping[str, str]) -> Finding:
    missing = sorted(set(decoded.signed_headers) - {"host"} - set(encoding.lower_names(headers)))
    if missing:
        return Finding(
            "warn",
            f"the signature could not be checked: it covers {', '.join(missing)}, whose values are not known",
            "give them, as --header 'Name: value'",
        )
    unlisted = ", or content-type or an x-oss- header was signed with it" if decoded.version == oss.ALGORITHM else ""
    return Finding(
        "error",
        "the connection's secret key gives another signature: it was signed with another secret key, or key or "
        f"parameters were changed afterwards{unlisted}",
        "compare the secret key of the connection with that of whoever signed, and make a new link",
    )
