"""Objects: headers, conditions, ranges, digests, versions, copies, each as its vendor has it."""

from __future__ import annotations

import base64
import hashlib
import uuid
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import fastcrc
import pytest

from aksk_provider.emulator import Emulator
from tests.emulator.asking import BUCKETS, VENDORS, VERSIONED, Asker, Said, credentials_of, said

BODY = b"0123456789"
MD5 = hashlib.md5(BODY).hexdigest()

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
def ask(emulator: Emulator, vendor: str) -> Asker:
    return Asker(emulator, vendor, credentials_of(emulator.accounts["AKPERMANENT"]))


@pytest.fixture
def versioned(ask: Asker) -> Asker:
    return ask.but(bucket=VERSIONED[ask.vendor])


@pytest.fixture
def key() -> str:
    return f"objects/{uuid.uuid4().hex} é"


def refused(ask: Asker, *args: object, **options: object) -> Said:
    return said(ask.vendor, ask.ask(*args, **options))


@every_vendor
def test_an_object_is_described_as_its_vendor_does(ask: Asker, key: str) -> None:
    ask.put(key, BODY, {"Content-Type": "text/plain", "Cache-Control": "no-cache", f"{ask.prefix}meta-owner": "a b"})
    got, headed = ask.ask("GET", key), ask.ask("HEAD", key)
    crc64 = str(fastcrc.crc64.xz(BODY))
    expected = {
        "bos": {
            "ETag": f'"{MD5}"',
            "x-bce-content-crc32": str(zlib.crc32(BODY)),
            "x-bce-storage-class": "STANDARD",
            "x-bce-object-type": "Normal",
            "Server": "BceBos",
        },
        "oss": {
            "ETag": f'"{MD5.upper()}"',
            "x-oss-hash-crc64ecma": crc64,
            "x-oss-storage-class": "Standard",
            "x-oss-object-type": "Normal",
            "Content-MD5": base64.b64encode(bytes.fromhex(MD5)).decode(),
            "Server": "AliyunOSS",
        },
        "cos": {"ETag": f'"{MD5}"', "x-cos-hash-crc64ecma": crc64, "Server": "tencent-cos"},
    }[ask.vendor]
    for answer in (got, headed):
        assert answer.status_code == 200
        assert answer.headers["Content-Length"] == "10"
        assert answer.headers["Content-Type"] == "text/plain"
        assert answer.headers["Cache-Control"] == "no-cache"
        assert answer.headers["Accept-Ranges"] == "bytes"
        assert answer.headers[f"{ask.prefix}meta-owner"] == "a b"
        assert {name: answer.headers[name] for name in expected} == expected
        assert f"{ask.prefix}version-id" not in answer.headers
    assert (got.content, headed.content) == (BODY, b"")
    assert ("x-cos-storage-class" in got.headers) is False


@every_vendor
def test_header_names_are_written_as_the_vendors_write_them(ask: Asker, key: str) -> None:
    ask.put(key, BODY)
    names = set(ask.ask("GET", key).raw.headers)
    assert {"ETag", "Content-Length", "Content-Type", "Last-Modified", "Date", f"{ask.prefix}request-id"} <= names


@every_vendor
def test_an_empty_object_is_an_object(ask: Asker, key: str) -> None:
    ask.put(key, b"")
    answer = ask.ask("GET", key)
    assert (answer.status_code, answer.content, answer.headers["Content-Length"]) == (200, b"", "0")


@every_vendor
def test_writing_again_replaces_body_and_headers(ask: Asker, key: str) -> None:
    ask.put(key, b"old", {"Content-Type": "text/plain", f"{ask.prefix}meta-a": "1"})
    ask.put(key, b"newer")
    answer = ask.ask("GET", key)
    assert (answer.content, answer.headers["Content-Type"]) == (b"newer", "application/octet-stream")
    assert f"{ask.prefix}meta-a" not in answer.headers


