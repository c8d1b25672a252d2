"""Multipart uploads: what they make, and everything that is checked on the way."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import fastcrc
import pytest
import requests

from aksk_provider.emulator import Emulator
from aksk_provider.signing import encoding
from tests.emulator.asking import BUCKETS, VENDORS, Asker, Said, credentials_of, said

MIB = 1 << 20
FIRST, SECOND, LAST = b"a" * MIB, b"b" * MIB, b"the end"

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
def ask(emulator: Emulator, vendor: str) -> Asker:
    return Asker(emulator, vendor, credentials_of(emulator.accounts["AKPERMANENT"]))


@pytest.fixture
def key() -> str:
    return f"multipart/{uuid.uuid4().hex} é"


def start(ask: Asker, key: str, headers: dict[str, str] | None = None) -> str:
    answer = ask.ask("POST", key, [("uploads", "")], headers)
    assert answer.status_code == 200, answer.text
    if ask.vendor == "bos":
        return str(answer.json()["uploadId"])
    return ET.fromstring(answer.content).findtext("UploadId") or ""


def part(ask: Asker, key: str, upload_id: str, number: object, body: bytes, **headers: str) -> requests.Response:
    return ask.ask("PUT", key, [("partNumber", str(number)), ("uploadId", upload_id)], headers, body=body)


def complete(
    ask: Asker, key: str, upload_id: str, parts: list[tuple[int, str]], headers: dict[str, str] | None = None
) -> requests.Response:
    if ask.vendor == "bos":
        body = json.dumps({"parts": [{"partNumber": number, "eTag": etag} for number, etag in parts]})
    else:
        listed = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>"
    return ask.ask("POST", key, [("uploadId", upload_id)], headers, body=body.encode())


def refused(ask: Asker, answer: requests.Response) -> Said:
    assert answer.status_code >= 400, answer.text
    return said(ask.vendor, answer)


def upload(ask: Asker, key: str, *bodies: bytes, **options: Any) -> tuple[str, list[tuple[int, str]]]:
    upload_id = start(ask, key, **options)
    etags = [part(ask, key, upload_id, number, body).headers["ETag"] for number, body in enumerate(bodies, 1)]
    return upload_id, list(enumerate(etags, 1))


@every_vendor
def test_parts_make_an_object(ask: Asker, key: str) -> None:
    kept = {"Content-Type": "text/plain", f"{ask.prefix}meta-a": "1"}
    upload_id, parts = upload(ask, key, FIRST, SECOND, LAST, headers=kept)
    assert ask.ask("GET", key).status_code == 404, "before it is complete there is no object"
    answer = complete(ask, key, upload_id, parts)
    assert answer.status_code == 200, answer.text
    whole = FIRST + SECOND + LAST
    got = ask.ask("GET", key)
    assert got.content == whole
    assert (got.headers["Content-Type"], got.headers[f"{ask.prefix}meta-a"]) == ("text/plain", "1")
    md5s = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in (FIRST, SECOND, LAST))).hexdigest()
    etag = {"bos": f'"-{md5s}"', "oss": f'"{md5s.upper()}-3"', "cos": f'"{md5s}-3"'}[ask.vendor]
    assert got.headers["ETag"] == etag
    if ask.vendor == "bos":
        assert answer.json()["eTag"] == etag.strip('"')
    else:
        assert ET.fromstring(answer.content).findtext("ETag") == etag
        crc = str(fastcrc.crc64.xz(whole))
        assert (got.headers[f"{ask.prefix}hash-crc64ecma"], answer.headers[f"{ask.prefix}hash-crc64ecma"]) == (crc, crc)
    assert refused(ask, complete(ask, key, upload_id, parts)).code == "NoSuchUpload"


@every_vendor
def test_parts_may_come_in_any_order_and_again(ask: Asker, key: str) -> None:
    upload_id = start(ask, key)
    last = part(ask, key, upload_id, 7, LAST).headers["ETag"]
    part(ask, key, upload_id, 2, SECOND)
    first = part(ask, key, upload_id, 2, FIRST).headers["ETag"]
    part(ask, key, upload_id, 3, b"not named when it is completed")
    assert complete(ask, key, upload_id, [(2, first), (7, last)]).status_code == 200
    assert ask.ask("GET", key).content == FIRST + LAST


@every_vendor
def test_what_is_completed_must_be_what_was_uploaded(ask: Asker, key: str) -> None:
    upload_id, parts = upload(ask, key, FIRST, LAST)
    for wrong in ([(1, '"00"'), parts[1]], [parts[0], (5, parts[1][1])]):
        answer = refused(ask, complete(ask, key, upload_id, wrong))
        assert (answer.status, answer.code) == (400, "InvalidPart")
    for wrong in (parts[::-1], [parts[0], parts[0]]):
        answer = refused(ask, complete(ask, key, upload_id, wrong))
        assert (answer.status, answer.code) == (400, "InvalidPartOrder")
    assert refused(ask, complete(ask, key, upload_id, [])).code == "InvalidPart"
    assert complete(ask, key, upload_id, parts).status_code == 200


@every_vendor
def test_parts_but_the_last_have_a_smallest_size(ask: Asker, key: str) -> None:
    smallest = MIB if ask.vendor == "cos" else 100 * 1024
    upload_id, parts = upload(ask, key, b"x" * (smallest - 1), LAST)
    answer = refused(ask, complete(ask, key, upload_id, parts))
    assert (answer.status, answer.code) == (400, "EntityTooSmall")
    etag = part(ask, key, upload_id, 1, b"x" * smallest).headers["ETag"]
    assert complete(ask, key, upload_id, [(1, etag), parts[1]]).status_code == 200


@every_vendor
@pytest.mark.parametrize("number", ["0", "10001", "x", ""])
def test_part_numbers_go_from_one_to_ten_thousand(ask: Asker, key: str, number: str) -> None:
    answer = refused(ask, part(ask, key, start(ask, key), number, b"x"))
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@every_vendor
def test_an_upload_belongs_to_its_key(ask: Asker, key: str) -> None:
    upload_id = start(ask, key)
    for answer in (
        part(ask, f"{key}2", upload_id, 1, b"x"),
        part(ask, key, "NOSUCHUPLOAD", 1, b"x"),
        ask.ask("GET", f"{key}2", [("uploadId", upload_id)]),
        ask.ask("DELETE", f"{key}2", [("uploadId", upload_id)]),
        complete(ask, f"{key}2", upload_id, []),
    ):
        error = refused(ask, answer)
        assert (error.status, error.code) == (404, "NoSuchUpload")


@every_vendor
def test_a_part_that_is_not_the_promised_one_is_refused(ask: Asker, key: str) -> None:
    upload_id = start(ask, key)
    answer = refused(ask, part(ask, key, upload_id, 1, b"x", **{"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}))
    assert (answer.status, answer.code) == (400, "BadDigest")
    assert listed_parts(ask, key, upload_id) == ([], False)


@every_vendor
def test_an_aborted_upload_is_gone_with_its_parts(ask: Asker, key: str) -> None:
    upload_id, parts = upload(ask, key, FIRST)
    bodies = [stored.body for stored in stored_parts(ask, key, upload_id)]
    assert ask.ask("DELETE", key, [("uploadId", upload_id)]).status_code == 204
    assert refused(ask, complete(ask, key, upload_id, parts)).code == "NoSuchUpload"
    assert refused(ask, ask.ask("DELETE", key, [("uploadId", upload_id)])).code == "NoSuchUpload"
    assert not any(ask.emulator.storage.bodies.path(body).exists() for body in bodies)


@every_vendor
def test_a_completed_upload_leaves_no_parts_behind(ask: Asker, key: str) -> None:
    upload_id, parts = upload(ask, key, FIRST, LAST)
    bodies = [stored.body for stored in stored_parts(ask, key, upload_id)]
    complete(ask, key, upload_id, parts)
    assert len(bodies) == 2
    assert not any(ask.emulator.storage.bodies.path(body).exists() for body in bodies)


def stored_parts(ask: Asker, key: str, upload_id: str) -> list[Any]:
    uploads = ask.emulator.storage.uploads
    return uploads.parts(uploads.get(ask.emulator.buckets[ask.vendor, BUCKETS[ask.vendor]], key, upload_id))


def listed_parts(ask: Asker, key: str, upload_id: str, *params: tuple[str, str]) -> tuple[list[tuple[int, int]], bool]:
    answer = ask.ask("GET", key, [("uploadId", upload_id), *params])
    assert answer.status_code == 200, answer.text
    if ask.vendor == "bos":
        told = answer.json()
        return [(entry["partNumber"], entry["size"]) for entry in told["parts"]], told["isTruncated"]
    root = ET.fromstring(answer.content)
    parts = [(int(p.findtext("PartNumber") or 0), int(p.findtext("Size") or 0)) for p in root.iterfind("Part")]
    return parts, root.findtext("IsTruncated") == "true"


@every_vendor
def test_parts_are_listed_in_pages(ask: Asker, key: str) -> None:
    upload_id, _ = upload(ask, key, b"1", b"22", b"333")
    most, marker = ("maxParts", "partNumberMarker") if ask.vendor == "bos" else ("max-parts", "part-number-marker")
    assert listed_parts(ask, key, upload_id) == ([(1, 1), (2, 2), (3, 3)], False)
    assert listed_parts(ask, key, upload_id, (most, "2")) == ([(1, 1), (2, 2)], True)
    assert listed_parts(ask, key, upload_id, (most, "2"), (marker, "2")) == ([(3, 3)], False)


@every_vendor
def test_uploads_are_listed_in_pages(ask: Asker, key: str) -> None:
    started = {f"{key}/{number}": start(ask, f"{key}/{number}") for number in range(3)}
    json_names = ask.vendor == "bos"
    most, marker = ("maxUploads", "keyMarker") if json_names else ("max-uploads", "key-marker")

    def page(*params: tuple[str, str]) -> tuple[dict[str, str], str | None]:
        answer = ask.ask("GET", None, [("uploads", ""), ("prefix", f"{key}/"), *params])
        if json_names:
            told = answer.json()
            return {entry["key"]: entry["uploadId"] for entry in told["uploads"]}, told.get("nextKeyMarker")
        root = ET.fromstring(answer.content)
        found = {u.findtext("Key") or "": u.findtext("UploadId") or "" for u in root.iterfind("Upload")}
        return found, root.findtext("NextKeyMarker")

    first, last = page((most, "2"))
    assert last == f"{key}/1"
    rest, end = page((most, "2"), (marker, last))
    assert end is None
    assert first | rest == started


@every_vendor
def test_a_part_may_be_a_range_of_another_object(ask: Asker, key: str) -> None:
    ask.put(key, FIRST + LAST)
    host = ".cos.ap-guangzhou.myqcloud.com" if ask.vendor == "cos" else ""
    source = f"{'' if host else '/'}{BUCKETS[ask.vendor]}{host}/{encoding.encode_path(key)}"
    target = f"{key} copy"
    upload_id = start(ask, target)

    def copy(number: int, source_range: str | None, name: str = source) -> requests.Response:
        headers = {f"{ask.prefix}copy-source": name}
        if source_range:
            headers[f"{ask.prefix}copy-source-range"] = source_range
        return ask.ask("PUT", target, [("partNumber", str(number)), ("uploadId", upload_id)], headers)

    def etag(answer: requests.Response) -> str:
        assert answer.status_code == 200, answer.text
        return str(answer.json()["eTag"] if ask.vendor == "bos" else ET.fromstring(answer.content).findtext("ETag"))

    parts = [(1, etag(copy(1, f"bytes=0-{MIB - 1}"))), (2, etag(copy(2, f"bytes={MIB}-{MIB + 2}"))), (3, "")]
    parts[2] = (3, etag(copy(3, f"bytes={MIB}-")))
    assert refused(ask, copy(4, "nonsense")).code == "InvalidArgument"
    assert refused(ask, copy(4, "bytes=99999999-")).code == "InvalidRange"
    assert refused(ask, copy(4, None, f"{source}-not")).code == "NoSuchKey"
    assert refused(ask, complete(ask, target, upload_id, parts)).code == "EntityTooSmall"
    assert complete(ask, target, upload_id, [parts[0], parts[2]]).status_code == 200
    assert ask.ask("GET", target).content == FIRST + LAST


@every_vendor
def test_completing_respects_what_must_not_be_overwritten(ask: Asker, key: str) -> None:
    upload_id, parts = upload(ask, key, FIRST, LAST)
    ask.put(key, b"meanwhile")
    answer = complete(ask, key, upload_id, parts, {f"{ask.prefix}forbid-overwrite": "true"})
    assert answer.status_code in (409, 412)
    assert ask.ask("GET", key).content == b"meanwhile"
    assert complete(ask, key, upload_id, parts).status_code == 200, "the upload is still there"


@pytest.mark.parametrize("vendor", ["oss"])
def test_oss_completes_with_all_parts_when_asked(ask: Asker, key: str) -> None:
    upload_id, _ = upload(ask, key, FIRST, LAST)
    answer = ask.ask("POST", key, [("uploadId", upload_id)], {"x-oss-complete-all": "yes"})
    assert answer.status_code == 200, answer.text
    assert ask.ask("GET", key).content == FIRST + LAST


@pytest.mark.parametrize("vendor", ["bos"])
def test_bos_checks_the_crc_of_the_whole(ask: Asker, key: str) -> None:
    upload_id, parts = upload(ask, key, FIRST, LAST)
    before = stored_files(ask)
    answer = refused(ask, complete(ask, key, upload_id, parts, {"x-bce-content-crc32": "1"}))
    assert (answer.status, answer.code) == (400, "BadDigest")
    assert stored_files(ask) == before
    assert complete(ask, key, upload_id, parts).status_code == 200


@every_vendor
def test_a_malformed_completion_is_refused(ask: Asker, key: str) -> None:
    upload_id, _ = upload(ask, key, FIRST)
    for body in (b"nonsense", b"<Other/>", b'{"parts": 1}'):
        answer = refused(ask, ask.ask("POST", key, [("uploadId", upload_id)], body=body))
        assert (answer.status, answer.code) == (400, "MalformedJSON" if ask.vendor == "bos" else "MalformedXML")


@every_vendor
def test_a_part_that_arrives_after_its_upload_was_aborted_is_refused(ask: Asker, key: str) -> None:
    upload_id = start(ask, key)

    def body() -> Iterator[bytes]:
        yield FIRST
        assert ask.ask("DELETE", key, [("uploadId", upload_id)]).status_code == 204
        yield SECOND

    before = stored_files(ask)
    request = ask.request("PUT", key, [("partNumber", "1"), ("uploadId", upload_id)])
    with requests.Session() as session:
        session.trust_env = False
        prepared = session.prepare_request(requests.Request("PUT", request.url, dict(request.headers), data=body()))
        del prepared.headers["Transfer-Encoding"]
        prepared.headers["Content-Length"] = str(2 * MIB)
        error = refused(ask, session.send(prepared, timeout=30))
    assert (error.status, error.code) == (404, "NoSuchUpload")
    assert stored_files(ask) == before


@every_vendor
def test_an_upload_that_ends_while_it_is_completed_makes_no_object(
    ask: Asker, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, parts = upload(ask, key, FIRST, LAST)
    before = stored_files(ask)
    storage, bucket = ask.emulator.storage, ask.emulator.buckets[ask.vendor, BUCKETS[ask.vendor]]
    join = storage.bodies.join

    def slow_join(*args: Any) -> Any:
        body = join(*args)
        assert ask.ask("DELETE", key, [("uploadId", upload_id)]).status_code == 204
        return body

    monkeypatch.setattr(storage.bodies, "join", slow_join)
    assert refused(ask, complete(ask, key, upload_id, parts)).code == "NoSuchUpload"
    assert storage.objects.current(bucket, key) is None
    assert len(stored_files(ask)) == len(before) - 2


def stored_files(ask: Asker) -> set[Path]:
    root = ask.emulator.storage.bodies.path("x").parents[1]
    return {path for path in root.rglob("*") if path.is_file()}
