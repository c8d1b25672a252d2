"""Reads what a presigned URL or an Authorization header says about itself, offline and without any key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal
from urllib.parse import unquote, urlsplit

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import bos, cos, encoding, oss

HEADER_LIFETIME = timedelta(minutes=15)
OSS_V1 = "OSS"
COS = "q-sign-algorithm=sha1"
_SHAPES: Mapping[str, str] = {
    "bce-auth-v1": r"[0-9a-f]{64}",
    oss.ALGORITHM: r"[0-9a-f]{64}",
    OSS_V1: r"[A-Za-z0-9+/]{27}=",
    COS: r"[0-9a-f]{40}",
}
_COS_FIELDS = ("q-sign-algorithm", "q-ak", "q-sign-time", "q-key-time", "q-header-list", "q-url-param-list")
_FOREIGN_PARAMETERS: Mapping[str, str] = {
    "x-amz-algorithm": "AWS signature version 4",
    "x-amz-signature": "AWS signature version 4",
    "awsaccesskeyid": "AWS signature version 2",
    "x-goog-algorithm": "Google Cloud Storage",
    "x-tos-algorithm": "Volcengine TOS",
    "x-obs-signature": "Huawei OBS",
    "accesskeyid": "Huawei OBS",
    "sig": "an Azure shared access signature",
    "auth_key": "a CDN's own URL authentication",
}
_FOREIGN_SCHEMES: Mapping[str, str] = {
    "AWS4-HMAC-SHA256": "AWS signature version 4",
    "AWS": "AWS signature version 2",
    "TC3-HMAC-SHA256": "the signature of Tencent's other services",
    "Bearer": "a bearer token",
    "Basic": "a user name and password",
}
KNOWN = "bce-auth-v1 (BOS), OSS4-HMAC-SHA256 and OSS version 1, q-sign-algorithm=sha1 (COS)"


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a signature says about itself. Secrets are in ``repr`` neither of it nor of its fields.

    :param vendor: ``bos``, ``oss`` or ``cos``
    :param version: ``bce-auth-v1``, ``OSS4-HMAC-SHA256``, ``OSS`` (version 1) or ``q-sign-algorithm=sha1``
    :param place: whether the signature stood in a URL or in a header
    :param access_key: who signed; an access key id is no secret
    :param signature: the signature itself
    :param signed_at: from when it is good; ``None`` where the signature does not say
    :param expires_at: until when it is good; ``None`` where it does not say or never ends
    :param endless: it never ends (BOS with a lifetime of -1)
    :param date: day of the scope, ``YYYYMMDD`` (OSS version 4)
    :param region: region of the scope (OSS version 4)
    :param product: product of the scope (OSS version 4)
    :param signed_headers: names of the headers that it lists as signed. OSS also signs ``content-type``,
        ``content-md5`` and ``x-oss-*`` where they are sent; an empty list of BOS stands for its default ones
    :param signed_params: names of the query parameters that are signed; ``None`` means all
    :param has_token: whether a session token is with it
    :param fields: what the signature is computed from, as it is written
    """

    vendor: str
    version: str
    place: Literal["url", "header"]
    access_key: str
    signature: str = field(repr=False)
    signed_at: datetime | None = None
    expires_at: datetime | None = None
    endless: bool = False
    date: str | None = None
    region: str | None = None
    product: str | None = None
    signed_headers: tuple[str, ...] = ()
    signed_params: tuple[str, ...] | None = None
    has_token: bool = False
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def well_formed(self) -> bool:
        """Whether the signature has the length and alphabet that its algorithm gives."""
        return re.fullmatch(_SHAPES[self.version], self.signature) is not None


