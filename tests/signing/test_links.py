"""A link template makes the URLs that the signer's own ``presign`` makes, byte for byte."""

from __future__ import annotations

import string
from datetime import datetime, timedelta, timezone
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, Request, encoding
from aksk_provider.signing.links import Draft, LinkTemplate, link_template
from tests.signing import strategies

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=timezone.utc)
KEYS = Credentials("AKIDEXAMPLE", "TheSecretKey", "TheToken/+=")
PLACES = {
    "virtual": ("https://examplebucket.example.com", {"path_style": False}),
    "path": ("http://127.0.0.1:9000/examplebucket", {"path_style": True}),
    "cname": ("https://files.example.com", {"path_style": False}),
}
SIGNERS = {
    "bos": lambda place: BosSigner(),
    "bos-all-headers": lambda place: BosSigner(signed_headers=["cache-control", "x-other"]),
    "oss": lambda place: OssSigner(region="cn-hangzhou", bucket="examplebucket", **PLACES[place][1]),
    "oss-more-headers": lambda place: OssSigner(
        region="cn-hangzhou", bucket="examplebucket", additional_headers=["cache-control", "host"], **PLACES[place][1]
    ),
    "cos": lambda place: CosSigner(),
    "cos-host-alone": lambda place: CosSigner(signed_headers=["host"], signed_params=["versionId"]),
}
every_vendor = pytest.mark.parametrize("vendor", SIGNERS)
every_place = pytest.mark.parametrize("place", PLACES)
header_sets = strategies.headers(["content-type", "Content-MD5", "x-bce-acl", "x-oss-acl", "cache-control"], "x-other-")


@every_place
@every_vendor
@settings(max_examples=60, deadline=None)
@given(
    case=strategies.cases(header_sets, longest=40_000),
    keys=st.lists(strategies.keys, min_size=1, max_size=4),
)
def test_a_template_makes_what_presign_makes(vendor: str, place: str, case: strategies.Case, keys: list[str]) -> None:
    signer, base = SIGNERS[vendor](place), PLACES[place][0]

    def request_of(key: str) -> Request:
        url = f"{base}/{encoding.encode_path(key)}{case.spelling.query(case.params)}"
        return Request(case.method, url, case.headers)

    template = link_template(signer, request_of, case.credentials, now=case.now, expires_in=case.expires_in)
    for key in keys:
        expected = signer.presign(request_of(key), case.credentials, now=case.now, expires_in=case.expires_in)
        assert template.link(key) == expected.url
        assert template.presigned(key) == expected


def address(key: str) -> Request:
    return Request("GET", f"https://examplebucket.example.com/{encoding.encode_path(key)}")


def template_of(vendor: str) -> LinkTemplate:
    return link_template(SIGNERS[vendor]("virtual"), address, KEYS, now=NOW)


@every_vendor
@pytest.mark.parametrize("key", [".", "..", "./a", "../a", "a/..", "a/./b", "a/../b", "a//..//b"])
def test_a_template_refuses_the_dot_segments_that_presign_refuses(vendor: str, key: str) -> None:
    for make in (
        lambda: template_of(vendor).link(key),
        lambda: SIGNERS[vendor]("virtual").presign(address(key), KEYS, now=NOW),
    ):
        with pytest.raises(InvalidRequestError, match=r"'\.' or '\.\.' segment"):
            make()


@every_vendor
@pytest.mark.parametrize("key", [".a", "a.", "...", "a/.b/c..", "a..b", ".../a"])
def test_a_dot_that_is_no_segment_is_signed(vendor: str, key: str) -> None:
    assert template_of(vendor).link(key) == SIGNERS[vendor]("virtual").presign(address(key), KEYS, now=NOW).url


@every_vendor
def test_the_links_of_a_template_share_no_state(vendor: str) -> None:
    template = template_of(vendor)
    first = template.presigned("a")
    assert template.presigned("b").url != first.url
    assert template.presigned("a") == first
    dict(first.signed_headers).clear()
    first.signed_headers["X-Mine"] = "1"  # type: ignore[index]
    assert template.presigned("a").signed_headers == {}


@every_vendor
def test_neither_a_template_nor_a_draft_prints_a_secret(vendor: str) -> None:
    draft = SIGNERS[vendor]("virtual").draft(address("a"), KEYS, now=NOW)
    template = template_of(vendor)
    secrets = [KEYS.secret_key, KEYS.token, "TheToken", draft.key.decode("latin-1"), draft.key.hex()]
    for shown in (repr(draft), str(draft), repr(template), str(template), repr(template.link)):
        assert not [secret for secret in secrets if secret in shown]


@every_vendor
def test_a_dead_token_makes_no_template(vendor: str) -> None:
    dead = Credentials("AKIDEXAMPLE", "TheSecretKey", "TheToken", NOW)
    with pytest.raises(InvalidRequestError, match="expired"):
        link_template(SIGNERS[vendor]("virtual"), address, dead, now=NOW)


@every_vendor
def test_the_end_of_a_token_is_the_end_of_its_links(vendor: str) -> None:
    soon = Credentials("AKIDEXAMPLE", "TheSecretKey", "TheToken", NOW + timedelta(seconds=30))
    template = link_template(SIGNERS[vendor]("virtual"), address, soon, now=NOW)
    assert template.presigned("a").expires_at == soon.expires_at


class OwnDrafter:
    """Drafts with a key and a canonical request of one's own."""

    def __init__(self, key: bytes, canonical: str) -> None:
        self.key, self.canonical = key, canonical

    def draft(self, request: Request, *_: object, **__: object) -> Draft:
        canonical = self.canonical.format(url=request.url)
        return Draft("GET", f"{request.url}?signature=", canonical, canonical, self.key, "sha1", NOW, {})


@pytest.mark.parametrize("canonical", ["GET", "GET\n{url}\n{url}"])
def test_a_draft_without_the_key_or_with_two_makes_no_template(canonical: str) -> None:
    with pytest.raises(ValueError, match="must hold the key once"):
        link_template(OwnDrafter(b"key", canonical), address, KEYS, now=NOW)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_a_signing_key_may_be_longer_than_a_block_of_the_hash(length: int) -> None:
    drafter = OwnDrafter(b"k" * length, "GET\n{url}")
    template = link_template(drafter, address, KEYS, now=NOW)
    assert template.presigned("a b") == drafter.draft(address("a b")).presigned()


@given(text=st.one_of(st.text(), st.text(string.ascii_letters + string.digits + "-._~/"), st.binary()))
def test_the_encoder_is_that_of_the_standard_library(text: str | bytes) -> None:
    assert encoding.encode(text) == quote(text, safe="")
    assert encoding.encode_path(text) == quote(text, safe="/")
