"""What the doctor says of a link: each fault is made for real, and a link without one is called good."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html import escape

import pytest
import requests
import time_machine

from aksk_provider.signing import CosSigner, Credentials, OssSigner, Request
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.doctor import Report, explain_authorization, explain_url
from tests.storage.doctor.conftest import BUCKETS, HOSTS, PERMANENT, TEMPORARY, MakeStore, assert_no_secret

NOW = datetime.now(timezone.utc).replace(microsecond=0)
KEYS = [f"{vendor}-{keys}" for vendor in HOSTS for keys in ("permanent", "temporary")]


@pytest.fixture(autouse=True)
def the_time_of_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let NOW be when the test runs: modules may be imported minutes before."""
    monkeypatch.setitem(globals(), "NOW", datetime.now(timezone.utc).replace(microsecond=0))


@pytest.fixture(params=KEYS)
def store(request: pytest.FixtureRequest, make_store: MakeStore) -> ObjectStore:
    """A store at its vendor's own host; nothing is sent."""
    vendor, keys = request.param.split("-")
    account = (PERMANENT if keys == "permanent" else TEMPORARY)[vendor]
    return make_store(vendor, account, endpoint=f"https://{HOSTS[vendor]}")


@pytest.fixture(autouse=True)
def begin_now() -> Iterator[None]:
    with time_machine.travel(NOW, tick=True):
        yield


def texts(report: Report, *levels: str) -> list[str]:
    assert_no_secret(str(report))
    assert_no_secret(str(report.as_dict()))
    return [str(finding) for finding in report.findings if finding.level in (levels or ("error",))]


def link(store: ObjectStore, **options: object) -> str:
    options = {"expires_in": timedelta(minutes=10), **options}
    return store.presign("a key/中 1+1", **options).url  # type: ignore[arg-type]


def test_a_good_link_has_no_error_and_says_who_where_and_until_when(store: ObjectStore) -> None:
    credentials, vendor = store.config.credentials(), store.config.vendor.name
    report = explain_url(f"  {link(store)}\n", NOW, store)
    assert (report.ok, texts(report)) == (True, [])
    told = "\n".join(texts(report, "ok"))
    assert f"by access key {credentials.access_key}" in told
    assert f"bucket {BUCKETS[vendor]}, key 'a key/中 1+1'" in told
    assert "more, until " in told
    assert ("A token is with it" in told) == bool(credentials.token)
    assert "gives the same signature, for GET" in told
    assert report.subject.startswith("https://")
    assert "?" not in report.subject


def test_a_dead_link_is_told_with_how_long_ago(store: ObjectStore) -> None:
    (told,) = texts(explain_url(link(store), NOW + timedelta(hours=3), store))
    assert told.startswith("It died 2 h ")


def test_a_link_of_the_future_is_told(store: ObjectStore) -> None:
    report = explain_url(link(store), NOW - timedelta(hours=1), store)
    assert [told[:16] for told in texts(report)] == ["It begins only i"]


def test_a_link_signed_with_another_secret_is_told(store: ObjectStore, make_store: MakeStore) -> None:
    ours, config = store.config.credentials(), store.config
    other = make_store(
        config.vendor.name,
        credentials=lambda: Credentials(ours.access_key, "wrong-secret", ours.token),
        endpoint=f"https://{HOSTS[config.vendor.name]}",
    )
    (told,) = texts(explain_url(link(other), NOW, store))
    assert "secret key gives another signature" in told


def test_a_link_of_another_key_pair_cannot_be_checked(store: ObjectStore, make_store: MakeStore) -> None:
    config = store.config
    other = make_store(
        config.vendor.name,
        credentials=lambda: Credentials("somebody", "wrong-secret"),
        endpoint=f"https://{HOSTS[config.vendor.name]}",
    )
    report = explain_url(link(other), NOW, store)
    assert any("cannot tell whether the signature is right" in told for told in texts(report, "warn"))


