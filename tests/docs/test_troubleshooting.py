"""The table of error codes says what each cloud answers, here as the emulator does in the vendors' formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator.faults import ExpireToken, Fault, Status
from aksk_provider.errors import ServiceError
from aksk_provider.signing import Credentials
from aksk_provider.storage import ObjectStore, operations, responses
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static
from aksk_provider.storage.vendors import VENDORS
from tests.docs.pages import ROOT

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
BUCKETS = {"bos": "examplebucket", "oss": "examplebucket-oss", "cos": "examplebucket-1250000000"}
MISSING = {"bos": "nosuchbucket", "oss": "nosuchbucket", "cos": "nosuchbucket-1250000000"}
KEYS, TOKEN = Credentials("ak", "sk"), Credentials("tmp-ak", "tmp-sk", "a-token")
LATE = timedelta(hours=2)
COLUMNS = ("bos", "oss", "cos")


def rows() -> dict[str, list[set[str]]]:
    """Return the codes of each row of the table of situations, by its first cell."""
    (table,) = re.findall(r"\| what happened \|.*?\n\n", PAGE, re.DOTALL)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().splitlines()[2:]]
    return {what: [set(re.findall(r"`(\w+)`", cell)) for cell in row[:3]] for what, *row in cells}


class Store:
    """A store of one vendor that can be made to refuse in every way."""

    def __init__(self, vendor: str) -> None:
        self.vendor = vendor
        self.time = datetime.now(timezone.utc)
        self.emulator = Emulator(
            accounts=[Account("ak", "sk"), Account("tmp-ak", "tmp-sk", "a-token")],
            buckets=[Bucket(vendor, BUCKETS[vendor])],
            clock=lambda: self.time,
        )

    def client(self, credentials: Credentials = KEYS, bucket: str | None = None) -> ObjectStore:
        return ObjectStore(
            resolve(
                vendor=self.vendor,
                credentials=static(credentials),
                endpoint=self.emulator.endpoint,
                region={"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}[self.vendor],
                bucket=bucket or BUCKETS[self.vendor],
                max_attempts=1,
            )
        )

    def refused(self, ask: Callable[[ObjectStore], Any], *arguments: Any) -> str:
        with self.client(*arguments) as client, pytest.raises(ServiceError) as caught:
            ask(client)
        return caught.value.code

    def asked_by_others(self, url: str, headers: Mapping[str, str] | None = None) -> str:
        """Return the code that a browser or another client gets."""
        answer = requests.get(url, headers=dict(headers or {}), timeout=30)
        row, operation = VENDORS[self.vendor], operations.head_object("bucket", "here")
        return responses.service_error(row, operation, answer.status_code, answer.headers, answer.content).code

    def link(self) -> str:
        with self.client() as client:
            return client.presign("here", expires_in=timedelta(minutes=5)).url


def get(client: ObjectStore) -> None:
    client.get("here").close()


def wrong_clock(store: Store) -> str:
    with store.client() as client:
        signed = client.sign("GET", "here")
    store.time += LATE
    return store.asked_by_others(signed.url, signed.headers)


def old_link(store: Store) -> str:
    link = store.link()
    store.time += LATE
    return store.asked_by_others(link)


@contextmanager
def fault(store: Store, what: Any) -> Iterator[None]:
    store.emulator.faults.add(Fault(what))
    yield
    store.emulator.faults.clear()


def token_expired(store: Store) -> str:
    with fault(store, ExpireToken()):
        return store.refused(get, TOKEN)


def busy(store: Store) -> str:
    with fault(store, Status(429)):
        return store.refused(get)


def broken(store: Store) -> str:
    with fault(store, Status(500)):
        return store.refused(get)


SITUATIONS: dict[str, Callable[[Store], str]] = {
    "the access key is not known": lambda store: store.refused(get, Credentials("nobody", "sk")),
    "the secret key is wrong": lambda store: store.refused(get, Credentials("ak", "wrong")),
    "the token is wrong": lambda store: store.refused(get, Credentials("tmp-ak", "tmp-sk", "another")),
    "a temporary key pair came without its token": lambda store: store.refused(get, Credentials("tmp-ak", "tmp-sk")),
    "a permanent key pair came with a token": lambda store: store.refused(get, Credentials("ak", "sk", "a-token")),
    "the token has expired": token_expired,
    "a link was changed, or used with other headers": lambda store: store.asked_by_others(
        store.link().replace("/here?", "/there?")
    ),
    "a link is too old": old_link,
    "the clock is wrong": wrong_clock,
    "there is no such bucket": lambda store: store.refused(get, KEYS, MISSING[store.vendor]),
    "there is no such object": lambda store: store.refused(lambda client: client.get("nothing here")),
    "the object is there, and `overwrite=False`": lambda store: store.refused(
        lambda client: client.put("here", b"2", overwrite=False)
    ),
    "the store is busy": busy,
    "the store failed": broken,
}


@pytest.fixture(scope="module", params=COLUMNS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    store = Store(request.param)
    with store.emulator:
        with store.client() as client:
            client.put("here", b"1")
        yield store


@pytest.mark.parametrize("situation", SITUATIONS)
def test_the_table_has_the_code_of_the_situation(store: Store, situation: str) -> None:
    before = store.time
    try:
        code = SITUATIONS[situation](store)
    finally:
        store.time = before
        store.emulator.faults.clear()
    assert code in rows()[situation][COLUMNS.index(store.vendor)]


def test_every_row_but_the_last_two_is_a_situation_that_is_tried() -> None:
    """As the page says. The emulator knows no rights, and no bucket of another region."""
    assert list(rows())[:-2] == list(SITUATIONS)


def test_every_code_of_the_code_has_a_row() -> None:
    """Those with a hint, those that decide which error is raised, and those that links are warned of."""
    cautions = " ".join(caution.text for vendor in VENDORS.values() for caution in vendor.cautions)
    codes = {
        *re.findall(r"\((\w+Forbidden)\)", cautions),
        *responses._HINTS,
        *responses._REFUSED,
        *responses._THROTTLED,
        *responses._RETRYABLE_CODES,
    }
    assert {code for code in codes if f"`{code}`" not in PAGE} == set()


def test_every_code_that_a_dialect_of_the_emulator_answers_has_a_row() -> None:
    from aksk_provider.emulator.dialects import DIALECTS

    answered = {code for dialect in DIALECTS.values() for _, code, _ in dialect.errors.values()}
    assert {code for code in answered if f"`{code}`" not in PAGE} == set()


def test_every_message_of_a_refusal_before_sending_is_one_that_is_told() -> None:
    (table,) = re.findall(r"## Before anything is sent\n\n(.*?)\n\n", PAGE, re.DOTALL)
    messages = re.findall(r"^\| `([^`]+)` \|", table, re.MULTILINE)
    sources = (ROOT / "provider" / "aksk_provider").rglob("*.py")
    told = " ".join(re.sub(r'"\s*\n\s*f?"', "", path.read_text("utf-8")) for path in sources)
    told += " ".join(vendor.bucket_rule for vendor in VENDORS.values())
    assert len(messages) > 6
    for message in messages:
        for piece in re.split(r" \.\.\. |'\.\.\.'|bos, oss, cos|BucketName-APPID|7 days|login \(access key\)", message):
            assert piece.strip(" ") in told, message
