"""Each fault as a client sees it, and which requests a rule hits."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

import fastcrc
import pytest
import requests

from aksk_provider.emulator import Account, Emulator
from aksk_provider.emulator.faults import (
    Cut,
    CutRequest,
    ExpireToken,
    Fault,
    Flip,
    FlipRequest,
    ForgetUpload,
    Hang,
    Redirect,
    Replace,
    Reset,
    Skew,
    Slow,
    Status,
    WrongChecksum,
    WrongLength,
)
from aksk_provider.signing import Request
from tests.conftest import BUCKETS, PERMANENT, TEMPORARY
from tests.emulator.asking import VENDORS, VERSIONED, Asker, credentials_of, said, send

FRESH = Account("AKFRESH", "SKFRESH", token="TOKENFRESH")
BODY = bytes(range(256)) * 8
LARGE = bytes(range(251)) * 12_000
MD5 = hashlib.md5(BODY).hexdigest()
CHECKSUM = {"bos": "x-bce-content-crc32", "oss": "x-oss-hash-crc64ecma", "cos": "x-cos-hash-crc64ecma"}

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture(scope="module")
def faulty() -> Iterator[Emulator]:
    with Emulator(accounts=[PERMANENT, TEMPORARY, FRESH], buckets=BUCKETS) as running:
        yield running


@pytest.fixture
def ask(faulty: Emulator, vendor: str) -> Iterator[Asker]:
    yield Asker(faulty, vendor, credentials_of(PERMANENT))
    faulty.faults.clear()


@pytest.fixture
def key(ask: Asker) -> str:
    key = f"faults/{uuid.uuid4().hex}"
    ask.put(key, BODY)
    return key


def crc(vendor: str, body: bytes) -> str:
    return str(zlib.crc32(body) if vendor == "bos" else fastcrc.crc64.xz(body))


def upload_id(answer: requests.Response) -> str:
    """Read the answer to the start of an upload."""
    found = re.search(r"(?i)\"?uploadId\"?[:>] ?\"?([0-9a-f]+)", answer.text)
    assert found, answer.text
    return found[1]


def start_upload(ask: Asker, key: str) -> str:
    return upload_id(ask.ask("POST", key, [("uploads", "")]))


def part(upload: str, number: int) -> list[tuple[str, str]]:
    return [("partNumber", str(number)), ("uploadId", upload)]


def complete(ask: Asker, key: str, upload: str, etags: Mapping[int, str]) -> requests.Response:
    if ask.vendor == "bos":
        body = json.dumps({"parts": [{"partNumber": number, "eTag": etag} for number, etag in etags.items()]})
    else:
        parts = (f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in etags.items())
        body = f"<CompleteMultipartUpload>{''.join(parts)}</CompleteMultipartUpload>"
    return ask.ask("POST", key, [("uploadId", upload)], body=body)


@dataclass(frozen=True)
class Heard:
    """What came over the connection before it ended, and how it ended."""

    status: int | None
    headers: Mapping[str, str]
    body: bytes
    end: type[OSError] | None


def listen(request: Request, body: bytes = b"", timeout: float = 10) -> Heard:
    """Send a request and read to the end of the connection, whatever Content-Length says."""
    parts = urlsplit(request.url)
    head = [f"{request.method} {parts.path}{'?' if parts.query else ''}{parts.query} HTTP/1.1"]
    headers = {"Host": parts.netloc, "Connection": "close", **request.headers}
    if body:
        headers["Content-Length"] = str(len(body))
    head += [f"{name}: {value}" for name, value in headers.items()]
    received, end = b"", None
    with socket.create_connection((parts.hostname, parts.port), timeout) as connection:
        try:
            connection.sendall("\r\n".join([*head, "", ""]).encode() + body)
        except OSError as error:
            end = type(error)
        try:
            while chunk := connection.recv(65536):
                received += chunk
        except OSError as error:
            end = type(error)
    if not received:
        return Heard(None, {}, b"", end)
    head_bytes, _, content = received.partition(b"\r\n\r\n")
    lines = head_bytes.decode().split("\r\n")
    return Heard(int(lines[0].split()[1]), dict(line.split(": ", 1) for line in lines[1:]), content, end)


@every_vendor
@pytest.mark.parametrize("after", [0, 1, 1000, len(BODY) - 1])
def test_cut_sends_so_many_bytes_and_closes(ask: Asker, key: str, after: int) -> None:
    rule = ask.emulator.faults.add(Fault(Cut(after=after)))
    heard = listen(ask.request("GET", key))
    assert (heard.status, heard.headers["Content-Length"]) == (200, str(len(BODY)))
    assert (heard.body, heard.end) == (BODY[:after], None)
    assert (rule.seen, rule.fired) == (1, 1)


@every_vendor
@pytest.mark.parametrize("after", [2**20 - 1, 2**20, 2**20 + 1, 2_500_000])
def test_cut_is_exact_in_large_bodies(ask: Asker, key: str, after: int) -> None:
    ask.put(key, LARGE)
    ask.emulator.faults.add(Fault(Cut(after=after)))
    assert listen(ask.request("GET", key)).body == LARGE[:after]


@every_vendor
def test_cut_counts_the_bytes_of_a_range(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Cut(after=10)))
    heard = listen(ask.request("GET", key, headers={"Range": "bytes=100-199"}))
    assert (heard.status, heard.body) == (206, BODY[100:110])


@every_vendor
def test_reset_ends_the_connection_with_an_error(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Reset()))
    heard = listen(ask.request("GET", key))
    assert (heard.status, heard.end) == (None, ConnectionResetError)


@every_vendor
def test_status_answers_in_the_format_of_the_vendor(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Status(503, retry_after=7), times=1))
    answer = ask.ask("GET", key)
    assert said(ask.vendor, answer).status == 503
    assert said(ask.vendor, answer).code == "ServiceUnavailable"
    assert answer.headers["Retry-After"] == "7"
    assert ask.ask("GET", key).content == BODY


@every_vendor
def test_flip_changes_one_byte(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Flip(at=300)))
    answer = ask.ask("GET", key)
    assert [at for at, (a, b) in enumerate(zip(answer.content, BODY, strict=True)) if a != b] == [300]
    assert answer.headers[CHECKSUM[ask.vendor]] == crc(ask.vendor, BODY)


@every_vendor
@pytest.mark.parametrize("at", [0, 2**20 - 1, 2**20, 2**20 + 1, len(LARGE) - 1])
def test_flip_is_exact_in_large_bodies(ask: Asker, key: str, at: int) -> None:
    ask.put(key, LARGE)
    ask.emulator.faults.add(Fault(Flip(at)))
    assert ask.ask("GET", key).content == LARGE[:at] + bytes([LARGE[at] ^ 0xFF]) + LARGE[at + 1 :]


@every_vendor
def test_wrong_length_and_replace_work_in_large_bodies(ask: Asker, key: str) -> None:
    ask.put(key, LARGE)
    ask.emulator.faults.add(Fault(WrongLength(by=-1_200_000)))
    ask.emulator.faults.add(Fault(Replace(1_100_000, b"other")))
    heard = listen(ask.request("GET", key))
    assert heard.headers["Content-Length"] == str(len(LARGE) - 1_200_000)
    assert heard.body == LARGE
    ask.emulator.faults.clear()
    assert ask.ask("GET", key).content == b"other"


@every_vendor
def test_wrong_checksum_is_in_the_header_only(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(WrongChecksum()))
    for method in ("GET", "HEAD"):
        assert ask.ask(method, key).headers[CHECKSUM[ask.vendor]] not in (crc(ask.vendor, BODY), "")
    assert ask.ask("GET", key).content == BODY
    ask.emulator.faults.clear()
    assert ask.ask("GET", key).headers[CHECKSUM[ask.vendor]] == crc(ask.vendor, BODY)


@every_vendor
def test_hang_says_nothing_and_closes_at_last(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Hang(seconds=0.3)))
    began = time.monotonic()
    heard = listen(ask.request("GET", key))
    assert (heard.status, heard.end) == (None, None)
    assert 0.3 <= time.monotonic() - began < 5


@every_vendor
def test_slow_takes_its_time(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Slow(bytes_per_second=8 * len(BODY))))
    began = time.monotonic()
    assert ask.ask("GET", key).content == BODY
    assert time.monotonic() - began >= 0.12


@every_vendor
@pytest.mark.parametrize("after", [0, 1000])
def test_cut_request_closes_while_the_client_sends(ask: Asker, key: str, after: int) -> None:
    rule = ask.emulator.faults.add(Fault(CutRequest(after=after), operation="put"))
    heard = listen(ask.request("PUT", key), BODY * 1000)
    assert (heard.status, rule.fired) == (None, 1)
    assert ask.ask("GET", key).content == BODY


@every_vendor
def test_cut_request_leaves_no_part(ask: Asker, key: str) -> None:
    upload = start_upload(ask, key)
    ask.emulator.faults.add(Fault(CutRequest(after=1000), operation="upload_part"))
    assert listen(ask.request("PUT", key, part(upload, 1)), BODY).status is None
    parts = ask.ask("GET", key, [("uploadId", upload)])
    assert parts.status_code == 200
    assert MD5 not in parts.text.lower()


@every_vendor
def test_flip_request_is_stored_and_seen_in_the_checksum_of_the_answer(ask: Asker, key: str) -> None:
    changed = BODY[:300] + bytes([BODY[300] ^ 0xFF]) + BODY[301:]
    ask.emulator.faults.add(Fault(FlipRequest(at=300)))
    assert ask.put(key, BODY).headers[CHECKSUM[ask.vendor]] == crc(ask.vendor, changed)
    assert ask.ask("GET", key).content == changed
    upload = start_upload(ask, key)
    answer = ask.ask("PUT", key, part(upload, 1), body=BODY)
    assert answer.headers[CHECKSUM[ask.vendor]] == crc(ask.vendor, changed)


@every_vendor
def test_flip_request_is_refused_where_the_request_tells_a_digest(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(FlipRequest(at=0)))
    md5 = base64.b64encode(bytes.fromhex(MD5)).decode()
    assert ask.ask("PUT", key, headers={"Content-MD5": md5}, body=BODY).status_code == 400
    assert ask.ask("GET", key).content == BODY


@every_vendor
def test_wrong_checksum_is_told_for_parts_and_the_whole(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(WrongChecksum()))
    upload = start_upload(ask, key)
    sent = ask.ask("PUT", key, part(upload, 1), body=BODY)
    completed = complete(ask, key, upload, {1: sent.headers["ETag"]})
    for answer in (ask.put(key, BODY), sent, completed):
        assert answer.headers[CHECKSUM[ask.vendor]] not in (crc(ask.vendor, BODY), "")


@every_vendor
@pytest.mark.parametrize("by", [10, -10])
@pytest.mark.parametrize("size", [0, len(BODY)])
def test_wrong_length_promises_more_or_less_than_is_sent(ask: Asker, key: str, by: int, size: int) -> None:
    ask.put(key, BODY[:size])
    ask.emulator.faults.add(Fault(WrongLength(by=by)))
    heard = listen(ask.request("GET", key))
    assert heard.headers["Content-Length"] == str(max(0, size + by))
    assert (heard.body, heard.end) == (BODY[:size], None)
    assert heard.headers[CHECKSUM[ask.vendor]] == crc(ask.vendor, BODY[:size])
    assert ask.ask("HEAD", key).headers["Content-Length"] == str(max(0, size + by))


@every_vendor
@pytest.mark.parametrize(
    ("status", "code"),
    [(429, "TooManyRequests"), (500, "InternalError"), (403, "AccessDenied"), (502, "BadGateway"), (599, "Error")],
)
def test_status_finds_a_code_that_goes_with_it(ask: Asker, key: str, status: int, code: str) -> None:
    ask.emulator.faults.add(Fault(Status(status)))
    answer = said(ask.vendor, ask.ask("GET", key))
    assert (answer.status, answer.code) == (status, code)


@every_vendor
def test_status_says_what_it_is_told_to(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Status(418, "Teapot", "Short & stout", headers={"X-Lid": "on"})))
    answer = ask.ask("PUT", key, body=b"tea")
    assert answer.headers["X-Lid"] == "on"
    assert said(ask.vendor, answer).code == "Teapot"
    assert said(ask.vendor, answer).message == "Short & stout"
    assert said(ask.vendor, ask.ask("HEAD", key)).status == 418
    ask.emulator.faults.clear()
    assert ask.ask("GET", key).content == BODY


@every_vendor
@pytest.mark.parametrize("status", [204, 304])
def test_status_may_be_one_without_a_body(ask: Asker, key: str, status: int) -> None:
    ask.emulator.faults.add(Fault(Status(status)))
    answer = ask.ask("GET", key)
    assert (answer.status_code, answer.content) == (status, b"")


@every_vendor
def test_an_answer_can_be_lost_after_the_request_was_carried_out(ask: Asker, key: str) -> None:
    for number, effect in enumerate([Cut(performed=True), Reset(performed=True), Hang(0.1, performed=True)]):
        ask.emulator.faults.add(Fault(effect, operation="put"))
        assert listen(ask.request("PUT", key), b"new %d" % number).status is None
        ask.emulator.faults.clear()
        assert ask.ask("GET", key).content == b"new %d" % number
    upload = start_upload(ask, key)
    etag = ask.ask("PUT", key, part(upload, 1), body=BODY).headers["ETag"]
    ask.emulator.faults.add(Fault(Status(500, performed=True), operation="complete"))
    assert complete(ask, key, upload, {1: etag}).status_code == 500
    assert said(ask.vendor, complete(ask, key, upload, {1: etag})).status == 500
    ask.emulator.faults.clear()
    assert ask.ask("GET", key).content == BODY


@every_vendor
def test_nothing_was_carried_out_when_the_connection_ended_at_once(ask: Asker, key: str) -> None:
    for effect in (Cut(), Reset(), Hang(0.1)):
        ask.emulator.faults.add(Fault(effect, operation="put"))
        assert listen(ask.request("PUT", key), b"new").status is None
        ask.emulator.faults.clear()
        assert ask.ask("GET", key).content == BODY


@every_vendor
def test_hang_and_reset_may_come_within_the_answer(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Hang(0.3, after=1000)))
    began = time.monotonic()
    heard = listen(ask.request("GET", key))
    assert (heard.status, heard.body, heard.end) == (200, BODY[:1000], None)
    assert time.monotonic() - began >= 0.3
    ask.emulator.faults.clear()
    ask.emulator.faults.add(Fault(Reset(after=1000)))
    heard = listen(ask.request("GET", key))
    assert heard.end is ConnectionResetError
    assert heard.body in (BODY[:1000], b"")


@every_vendor
def test_slow_is_for_uploads_as_well(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Slow(bytes_per_second=8 * len(BODY))))
    began = time.monotonic()
    ask.put(key, BODY)
    assert time.monotonic() - began >= 0.12


@every_vendor
def test_redirect_names_another_host_for_the_same_request(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Redirect("http://other.example:81"), method="GET"))
    request = ask.but(form="url").request("GET", key)
    answer = send(request)
    assert said(ask.vendor, answer).status == 307
    assert answer.headers["Location"] == request.url.replace(ask.emulator.endpoint, "http://other.example:81")
    ask.emulator.faults.add(Fault(Redirect("https://other.example/elsewhere?a=b", 301), method="HEAD"))
    answer = ask.ask("HEAD", key)
    assert (answer.status_code, answer.headers["Location"]) == (301, "https://other.example/elsewhere?a=b")


@every_vendor
@pytest.mark.parametrize("after", [0, 1000, len(BODY)])
@pytest.mark.parametrize("versioned", [False, True])
def test_replace_overwrites_an_object_while_it_is_read(ask: Asker, key: str, after: int, versioned: bool) -> None:
    ask = ask.but(bucket=VERSIONED[ask.vendor]) if versioned else ask
    etag = ask.put(key, BODY).headers["ETag"]
    ask.emulator.faults.add(Fault(Replace(after, b"other"), times=1))
    assert ask.ask("GET", key).content == BODY
    later = ask.ask("GET", key, headers={"Range": "bytes=1-3"})
    assert (later.content, later.headers["ETag"] == etag) == (b"the", False)
    assert ask.ask("GET", key, headers={"If-Match": etag}).status_code == 412


@every_vendor
def test_replace_leaves_an_object_that_is_not_there_alone(ask: Asker, key: str) -> None:
    ask.emulator.faults.add(Fault(Replace(0, b"other")))
    for _ in range(2):
        assert ask.ask("GET", f"{key}-missing").status_code == 404


@every_vendor
@pytest.mark.parametrize("form", ["header", "url"])
def test_expire_token_is_for_good_and_for_this_token_only(ask: Asker, key: str, form: str) -> None:
    token, fresh = (ask.but(credentials=credentials_of(account), form=form) for account in (TEMPORARY, FRESH))
    rule = ask.emulator.faults.add(Fault(ExpireToken(), nth=2))
    assert [ask.ask("GET", key).status_code, token.ask("GET", key).status_code] == [200, 200]
    expired = {"bos": (400, "RequestExpired"), "oss": (403, "SecurityTokenExpired"), "cos": (403, "ExpiredToken")}
    for _ in range(2):
        answer = said(ask.vendor, token.ask("GET", key))
        assert (answer.status, answer.code) == expired[ask.vendor]
    assert [ask.ask("GET", key).status_code, fresh.ask("GET", key).status_code] == [200, 200]
    assert rule.fired == 1
    ask.emulator.faults.clear()
    assert token.ask("GET", key).status_code == 200


@every_vendor
@pytest.mark.parametrize("operation", ["upload_part", "complete", "list_parts"])
def test_forget_upload_makes_it_vanish(ask: Asker, key: str, operation: str) -> None:
    upload = start_upload(ask, key)
    etag = ask.ask("PUT", key, part(upload, 1), body=BODY).headers["ETag"]
    ask.emulator.faults.add(Fault(ForgetUpload(), operation=operation))
    for _ in range(2):
        answer = {
            "upload_part": lambda: ask.ask("PUT", key, part(upload, 2), body=BODY),
            "complete": lambda: complete(ask, key, upload, {1: etag}),
            "list_parts": lambda: ask.ask("GET", key, [("uploadId", upload)]),
        }[operation]()
        assert (said(ask.vendor, answer).status, said(ask.vendor, answer).code) == (404, "NoSuchUpload")
    assert upload not in ask.ask("GET", None, [("uploads", "")]).text


@every_vendor
@pytest.mark.parametrize("seconds", [3600, -3600])
def test_skew_sets_the_clock_of_date_and_of_the_verification(ask: Asker, key: str, seconds: int) -> None:
    ask.emulator.faults.add(Fault(Skew(seconds)))
    answer = ask.ask("GET", key)
    assert answer.status_code in (400, 403)
    shown = parsedate_to_datetime(answer.headers["Date"])
    assert abs(shown - datetime.now(timezone.utc) - timedelta(seconds=seconds)) < timedelta(seconds=30)
    assert ask.but(now=shown).ask("GET", key).status_code == 200


@every_vendor
def test_faults_act_together_in_the_order_in_which_they_were_added(ask: Asker, key: str) -> None:
    for effect in (Flip(at=1), WrongChecksum(), Cut(after=3)):
        ask.emulator.faults.add(Fault(effect))
    heard = listen(ask.request("GET", key))
    assert heard.body == bytes([0, 1 ^ 0xFF, 2])
    assert heard.headers[CHECKSUM[ask.vendor]] != crc(ask.vendor, BODY)


def test_a_hanging_request_does_not_keep_the_emulator_from_stopping(caplog: pytest.LogCaptureFixture) -> None:
    with Emulator(accounts=[PERMANENT], buckets=BUCKETS, faults=[Fault(Hang(60))]) as emulator:
        ask = Asker(emulator, "oss", credentials_of(PERMANENT))
        heard: list[Heard] = []
        client = threading.Thread(target=lambda: heard.append(listen(ask.request("GET", "any"))))
        client.start()
        while not emulator.faults.rules[0].fired:
            time.sleep(0.01)
    client.join()
    assert heard[0].status is None
    # uvicorn logs which requests it had to cancel, as errors.
    assert not [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")]
