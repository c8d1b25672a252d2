"""The operations, each written once for all vendors, and the table that finds them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from aksk_provider.emulator.forms.post import post_object
from aksk_provider.emulator.model import Refused
from aksk_provider.emulator.operations import buckets, multipart, objects
from aksk_provider.emulator.operations.call import Call
from aksk_provider.emulator.replies import Reply

Operation = Callable[[Call], Awaitable[Reply]]

# By method, what the path names, and the sub-resource in the query.
_OPERATIONS: Mapping[tuple[str, str, str], Operation] = {
    ("GET", "service", ""): buckets.list_buckets,
    ("HEAD", "bucket", ""): buckets.head_bucket,
    ("GET", "bucket", "location"): buckets.get_fact,
    ("GET", "bucket", "versioning"): buckets.get_fact,
    ("GET", "bucket", "acl"): buckets.get_fact,
    ("GET", "bucket", ""): buckets.list_objects,
    ("POST", "bucket", "delete"): buckets.delete_objects,
    ("POST", "bucket", ""): post_object,
    ("GET", "bucket", "uploads"): multipart.list_uploads,
    ("PUT", "object", ""): objects.put_or_copy,
    ("GET", "object", ""): objects.get_object,
    ("HEAD", "object", ""): objects.head_object,
    ("HEAD", "object", "objectMeta"): objects.head_object,
    ("DELETE", "object", ""): objects.delete_object,
    ("POST", "object", "uploads"): multipart.start_upload,
    ("PUT", "object", "uploadId"): multipart.put_or_copy_part,
    ("POST", "object", "uploadId"): multipart.complete_upload,
    ("DELETE", "object", "uploadId"): multipart.abort_upload,
    ("GET", "object", "uploadId"): multipart.list_parts,
}
_SUBRESOURCES = (
    "uploadId", "uploads", "delete", "objectMeta",
    "acl", "append", "bucketInfo", "callback", "cors", "encryption", "fetch", "inventory", "lifecycle", "location",
    "logging", "policy", "quota", "referer", "rename", "replication", "restore", "select", "stat", "storageClass",
    "style", "symlink", "tagging", "trash", "versioning", "versions", "website", "worm",
)  # fmt: skip
_METHODS = {method for method, _, _ in _OPERATIONS}


def find(call: Call) -> Operation:
    """Return the operation that a request asks for."""
    method, params = call.inbound.method, call.inbound.params
    level = "service" if call.bucket_name is None else "object" if call.key else "bucket"
    subresource = next((name for name in _SUBRESOURCES if name in params), "")
    if method not in _METHODS:
        raise Refused("MethodNotAllowed")
    try:
        return _OPERATIONS[method, level, subresource]
    except KeyError:
        raise Refused("NotImplemented") from None
