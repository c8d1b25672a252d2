"""What the stores answer, as values: pure functions of status, headers and body."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

from aksk_provider import errors
from aksk_provider.signing.encoding import lower_names
from aksk_provider.storage.operations import Operation, decode_metadata, uri
from aksk_provider.storage.vendors import Vendor

_BUCKET_MISSING = frozenset({"NoSuchBucket"})
_REFUSED = frozenset(
    {"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestExpired", "InvalidHTTPAuthHeader"}
)
_THROTTLED = frozenset({"SlowDown", "RequestLimitExceeded", "TooManyRequests", "Throttling", "ServiceBusy"})
_RETRYABLE_CODES = frozenset({"RequestTimeout", "BadDigest"})
_HINTS = {
    "SignatureDoesNotMatch": "Check the secret key, and that nothing between here and the store changes the request",
    "InvalidAccessKeyId": "Check the access key; a temporary one needs its security_token",
    "RequestTimeTooSkewed": "Set the clock of this machine",
    "RequestExpired": "Set the clock of this machine, or use fresh temporary credentials",
    "NoSuchBucket": "Check the bucket's name and region",
    "AccessDenied": "Check that these credentials may do this, and that a temporary key pair has its token",
    "SecurityTokenExpired": "Use fresh temporary credentials",
    "ExpiredToken": "Use fresh temporary credentials",
    "InvalidSecurityToken": "Use the token that belongs to this key pair",
    "InvalidToken": "Use the token that belongs to this key pair",
}

_http_time = lru_cache(maxsize=256)(parsedate_to_datetime)  # objects are often as old as each other
NAMES_ANOTHER = "The store names another endpoint"


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a vendor said about an object; what it did not say is ``None``.

    :param uri: ``vendor://bucket/key``
    :param vendor: ``bos``, ``oss`` or ``cos``
    :param size: bytes as stored
    :param etag: entity tag without quotes
    :param crc64: CRC-64/XZ of the content as a decimal number, in text since JSON numbers lose its last digits
    :param last_modified: aware datetime
    :param metadata: user metadata, decoded, names in lower case
    """

    uri: str
    vendor: str
    bucket: str
    key: str
    size: int | None = None
    etag: str | None = None
    crc64: str | None = None
    last_modified: datetime | None = None
    version_id: str | None = None
    content_type: str | None = None
    storage_class: str | None = None
    metadata: Mapping[str, str] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, times in ISO 8601."""
        fields = asdict(self)
        if self.last_modified is not None:
            fields["last_modified"] = self.last_modified.isoformat()
        return fields


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing.

    :param objects: the objects
    :param prefixes: what the delimiter rolled up
    :param next_page: what asks for the next page; ``None`` on the last one
    """

    objects: Sequence[ObjectInfo]
    prefixes: Sequence[str]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class DeleteFailure:
    """An object that a batch could not delete, with the vendor's code and message."""

    key: str
    code: str
    message: str


def object_info(vendor: Vendor, bucket: str, key: str, headers: Mapping[str, str], **known: Any) -> ObjectInfo:
    """Read the properties of an object from the headers of an answer.

    :param known: properties that the headers do not tell, e.g. the size after an upload
    """
    said = lower_names(headers)
    prefix = vendor.headers
    meta = f"{prefix}meta-"
    modified = said.get("last-modified")
    told = {
        "size": _total_size(said),
        "etag": _unquoted(said.get("etag")),
        "crc64": said.get(f"{prefix}hash-crc64ecma") or said.get(f"{prefix}content-crc64ecma"),
        "last_modified": _http_time(modified) if modified else None,
        "version_id": said.get(f"{prefix}version-id"),
        "content_type": said.get("content-type"),
        "storage_class": said.get(f"{prefix}storage-class"),
        "metadata": {name[len(meta) :]: decode_metadata(said[name]) for name in said if name.startswith(meta)},
    }
    return ObjectInfo(uri(vendor, bucket, key), vendor.name, bucket, key, **{**told, **known})


def list_page(vendor: Vendor, bucket: str, body: bytes) -> Page:
    """Read one page of a listing."""
    return _json_page(vendor, bucket, body) if vendor.dialect == "json" else _xml_page(vendor, bucket, body)


