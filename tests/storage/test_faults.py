"""After every fault the target is absent, old, or complete and equal; the store holds the complete object or none."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from aksk_provider import errors
from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator import faults as f
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore, TransferOptions, transfer
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import Reloading, static
from aksk_provider.storage.parts import open_uploads
from aksk_provider.storage.transfer import pool
from tests.storage.conftest import REGIONS

KIB, MIB = 1024, 1024**2
#: small objects go in one request, large ones in parts; BOS wants parts of 5 MiB
SIZES = {"single": 700 * KIB, "parts": 11 * MIB + 5}
OPTIONS = TransferOptions(threshold=2 * MIB, part_size=5 * MIB, concurrency=2)
BUCKETS = {"bos": "faulty", "oss": "faulty-oss", "cos": "faulty-1250000000"}
FIRST, SECOND = Account("first", "first-secret", token="first-token"), Account("second", "secret", token="second-token")


@pytest.fixture(scope="module")
def faulty() -> Iterator[Emulator]:
    buckets = [Bucket(vendor, name) for vendor, name in BUCKETS.items()]
    with Emulator(accounts=[Account("ak", "sk"), FIRST, SECOND], buckets=buckets) as running:
        yield running


@pytest.fixture(autouse=True)
def as_if_the_network_were_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open lanes as on a network that is slower than this machine."""
    monkeypatch.setattr(pool, "BUSY", 100.0)


@pytest.fixture(autouse=True)
def no_faults(faulty: Emulator) -> Iterator[None]:
    yield
    faulty.faults.clear()


