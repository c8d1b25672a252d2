"""Upload forms: the documents' own example, other people's implementations, and what is refused before it is signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials
from aksk_provider.signing.forms import (
    MAX_SIZE,
    FormRules,
    PostForm,
    bos_form,
    bos_signature,
    cos_form,
    cos_signature,
    oss_form,
)

NOW = datetime(2026, 3, 1, 12, 0, 0, 500_000, tzinfo=timezone.utc)
HOUR = timedelta(hours=1)
PERMANENT = Credentials("AK", "SK")
TEMPORARY = Credentials("AK", "SK", "TOKEN", NOW + timedelta(minutes=20))
SIGNERS = {"bos": bos_form, "oss": oss_form, "cos": cos_form}
VENDORS = tuple(SIGNERS)


def form(vendor: str, credentials: Credentials = PERMANENT, *, lifetime: timedelta = HOUR, **rules: Any) -> PostForm:
    asked = FormRules(**{"bucket": "bucket", "key": "in/a.csv", **rules})
    return SIGNERS[vendor](asked, credentials, "https://bucket.example/", "cn-hangzhou", NOW, lifetime)


def policy(made: PostForm) -> dict[str, Any]:
    return json.loads(base64.b64decode(made.fields["policy"]))


def test_the_example_of_the_cos_page_comes_out() -> None:
    lines = (
        "{",
        '    "expiration": "2019-08-30T09:38:12.414Z",',
        '    "conditions": [',
        '        { "acl": "default" },',
        '        { "bucket": "examplebucket-1250000000" },',
        '        [ "starts-with", "$key", "folder/subfolder/" ],',
        '        [ "starts-with", "$Content-Type", "image/" ],',
        '        [ "starts-with", "$success_action_redirect", "https://my.website/" ],',
        '        [ "eq", "$x-cos-server-side-encryption", "AES256" ],',
        '        { "q-sign-algorithm": "sha1" },',
        '        { "q-ak": "AKIDQjz3ltompVjBni5LitkWHFlFpwkn9U5q" },',
        '        { "q-sign-time": "1567150692;1567157892" }',
        "    ]",
        "}",
    )
    secret = "BQYIM75p8x0iWVFSIgqEKwFprpRSVHlz"
    signed = cos_signature(secret, "1567150692;1567157892", "\n".join(lines))
    assert signed == "7758dc9a832e9d301dca704cacbf9d9f8172fdef"


def test_oss_signs_as_the_sample_of_its_sdk_does() -> None:
    made = form("oss")
    key = b"aliyun_v4SK"
    for part in ("20260301", "cn-hangzhou", "oss", "aliyun_v4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    expected = hmac.new(key, made.fields["policy"].encode(), hashlib.sha256).hexdigest()
    assert made.fields["x-oss-signature"] == expected
    assert made.fields["x-oss-credential"] == "AK/20260301/cn-hangzhou/oss/aliyun_v4_request"
    assert made.fields["x-oss-date"] == "20260301T120000Z"
    for name in ("x-oss-signature-version", "x-oss-credential", "x-oss-date"):
        assert {name: made.fields[name]} in policy(made)["conditions"]


def test_bos_signs_as_the_vendors_uploader_does() -> None:
    made = form("bos")
    assert made.fields["signature"] == hmac.new(b"SK", made.fields["policy"].encode(), hashlib.sha256).hexdigest()
    assert made.fields["signature"] == bos_signature("SK", made.fields["policy"])
    assert made.fields["accessKey"] == "AK"


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_form_dies_with_the_credentials_that_signed_it(vendor: str) -> None:
    made = form(vendor, TEMPORARY)
    assert made.expires_at == TEMPORARY.expires_at
    assert policy(made)["expiration"].startswith("2026-03-01T12:20:00")
    token = {"bos": "x-bce-security-token", "oss": "x-oss-security-token", "cos": "x-cos-security-token"}[vendor]
    assert made.fields[token] == "TOKEN"
    assert set(made.secrets) >= {"TOKEN", made.fields["policy"]}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_policy_has_every_rule_that_the_vendor_knows(vendor: str) -> None:
    meta = {"bos": "x-bce-meta-a", "oss": "x-oss-meta-a", "cos": "x-cos-meta-a"}[vendor]
    made = form(vendor, min_size=1, max_size=9, content_type="text/csv", fields={meta: "b"}, success_status=201)
    conditions = policy(made)["conditions"]
    assert {"bucket": "bucket"} in conditions
    assert ["content-length-range", 1, 9] in conditions
    typed = "x-oss-content-type" if vendor == "oss" else "Content-Type"
    status = "success-action-status" if vendor == "bos" else "success_action_status"
    free = {meta: "b", typed: "text/csv", status: "201"}
    assert free.items() <= made.fields.items()
    if vendor == "bos":
        assert {"key": "in/a.csv"} in conditions
        assert set(made.not_enforced) == set(free)
    else:
        assert ["eq", "$key", "in/a.csv"] in conditions
        assert all(["eq", f"${name}", value] in conditions for name, value in free.items())
        assert made.not_enforced == ()


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_prefix_leaves_the_name_to_the_sender(vendor: str) -> None:
    made = form(vendor, key="in/", key_is_prefix=True)
    if vendor == "bos":
        assert {"key": "in/*"} in policy(made)["conditions"]
        assert (made.to_fill, "key" in made.fields) == ({"key": "in/"}, False)
    else:
        assert ["starts-with", "$key", "in/"] in policy(made)["conditions"]
        assert (made.to_fill, made.fields["key"]) == ({}, "in/${filename}")


@pytest.mark.parametrize("vendor", ["oss", "cos"])
def test_a_type_prefix_is_filled_in_by_the_sender(vendor: str) -> None:
    made = form(vendor, content_type="image/", content_type_is_prefix=True)
    ((name, prefix),) = made.to_fill.items()
    assert prefix == "image/"
    assert name not in made.fields
    assert ["starts-with", f"${name}", "image/"] in policy(made)["conditions"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_representation_shows_neither_policy_nor_signature_nor_token(vendor: str) -> None:
    made = form(vendor, TEMPORARY)
    assert made.secrets
    assert not any(secret in repr(made) for secret in [*made.secrets, "SK"])


@pytest.mark.parametrize(
    ("vendor", "rules"),
    [
        ("oss", {"min_size": 2, "max_size": 1}),
        ("oss", {"max_size": MAX_SIZE + 1}),
        ("cos", {"min_size": -1}),
        ("bos", {"success_status": 302}),
        ("oss", {"success_redirect": "next.html"}),
        ("cos", {"content_type": "text/csv\r\nx: y"}),
        ("bos", {"key": "in/*"}),
        ("bos", {"content_type": "image/", "content_type_is_prefix": True}),
        ("oss", {"key": "in/$a"}),
        ("oss", {"fields": {"x-oss-meta-a": "$b"}}),
        ("cos", {"key": "in/${filename}"}),
        ("oss", {"lifetime": timedelta(days=8)}),
        ("bos", {"lifetime": timedelta()}),
    ],
)
def test_what_a_policy_cannot_say_is_refused(vendor: str, rules: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        form(vendor, **rules)


def test_oss_forms_need_a_region() -> None:
    with pytest.raises(InvalidRequestError, match="region is missing"):
        oss_form(FormRules("b", "k"), PERMANENT, "https://b.example/", None, NOW, HOUR)
