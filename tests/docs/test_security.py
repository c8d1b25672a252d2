"""What the page on security says of signatures: every row of its table is tried, for every cloud."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import requests

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.signing import Credentials, PresignedURL
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")
BUCKETS = {"bos": "examplebucket", "oss": "examplebucket-oss", "cos": "examplebucket-1250000000"}
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
COLUMNS = ("bos", "oss", "cos")
BODY = b"as promised"
Change = Callable[[dict[str, object]], None]


def rows() -> dict[str, list[str]]:
    (table,) = re.findall(r"\| changed \|.*?\n\n", PAGE, re.DOTALL)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    return {what: answers for what, *answers in cells}


def replaced(pattern: str, text: str) -> Change:
    def change(sent: dict[str, object]) -> None:
        url, count = re.subn(pattern, text, str(sent["url"]), count=1)
        assert count == 1
        sent["url"] = url

    return change


def header(name: str, value: str) -> Change:
    def change(sent: dict[str, object]) -> None:
        headers = dict(sent["headers"])  # type: ignore[call-overload]
        found = next((known for known in headers if known.lower().endswith(name.lower())), name)
        sent["headers"] = {**headers, found: value}

    return change


def other_host(sent: dict[str, object]) -> None:
    header("Host", f"localhost:{urlsplit(str(sent['url'])).port}")(sent)


CHANGES: dict[str, Change] = {
    "the method": lambda sent: sent.update(method="DELETE"),
    "bucket and key": replaced("/here", "/there"),
    "a query parameter that was signed": replaced("signed=this", "signed=that"),
    "a query parameter is added": replaced("$", "&added=1"),
    "the host": other_host,
    "`Content-Type`, where it was signed": header("Content-Type", "text/html"),
    "metadata, where it was signed": header("meta-from", "somebody else"),
    "the token": replaced("a-token", "b-token"),
    "the lifetime": replaced(r"(?<=%2F)600(?=%2F)|(?<=Expires=)600|(?<=expires=)600|(?<=%3B)\d{10}", "1700009999"),
    "the body": lambda sent: sent.update(data=b"as I like"),
}


@pytest.fixture(scope="module", params=COLUMNS)
def link(request: pytest.FixtureRequest) -> Iterator[tuple[str, PresignedURL]]:
    """An upload link by a temporary key pair, with a parameter, a type and metadata signed."""
    vendor = request.param
    bucket = Bucket(vendor, BUCKETS[vendor])
    with Emulator(accounts=[Account("ak", "sk", "a-token")], buckets=[bucket]) as emulator:
        config = resolve(
            vendor=vendor,
            credentials=static(Credentials("ak", "sk", "a-token")),
            endpoint=emulator.endpoint,
            region=REGIONS[vendor],
            bucket=bucket.name,
        )
        with ObjectStore(config) as store:
            prefix = config.vendor.headers
            headers = {"Content-Type": "text/csv", f"{prefix}meta-from": "me"}
            yield (
                vendor,
                store.presign(
                    "here",
                    method="PUT",
                    expires_in=timedelta(seconds=600),
                    headers=headers,
                    params={"signed": "this"},
                ),
            )


def send(link: PresignedURL, change: Change | None = None) -> int:
    sent: dict[str, object] = {
        "method": link.method, "url": link.url, "headers": dict(link.signed_headers), "data": BODY,
    }  # fmt: skip
    if change:
        change(sent)
    with requests.Session() as session:
        session.trust_env = False
        return session.request(**sent, timeout=30).status_code  # type: ignore[arg-type]


def test_the_link_is_good_as_it_is(link: tuple[str, PresignedURL]) -> None:
    assert send(link[1]) == 200


@pytest.mark.parametrize("what", CHANGES)
def test_what_the_table_says_of_a_change_is_so(link: tuple[str, PresignedURL], what: str) -> None:
    vendor, url = link
    said = rows()[what][COLUMNS.index(vendor)]
    assert said in ("refused", "not covered", "ignored by the signature")
    assert (send(url, CHANGES[what]) in (400, 403)) == (said == "refused")


def test_every_row_is_tried() -> None:
    assert list(rows()) == list(CHANGES)