TAMPERED: dict[str, tuple[Callable[[str], str], str]] = {
    "an added parameter": (lambda url: f"{url}&versionId=7", "the parameter versionId was added"),
    "a key encoded twice": (lambda url: url.replace("a%20key", "a%2520key"), "percent-encoded once more"),
    "a plus for a space": (lambda url: url.replace("a%20key", "a+key"), "was written as '+'"),
    "another host": (lambda url: url.replace("https://", "https://cdn."), "it was signed for the host"),
    "another key": (lambda url: url.replace("a%20key", "a%20kex"), "gives another signature"),
    "a shorter signature": (lambda url: url[:-2], "has not the length"),
    "another lifetime": (
        lambda url: url.replace("%2F600%2F", "%2F900%2F").replace("expires=600", "expires=900"),
        "lifetime was 600 s when it was signed, not 900 s",
    ),
}


@pytest.mark.parametrize("change", sorted(TAMPERED))
def test_a_tampered_link_is_told_with_what_was_changed(store: ObjectStore, change: str) -> None:
    tamper, told = TAMPERED[change]
    url = link(store)
    bad, vendor = tamper(url), store.config.vendor.name
    if bad == url or (vendor, change) == ("oss", "another host"):  # OSS does not sign the host
        return
    found = texts(explain_url(bad, NOW, store), "error", "warn")
    if (vendor, change) == ("cos", "an added parameter"):  # COS signs what is listed
        told = "The signature does not cover versionid"
    assert any(told in finding for finding in found), found


def test_a_tampered_end_of_a_cos_link_is_told(make_store: MakeStore) -> None:
    store = make_store("cos", endpoint=f"https://{HOSTS['cos']}")
    url = link(store)
    fields = dict(part.partition("=")[::2] for part in url.partition("?")[2].split("&"))
    start, _, end = fields["q-sign-time"].partition("%3B")
    bad = url.replace(f"%3B{end}", f"%3B{int(end) + 3000}")
    assert any(
        f"ended {int(end) - int(start)} s after its start" in told for told in texts(explain_url(bad, NOW, store))
    )


def test_a_link_for_another_method_is_told(store: ObjectStore) -> None:
    url = link(store, method="PUT")
    assert texts(explain_url(url, NOW, store, method="PUT")) == []
    (told,) = texts(explain_url(url, NOW, store, method="GET"))
    assert told.startswith("It was signed for PUT, not for GET")


def test_signed_headers_must_be_given_to_check_the_signature(store: ObjectStore) -> None:
    headers = {"Content-Type": "text/csv"}
    url = link(store, method="PUT", headers=headers)
    assert texts(explain_url(url, NOW, store, headers=headers)) == []
    without = explain_url(url, NOW, store)
    found = texts(without, "warn", "error")
    assert any("content-type" in told for told in found), found


def test_a_temporary_key_without_its_token_is_told(make_store: MakeStore) -> None:
    """By its look, which BOS's temporary keys share with permanent ones."""
    for vendor in ("oss", "cos"):
        store = make_store(vendor, replace(TEMPORARY[vendor], token=None), endpoint=f"https://{HOSTS[vendor]}")
        (told,) = texts(explain_url(link(store), NOW, store))
        assert "looks like one of a temporary pair, and there is no token" in told


def test_a_token_that_was_added_afterwards_is_told(make_store: MakeStore) -> None:
    for vendor in ("oss", "bos"):
        name = {"oss": "x-oss-security-token", "bos": "x-bce-security-token"}[vendor]
        store = make_store(vendor, replace(TEMPORARY[vendor], token=None), endpoint=f"https://{HOSTS[vendor]}")
        url = f"{link(store)}&{name}=later"
        assert any("signed without a token" in told for told in texts(explain_url(url, NOW, store)))


def test_a_region_that_is_not_the_hosts_is_told() -> None:
    signer = OssSigner(region="cn-beijing", bucket="clinic-oss")
    url = f"https://clinic-oss.{HOSTS['oss']}/key"
    credentials = Credentials(PERMANENT["oss"].access_key, PERMANENT["oss"].secret_key)
    (told,) = texts(explain_url(signer.presign(Request("GET", url), credentials, now=NOW).url, NOW))
    assert "cn-beijing, is not that of the host, cn-hangzhou" in told


