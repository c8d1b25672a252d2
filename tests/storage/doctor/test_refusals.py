"""A refusal says why, in its own message: each cause is brought about for real."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from aksk_provider.emulator import Account, Emulator
from aksk_provider.emulator.faults import ExpireToken, Fault, Skew, Status
from aksk_provider.errors import PermissionDeniedError, ServiceError
from aksk_provider.signing import Request
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.doctor.refusals import advise, diagnose, first_difference
from aksk_provider.storage.responses import _HINTS
from aksk_provider.storage.vendors import VENDORS
from tests.storage.doctor.conftest import BUCKETS, PERMANENT, TEMPORARY, MakeStore, Meddler, assert_no_secret

CALLS: dict[str, Callable[[ObjectStore], object]] = {
    "GET": lambda store: store.get("a key/中").close(),
    "HEAD": lambda store: store.head("a key/中"),
    "PUT": lambda store: store.put("a key/中", b"body", content_type="text/plain", metadata={"a": "b"}),
    "LIST": lambda store: list(store.list("a/")),
    "POST": lambda store: store.delete_many(["a", "b"]),
}


def refused(call: Callable[[], object]) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        call()
    assert_no_secret(str(caught.value))
    assert caught.value.hint in str(caught.value)
    return caught.value


@pytest.mark.parametrize("call", sorted(CALLS))
@pytest.mark.parametrize("keys", ["permanent", "temporary"])
def test_a_wrong_secret_is_told_from_a_changed_request(
    make_store: MakeStore, vendor: str, call: str, keys: str
) -> None:
    account = replace((PERMANENT if keys == "permanent" else TEMPORARY)[vendor], secret_key="wrong-secret")
    error = refused(lambda: CALLS[call](make_store(vendor, account)))
    assert error.code == "SignatureDoesNotMatch"
    assert f"ecret key is not that of access key {account.access_key}" in error.hint
    assert ("does not say what it read" in error.hint) == (vendor == "bos")


def test_an_unknown_access_key_is_named(make_store: MakeStore, vendor: str) -> None:
    error = refused(lambda: make_store(vendor, Account("NOBODY", "wrong-secret")).get("key"))
    assert error.hint.startswith(f"{VENDORS[vendor].title} refuses access key NOBODY, which was sent without a token")


def test_a_missing_token_is_told(make_store: MakeStore, vendor: str) -> None:
    """By the look of the access key, where the vendor's temporary keys have one: those of BOS have not."""
    account = replace(TEMPORARY[vendor], token=None)
    error = refused(lambda: make_store(vendor, account).get("key"))
    told = (
        "which was sent without a token" if vendor == "bos" else "looks like one of a temporary pair, and there is no"
    )
    assert told in error.hint
    assert "security_token" in error.hint


def test_a_wrong_token_is_told(make_store: MakeStore, vendor: str) -> None:
    error = refused(lambda: make_store(vendor, replace(TEMPORARY[vendor], token="wrong-token")).get("key"))
    assert f"A token was sent with access key {TEMPORARY[vendor].access_key}" in error.hint


def test_a_token_beside_a_permanent_key_is_told(make_store: MakeStore, vendor: str) -> None:
    error = refused(lambda: make_store(vendor, replace(PERMANENT[vendor], token="wrong-token")).get("key"))
    assert ("looks like one of a permanent pair" in error.hint) == (vendor != "bos")
    assert "oken" in error.hint


def test_an_expired_token_is_told(make_store: MakeStore, vendor: str, clinic: Emulator) -> None:
    clinic.faults.add(Fault(ExpireToken()))
    error = refused(lambda: make_store(vendor, TEMPORARY[vendor]).get("key"))
    assert "fresh temporary credentials" in error.hint


@pytest.mark.parametrize(("seconds", "told"), [(7200, "ahead of"), (-7200, "behind")])
def test_the_clocks_difference_is_told_in_seconds(
    make_store: MakeStore, vendor: str, clinic: Emulator, seconds: int, told: str
) -> None:
    """The first refusal corrects the clock, by a store whose own is right again at the second."""
    clinic.faults.add(Fault(Skew(seconds), times=1))
    store = make_store(vendor)
    if vendor == "bos" and seconds < 0:
        clinic.faults.add(Fault(Skew(7200), nth=2))
    error = refused(lambda: store.get("key"))
    assert error.clock_skew is not None
    assert f"This machine's clock is {abs(error.clock_skew):.0f} s {told} the store's" in error.hint
    assert abs(error.clock_skew) > 7190


def test_the_wrong_region_is_told(make_store: MakeStore, clinic: Emulator) -> None:
    """With the status, code and message that Alibaba's users quote; the emulator takes every region."""
    message = "Invalid signing region in Authorization header."
    clinic.faults.add(Fault(Status(400, code="InvalidArgument", message=message)))
    error = refused(lambda: make_store("oss", region="beijing").get("key"))
    assert "does not serve the region that was signed, beijing. Set the region of the connection" in error.hint


def test_a_region_that_is_not_the_hosts_is_told(make_store: MakeStore, clinic: Emulator) -> None:
    clinic.faults.add(Fault(Status(403)))
    store = make_store(
        "oss",
        endpoint="http://oss-cn-hangzhou.aliyuncs.com",
        region="cn-beijing",
        proxies={"http": clinic.endpoint},
    )
    error = refused(lambda: store.get("key"))
    assert error.hint.startswith("The region that was signed, cn-beijing, is not that of the host, cn-hangzhou")


