"""Bodies go through the emulator in pieces, and what did not arrive whole never becomes an object."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace

import psutil
import pytest
import requests

from aksk_provider.emulator import Emulator
from aksk_provider.emulator.operations import call
from aksk_provider.signing import Credentials, Request
from tests.emulator.asking import BUCKETS, VENDORS, Asker, credentials_of, send

MIB = 1 << 20
BIG = 200 * MIB

every_vendor = pytest.mark.parametrize("vendor", VENDORS)


@pytest.fixture
def ask(emulator: Emulator, vendor: str) -> Asker:
    return Asker(emulator, vendor, credentials_of(emulator.accounts["AKPERMANENT"]))


@pytest.fixture(scope="module")
def process() -> Iterator[tuple[str, psutil.Process]]:
    """An emulator in a process of its own: its endpoint and its process."""
    command = [sys.executable, "-m", "aksk_provider.emulator", "--port", "0", "--account", "AK:SK"]
    for vendor, bucket in BUCKETS.items():
        command += ["--bucket", f"{vendor}/{bucket}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        found = re.search(r"http://\S+", running.stdout.readline())
        assert found
        yield found[0], psutil.Process(running.pid)
        running.terminate()


def pieces(size: int) -> Iterator[bytes]:
    piece = bytes(range(256)) * (MIB // 256)
    for _ in range(size // MIB):
        yield piece


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux does")
@every_vendor
def test_big_bodies_do_not_fill_the_memory(process: tuple[str, psutil.Process], vendor: str) -> None:
    endpoint, server = process
    asker = Asker(SimpleNamespace(endpoint=endpoint), vendor, Credentials("AK", "SK"))  # type: ignore[arg-type]
    asker.put("small")
    idle = server.memory_info().rss
    most = [idle]
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most.append(server.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        put = asker.request("PUT", "big", headers={"Content-Length": str(BIG)})
        with requests.Session() as session:
            session.trust_env = False
            prepared = session.prepare_request(requests.Request("PUT", put.url, dict(put.headers), data=pieces(BIG)))
            del prepared.headers["Transfer-Encoding"]
            assert session.send(prepared, timeout=120).status_code == 200
            get = asker.request("GET", "big")
            with session.get(get.url, headers=dict(get.headers), stream=True, timeout=120) as answer:
                assert sum(len(piece) for piece in answer.iter_content(MIB)) == BIG
    finally:
        done.set()
        watcher.join()
    assert max(most) - idle < 40 * MIB, f"{(max(most) - idle) / MIB:.0f} MiB over idle"


def raw(request: Request, head: str) -> bytes:
    """Return the bytes of a request up to its body."""
    path = "/" + request.url.split("/", 3)[3]
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    return "\r\n".join([f"{request.method} {path} HTTP/1.1", *lines, head, "", ""]).encode()


def wait_for_no_body_under_way(emulator: Emulator) -> None:
    incoming = emulator.storage.bodies.path("x").parents[2] / "incoming"
    until = time.monotonic() + 10
    while list(incoming.iterdir()):
        assert time.monotonic() < until, "the body that did not arrive is still there"
        time.sleep(0.01)


@every_vendor
@pytest.mark.parametrize("there_is_one_before", [False, True])
def test_a_cut_connection_leaves_no_part_of_an_object(ask: Asker, there_is_one_before: bool) -> None:
    key = f"cut-{there_is_one_before}"
    if there_is_one_before:
        ask.put(key, b"before")
    request = ask.request("PUT", key)
    with socket.create_connection((ask.emulator.host, ask.emulator.port), timeout=10) as connection:
        connection.sendall(raw(request, f"Content-Length: {3 * MIB}"))
        connection.sendall(b"x" * (2 * MIB))
    wait_for_no_body_under_way(ask.emulator)
    answer = ask.ask("GET", key)
    assert (answer.status_code, answer.content) == ((200, b"before") if there_is_one_before else (404, answer.content))


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_a_chunked_body_without_its_end_is_no_object(ask: Asker) -> None:
    request = ask.request("PUT", "cut-chunks")
    with socket.create_connection((ask.emulator.host, ask.emulator.port), timeout=10) as connection:
        connection.sendall(raw(request, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n")
        time.sleep(0.1)
    wait_for_no_body_under_way(ask.emulator)
    assert ask.ask("GET", "cut-chunks").status_code == 404


@every_vendor
def test_a_cut_part_is_no_part(ask: Asker) -> None:
    started = ask.ask("POST", "cut-part", [("uploads", "")])
    found = re.search(r'(?:<UploadId>|"uploadId": ")(\w+)', started.text)
    assert found
    request = ask.request("PUT", "cut-part", [("partNumber", "1"), ("uploadId", found[1])])
    with socket.create_connection((ask.emulator.host, ask.emulator.port), timeout=10) as connection:
        connection.sendall(raw(request, f"Content-Length: {MIB}") + b"x" * 1000)
    wait_for_no_body_under_way(ask.emulator)
    listed = ask.ask("GET", "cut-part", [("uploadId", found[1])])
    assert listed.status_code == 200
    assert "PartNumber>1<" not in listed.text
    assert '"partNumber": 1' not in listed.text


@every_vendor
def test_more_than_five_gigabytes_are_refused_before_they_are_sent(ask: Asker) -> None:
    request = ask.request("PUT", "too-large")
    with socket.create_connection((ask.emulator.host, ask.emulator.port), timeout=10) as connection:
        connection.sendall(raw(request, f"Content-Length: {5 * 1024**3 + 1}\r\nExpect: 100-continue"))
        answer = b""
        while b"</Error>" not in answer and b"requestId" not in answer:
            answer += connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"EntityTooLarge" in answer


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_more_than_five_gigabytes_are_refused_while_they_are_sent(ask: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call, "MAX_BODY", 2 * MIB)
    answer = send(ask.request("PUT", "too-large"), pieces(3 * MIB))
    assert answer.status_code == 400
    assert "EntityTooLarge" in answer.text
    assert ask.ask("GET", "too-large").status_code == 404


@every_vendor
def test_a_client_that_waits_to_be_asked_for_the_body_is_asked(ask: Asker) -> None:
    request = ask.request("PUT", "expected")
    with socket.create_connection((ask.emulator.host, ask.emulator.port), timeout=10) as connection:
        connection.sendall(raw(request, "Content-Length: 5\r\nExpect: 100-continue"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"hello")
        assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
    assert ask.ask("GET", "expected").content == b"hello"


@every_vendor
def test_a_reader_of_an_object_that_is_replaced_gets_the_old_one(ask: Asker) -> None:
    old, new = b"o" * (8 * MIB), b"n" * (8 * MIB)
    ask.put("replaced", old)
    request = ask.request("GET", "replaced")
    with requests.get(request.url, headers=dict(request.headers), stream=True, timeout=30) as answer:
        beginning = answer.raw.read(MIB)
        ask.put("replaced", new)
        assert beginning + answer.raw.read() == old
    assert ask.ask("GET", "replaced").content == new
