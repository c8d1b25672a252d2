"""From what a user says about a link to what is signed: headers, query parameters and the lifetime. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TypedDict

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials, encoding
from aksk_provider.storage.operations import MAX_SINGLE_PUT
from aksk_provider.storage.presigning.filenames import content_disposition
from aksk_provider.storage.vendors import Vendor

_READS = ("GET", "HEAD")
_WRITES = ("PUT", "POST")
_DISPOSITION = "response-content-disposition"


class Special(TypedDict, total=False):
    """What can be said about a link by a friendly name; see :meth:`.ObjectStore.presign`."""

    filename: str | None
    response_content_type: str | None
    response_content_disposition: str | None
    response_content_language: str | None
    response_content_encoding: str | None
    response_cache_control: str | None
    response_expires: str | None
    content_type: str | None
    content_length: int | str | None
    content_md5: str | None


@dataclass(frozen=True, slots=True)
class Settled:
    """What is to be signed.

    :param headers: headers to sign, which the user of the link must send
    :param params: query parameters to sign, under the names of OSS and COS
    :param expires_in: lifetime, ``None``: the vendor's default
    :param warnings: what is not as it was asked for
    """

    headers: Mapping[str, str]
    params: Mapping[str, str]
    expires_in: timedelta | None
    warnings: tuple[str, ...] = ()


def settle(
    vendor: Vendor,
    credentials: Credentials,
    *,
    now: datetime,
    method: str = "GET",
    expires_in: timedelta | None = None,
    expires_at: datetime | None = None,
    clamp: bool = False,
    headers: Mapping[str, str] | None = None,
    params: Mapping[str, str] | None = None,
    special: Special | None = None,
) -> Settled:
    """Return what is to be signed for what was asked for.

    :param special: overrides of the answer's headers, the name of the file, constraints of an upload
    :raises InvalidRequestError: for what contradicts itself or cannot be; nothing was made
    """
    lifetime, warnings = settle_lifetime(vendor, credentials, now, expires_in, expires_at, clamp=clamp)
    headers, params = headers or {}, params or {}
    given = {name: value for name, value in special.items() if value is not None} if special else None
    if not given:
        return Settled(headers, params, lifetime, warnings)
    upload = _constraints(given, method.upper())
    answer = _overrides(given, method.upper())
    _refuse_twice(upload, {name.lower() for name in headers})
    own_names = {own: name for name, own in vendor.parameters.items()}
    _refuse_twice(answer, {own_names.get(name, name) for name in params})
    return Settled({**headers, **upload}, {**params, **answer}, lifetime, warnings)


def settle_lifetime(
    vendor: Vendor,
    credentials: Credentials,
    now: datetime,
    expires_in: timedelta | None,
    expires_at: datetime | None,
    *,
    clamp: bool,
) -> tuple[timedelta | None, tuple[str, ...]]:
    """Return the lifetime (``None``: the vendor's default) and a warning if it is not the one that was asked for.

    :param expires_at: wins over ``expires_in``
    :param clamp: shorten a lifetime that is not possible, with a warning, instead of refusing it; the default
        lifetime is always shortened
    :raises InvalidRequestError: the lifetime is over the vendor's limit or the credentials' end, or has passed
    """
    end = credentials.expires_at
    if expires_in is None and expires_at is None and end is None:
        return None, ()
    wanted = _asked(now, expires_in, expires_at)
    explicit = wanted is not None
    longest, why = None, ""
    limits = vendor.lifetimes
    of_vendor = limits.longest_with_token if credentials.token else limits.longest
    if of_vendor is not None:
        with_token = " with a token" if credentials.token else ""
        longest, why = of_vendor, f"a link of {vendor.title} lives at most {of_vendor}{with_token}"
    if end is not None:
        encoding.refuse_expired(credentials, now)
        left = end - encoding.utc(now)
        if longest is None or left < longest:
            longest, why = left, f"the credentials that sign it end at {end.astimezone(timezone.utc).isoformat()}"
    wanted = limits.default if wanted is None else wanted
    if longest is None or wanted <= longest:
        return wanted, ()
    if explicit and not clamp:
        raise InvalidRequestError(
            f"a lifetime of {wanted} is too long: {why}. Ask for at most {longest}, or let clamp=True shorten it"
        )
    return longest, (f"The lifetime was shortened: {why}.",)


def _asked(now: datetime, expires_in: timedelta | None, expires_at: datetime | None) -> timedelta | None:
    if expires_at is None:
        return expires_in
    if expires_at.tzinfo is None:
        raise InvalidRequestError("expires_at must be an aware datetime")
    if expires_at <= now:
        raise InvalidRequestError(f"expires_at {expires_at.isoformat()} has passed")
    return expires_at - now.replace(microsecond=0)


def _overrides(given: Mapping[str, object], method: str) -> dict[str, str]:
    """Return the parameters that change headers of the answer."""
    found = {name.replace("_", "-"): str(value) for name, value in given.items() if name.startswith("response_")}
    if "filename" in given:
        if _DISPOSITION in found:
            raise InvalidRequestError("give filename or response_content_disposition, not both: each is that header")
        found[_DISPOSITION] = content_disposition(str(given["filename"]))
    if found and method not in _READS:
        raise InvalidRequestError(f"{next(iter(found))} changes what a GET answers; a {method} link cannot have it")
    for name, value in found.items():
        if not value or not value.isascii() or not value.isprintable():
            raise InvalidRequestError(
                f"{name.replace('-', '_')} is empty, or holds a control character or one outside ASCII"
                + ("; filename takes any name" if name == _DISPOSITION else "")
            )
    return found


def _constraints(given: Mapping[str, object], method: str) -> dict[str, str]:
    """Return the headers that fix what may be uploaded."""
    found = {}
    if "content_type" in given:
        found["Content-Type"] = str(given["content_type"])
    if "content_length" in given:
        found["Content-Length"] = str(_length(given["content_length"]))
    if "content_md5" in given:
        found["Content-MD5"] = _md5(str(given["content_md5"]))
    if found and method not in _WRITES:
        raise InvalidRequestError(
            f"{next(iter(found))} fixes what is uploaded; a {method} link cannot have it"
            + ("; for the type of the answer say response_content_type" if "Content-Type" in found else "")
        )
    if not all(found.values()):
        raise InvalidRequestError("content_type must not be empty: such a header is not signed")
    return found


def _length(value: object) -> int:
    try:
        length = int(str(value))
    except ValueError as error:
        raise InvalidRequestError(f"content_length must be a number of bytes, not {value!r}") from error
    if not 0 <= length <= MAX_SINGLE_PUT:
        raise InvalidRequestError(f"content_length must be 0 to {MAX_SINGLE_PUT} bytes (5 GiB), not {length}")
    return length


def _md5(value: str) -> str:
    """Return an MD5 in base64, of one in base64 or hex."""
    try:
        digest = bytes.fromhex(value) if len(value) == 32 else base64.b64decode(value, validate=True)
    except (ValueError, binascii.Error):
        digest = b""
    if len(digest) != 16:
        raise InvalidRequestError("content_md5 must be the MD5 of the body in base64 (24 characters) or hex (32)")
    return base64.b64encode(digest).decode()


def _refuse_twice(friendly: Mapping[str, str], given: set[str]) -> None:
    for name in friendly:
        if name.lower() in given:
            raise InvalidRequestError(f"{name} is given twice: by its friendly name and among headers or params")
