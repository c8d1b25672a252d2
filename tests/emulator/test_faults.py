"""Each fault as a client sees it, and which requests a rule hits."""

from __future__ import annotations

import socket
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import fastcrc
import pytest

from aksk_provider.emulator import Emulator
from aksk_provider.emulator.faults import (
    Cut,
    Fault,
    Flip,
    Hang,
    Reset,
    Slow,
    Status,
    WrongChecksum,
)
from aksk_provider.signing import Request
from tests.conftest import BUCKETS, PERMANENT, TEMPORARY
from tests.emulator.asking import VENDORS, Asker, credentials_of, said

BODY = bytes(range(256)) * 8
CHECKSUM = {"bos": "x-bce-content-crc32", "oss": "x-oss-hash-crc64ecma", "cos": "x-cos-hash-crc64ecma"}

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture(scope="module")
def faulty() -> Iterator[Emulator]:
    with Emulator(accounts=[PERMANENT, TEMPORARY], buckets=BUCKETS) as running:
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
