"""Links as recipes: everything a link is made of but the signature, so that it may rest anywhere."""

from __future__ import annotations

import collections.abc
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import encoding
from aksk_provider.storage.config import check_key
from aksk_provider.storage.vendors import VENDORS

#: says in plain JSON that a dictionary is a recipe, and of which version
MARK = "aksk_recipe"
VERSION = 1
_SECRET = re.compile(r"(?:^authorization|-security-token|-customer-key|(?:^|-)signature)$")


@dataclass(frozen=True, slots=True)
class Recipe:
    """A link that is signed where it is used. It holds no secret, and its lifetime begins when it is signed.

    :param vendor: ``bos``, ``oss`` or ``cos``; must be that of the connection
    :param bucket: bucket
    :param key: key
    :param conn_id: id of the connection that signs it
    :param method: the one HTTP method it is good for
    :param lifetime: seconds from the moment it is signed; by default the vendor's
    :param expires_at: end of its life in ISO 8601, with a time zone; wins over ``lifetime``
    :param headers: headers to sign, which the user of the link must then send
    :param params: query parameters to sign

    The others are those of :meth:`~aksk_provider.hooks.presigning.PresigningHook.presign`.
    """

    vendor: str
    bucket: str
    key: str
    conn_id: str
    method: str = "GET"
    lifetime: int | None = None
    expires_at: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    version_id: str | None = None
    filename: str | None = None
    response_content_type: str | None = None
    response_content_disposition: str | None = None
    response_content_language: str | None = None
    response_content_encoding: str | None = None
    response_cache_control: str | None = None
    response_expires: str | None = None
    content_type: str | None = None
    content_length: int | None = None
    content_md5: str | None = None
    endpoint: str | None = None
    clamp: bool = False

    def __post_init__(self) -> None:
        hints = get_type_hints(Recipe)
        for one in fields(self):
            _check_type(one.name, getattr(self, one.name), hints[one.name])
        if self.vendor not in VENDORS:
            raise _wrong("vendor", f"must be one of {', '.join(VENDORS)}, not {self.vendor!r}")
        vendor = VENDORS[self.vendor]
        if not vendor.bucket_pattern.fullmatch(self.bucket):
            raise _wrong("bucket", f"{self.bucket!r}: {vendor.title} buckets are named by {vendor.bucket_rule}")
        if not self.conn_id:
            raise _wrong("conn_id", "is empty")
        if not (self.method.isascii() and self.method.isalpha()):
            raise _wrong("method", f"{self.method!r} is not an HTTP method")
        if self.lifetime is not None and self.lifetime < 1:
            raise _wrong("lifetime", f"must be at least one second, not {self.lifetime}")
        if self.expires_at is not None:
            _instant(self.expires_at)
        name = "key"
        try:
            check_key(vendor, self.key)
            name = "headers"
            encoding.checked_headers(self.headers)
        except InvalidRequestError as error:
            raise _wrong(name, str(error)) from None
        if secret := next((n for n in (*self.headers, *self.params) if _SECRET.search(n.lower())), None):
            raise _wrong("headers" if secret in self.headers else "params", f"{secret} would carry a secret")

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values, those that say nothing left out."""
        said = {one.name: getattr(self, one.name) for one in fields(self)}
        said |= {"headers": dict(self.headers), "params": dict(self.params)}
        return {MARK: VERSION, **{name: value for name, value in said.items() if value not in (None, {}, False)}}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Recipe:
        """Read what :meth:`to_dict` returned.

        :raises InvalidRequestError: it is no recipe, or a field is missing, unknown or wrong; the message names it
        """
        if not is_recipe(said):
            raise InvalidRequestError(f"this is no recipe: it has no {MARK}")
        if said[MARK] != VERSION:
            raise _wrong(MARK, f"{said[MARK]!r} is not a version this provider knows; it knows {VERSION}")
        given = {name: value for name, value in said.items() if name != MARK}
        known = {one.name for one in fields(cls)}
        if unknown := sorted(set(given) - known):
            raise _wrong(unknown[0], "is not known")
        if missing := [name for name in ("vendor", "bucket", "key", "conn_id") if name not in given]:
            raise _wrong(missing[0], "is missing")
        return cls(**given)

    def presign_arguments(self) -> dict[str, Any]:
        """Return the arguments of ``presign`` besides key and bucket, those that say nothing left out."""
        given = {
            name: value
            for name, value in self.to_dict().items()
            if name not in (MARK, "vendor", "bucket", "key", "conn_id", "lifetime", "expires_at")
        }
        if self.expires_at is not None:
            return {**given, "expires_at": _instant(self.expires_at)}
        return given if self.lifetime is None else {**given, "expires_in": timedelta(seconds=self.lifetime)}


def is_recipe(value: object) -> bool:
    """Tell whether a value, e.g. one from XCom, is a recipe in its JSON form."""
    return isinstance(value, Mapping) and MARK in value


def _instant(text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise _wrong("expires_at", f"must be an ISO 8601 time, not {text!r}") from None
    if instant.tzinfo is None:
        raise _wrong("expires_at", f"{text!r} must have a time zone")
    return instant


def _check_type(name: str, value: object, hint: Any) -> None:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    if get_origin(hint) is collections.abc.Mapping:
        good = isinstance(value, Mapping) and all(isinstance(text, str) for pair in value.items() for text in pair)
        kind = "a dictionary of texts"
    else:  # True is an int to Python, and not to JSON
        good = type(value) in kinds or (isinstance(value, str) and str in kinds)
        kind = " or ".join("null" if one is type(None) else one.__name__ for one in kinds)
    if not good:
        raise _wrong(name, f"must be {kind}, not {type(value).__name__}")


def _wrong(name: str, why: str) -> InvalidRequestError:
    return InvalidRequestError(f"recipe: {name} {why}")
