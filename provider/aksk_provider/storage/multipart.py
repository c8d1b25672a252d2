"""Uploads in parts: what is asked of a store and what it answers; pure functions like operations and responses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import unquote
from xml.sax.saxutils import escape

from aksk_provider.storage import operations, responses
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.vendors import Vendor

MAX_PARTS = 10_000
_PAGE = "1000"


@dataclass(frozen=True, slots=True)
class Part:
    """A part that the store holds.

    :param number: 1 to 10,000
    :param etag: entity tag without quotes
    :param crc64: CRC-64/XZ as a decimal number, where the store lists it
    """

    number: int
    size: int
    etag: str
    crc64: str | None = None


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An upload that was begun and neither completed nor aborted."""

    key: str
    upload_id: str
    initiated: datetime


def initiate(
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
    """Begin an upload; the answer holds its id."""
    put = operations.put_object(
        vendor,
        bucket,
        key,
        content_type=content_type,
        metadata=metadata,
        storage_class=storage_class,
        headers=headers,
        overwrite=overwrite,
    )
    return replace(put, method="POST", params=[("uploads", "")])


def upload_part(bucket: str, key: str, upload_id: str, number: int) -> Operation:
    """Write one part; its body is streamed beside the operation."""
    return Operation("PUT", bucket, key, [("partNumber", str(number)), ("uploadId", upload_id)])


def complete(
    vendor: Vendor, bucket: str, key: str, upload_id: str, parts: Sequence[Part], headers: Mapping[str, str]
) -> Operation:
    """Make the object of its parts, which are given in order."""
    if vendor.dialect == "json":
        body = json.dumps({"parts": [{"partNumber": p.number, "eTag": p.etag} for p in parts]})
    else:
        listed = "".join(
            f"<Part><PartNumber>{p.number}</PartNumber><ETag>{escape(p.etag)}</ETag></Part>" for p in parts
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    own = {"Content-Type": f"application/{vendor.dialect}", **headers}
    return Operation("POST", bucket, key, [("uploadId", upload_id)], own, body.encode())


def abort(bucket: str, key: str, upload_id: str) -> Operation:
    """Drop an upload and its parts."""
    return Operation("DELETE", bucket, key, [("uploadId", upload_id)])


def list_parts(vendor: Vendor, bucket: str, key: str, upload_id: str, after: str | None) -> Operation:
    """List a page of the parts of an upload.

    :param after: number of the last part of the page before
    """
    names = ("maxParts", "partNumberMarker") if vendor.dialect == "json" else ("max-parts", "part-number-marker")
    params = [("uploadId", upload_id), (names[0], _PAGE)]
    return Operation("GET", bucket, key, [*params, (names[1], after)] if after else params)


def list_uploads(vendor: Vendor, bucket: str, prefix: str, after: tuple[str, str] | None) -> Operation:
    """List a page of the open uploads under a prefix.

    :param after: key and upload id where the page before ended
    """
    if vendor.dialect == "json":
        params = [("uploads", ""), ("maxUploads", _PAGE), ("prefix", prefix)]
        markers = [("keyMarker", after[0])] if after else []
    else:
        params = [("uploads", ""), ("max-uploads", _PAGE), ("encoding-type", "url"), ("prefix", prefix)]
        markers = [("key-marker", after[0]), ("upload-id-marker", after[1])] if after else []
    return Operation("GET", bucket, params=[*params, *markers])


def upload_id(vendor: Vendor, body: bytes) -> str:
    """Read the id of an upload that was begun."""
    return responses.field(vendor, body, "uploadId", "UploadId")


def parts_page(vendor: Vendor, body: bytes) -> tuple[list[Part], str | None]:
    """Read a page of parts, and what asks for the next page."""
    if vendor.dialect == "json":
        said = responses.parse_json(body)
        parts = [Part(int(p["partNumber"]), int(p["size"]), p["eTag"].strip('"')) for p in said.get("parts") or []]
        return parts, str(said["nextPartNumberMarker"]) if said.get("isTruncated") else None
    root = responses.parse_xml(body)
    parts = [
        Part(
            int(node.findtext("{*}PartNumber", "0")),
            int(node.findtext("{*}Size", "0")),
            node.findtext("{*}ETag", "").strip('"'),
            node.findtext("{*}HashCrc64ecma"),
        )
        for node in root.iterfind("{*}Part")
    ]
    truncated = root.findtext("{*}IsTruncated") == "true"
    return parts, root.findtext("{*}NextPartNumberMarker") if truncated else None


def uploads_page(vendor: Vendor, body: bytes) -> tuple[list[OpenUpload], tuple[str, str] | None]:
    """Read a page of open uploads, and what asks for the next page."""
    if vendor.dialect == "json":
        said = responses.parse_json(body)
        uploads = [
            OpenUpload(u["key"], u["uploadId"], responses.iso_time(u["initiated"])) for u in said.get("uploads") or []
        ]
        return uploads, (str(said["nextKeyMarker"]), "") if said.get("isTruncated") else None
    root = responses.parse_xml(body)
    decode = unquote if root.findtext("{*}EncodingType") == "url" else str
    uploads = [
        OpenUpload(
            decode(node.findtext("{*}Key", "")),
            node.findtext("{*}UploadId", ""),
            responses.iso_time(node.findtext("{*}Initiated", "")),
        )
        for node in root.iterfind("{*}Upload")
    ]
    if root.findtext("{*}IsTruncated") != "true":
        return uploads, None
    return uploads, (decode(root.findtext("{*}NextKeyMarker", "")), root.findtext("{*}NextUploadIdMarker", ""))
