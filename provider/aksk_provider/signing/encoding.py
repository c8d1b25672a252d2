"""Percent-encoding, HMAC and the reading of requests, shared by the three signers."""

from __future__ import annotations

import hmac
import re
import string
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone
from functools import lru_cache
from urllib.parse import SplitResult, unquote, unquote_to_bytes, urlsplit

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing.model import Credentials, Request

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t -~]*")
_UNRESERVED = f"{string.ascii_letters}{string.digits}-._~".encode()
SAFE_IN_PATH = _UNRESERVED + b"/"
_ESCAPE = [chr(octet) if octet in _UNRESERVED else f"%{octet:02X}" for octet in range(256)].__getitem__
_ESCAPE_IN_PATH = [chr(octet) if octet in SAFE_IN_PATH else _ESCAPE(octet) for octet in range(256)].__getitem__
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def encode(text: str | bytes) -> str:
    """Percent-encode everything but RFC 3986 unreserved characters, in UTF-8 with upper-case hex."""
    octets = text.encode() if isinstance(text, str) else text
    return "".join(map(_ESCAPE, octets)) if octets.translate(None, _UNRESERVED) else octets.decode("ascii")


def encode_path(text: str | bytes) -> str:
    """Percent-encode like :func:`encode` but keep ``/``."""
    octets = text.encode() if isinstance(text, str) else text
    return escaped_path(octets) if octets.translate(None, SAFE_IN_PATH) else octets.decode("ascii")


def escaped_path(octets: bytes) -> str:
    """Percent-encode all but the octets of ``SAFE_IN_PATH``; of a path that has no others, this is the slow way."""
    return "".join(map(_ESCAPE_IN_PATH, octets))


def recode(encoded: str) -> str:
    """Bring percent-encoded text into the one form that is signed."""
    return encode(unquote_to_bytes(encoded))


def recode_path(encoded: str) -> str:
    """Bring a percent-encoded path into the one form that is signed."""
    return encode_path(unquote_to_bytes(encoded))


def decode(encoded: str) -> str:
    """Decode a percent-encoded path; object keys are UTF-8."""
    try:
        return unquote_to_bytes(encoded).decode()
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"the path {encoded} is not UTF-8 after percent-decoding") from error


def query_pairs(query: str) -> list[tuple[str, str]]:
    """Split a query into encoded (name, value) pairs, in order; a name without ``=`` has an empty value.

    ``+`` stands for itself: spaces are written ``%20`` here and by the vendors.
    """
    pairs = (part.partition("=") for part in query.split("&") if part)
    return [(recode(name), recode(value)) for name, _, value in pairs]


def with_query(url: str, pairs: Iterable[tuple[str, str]]) -> str:
    """Append (name, value) pairs to a URL, percent-encoding them; an empty value leaves ``name=``."""
    added = "&".join(f"{encode(name)}={encode(value)}" for name, value in pairs)
    _, mark, query = url.partition("?")
    separator = "?" if not mark else "&" if query and not query.endswith("&") else ""
    return f"{url}{separator}{added}" if added else url


def without_query(url: str, names: Iterable[str]) -> str:
    """Drop the named parameters (compared in lower case) from a URL, leaving every other byte as it is."""
    base, mark, query = url.partition("?")
    dropped = frozenset(names)
    kept = [part for part in query.split("&") if unquote(part.partition("=")[0]).lower() not in dropped]
    return f"{base}{mark}{'&'.join(kept)}" if any(kept) else base


@lru_cache(maxsize=4)  # the steps of one signature ask for the same URL
def split_url(url: str) -> SplitResult:
    """Split a URL, refusing those that an HTTP library would rewrite after signing."""
    if not url.isascii() or not url.isprintable() or " " in url:
        raise InvalidRequestError("the URL must be percent-encoded: it holds a space or a character outside ASCII")
    if _BROKEN_ESCAPE.search(url):
        raise InvalidRequestError("the URL has a '%' without two hex digits; write '%' itself as %25")
    parts = urlsplit(url)
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        raise InvalidRequestError("the URL must be absolute, with http or https")
    if "@" in parts.netloc:
        raise InvalidRequestError("the URL has a user name, which HTTP libraries send as another Authorization")
    if "#" in url:
        raise InvalidRequestError("the URL has a fragment, which is never sent; write '#' in a key as %23")
    refuse_dot_segments(unquote_to_bytes(parts.path).decode("latin-1"))
    return parts


