"""What the two vendors that speak XML have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import ClassVar
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape

from aksk_provider.emulator.dialects.base import Deletion, Dialect, ListQuery, number
from aksk_provider.emulator.model import Bucket, Inbound, Refused
from aksk_provider.emulator.objects import Page, StoredObject
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.uploads import Part, Upload
from aksk_provider.signing import encoding

OWNER = "<Owner><ID>1000000000</ID><DisplayName>emulator</DisplayName></Owner>"


def text(name: str, value: object) -> str:
    """Write an element that holds text."""
    return f"<{name}>{escape(str(value))}</{name}>"


def texts(**values: object) -> str:
    """Write elements that hold text, without those whose value is ``None``."""
    return "".join(text(name, value) for name, value in values.items() if value is not None)


def document(root: str, *content: str) -> bytes:
    """Write an XML document."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{root}>{"".join(content)}</{root}>'.encode()


def xml(root: str, *content: str, headers: Mapping[str, str] | None = None) -> Reply:
    """Answer with an XML document."""
    return Reply(200, {**(headers or {}), "content-type": "application/xml"}, document(root, *content))


def iso(time: datetime) -> str:
    """Write a time as both vendors do in bodies."""
    return f"{time:%Y-%m-%dT%H:%M:%S.000Z}"


def parse(body: bytes) -> ET.Element:
    """Read the XML body of a request, without name spaces."""
    try:
        root = ET.fromstring(body)  # noqa: S314 - expat limits entity expansion
    except ET.ParseError as error:
        raise Refused("MalformedBody") from error
    for node in root.iter():
        node.tag = node.tag.rpartition("}")[2]
    return root


class Names:
    """Writes keys as the request asked: URL-encoded with ``%20`` and ``%2B``, or as they are."""

    def __init__(self, params: Mapping[str, str]) -> None:
        asked = params.get("encoding-type")
        if asked not in (None, "", "url"):
            raise Refused("InvalidArgument", "encoding-type must be url.")
        self.encoding = asked or None

    def __call__(self, name: str) -> str:
        """Write a key."""
        return encoding.encode(name) if self.encoding else name


