"""A person with a browser and without any key uploads by a form and downloads by a list of links."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from aksk_provider.storage import ObjectStore
from aksk_provider.storage.presigning.handover import Link, form_page, html_list
from aksk_provider.storage.presigning.tickets import form_ticket
from tests.support.clouds import Cloud

CONTENT = "city,people\r\n北京,21\r\n".encode()


@pytest.fixture
def store(cloud: Cloud) -> Iterator[ObjectStore]:
    with cloud.store() as opened:
        yield opened


def opened(page: Page, text: str, folder: Path) -> Page:
    """Show a page from a file, as a partner opens what came by mail."""
    (folder / "page.html").write_text(text, "utf-8")
    page.goto((folder / "page.html").as_uri())
    return page


def chosen(page: Page, folder: Path, name: str = 'it\'s a "report" 月报.csv') -> Page:
    (folder / name).write_bytes(CONTENT)
    page.set_input_files("input[type=file]", folder / name)
    return page


def test_a_browser_uploads_by_form(store: ObjectStore, page: Page, tmp_path: Path) -> None:
    key = 'browser/<b>it\'s "one"</b> 月报.csv'
    form = form_ticket(store, key, max_size=100, content_type="text/csv", metadata={"a": '"<b>&'}, success_status=200)
    chosen(opened(page, form_page(form, "Your <report>"), tmp_path), tmp_path)
    assert page.title() == "Your <report>"
    with page.expect_response(form.url) as answered:
        page.click("button")
    assert answered.value.status == 200
    info = store.head(key)
    assert (info.size, info.content_type, info.metadata) == (len(CONTENT), "text/csv", {"a": '"<b>&'})
    with store.get(key) as stored:
        assert stored.read() == CONTENT


def test_a_browser_names_the_file_below_a_prefix(store: ObjectStore, page: Page, tmp_path: Path) -> None:
    form = form_ticket(store, key_prefix="browser/box/", success_status=200)
    chosen(opened(page, form_page(form), tmp_path), tmp_path, "月报 1.csv")
    for name, prefix in form.to_fill.items():
        assert page.input_value(f"input[name={name}]") == prefix
        page.fill(f"input[name={name}]", f"{prefix}月报 1.csv")
    with page.expect_response(form.url) as answered:
        page.click("button")
    assert answered.value.status == 200
    assert store.head("browser/box/月报 1.csv").size == len(CONTENT)


def test_a_browser_is_sent_on_after_the_upload(store: ObjectStore, cloud: Cloud, page: Page, tmp_path: Path) -> None:
    thanks = f"{cloud.emulator.endpoint}/thanks"
    form = form_ticket(store, "browser/sent-on", success_redirect=thanks)
    chosen(opened(page, form_page(form), tmp_path), tmp_path)
    page.click("button")
    page.wait_for_url(f"{thanks}*")
    assert store.exists("browser/sent-on")


def test_a_browser_is_told_why_it_was_refused(store: ObjectStore, page: Page, tmp_path: Path) -> None:
    form = form_ticket(store, "browser/small", max_size=len(CONTENT) - 1)
    chosen(opened(page, form_page(form), tmp_path), tmp_path)
    with page.expect_response(form.url) as answered:
        page.click("button")
    assert answered.value.status == 400
    assert "EntityTooLarge" in answered.value.text()
    assert not store.exists("browser/small")


def test_a_click_in_a_list_of_links_downloads_the_file(store: ObjectStore, page: Page, tmp_path: Path) -> None:
    keys = ['browser/a & b\'s "1+1" 月报.csv', "browser/second.csv"]
    for number, key in enumerate(keys):
        store.put(key, CONTENT * (number + 1))
    disposition = {"response-content-disposition": 'attachment; filename="arrived.csv"'}
    links = [Link(store.presign(key, params=disposition), key.partition("/")[2], len(CONTENT)) for key in keys]
    opened(page, html_list(links), tmp_path)
    for number, link in enumerate(links):
        with page.expect_download() as arriving:
            page.click(f"li:nth-child({number + 1}) a")
        assert page.text_content(f"li:nth-child({number + 1}) a") == link.name
        assert arriving.value.suggested_filename == "arrived.csv"
        assert Path(arriving.value.path()).read_bytes() == CONTENT * (number + 1)
