"""Listings: order, pages, delimiters and encodings; and deletion of what was listed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator.index import open_index
from aksk_provider.emulator.objects import Page
from aksk_provider.emulator.operations.call import Storage
from aksk_provider.signing import Credentials
from tests.emulator.asking import BUCKETS, VENDORS, VERSIONED, Asker, credentials_of, said

BUCKET = Bucket("oss", "listing")
NAMES = ["a", "a/", "a/1", "a/1/x", "a/2", "a0", "b", "b/é", "b/中", "z", "é", "中", "🚀"]

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    made = Storage(tmp_path)
    yield made
    made.close()


@pytest.fixture
def ask(emulator: Emulator, vendor: str) -> Asker:
    return Asker(emulator, vendor, credentials_of(emulator.accounts["AKPERMANENT"]))


def fill(storage: Storage, keys: list[str]) -> None:
    """Write empty objects, without a server."""
    for key in keys:
        with storage.bodies.intake(["md5"]) as intake:
            body = storage.bodies.adopt(intake)
        storage.objects.put(
            BUCKET, key, body, etag="0", headers={"x-oss-storage-class": "Standard"}, now=datetime.now(timezone.utc)
        )


def names(page: Page) -> list[str]:
    return [stored.key for stored in page.objects] + page.prefixes


def walk(storage: Storage, limit: int, prefix: str = "", delimiter: str = "", after: str = "") -> list[str]:
    """Return everything that pages of this size list."""
    found: list[str] = []
    while True:
        page = storage.objects.page(BUCKET, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        found += sorted(names(page), key=str.encode)
        if page.last is None:
            return found
        assert len(names(page)) == limit
        after = page.last


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_keys_come_in_the_order_of_their_bytes(storage: Storage, limit: int) -> None:
    fill(storage, list(reversed(NAMES)))
    assert walk(storage, limit) == sorted(NAMES, key=str.encode)
    assert walk(storage, limit, prefix="a") == ["a", "a/", "a/1", "a/1/x", "a/2", "a0"]
    assert walk(storage, limit, prefix="b/") == ["b/é", "b/中"]
    assert walk(storage, limit, prefix="nothing") == []
    assert walk(storage, limit, after="a/1") == sorted(NAMES, key=str.encode)[3:]
    assert walk(storage, limit, prefix="b", after="a") == ["b", "b/é", "b/中"]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_a_delimiter_rolls_folders_up(storage: Storage, limit: int) -> None:
    fill(storage, NAMES)
    assert walk(storage, limit, delimiter="/") == ["a", "a/", "a0", "b", "b/", "z", "é", "中", "🚀"]
    assert walk(storage, limit, prefix="a/", delimiter="/") == ["a/", "a/1", "a/1/", "a/2"]
    assert walk(storage, limit, delimiter="/1") == [
        "a",
        "a/",
        "a/1",
        "a/2",
        "a0",
        "b",
        "b/é",
        "b/中",
        "z",
        "é",
        "中",
        "🚀",
    ]


def test_a_page_of_nothing_is_the_last(storage: Storage) -> None:
    fill(storage, NAMES)
    assert storage.objects.page(BUCKET, prefix="", delimiter="", after="", limit=0) == Page([], [], None)


@every_vendor
def test_twelve_thousand_keys_are_listed_in_pages(tmp_path: Path, vendor: str) -> None:
    bucket = Bucket(vendor, BUCKETS[vendor])
    keys = sorted(f"{number % 7}/{number:05}" for number in range(12_000))
    seed(tmp_path, bucket, keys)
    with Emulator(accounts=[Account("AK", "SK")], buckets=[bucket], data_dir=tmp_path) as emulator:
        ask = Asker(emulator, vendor, Credentials("AK", "SK"))
        started = time.perf_counter()
        found: list[str] = []
        for page in pages(ask):
            assert len(page) == 1000
            found += page
        elapsed = time.perf_counter() - started
    assert found == keys
    # A page reads its own keys and no others: twelve pages in well under a second each, however slow the machine.
    assert elapsed < 30


def seed(directory: Path, bucket: Bucket, keys: list[str]) -> None:
    """Write the index of many objects at once, without their bodies."""
    storage_class = json.dumps({f"x-{'bce' if bucket.vendor == 'bos' else bucket.vendor}-storage-class": "STANDARD"})
    index = open_index(directory)
    index.execute("BEGIN")
    index.executemany(
        "INSERT INTO objects (bucket, key, version_id, current, marker, body, size, etag, digests, headers, modified)"
        " VALUES (?, ?, 'null', 1, 0, 'none', 0, 'etag', '{}', ?, 0)",
        ((f"{bucket.vendor}/{bucket.name}", key.encode(), storage_class) for key in keys),
    )
    index.execute("COMMIT")
    index.close()


def pages(ask: Asker) -> Iterator[list[str]]:
    """Give the keys of each page of a whole bucket."""
    limit, after = ("maxKeys", "marker") if ask.vendor == "bos" else ("max-keys", "marker")
    marker = ""
    while True:
        answer = ask.ask("GET", None, [(limit, "1000"), (after, marker)])
        assert answer.status_code == 200, answer.text
        if ask.vendor == "bos":
            page = answer.json()
            keys, marker = [entry["key"] for entry in page["contents"]], page.get("nextMarker")
        else:
            root = ET.fromstring(answer.content)
            keys, marker = (
                [node.text or "" for node in root.iterfind("Contents/Key")],
                root.findtext("NextMarker") or "",
            )
        yield keys
        if not marker:
            return


def document(answer: Any) -> ET.Element:
    assert answer.status_code == 200, answer.text
    return ET.fromstring(answer.content)


@every_vendor
def test_pages_go_on_where_they_ended(ask: Asker) -> None:
    folder = f"{uuid.uuid4().hex}/"
    keys = sorted((f"{folder}{i} +é&%20" for i in range(5)), key=str.encode)
    for key in keys:
        ask.put(key)
    found: list[str] = []
    marker: str | None = ""
    while marker is not None:
        if ask.vendor == "bos":
            params = [("prefix", folder), ("maxKeys", "2"), ("marker", marker)]
            page = ask.ask("GET", None, params).json()
            found += [entry["key"] for entry in page["contents"]]
            marker = page.get("nextMarker")
            assert page["isTruncated"] is (marker is not None)
            continue
        params = [("prefix", folder), ("max-keys", "2"), ("marker", marker), ("encoding-type", "url")]
        root = document(ask.ask("GET", None, params))
        found += [unquote(node.findtext("Key") or "") for node in root.iterfind("Contents")]
        next_marker = root.findtext("NextMarker")
        marker = unquote(next_marker) if next_marker else None
        assert root.findtext("IsTruncated") == ("true" if next_marker else "false")
    assert found == keys


@pytest.mark.parametrize("vendor", ["oss"])
def test_oss_lists_with_tokens_too(ask: Asker) -> None:
    folder = f"{uuid.uuid4().hex}/"
    for name in ("a", "b", "c"):
        ask.put(folder + name)
    params = [("list-type", "2"), ("prefix", folder), ("max-keys", "2")]
    first = document(ask.ask("GET", None, params))
    token = first.findtext("NextContinuationToken")
    assert (first.findtext("KeyCount"), first.findtext("IsTruncated")) == ("2", "true")
    assert token
    second = document(ask.ask("GET", None, [*params, ("continuation-token", token)]))
    assert [node.findtext("Key") for node in second.iterfind("Contents")] == [f"{folder}c"]
    later = document(ask.ask("GET", None, [*params, ("start-after", f"{folder}b"), ("fetch-owner", "true")]))
    assert [node.findtext("Key") for node in later.iterfind("Contents")] == [f"{folder}c"]
    assert later.find("Contents/Owner/ID") is not None
    answer = said("oss", ask.ask("GET", None, [*params, ("continuation-token", "no token")]))
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_encoded_names_have_percents_for_spaces_and_pluses(ask: Asker) -> None:
    folder = f"{uuid.uuid4().hex} +é"
    ask.put(f"{folder}/\x01 +&<")
    params = [("prefix", folder), ("delimiter", "/")]
    root = document(ask.ask("GET", None, [*params, ("encoding-type", "url")]))
    encoded = folder.replace(" ", "%20").replace("+", "%2B").replace("é", "%C3%A9")
    assert root.findtext("EncodingType") == "url"
    assert root.findtext("Prefix") == encoded
    assert root.findtext("CommonPrefixes/Prefix") == f"{encoded}%2F"
    root = document(ask.ask("GET", None, [("prefix", folder), ("encoding-type", "url")]))
    assert (root.findtext("Contents/Key") or "").endswith("%2F%01%20%2B%26%3C")
    assert document(ask.ask("GET", None, params)).findtext("Prefix") == folder
    answer = said(ask.vendor, ask.ask("GET", None, [("encoding-type", "base64")]))
    assert (answer.status, answer.code) == (400, "InvalidArgument")


@every_vendor
def test_an_entry_tells_what_the_object_tells(ask: Asker) -> None:
    key = uuid.uuid4().hex
    etag = ask.put(key, b"hello").headers["ETag"]
    answer = ask.ask("GET", None, [("prefix", key)])
    if ask.vendor == "bos":
        (entry,) = answer.json()["contents"]
        assert (entry["key"], entry["size"], f'"{entry["eTag"]}"', entry["storageClass"]) == (key, 5, etag, "STANDARD")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", entry["lastModified"])
        return
    node = document(answer).find("Contents")
    assert node is not None
    standard = "Standard" if ask.vendor == "oss" else "STANDARD"
    told = [node.findtext(name) for name in ("Key", "Size", "ETag", "StorageClass")]
    assert told == [key, "5", etag, standard]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z", node.findtext("LastModified") or "")


@every_vendor
def test_the_default_and_largest_pages_are_the_vendors(ask: Asker) -> None:
    default, limit = {"bos": (1000, "maxKeys"), "oss": (100, "max-keys"), "cos": (1000, "max-keys")}[ask.vendor]

    def told(*params: tuple[str, str]) -> int:
        answer = ask.ask("GET", None, [("prefix", "nothing"), *params])
        if ask.vendor == "bos":
            return int(answer.json()["maxKeys"])
        return int(document(answer).findtext("MaxKeys") or "")

    assert (told(), told((limit, "5000")), told((limit, "7"))) == (default, 1000, 7)
    answer = said(ask.vendor, ask.ask("GET", None, [(limit, "many")]))
    assert (answer.status, answer.code) == (400, "InvalidArgument")


def deletion(vendor: str, keys: list[str], *, quiet: bool = False) -> tuple[bytes, dict[str, str]]:
    if vendor == "bos":
        body = json.dumps({"objects": [{"key": key} for key in keys]}).encode()
    else:
        listed = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>{str(quiet).lower()}</Quiet>{listed}</Delete>".encode()
    return body, {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}


@every_vendor
def test_a_batch_deletes_what_is_there_and_does_not_mind_the_rest(ask: Asker) -> None:
    keys = [f"{uuid.uuid4().hex} é {i}" for i in range(3)]
    for key in keys[:2]:
        ask.put(key)
    body, headers = deletion(ask.vendor, keys)
    answer = ask.ask("POST", None, [("delete", "")], headers, body=body)
    assert answer.status_code == 200
    if ask.vendor == "bos":
        assert answer.content == b""
    else:
        assert [node.findtext("Key") for node in document(answer).iterfind("Deleted")] == keys
    assert {ask.ask("HEAD", key).status_code for key in keys} == {404}


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_a_quiet_batch_says_nothing_of_what_worked(ask: Asker) -> None:
    body, headers = deletion(ask.vendor, ["quiet"], quiet=True)
    root = document(ask.ask("POST", None, [("delete", "")], headers, body=body))
    assert [node.tag for node in root] == []


@every_vendor
def test_a_batch_names_what_it_could_not_delete(ask: Asker) -> None:
    body, headers = deletion(ask.vendor, ["fine", "k" * 1100])
    answer = ask.ask("POST", None, [("delete", "")], headers, body=body)
    assert answer.status_code == 200
    if ask.vendor == "bos":
        assert [(error["key"], error["code"]) for error in answer.json()["errors"]] == [
            ("k" * 1100, "InvalidObjectName")
        ]
    else:
        failed = [(node.findtext("Key"), node.findtext("Code")) for node in document(answer).iterfind("Error")]
        assert failed == [("k" * 1100, "KeyTooLong" if ask.vendor == "cos" else "InvalidObjectName")]


@every_vendor
def test_a_batch_is_checked(ask: Asker) -> None:
    malformed = "MalformedJSON" if ask.vendor == "bos" else "MalformedXML"
    for body, headers in (
        deletion(ask.vendor, []),
        deletion(ask.vendor, [str(number) for number in range(1001)]),
        (b"nonsense", {"Content-MD5": base64.b64encode(hashlib.md5(b"nonsense").digest()).decode()}),
    ):
        answer = said(ask.vendor, ask.ask("POST", None, [("delete", "")], headers, body=body))
        assert (answer.status, answer.code) == (400, malformed)
    body, headers = deletion(ask.vendor, ["x"])
    answer = said(ask.vendor, ask.ask("POST", None, [("delete", "")], headers, body=body + b" "))
    assert (answer.status, answer.code) == (400, "BadDigest")
    unchecked = ask.ask("POST", None, [("delete", "")], body=body)
    assert unchecked.status_code == (200 if ask.vendor == "bos" else 400)


@every_vendor
def test_a_batch_makes_delete_markers_in_a_versioned_bucket(ask: Asker) -> None:
    ask, key = ask.but(bucket=VERSIONED[ask.vendor]), uuid.uuid4().hex
    version = ask.put(key).headers[f"{ask.prefix}version-id"]
    body, headers = deletion(ask.vendor, [key])
    answer = ask.ask("POST", None, [("delete", "")], headers, body=body)
    if ask.vendor != "bos":
        assert document(answer).findtext("Deleted/DeleteMarker") == "true"
    assert ask.ask("GET", key).status_code == 404
    assert ask.ask("GET", key, [("versionId", version)]).status_code == 200


@every_vendor
def test_facts_of_a_bucket_are_told(ask: Asker) -> None:
    assert ask.ask("HEAD", None).status_code == 200
    assert ask.but(bucket="missing-1250000000").ask("HEAD", None).status_code == 404
    for fact in ("acl", "location", "versioning"):
        assert ask.ask("GET", None, [(fact, "")]).status_code == 200