@every_vendor
def test_a_storage_class_is_kept(ask: Asker, key: str) -> None:
    name = f"{ask.prefix}storage-class"
    cold = {"bos": "COLD", "oss": "IA", "cos": "STANDARD_IA"}[ask.vendor]
    ask.put(key, BODY, {name: cold})
    assert ask.ask("HEAD", key).headers[name] == cold
    answer = refused(ask, "PUT", key, headers={name: "WARM"}, body=BODY)
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@every_vendor
def test_what_is_not_there_is_not_found(ask: Asker, key: str) -> None:
    answer = refused(ask, "GET", key)
    assert (answer.status, answer.code) == (404, "NoSuchKey")
    answer = refused(ask, "HEAD", key)
    assert (answer.status, answer.code) == (404, "NoSuchKey" if ask.vendor == "oss" else "")
    assert ask.ask("DELETE", key).status_code == 204


@every_vendor
def test_parameters_override_headers_of_the_answer(ask: Asker, key: str) -> None:
    ask.put(key, BODY)
    names = ["content-type", "content-language", "expires", "cache-control", "content-disposition", "content-encoding"]
    values = ["text/x", "de", "Thu, 29 Feb 2024 12:00:00 GMT", "no-store", 'attachment; filename="a b.txt"', "identity"]
    camel = {name: "response" + name.title().replace("-", "") for name in names}
    params = [(camel[n] if ask.vendor == "bos" else f"response-{n}", v) for n, v in zip(names, values, strict=True)]
    for form in ("header", "url"):
        answer = ask.but(form=form).ask("GET", key, params)
        assert answer.status_code == 200, answer.text
        assert [answer.headers[name] for name in names] == values


