"""Upload tickets: what a partner without any key needs to deliver one file, or files below a prefix.

A **form** is one POST from a browser or a client, of up to 5 GiB, with conditions that the store holds the sender to.
A **multipart ticket** is a JSON document of signed URLs, one for each part of one large file, one that completes the
upload and one that gives it up.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing.forms import DEFAULT_LIFETIME, MAX_SIZE, FormRules, PostForm
from aksk_provider.storage import operations
from aksk_provider.storage.config import locate, locate_prefix
from aksk_provider.storage.multipart import MAX_PARTS
from aksk_provider.storage.parts import PartStore
from aksk_provider.storage.store import ObjectStore
from aksk_provider.storage.vendors import MIB, Vendor

MAX_PART = 5 * 1024**3
_PART_TYPE = "application/octet-stream"
_PREFERRED_PART = 64 * MIB
_PREFERRED_PARTS = 1000
# What completes an upload: start, one part with {number} and {etag}, what stands between two, end.
_BODIES = {
    "json": ('{"parts": [', '{"partNumber": {number}, "eTag": "{etag}"}', ", ", "]}"),
    "xml": (
        "<CompleteMultipartUpload>",
        "<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>",
        "",
        "</CompleteMultipartUpload>",
    ),
}


def form_ticket(
    store: ObjectStore,
    key: str | None = None,
    bucket: str | None = None,
    *,
    key_prefix: str | None = None,
    min_size: int = 0,
    max_size: int = MAX_SIZE,
    content_type: str | None = None,
    content_type_prefix: str | None = None,
    metadata: Mapping[str, str] | None = None,
    success_status: int | None = None,
    success_redirect: str | None = None,
    expires_in: timedelta | None = None,
    expires_at: datetime | None = None,
) -> PostForm:
    """Return a signed upload form; nothing is sent.

    :param key: the key that the file gets, or a URI
    :param key_prefix: instead of a key, what the key must start with, e.g. ``inbox/``; the sender names the file
    :param min_size: smallest file in bytes
    :param max_size: largest file in bytes, at most 5 GiB
    :param content_type: the ``Content-Type`` that the object gets
    :param content_type_prefix: instead of a type, what it must start with, e.g. ``image/`` (not BOS); the sender fills
        it in
    :param metadata: user metadata of the object
    :param success_status: status of a successful answer: 200, 201, or 204 as by default
    :param success_redirect: URL that a browser goes to after a successful upload
    :param expires_in: lifetime, by default one hour; OSS allows 7 days
    :param expires_at: end of the lifetime, aware; wins over ``expires_in``
    """
    config = store.config
    if (key is None) == (key_prefix is None):
        raise InvalidRequestError("a form needs either a key or a key_prefix")
    if content_type is not None and content_type_prefix is not None:
        raise InvalidRequestError("a form takes either a content_type or a content_type_prefix")
    bucket, name = locate(config, key, bucket) if key is not None else locate_prefix(config, key_prefix or "", bucket)
    rules = FormRules(
        bucket=bucket,
        key=name,
        key_is_prefix=key is None,
        min_size=min_size,
        max_size=max_size,
        content_type=content_type or content_type_prefix,
        content_type_is_prefix=content_type_prefix is not None,
        fields=operations.encode_metadata(config.vendor, metadata or {}),
        success_status=success_status,
        success_redirect=success_redirect,
    )
    now = store.transport.now()
    url = (config.public_endpoint or config.endpoint).url(bucket, None)
    lifetime = _lifetime(now, expires_in, expires_at)
    return config.vendor.sign_form(rules, config.credentials(), url, config.region, now, lifetime)


def form_document(form: PostForm) -> dict[str, Any]:
    """Return a form as a JSON document: ``url, fields, to_fill, not_enforced, expires_at``."""
    return {
        "url": form.url,
        "fields": dict(form.fields),
        "to_fill": dict(form.to_fill),
        "not_enforced": list(form.not_enforced),
        "expires_at": form.expires_at.isoformat(),
    }


def read_form(document: Mapping[str, Any]) -> PostForm:
    """Return the form of a document that :func:`form_document` made, as a task's result holds it."""
    return PostForm(
        url=document["url"],
        fields=dict(document["fields"]),
        expires_at=datetime.fromisoformat(document["expires_at"]),
        to_fill=dict(document["to_fill"]),
        not_enforced=tuple(document["not_enforced"]),
    )


