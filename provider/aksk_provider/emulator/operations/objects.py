"""Operations on one object."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import format_datetime

from aksk_provider.emulator.bodies import Body
from aksk_provider.emulator.conditions import byte_range, check_read, check_write
from aksk_provider.emulator.model import Bucket, Refused
from aksk_provider.emulator.objects import StoredObject
from aksk_provider.emulator.operations.call import MAX_BODY, Call
from aksk_provider.emulator.replies import Content, Reply


async def put_or_copy(call: Call) -> Reply:
    """Write an object from the body, or copy another one."""
    return copy_object(call) if call.own_header("copy-source") is not None else await put_object(call)


async def put_object(call: Call) -> Reply:
    """Write an object from the body of the request."""
    bucket, dialect = call.bucket, call.dialect
    dialect.check_key(call.key)
    headers = dialect.kept_headers(call.headers)
    allowed = write_permission(call)
    allowed(call.storage.objects.current(bucket, call.key))
    body = await call.take_body()
    etag = dialect.etag(body.digests["md5"])
    stored = call.storage.objects.put(bucket, call.key, body, etag=etag, headers=headers, now=call.now, allowed=allowed)
    return Reply(200, written_headers(call, stored))


async def get_object(call: Call) -> Reply:
    """Read an object or a range of it."""
    stored, headers = _readable(call)
    lenient = call.dialect.lenient_ranges and call.own_header("range-behavior") != "standard"
    part = byte_range(call.headers.get("range"), stored.size, lenient=lenient)
    offset, length = part or (0, stored.size)
    if part:
        headers["content-range"] = f"bytes {offset}-{offset + length - 1}/{stored.size}"
    content = Content(call.storage.bodies.open(stored.body), offset, length)
    return Reply(206 if part else 200, headers, content=content)


async def head_object(call: Call) -> Reply:
    """Tell the properties of an object."""
    stored, headers = _readable(call)
    return Reply(200, headers, length=stored.size)


async def delete_object(call: Call) -> Reply:
    """Delete an object or a version of it; one that is not there counts as deleted."""
    bucket = call.bucket
    gone = call.storage.objects.delete(bucket, call.key, call.inbound.params.get("versionId"), call.now)
    return Reply(204, {} if gone is None else call.dialect.version_headers(gone, bucket))


def copy_object(call: Call) -> Reply:
    """Copy an object within the vendor."""
    bucket, dialect = call.bucket, call.dialect
    dialect.check_key(call.key)
    source_bucket, source = read_source(call)
    if source.size > MAX_BODY:
        raise Refused("InvalidArgument", "An object of more than 5 GB must be copied in parts.")
    onto_itself = (source_bucket, source.key) == (bucket, call.key) and source.current
    replaces = dialect.replaces_metadata(call.headers, onto_itself=onto_itself)
    headers = dialect.kept_headers(call.headers)
    if not replaces:
        headers = {**source.headers, f"{dialect.prefix}storage-class": headers[f"{dialect.prefix}storage-class"]}
    body = Body(call.storage.bodies.duplicate(source.body), source.size, source.digests)
    stored = call.storage.objects.put(
        bucket, call.key, body, etag=source.etag, headers=headers, now=call.now, allowed=write_permission(call)
    )
    said = dialect.version_headers(stored, bucket) | dialect.digest_values(stored.digests)
    if source_bucket.versioned:
        said[f"{dialect.prefix}copy-source-version-id"] = source.version_id
    return dialect.copied(stored, said)


def read_source(call: Call) -> tuple[Bucket, StoredObject]:
    """Return the source of a copy and its bucket, its conditions checked."""
    dialect = call.dialect
    source = dialect.copy_source(call.own_header("copy-source") or "")
    bucket = call.bucket_named(source.bucket)
    stored = call.storage.objects.get(bucket, source.key, source.version_id)
    prefix = f"{dialect.prefix}copy-source-if-"
    check_read(call.headers, stored, not_modified=dialect.copy_not_modified, prefix=prefix)
    return bucket, stored


def write_permission(call: Call) -> Callable[[StoredObject | None], None]:
    """Return the check that a write must pass, given what is there."""
    dialect = call.dialect
    forbid = call.own_header("forbid-overwrite")
    if forbid not in (None, "true", "false"):
        raise Refused("InvalidArgument", f"{dialect.prefix}forbid-overwrite must be true or false.")
    forbidden = forbid == "true" and (dialect.forbid_overwrite_with_versions or not call.bucket.versioned)

    def allowed(current: StoredObject | None) -> None:
        if forbidden and current is not None:
            raise Refused("FileAlreadyExists", ObjectName=call.key)
        if dialect.conditional_put:
            check_write(call.headers, current)

    return allowed


def written_headers(call: Call, stored: StoredObject) -> dict[str, str]:
    """Return the headers of an answer to a write."""
    dialect = call.dialect
    told = {"etag": f'"{stored.etag}"'} | dialect.digest_values(stored.digests)
    return told | dialect.version_headers(stored, call.bucket)


def _readable(call: Call) -> tuple[StoredObject, dict[str, str]]:
    """Return an object that may be read, and the headers that describe it."""
    bucket, dialect, params = call.bucket, call.dialect, call.inbound.params
    stored = call.storage.objects.get(bucket, call.key, params.get("versionId"))
    check_read(call.headers, stored, not_modified="NotModified")
    headers = dialect.object_headers(stored, bucket)
    headers["last-modified"] = format_datetime(stored.modified, usegmt=True)
    return stored, headers | {header: params[name] for name, header in dialect.overrides.items() if name in params}