@every_vendor
@pytest.mark.parametrize(
    ("asked", "content", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-5", b"2345", "bytes 2-5/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", BODY, "bytes 0-9/10"),
    ],
)
def test_a_range_is_part_of_the_object(ask: Asker, key: str, asked: str, content: bytes, content_range: str) -> None:
    ask.put(key, BODY)
    answer = ask.ask("GET", key, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (206, content)
    assert answer.headers["Content-Range"] == content_range
    assert answer.headers["Content-Length"] == str(len(content))
    checksum = {"bos": "x-bce-content-crc32", "oss": "x-oss-hash-crc64ecma", "cos": "x-cos-hash-crc64ecma"}[ask.vendor]
    assert answer.headers[checksum] == ask.ask("HEAD", key).headers[checksum], "the checksum is of the whole object"


@every_vendor
@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=a-b", "lines=1-2", "bytes=0-1,4-5", "bytes=-"])
def test_what_is_no_range_is_ignored(ask: Asker, key: str, asked: str) -> None:
    ask.put(key, BODY)
    answer = ask.ask("GET", key, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, BODY)


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=10-12", "bytes=-0"])
@pytest.mark.parametrize("vendor", ["bos", "cos"])
def test_a_range_after_the_end_is_refused(ask: Asker, key: str, asked: str) -> None:
    ask.put(key, BODY)
    answer = ask.ask("GET", key, headers={"Range": asked})
    assert answer.headers["Content-Range"] == "bytes */10"
    assert (answer.status_code, said(ask.vendor, answer).code) == (416, "InvalidRange")


@pytest.mark.parametrize("asked", ["bytes=5-20", "bytes=10-12"])
@pytest.mark.parametrize("vendor", ["oss"])
def test_oss_answers_a_range_beyond_the_end_with_everything_unless_asked_for_the_standard(
    ask: Asker, key: str, asked: str
) -> None:
    ask.put(key, BODY)
    answer = ask.ask("GET", key, headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, BODY)
    answer = ask.ask("GET", key, headers={"Range": asked, "x-oss-range-behavior": "standard"})
    assert answer.status_code == (206 if asked == "bytes=5-20" else 416)


@every_vendor
def test_conditions_of_reading_are_checked(ask: Asker, key: str) -> None:
    etag = ask.put(key, BODY).headers["ETag"]
    now = datetime.now(timezone.utc)
    before, after = (format_datetime(now + timedelta(hours=h), usegmt=True) for h in (-1, 1))
    for method in ("GET", "HEAD"):
        for header, value, status in (
            ("If-Match", etag, 200),
            ("If-Match", "*", 200),
            ("If-Match", '"other"', 412),
            ("If-None-Match", etag, 304),
            ("If-None-Match", '"other"', 200),
            ("If-Modified-Since", before, 200),
            ("If-Modified-Since", after, 304),
            ("If-Unmodified-Since", before, 412),
            ("If-Unmodified-Since", after, 200),
            ("If-Modified-Since", "no date", 200),
        ):
            answer = ask.ask(method, key, headers={header: value})
            assert (answer.status_code, header, value) == (status, header, value)
            if status == 304:
                assert answer.headers["ETag"] == etag
    answer = refused(ask, "GET", key, headers={"If-Match": '"other"'})
    assert (answer.status, answer.code) == (412, "PreconditionFailed")


@every_vendor
def test_forbidding_to_overwrite_keeps_what_is_there(ask: Asker, key: str) -> None:
    header = {f"{ask.prefix}forbid-overwrite": "true"}
    ask.put(key, BODY, header)
    answer = refused(ask, "PUT", key, headers=header, body=b"other")
    expected = {
        "bos": (412, "PreconditionFailed"),
        "oss": (409, "FileAlreadyExists"),
        "cos": (409, "FileAlreadyExists"),
    }
    assert (answer.status, answer.code) == expected[ask.vendor]
    assert ask.ask("GET", key).content == BODY
    ask.put(key, b"other", {f"{ask.prefix}forbid-overwrite": "false"})
    assert refused(ask, "PUT", key, headers={f"{ask.prefix}forbid-overwrite": "maybe"}, body=b"").status == 400


@pytest.mark.parametrize("vendor", ["bos"])
def test_bos_checks_conditions_of_writing(ask: Asker, key: str) -> None:
    ask.put(key, BODY, {"If-None-Match": "*"})
    assert refused(ask, "PUT", key, headers={"If-None-Match": "*"}, body=b"").code == "PreconditionFailed"
    assert refused(ask, "PUT", key, headers={"If-Match": '"other"'}, body=b"").code == "PreconditionFailed"
    ask.put(key, b"newer", {"If-Match": f'"{MD5}"'})


@every_vendor
def test_a_body_that_is_not_the_promised_one_is_refused(ask: Asker, key: str) -> None:
    right, wrong = (base64.b64encode(hashlib.md5(body).digest()).decode() for body in (BODY, b"other"))
    answer = refused(ask, "PUT", key, headers={"Content-MD5": wrong}, body=BODY)
    assert (answer.status, answer.code) == (400, "BadDigest")
    answer = refused(ask, "PUT", key, headers={"Content-MD5": "nonsense"}, body=BODY)
    assert (answer.status, answer.code) == (400, "InvalidDigest")
    assert ask.ask("GET", key).status_code == 404
    ask.put(key, BODY, {"Content-MD5": right})


@pytest.mark.parametrize(
    ("vendor", "header", "value"),
    [
        ("bos", "x-bce-content-sha256", hashlib.sha256(BODY).hexdigest()),
        ("bos", "x-bce-content-crc32", str(zlib.crc32(BODY))),
        ("bos", "x-bce-content-crc32c", str(fastcrc.crc32.iscsi(BODY))),
        ("bos", "x-bce-content-crc64ecma", str(fastcrc.crc64.xz(BODY))),
        ("cos", "x-cos-content-sha1", hashlib.sha1(BODY).hexdigest()),
    ],
)
def test_the_vendors_own_digests_are_checked(ask: Asker, key: str, header: str, value: str) -> None:
    assert refused(ask, "PUT", key, headers={header: value}, body=b"other").code == "BadDigest"
    assert ask.ask("GET", key).status_code == 404
    ask.put(key, BODY, {header: value})
    if "crc" in header:
        assert ask.ask("HEAD", key).headers[header] == value


@pytest.mark.parametrize("vendor", ["bos"])
def test_bos_makes_a_crc32c_when_a_flag_asks_for_it(ask: Asker, key: str) -> None:
    ask.put(key, b"123456789", {"x-bce-content-crc32c-flag": "true"})
    assert ask.ask("HEAD", key).headers["x-bce-content-crc32c"] == str(0xE3069283)


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_the_crc_is_the_one_of_the_vendors(ask: Asker, key: str) -> None:
    answer = ask.put(key, b"123456789")
    assert answer.headers[f"{ask.prefix}hash-crc64ecma"] == str(0x995DC9BBDF1939FA)


@every_vendor
def test_keys_have_a_longest_length(ask: Asker) -> None:
    longest = {"bos": 1024, "oss": 1023, "cos": 850}[ask.vendor]
    ask.put("é" * (longest // 2), BODY)
    answer = refused(ask, "PUT", "é" * (longest // 2 + 1), body=BODY)
    assert (answer.status, answer.code) == (400, "KeyTooLong" if ask.vendor == "cos" else "InvalidObjectName")


@pytest.mark.parametrize("key", ["/leading", "\\leading"])
@pytest.mark.parametrize("vendor", ["oss"])
def test_oss_refuses_keys_that_start_with_a_slash(ask: Asker, key: str) -> None:
    answer = refused(ask, "PUT", key, body=BODY)
    assert (answer.status, answer.code) == (400, "InvalidObjectName")


def chunks() -> Iterator[bytes]:
    yield b"01234"
    yield b"56789"


@every_vendor
def test_a_body_of_unknown_length_is_for_oss_and_cos_only(ask: Asker, key: str) -> None:
    answer = ask.ask("PUT", key, body=chunks())
    if ask.vendor == "bos":
        assert (answer.status_code, said("bos", answer).code) == (411, "MissingContentLength")
        assert ask.ask("GET", key).status_code == 404
    else:
        assert answer.status_code == 200
        assert ask.ask("GET", key).content == BODY


@every_vendor
def test_a_copy_has_the_headers_of_its_source_unless_they_are_replaced(ask: Asker, key: str) -> None:
    ask.put(key, BODY, {"Content-Type": "text/plain", f"{ask.prefix}meta-a": "1"})
    source = {
        "bos": f"/{BUCKETS['bos']}/",
        "oss": f"/{BUCKETS['oss']}/",
        "cos": f"{BUCKETS['cos']}.cos.ap-guangzhou.myqcloud.com/",
    }[ask.vendor] + key.replace(" ", "%20").replace("é", "%C3%A9")
    name, target = f"{ask.prefix}copy-source", f"{key} copy"
    answer = ask.ask("PUT", target, headers={name: source})
    assert answer.status_code == 200, answer.text
    assert MD5 in answer.text.lower()
    copied = ask.ask("GET", target)
    assert (copied.content, copied.headers["Content-Type"], copied.headers[f"{ask.prefix}meta-a"]) == (
        BODY,
        "text/plain",
        "1",
    )
    directive = {"bos": "replace", "oss": "REPLACE", "cos": "Replaced"}[ask.vendor]
    changed = {
        name: source,
        f"{ask.prefix}metadata-directive": directive,
        f"{ask.prefix}meta-b": "2",
        "Content-Type": "a/b",
    }
    assert ask.ask("PUT", target, headers=changed).status_code == 200
    replaced = ask.ask("HEAD", target).headers
    assert (replaced["Content-Type"], replaced[f"{ask.prefix}meta-b"]) == ("a/b", "2")
    assert f"{ask.prefix}meta-a" not in replaced
    ask.ask("DELETE", key)
    assert ask.ask("GET", target).content == BODY, "a copy lives on without its source"


@every_vendor
def test_a_copy_checks_its_source(ask: Asker, key: str) -> None:
    ask.put(key, BODY)
    host = ".cos.ap-guangzhou.myqcloud.com" if ask.vendor == "cos" else ""
    name, start = f"{ask.prefix}copy-source", f"{'' if host else '/'}{BUCKETS[ask.vendor]}{host}/"
    source = start + key.replace(" ", "%20").replace("é", "%C3%A9")
    assert refused(ask, "PUT", f"{key}2", headers={name: f"{source}-not"}).code == "NoSuchKey"
    other_etag = {name: source, f"{ask.prefix}copy-source-if-match": '"other"'}
    assert refused(ask, "PUT", f"{key}2", headers=other_etag).code == "PreconditionFailed"
    same = {name: source, f"{ask.prefix}copy-source-if-none-match": f'"{MD5}"'}
    assert ask.ask("PUT", f"{key}2", headers=same).status_code == (304 if ask.vendor == "oss" else 412)
    assert ask.ask("HEAD", f"{key}2").status_code == 404
    ask.put(f"{key}3", b"there")
    kept = {name: source, f"{ask.prefix}forbid-overwrite": "true"}
    assert ask.ask("PUT", f"{key}3", headers=kept).status_code in (409, 412)
    assert ask.ask("GET", f"{key}3").content == b"there"


@every_vendor
def test_a_versioned_bucket_keeps_every_version(versioned: Asker, key: str) -> None:
    ask, name = versioned, f"{versioned.prefix}version-id"
    first, second = (ask.put(key, body).headers[name] for body in (b"first", b"second"))
    assert ask.ask("GET", key).content == b"second"
    assert ask.ask("GET", key).headers[name] == second
    old = ask.ask("GET", key, [("versionId", first)])
    assert (old.content, old.headers[name]) == (b"first", first)
    assert ask.ask("HEAD", key, [("versionId", first)]).headers["Content-Length"] == "5"

    gone = ask.ask("DELETE", key)
    assert (gone.status_code, gone.headers[f"{ask.prefix}delete-marker"]) == (204, "true")
    marker = gone.headers[name]
    answer = ask.ask("GET", key)
    assert (answer.status_code, answer.headers[f"{ask.prefix}delete-marker"]) == (404, "true")
    assert said(ask.vendor, answer).code == "NoSuchKey"
    assert refused(ask, "GET", key, [("versionId", marker)]).status == 405
    assert ask.ask("GET", key, [("versionId", second)]).content == b"second"

    assert ask.ask("DELETE", key, [("versionId", marker)]).status_code == 204
    assert ask.ask("GET", key).content == b"second", "without its marker the object is back"
    assert ask.ask("DELETE", key, [("versionId", second)]).headers[name] == second
    assert ask.ask("GET", key).content == b"first"
    answer = refused(ask, "GET", key, [("versionId", second)])
    assert (answer.status, answer.code) == (404, "NoSuchVersion")


@every_vendor
def test_forbidding_to_overwrite_does_not_bind_cos_with_versions(versioned: Asker, key: str) -> None:
    header = {f"{versioned.prefix}forbid-overwrite": "true"}
    versioned.put(key, b"first", header)
    status = versioned.ask("PUT", key, headers=header, body=b"second").status_code
    assert status == {"bos": 412, "oss": 409, "cos": 200}[versioned.vendor]


@every_vendor
def test_what_is_not_served_says_so(ask: Asker, key: str) -> None:
    for method, sub_resource in (("PUT", "acl"), ("GET", "tagging"), ("POST", "append"), ("GET", "restore")):
        answer = refused(ask, method, key, [(sub_resource, "")])
        assert (answer.status, answer.code) == (501, "NotImplemented")
    answer = refused(ask, "PATCH", key)
    assert (answer.status, answer.code) == (405, "MethodNotAllowed")


@every_vendor
def test_a_copy_onto_itself_changes_the_metadata(ask: Asker, key: str) -> None:
    ask.put(key, BODY, {f"{ask.prefix}meta-a": "1"})
    host = ".cos.ap-guangzhou.myqcloud.com" if ask.vendor == "cos" else ""
    source = f"{'' if host else '/'}{BUCKETS[ask.vendor]}{host}/" + key.replace(" ", "%20").replace("é", "%C3%A9")
    headers = {f"{ask.prefix}copy-source": source, f"{ask.prefix}meta-b": "2"}
    assert ask.ask("PUT", key, headers=headers).status_code == {"bos": 200, "oss": 200, "cos": 400}[ask.vendor]
    headers[f"{ask.prefix}metadata-directive"] = "Replaced" if ask.vendor == "cos" else "replace"
    assert ask.ask("PUT", key, headers=headers).status_code == 200
    answer = ask.ask("GET", key)
    assert (answer.content, answer.headers[f"{ask.prefix}meta-b"]) == (BODY, "2")
    assert f"{ask.prefix}meta-a" not in answer.headers