def decode_url(url: str) -> Decoded | None:
    """Read the signature in the query of a URL; ``None`` when there is none at all.

    :raises InvalidRequestError: the signature is another service's, or a part of it is missing or cannot be read
    """
    try:
        query = urlsplit(url).query
    except ValueError as error:
        raise InvalidRequestError(f"this is no URL: {error}") from None
    pairs = [part.partition("=")[::2] for part in query.split("&") if part]
    params = {unquote(name): unquote(value) for name, value in pairs}
    lower = encoding.lower_names(params)
    if given := params.get(bos.AUTHORIZATION):
        return _bos(given, "url", has_token=bos.TOKEN in lower)
    if any(name in lower for name in ("x-oss-signature", "x-oss-signature-version", "x-oss-credential")):
        return _oss_url(params)
    if "OSSAccessKeyId" in params:
        return _oss_v1_url(params)
    if any(name in lower for name in ("q-signature", "q-sign-algorithm", "q-ak")):
        return _cos(params, "url", has_token=cos.TOKEN in lower)
    if given := params.get("sign"):
        if not given.startswith("q-"):
            raise InvalidRequestError("the parameter sign holds no q-sign-algorithm: not one of the COS XML API")
        return _cos(_cos_pairs(given), "url", has_token=cos.TOKEN in lower)
    for name, service in _FOREIGN_PARAMETERS.items():
        if name in lower:
            raise InvalidRequestError(f"the parameter {name} means {service}; known here are {KNOWN}")
    return None


def decode_authorization(value: str, headers: Mapping[str, str] | None = None) -> Decoded:
    """Read the value of an Authorization header.

    :param headers: the other headers of the request; OSS tells the time and all vendors the token there
    :raises InvalidRequestError: the signature is another service's, or a part of it is missing or cannot be read
    """
    value = re.sub(r"^authorization\s*:\s*", "", value.strip(), flags=re.IGNORECASE)
    sent = encoding.lower_names(headers or {})
    if value.startswith("bce-auth-v1/"):
        return _bos(value, "header", has_token=bos.TOKEN in sent)
    if value.startswith("q-"):
        return _cos(_cos_pairs(value), "header", has_token=cos.TOKEN in sent)
    scheme, _, rest = value.partition(" ")
    if scheme == oss.ALGORITHM:
        fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
        return _oss(fields, sent.get("x-oss-date", ""), None, "header", has_token=oss.TOKEN in sent)
    if scheme == OSS_V1 and ":" in rest:
        access_key, _, signature = rest.strip().rpartition(":")
        has_token = oss.TOKEN in sent or "security-token" in sent
        return Decoded("oss", OSS_V1, "header", access_key, signature, has_token=has_token)
    if scheme in _FOREIGN_SCHEMES:
        raise InvalidRequestError(f"{scheme} means {_FOREIGN_SCHEMES[scheme]}; known here are {KNOWN}")
    raise InvalidRequestError(f"this is none of the signatures known here: {KNOWN}")


def _bos(text: str, place: Literal["url", "header"], *, has_token: bool) -> Decoded:
    parts = text.split("/")
    if parts[0] != "bce-auth-v1":
        raise InvalidRequestError("the parameter authorization holds no bce-auth-v1")
    if len(parts) != 6:
        raise InvalidRequestError(f"bce-auth-v1 has 6 parts between slashes, not {len(parts)}: it was cut or changed")
    version, access_key, timestamp, lifetime, names, signature = parts
    start = _time(timestamp, "%Y-%m-%dT%H:%M:%SZ", "the start of bce-auth-v1")
    seconds = _number(lifetime, "the lifetime of bce-auth-v1")
    return Decoded(
        vendor="bos",
        version=version,
        place=place,
        access_key=access_key,
        signature=signature,
        signed_at=start,
        expires_at=None if seconds == -1 else _later(start, seconds),
        endless=seconds == -1,
        signed_headers=_names(names),
        has_token=has_token,
        fields={"timestamp": timestamp, "lifetime": lifetime},
    )


