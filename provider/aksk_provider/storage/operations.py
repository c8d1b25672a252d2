"""What can be asked of a store, as values: pure functions of a vendor, a bucket and a key."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote, unquote
from xml.sax.saxutils import escape

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import encoding
from aksk_provider.storage.vendors import Vendor

DELETE_BATCH = 1000
PAGE_SIZE = 1000
MAX_SINGLE_PUT = 5 * 1024**3
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


@dataclass(frozen=True, slots=True)
class Operation:
    """A request before it has a host.

    :param method: HTTP method
    :param bucket: bucket, ``None`` for the service
    :param key: key, ``None`` for the bucket
    :param params: query parameters, in order
    :param headers: headers
    :param body: a body made here; one that the caller streams is given to the store beside the operation
    """

    method: str
    bucket: str | None
    key: str | None = None
    params: Sequence[tuple[str, str]] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def query(self) -> str:
        """The query, percent-encoded; a parameter without a value is a bare name."""
        return "&".join(
            f"{encoding.encode(name)}={encoding.encode(value)}" if value else encoding.encode(name)
            for name, value in self.params
        )

    def describe(self, vendor: Vendor) -> str:
        """Say it in words for errors and logs: ``GET oss://bucket/key``."""
        return f"{self.method} {uri(vendor, self.bucket or '', self.key or '')}"


def uri(vendor: Vendor, bucket: str, key: str) -> str:
    """Return ``vendor://bucket/key``, the key as it is."""
    return f"{vendor.name}://{bucket}/{key}"


def put_object(
    vendor: Vendor,
    bucket: str,
    key: str,
    *,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    storage_class: str | None = None,
    headers: Mapping[str, str] | None = None,
    overwrite: bool = True,
) -> Operation:
    """Write an object; its body is streamed beside the operation."""
    own = _object_headers(vendor, content_type, metadata, storage_class, overwrite=overwrite)
    return Operation("PUT", bucket, key, headers=_merge(own, headers))


def get_object(
    bucket: str,
    key: str,
    *,
    byte_range: tuple[int, int | None] | None = None,
    version_id: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> Operation:
    """Read an object, or bytes ``first`` to ``last`` (inclusive, ``None``: to the end) of it."""
    own = {}
    if byte_range is not None:
        first, last = byte_range
        if first < 0 or (last is not None and last < first):
            raise InvalidRequestError(f"byte range {first}-{last}: the first byte must not be after the last")
        own["Range"] = f"bytes={first}-{'' if last is None else last}"
    return Operation("GET", bucket, key, _version(version_id), _merge(own, headers))


def head_object(bucket: str, key: str, *, version_id: str | None = None) -> Operation:
    """Ask for the properties of an object."""
    return Operation("HEAD", bucket, key, _version(version_id))


def delete_object(bucket: str, key: str, *, version_id: str | None = None) -> Operation:
    """Delete an object; one that is not there counts as deleted."""
    return Operation("DELETE", bucket, key, _version(version_id))


def delete_objects(vendor: Vendor, bucket: str, keys: Iterable[str]) -> Operation:
    """Delete up to 1,000 objects; the answer names those that failed."""
    if vendor.dialect == "json":
        body = json.dumps({"objects": [{"key": key} for key in keys]}).encode()
    else:
        listed = "".join(f"<Object><Key>{_xml_text(key)}</Key></Object>" for key in keys)
        body = f'<?xml version="1.0" encoding="UTF-8"?><Delete><Quiet>true</Quiet>{listed}</Delete>'.encode()
    headers = {"Content-MD5": _md5(body), "Content-Type": f"application/{vendor.dialect}"}
    return Operation("POST", bucket, params=[("delete", "")], headers=headers, body=body)


def list_objects(
    vendor: Vendor,
    bucket: str,
    *,
    prefix: str = "",
    delimiter: str | None = None,
    page: str | None = None,
    page_size: int = PAGE_SIZE,
) -> Operation:
    """List one page of a bucket in the order of the keys' bytes.

    :param page: where the page before ended, as its answer said
    """
    names = vendor.listing
    params = [*names.always.items(), (names.max_keys, str(page_size)), ("prefix", prefix)]
    if delimiter:
        params.append(("delimiter", delimiter))
    if page is not None:
        params.append((names.next_page, page))
    return Operation("GET", bucket, params=[(name, value) for name, value in params if value])


def copy_object(
    vendor: Vendor,
    source: tuple[str, str],
    target: tuple[str, str],
    *,
    service_host: str,
    metadata: Mapping[str, str] | None = None,
    content_type: str | None = None,
    storage_class: str | None = None,
    overwrite: bool = True,
) -> Operation:
    """Copy an object of up to 5 GB inside the cloud; with metadata or content type, these replace the source's."""
    own = _object_headers(vendor, content_type, metadata, storage_class, overwrite=overwrite)
    prefix = vendor.headers
    own[f"{prefix}copy-source"] = vendor.copy_source(service_host, source[0], encoding.encode_path(source[1]))
    if metadata is not None or content_type is not None:
        own[f"{prefix}metadata-directive"] = vendor.replace_metadata
    return Operation("PUT", *target, headers=own)


def own_operation(
    vendor: Vendor,
    method: str,
    bucket: str,
    key: str | None,
    headers: Mapping[str, str] | None,
    params: Mapping[str, str] | None,
    version_id: str | None,
) -> Operation:
    """Return an operation of the caller's own, to be signed and handed out."""
    names = vendor.parameters
    pairs = [(names.get(name, name), value) for name, value in (params or {}).items()]
    return Operation(method.upper(), bucket, key, [*pairs, *_version(version_id)], dict(headers or {}))


def encode_metadata(vendor: Vendor, metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata as headers; what is not printable ASCII, and ``%``, is percent-encoded in UTF-8."""
    encoded = {}
    for name, value in metadata.items():
        if not name or not name.isascii() or not all(char.isalnum() or char in "-." for char in name):
            raise InvalidRequestError(f"metadata name {name!r}: use letters, digits and '-'")
        safe = _PRINTABLE if value == value.strip() else _PRINTABLE.replace(" ", "")
        encoded[f"{vendor.headers}meta-{name.lower()}"] = quote(value, safe=safe)
    return encoded


def decode_metadata(value: str) -> str:
    """Return what :func:`encode_metadata` encoded."""
    return unquote(value)


def _object_headers(
    vendor: Vendor,
    content_type: str | None,
    metadata: Mapping[str, str] | None,
    storage_class: str | None,
    *,
    overwrite: bool,
) -> dict[str, str]:
    headers = encode_metadata(vendor, metadata or {})
    if content_type:
        headers["Content-Type"] = content_type
    if storage_class:
        headers[f"{vendor.headers}storage-class"] = storage_class
    if not overwrite:
        headers[f"{vendor.headers}forbid-overwrite"] = "true"
    return headers


def _merge(own: Mapping[str, str], given: Mapping[str, str] | None) -> dict[str, str]:
    given = given or {}
    names = {name.lower() for name in given}
    return {name: value for name, value in own.items() if name.lower() not in names} | dict(given)


def _version(version_id: str | None) -> list[tuple[str, str]]:
    return [("versionId", version_id)] if version_id else []


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()


def _xml_text(key: str) -> str:
    if not all(char in "\t\n" or (char >= " " and not "\ud800" <= char <= "\udfff") for char in key):
        raise InvalidRequestError(f"key {key!r} holds a control character, which a batch cannot name: delete it alone")
    return escape(key)