def delete_failures(vendor: Vendor, body: bytes) -> list[DeleteFailure]:
    """Read the failures from the answer to a batch delete; none when all are gone."""
    if not body.strip():
        return []
    if vendor.dialect == "json":
        failed = parse_json(body).get("errors") or []
        return [DeleteFailure(str(f.get("key")), str(f.get("code")), str(f.get("message", ""))) for f in failed]
    return [
        DeleteFailure(_text(node, "Key") or "", _text(node, "Code") or "", _text(node, "Message") or "")
        for node in parse_xml(body).iterfind("{*}Error")
    ]


def copy_result(
    vendor: Vendor, source: ObjectInfo, target: tuple[str, str], headers: Mapping[str, str], body: bytes
) -> ObjectInfo:
    """Read the properties of a copy: what the answer says, and the size and checksum of the source."""
    if vendor.dialect == "json":
        said = parse_json(body)
        etag, modified = said.get("eTag"), said.get("lastModified")
    else:
        root = parse_xml(body)
        etag, modified = _text(root, "ETag"), _text(root, "LastModified")
    bucket, key = target
    return ObjectInfo(
        uri=uri(vendor, bucket, key),
        vendor=vendor.name,
        bucket=bucket,
        key=key,
        size=source.size,
        etag=_unquoted(etag),
        crc64=source.crc64,
        last_modified=_iso_time(modified),
        version_id=headers.get(f"{vendor.headers}version-id"),
    )


def error_in_body(vendor: Vendor, body: bytes) -> bool:
    """Tell whether the body of a successful status is an error, as long-running operations may answer."""
    start = body.lstrip()[:200]
    if vendor.dialect == "json":
        return b'"code"' in start and "code" in parse_json(body)
    return b"<Error>" in start or b"<Error " in start


def service_error(
    vendor: Vendor,
    operation: Operation,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    hints: Mapping[str, str] = _HINTS,
) -> errors.ServiceError:
    """Return the error that an answer means, with the vendor's code, message and request id.

    :param hints: what to do next, by the vendor's code
    """
    said = _error_fields(vendor, headers, body)
    code = said.get("code", "")
    endpoint = said.get("endpoint") or (headers.get("Location", "") if 300 <= status < 400 else "")
    hint = hints.get(code, "")
    if endpoint:
        hint = f"{NAMES_ANOTHER}, {endpoint.partition('?')[0]}: set it as the host of the connection"
    kind = _error_class(status, code, operation, vendor)
    error = kind(
        vendor=vendor.name,
        operation=operation.describe(vendor),
        status=status,
        code=code,
        message=said.get("message", ""),
        request_id=said.get("request_id") or headers.get(f"{vendor.headers}request-id"),
        hint=hint,
        retry_after=_retry_after(headers.get("Retry-After")),
    )
    error.retryable = error.retryable or status == 408 or code in _RETRYABLE_CODES
    return error


def error_document(headers: Mapping[str, str], body: bytes) -> bytes:
    """Return the document that tells the error: the body, or for HEAD requests to OSS a header."""
    if not body.strip() and (encoded := headers.get("x-oss-err")):
        try:
            return base64.b64decode(encoded)
        except binascii.Error:
            return b""
    return body


def _error_class(status: int, code: str, operation: Operation, vendor: Vendor) -> type[errors.ServiceError]:
    if code in _THROTTLED or status == 429:
        return errors.ThrottledError
    if code in _BUCKET_MISSING:
        return errors.BucketNotFoundError
    if code in _REFUSED:  # BOS answers some of them with 400
        return errors.PermissionDeniedError
    if status in (409, 412) and f"{vendor.headers}forbid-overwrite" in operation.headers:
        return errors.ObjectExistsError
    if status >= 500:
        return errors.ServerError
    return {
        401: errors.PermissionDeniedError,
        403: errors.PermissionDeniedError,
        404: errors.NotFoundError,
        409: errors.ConflictError,
        304: errors.PreconditionFailedError,
        412: errors.PreconditionFailedError,
    }.get(status, errors.ServiceError)


def _error_fields(vendor: Vendor, headers: Mapping[str, str], body: bytes) -> dict[str, str]:
    """Read code, message, request id and endpoint; empty where the body is no error of the vendor's."""
    if vendor.dialect == "json":
        try:
            said = parse_json(body)
        except errors.ObjectStorageError:
            return {}
        names = {"code": "code", "message": "message", "request_id": "requestId"}
        return {ours: str(said[theirs]) for ours, theirs in names.items() if said.get(theirs)}
    try:
        root = parse_xml(error_document(headers, body))
    except errors.ObjectStorageError:
        return {}
    names = {"code": "Code", "message": "Message", "request_id": "RequestId", "endpoint": "Endpoint"}
    return {ours: text for ours, theirs in names.items() if (text := _text(root, theirs))}


