"""Operations of multipart uploads."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping

from aksk_provider.emulator.bodies import Body
from aksk_provider.emulator.conditions import byte_range
from aksk_provider.emulator.dialects.base import number
from aksk_provider.emulator.model import Refused
from aksk_provider.emulator.objects import StoredObject
from aksk_provider.emulator.operations.call import Call
from aksk_provider.emulator.operations.objects import read_source, write_permission, written_headers
from aksk_provider.emulator.replies import Reply
from aksk_provider.emulator.uploads import Part, Upload, chosen_parts

_MOST_PARTS = 10_000


async def start_upload(call: Call) -> Reply:
    """Start a multipart upload."""
    call.dialect.check_key(call.key)
    bucket = call.bucket
    write_permission(call)(call.storage.objects.current(bucket, call.key))
    upload = call.storage.uploads.start(bucket, call.key, call.dialect.kept_headers(call.headers), call.now)
    return call.dialect.upload_started(bucket, upload, call.inbound.params)


async def put_or_copy_part(call: Call) -> Reply:
    """Write a part from the body, or copy a range of an object into it."""
    upload, part_number = _upload(call), _part_number(call)
    if call.own_header("copy-source") is not None:
        return await _copy_part(call, upload, part_number)
    part = call.storage.uploads.put_part(upload, part_number, await call.take_body(), call.now)
    etag = call.dialect.etag(part.digests["md5"])
    return Reply(200, {"etag": f'"{etag}"'} | call.dialect.digest_values(part.digests))


async def _copy_part(call: Call, upload: Upload, part_number: int) -> Reply:
    dialect = call.dialect
    _, source = read_source(call)
    asked = call.own_header("copy-source-range")
    part = byte_range(asked, source.size)
    if asked is not None and part is None:
        raise Refused("InvalidArgument", "The range of the source must be bytes=first-last.")
    offset, length = part or (0, source.size)
    body = await _joined(call, [(source.body, offset, length)], gone="NoSuchKey")
    stored_part = call.storage.uploads.put_part(upload, part_number, body, call.now)
    return dialect.copied(_as_object(call, stored_part), {}, part=True)


async def complete_upload(call: Call) -> Reply:
    """Make an object of the parts of an upload."""
    upload, bucket, dialect = _upload(call), call.bucket, call.dialect
    document = await call.read_document()
    parts = call.storage.uploads.parts(upload)
    if (call.own_header("complete-all") or "").lower() == "yes":
        wanted = [(part.number, part.digests["md5"]) for part in parts]
    else:
        wanted = dialect.read_parts(document)
    chosen = chosen_parts(parts, wanted, min_size=dialect.min_part_size)
    allowed = write_permission(call)
    allowed(call.storage.objects.current(bucket, call.key))
    pieces = [(part.body, 0, part.size) for part in chosen]
    body = await _joined(call, pieces, gone="NoSuchUpload", check=call.check_digests)
    call.storage.uploads.still(upload, body)
    md5s = b"".join(bytes.fromhex(part.digests["md5"]) for part in chosen)
    etag = dialect.multipart_etag(hashlib.md5(md5s, usedforsecurity=False).hexdigest(), len(chosen))
    stored = call.storage.objects.put(
        bucket, call.key, body, etag=etag, headers=upload.headers, now=call.now, allowed=allowed
    )
    call.storage.uploads.end(upload)
    return dialect.upload_completed(bucket, stored, written_headers(call, stored), call.inbound)


async def abort_upload(call: Call) -> Reply:
    """Throw away an upload and its parts."""
    call.storage.uploads.end(_upload(call))
    return Reply(204)


async def list_parts(call: Call) -> Reply:
    """List the parts of an upload."""
    upload, params, dialect = _upload(call), call.inbound.params, call.dialect
    limit = number(params, dialect.max_parts, most=1000, default=1000)
    marker = number(params, dialect.part_number_marker, most=_MOST_PARTS, default=0)
    parts = call.storage.uploads.parts(upload, marker, limit + 1)
    shown = parts[:limit]
    return dialect.parts(call.bucket, upload, shown, (marker, limit), truncated=len(parts) > limit)


async def list_uploads(call: Call) -> Reply:
    """List the uploads in progress in a bucket."""
    params, dialect = call.inbound.params, call.dialect
    limit = number(params, dialect.max_uploads, most=1000, default=1000)
    after = (params.get(dialect.key_marker, ""), params.get(dialect.upload_id_marker, ""))
    uploads = call.storage.uploads.page(call.bucket, params.get("prefix", ""), after, limit + 1)
    return dialect.uploads(call.bucket, uploads[:limit], params, limit, truncated=len(uploads) > limit)


def _upload(call: Call) -> Upload:
    return call.storage.uploads.get(call.bucket, call.key, call.inbound.params["uploadId"])


def _part_number(call: Call) -> int:
    given = call.inbound.params.get("partNumber", "")
    if not given.isdecimal() or not 1 <= int(given) <= _MOST_PARTS:
        raise Refused("InvalidArgument", f"partNumber must be 1 to {_MOST_PARTS}.")
    return int(given)


async def _joined(
    call: Call,
    pieces: list[tuple[str, int, int]],
    *,
    gone: str,
    check: Callable[[Mapping[str, str]], None] = lambda _digests: None,
) -> Body:
    """Join bodies in a thread.

    :param gone: what to refuse with when a piece is removed meanwhile: other requests go on
    """
    digests = call.dialect.wanted_digests(call.headers)
    try:
        return await asyncio.to_thread(call.storage.bodies.join, pieces, digests, check)
    except FileNotFoundError:
        raise Refused(gone) from None


def _as_object(call: Call, part: Part) -> StoredObject:
    """Show a part as an object, for the answers that look the same."""
    etag = call.dialect.etag(part.digests["md5"])
    return StoredObject(
        call.key, "", marker=False, current=False, body=part.body, size=part.size, etag=etag,
        digests=part.digests, headers={}, modified=part.modified,
    )  # fmt: skip
