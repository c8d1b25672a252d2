"""Links in use, for each cloud and for a server that is none: whole and checked, or an error and the old file."""

from __future__ import annotations

import hashlib
import logging
import os
import threading
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from aksk_provider import errors
from aksk_provider.emulator import Emulator
from aksk_provider.emulator import faults as f
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.checksums import CRC32, CRC64
from aksk_provider.storage.presigning import inspection
from aksk_provider.storage.presigning.fetch import FetchOptions, download_url, upload_url
from tests.storage.conftest import Answer, ScriptedServer
from tests.support.clouds import Cloud

BODY = os.urandom(700_000)
OPTIONS = FetchOptions(max_attempts=3, read_timeout=1, connect_timeout=2)


@pytest.fixture
def store(any_cloud: Cloud, emulator: Emulator) -> Iterator[ObjectStore]:
    with any_cloud.store() as opened:
        opened.put("fetch/文件 1+1.bin", BODY)
        yield opened
    emulator.faults.clear()


@pytest.fixture
def get_link(store: ObjectStore) -> str:
    return store.presign("fetch/文件 1+1.bin").url


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A target that is there already."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    return path


def signed_at(store: ObjectStore, ago: timedelta, lifetime: timedelta, method: str = "GET") -> str:
    then = datetime.now(timezone.utc) - ago
    with ObjectStore(store.config, clock=lambda: then) as earlier:
        return earlier.presign("fetch/文件 1+1.bin", method=method, expires_in=lifetime).url


def test_a_download_is_whole_and_says_what_it_is(store: ObjectStore, get_link: str, tmp_path: Path) -> None:
    result = download_url(get_link, tmp_path / "made on the way" / "file")
    info = store.head("fetch/文件 1+1.bin")
    assert Path(result.path).read_bytes() == BODY
    assert (result.size, result.etag, result.crc64) == (len(BODY), info.etag, info.crc64)


