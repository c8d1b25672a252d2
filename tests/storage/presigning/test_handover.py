"""Commands are run by a shell as they are, and lists are what they say."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path

import pytest

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import PresignedURL
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.presigning import handover
from aksk_provider.storage.presigning.handover import COMMANDS, Link
from aksk_provider.storage.presigning.tickets import form_ticket
from tests.support.clouds import Cloud
from tests.support.processes import REPOSITORY

KEYS = ['it\'s "quoted" $HOME `id` \\ & 1+1=2; 月报.csv', "100% {a,b} [1-3] *?~#|<>.csv"]
CONTENT = b"a,b\n1,2\n\xff\x00"
UNTIL = datetime(2026, 3, 1, 12, 30, tzinfo=timezone.utc)


@pytest.fixture
def store(any_cloud: Cloud) -> Iterator[ObjectStore]:
    with any_cloud.store() as opened:
        yield opened


def shell(command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "no_proxy": "127.0.0.1"}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, timeout=60, check=False
    )


def ran(command: str, folder: Path) -> str:
    done = shell(command, folder)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("tool", COMMANDS)
def test_a_command_sends_the_file_and_gets_it_again(store: ObjectStore, tool: str, key: str, tmp_path: Path) -> None:
    key = f"handover/{tool}/{key}"
    (tmp_path / handover.file_name(key)).write_bytes(CONTENT)
    put = store.presign(key, method="PUT", headers={"Content-Type": "text/csv"})
    ran(handover.command(tool, put), tmp_path)
    assert store.head(key).content_type == "text/csv"
    get = store.presign(key)
    (tmp_path / handover.file_name(key)).unlink()
    ran(handover.command(tool, get), tmp_path)
    assert (tmp_path / handover.file_name(key)).read_bytes() == CONTENT
    ran(handover.command(tool, get, "-other name's.csv"), tmp_path)
    assert (tmp_path / "-other name's.csv").read_bytes() == CONTENT
    ran(handover.command(tool, store.presign(key, method="HEAD")), tmp_path)
    ran(handover.command(tool, store.presign(key, method="DELETE")), tmp_path)
    assert not store.exists(key)


@pytest.mark.parametrize("tool", ["curl", "python"])
def test_a_link_signed_without_headers_gets_none_from_the_command(
    store: ObjectStore, tool: str, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_bytes(CONTENT)
    ran(handover.command(tool, store.presign(f"handover/{tool}/plain", method="PUT")), tmp_path)
    assert store.head(f"handover/{tool}/plain").content_type == "application/octet-stream"
    started = store.presign(f"handover/{tool}/parts", method="POST", params={"uploads": ""})
    ran(handover.command(tool, started), tmp_path)


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_post_sends_its_file_or_nothing(store: ObjectStore, tool: str, tmp_path: Path) -> None:
    typed = {"Content-Type": f"application/{store.config.vendor.dialect}"}
    started = store.presign(f"handover/{tool}/post", method="POST", params={"uploads": ""}, headers=typed)
    ran(handover.command(tool, started), tmp_path)
    store.put("handover/gone", b"x")
    (tmp_path / "body").write_bytes(
        b'{"objects": [{"key": "handover/gone"}]}'
        if store.config.vendor.dialect == "json"
        else b"<Delete><Object><Key>handover/gone</Key></Object></Delete>"
    )
    signed = store.presign("handover/gone", method="POST", params={"uploadId": "no"}, headers=typed)
    refused = shell(handover.command(tool, signed, "body"), tmp_path)
    assert refused.returncode != 0
    assert b"404" in refused.stderr


@pytest.mark.parametrize("tool", COMMANDS)
def test_a_refused_command_fails_and_leaves_no_file(store: ObjectStore, tool: str, tmp_path: Path) -> None:
    link = store.presign("handover/not-there")
    refused = shell(handover.command(tool, link), tmp_path)
    assert refused.returncode != 0
    assert b"404" in refused.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("tool", COMMANDS)
def test_the_headers_of_a_link_are_needed(store: ObjectStore, tool: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(CONTENT)
    prefix = store.config.vendor.headers
    headers = {"Content-Type": "text/x y", f"{prefix}meta-a": "it's"}
    link = store.presign("handover/headers", method="PUT", headers=headers)
    ran(handover.command(tool, link, "f"), tmp_path)
    assert store.head("handover/headers").metadata == {"a": "it's"}
    bare = PresignedURL("PUT", link.url, link.expires_at, {"Content-Type": "text/x y"})
    assert shell(handover.command(tool, bare, "f"), tmp_path).returncode != 0


def test_wget_says_that_it_sends_a_content_type(store: ObjectStore) -> None:
    with pytest.raises(InvalidRequestError, match="Content-Type"):
        handover.command("wget", store.presign("k", method="PUT"))


def test_what_is_no_command_is_refused(store: ObjectStore) -> None:
    with pytest.raises(InvalidRequestError, match="curl, wget, python"):
        handover.command("ftp", store.presign("k"))
    with pytest.raises(InvalidRequestError, match="markdown"):
        handover.result_fields("fax", store.presign("k"), "k")
    assert handover.result_fields(None, store.presign("k"), "k") == {}


def test_a_form_is_sent_by_a_command(store: ObjectStore, tmp_path: Path) -> None:
    name = 'it\'s; "a", 月 \\ report.csv'
    (tmp_path / name).write_bytes(CONTENT)
    form = form_ticket(store, key_prefix="handover/forms/", metadata={"a": "@b;<c>"}, success_status=200)
    values = {"key": "handover/forms/@1;type=x.csv"}
    ran(handover.form_command(form, name, values), tmp_path)
    assert store.head(values["key"]).metadata == {"a": "@b;<c>"}
    with store.get(values["key"]) as stored:
        assert stored.read() == CONTENT


def test_a_form_that_leaves_a_field_open_needs_it(store: ObjectStore) -> None:
    form = form_ticket(store, key_prefix="in/")
    if not form.to_fill:
        return
    for values in (None, {"key": "out/1"}):
        with pytest.raises(InvalidRequestError, match="starts with 'in/'"):
            handover.form_command(form, "f", values)


def link(url: str = "https://example.com/a?b=1&c=%22", method: str = "GET", **headers: str) -> PresignedURL:
    return PresignedURL(method, url, UNTIL, headers)


class Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.hrefs: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.hrefs += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self.text += data


def test_an_html_list_is_escaped_and_tells_size_and_expiry() -> None:
    name = '<script>alert("1")</script>\n& 月报.csv'
    page = handover.html_list([Link(link(), name, 1536), Link(link(), "b.csv")])
    read = Anchors()
    read.feed(page)
    assert read.tags == ["ul", "li", "a", "li", "a"]
    assert read.hrefs == ["https://example.com/a?b=1&c=%22"] * 2
    assert '<script>alert("1")</script> & 月报.csv (1.5 KiB), until 2026-03-01 12:30 UTC' in read.text
    assert "b.csv, until 2026-03-01 12:30 UTC" in read.text


def test_a_markdown_list_is_escaped_and_tells_size_and_expiry() -> None:
    text = handover.markdown_list([Link(link(), "a_b*[c](d)`<e>\n.csv", 10)])
    assert text == (
        "- [a\\_b\\*\\[c\\]\\(d\\)\\`\\<e\\> \\.csv](<https://example.com/a?b=1&c=%22>)"
        " (10 bytes), until 2026-03-01 12:30 UTC\n"
    )


def test_the_expiry_is_told_in_utc() -> None:
    shanghai = UNTIL.astimezone(timezone(timedelta(hours=8)))
    assert "12:30 UTC" in handover.markdown_list([Link(PresignedURL("GET", "https://e.com/", shanghai, {}), "a")])


@pytest.mark.parametrize("bad", [link(method="PUT"), link(Range="bytes=0-1")])
def test_a_link_that_no_click_can_use_is_in_no_list(bad: PresignedURL) -> None:
    for render in (handover.html_list, handover.markdown_list):
        with pytest.raises(InvalidRequestError, match=r"report\.csv"):
            render([Link(bad, "report.csv")])


def test_the_module_sends_nothing() -> None:
    source = (REPOSITORY / "provider/aksk_provider/storage/presigning/handover.py").read_text()
    assert "import requests" not in source
