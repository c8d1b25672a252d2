"""A partner delivers a large file with a ticket and without any key: by our client, by curl, and not otherwise."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import requests

from aksk_provider.emulator import Emulator
from aksk_provider.errors import (
    InvalidRequestError,
    NotFoundError,
    ObjectExistsError,
    PermissionDeniedError,
    TransportError,
)
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.parts import abort_incomplete
from aksk_provider.storage.presigning import ticket_client
from aksk_provider.storage.presigning.ticket_client import abort_multipart_ticket, use_multipart_ticket
from aksk_provider.storage.presigning.ticket_script import multipart_script
from aksk_provider.storage.presigning.tickets import form_document, form_ticket, links_of, multipart_ticket
from tests.conftest import BUCKETS, PERMANENT
from tests.support.clouds import VENDORS, Cloud

MIB = 1024**2
SIZE = 11 * MIB + 3
PART = 5 * MIB


@pytest.fixture
def store(any_cloud: Cloud) -> Iterator[ObjectStore]:
    with any_cloud.store() as opened:
        yield opened


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / 'it\'s a "large" 文件.bin'
    block = bytes(range(256)) * 4096
    path.write_bytes((block * 12)[:SIZE])
    return path


def ticket_for(store: ObjectStore, key: str, **options: Any) -> dict[str, Any]:
    """Return a ticket as a partner gets it: through JSON."""
    return json.loads(json.dumps(multipart_ticket(store, key, size=SIZE, part_size=PART, **options)))


def test_a_ticket_is_used_without_any_key(store: ObjectStore, file: Path) -> None:
    key = "tickets/日 报+1.bin"
    ticket = ticket_for(store, key, content_type="application/x-own", metadata={"from": "us"})
    assert [part["size"] for part in ticket["parts"]] == [PART, PART, MIB + 3]
    sent: list[int] = []
    info = use_multipart_ticket(ticket, file, progress=sent.append)
    assert sent == [PART, 2 * PART, SIZE]
    found = store.head(key)
    assert (info.uri, info.size, info.etag) == (store.uri(key), SIZE, found.etag)
    assert (found.size, found.content_type, found.metadata) == (SIZE, "application/x-own", {"from": "us"})
    with store.get(key) as stored:
        assert stored.read() == file.read_bytes()
    store.delete(key)


def test_curl_alone_is_enough(store: ObjectStore, file: Path, tmp_path: Path) -> None:
    key = "tickets/by curl's.bin"
    script = tmp_path / "upload.sh"
    script.write_text(multipart_script(ticket_for(store, key)))
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "TMPDIR": str(tmp_path), "no_proxy": "127.0.0.1"}
    done = subprocess.run(["sh", script, file], env=environment, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    with store.get(key) as stored:
        assert stored.read() == file.read_bytes()
    store.delete(key)
    assert sorted(tmp_path.iterdir()) == sorted([file, script])


def test_the_script_stops_at_a_refusal_and_says_why(store: ObjectStore, file: Path, tmp_path: Path) -> None:
    ticket = ticket_for(store, "tickets/refused")
    abort_multipart_ticket(ticket)
    script = tmp_path / "upload.sh"
    script.write_text(multipart_script(ticket))
    done = subprocess.run(["sh", script, file], capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
    assert b"NoSuchUpload" in done.stderr
    (tmp_path / "short").write_bytes(b"x")
    done = subprocess.run(["sh", script, tmp_path / "short"], capture_output=True, timeout=60, check=False)
    assert done.returncode != 0
    assert f"has not {SIZE} bytes".encode() in done.stderr


def test_a_part_of_another_size_is_refused(store: ObjectStore) -> None:
    ticket = ticket_for(store, "tickets/sized")
    part = ticket["parts"][2]
    for content in (b"x" * (part["size"] - 1), b"x" * (part["size"] + 1)):
        headers = {**part["headers"], "Content-Length": str(len(content))}
        answer = requests.put(part["url"], data=content, headers=headers, timeout=10)
        assert answer.status_code in (400, 403)
        assert "SignatureDoesNotMatch" in answer.text
    abort_multipart_ticket(ticket)


def test_a_url_of_a_ticket_is_good_for_its_part_only(store: ObjectStore) -> None:
    ticket = ticket_for(store, "tickets/mine")
    part = ticket["parts"][0]
    for url in (part["url"].replace("partNumber=1", "partNumber=2"), part["url"].replace("mine", "mins")):
        answer = requests.put(url, data=b"x" * PART, headers=part["headers"], timeout=10)
        assert "SignatureDoesNotMatch" in answer.text
    assert requests.get(part["url"], timeout=10).status_code in (400, 403)
    abort_multipart_ticket(ticket)


def test_aborting_drops_the_upload(store: ObjectStore, file: Path) -> None:
    ticket = ticket_for(store, "tickets/aborted")
    abort_multipart_ticket(ticket)
    assert abort_incomplete(store, "tickets/aborted", None, timedelta()) == []
    with pytest.raises(NotFoundError) as refused:
        use_multipart_ticket(ticket, file)
    assert refused.value.code == "NoSuchUpload"


def test_a_failed_use_can_be_repeated(store: ObjectStore, file: Path) -> None:
    ticket = ticket_for(store, "tickets/again")

    def stop(sent: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use_multipart_ticket(ticket, file, progress=stop)
    assert use_multipart_ticket(ticket, file).size == SIZE
    store.delete("tickets/again")


def test_a_file_of_another_size_is_refused_before_anything_is_sent(store: ObjectStore, tmp_path: Path) -> None:
    ticket = ticket_for(store, "tickets/other")
    (tmp_path / "short").write_bytes(b"x")
    with pytest.raises(InvalidRequestError, match=f"the ticket is for {SIZE}"):
        use_multipart_ticket(ticket, tmp_path / "short")
    abort_multipart_ticket(ticket)


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_ticket_that_may_not_overwrite_does_not(vendor: str, emulator: Emulator, file: Path) -> None:
    with Cloud(vendor, emulator).store() as store:
        ticket = ticket_for(store, "tickets/there", overwrite=False)
        store.put("tickets/there", b"first")
        with pytest.raises(ObjectExistsError):
            use_multipart_ticket(ticket, file)
        assert store.head("tickets/there").size == 5
        store.delete("tickets/there")


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_expired_ticket_is_refused(vendor: str, file: Path, tmp_path: Path) -> None:
    now = [datetime(2026, 3, 1, 12, tzinfo=timezone.utc)]
    with Emulator(accounts=[PERMANENT], buckets=BUCKETS, data_dir=tmp_path, clock=lambda: now[0]) as emulator:
        with ObjectStore(Cloud(vendor, emulator).store().config, clock=lambda: now[0]) as store:
            ticket = ticket_for(store, "tickets/late", expires_in=timedelta(minutes=5))
        assert datetime.fromisoformat(ticket["expires_at"]) == now[0] + timedelta(minutes=5)
        now[0] += timedelta(minutes=5, seconds=1)
        with pytest.raises(PermissionDeniedError):
            use_multipart_ticket(ticket, file)
        now[0] -= timedelta(seconds=2)
        assert use_multipart_ticket(ticket, file).size == SIZE


def test_a_wrong_clock_is_corrected_before_the_urls_are_signed(emulator: Emulator, file: Path) -> None:
    with Cloud("cos", emulator).store() as store:
        slow = ObjectStore(store.config, clock=lambda: datetime.now(timezone.utc) - timedelta(minutes=10))
        with slow:
            ticket = ticket_for(slow, "tickets/slow", expires_in=timedelta(minutes=5))
        assert use_multipart_ticket(ticket, file).size == SIZE


def test_no_error_shows_a_url_of_the_ticket(store: ObjectStore, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ticket_client, "_ATTEMPTS", 1)
    ticket = ticket_for(store, "tickets/unreachable")
    ticket["parts"][0]["url"] = ticket["parts"][0]["url"].replace(store.config.endpoint.host, "127.0.0.1:9")
    with pytest.raises(TransportError) as failed:
        use_multipart_ticket(ticket, file)
    assert "part 1" in str(failed.value)
    assert "ignature" not in str(failed.value)
    assert failed.value.__cause__ is None


def test_every_url_of_a_ticket_is_a_secret_and_ends_with_it(store: ObjectStore) -> None:
    ticket = ticket_for(store, "tickets/ends", expires_in=timedelta(minutes=30))
    assert len(set(links_of(ticket))) == 5
    until = datetime.fromisoformat(ticket["expires_at"])
    assert timedelta(minutes=29, seconds=58) <= until - datetime.now(timezone.utc) <= timedelta(minutes=30)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    "options",
    [
        {"size": 0},
        {"size": 100 * MIB, "part_size": 1},
        {"size": 10**12, "part_size": 6 * MIB},
        {"size": 10**12, "part_size": 6 * 1024**3},
        {"expires_in": timedelta()},
        {"expires_at": datetime(2020, 1, 1, tzinfo=timezone.utc)},
        {"expires_at": datetime(2099, 1, 1)},  # noqa: DTZ001
    ],
)
def test_what_cannot_be_is_refused_before_an_upload_is_begun(
    vendor: str, options: dict[str, Any], emulator: Emulator
) -> None:
    with Cloud(vendor, emulator).store() as store:
        with pytest.raises(InvalidRequestError):
            multipart_ticket(store, "tickets/never", **{"size": 100 * MIB, **options})
        assert abort_incomplete(store, "tickets/never", None, timedelta()) == []


@pytest.mark.parametrize(("size", "count"), [(1, 1), (64 * MIB, 1), (64 * MIB + 1, 2), (10**12, 1000)])
def test_parts_are_few_by_default(oss: Cloud, size: int, count: int) -> None:
    with oss.store() as store:
        ticket = multipart_ticket(store, "tickets/parts", size=size)
        assert len(ticket["parts"]) == count
        assert sum(part["size"] for part in ticket["parts"]) == size
        abort_multipart_ticket(ticket)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"key": "a", "key_prefix": "b"}, {"key": "a", "content_type": "a/b", "content_type_prefix": "a/"}],
)
def test_a_form_has_one_key_and_one_type(store: ObjectStore, arguments: dict[str, str]) -> None:
    with pytest.raises(InvalidRequestError, match="either"):
        form_ticket(store, **arguments)


def test_a_form_is_a_json_document(store: ObjectStore) -> None:
    document = form_document(form_ticket(store, key_prefix=store.uri("in/")))
    assert json.loads(json.dumps(document)) == document
    assert set(document) == {"url", "fields", "to_fill", "not_enforced", "expires_at"}


def test_tickets_are_for_the_public_endpoint(emulator: Emulator) -> None:
    from dataclasses import replace

    from aksk_provider.storage.config import Endpoint

    with Cloud("oss", emulator).store() as plain:
        public = Endpoint("https", "files.example.com", "cname")
        with ObjectStore(replace(plain.config, public_endpoint=public)) as store:
            assert form_ticket(store, "a").url == "https://files.example.com/"
            ticket = multipart_ticket(store, "tickets/public", size=1)
            assert all(url.startswith("https://files.example.com/tickets/public?") for url in links_of(ticket))
            abort_incomplete(store, "tickets/public", None, timedelta())
