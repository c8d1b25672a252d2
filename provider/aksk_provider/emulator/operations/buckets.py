"""Operations on buckets and on many objects."""

from __future__ import annotations

from dataclasses import replace

from aksk_provider.emulator.dialects.base import Deletion
from aksk_provider.emulator.model import Refused
from aksk_provider.emulator.operations.call import Call
from aksk_provider.emulator.replies import Reply

_BATCH = 1000


async def list_buckets(call: Call) -> Reply:
    """List the vendor's buckets."""
    return call.dialect.buckets([bucket for bucket in call.buckets.values() if bucket.vendor == call.dialect.name])


async def head_bucket(call: Call) -> Reply:
    """Tell that a bucket is there."""
    call.bucket  # noqa: B018 - refuses one that is not
    return Reply(200)


async def get_fact(call: Call) -> Reply:
    """Tell the location, versioning or access rights of a bucket, which SDKs ask for to see whether it is there."""
    fact = next(name for name in ("location", "versioning", "acl") if name in call.inbound.params)
    return call.dialect.fact(call.bucket, fact)


async def list_objects(call: Call) -> Reply:
    """List one page of a bucket."""
    params = call.inbound.params
    query = call.dialect.list_query(params)
    page = call.storage.objects.page(
        call.bucket, prefix=query.prefix, delimiter=query.delimiter, after=query.after, limit=query.limit
    )
    return call.dialect.listing(call.bucket, params, query, page)


async def delete_objects(call: Call) -> Reply:
    """Delete up to 1,000 objects."""
    call.bucket  # noqa: B018 - refuses one that is not there
    if call.dialect.delete_needs_md5 and "content-md5" not in call.headers:
        raise Refused("MissingContentMD5")
    deletions, quiet = call.dialect.read_deletions(await call.read_document())
    if not 0 < len(deletions) <= _BATCH:
        raise Refused("MalformedBody", f"A batch must name 1 to {_BATCH} objects.")
    done = [_delete(call, deletion) for deletion in deletions]
    return call.dialect.deleted(done, call.inbound.params, quiet=quiet)


def _delete(call: Call, deletion: Deletion) -> Deletion:
    try:
        call.dialect.check_key(deletion.key)
        gone = call.storage.objects.delete(call.bucket, deletion.key, deletion.version_id, call.now)
    except Refused as refused:
        return replace(deletion, refused=refused)
    return replace(deletion, marker=gone.version_id if gone and gone.marker else None)