def multipart_ticket(
    store: ObjectStore,
    key: str,
    bucket: str | None = None,
    *,
    size: int,
    part_size: int | None = None,
    content_type: str | None = None,
    metadata: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    overwrite: bool = True,
    expires_in: timedelta | None = None,
    expires_at: datetime | None = None,
) -> dict[str, Any]:
    """Begin an upload in parts and return the ticket that lets somebody else fill it.

    Each part's URL is signed with its exact size and type, so that no other amount of bytes can be sent to it. The
    ticket is a secret while it lives. An upload that nobody completes stays until it is aborted, by the ticket's own
    URL or :func:`~aksk_provider.storage.parts.abort_incomplete`.

    :param size: size of the whole file in bytes
    :param part_size: bytes of each part but the last; by default 64 MiB, more when that made over 1,000 parts
    :param content_type: ``Content-Type`` of the object
    :param metadata: user metadata of the object
    :param headers: further headers of the object
    :param overwrite: ``False`` lets the upload fail when the key exists
    :param expires_in: lifetime, by default one hour; OSS allows 7 days, 12 hours with a token
    :param expires_at: end of the lifetime, aware; wins over ``expires_in``
    :return: ``vendor, uri, size, part_size, expires_at, parts, complete, abort``, as a JSON document
    """
    vendor = store.config.vendor
    bucket, key = locate(store.config, key, bucket)
    part_size = _part_size(vendor, size, part_size)
    # What cannot be signed begins no upload
    _Steps(store, bucket, key, "none yet", _until(store, expires_in, expires_at)).step("DELETE", {})
    uploads = PartStore(store, bucket, key)
    upload_id = uploads.initiate(content_type=content_type, metadata=metadata, headers=headers, overwrite=overwrite)
    try:
        # The time is read again: the store's answer may have corrected the clock
        steps = _Steps(store, bucket, key, upload_id, _until(store, expires_in, expires_at))
        parts = [
            steps.part(number, offset, min(part_size, size - offset))
            for number, offset in enumerate(range(0, size, part_size), start=1)
        ]
        # What forbids to overwrite is told once more where the object is made
        own = {} if overwrite else {f"{vendor.headers}forbid-overwrite": "true"}
        complete = steps.step("POST", {"Content-Type": f"application/{vendor.dialect}", **own})
        body = dict(zip(("start", "part", "between", "end"), _BODIES[vendor.dialect], strict=True))
        abort = steps.step("DELETE", {})
    except BaseException:
        uploads.abort(upload_id)
        raise
    return {
        "vendor": vendor.name,
        "uri": operations.uri(vendor, bucket, key),
        "size": size,
        "part_size": part_size,
        "parts": parts,
        "complete": {**complete, "body": body},
        "abort": abort,
        "expires_at": steps.expires_at.isoformat(),
    }


class _Steps:
    """Signs the requests of one upload."""

    def __init__(self, store: ObjectStore, bucket: str, key: str, upload_id: str, until: datetime) -> None:
        self._presign = partial(store.presign, key, bucket, expires_at=until)
        self._upload_id = upload_id
        self.expires_at = until

    def step(self, method: str, headers: Mapping[str, str], **params: str) -> dict[str, Any]:
        """Sign one request, and note when it dies."""
        link = self._presign(method=method, headers=headers, params={**params, "uploadId": self._upload_id})
        self.expires_at = min(self.expires_at, link.expires_at)
        return {"method": link.method, "url": link.url, "headers": dict(link.signed_headers)}

    def part(self, number: int, offset: int, size: int) -> dict[str, Any]:
        """Sign the request that sends a part of just this size."""
        headers = {"Content-Type": _PART_TYPE, "Content-Length": str(size)}
        return {"number": number, "offset": offset, "size": size} | self.step("PUT", headers, partNumber=str(number))


def links_of(ticket: Mapping[str, Any]) -> list[str]:
    """Return every URL of a multipart ticket, all of them secrets."""
    return [*(part["url"] for part in ticket["parts"]), ticket["complete"]["url"], ticket["abort"]["url"]]


def _part_size(vendor: Vendor, size: int, part_size: int | None) -> int:
    if size < 1:
        raise InvalidRequestError("a multipart ticket is for a file of at least one byte")
    fewest = -(-size // MAX_PARTS)
    if part_size is None:
        part_size = max(_PREFERRED_PART, -(-size // _PREFERRED_PARTS))
    if not max(fewest, vendor.min_part) <= part_size <= MAX_PART and part_size < size:
        raise InvalidRequestError(
            f"parts of {part_size} bytes: {vendor.title} takes {vendor.min_part} to {MAX_PART} bytes, and at most"
            f" {MAX_PARTS} parts, which makes at least {fewest} bytes for a file of {size}"
        )
    if min(part_size, size) > MAX_PART:
        raise InvalidRequestError(f"parts of {part_size} bytes: the largest part has {MAX_PART} bytes")
    return part_size


def _until(store: ObjectStore, expires_in: timedelta | None, expires_at: datetime | None) -> datetime:
    now = store.transport.now().replace(microsecond=0)
    return now + _lifetime(now, expires_in, expires_at)


def _lifetime(now: datetime, expires_in: timedelta | None, expires_at: datetime | None) -> timedelta:
    if expires_at is None:
        return DEFAULT_LIFETIME if expires_in is None else expires_in
    if expires_at.tzinfo is None:
        raise InvalidRequestError("expires_at must be an aware datetime")
    if expires_at <= now:
        raise InvalidRequestError(f"expires_at {expires_at.isoformat()} has passed")
    return expires_at - now.replace(microsecond=0)
