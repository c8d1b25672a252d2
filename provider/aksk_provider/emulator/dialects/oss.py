"""Alibaba OSS."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from aksk_provider.emulator.dialects.base import CopySource, ListQuery
from aksk_provider.emulator.dialects.xml import Names, XmlDialect, boolean, text, texts, xml
from aksk_provider.emulator.model import Bucket, Inbound, Refused, decoded
from aksk_provider.emulator.objects import Page, StoredObject
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.uploads import Part


class OssDialect(XmlDialect):
    """Alibaba OSS."""

    name = "oss"
    server = "AliyunOSS"
    prefix = "x-oss-"
    errors: ClassVar[Mapping[str, tuple[int, str, str | None]]] = {
        "DeletedKey": (404, "NoSuchKey", None),
        "ExpiredToken": (403, "SecurityTokenExpired", None),
        "InvalidAuthorization": (400, "InvalidArgument", None),
        "InvalidToken": (403, "InvalidSecurityToken", None),
        "InvalidURI": (400, "InvalidObjectName", None),
        "MalformedBody": (400, "MalformedXML", "The XML you provided was not well-formed."),
        "MissingContentMD5": (400, "MissingArgument", "Missing Some Required Arguments: Content-MD5."),
        "MissingToken": (403, "InvalidAccessKeyId", None),
        "UnexpectedToken": (403, "InvalidAccessKeyId", None),
        "VersionIsDeleteMarker": (405, "MethodNotAllowed", None),
    }
    digests = ("crc64",)
    digest_headers: ClassVar[Mapping[str, str]] = {"x-oss-hash-crc64ecma": "crc64"}
    checked_headers: ClassVar[Mapping[str, str]] = {}
    key_bytes = 1023
    min_part_size = 100 * 1024
    default_keys = 100
    lenient_ranges = True
    grants = "<AccessControlList><Grant>private</Grant></AccessControlList>"
    copy_not_modified = "NotModified"
    storage_classes = ("Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive")

    def request_headers(self, request_id: str, *, failed: bool) -> dict[str, str]:
        """Return the request id."""
        return {"x-oss-request-id": request_id, "x-oss-server-time": "1"}

    def error_reply(
        self,
        status: int,
        headers: Mapping[str, str],
        said: tuple[str, str],
        details: Mapping[str, str],
        inbound: Inbound,
    ) -> Reply:
        """Answer with an error document, for HEAD in a header."""
        body = self.error_body(said, details, inbound)
        if inbound.method == "HEAD":
            return Reply(status, {**headers, "x-oss-err": base64.b64encode(body).decode()})
        return Reply(status, {**headers, "content-type": "application/xml"}, body)

    def error_fields(self, inbound: Inbound) -> dict[str, str]:
        """Return request id and host."""
        return {"RequestId": inbound.request_id, "HostId": inbound.host}

    def check_key(self, key: str) -> None:
        """Refuse a leading slash or backslash."""
        super().check_key(key)
        if key.startswith(("/", "\\")):
            raise Refused("InvalidObjectName")

    def etag(self, md5: str) -> str:
        """Return the MD5 in upper case."""
        return md5.upper()

    def type_header(self, stored: StoredObject) -> dict[str, str]:
        """Return how the object was made, and the MD5 of one written at once."""
        if "-" in stored.etag:
            return {"x-oss-object-type": "Multipart"}
        md5 = base64.b64encode(bytes.fromhex(stored.etag)).decode()
        return {"x-oss-object-type": "Normal", "content-md5": md5}

    def copy_source(self, value: str) -> CopySource:
        """Read ``/bucket/key[?versionId=...]``, encoded."""
        path, _, query = value.partition("?")
        bucket, _, key = decoded(path).removeprefix("/").partition("/")
        return CopySource(bucket, key, query.partition("versionId=")[2] or None)

    def replaces_metadata(self, headers: Mapping[str, str], *, onto_itself: bool) -> bool:
        """Replace the headers of an object copied onto itself whatever the directive says."""
        return super().replaces_metadata(headers, onto_itself=onto_itself) or onto_itself

    def list_query(self, params: Mapping[str, str]) -> ListQuery:
        """Read the parameters of either version of the listing."""
        query = super().list_query(params)
        if params.get("list-type") != "2":
            return query
        token = params.get("continuation-token")
        try:
            after = base64.b64decode(token, validate=True).decode() if token else params.get("start-after", "")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Refused("InvalidArgument", "The continuation token is not valid.") from error
        return ListQuery(query.prefix, query.delimiter, after, query.limit)

    def listing(self, bucket: Bucket, params: Mapping[str, str], query: ListQuery, page: Page) -> Reply:
        """Answer either version of the listing."""
        if params.get("list-type") != "2":
            return super().listing(bucket, params, query, page)
        named = Names(params)
        start_after = params.get("start-after")
        fields = texts(
            Name=bucket.name,
            Prefix=named(query.prefix),
            StartAfter=None if start_after is None else named(start_after),
            ContinuationToken=params.get("continuation-token"),
            MaxKeys=query.limit,
            Delimiter=named(query.delimiter),
            EncodingType=named.encoding,
            IsTruncated=boolean(page.last is not None),
            NextContinuationToken=None if page.last is None else base64.b64encode(page.last.encode()).decode(),
            KeyCount=len(page.objects) + len(page.prefixes),
        )
        owner = params.get("fetch-owner") == "true"
        return xml("ListBucketResult", fields, *self.entries(named, page, owner=owner))

    def posted(self, stored: StoredObject, bucket: Bucket, location: str, headers: Mapping[str, str]) -> Reply:
        """Answer a form that asks for status 201 with a document."""
        fields = texts(Bucket=bucket.name, Location=location, Key=stored.key, ETag=f'"{stored.etag}"')
        return replace(xml("PostResponse", fields, headers=headers), status=201)

    def entry(self, named: Names, stored: StoredObject) -> str:
        """Add the type of the object."""
        kind = "Multipart" if "-" in stored.etag else "Normal"
        return super().entry(named, stored) + text("Type", kind)

    def part(self, part: Part) -> str:
        """Add the CRC-64 of the part."""
        return super().part(part) + text("HashCrc64ecma", part.digests["crc64"])

    def bucket(self, bucket: Bucket) -> str:
        """Add the endpoints."""
        endpoints = texts(ExtranetEndpoint="localhost", IntranetEndpoint="localhost", StorageClass="Standard")
        return super().bucket(bucket) + endpoints