def test_an_upload_arrives_with_the_headers_it_was_signed_with(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(BODY)
    link = store.presign("fetch/up", method="PUT", headers={"Content-Type": "text/x-own"})
    result = upload_url(link.url, tmp_path / "source", headers=link.signed_headers)
    info = store.head("fetch/up")
    assert (info.content_type, info.size, info.etag) == ("text/x-own", len(BODY), result.etag)
    assert (result.size, result.crc64) == (len(BODY), str(CRC64.update(BODY, 0)))


def test_empty_files_go_both_ways(store: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"")
    assert upload_url(store.presign("fetch/empty", method="PUT").url, tmp_path / "source").size == 0
    assert download_url(store.presign("fetch/empty").url, tmp_path / "target").size == 0
    assert (tmp_path / "target").read_bytes() == b""


def test_a_required_header_that_is_left_out_is_refused_with_the_vendors_code(
    store: ObjectStore, tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(b"x")
    link = store.presign("fetch/up", method="PUT", headers={"Content-Type": "text/x-own"})
    with pytest.raises(
        errors.PermissionDeniedError, match=r"SignatureDoesNotMatch.*request id.*every header"
    ) as caught:
        upload_url(link.url, tmp_path / "source")
    assert shown_of(link.url, caught.value) == []


def test_an_expired_link_is_refused_with_the_vendors_code_before_any_file_is_made(
    store: ObjectStore, tmp_path: Path
) -> None:
    """Clocks differ: what died within the last quarter of an hour is for the store to judge."""
    url = signed_at(store, timedelta(minutes=3), timedelta(minutes=2))
    with pytest.raises(
        errors.PermissionDeniedError, match=r"(AccessDenied|RequestExpired): .*request id.*new one"
    ) as e:
        download_url(url, tmp_path / "folder" / "file")
    assert shown_of(url, e.value) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("use", [download_url, upload_url])
def test_a_link_that_died_long_ago_is_not_even_sent(
    use: object, store: ObjectStore, emulator: Emulator, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"old")
    url = signed_at(store, timedelta(hours=1), timedelta(minutes=2), "GET" if use is download_url else "PUT")
    asked = emulator.faults.add(f.Fault(f.Effect()))
    with pytest.raises(
        errors.InvalidRequestError, match=r"^the link to \S+ expired at 20\S+: make a new one$"
    ) as caught:
        use(url, tmp_path / "file")  # type: ignore[operator]
    assert asked.seen == 0
    assert shown_of(url, caught.value) == []


def shown_of(url: str, error: BaseException) -> list[str]:
    """Return what an error and those it hangs on show of a link."""
    told, at = "", error
    while at is not None:
        told += f"{at!r} {at}"
        at = at.__cause__ or (None if at.__suppress_context__ else at.__context__)  # type: ignore[assignment]
    return [text for text in (*inspection.secrets(url), url.partition("?")[2]) if text in told]


PASSING = {
    "cut at once": f.Cut(after=0),
    "cut within": f.Cut(after=400_000),
    "cut before any answer": f.Cut(),
    "reset within": f.Reset(after=100_000),
    "500": f.Status(500),
    "429": f.Status(429),
    "hang within": f.Hang(3, after=100_000),
    "flipped byte": f.Flip(at=333_333),
    "too long promised": f.WrongLength(by=7),
    "too short promised": f.WrongLength(by=-7),
}
#: those that no number of attempts gets past: after the others, each attempt gets further
STAYING = {
    name: effect
    for name, effect in PASSING.items()
    if not (isinstance(effect, f.Cut | f.Reset | f.Hang) and effect.after)
}


@pytest.mark.parametrize("effect", PASSING.values(), ids=PASSING)
def test_a_download_survives_what_passes(
    emulator: Emulator, get_link: str, effect: f.Effect, old: Path, naps: list[float]
) -> None:
    rule = emulator.faults.add(f.Fault(effect, operation="get", times=1))
    assert download_url(get_link, old, options=OPTIONS).size == len(BODY)
    assert (rule.fired, old.read_bytes()) == (1, BODY)
    assert [path.name for path in old.parent.iterdir()] == ["file"]


@pytest.mark.parametrize("effect", STAYING.values(), ids=STAYING)
def test_a_download_fails_clean_on_what_stays(
    emulator: Emulator, get_link: str, effect: f.Effect, old: Path, naps: list[float]
) -> None:
    emulator.faults.add(f.Fault(effect, operation="get"))
    with pytest.raises(errors.ObjectStorageError) as caught:
        download_url(get_link, old, options=OPTIONS)
    assert old.read_bytes() == b"old"
    assert [path.name for path in old.parent.iterdir()] == ["file"]
    assert shown_of(get_link, caught.value) == []


def test_a_download_that_breaks_off_asks_only_for_the_rest(
    emulator: Emulator, get_link: str, tmp_path: Path, naps: list[float]
) -> None:
    asked: list[str | None] = []

    class Note(f.Effect):
        async def arrive(self, exchange: object) -> None:
            asked.append(exchange.call.headers.get("range"))  # type: ignore[attr-defined]

    emulator.faults.add(f.Fault(Note(), operation="get"))
    emulator.faults.add(f.Fault(f.Cut(after=400_000), operation="get", times=1))
    download_url(get_link, tmp_path / "file", options=OPTIONS)
    assert asked[0] is None
    assert len(asked) == 2
    assert 0 < int(str(asked[1]).removeprefix("bytes=").rstrip("-")) <= 400_000


def test_an_object_that_is_replaced_meanwhile_is_not_mixed(
    emulator: Emulator, get_link: str, old: Path, naps: list[float]
) -> None:
    emulator.faults.add(f.Fault(f.Replace(after=100_000, content=b"new"), operation="get", times=1))
    emulator.faults.add(f.Fault(f.Cut(after=200_000), operation="get", times=1))
    with pytest.raises(errors.ObjectChangedError, match="replaced while it was downloaded"):
        download_url(get_link, old, options=OPTIONS)
    assert old.read_bytes() == b"old"


@pytest.mark.parametrize("effect", [f.Cut(), f.Reset(), f.Status(500), f.Status(503), f.FlipRequest(at=3_333)], ids=str)
def test_an_upload_survives_what_passes(
    emulator: Emulator, store: ObjectStore, effect: f.Effect, tmp_path: Path, naps: list[float]
) -> None:
    (tmp_path / "source").write_bytes(BODY)
    rule = emulator.faults.add(f.Fault(effect, operation="put", times=1))
    upload_url(store.presign("fetch/up", method="PUT").url, tmp_path / "source", options=OPTIONS)
    assert rule.fired == 1
    with store.get("fetch/up") as answer:
        assert answer.read() == BODY


def test_bytes_that_keep_arriving_wrong_fail(
    emulator: Emulator, store: ObjectStore, tmp_path: Path, naps: list[float]
) -> None:
    (tmp_path / "source").write_bytes(BODY)
    emulator.faults.add(f.Fault(f.FlipRequest(at=3_333), operation="put"))
    with pytest.raises(errors.ChecksumMismatchError):
        upload_url(store.presign("fetch/up", method="PUT").url, tmp_path / "source", options=OPTIONS)


def test_a_redirect_is_not_followed(emulator: Emulator, get_link: str, tmp_path: Path) -> None:
    emulator.faults.add(f.Fault(f.Redirect("https://elsewhere.example.com"), operation="get"))
    with pytest.raises(errors.ServiceError, match=r"HTTP 307 .*points to elsewhere\.example\.com") as caught:
        download_url(get_link, tmp_path / "file")
    assert shown_of(get_link, caught.value) == []


def test_debug_logs_do_not_show_the_link(
    emulator: Emulator, get_link: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, naps: list[float]
) -> None:
    caplog.set_level(logging.DEBUG)
    download_url(get_link, tmp_path / "file")
    with pytest.raises(errors.TransportError) as caught:
        download_url(get_link.replace(emulator.endpoint, "http://127.0.0.1:1"), tmp_path / "file", options=OPTIONS)
    assert shown_of(get_link, caught.value) == []
    records = [record for record in caplog.records if not record.name.startswith("uvicorn")]
    assert any(
        record.name.startswith("aksk_provider") and f"GET {emulator.endpoint}" in record.getMessage()
        for record in records
    )
    shown = "\n".join(record.getMessage() for record in records)
    assert [text for text in (*inspection.secrets(get_link), get_link.partition("?")[2]) if text in shown] == []


def test_checksums_that_are_expected(store: ObjectStore, get_link: str, old: Path) -> None:
    own = CRC32 if store.config.vendor.checksum == "crc32" else CRC64
    good = (f"sha256:{hashlib.sha256(BODY).hexdigest()}", f"MD5:{hashlib.md5(BODY).hexdigest().upper()}")
    for checksum in (*good, str(own.update(BODY, 0))):
        assert download_url(get_link, old, checksum=checksum).size == len(BODY)
    put_link = store.presign("fetch/up", method="PUT").url
    assert upload_url(put_link, old, checksum=str(own.update(BODY, 0))).size == len(BODY)
    old.write_bytes(b"old")
    for checksum in ("sha256:00", "123"):
        with pytest.raises(errors.ChecksumMismatchError, match=f"{checksum.rpartition(':')[2]} was expected"):
            download_url(get_link, old, checksum=checksum)
        with pytest.raises(errors.ChecksumMismatchError, match=r"source .* was expected"):
            upload_url(put_link, old, checksum=checksum)
    assert old.read_bytes() == b"old"
    with store.get("fetch/up") as answer:
        assert answer.read() == BODY


@pytest.mark.parametrize("checksum", ["crc7:1", "abc", "sha256"])
def test_a_checksum_that_none_can_have_is_refused(checksum: str, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match=r"^checksum"):
        download_url("https://host.example.com/file", tmp_path / "file", checksum=checksum)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://host/file?sig=s3cret-s3cret",
        "s3cret-s3cret",
        "https://user:s3cret-s3cret@h/?x",
        "http://h:99999/?sig=s3cret-s3cret",
    ],
)
def test_what_is_no_link_is_refused_unshown(url: str, tmp_path: Path) -> None:
    with pytest.raises(errors.InvalidRequestError) as caught:
        download_url(url, tmp_path / "file")
    assert "s3cret" not in str(caught.value)


