"""The connection form of Airflow's UI: filled in, saved, tested, opened again and changed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.clouds import REGIONS, VENDORS
from tests.ui.conftest import ACCOUNTS, BUCKETS, RunningAirflow
from tests.ui.pictures import take

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]
TYPE = "Object Storage (BOS / OSS / COS)"
TITLES = {"bos": "Baidu BOS", "oss": "Alibaba OSS", "cos": "Tencent COS"}
SECTIONS = ["Standard Fields", "Cloud", "Addressing and sharing", "Transport", "Extra Fields JSON"]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest, airflow_ui: RunningAirflow) -> Iterator[str]:
    yield request.param
    airflow_ui.api.session.delete(f"{airflow_ui.url}/api/v2/connections/form_{request.param}", timeout=30)


def add(page: Page, airflow_ui: RunningAirflow) -> Locator:
    """Open an empty form for a connection of our type."""
    page.set_viewport_size({"width": 1000, "height": 1200})
    page.goto(f"{airflow_ui.url}/connections")
    page.get_by_role("button", name="Add Connection").click()
    dialog = page.get_by_role("dialog")
    chosen(page, dialog.get_by_role("combobox").first, "Object Storage", TYPE)
    return dialog


def chosen(page: Page, box: Locator, typed: str, option: str) -> None:
    """Choose from a drop-down by typing."""
    box.click()
    page.keyboard.type(typed)
    page.get_by_role("option", name=option).click()


def section(dialog: Locator, name: str) -> None:
    """Open a section, which closes the one that was open."""
    button = dialog.get_by_role("button", name=name, exact=True)
    button.click()
    expect(button).to_have_attribute("aria-expanded", "true")


def row(page: Page, conn_id: str) -> Locator:
    return page.get_by_role("row").filter(has=page.get_by_text(conn_id, exact=True))


def choose_cloud(page: Page, dialog: Locator, vendor: str) -> None:
    section(dialog, "Cloud")
    chosen(page, dialog.locator("#element_vendor").get_by_role("combobox"), TITLES[vendor], TITLES[vendor])


def fill(page: Page, dialog: Locator, airflow_ui: RunningAirflow, vendor: str, folder: Path) -> None:
    """Fill in the form as a user of this cloud would; the endpoint, which is the emulator's, comes last."""
    account = ACCOUNTS[vendor]
    dialog.locator("input[name=connection_id]").fill(f"form_{vendor}")
    for name, value in {"login": account.access_key, "password": account.secret_key, "schema": BUCKETS[vendor]}.items():
        dialog.locator(f"input[name={name}]").fill(value)
    if vendor == "oss":
        take(dialog, "connection-fields", folder)
    expect(dialog.get_by_role("button", name="Save")).to_be_disabled()
    choose_cloud(page, dialog, vendor)
    dialog.locator("#element_region").fill(REGIONS[vendor])
    if account.token:
        dialog.locator("#element_security_token").fill(account.token)
    dialog.locator("#element_region").blur()
    page.wait_for_timeout(300)  # the section unfolds
    take(dialog, f"connection-{vendor}", folder)
    section(dialog, "Standard Fields")
    dialog.locator("input[name=host]").fill(f"http://{airflow_ui.store.host}")
    dialog.locator("input[name=port]").fill(str(airflow_ui.store.port))


def saved(page: Page, dialog: Locator) -> None:
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_be_hidden()


def pressed(page: Page, conn_id: str) -> dict[str, object]:
    """Press the Test button of a row and return the answer it got."""
    with page.expect_response("**/connections/test") as answered:
        row(page, conn_id).get_by_role("button", name="Test Connection").click()
    assert answered.value.ok, answered.value.text()
    return dict(answered.value.json())


def assert_no_secret(text: str, vendor: str) -> None:
    account = ACCOUNTS[vendor]
    assert [secret for secret in (account.secret_key, account.token) if secret and secret in text] == []


def test_a_connection_is_saved_tested_reopened_and_changed_without_losing_its_secrets(
    airflow_ui: RunningAirflow, english: Page, vendor: str, tmp_path: Path
) -> None:
    dialog = add(english, airflow_ui)
    headings = dialog.locator("[data-scope=accordion][data-part=item-trigger]")
    assert [heading.strip() for heading in headings.all_inner_texts()] == SECTIONS
    fill(english, dialog, airflow_ui, vendor, tmp_path)
    saved(english, dialog)
    answer = pressed(english, f"form_{vendor}")
    assert answer["status"] is True, answer
    assert BUCKETS[vendor] in str(answer["message"])

    row(english, f"form_{vendor}").get_by_role("button", name="Edit Connection").click()
    expect(dialog.locator("input[name=password]")).to_have_value("***")
    dialog.locator("textarea[name=description]").fill("changed")
    section(dialog, "Cloud")
    token = dialog.locator("#element_security_token")
    assert token.get_attribute("type") == "password"
    expect(token).to_have_value("***" if ACCOUNTS[vendor].token else "")
    expect(dialog.locator("#element_vendor")).to_contain_text(TITLES[vendor])
    dialog.locator("#element_region").fill("elsewhere" if vendor == "bos" else REGIONS[vendor])
    saved(english, dialog)
    expect(row(english, f"form_{vendor}")).to_contain_text("changed")
    assert pressed(english, f"form_{vendor}")["status"] is True

    shown = airflow_ui.api.call("GET", f"connections/form_{vendor}")
    assert (shown["description"], shown["password"]) == ("changed", "***")
    extra = json.loads(shown["extra"])
    assert extra["region"] == ("elsewhere" if vendor == "bos" else REGIONS[vendor])
    assert_no_secret(json.dumps(shown), vendor)
    assert_no_secret(json.dumps(airflow_ui.api.call("GET", "connections")), vendor)
    assert_no_secret(english.content(), vendor)


def test_every_field_says_what_it_is_for(airflow_ui: RunningAirflow, english: Page) -> None:
    dialog = add(english, airflow_ui)
    for name in ("login", "password", "schema", "host", "port"):
        assert dialog.locator(f"input[name={name}]").get_attribute("placeholder")
    for name in SECTIONS[1:4]:
        section(dialog, name)
        content = dialog.locator("[data-part=item][data-state=open]")
        expect(content.locator("[data-part=helper-text]").first).to_be_visible()
        labels, helps = content.locator("[data-part=label]"), content.locator("[data-part=helper-text]")
        assert helps.count() == labels.count() > 0
        assert all(helps.all_inner_texts())


def test_the_test_button_says_in_one_sentence_what_is_wrong(
    airflow_ui: RunningAirflow, english: Page, tmp_path: Path
) -> None:
    wrong = {"host": f"http://{airflow_ui.store.host}", "port": airflow_ui.store.port, "schema": BUCKETS["oss"]}
    airflow_ui.api.call(
        "POST",
        "connections",
        connection_id="wrong_secret",
        conn_type="aksk",
        login=ACCOUNTS["oss"].access_key,
        password="not-the-secret",
        extra='{"vendor": "oss", "region": "cn-hangzhou"}',
        **wrong,
    )
    english.goto(f"{airflow_ui.url}/connections")
    answer = pressed(english, "wrong_secret")
    assert answer["status"] is False
    toast = english.get_by_role("status").filter(has_text="Test Connection Failed")
    expect(toast).to_contain_text(f"the secret key is not that of access key {ACCOUNTS['oss'].access_key}")
    assert "not-the-secret" not in english.content()
    english.wait_for_timeout(600)  # the message slides in
    take(english, "connection-test", tmp_path)
    airflow_ui.api.session.delete(f"{airflow_ui.url}/api/v2/connections/wrong_secret", timeout=30)
