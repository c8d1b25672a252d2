"""Large objects in parts: resumed, checked part by part, never a mix, nothing left behind."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from fastcrc import crc64

from aksk_provider import errors
from aksk_provider.emulator import Emulator
from aksk_provider.storage import ObjectStore, TransferOptions, transfer
from aksk_provider.storage.checksums import CHECKSUMS
from aksk_provider.storage.multipart import MAX_PARTS
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.parts import abort_incomplete, open_uploads
from aksk_provider.storage.transfer import pool
from aksk_provider.storage.transfer.upload import plan_part_size
from tests.storage.test_store_on_emulator import BUCKETS, open_store

MIB = 1024**2
SIZE = 23 * MIB + 17
BODY = os.urandom(SIZE)
OPTIONS = TransferOptions(threshold=8 * MIB, part_size=5 * MIB, concurrency=3)


@pytest.fixture(autouse=True)
def as_if_the_network_were_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open lanes as on a network that is slower than this machine."""
    monkeypatch.setattr(pool, "BUSY", 100.0)


@pytest.fixture(params=["bos", "oss", "cos"])
def store(request: pytest.FixtureRequest, emulator: Emulator) -> Iterator[ObjectStore]:
    with open_store(emulator, request.param, max_attempts=2) as opened:
        yield opened


@pytest.fixture
def key() -> str:
    return f"{uuid.uuid4()}/large 文件"