def test_a_length_that_was_signed_must_be_that_of_the_source(tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"12345")
    with pytest.raises(errors.InvalidRequestError, match=r"the link is for 4 bytes, and source .* has 5"):
        upload_url("https://host.example.com/key?x=1", tmp_path / "source", headers={"Content-Length": "4"})


def test_a_target_that_exists_is_kept_when_told_so(get_link: str, old: Path) -> None:
    with pytest.raises(errors.InvalidRequestError, match="exists and overwrite is off"):
        download_url(get_link, old, overwrite=False)
    assert old.read_bytes() == b"old"


def test_it_stops_when_told_and_leaves_nothing(emulator: Emulator, get_link: str, old: Path) -> None:
    emulator.faults.add(f.Fault(f.Slow(100_000), operation="get"))
    cancelled = threading.Event()
    threading.Timer(0.5, cancelled.set).start()
    with pytest.raises(errors.TransferCancelledError):
        download_url(get_link, old, cancelled=cancelled)
    assert [path.name for path in old.parent.iterdir()] == ["file"]


def test_a_deadline_ends_it(emulator: Emulator, get_link: str, old: Path) -> None:
    emulator.faults.add(f.Fault(f.Slow(50_000), operation="get"))
    with pytest.raises(errors.TransportError, match="not done within"):
        download_url(get_link, old, options=FetchOptions(deadline=timedelta(seconds=0.5)))