class XmlDialect(Dialect):
    """OSS and COS."""

    overrides: ClassVar[Mapping[str, str]] = {
        f"response-{name}": name
        for name in (
            "content-type",
            "content-language",
            "expires",
            "cache-control",
            "content-disposition",
            "content-encoding",
        )
    }
    max_keys = "max-keys"
    max_parts = "max-parts"
    max_uploads = "max-uploads"
    part_number_marker = "part-number-marker"
    key_marker = "key-marker"
    upload_id_marker = "upload-id-marker"

    def multipart_etag(self, md5_of_md5s: str, parts: int) -> str:
        """Return the MD5 of the parts' MD5s and their number."""
        return f"{self.etag(md5_of_md5s)}-{parts}"

    def error_body(self, said: tuple[str, str], details: Mapping[str, str], inbound: Inbound) -> bytes:
        """Write an error document."""
        code, message = said
        return document("Error", texts(Code=code, Message=message, **self.error_fields(inbound), **details))

    @abstractmethod
    def error_fields(self, inbound: Inbound) -> dict[str, str]:
        """Return the fields of an error document beside code and message."""

    def list_query(self, params: Mapping[str, str]) -> ListQuery:
        """Read the parameters of the first version of the listing."""
        return ListQuery(
            prefix=params.get("prefix", ""),
            delimiter=params.get("delimiter", ""),
            after=params.get("marker", ""),
            limit=number(params, self.max_keys, most=1000, default=self.default_keys),
        )

    default_keys: ClassVar[int]

    def listing(self, bucket: Bucket, params: Mapping[str, str], query: ListQuery, page: Page) -> Reply:
        """Answer the first version of the listing."""
        named = Names(params)
        return xml(
            "ListBucketResult",
            texts(
                Name=bucket.name,
                Prefix=named(query.prefix),
                Marker=named(query.after),
                MaxKeys=query.limit,
                Delimiter=named(query.delimiter),
                EncodingType=named.encoding,
                IsTruncated=boolean(page.last is not None),
                NextMarker=None if page.last is None else named(page.last),
            ),
            *self.entries(named, page, owner=True),
        )

    def entries(self, named: Names, page: Page, *, owner: bool) -> list[str]:
        """Write the objects and prefixes of a page."""
        objects = [
            f"<Contents>{self.entry(named, stored)}{OWNER if owner else ''}</Contents>" for stored in page.objects
        ]
        return objects + [
            f"<CommonPrefixes>{text('Prefix', named(prefix))}</CommonPrefixes>" for prefix in page.prefixes
        ]

    def entry(self, named: Names, stored: StoredObject) -> str:
        """Write one object of a listing."""
        return texts(
            Key=named(stored.key),
            LastModified=iso(stored.modified),
            ETag=f'"{stored.etag}"',
            Size=stored.size,
            StorageClass=stored.headers[f"{self.prefix}storage-class"],
        )

    def read_deletions(self, body: bytes) -> tuple[list[Deletion], bool]:
        """Read a ``Delete`` document."""
        root = parse(body)
        if root.tag != "Delete":
            raise Refused("MalformedBody")
        deletions = [
            Deletion(node.findtext("Key") or "", node.findtext("VersionId")) for node in root.iterfind("Object")
        ]
        return deletions, (root.findtext("Quiet") or "").lower() == "true"

    def deleted(self, deletions: Sequence[Deletion], params: Mapping[str, str], *, quiet: bool) -> Reply:
        """Answer with a ``DeleteResult`` document."""
        named = Names(params)
        entries = []
        for deletion in deletions:
            key, version_id = named(deletion.key), deletion.version_id
            if deletion.refused is not None:
                _, code, message = self.spelled(deletion.refused)
                said = texts(Code=code, Message=message)
                entries.append(f"<Error>{texts(Key=key, VersionId=version_id)}{said}</Error>")
            elif not quiet:
                marked = deletion.marker
                marker = texts(DeleteMarker="true", DeleteMarkerVersionId=marked) if marked else ""
                entries.append(f"<Deleted>{texts(Key=key, VersionId=version_id)}{marker}</Deleted>")
        return xml("DeleteResult", texts(EncodingType=named.encoding), *entries)

    def copied(self, stored: StoredObject, headers: Mapping[str, str], *, part: bool = False) -> Reply:
        """Answer with a ``CopyObjectResult`` or ``CopyPartResult`` document."""
        digests = "" if part else self.copied_digests(stored)
        return xml(
            "CopyPartResult" if part else "CopyObjectResult",
            texts(LastModified=iso(stored.modified), ETag=f'"{stored.etag}"'),
            digests,
            headers=headers,
        )

    def copied_digests(self, _stored: StoredObject) -> str:
        """Write the digests that an answer to a copy tells in its body."""
        return ""

    def upload_started(self, bucket: Bucket, upload: Upload, params: Mapping[str, str]) -> Reply:
        """Answer with an ``InitiateMultipartUploadResult`` document."""
        named = Names(params)
        fields = texts(
            EncodingType=named.encoding, Bucket=bucket.name, Key=named(upload.key), UploadId=upload.upload_id
        )
        return xml("InitiateMultipartUploadResult", fields)

    def read_parts(self, body: bytes) -> list[tuple[int, str]]:
        """Read a ``CompleteMultipartUpload`` document."""
        root = parse(body)
        if root.tag != "CompleteMultipartUpload":
            raise Refused("MalformedBody")
        try:
            return [
                (int(node.findtext("PartNumber") or ""), (node.findtext("ETag") or "").strip())
                for node in root.iterfind("Part")
            ]
        except ValueError as error:
            raise Refused("MalformedBody") from error

    def upload_completed(
        self, bucket: Bucket, stored: StoredObject, headers: Mapping[str, str], inbound: Inbound
    ) -> Reply:
        """Answer with a ``CompleteMultipartUploadResult`` document."""
        named = Names(inbound.params)
        location = f"http://{inbound.host}{inbound.path}"
        fields = texts(
            EncodingType=named.encoding,
            Location=location,
            Bucket=bucket.name,
            Key=named(stored.key),
            ETag=f'"{stored.etag}"',
        )
        return xml("CompleteMultipartUploadResult", fields, headers=headers)

    def parts(
        self, bucket: Bucket, upload: Upload, parts: Sequence[Part], asked: tuple[int, int], *, truncated: bool
    ) -> Reply:
        """Answer with a ``ListPartsResult`` document."""
        marker, limit = asked
        fields = texts(
            Bucket=bucket.name,
            Key=upload.key,
            UploadId=upload.upload_id,
            StorageClass=upload.headers[f"{self.prefix}storage-class"],
            PartNumberMarker=marker,
            NextPartNumberMarker=parts[-1].number if parts else marker,
            MaxParts=limit,
            IsTruncated=boolean(truncated),
        )
        return xml("ListPartsResult", fields, OWNER, *(f"<Part>{self.part(part)}</Part>" for part in parts))

    def part(self, part: Part) -> str:
        """Write one part of a listing."""
        return texts(
            PartNumber=part.number,
            LastModified=iso(part.modified),
            ETag=f'"{self.etag(part.digests["md5"])}"',
            Size=part.size,
        )

    def uploads(
        self, bucket: Bucket, uploads: Sequence[Upload], params: Mapping[str, str], limit: int, *, truncated: bool
    ) -> Reply:
        """Answer with a ``ListMultipartUploadsResult`` document."""
        named = Names(params)
        last = uploads[-1] if truncated and uploads else None
        fields = texts(
            Bucket=bucket.name,
            EncodingType=named.encoding,
            KeyMarker=named(params.get(self.key_marker, "")),
            UploadIdMarker=params.get(self.upload_id_marker, ""),
            NextKeyMarker=named(last.key) if last else None,
            NextUploadIdMarker=last.upload_id if last else None,
            Prefix=named(params.get("prefix", "")),
            Delimiter=named(params.get("delimiter", "")),
            MaxUploads=limit,
            IsTruncated=boolean(truncated),
        )
        entries = (
            f"<Upload>{texts(Key=named(u.key), UploadId=u.upload_id, Initiated=iso(u.initiated))}"
            f"{text('StorageClass', u.headers[f'{self.prefix}storage-class'])}</Upload>"
            for u in uploads
        )
        return xml("ListMultipartUploadsResult", fields, *entries)

    def fact(self, bucket: Bucket, fact: str) -> Reply:
        """Answer with a fact of a bucket."""
        if fact == "location":
            return Reply(200, {"content-type": "application/xml"}, document("LocationConstraint", "local"))
        if fact == "versioning":
            return xml("VersioningConfiguration", texts(Status="Enabled" if bucket.versioned else None))
        return xml("AccessControlPolicy", OWNER, self.grants)

    grants: ClassVar[str]

    def buckets(self, buckets: Sequence[Bucket]) -> Reply:
        """Answer with a ``ListAllMyBucketsResult`` document."""
        entries = "".join(f"<Bucket>{self.bucket(bucket)}</Bucket>" for bucket in buckets)
        return xml("ListAllMyBucketsResult", OWNER, f"<Buckets>{entries}</Buckets>")

    def bucket(self, bucket: Bucket) -> str:
        """Write one bucket of the service."""
        return texts(Name=bucket.name, Location="local", CreationDate="2020-01-01T00:00:00.000Z")


def boolean(value: bool) -> str:
    """Write a boolean."""
    return "true" if value else "false"