@pytest.fixture
def sent(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note what is sent, in words."""
    seen: list[str] = []
    send = store.transport._send_once

    def noting(operation: Operation, *args: object, **kwargs: object) -> object:
        seen.append(f"{operation.method} {dict(operation.params).get('partNumber', '')}".strip())
        return send(operation, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(store.transport, "_send_once", noting)
    return seen


def content(store: ObjectStore, key: str) -> bytes:
    with io.BufferedReader(transfer.ObjectReader(store, key, None)) as stream:
        return stream.read()


def nothing_is_open(store: ObjectStore, key: str) -> bool:
    return not list(open_uploads(store, BUCKETS[store.config.vendor.name], key))


class Unseekable(io.RawIOBase):
    def __init__(self, body: bytes) -> None:
        self._body = io.BytesIO(body)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._body.readinto(buffer)


class Stopping(io.BytesIO):
    """Asks for the transfer to stop once so much of it was read."""

    def __init__(self, body: bytes, after: int, stop: threading.Event) -> None:
        super().__init__(body)
        self._after = after
        self._stop = stop

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > self._after:
            self._stop.set()
        return super().read(size)


@pytest.mark.parametrize("name", ["crc64", "crc32"])
def test_the_checksums_of_parts_join_to_that_of_the_whole(name: str) -> None:
    checksum = CHECKSUMS[name]
    cuts = [0, 0, 1, 1000, 1000, 5 * MIB, SIZE]
    parts = [(checksum.update(BODY[a:b], 0), b - a) for a, b in pairwise(cuts)]
    assert checksum.combine(parts) == checksum.update(BODY, 0)
    assert checksum.combine([]) == 0


@pytest.mark.parametrize("size", [1, 64 * MIB, 5 * 1024**3, 156 * 1024**3, 48_800 * 1024**3])
def test_ten_thousand_parts_always_suffice(size: int) -> None:
    for smallest in (100 * 1024, MIB, 5 * MIB):
        part = plan_part_size(size, 16 * MIB, smallest)
        assert smallest <= part <= 5 * 1024**3
        assert -(-size // part) <= MAX_PARTS


@pytest.mark.parametrize("kind", ["path", "bytes", "file", "memory", "stream"])
def test_every_kind_of_source_arrives_whole(store: ObjectStore, key: str, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "source"
    path.write_bytes(BODY)
    with path.open("rb") as file:
        sources = {
            "path": path,
            "bytes": BODY,
            "file": file,
            "memory": io.BytesIO(BODY),
            "stream": io.BufferedReader(Unseekable(BODY)),
        }
        info = transfer.upload(store, sources[kind], key, options=OPTIONS, metadata={"a": "1"})  # type: ignore[arg-type]
    assert content(store, key) == BODY
    assert (info.size, info.metadata) == (SIZE, {"a": "1"})
    assert store.head(key).metadata == {"a": "1"}
    if store.config.vendor.checksum == "crc64":
        assert info.crc64 == str(crc64.xz(BODY))
    assert nothing_is_open(store, key)


def test_a_large_object_comes_in_ranges_into_one_file(
    store: ObjectStore, key: str, sent: list[str], tmp_path: Path
) -> None:
    transfer.upload(store, BODY, key, options=OPTIONS)
    sent.clear()
    result = transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert (tmp_path / "file").read_bytes() == BODY
    assert result.size == SIZE
    assert len(sent) > 2
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_upload_that_stopped_continues_with_the_parts_it_lacks(
    store: ObjectStore, key: str, sent: list[str]
) -> None:
    stop = threading.Event()
    with pytest.raises(errors.TransferCancelledError):
        transfer.upload(store, Stopping(BODY, 12 * MIB, stop), key, options=OPTIONS, cancelled=stop)
    assert not store.exists(key)
    assert not nothing_is_open(store, key)
    sent.clear()
    transfer.upload(store, BODY, key, options=OPTIONS)
    assert sorted(request for request in sent if request.startswith("PUT")) == ["PUT 3", "PUT 4", "PUT 5"]
    assert content(store, key) == BODY
    assert nothing_is_open(store, key)


def test_an_upload_whose_source_changed_sends_the_parts_that_differ(
    store: ObjectStore, key: str, sent: list[str]
) -> None:
    stop = threading.Event()
    with pytest.raises(errors.TransferCancelledError):
        transfer.upload(store, Stopping(BODY, 17 * MIB, stop), key, options=OPTIONS, cancelled=stop)
    sent.clear()
    changed = b"changed" + BODY[7:]
    transfer.upload(store, changed, key, options=OPTIONS)
    assert "PUT 1" in sent
    assert "PUT 2" not in sent
    assert content(store, key) == changed


def test_a_download_that_stopped_continues_with_the_ranges_it_lacks(
    store: ObjectStore, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store.put(key, BODY)
    stop = threading.Event()
    one_by_one = TransferOptions(
        threshold=8 * MIB, part_size=5 * MIB, concurrency=1, progress=lambda progress: stop.set()
    )
    moved: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "aksk_provider.storage.transfer.options.Watch.__call__",
            lambda self, count: moved.append(count) or _stop_after(moved, 12 * MIB),
        )
        with pytest.raises(errors.TransferCancelledError):
            transfer.download(store, key, tmp_path / "file", options=one_by_one, cancelled=stop)
    assert not (tmp_path / "file").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".file.part", ".file.part.journal"]
    result = transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert "continuing, 2 of 5 parts are there" in caplog.text
    assert Path(result.path).read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def _stop_after(moved: list[int], limit: int) -> None:
    if sum(moved) > limit:
        raise errors.TransferCancelledError("stopped")


def test_a_part_file_of_another_object_is_not_continued(store: ObjectStore, key: str, tmp_path: Path) -> None:
    store.put(key, BODY)
    moved: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "aksk_provider.storage.transfer.options.Watch.__call__",
            lambda self, count: moved.append(count) or _stop_after(moved, 12 * MIB),
        )
        with pytest.raises(errors.TransferCancelledError):
            transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    replaced = os.urandom(SIZE)
    store.put(key, replaced)
    transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert (tmp_path / "file").read_bytes() == replaced


@pytest.mark.parametrize("journal", [b"", b"{", b'{"uri": 1}\n', b"\xff\xfe\n1 2\n"])
def test_a_journal_that_cannot_be_read_is_no_obstacle(
    store: ObjectStore, key: str, tmp_path: Path, journal: bytes
) -> None:
    store.put(key, BODY)
    (tmp_path / ".file.part").write_bytes(b"garbage")
    (tmp_path / ".file.part.journal").write_bytes(journal)
    transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert (tmp_path / "file").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("lost", ["the file", "the end", "a byte"])
def test_a_journal_is_believed_only_as_far_as_the_file_bears_it_out(
    store: ObjectStore, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lost: str
) -> None:
    """A process killed after the rename, or a machine that went down, can leave a journal without its bytes."""
    store.put(key, BODY)
    with monkeypatch.context() as patch:
        patch.setattr("aksk_provider.storage.transfer.partfile.PartFile.forget", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    part = tmp_path / ".file.part"
    assert part.read_bytes() == BODY
    if lost == "the file":
        part.unlink()
    elif lost == "the end":
        os.truncate(part, 7 * MIB)
    else:
        with part.open("r+b") as file:
            file.seek(11 * MIB)
            file.write(bytes([BODY[11 * MIB] ^ 1]))
    transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert (tmp_path / "file").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_two_tasks_that_write_one_target_leave_one_whole_file(store: ObjectStore, key: str, tmp_path: Path) -> None:
    store.put(key, BODY)
    failures: list[BaseException] = []

    def run() -> None:
        try:
            transfer.download(store, key, tmp_path / "file", options=OPTIONS)
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert (tmp_path / "file").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_expected_checksum_is_held_against_the_object(store: ObjectStore, key: str, tmp_path: Path) -> None:
    store.put(key, BODY)
    right = str(CHECKSUMS[store.config.vendor.checksum].update(BODY, 0))
    transfer.download(store, key, tmp_path / "file", checksum=right)
    with pytest.raises(errors.IntegrityError, match=f"12345 was expected, the object has {right}"):
        transfer.download(store, key, tmp_path / "file", checksum="12345")
    assert (tmp_path / "file").read_bytes() == BODY


def test_overwriting_can_be_refused_for_large_objects_too(store: ObjectStore, key: str) -> None:
    transfer.upload(store, BODY, key, options=OPTIONS, overwrite=False)
    with pytest.raises(errors.ObjectExistsError):
        transfer.upload(store, BODY[::-1], key, options=OPTIONS, overwrite=False)
    assert content(store, key) == BODY


def test_a_deadline_ends_a_transfer_and_keeps_what_was_moved(store: ObjectStore, key: str, tmp_path: Path) -> None:
    late = TransferOptions(threshold=8 * MIB, part_size=5 * MIB, deadline=timedelta(microseconds=1))
    with pytest.raises(errors.TransportError, match="not done within"):
        transfer.upload(store, BODY, key, options=late)
    assert not store.exists(key)
    store.put(key, BODY)
    with pytest.raises(errors.TransportError, match="not done within"):
        transfer.download(store, key, tmp_path / "file", options=late)
    assert not (tmp_path / "file").exists()


def test_incomplete_uploads_are_dropped_when_they_are_old(store: ObjectStore, key: str) -> None:
    stop = threading.Event()
    with pytest.raises(errors.TransferCancelledError):
        transfer.upload(store, Stopping(BODY, 12 * MIB, stop), key, options=OPTIONS, cancelled=stop)
    assert abort_incomplete(store, key, None, timedelta(hours=1)) == []
    assert abort_incomplete(store, key, None, timedelta(seconds=-5)) == [store.uri(key)]
    assert nothing_is_open(store, key)


def test_progress_is_told_for_long_transfers_only(
    store: ObjectStore, key: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="aksk_provider")
    transfer.upload(store, BODY, key, options=OPTIONS)
    assert "MiB/s" not in caplog.text
    monkeypatch.setattr("aksk_provider.storage.transfer.options._LOG_EVERY", 0.0)
    told: list[transfer.Progress] = []
    clock = iter(range(1_000_000))
    monkeypatch.setattr("aksk_provider.storage.transfer.options.time.monotonic", lambda: next(clock))
    transfer.upload(store, BODY, key, options=TransferOptions(threshold=8 * MIB, progress=told.append))
    assert "% of 23 MiB" in caplog.text
    assert told[-1].done == told[-1].total == SIZE


KILLED = """
import sys
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore, TransferOptions, transfer
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static
direction, vendor, region, endpoint, bucket, key, path = sys.argv[1:]
store = ObjectStore(resolve(vendor=vendor, region=region, endpoint=endpoint, bucket=bucket,
    credentials=static(Credentials("AKPERMANENT", "SKPERMANENT"))))
options = TransferOptions(threshold=8 * 1024**2, part_size=5 * 1024**2, concurrency=2)
print("began", flush=True)
if direction == "upload":
    transfer.upload(store, path, key, options=options)
else:
    transfer.download(store, key, path, options=options)
"""


@pytest.mark.slow
@pytest.mark.parametrize("direction", ["upload", "download"])
def test_a_killed_process_leaves_nothing_half_done_and_the_next_one_finishes(
    emulator: Emulator, store: ObjectStore, key: str, tmp_path: Path, direction: str
) -> None:
    """Seven moments for each of the three clouds: 21 in each direction."""
    vendor = store.config.vendor.name
    path = tmp_path / "file"
    path.write_bytes(BODY)
    if direction == "download":
        transfer.upload(store, path, key, options=OPTIONS)
        path.write_bytes(b"old")
    arguments = [direction, vendor, "cn-hangzhou", emulator.endpoint, BUCKETS[vendor], key, str(path)]
    for moment in range(7):
        if direction == "upload":
            store.delete(key)
        process = subprocess.Popen([sys.executable, "-c", KILLED, *arguments], stdout=subprocess.PIPE)
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.04 * moment)
        process.kill()
        process.wait()
        process.stdout.close()
        if direction == "upload":
            assert not store.exists(key) or content(store, key) == BODY
        else:
            assert path.read_bytes() in (b"old", BODY)
    subprocess.run([sys.executable, "-c", KILLED, *arguments], check=True, stdout=subprocess.DEVNULL, timeout=60)
    assert (path.read_bytes() if direction == "download" else content(store, key)) == BODY
    assert nothing_is_open(store, key)
    assert [found.name for found in tmp_path.iterdir()] == ["file"]