def test_a_cos_bucket_without_its_appid_is_told() -> None:
    credentials = Credentials(PERMANENT["cos"].access_key, PERMANENT["cos"].secret_key)
    for url in (f"https://clinic.{HOSTS['cos']}/key", f"https://{HOSTS['cos']}/clinic/key"):
        found = texts(explain_url(CosSigner().presign(Request("GET", url), credentials, now=NOW).url, NOW))
        assert any("'clinic'" in told and "BucketName-APPID" in told for told in found)


def test_a_lifetime_that_oss_refuses_is_told(make_store: MakeStore) -> None:
    store = make_store("oss", endpoint=f"https://{HOSTS['oss']}")
    url = link(store).replace("expires=600", "expires=604801")
    assert any("OSS allows 7 d" in told for told in texts(explain_url(url, NOW)))


def test_hosts_that_others_cannot_reach_and_plain_http_are_warned_of(make_store: MakeStore) -> None:
    for endpoint, told in (
        ("https://oss-cn-hangzhou-internal.aliyuncs.com", "internal endpoint"),
        ("https://10.1.2.3", "private network"),
        ("http://127.0.0.1:9000", "this machine itself"),
        (f"http://{HOSTS['oss']}", "plain HTTP"),
    ):
        store = make_store("oss", endpoint=endpoint)
        assert any(told in found for found in texts(explain_url(link(store), NOW, store), "warn"))


def test_a_signature_on_the_host_of_another_vendor_is_told(make_store: MakeStore) -> None:
    url = link(make_store("oss", endpoint=f"https://{HOSTS['oss']}")).replace(HOSTS["oss"], HOSTS["bos"])
    assert any("Sign for the vendor of the host" in told for told in texts(explain_url(url, NOW)))


def test_a_url_without_a_signature_is_anonymous(vendor: str) -> None:
    report = explain_url(f"https://{BUCKETS[vendor]}.{HOSTS[vendor]}/key?versionId=1", NOW)
    assert "the request is anonymous" in report.summary
    assert not report.ok


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda url: escape(f"{url}&"), "copied from HTML"),
        (lambda url: f"{url[:90]}\n  {url[90:]}", "white space"),
        (lambda url: url.partition("?")[0] + "?" + url.partition("?")[2].replace("%", "%25"), "encoded twice"),
        (lambda url: url.replace("https://", ""), "must be absolute"),
    ],
)
def test_what_mail_and_chat_do_to_links_is_told_and_the_rest_is_read(
    store: ObjectStore, damage: Callable[[str], str], told: str
) -> None:
    url = damage(link(store))
    report = explain_url(url, NOW, store)
    assert any(told in found for found in texts(report))
    if told != "must be absolute":
        assert "gives the same signature" in str(report)


def test_a_link_of_another_service_is_named() -> None:
    report = explain_url("https://b.s3.amazonaws.com/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", NOW)
    assert "AWS signature version 4" in report.summary


def test_a_v1_link_of_oss_is_checked_and_warned_of(make_store: MakeStore) -> None:
    store = make_store("oss", endpoint=f"https://{HOSTS['oss']}", signature_version="v1")
    report = explain_url(link(store), NOW, store)
    assert texts(report) == []
    assert "same signature, for GET" in str(report)
    assert any("version 1" in told for told in texts(report, "warn"))


def test_an_authorization_header_is_read(store: ObjectStore) -> None:
    signed = store.sign("GET", "key")
    report = explain_authorization(f"Authorization: {signed.headers['Authorization']}", NOW, signed.headers)
    assert (report.ok, texts(report)) == (True, [])
    assert store.config.credentials().access_key in str(report)
    assert not explain_authorization("Bearer abc", NOW).ok


def test_the_verdict_is_the_servers(make_store: MakeStore, vendor: str) -> None:
    """Good, tampered with, dead: the doctor says error exactly where the emulator refuses."""
    store = make_store(vendor)
    store.put("verdict", b"x")
    good = store.presign("verdict").url
    dead = store.presign("verdict", expires_in=timedelta(seconds=1)).url
    time.sleep(2.1)
    for url in (good, good.replace("verdict", "verdicu"), good[:-1], dead):
        report = explain_url(url, datetime.now(timezone.utc), store, method="GET")
        assert report.ok == (requests.get(url, timeout=10).status_code == 200)