def _json_page(vendor: Vendor, bucket: str, body: bytes) -> Page:
    said = parse_json(body)
    objects = [
        ObjectInfo(
            uri=uri(vendor, bucket, entry["key"]),
            vendor=vendor.name,
            bucket=bucket,
            key=entry["key"],
            size=entry.get("size"),
            etag=_unquoted(entry.get("eTag")),
            last_modified=_iso_time(entry.get("lastModified")),
            storage_class=entry.get("storageClass"),
        )
        for entry in said.get("contents") or []
    ]
    prefixes = [entry["prefix"] for entry in said.get("commonPrefixes") or []]
    return Page(objects, prefixes, _next_marker(said.get("isTruncated"), said.get("nextMarker"), objects, prefixes))


def _xml_page(vendor: Vendor, bucket: str, body: bytes) -> Page:
    root = parse_xml(body)
    encoded = _text(root, "EncodingType") == "url"

    def decoded(node: ET.Element, name: str) -> str | None:
        text = _text(node, name)
        return unquote(text) if encoded and text else text

    objects = []
    for node in root.iterfind("{*}Contents"):
        # one pass over the children: four times as fast as a search for each, and a page has 1,000 of these
        said = {child.tag.rpartition("}")[2]: child.text for child in node}
        key = said.get("Key") or ""
        key = unquote(key) if encoded else key
        size = said.get("Size")
        objects.append(
            ObjectInfo(
                uri=uri(vendor, bucket, key),
                vendor=vendor.name,
                bucket=bucket,
                key=key,
                size=int(size) if size else None,
                etag=_unquoted(said.get("ETag")),
                last_modified=_iso_time(said.get("LastModified")),
                storage_class=said.get("StorageClass"),
            )
        )
    prefixes = [decoded(node, "Prefix") or "" for node in root.iterfind("{*}CommonPrefixes")]
    truncated = _text(root, "IsTruncated") == "true"
    if vendor.listing.next_page == "continuation-token":
        return Page(objects, prefixes, decoded(root, "NextContinuationToken") if truncated else None)
    return Page(objects, prefixes, _next_marker(truncated, decoded(root, "NextMarker"), objects, prefixes))


def _next_marker(
    truncated: object, marker: str | None, objects: Sequence[ObjectInfo], prefixes: Sequence[str]
) -> str | None:
    """Return where the next page starts; stores that give no marker continue after the last name of this page."""
    if not truncated:
        return None
    return marker or max([*(info.key for info in objects[-1:]), *prefixes[-1:]], key=str.encode, default=None)


def _total_size(headers: Mapping[str, str]) -> int | None:
    total = headers.get("content-range", "").rpartition("/")[2] or headers.get("content-length")
    return int(total) if total and total.isdigit() else None


def _retry_after(value: str | None) -> float | None:
    return float(value) if value and value.isdigit() else None


def iso_time(text: str) -> datetime:
    """Read a time such as ``2026-01-31T08:00:00.000Z``."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _iso_time(text: str | None) -> datetime | None:
    return iso_time(text) if text else None


def _unquoted(etag: str | None) -> str | None:
    return etag.strip('"') if etag else None


def _text(node: ET.Element, name: str) -> str | None:
    return node.findtext(f"{{*}}{name}")


def field(vendor: Vendor, body: bytes, json_name: str, xml_name: str) -> str:
    """Return a field of an answer that must be there."""
    found = parse_json(body).get(json_name) if vendor.dialect == "json" else _text(parse_xml(body), xml_name)
    if not found:
        raise errors.TransportError(f"the answer has no {json_name}")
    return str(found)


def parse_xml(body: bytes) -> ET.Element:
    """Read a body that must be XML."""
    try:
        return ET.fromstring(body)  # noqa: S314 - expat limits entity expansion
    except ET.ParseError as error:
        raise errors.TransportError(f"the answer is not the XML it should be: {error}") from error


def parse_json(body: bytes) -> dict[str, Any]:
    """Read a body that must be a JSON object."""
    try:
        said = json.loads(body)
    except ValueError as error:
        raise errors.TransportError(f"the answer is not the JSON it should be: {error}") from error
    if not isinstance(said, dict):
        raise errors.TransportError("the answer is not the JSON object it should be")
    return said
