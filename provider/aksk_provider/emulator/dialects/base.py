"""What a dialect tells and renders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from aksk_provider.emulator.model import Bucket, Inbound, Refused
from aksk_provider.emulator.objects import Page, StoredObject
from aksk_provider.emulator.replies import ERRORS, Reply
from aksk_provider.emulator.uploads import Part, Upload

_KEPT = ("content-type", "cache-control", "content-disposition", "content-encoding", "content-language", "expires")


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What a listing asks for.

    :param after: key or common prefix after which it starts
    """

    prefix: str
    delimiter: str
    after: str
    limit: int


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object that a copy reads."""

    bucket: str
    key: str
    version_id: str | None


@dataclass(frozen=True, slots=True)
class Deletion:
    """One object of a batch delete, and what became of it.

    :param marker: version id of the delete marker that was made
    :param refused: why it was not deleted
    """

    key: str
    version_id: str | None
    marker: str | None = None
    refused: Refused | None = None


class Dialect(ABC):
    """One vendor's way to say things."""

    name: ClassVar[str]
    server: ClassVar[str]
    prefix: ClassVar[str]
    # Errors that are not as in replies.ERRORS: status, code and, when it differs, the message.
    errors: ClassVar[Mapping[str, tuple[int, str, str | None]]]
    # Digests that every body gets, and the response headers that tell them.
    digests: ClassVar[Collection[str]]
    digest_headers: ClassVar[Mapping[str, str]]
    # Request headers that must agree with the body.
    checked_headers: ClassVar[Mapping[str, str]]
    # Query parameters of a GET that override headers of the answer.
    overrides: ClassVar[Mapping[str, str]]
    key_bytes: ClassVar[int]
    min_part_size: ClassVar[int]
    length_required: ClassVar[bool] = False
    delete_needs_md5: ClassVar[bool] = True
    conditional_put: ClassVar[bool] = False
    lenient_ranges: ClassVar[bool] = False
    forbid_overwrite_with_versions: ClassVar[bool] = True
    storage_classes: ClassVar[Collection[str]]
    default_class_told: ClassVar[bool] = True
    copy_not_modified: ClassVar[str] = "PreconditionFailed"
    max_keys: ClassVar[str]
    max_parts: ClassVar[str]
    max_uploads: ClassVar[str]
    part_number_marker: ClassVar[str]
    key_marker: ClassVar[str]
    upload_id_marker: ClassVar[str]

    def heard(self, inbound: Inbound) -> Inbound:
        """Return the request as the vendor reads it."""
        return inbound

    def spelled(self, refused: Refused) -> tuple[int, str, str]:
        """Return status, code and message of a refusal as the vendor has them."""
        status, message = ERRORS[refused.code]
        status, code, own = self.errors.get(refused.code, (status, refused.code, None))
        return status, code, refused.message or own or message

    def error(self, refused: Refused, inbound: Inbound) -> Reply:
        """Return the answer that a refusal means."""
        status, code, message = self.spelled(refused)
        headers = {}
        if refused.code in ("DeletedKey", "VersionIsDeleteMarker"):
            headers = {
                f"{self.prefix}delete-marker": "true",
                f"{self.prefix}version-id": refused.details.get("VersionId", ""),
            }
        if status == 304:
            return Reply(304, headers | {"etag": refused.details["ETag"]})
        if status == 416:
            headers["content-range"] = f"bytes */{refused.details['ActualObjectSize']}"
        return self.error_reply(status, headers, (code, message), refused.details, inbound)

    @abstractmethod
    def error_reply(
        self,
        status: int,
        headers: Mapping[str, str],
        said: tuple[str, str],
        details: Mapping[str, str],
        inbound: Inbound,
    ) -> Reply:
        """Return an error answer that says a (code, message)."""

    @abstractmethod
    def request_headers(self, request_id: str, *, failed: bool) -> dict[str, str]:
        """Return the headers that name the request."""

    def check_key(self, key: str) -> None:
        """Refuse a key that the vendor does not allow."""
        if len(key.encode()) > self.key_bytes:
            raise Refused("InvalidObjectName", f"The length of the object name must be at most {self.key_bytes} bytes.")

    def kept_headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """Return the request headers that stay with an object."""
        storage_class = f"{self.prefix}storage-class"
        if headers.get(storage_class, self.default_class) not in self.storage_classes:
            raise Refused("InvalidArgument", f"The storage class {headers[storage_class]} is not known.")
        kept = {n: v for n, v in headers.items() if n in _KEPT or n.startswith(f"{self.prefix}meta-")}
        kept.setdefault("content-type", "application/octet-stream")
        return kept | {storage_class: headers.get(storage_class, self.default_class)}

    @property
    def default_class(self) -> str:
        """The storage class of an object that names none."""
        return next(iter(self.storage_classes))

    def object_headers(self, stored: StoredObject, bucket: Bucket) -> dict[str, str]:
        """Return the headers that describe an object."""
        headers = dict(stored.headers)
        if not self.default_class_told and headers.get(f"{self.prefix}storage-class") == self.default_class:
            del headers[f"{self.prefix}storage-class"]
        headers["etag"] = f'"{stored.etag}"'
        headers["accept-ranges"] = "bytes"
        told = self.digest_values(stored.digests) | self.type_header(stored)
        return headers | told | self.version_headers(stored, bucket)

    def digest_values(self, digests: Mapping[str, str]) -> dict[str, str]:
        """Return the headers that tell the digests of a body."""
        return {header: digests[name] for header, name in self.digest_headers.items() if name in digests}

    def version_headers(self, stored: StoredObject, bucket: Bucket) -> dict[str, str]:
        """Return the header that names the version, in a bucket that has versions."""
        headers = {f"{self.prefix}version-id": stored.version_id} if bucket.versioned else {}
        return headers | ({f"{self.prefix}delete-marker": "true"} if stored.marker else {})

    def wanted_digests(self, headers: Mapping[str, str]) -> set[str]:
        """Return the digests to make of the body of a request."""
        return {"md5", *self.digests, *(name for header, name in self.checked_headers.items() if header in headers)}

    def etag(self, md5: str) -> str:
        """Return the entity tag of a body written at once."""
        return md5

    @abstractmethod
    def multipart_etag(self, md5_of_md5s: str, parts: int) -> str:
        """Return the entity tag of an object made of parts."""

    def type_header(self, _stored: StoredObject) -> dict[str, str]:
        """Return the header that tells the type of an object."""
        return {}

    @abstractmethod
    def copy_source(self, value: str) -> CopySource:
        """Read the header that names the source of a copy."""

    def replaces_metadata(self, headers: Mapping[str, str], *, onto_itself: bool) -> bool:
        """Tell whether a copy takes its headers from the request.

        :param onto_itself: whether source and target are the same object
        """
        directive = headers.get(f"{self.prefix}metadata-directive", "copy").lower()
        if directive not in ("copy", "replace", "replaced"):
            raise Refused("InvalidArgument", f"The metadata directive {directive} is not known.")
        return directive != "copy"

    @abstractmethod
    def list_query(self, params: Mapping[str, str]) -> ListQuery:
        """Read what a listing asks for."""

    @abstractmethod
    def listing(self, bucket: Bucket, params: Mapping[str, str], query: ListQuery, page: Page) -> Reply:
        """Answer a listing."""

    @abstractmethod
    def read_deletions(self, body: bytes) -> tuple[list[Deletion], bool]:
        """Read a batch delete: what, and whether to keep quiet about what worked."""

    @abstractmethod
    def deleted(self, deletions: Sequence[Deletion], params: Mapping[str, str], *, quiet: bool) -> Reply:
        """Answer a batch delete."""

    @abstractmethod
    def copied(self, stored: StoredObject, headers: Mapping[str, str], *, part: bool = False) -> Reply:
        """Answer a copy of an object or into a part."""

    @abstractmethod
    def upload_started(self, bucket: Bucket, upload: Upload, params: Mapping[str, str]) -> Reply:
        """Answer the start of a multipart upload."""

    @abstractmethod
    def read_parts(self, body: bytes) -> list[tuple[int, str]]:
        """Read which (number, entity tag) an upload consists of."""

    @abstractmethod
    def upload_completed(
        self, bucket: Bucket, stored: StoredObject, headers: Mapping[str, str], inbound: Inbound
    ) -> Reply:
        """Answer the end of a multipart upload."""

    @abstractmethod
    def parts(
        self, bucket: Bucket, upload: Upload, parts: Sequence[Part], asked: tuple[int, int], *, truncated: bool
    ) -> Reply:
        """Answer with parts; asked is (part number marker, limit)."""

    @abstractmethod
    def uploads(
        self, bucket: Bucket, uploads: Sequence[Upload], params: Mapping[str, str], limit: int, *, truncated: bool
    ) -> Reply:
        """Answer with the uploads in progress."""

    def posted(self, _stored: StoredObject, _bucket: Bucket, location: str, headers: Mapping[str, str]) -> Reply:
        """Answer a form that asks for status 201."""
        return Reply(201, {**headers, "location": location})

    @abstractmethod
    def fact(self, bucket: Bucket, fact: str) -> Reply:
        """Answer with the ``location``, ``versioning`` or ``acl`` of a bucket."""

    @abstractmethod
    def buckets(self, buckets: Sequence[Bucket]) -> Reply:
        """Answer with the buckets of the service."""


def number(params: Mapping[str, str], name: str, *, most: int, default: int) -> int:
    """Read a number from the query; more than the most it may be counts as that."""
    given = params.get(name) or str(default)
    if not given.isdecimal():
        raise Refused("InvalidArgument", f"{name} must be a number from 0 to {most}.", ArgumentName=name)
    return min(int(given), most)
