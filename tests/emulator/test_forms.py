"""The emulator takes upload forms, and refuses each that does not keep to its policy, as the vendor does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import requests

from aksk_provider.emulator import Emulator
from aksk_provider.signing.forms import PostForm
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.presigning.tickets import form_ticket
from tests.conftest import BUCKETS, PERMANENT, TEMPORARY
from tests.emulator.asking import said
from tests.support.clouds import Cloud
from tests.support.forms import submit

# By vendor: status and code of each refusal.
REFUSALS = {
    "bos": {"signature": (400, "SignatureDoesNotMatch"), "expired": (400, "RequestExpired")},
    "oss": {"signature": (403, "SignatureDoesNotMatch"), "expired": (403, "AccessDenied")},
    "cos": {"signature": (403, "SignatureDoesNotMatch"), "expired": (403, "AccessDenied")},
}
SIGNATURES = {"bos": "signature", "oss": "x-oss-signature", "cos": "q-signature"}
TOKENS = {"bos": "x-bce-security-token", "oss": "x-oss-security-token", "cos": "x-cos-security-token"}
STATUS = {"bos": "success-action-status", "oss": "success_action_status", "cos": "success_action_status"}


@pytest.fixture
def store(any_cloud: Cloud) -> Iterator[ObjectStore]:
    with any_cloud.store() as opened:
        yield opened


def refusal(vendor: str, answer: requests.Response) -> tuple[int, str]:
    told = said(vendor, answer)
    return told.status, told.code


def test_a_file_sent_by_form_is_the_object(store: ObjectStore) -> None:
    vendor = store.config.vendor
    form = form_ticket(
        store,
        "forms/日 报+1.csv",
        max_size=20,
        content_type="text/csv",
        metadata={"from": "Zürich"},
        success_status=200,
    )
    answer = submit(form, b"a,b\n1,2\n")
    assert (answer.status_code, answer.content) == (200, b"")
    info = store.head("forms/日 报+1.csv")
    assert (info.size, info.content_type, info.metadata) == (8, "text/csv", {"from": "Zürich"})
    assert answer.headers["ETag"].strip('"') == info.etag
    assert answer.headers[vendor.checksum_header]
    with store.get("forms/日 报+1.csv") as stored:
        assert stored.read() == b"a,b\n1,2\n"


def test_the_signature_and_token_are_checked(store: ObjectStore) -> None:
    vendor = store.config.vendor.name
    form = form_ticket(store, "forms/refused")
    signature = form.fields[SIGNATURES[vendor]]
    tampered = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    answer = submit(form, b"x", changes={SIGNATURES[vendor]: tampered})
    assert refusal(vendor, answer) == REFUSALS[vendor]["signature"]
    token = None if TOKENS[vendor] in form.fields else "other"
    assert submit(form, b"x", changes={TOKENS[vendor]: token}).status_code == 403
    assert not store.exists("forms/refused")


def test_a_changed_policy_is_refused(store: ObjectStore) -> None:
    vendor = store.config.vendor.name
    form, other = form_ticket(store, "forms/refused"), form_ticket(store, "forms/refused2")
    answer = submit(form, b"x", changes={"policy": other.fields["policy"], "key": "forms/refused2"})
    assert refusal(vendor, answer) == REFUSALS[vendor]["signature"]
    assert submit(form, b"x", changes={"policy": "bm8ganNvbg=="}).status_code == 400
    assert not store.exists("forms/refused2")


def test_no_field_of_the_signature_may_be_missing(store: ObjectStore) -> None:
    form = form_ticket(store, "forms/refused")
    signing = set(form.fields) - {"key"}
    for name in signing:
        assert submit(form, b"x", changes={name: None}).status_code in (400, 403), name
    assert submit(form, b"x", changes=dict.fromkeys(signing)).status_code == 403
    assert submit(form, b"x", changes={"key": None}).status_code in (400, 403)
    assert not store.exists("forms/refused")


def condition(vendor: str, answer: requests.Response) -> str:
    """Return the message of a refused condition."""
    told = said(vendor, answer)
    assert (told.status, told.code) == (403, "AccessDenied"), told
    return told.message


def test_another_key_is_refused(store: ObjectStore) -> None:
    vendor = store.config.vendor.name
    form = form_ticket(store, "forms/mine")
    for key in ("forms/other", "forms/mine2", "forms/min"):
        message = condition(vendor, submit(form, b"x", changes={"key": key}))
        assert "key" in message
        assert not store.exists(key)


def test_a_prefix_takes_every_key_below_it_and_no_other(store: ObjectStore) -> None:
    vendor = store.config.vendor.name
    form = form_ticket(store, key_prefix="forms/box/", success_status=200)
    assert submit(form, b"1", changes={"key": "forms/box/a b/1.csv"}).status_code == 200
    for key in ("forms/bo", "forms/boxes/1.csv", "other"):
        condition(vendor, submit(form, b"x", changes={"key": key}))
        assert not store.exists(key)
    assert store.head("forms/box/a b/1.csv").size == 1


def test_the_stores_that_say_so_put_the_files_name_into_the_key(store: ObjectStore) -> None:
    form = form_ticket(store, key_prefix="forms/named/")
    if form.to_fill:
        assert (store.config.vendor.name, form.to_fill) == ("bos", {"key": "forms/named/"})
        return
    assert submit(form, b"1", file_name="月报 1.csv").status_code == 204
    assert store.head("forms/named/月报 1.csv").size == 1


@pytest.mark.parametrize(("size", "code"), [(1, "EntityTooSmall"), (2, None), (5, None), (6, "EntityTooLarge")])
def test_the_size_must_be_in_range(store: ObjectStore, size: int, code: str | None) -> None:
    vendor = store.config.vendor.name
    form = form_ticket(store, f"forms/sized{size}", min_size=2, max_size=5)
    answer = submit(form, b"x" * size)
    if code:
        assert refusal(vendor, answer) == (400, code)
        assert not store.exists(f"forms/sized{size}")
    else:
        assert answer.status_code == 204
        assert store.head(f"forms/sized{size}").size == size


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_type_metadata_and_status_are_held_to_the_policy(vendor: str, emulator: Emulator) -> None:
    with Cloud(vendor, emulator).store() as store:
        form = form_ticket(store, "forms/held", content_type="text/csv", metadata={"a": "b"}, success_status=200)
        held = set(form.fields) & {"Content-Type", "x-oss-content-type", f"x-{vendor}-meta-a", STATUS[vendor]}
        assert len(held) == 3
        for name in held:
            assert name.lower() in condition(vendor, submit(form, b"x", changes={name: "other"}))
            assert name.lower() in condition(vendor, submit(form, b"x", changes={name: None}))
        assert not store.exists("forms/held")
        assert submit(form, b"x").status_code == 200
        assert store.head("forms/held").content_type == "text/csv"


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_a_type_prefix_is_held(vendor: str, emulator: Emulator) -> None:
    with Cloud(vendor, emulator).store() as store:
        form = form_ticket(store, "forms/image", content_type_prefix="image/")
        ((name, _),) = form.to_fill.items()
        condition(vendor, submit(form, b"x", content_type="image/png"))
        condition(vendor, submit(form, b"x", changes={name: "text/html"}))
        assert submit(form, b"x", changes={name: "image/png"}).status_code == 204
        assert store.head("forms/image").content_type == "image/png"


def test_bos_says_which_fields_its_policy_cannot_hold(emulator: Emulator) -> None:
    with Cloud("bos", emulator).store() as store:
        form = form_ticket(store, "forms/free", content_type="text/csv")
        assert form.not_enforced == ("Content-Type",)
        assert submit(form, b"x", changes={"Content-Type": "text/html"}).status_code == 204
        assert store.head("forms/free").content_type == "text/html"


def test_another_bucket_is_refused(store: ObjectStore, any_cloud: Cloud) -> None:
    form = form_ticket(store, "forms/mine")
    elsewhere = PostForm(form.url.replace(any_cloud.bucket, any_cloud.versioned_bucket), form.fields, form.expires_at)
    assert "bucket" in condition(any_cloud.vendor, submit(elsewhere, b"x"))


@pytest.mark.parametrize("vendor", REFUSALS)
def test_a_form_works_until_its_second_and_not_after(vendor: str, tmp_path: Path) -> None:
    now = [datetime(2026, 3, 1, 12, tzinfo=timezone.utc)]
    with Emulator(
        accounts=[PERMANENT, TEMPORARY], buckets=BUCKETS, data_dir=tmp_path, clock=lambda: now[0]
    ) as emulator:
        cloud = Cloud(vendor, emulator)
        with ObjectStore(cloud.store().config, clock=lambda: now[0]) as store:
            form = form_ticket(store, "forms/late", expires_in=timedelta(minutes=10))
            assert form.expires_at == now[0] + timedelta(minutes=10)
            now[0] = form.expires_at - timedelta(seconds=1)
            assert submit(form, b"x").status_code == 204
            now[0] = form.expires_at + timedelta(seconds=1)
            assert refusal(vendor, submit(form, b"x")) == REFUSALS[vendor]["expired"]


@pytest.mark.parametrize("status", [None, 200, 201, 204])
def test_the_answer_has_the_status_that_was_asked_for(store: ObjectStore, status: int | None) -> None:
    vendor = store.config.vendor.name
    answer = submit(form_ticket(store, "forms/answered", success_status=status), b"x")
    assert answer.status_code == (status or 204)
    if vendor == "oss" and status == 201:
        root = ET.fromstring(answer.content)
        assert (root.tag, root.findtext("Key")) == ("PostResponse", "forms/answered")
    else:
        assert answer.content == b""


def test_a_browser_is_sent_on(store: ObjectStore) -> None:
    form = form_ticket(store, "forms/sent on", success_redirect="https://partner.example/done?a=1", success_status=201)
    answer = submit(form, b"x")
    assert answer.status_code == 303
    told = f"&bucket={store.config.bucket}&key=forms%2Fsent%20on&etag=" if store.config.vendor.name == "cos" else ""
    assert answer.headers["Location"].startswith(f"https://partner.example/done?a=1{told}")


def test_what_follows_the_file_is_ignored(store: ObjectStore) -> None:
    form = form_ticket(store, "forms/last")
    parts = [*((name, (None, value)) for name, value in form.fields.items()), ("file", ("f", b"content"))]
    parts.append(("submit", (None, "Upload")))
    assert requests.post(form.url, files=parts, timeout=10).status_code == 204
    assert store.head("forms/last").size == 7


def test_a_body_that_is_no_form_is_refused(store: ObjectStore) -> None:
    vendor = store.config.vendor.name
    form = form_ticket(store, "forms/refused")
    no_text = b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n\xff\r\n--b--\r\n'
    for content_type, body in (
        ("multipart/form-data; boundary=b", b"not a form"),
        ("multipart/form-data", b"--b--"),
        ("multipart/form-data; boundary=b", no_text),
    ):
        answer = requests.post(form.url, data=body, headers={"Content-Type": content_type}, timeout=10)
        assert answer.status_code in (400, 403), body
        said(vendor, answer)


def test_a_form_without_a_file_or_cut_off_keeps_nothing(store: ObjectStore) -> None:
    form = form_ticket(store, "forms/cut")
    fields = [(name, (None, value)) for name, value in form.fields.items()]
    assert requests.post(form.url, files=fields, timeout=10).status_code == 400
    whole = requests.Request("POST", form.url, files=[*fields, ("file", ("f", b"content"))]).prepare()
    cut = whole.body[:-40]
    headers = {"Content-Type": whole.headers["Content-Type"]}
    assert requests.post(form.url, data=cut, headers=headers, timeout=10).status_code == 400
    assert not store.exists("forms/cut")


def test_a_large_file_goes_to_disk_and_comes_back(store: ObjectStore) -> None:
    content = b"\r\n--almost a boundary\r\n" * 200_000
    assert submit(form_ticket(store, "forms/large"), content).status_code == 204
    with store.get("forms/large") as stored:
        assert stored.read() == content
    store.delete("forms/large")


def test_a_form_may_refuse_to_overwrite(emulator: Emulator) -> None:
    make: Callable[..., PostForm] = form_ticket
    with Cloud("oss", emulator).store() as store:
        store.put("forms/there", b"first")
        answer = submit(make(store, "forms/there"), b"second", changes={"x-oss-forbid-overwrite": "true"})
        assert refusal("oss", answer) == (409, "FileAlreadyExists")