def refuse_dot_segments(path: str) -> None:
    """Refuse a decoded path, or key, with a ``.`` or ``..`` segment."""
    if (path.startswith(".") or "/." in path) and not {".", ".."}.isdisjoint(path.split("/")):
        raise InvalidRequestError(
            "the key has a '.' or '..' segment, which HTTP libraries rewrite on the way: rename it"
        )


def host_header(parts: SplitResult) -> str:
    """Return the Host header an HTTP client sends for this URL: the port only when it is not the default."""
    return _host(parts.scheme, parts.netloc)


@lru_cache(maxsize=64)  # requests differ in their path, seldom in their host
def _host(scheme: str, netloc: str) -> str:
    parts = SplitResult(scheme, netloc, "", "", "")
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return host if parts.port in (None, _DEFAULT_PORTS[scheme]) else f"{host}:{parts.port}"


def checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with values stripped, refusing what cannot be sent as it is signed."""
    if len(lower_names(headers)) < len(headers):
        names = [name.lower() for name in headers]
        raise InvalidRequestError(
            f"header {next(name for name in headers if names.count(name.lower()) > 1)} is given twice"
        )
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise InvalidRequestError(f"{name!r} is not a header name")
        if not (value.isascii() and value.isprintable()) and not _HEADER_VALUE.fullmatch(value):
            raise InvalidRequestError(
                f"header {name} holds a control character or one outside ASCII; percent-encode the value"
            )
    return {name: value.strip() for name, value in headers.items()}


def lower_names(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers under lower-case names."""
    return {name.lower(): value for name, value in headers.items()}


def whole_seconds(expires_in: timedelta) -> int:
    """Return a lifetime in whole seconds, refusing one under a second."""
    seconds = int(expires_in.total_seconds())
    if seconds < 1:
        raise InvalidRequestError(f"the lifetime must be at least one second, not {expires_in}")
    return seconds


def utc(now: datetime) -> datetime:
    """Return the time in UTC, without the part of a second that no signature can hold."""
    if now.tzinfo is None:
        raise InvalidRequestError("now must be an aware datetime")
    return now.astimezone(timezone.utc).replace(microsecond=0)


def expiry(now: datetime, expires_in: timedelta, credentials: Credentials) -> datetime:
    """Return when a URL really dies: at its own end or with the credentials, whichever is first."""
    refuse_expired(credentials, now)
    until = utc(now) + timedelta(seconds=whole_seconds(expires_in))
    return until if credentials.expires_at is None else min(until, credentials.expires_at)


def refuse_expired(credentials: Credentials, now: datetime) -> None:
    """Refuse credentials that are dead already."""
    if credentials.expires_at is not None and credentials.expires_at <= utc(now):
        raise InvalidRequestError(f"the credentials expired at {credentials.expires_at.isoformat()}")


def hmac_hex(key: str | bytes, message: str, algorithm: str) -> str:
    """Return the HMAC of a message under a key as lower-case hex, text taken as UTF-8."""
    return hmac.digest(key.encode() if isinstance(key, str) else key, message.encode(), algorithm).hex()


def signable_headers(request: Request, *, without: Iterable[str]) -> dict[str, str]:
    """Return the request's headers ready to sign: checked, stripped, with ``Host`` and without those named.

    :raises InvalidRequestError: when the method, URL or a header could not be sent as it would be signed
    """
    parts = split_url(request.url)
    if not (request.method.isascii() and request.method.isalpha()):
        raise InvalidRequestError(f"{request.method!r} is not an HTTP method")
    dropped = frozenset(without)
    headers = {n: v for n, v in checked_headers(request.headers).items() if n.lower() not in dropped}
    if "host" not in lower_names(headers):
        headers["Host"] = host_header(parts)
    return headers


def required_headers(headers: Mapping[str, str], signed: Iterable[str]) -> dict[str, str]:
    """Return the signed headers that the user of a URL must send; every client sends Host by itself."""
    names = set(signed) - {"host"}
    return {name: value for name, value in headers.items() if name.lower() in names}
