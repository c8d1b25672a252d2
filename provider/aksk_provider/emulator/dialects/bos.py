"""Baidu BOS: JSON bodies with camelCase names."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from aksk_provider.emulator.dialects.base import CopySource, Deletion, Dialect, ListQuery, number
from aksk_provider.emulator.model import Bucket, Inbound, Refused, decoded
from aksk_provider.emulator.objects import Page, StoredObject
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.uploads import Part, Upload

_OWNER = {"id": "10eb6f5ff6ff4605bf044313e8f3ffa5", "displayName": "emulator"}


def _json(said: Mapping[str, Any], headers: Mapping[str, str] | None = None, status: int = 200) -> Reply:
    body = json.dumps(said, ensure_ascii=False).encode()
    return Reply(status, {**(headers or {}), "content-type": "application/json; charset=utf-8"}, body)


def _iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%SZ}"


def _object(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError as error:
        raise Refused("MalformedBody") from error
    if not isinstance(said, dict):
        raise Refused("MalformedBody")
    return said


class BosDialect(Dialect):
    """Baidu BOS."""

    name = "bos"
    server = "BceBos"
    prefix = "x-bce-"
    # Statuses and codes of the vendor's table of errors. It has none for forbid-overwrite, for a request to the
    # wrong kind of version, or for tokens.
    errors: ClassVar[Mapping[str, tuple[int, str, str | None]]] = {
        "DeletedKey": (404, "NoSuchKey", None),
        "ExpiredToken": (400, "RequestExpired", None),
        "FileAlreadyExists": (412, "PreconditionFailed", None),
        "InvalidAuthorization": (400, "InvalidHTTPAuthHeader", None),
        "InvalidObjectName": (400, "InvalidObjectName", None),
        "InvalidToken": (403, "InvalidAccessKeyId", "The security token you provided is invalid."),
        "MalformedBody": (400, "MalformedJSON", "The JSON you provided was not well-formed."),
        "MissingToken": (403, "InvalidAccessKeyId", None),
        "RequestExpired": (400, "RequestExpired", None),
        "SignatureDoesNotMatch": (400, "SignatureDoesNotMatch", None),
        "UnexpectedToken": (403, "InvalidAccessKeyId", None),
        "VersionIsDeleteMarker": (405, "MethodNotAllowed", None),
    }
    digests = ("crc32",)
    digest_headers: ClassVar[Mapping[str, str]] = {
        "x-bce-content-crc32": "crc32",
        "x-bce-content-crc32c": "crc32c",
        "x-bce-content-crc64ecma": "crc64",
    }
    checked_headers: ClassVar[Mapping[str, str]] = {
        "x-bce-content-sha256": "sha256",
        "x-bce-content-crc32": "crc32",
        "x-bce-content-crc32c": "crc32c",
        "x-bce-content-crc64ecma": "crc64",
    }
    overrides: ClassVar[Mapping[str, str]] = {
        "responseContentType": "content-type",
        "responseContentLanguage": "content-language",
        "responseExpires": "expires",
        "responseCacheControl": "cache-control",
        "responseContentDisposition": "content-disposition",
        "responseContentEncoding": "content-encoding",
    }
    key_bytes = 1024
    min_part_size = 100 * 1024
    length_required = True
    delete_needs_md5 = False
    conditional_put = True
    storage_classes = (
        "STANDARD", "STANDARD_IA", "COLD", "ARCHIVE", "MAZ_STANDARD", "MAZ_STANDARD_IA", "MAZ_COLD",
    )  # fmt: skip
    max_keys = "maxKeys"
    max_parts = "maxParts"
    max_uploads = "maxUploads"
    part_number_marker = "partNumberMarker"
    key_marker = "keyMarker"
    upload_id_marker = "uploadIdMarker"

    def request_headers(self, request_id: str, *, failed: bool) -> dict[str, str]:
        """Return request id and debug id."""
        return {"x-bce-request-id": request_id, "x-bce-debug-id": f"{request_id}-debug"}

    def error_reply(
        self,
        status: int,
        headers: Mapping[str, str],
        said: tuple[str, str],
        details: Mapping[str, str],
        inbound: Inbound,
    ) -> Reply:
        """Answer with code, message and request id; nothing for HEAD."""
        if inbound.method == "HEAD":
            return Reply(status, headers)
        code, message = said
        return _json({"code": code, "message": message, "requestId": inbound.request_id}, headers, status)

    def check_key(self, key: str) -> None:
        """Refuse segments that are ``.`` or ``..``."""
        super().check_key(key)
        if any(segment in (".", "..") for segment in key.split("/")):
            raise Refused("InvalidURI")

    def wanted_digests(self, headers: Mapping[str, str]) -> set[str]:
        """Add CRC-32C when a flag asks for it."""
        flagged = headers.get("x-bce-content-crc32c-flag", "").lower() == "true"
        return super().wanted_digests(headers) | ({"crc32c"} if flagged else set())

    def type_header(self, _stored: StoredObject) -> dict[str, str]:
        """All objects here are normal ones."""
        return {"x-bce-object-type": "Normal"}

    def multipart_etag(self, md5_of_md5s: str, parts: int) -> str:
        """Return the MD5 of the parts' MD5s behind a hyphen."""
        return f"-{md5_of_md5s}"

    def copy_source(self, value: str) -> CopySource:
        """Read ``/bucket/key[?versionId=...]``, the key encoded."""
        path, _, query = value.partition("?")
        bucket, _, key = path.removeprefix("/").partition("/")
        return CopySource(decoded(bucket), decoded(key), query.partition("versionId=")[2] or None)

    def list_query(self, params: Mapping[str, str]) -> ListQuery:
        """Read the parameters of a listing."""
        return ListQuery(
            prefix=params.get("prefix", ""),
            delimiter=params.get("delimiter", ""),
            after=params.get("marker", ""),
            limit=number(params, self.max_keys, most=1000, default=1000),
        )

    def listing(self, bucket: Bucket, params: Mapping[str, str], query: ListQuery, page: Page) -> Reply:
        """Answer a listing."""
        said: dict[str, Any] = {
            "name": bucket.name,
            "prefix": query.prefix,
            "delimiter": query.delimiter,
            "marker": query.after,
            "maxKeys": query.limit,
            "isTruncated": page.last is not None,
            "contents": [self._entry(stored) for stored in page.objects],
        }
        if page.last is not None:
            said["nextMarker"] = page.last
        if query.delimiter:
            said["commonPrefixes"] = [{"prefix": prefix} for prefix in page.prefixes]
        return _json(said)

    def _entry(self, stored: StoredObject) -> dict[str, Any]:
        return {
            "key": stored.key,
            "lastModified": _iso(stored.modified),
            "eTag": stored.etag,
            "size": stored.size,
            "storageClass": stored.headers["x-bce-storage-class"],
            "owner": _OWNER,
        }

    def read_deletions(self, body: bytes) -> tuple[list[Deletion], bool]:
        """Read ``{"objects": [{"key": ..., "versionId": ...}]}``."""
        objects = _object(body).get("objects")
        if not isinstance(objects, list) or not all(isinstance(entry, dict) for entry in objects):
            raise Refused("MalformedBody")
        return [Deletion(str(entry.get("key", "")), entry.get("versionId")) for entry in objects], True

    def deleted(self, deletions: Sequence[Deletion], params: Mapping[str, str], *, quiet: bool) -> Reply:
        """Answer with the failures only; an empty body when there is none."""
        failed = []
        for deletion in deletions:
            if deletion.refused is not None:
                _, code, message = self.spelled(deletion.refused)
                failed.append({"key": deletion.key, "code": code, "message": message})
        return _json({"errors": failed}) if failed else Reply(200)

    def copied(self, stored: StoredObject, headers: Mapping[str, str], *, part: bool = False) -> Reply:
        """Answer a copy."""
        return _json({"lastModified": _iso(stored.modified), "eTag": stored.etag}, headers)

    def upload_started(self, bucket: Bucket, upload: Upload, params: Mapping[str, str]) -> Reply:
        """Answer the start of a multipart upload."""
        return _json({"bucket": bucket.name, "key": upload.key, "uploadId": upload.upload_id})

    def read_parts(self, body: bytes) -> list[tuple[int, str]]:
        """Read ``{"parts": [{"partNumber": ..., "eTag": ...}]}``."""
        try:
            return [(int(entry["partNumber"]), str(entry["eTag"])) for entry in _object(body)["parts"]]
        except (KeyError, TypeError, ValueError) as error:
            raise Refused("MalformedBody") from error

    def upload_completed(
        self, bucket: Bucket, stored: StoredObject, headers: Mapping[str, str], inbound: Inbound
    ) -> Reply:
        """Answer the end of a multipart upload."""
        location = f"http://{inbound.host}{inbound.path}"
        said = {"location": location, "bucket": bucket.name, "key": stored.key, "eTag": stored.etag}
        return _json(said, headers)

    def parts(
        self, bucket: Bucket, upload: Upload, parts: Sequence[Part], asked: tuple[int, int], *, truncated: bool
    ) -> Reply:
        """Answer with parts."""
        marker, limit = asked
        entries = [
            {
                "partNumber": part.number,
                "lastModified": _iso(part.modified),
                "eTag": part.digests["md5"],
                "size": part.size,
            }
            for part in parts
        ]
        said = {
            "bucket": bucket.name,
            "key": upload.key,
            "uploadId": upload.upload_id,
            "initiated": _iso(upload.initiated),
            "owner": _OWNER,
            "storageClass": upload.headers["x-bce-storage-class"],
            "partNumberMarker": marker,
            "nextPartNumberMarker": parts[-1].number if parts else marker,
            "maxParts": limit,
            "isTruncated": truncated,
            "parts": entries,
        }
        return _json(said)

    def uploads(
        self, bucket: Bucket, uploads: Sequence[Upload], params: Mapping[str, str], limit: int, *, truncated: bool
    ) -> Reply:
        """Answer with the uploads in progress."""
        entries = [
            {
                "key": upload.key,
                "uploadId": upload.upload_id,
                "owner": _OWNER,
                "initiated": _iso(upload.initiated),
                "storageClass": upload.headers["x-bce-storage-class"],
            }
            for upload in uploads
        ]
        said: dict[str, Any] = {
            "bucket": bucket.name,
            "prefix": params.get("prefix", ""),
            "keyMarker": params.get("keyMarker", ""),
            "maxUploads": limit,
            "isTruncated": truncated,
            "uploads": entries,
        }
        if truncated and uploads:
            said["nextKeyMarker"] = uploads[-1].key
        return _json(said)

    def fact(self, bucket: Bucket, fact: str) -> Reply:
        """Answer with a fact of a bucket."""
        owner = {"grantee": [{"id": _OWNER["id"]}], "permission": ["FULL_CONTROL"]}
        said: dict[str, dict[str, Any]] = {
            "location": {"locationConstraint": "local"},
            "versioning": {"status": "enabled" if bucket.versioned else "suspended"},
            "acl": {"owner": {"id": _OWNER["id"]}, "accessControlList": [owner]},
        }
        return _json(said[fact])

    def buckets(self, buckets: Sequence[Bucket]) -> Reply:
        """Answer with the buckets of the service."""
        entries = [{"name": b.name, "location": "local", "creationDate": "2020-01-01T00:00:00Z"} for b in buckets]
        return _json({"owner": _OWNER, "buckets": entries})