@pytest.fixture(params=["bos", "oss", "cos"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["single", "parts"])
def body(request: pytest.FixtureRequest) -> bytes:
    return os.urandom(SIZES[request.param])


@pytest.fixture
def store(faulty: Emulator, vendor: str, naps: list[float]) -> Iterator[ObjectStore]:
    with make(faulty, vendor, static(Credentials("ak", "sk"))) as opened:
        yield opened


@pytest.fixture
def key() -> str:
    return f"{uuid.uuid4()}/文件 1.bin"


def make(faulty: Emulator, vendor: str, credentials: object) -> ObjectStore:
    return ObjectStore(
        resolve(
            vendor=vendor,
            region=REGIONS[vendor],
            endpoint=faulty.endpoint,
            bucket=BUCKETS[vendor],
            credentials=credentials,  # type: ignore[arg-type]
            max_attempts=3,
            read_timeout=1,
            connect_timeout=2,
        )
    )


def content(store: ObjectStore, key: str) -> bytes | None:
    if not store.exists(key):
        return None
    with io.BufferedReader(transfer.ObjectReader(store, key, None)) as stream:
        return stream.read()


def nothing_is_open(store: ObjectStore, key: str) -> bool:
    return not list(open_uploads(store, str(store.config.bucket), key))


PASSING = {
    "cut at 0": f.Cut(after=0),
    "cut at 1": f.Cut(after=1),
    "cut within": f.Cut(after=400_000),
    "cut near the end": f.Cut(after=700 * KIB - 1),
    "cut before any answer": f.Cut(),
    "reset": f.Reset(),
    "reset within": f.Reset(after=100_000),
    "500": f.Status(500),
    "503": f.Status(503, retry_after=3),
    "429": f.Status(429),
    "hang": f.Hang(3),
    "hang within": f.Hang(3, after=100_000),
    "flipped byte": f.Flip(at=333_333),
    "wrong checksum told": f.WrongChecksum(),
    "too long promised": f.WrongLength(by=7),
    "too short promised": f.WrongLength(by=-7),
}


@pytest.mark.parametrize("effect", PASSING.values(), ids=PASSING)
def test_a_download_survives_what_passes(
    faulty: Emulator, store: ObjectStore, key: str, body: bytes, effect: f.Effect, tmp_path: Path
) -> None:
    transfer.upload(store, body, key)
    (tmp_path / "file").write_bytes(b"old")
    rule = faulty.faults.add(f.Fault(effect, operation="get", times=1))
    result = transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert rule.fired == 1 or isinstance(effect, f.WrongChecksum)
    assert (result.size, (tmp_path / "file").read_bytes() == body) == (len(body), True)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("effect", PASSING.values(), ids=PASSING)
def test_a_download_fails_clean_on_what_stays(
    faulty: Emulator, store: ObjectStore, key: str, body: bytes, effect: f.Effect, tmp_path: Path
) -> None:
    transfer.upload(store, body, key)
    (tmp_path / "file").write_bytes(b"old")
    faulty.faults.add(f.Fault(effect, operation="get"))
    try:
        transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    except (errors.TransportError, errors.IntegrityError, errors.ServiceError):
        assert (tmp_path / "file").read_bytes() == b"old"
    else:
        assert (tmp_path / "file").read_bytes() == body
    assert {path.name for path in tmp_path.iterdir()} <= {"file", ".file.part", ".file.part.journal"}
    faulty.faults.clear()
    transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert (tmp_path / "file").read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


SENDING = {
    "cut while sending at 0": f.CutRequest(after=0),
    "cut while sending": f.CutRequest(after=300_000),
    "cut before any answer": f.Cut(),
    "answer lost": f.Cut(performed=True),
    "reset": f.Reset(),
    "500": f.Status(500),
    "500 though done": f.Status(500, performed=True),
    "503": f.Status(503, retry_after=3),
    "429": f.Status(429),
    "hang": f.Hang(3),
    "flipped byte": f.FlipRequest(at=333_333),
    "wrong checksum told": f.WrongChecksum(),
}
STEPS = {"single": ["put"], "parts": ["initiate", "upload_part", "complete"]}


@pytest.mark.parametrize("effect", SENDING.values(), ids=SENDING)
@pytest.mark.parametrize(("kind", "step"), [(kind, step) for kind, steps in STEPS.items() for step in steps])
def test_an_upload_survives_what_passes(
    faulty: Emulator, store: ObjectStore, key: str, kind: str, step: str, effect: f.Effect
) -> None:
    body = os.urandom(SIZES[kind])
    faulty.faults.add(f.Fault(effect, operation=step, key=key, times=1))
    if step == "complete" and isinstance(effect, f.WrongChecksum):
        with pytest.raises(errors.ChecksumMismatchError):
            transfer.upload(store, body, key, options=OPTIONS)
    else:
        transfer.upload(store, body, key, options=OPTIONS)
    assert content(store, key) == body
    if step != "initiate":
        assert nothing_is_open(store, key)


@pytest.mark.parametrize("effect", SENDING.values(), ids=SENDING)
@pytest.mark.parametrize(("kind", "step"), [("single", "put"), ("parts", "upload_part"), ("parts", "complete")])
def test_an_upload_fails_clean_on_what_stays(
    faulty: Emulator, store: ObjectStore, key: str, kind: str, step: str, effect: f.Effect
) -> None:
    body = os.urandom(SIZES[kind])
    faulty.faults.add(f.Fault(effect, operation=step, key=key))
    with suppress(errors.ObjectStorageError):
        transfer.upload(store, body, key, options=OPTIONS)
    assert content(store, key) in (None, body)
    faulty.faults.clear()
    transfer.upload(store, body, key, options=OPTIONS)
    assert content(store, key) == body
    assert nothing_is_open(store, key)


def test_an_object_that_is_replaced_while_it_is_downloaded_is_never_mixed(
    faulty: Emulator, store: ObjectStore, key: str, body: bytes, tmp_path: Path
) -> None:
    transfer.upload(store, body, key)
    other = os.urandom(len(body))
    faulty.faults.add(f.Fault(f.Replace(content=other, after=100_000), operation="get", times=1))
    faulty.faults.add(f.Fault(f.Cut(after=200_000), operation="get", times=1))
    with pytest.raises(errors.ObjectChangedError, match="replaced"):
        transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert list(tmp_path.iterdir()) == []
    transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    assert (tmp_path / "file").read_bytes() == other


def test_credentials_that_expire_on_the_way_are_read_again_once(
    faulty: Emulator, vendor: str, key: str, body: bytes, tmp_path: Path, naps: list[float]
) -> None:
    first, second = (Credentials(account.access_key, account.secret_key, account.token) for account in (FIRST, SECOND))
    with make(faulty, vendor, Reloading(first, lambda: second)) as store:
        faulty.faults.add(f.Fault(f.ExpireToken(), operation="put" if len(body) < 2 * MIB else "upload_part", nth=1))
        transfer.upload(store, body, key, options=OPTIONS)
        assert content(store, key) == body
    faulty.faults.clear()
    with make(faulty, vendor, Reloading(first, lambda: first)) as store:
        faulty.faults.add(f.Fault(f.ExpireToken(), operation="get", nth=1))
        with pytest.raises(errors.ServiceError) as caught:
            transfer.download(store, key, tmp_path / "file", options=OPTIONS)
        assert caught.value.code
        assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_wrong_clock_is_corrected_and_told_in_seconds(
    faulty: Emulator, store: ObjectStore, key: str, seconds: int, caplog: pytest.LogCaptureFixture
) -> None:
    faulty.faults.add(f.Fault(f.Skew(seconds)))
    transfer.upload(store, b"late", key)
    assert content(store, key) == b"late"
    where = "behind" if seconds > 0 else "ahead of"
    assert re.search(rf"this machine's clock is (3599|360[01]) s {where} the store's", caplog.text)


def test_an_upload_that_the_store_forgot_begins_anew(faulty: Emulator, store: ObjectStore, key: str) -> None:
    body = os.urandom(SIZES["parts"])
    for step in ("upload_part", "complete"):
        faulty.faults.add(f.Fault(f.ForgetUpload(), operation=step, key=key, nth=1))
        transfer.upload(store, body, key, options=OPTIONS)
        assert content(store, key) == body
        store.delete(key)
        faulty.faults.clear()


def test_no_credential_follows_a_redirect(
    faulty: Emulator, store: ObjectStore, key: str, body: bytes, server: object, tmp_path: Path
) -> None:
    transfer.upload(store, body, key)
    faulty.faults.add(f.Fault(f.Redirect(server.endpoint)))  # type: ignore[attr-defined]
    with pytest.raises(errors.ServiceError, match="another endpoint"):
        transfer.download(store, key, tmp_path / "file", options=OPTIONS)
    with pytest.raises(errors.ServiceError, match="another endpoint"):
        transfer.upload(store, body, key, options=OPTIONS)
    assert server.asked == []  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == []


def test_a_trickle_ends_at_the_deadline(faulty: Emulator, store: ObjectStore, key: str, tmp_path: Path) -> None:
    store.put(key, b"x" * 100)
    faulty.faults.add(f.Fault(f.Slow(bytes_per_second=10), operation="get"))
    with pytest.raises(errors.TransportError, match="not done within"):
        transfer.download(store, key, tmp_path / "file", options=TransferOptions(deadline=timedelta(seconds=0.5)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("noticed", ["before anything is written", "while it is written"])
def test_a_full_disk_is_told_and_leaves_nothing(
    store: ObjectStore, key: str, body: bytes, noticed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a real file system of half a megabyte, where this process may mount one."""
    full = tmp_path / "full"
    full.mkdir()
    mount = shutil.which("mount")
    size = 512 * KIB
    mounted = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={size}", "tmpfs", full], check=False, capture_output=True
    )
    if not mounted or mounted.returncode:
        pytest.skip("this process may not mount a file system")
    try:
        transfer.upload(store, body, key)
        (full / "file").write_bytes(b"old")
        if noticed == "while it is written":
            monkeypatch.setattr("os.fstatvfs", lambda _: os.statvfs("/"))
        told = f"No space left.*{len(body)} bytes are needed" if noticed.startswith("before") else "No space left"
        with pytest.raises(OSError, match=told):
            transfer.download(store, key, full / "file", options=OPTIONS)
        assert (full / "file").read_bytes() == b"old"
        assert [path.name for path in full.iterdir()] == ["file"]
    finally:
        subprocess.run(["umount", full], check=True)
