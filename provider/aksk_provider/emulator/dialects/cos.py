"""Tencent COS."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

from aksk_provider.emulator.dialects.base import CopySource
from aksk_provider.emulator.dialects.xml import XmlDialect, texts
from aksk_provider.emulator.model import Inbound, Refused, decoded
from aksk_provider.emulator.objects import StoredObject
from aksk_provider.emulator.replies import Reply


class CosDialect(XmlDialect):
    """Tencent COS."""

    name = "cos"
    server = "tencent-cos"
    prefix = "x-cos-"
    errors: ClassVar[Mapping[str, tuple[int, str, str | None]]] = {
        "BadDigest": (400, "BadDigest", None),
        "DeletedKey": (404, "NoSuchKey", None),
        "ExpiredToken": (403, "ExpiredToken", None),
        "InvalidAuthorization": (403, "AccessDenied", None),
        "InvalidObjectName": (400, "KeyTooLong", None),
        "InvalidToken": (403, "InvalidToken", None),
        "IncorrectNumberOfFilesInPOSTRequest": (
            400,
            "MalformedPOSTRequest",
            "The body of your POST request is not well-formed multipart/form-data.",
        ),
        "InvalidPolicyDocument": (
            400,
            "InvalidPolicyDocument",
            "You must provide condition if you specify a policy in post object request.",
        ),
        "MalformedBody": (400, "MalformedXML", "The XML you provided was not well-formed."),
        "MissingToken": (403, "InvalidAccessKeyId", None),
        "UnexpectedToken": (403, "InvalidAccessKeyId", None),
        "VersionIsDeleteMarker": (405, "MethodNotAllowed", None),
    }
    digests = ("crc64",)
    digest_headers: ClassVar[Mapping[str, str]] = {"x-cos-hash-crc64ecma": "crc64"}
    checked_headers: ClassVar[Mapping[str, str]] = {"x-cos-content-sha1": "sha1"}
    key_bytes = 850
    min_part_size = 1024 * 1024
    grants = (
        f"<AccessControlList><Grant><Grantee>{texts(ID='1000000000', DisplayName='emulator')}</Grantee>"
        "<Permission>FULL_CONTROL</Permission></Grant></AccessControlList>"
    )
    default_keys = 1000
    forbid_overwrite_with_versions = False
    default_class_told = False
    storage_classes = (
        "STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ARCHIVE", "DEEP_ARCHIVE",
        "MAZ_STANDARD", "MAZ_STANDARD_IA", "MAZ_INTELLIGENT_TIERING",
    )  # fmt: skip

    def heard(self, inbound: Inbound) -> Inbound:
        """Read ``+`` in the query as a space: the vendor's Python SDK sends the one and signs the other."""
        return replace(inbound, query=inbound.query.replace("+", "%20"))

    def request_headers(self, request_id: str, *, failed: bool) -> dict[str, str]:
        """Return the request id, and on failure the trace id."""
        return {"x-cos-request-id": request_id} | ({"x-cos-trace-id": _trace_id(request_id)} if failed else {})

    def error_reply(
        self,
        status: int,
        headers: Mapping[str, str],
        said: tuple[str, str],
        details: Mapping[str, str],
        inbound: Inbound,
    ) -> Reply:
        """Answer with an error document, with nothing for HEAD."""
        if inbound.method == "HEAD":
            return Reply(status, headers)
        body = self.error_body(said, details, inbound)
        return Reply(status, {**headers, "content-type": "application/xml"}, body)

    def error_fields(self, inbound: Inbound) -> dict[str, str]:
        """Return resource, request id and trace id."""
        return {
            "Resource": f"{inbound.host}{inbound.path}",
            "RequestId": inbound.request_id,
            "TraceId": _trace_id(inbound.request_id),
        }

    def copy_source(self, value: str) -> CopySource:
        """Read ``bucket-appid.cos.region.myqcloud.com/key[?versionId=...]``, the key encoded."""
        path, _, query = value.partition("?")
        host, _, key = path.removeprefix("/").partition("/")
        bucket = re.match(r"[a-z0-9-]+-[0-9]+(?=\.|$)", host)
        if bucket is None or not key:
            raise Refused("InvalidArgument", "x-cos-copy-source must be the host of a bucket and a key.")
        return CopySource(bucket[0], decoded(key), query.partition("versionId=")[2] or None)

    def replaces_metadata(self, headers: Mapping[str, str], *, onto_itself: bool) -> bool:
        """Refuse to copy an object onto itself with nothing changed."""
        replaces = super().replaces_metadata(headers, onto_itself=onto_itself)
        if onto_itself and not replaces and "x-cos-storage-class" not in headers:
            raise Refused("InvalidRequest", "An object copied onto itself must change its metadata or storage class.")
        return replaces

    def copied_digests(self, stored: StoredObject) -> str:
        """Write the CRC-64 of the copy."""
        return texts(CRC64=stored.digests["crc64"])


def _trace_id(request_id: str) -> str:
    return f"trace-{request_id}"