CHANGES: dict[str, tuple[Callable[[str, dict[str, str]], tuple[str, dict[str, str]]], str, str]] = {
    "header": (lambda p, h: (p, {**h, "Content-Type": "text/html"}), "header content-type", "text"),
    "parameter": (lambda p, h: (f"{p}?extra=", h), "parameter extra", "none"),
    "path": (lambda p, h: (p.replace("key", "kex"), h), "path", "kex"),
}


@pytest.mark.parametrize("change", sorted(CHANGES))
def test_what_a_proxy_changed_is_shown_with_both_values(
    make_store: MakeStore, vendor: str, meddler: Meddler, change: str
) -> None:
    """Only what the vendor's answer tells: BOS tells nothing, and COS verifies what is listed as signed."""
    meddler.change, what, value = CHANGES[change]
    store = make_store(vendor, endpoint=meddler.endpoint)
    put = {"content_type": "text/plain"} if change == "header" else {}
    if vendor == "cos" and change == "parameter":
        store.put("a key", b"body", **put)
        return
    error = refused(lambda: store.put("a key", b"body", **put))
    assert error.code == "SignatureDoesNotMatch"
    if vendor == "bos":
        assert "or one of these changed: method, path" in error.hint
    else:
        assert f"The store read another {what} than was signed" in error.hint
        assert value in error.hint


def test_a_changed_token_is_named_and_not_shown(make_store: MakeStore, meddler: Meddler) -> None:
    for vendor in ("oss", "cos"):
        name = f"x-{vendor}-security-token"
        meddler.change = lambda path, headers, name=name: (path, {**headers, name: "wrong-token"})
        error = refused(
            lambda vendor=vendor: make_store(vendor, TEMPORARY[vendor], endpoint=meddler.endpoint).get("key")
        )
        assert f"header {name} than was signed: another value, not shown" in error.hint


def test_a_lost_signature_is_an_anonymous_request(clinic: Emulator, vendor: str) -> None:
    url = f"{clinic.endpoint}/{BUCKETS[vendor]}/key"
    answer = requests.get(url, headers={"x-bce-a": "b"} if vendor == "bos" else {}, timeout=10)
    error = PermissionDeniedError(vendor=vendor, operation="GET", status=answer.status_code, code="AccessDenied")
    (finding,) = diagnose(error, VENDORS[vendor], Request("GET", url), answer.content)
    assert finding.text == "the request was anonymous: it had no signature"


def test_a_refused_link_is_explained_as_well(make_store: MakeStore, vendor: str) -> None:
    """A PUT link used for GET: the answer of the store and the link are enough."""
    link = make_store(vendor).presign("key", method="PUT")
    answer = requests.get(link.url, timeout=10)
    error = PermissionDeniedError(
        vendor=vendor, operation="GET", status=answer.status_code, code="SignatureDoesNotMatch"
    )
    findings = diagnose(error, VENDORS[vendor], Request("PUT", link.url), answer.content)
    if vendor != "bos":
        assert "another method than was signed" in findings[0].text
    assert_no_secret(str(findings))


def test_what_cannot_be_explained_keeps_its_general_hint(make_store: MakeStore, vendor: str, clinic: Emulator) -> None:
    clinic.faults.add(Fault(Status(403)))
    error = refused(lambda: make_store(vendor).get("key"))
    assert error.hint == _HINTS["AccessDenied"]


def test_nothing_is_logged_that_is_secret(make_store: MakeStore, vendor: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for account in (PERMANENT[vendor], TEMPORARY[vendor]):
            refused(lambda account=account: make_store(vendor, replace(account, secret_key="wrong-secret")).get("key"))
    assert_no_secret(caplog.text)


@settings(max_examples=300, derandomize=True, deadline=None, database=None)
@given(
    body=st.one_of(
        st.binary(max_size=80),
        st.text(max_size=60).map(lambda text: f"<Error><FormatString>{text}</FormatString></Error>".encode()),
        st.text("get\n/&=:abc", max_size=60).map(lambda t: f"<E><CanonicalRequest>{t}</CanonicalRequest></E>".encode()),
    ),
    authorization=st.one_of(st.text(max_size=40), st.just(None)),
    url=st.one_of(st.just("https://clinic.bj.bcebos.com/key"), st.text(max_size=40)),
    vendor=st.sampled_from(["bos", "oss", "cos"]),
)
def test_the_doctor_never_makes_an_error_worse(body: bytes, authorization: str | None, url: str, vendor: str) -> None:
    error = PermissionDeniedError(
        vendor=vendor, operation="GET", status=403, code="SignatureDoesNotMatch", hint="first"
    )
    headers = {} if authorization is None else {"Authorization": authorization}
    advise(error, VENDORS[vendor], Request("GET", url, headers), body, "/bucket/key")
    assert error.hint


def test_the_first_difference_is_by_name_not_by_line() -> None:
    ours = "PUT\n/b/k\nacl&x-oss-process=a\ncontent-type:text/csv\nx-oss-date:1\n\nhost\nUNSIGNED-PAYLOAD"
    cases = {
        ours: None,
        ours.replace("text/csv", "text/html"): ("header content-type", "'text/csv'", "'text/html'"),
        ours.replace("content-type:text/csv\n", ""): ("header content-type", "'text/csv'", "none"),
        ours.replace("PUT", "GET"): ("method", "'PUT'", "'GET'"),
        ours.replace("process=a", "process=b"): ("parameter x-oss-process", "'a'", "'b'"),
        ours.replace("\nhost\n", "\n\n"): ("list of signed headers", "'host'", "''"),
        ours.replace("x-oss-date:1\n", "x-oss-date:1\nx-oss-security-token:t\n"): (
            "header x-oss-security-token", "none", "another value, not shown",
        ),
    }  # fmt: skip
    for theirs, expected in cases.items():
        assert first_difference("OSS4-HMAC-SHA256", ours, theirs) == expected