def test_memory_does_not_grow_with_the_file(oss: Cloud, tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 * 1024**2)
    with oss.store() as store:
        links = [store.presign("fetch/large", method=method).url for method in ("PUT", "GET")]
        tracemalloc.start()
        upload_url(links[0], tmp_path / "large")
        download_url(links[1], tmp_path / "again")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        store.delete("fetch/large")
    assert (tmp_path / "again").stat().st_size == 64 * 1024**2
    assert peak < 16 * 1024**2  # the emulator in this process included


# servers that are none of the vendors


def test_any_other_url_works(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers = [Answer(body=b"content", headers={"ETag": 'W/"tag"'})]
    result = download_url(f"{server.endpoint}/a%20file", tmp_path / "file")
    assert (result.size, result.etag, result.crc64) == (7, "tag", str(CRC64.update(b"content", 0)))
    assert Path(result.path).read_bytes() == b"content"
    assert upload_url(f"{server.endpoint}/a%20file", tmp_path / "file", headers={"X-Own": "1"}).size == 7
    assert (server.asked[-1].method, server.asked[-1].body, server.asked[-1].headers["X-Own"]) == (
        "PUT",
        b"content",
        "1",
    )
    assert {"Content-Type", "Authorization"}.isdisjoint(server.asked[-1].headers)


def test_a_server_without_entity_tags_is_asked_for_all_of_it_again(
    server: ScriptedServer, tmp_path: Path, naps: list[float]
) -> None:
    server.answers = [Answer(body=b"content", sent=3), Answer(body=b"CONTENT")]
    download_url(f"{server.endpoint}/file", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"CONTENT"
    assert "Range" not in server.asked[1].headers


def test_a_server_without_ranges_sends_all_of_it_again(
    server: ScriptedServer, tmp_path: Path, naps: list[float]
) -> None:
    tagged = {"ETag": '"tag"'}
    whole = Answer(body=b"content", headers=tagged)
    server.answers = [Answer(body=b"content", headers=tagged, sent=3), whole, whole]
    download_url(f"{server.endpoint}/file", tmp_path / "file")
    assert (server.asked[1].headers["Range"], server.asked[1].headers["If-Match"]) == ("bytes=3-", '"tag"')
    assert (tmp_path / "file").read_bytes() == b"content"


def test_another_range_than_asked_for_is_refused(server: ScriptedServer, old: Path, naps: list[float]) -> None:
    tagged = {"ETag": '"tag"'}
    wrong = Answer(206, b"ntent", {**tagged, "Content-Range": "bytes 2-6/7"})
    server.answers = [Answer(body=b"content", headers=tagged, sent=3), wrong] * 2
    with pytest.raises(errors.IntegrityError, match="something else than the range"):
        download_url(f"{server.endpoint}/file", old)
    assert old.read_bytes() == b"old"


def test_a_range_that_was_asked_for_is_what_is_written(server: ScriptedServer, tmp_path: Path) -> None:
    server.answers = [Answer(206, b"nte", {"ETag": '"tag"', "Content-Range": "bytes 2-4/7"})]
    assert download_url(f"{server.endpoint}/file", tmp_path / "file", headers={"Range": "bytes=2-4"}).size == 3


def test_a_message_that_repeats_the_link_is_not_passed_on(server: ScriptedServer, tmp_path: Path) -> None:
    body = b"<Error><Code>Denied</Code><Message>/file?x-amz-signature=s3crets3cret is wrong</Message></Error>"
    server.answers = [Answer(403, body, {"x-amz-request-id": "id-1"})]
    with pytest.raises(errors.PermissionDeniedError, match=r"HTTP 403 Denied \(request id id-1\)") as caught:
        download_url(f"{server.endpoint}/file?x-amz-signature=s3crets3cret", tmp_path / "file")
    assert "s3cret" not in str(caught.value)