def _oss_url(params: Mapping[str, str]) -> Decoded:
    version = params.get("x-oss-signature-version")
    if version != oss.ALGORITHM:
        raise InvalidRequestError(f"x-oss-signature-version is {version!r}, not {oss.ALGORITHM}")
    _all_there(params, ("x-oss-credential", "x-oss-date", "x-oss-expires", "x-oss-signature"))
    fields = {
        "Credential": params["x-oss-credential"],
        "AdditionalHeaders": params.get("x-oss-additional-headers", ""),
        "Signature": params["x-oss-signature"],
    }
    lifetime = _number(params["x-oss-expires"], "x-oss-expires")
    return _oss(fields, params["x-oss-date"], lifetime, "url", has_token=oss.TOKEN in params)


def _oss(
    fields: Mapping[str, str], timestamp: str, seconds: int | None, place: Literal["url", "header"], *, has_token: bool
) -> Decoded:
    _all_there(fields, ("Credential", "Signature"))
    access_key, *scope = fields["Credential"].rsplit("/", 4)
    if len(scope) != 4 or scope[3] != "aliyun_v4_request":
        raise InvalidRequestError("the credential of OSS4-HMAC-SHA256 is key/date/region/product/aliyun_v4_request")
    start = _time(timestamp, "%Y%m%dT%H%M%SZ", "x-oss-date") if timestamp else None
    lifetime = int(HEADER_LIFETIME.total_seconds()) if seconds is None else seconds
    return Decoded(
        vendor="oss",
        version=oss.ALGORITHM,
        place=place,
        access_key=access_key,
        signature=fields["Signature"],
        signed_at=start,
        expires_at=None if start is None else _later(start, lifetime),
        date=scope[0],
        region=scope[1],
        product=scope[2],
        signed_headers=_names(fields.get("AdditionalHeaders", "")),
        has_token=has_token,
        fields={"timestamp": timestamp, "lifetime": str(lifetime), "scope": "/".join(scope)},
    )


def _oss_v1_url(params: Mapping[str, str]) -> Decoded:
    _all_there(params, ("Expires", "Signature"))
    return Decoded(
        vendor="oss",
        version=OSS_V1,
        place="url",
        access_key=params["OSSAccessKeyId"],
        signature=params["Signature"],
        expires_at=_unix(params["Expires"], "Expires"),
        has_token="security-token" in params,
        fields={"expires": params["Expires"]},
    )


def _cos_pairs(text: str) -> dict[str, str]:
    return dict(part.partition("=")[::2] for part in text.strip().split("&") if part)


def _cos(fields: Mapping[str, str], place: Literal["url", "header"], *, has_token: bool) -> Decoded:
    _all_there(fields, (*_COS_FIELDS, "q-signature"))
    if fields["q-sign-algorithm"] != "sha1":
        raise InvalidRequestError(f"q-sign-algorithm is {fields['q-sign-algorithm']!r}, not 'sha1'")
    start, _, end = fields["q-sign-time"].partition(";")
    return Decoded(
        vendor="cos",
        version=COS,
        place=place,
        access_key=fields["q-ak"],
        signature=fields["q-signature"],
        signed_at=_unix(start, "q-sign-time"),
        expires_at=_unix(end, "q-sign-time"),
        signed_headers=_names(fields["q-header-list"]),
        signed_params=_names(fields["q-url-param-list"]),
        has_token=has_token,
        fields={name: fields[name] for name in _COS_FIELDS},
    )


def _all_there(given: Mapping[str, str], names: Sequence[str]) -> None:
    if missing := [name for name in names if name not in given]:
        raise InvalidRequestError(f"the signature misses {', '.join(missing)}: it was cut or changed")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in text.split(";") if name)


def _number(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InvalidRequestError(f"{what} is {text!r}, not a number of seconds") from None


def _time(text: str, form: str, what: str) -> datetime:
    try:
        return datetime.strptime(text, form).replace(tzinfo=timezone.utc)
    except ValueError:
        raise InvalidRequestError(f"{what} is {text!r}, not a time") from None


def _unix(text: str, what: str) -> datetime:
    return _later(datetime(1970, 1, 1, tzinfo=timezone.utc), _number(text, what))


def _later(start: datetime, seconds: int) -> datetime:
    """Add seconds; what no calendar can hold is its last day."""
    try:
        return start + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)
