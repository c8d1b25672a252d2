"""PostObject: writes an object from a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from aksk_provider.emulator.bodies import Body
from aksk_provider.emulator.forms.policy import Policy, read_policy
from aksk_provider.emulator.forms.reader import FileStart, FormReader, is_form
from aksk_provider.emulator.forms.vendors import FILENAME, FORMS, FormDialect
from aksk_provider.emulator.model import Bucket, Refused
from aksk_provider.emulator.objects import StoredObject
from aksk_provider.emulator.operations.call import MAX_BODY, Call, content_md5
from aksk_provider.emulator.operations.objects import write_permission, written_headers
from aksk_provider.emulator.replies import Reply
from aksk_provider.signing import encoding

_NO_HEADERS = ("policy", "key", "file")


async def post_object(call: Call) -> Reply:
    """Write an object from a form, which carries its own signature."""
    if not is_form(call.inbound.method, call.headers):
        raise Refused("NotImplemented")
    form, bucket = FORMS[call.dialect.name], call.bucket
    reader = FormReader(call.headers["content-type"], call.body)
    start = await reader.read_fields()
    fields = reader.fields
    form.check_fields(fields)
    policy = read_policy(fields["policy"])
    form.check(fields, policy, call.accounts, call.now)
    if start is None:
        raise Refused("IncorrectNumberOfFilesInPOSTRequest")
    key = _key(form, fields, start)
    form.check_conditions(policy, {**fields, "key": key} if form.checks_final_key else fields, bucket)
    call = _as_put(call, form, fields, start, key)
    call.dialect.check_key(key)
    allowed = write_permission(call)
    body = await _take(call, form, policy, reader)
    etag = call.dialect.etag(body.digests["md5"])
    headers = call.dialect.kept_headers(call.headers)
    stored = call.storage.objects.put(bucket, key, body, etag=etag, headers=headers, now=call.now, allowed=allowed)
    return _answer(call, form, fields, stored, bucket)


def _key(form: FormDialect, fields: Mapping[str, str], start: FileStart) -> str:
    key = fields.get("key", "")
    if not key:
        raise Refused("InvalidArgument", "The form misses key.")
    return key.replace(FILENAME, start.name) if form.replaces_filename else key


def _as_put(call: Call, form: FormDialect, fields: Mapping[str, str], start: FileStart, key: str) -> Call:
    """Return the upload as a request whose headers are the fields."""
    headers = {n: v for n, v in fields.items() if n not in (*form.signature_fields, *_NO_HEADERS, "content-type")}
    if content_type := form.content_type(fields, start.content_type):
        headers["content-type"] = content_type
    inbound = replace(call.inbound, headers={"host": call.inbound.host, **headers})
    return replace(call, inbound=inbound, key=key)


async def _take(call: Call, form: FormDialect, policy: Policy, reader: FormReader) -> Body:
    """Stream the file to disk."""
    small, large = policy.sizes or (0, MAX_BODY)
    expected_md5 = content_md5(call.headers)
    with call.storage.bodies.intake(call.dialect.wanted_digests(call.headers)) as intake:
        async for chunk in reader.file():
            intake.write(chunk)
            if intake.size > min(large, MAX_BODY):
                raise form.size_refused(policy, intake.size)
        if intake.size < small:
            raise form.size_refused(policy, intake.size)
        digests = intake.digests()
        if expected_md5 is not None and expected_md5 != digests["md5"]:
            raise Refused("BadDigest", ClientDigest=expected_md5, ServerDigest=digests["md5"])
        call.check_digests(digests)
        return call.storage.bodies.adopt(intake)


def _answer(call: Call, form: FormDialect, fields: Mapping[str, str], stored: StoredObject, bucket: Bucket) -> Reply:
    headers = written_headers(call, stored)
    if url := fields.get(form.redirect):
        return Reply(303, {**headers, "location": form.location(url, stored, bucket)})
    path = f"{call.inbound.path.rstrip('/')}/{encoding.encode_path(stored.key)}"
    location = f"http://{call.inbound.host}{path}"
    status = fields.get(form.status)
    if status == "201":
        return call.dialect.posted(stored, bucket, location, headers)
    return Reply(200 if status == "200" else 204, {**headers, "location": location})
