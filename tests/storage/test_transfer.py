"""Files: whole and checked, or not there."""

from __future__ import annotations

import gzip
import io
import os
import socket
import stat
import tempfile
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastcrc import crc64

from aksk_provider import errors
from aksk_provider.storage import transfer
from aksk_provider.storage.bodies import SliceBody, reader_at
from aksk_provider.storage.checksums import CRC64
from tests.storage.conftest import Answer, MakeStore, ScriptedServer
from tests.support.listening import listening

BODY = os.urandom(3_000_000)
CRC = {"x-oss-hash-crc64ecma": str(crc64.xz(BODY)), "ETag": '"etag"'}


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*"))


def test_a_download_is_the_object_and_says_what_it_got(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path
) -> None:
    server.answers = [Answer(200, BODY, CRC)]
    result = transfer.download(make_store(), "a/key", tmp_path / "new" / "folder" / "file")
    assert Path(result.path).read_bytes() == BODY
    assert (result.uri, result.size, result.etag) == ("oss://examplebucket/a/key", len(BODY), "etag")
    assert result.crc64 == CRC["x-oss-hash-crc64ecma"]
    assert leftovers(tmp_path) == ["file", "folder", "new"]


def test_an_empty_object_is_an_empty_file(server: ScriptedServer, make_store: MakeStore, tmp_path: Path) -> None:
    server.answers = [Answer(200, b"", {"x-oss-hash-crc64ecma": "0"})]
    transfer.download(make_store(), "key", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b""


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_error_answer_makes_no_file_and_no_folder(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, status: int
) -> None:
    server.answers = [Answer(status, b"<Error><Code>No</Code></Error>")]
    with pytest.raises(errors.ServiceError):
        transfer.download(make_store(max_attempts=1), "key", tmp_path / "folder" / "file")
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("direction", ["upload", "download"])
def test_a_cancellation_ends_the_wait_that_the_store_asked_for(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, direction: str
) -> None:
    server.answers = [Answer(503, b"", {"Retry-After": "60"})] * 2
    cancelled = threading.Event()
    threading.Timer(0.2, cancelled.set).start()
    began = time.monotonic()
    work = {
        "upload": lambda: transfer.upload(make_store(), BODY, "key", cancelled=cancelled),
        "download": lambda: transfer.download(make_store(), "key", tmp_path / "file", cancelled=cancelled),
    }
    with pytest.raises(errors.TransferCancelledError):
        work[direction]()
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("sent", [0, 1, 1_500_000, len(BODY) - 1])
def test_a_truncated_body_never_reaches_the_target(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, sent: int
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    server.answers = [Answer(200, BODY, CRC, sent=sent)]
    with pytest.raises(errors.TransportError):
        transfer.download(make_store(max_attempts=1), "key", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert leftovers(tmp_path) == ["file"]


def test_a_body_that_breaks_off_continues_at_the_byte_reached(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, naps: list[float]
) -> None:
    rest = {**CRC, "Content-Range": f"bytes 5-{len(BODY) - 1}/{len(BODY)}"}
    server.answers = [Answer(200, BODY, CRC, sent=5), Answer(503), Answer(206, BODY[5:], rest)]
    transfer.download(make_store(max_attempts=3), "key", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == BODY
    assert [asked.headers.get("Range") for asked in server.asked] == [None, "bytes=5-2999999", "bytes=5-2999999"]
    assert server.asked[2].headers["If-Match"] == '"etag"'


def test_attempts_are_not_multiplied(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, naps: list[float]
) -> None:
    server.answers = [Answer(500)]
    with pytest.raises(errors.ServerError):
        transfer.download(make_store(max_attempts=4), "key", tmp_path / "file")
    assert len(server.asked) == 4


@pytest.mark.parametrize(("vendor", "header"), [("bos", "x-bce-content-crc32"), ("oss", "x-oss-hash-crc64ecma")])
def test_a_wrong_checksum_never_reaches_the_target_and_both_values_are_told(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, vendor: str, header: str
) -> None:
    server.answers = [Answer(200, BODY, {header: "12345"})]
    with pytest.raises(errors.IntegrityError, match=r"reports crc\d+ 12345, the bytes here have \d+"):
        transfer.download(make_store(vendor), "key", tmp_path / "file")
    assert leftovers(tmp_path) == []
    with pytest.raises(errors.IntegrityError):
        transfer.upload(make_store(vendor), BODY, "key")


def test_a_file_keeps_its_permissions_and_a_new_one_follows_the_umask(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path
) -> None:
    server.answers = [Answer(200, b"new")]
    (tmp_path / "old").write_bytes(b"old")
    (tmp_path / "old").chmod(0o640)
    previous = os.umask(0o027)
    try:
        for name in ("old", "fresh"):
            transfer.download(make_store(), "key", tmp_path / name)
    finally:
        os.umask(previous)
    assert [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("old", "fresh")] == [0o640, 0o640]


def test_a_file_that_exists_is_refused_before_anything_is_sent(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(errors.InvalidRequestError, match="overwrite is off"):
        transfer.download(make_store(), "key", tmp_path / "file", overwrite=False)
    with pytest.raises(errors.InvalidRequestError, match="is a folder"):
        transfer.download(make_store(), "key", tmp_path)
    assert server.asked == []


def test_a_file_that_appears_meanwhile_is_not_overwritten(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers = [Answer(200, BODY, CRC)]
    target = tmp_path / "file"
    monkeypatch.setattr(os, "fsync", lambda _: target.write_bytes(b"theirs"))
    with pytest.raises(errors.InvalidRequestError, match="exists now"):
        transfer.download(make_store(), "key", target, overwrite=False)
    assert target.read_bytes() == b"theirs"
    assert leftovers(tmp_path) == ["file"]


def test_a_disk_that_is_full_leaves_nothing_behind(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    server.answers = [Answer(200, BODY, CRC)]
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match="No space left"):
        transfer.download(make_store(), "key", tmp_path / "file")
    assert leftovers(tmp_path) == []


def test_an_upload_streams_from_path_bytes_and_any_binary_file(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path
) -> None:
    path = tmp_path / "source"
    path.write_bytes(BODY)
    at_its_place = io.BytesIO(b"skipped" + BODY)
    at_its_place.seek(7)
    read, write = os.pipe()
    os.write(write, BODY[:1000])
    os.close(write)
    packed = tmp_path / "packed"
    packed.write_bytes(gzip.compress(BODY))
    with (
        os.fdopen(read, "rb") as pipe,
        gzip.open(packed) as unpacked,
        path.open("rb") as opened,
        tempfile.NamedTemporaryFile(dir=tmp_path) as written,
    ):
        written.write(BODY)
        written.seek(0)
        for source in (path, str(path), BODY, at_its_place, unpacked, opened, written, pipe):
            transfer.upload(make_store(), source, "key")  # type: ignore[arg-type]
    assert [asked.body == BODY for asked in server.asked] == [True] * 7 + [False]
    assert server.asked[-1].body == BODY[:1000]
    assert all("Transfer-Encoding" not in asked.headers for asked in server.asked)
    assert not at_its_place.closed


def test_a_raw_file_that_takes_little_at_a_time_gets_all(server: ScriptedServer, make_store: MakeStore) -> None:
    taken = bytearray()

    class Raw(io.RawIOBase):
        def write(self, block: Any) -> int:
            taken.extend(block[:1000])
            return min(len(block), 1000)

    server.answers = [Answer(200, BODY, CRC)]
    transfer.download(make_store(), "key", Raw())
    assert taken == BODY


def test_a_source_that_does_not_block_is_refused(server: ScriptedServer, make_store: MakeStore) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    with (
        os.fdopen(read, "rb", buffering=0) as pipe,
        os.fdopen(write, "wb"),
        pytest.raises(errors.InvalidRequestError, match="does not block"),
    ):
        transfer.upload(make_store(), pipe, "key")
    assert server.asked == []


def test_an_empty_file_is_an_empty_object(server: ScriptedServer, make_store: MakeStore) -> None:
    transfer.upload(make_store("bos"), b"", "key")
    assert server.asked[0].headers["Content-Length"] == "0"
    assert "Transfer-Encoding" not in server.asked[0].headers


def test_a_slow_store_is_not_given_more_than_it_takes_so_that_a_deadline_is_seen(make_store: MakeStore) -> None:
    taken = 0

    def serve(connection: socket.socket) -> None:
        nonlocal taken
        while block := connection.recv(8 * 1024):
            taken += len(block)
            time.sleep(0.05)

    with listening(serve) as port:
        store = make_store(endpoint=f"http://127.0.0.1:{port}", read_timeout=2.0)
        options = transfer.TransferOptions(deadline=timedelta(seconds=3))
        with pytest.raises(errors.TransportError, match="not done within"):
            transfer.upload(store, bytes(16 * 1024**2), "key", options=options)
        assert 0 < taken < 1024**2


def test_a_source_that_shrinks_is_an_error(server: ScriptedServer, make_store: MakeStore, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(BODY)
    with path.open("rb") as file:
        read_at, size, _ = reader_at(file)
        body = SliceBody(read_at, 0, size, CRC64)
        os.truncate(path, 10)
        with pytest.raises(errors.IntegrityError, match="became shorter"):
            list(body)


@pytest.mark.parametrize(("source", "told"), [("folder", "a folder"), ("missing", "not there")])
def test_a_source_that_is_no_file_is_refused_before_anything_is_sent(
    server: ScriptedServer, make_store: MakeStore, tmp_path: Path, source: str, told: str
) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(errors.InvalidRequestError, match=told):
        transfer.upload(make_store(), tmp_path / source, "key")
    assert server.asked == []


@pytest.mark.parametrize(
    ("key", "given", "sent"),
    [
        ("a/page.html", None, "text/html"),
        ("a/table.csv.gz", None, "application/octet-stream"),
        ("a/unknown", None, "application/octet-stream"),
        ("a/page.html", "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
    ],
)
def test_the_content_type_is_guessed_from_the_key_unless_given(
    server: ScriptedServer, make_store: MakeStore, key: str, given: str | None, sent: str
) -> None:
    transfer.upload(make_store(), b"x", key, content_type=given)
    assert server.asked[0].headers["Content-Type"] == sent


def test_a_stream_checks_size_and_checksum_at_its_end(server: ScriptedServer, make_store: MakeStore) -> None:
    server.answers = [Answer(200, BODY, CRC)]
    with io.BufferedReader(transfer.ObjectReader(make_store(), "key", None)) as stream:
        assert stream.read(10) == BODY[:10]
        assert stream.read() == BODY[10:]
    server.answers = [Answer(200, BODY, {**CRC, "x-oss-hash-crc64ecma": "1"})]
    stream = io.BufferedReader(transfer.ObjectReader(make_store(), "key", None))
    with stream, pytest.raises(errors.IntegrityError):
        stream.read()
