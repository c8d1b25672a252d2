"""What the pages claim: the tests they name exist, every row of a vendor's page has its line, limits are the code's."""

from __future__ import annotations

import ast
import re
from functools import cache

import pytest
from airflow.sdk import Connection

from aksk_provider.emulator.server import DEFAULT_ACCOUNTS, DEFAULT_BUCKETS
from aksk_provider.signing import bos, cos, oss
from aksk_provider.storage.responses import _HINTS
from aksk_provider.storage.vendors import VENDORS
from tests.docs.pages import PAGES, ROOT, commands

TESTS = ROOT / "tests"


@cache
def names_below(folder: str) -> set[str]:
    trees = (ast.parse(path.read_text("utf-8")) for path in (TESTS / folder).rglob("test_*.py"))
    nodes = (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))
    return {node.name for node in nodes if node.name.startswith("test_")}


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text("utf-8")


def row(text: str, heading: str) -> list[str]:
    """Return the cells of the first table row with this heading."""
    found = re.search(rf"^\| {re.escape(heading)} \|(.*)\|$", text, re.MULTILINE)
    assert found, heading
    return [cell.strip() for cell in found[1].split("|")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_test_that_a_page_names_exists(path) -> None:
    named = set(re.findall(r"`(test_\w+)`", path.read_text("utf-8")))
    assert named - names_below(".") == set()


def test_every_test_of_the_vendor_pages_is_a_row() -> None:
    assert names_below("vendor_pages") - set(re.findall(r"`(test_\w+)`", page("capabilities.md"))) == set()


def test_the_sdk_table_has_every_operation_of_every_sdk() -> None:
    from tests.emulator.sdk_clients import SDKS
    from tests.emulator.test_official_sdks import OPERATIONS

    table = page("capabilities.md").partition("## The vendors' SDKs")[2]
    rows = re.findall(r"^\| (\w+) \|((?: ✓ \|)+)$", table, re.MULTILINE)
    assert [name for name, _ in rows] == [operation.__name__ for operation in OPERATIONS]
    assert {marks.count("✓") for _, marks in rows} == {len(SDKS)}


def test_the_limits_are_those_of_the_code() -> None:
    text = page("capabilities.md")
    assert row(text, "longest key, in bytes of UTF-8") == [str(vendor.key_bytes) for vendor in VENDORS.values()]
    checksums = [vendor.checksum.replace("crc", "CRC-") for vendor in VENDORS.values()]
    assert row(text, "checksum the store answers with") == checksums
    lifetimes = [f"{signer.DEFAULT_LIFETIME.seconds // 60} minutes" for signer in (bos, oss, cos)]
    assert row(text, "lifetime of a link by default") == lifetimes
    assert row(page("presigned-links.md"), "by default") == lifetimes
    longest = f"{oss.MAX_LIFETIME.days} days, {oss.MAX_LIFETIME_WITH_TOKEN.seconds // 3600} hours with a token"
    assert row(text, "longest lifetime of a link")[1] == longest


def test_the_variables_of_the_environment_are_those_that_are_read() -> None:
    rows = re.findall(
        r"^\|[ A-Z]*\| `([A-Z_]+)` \| `([A-Z_]+)` \| `([A-Z_]+)` \|$", page("connection.md"), re.MULTILINE
    )
    assert rows == [names for vendor in VENDORS.values() for names in vendor.environment]


def test_the_connections_to_the_emulator_are_to_what_it_serves() -> None:
    accounts = {account.access_key: (account.secret_key, account.token) for account in DEFAULT_ACCOUNTS}
    buckets = {(bucket.vendor, bucket.name) for bucket in DEFAULT_BUCKETS}
    local = [words[1].partition("=")[2] for _, words in commands() if words[0] == "export" and ":9000" in words[1]]
    assert len(local) > 3
    for text in local:
        is_json = text.startswith("{")
        connection = Connection.from_json(text, conn_id="c") if is_json else Connection(conn_id="c", uri=text)
        extra = connection.extra_dejson
        assert accounts[connection.login] == (connection.password, extra.get("security_token"))
        assert (extra["vendor"], connection.schema) in buckets


def test_every_code_with_a_hint_is_in_the_table_of_errors() -> None:
    assert [code for code in _HINTS if f"`{code}`" not in page("errors.md")] == []
