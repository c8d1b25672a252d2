"""What links say about themselves, those of the vendors' own SDKs included."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, Request, Signer
from aksk_provider.storage.presigning import inspection

NOW = datetime(2026, 11, 21, 8, tzinfo=timezone.utc)
SIGNERS = {
    "bos": (BosSigner(), "https://examplebucket.bj.bcebos.com/key"),
    "oss": (OssSigner(region="cn-hangzhou", bucket="b"), "https://b.oss-cn-hangzhou.aliyuncs.com/key"),
    "cos": (CosSigner(), "https://b-1250000000.cos.ap-guangzhou.myqcloud.com/key"),
}


@pytest.mark.parametrize(("signer", "url"), SIGNERS.values(), ids=SIGNERS)
def test_a_link_tells_when_it_dies_and_what_is_secret(signer: Signer, url: str) -> None:
    token = "token/+=of-some-length"
    link = signer.presign(Request("GET", url), Credentials("ak", "sk", token), now=NOW, expires_in=timedelta(minutes=7))
    assert inspection.expires_at(link.url) == link.expires_at == NOW + timedelta(minutes=7)
    assert inspection.place(link.url) == url
    left = link.url
    for secret in inspection.secret_parts(link.url):
        left = left.replace(secret, "***")
    assert left.count("***") == 2
    assert token in inspection.secrets(link.url)
    assert "token%2F%2B%3Dof-some-length" in inspection.secrets(link.url)
    assert link.url in inspection.secrets(link.url)


@pytest.mark.parametrize(
    ("query", "expires_at"),
    [
        ("OSSAccessKeyId=ak&Expires=1795248000&Signature=c2ln%2B", "2026-11-21T08:00:00+00:00"),
        ("X-Amz-Date=20261121T080000Z&X-Amz-Expires=60&X-Amz-Signature=00", "2026-11-21T08:01:00+00:00"),
        ("authorization=bce-auth-v1%2Fak%2F2026-11-21T08%3A00%3A00Z%2F60%2F%2Fsig", "2026-11-21T08:01:00+00:00"),
        ("authorization=bce-auth-v1%2Fak%2F2026-11-21T08%3A00%3A00Z%2F-1%2F%2Fsig", None),
        ("sign=q-sign-time%3D1%3B1795248000%26q-signature%3D00", "2026-11-21T08:00:00+00:00"),
        ("q-sign-time=nonsense", None),
        ("x-oss-date=nonsense&x-oss-expires=1", None),
        ("authorization=Basic", None),
        ("expires=1795248000", None),
        ("", None),
    ],
)
def test_expiry_of_other_forms(query: str, expires_at: str | None) -> None:
    told = inspection.expires_at(f"https://host/key?{query}")
    assert (told.isoformat() if told else None) == expires_at


def test_links_are_found_in_text() -> None:
    text = "{'url': 'https://a/b?c=d', \"x\": \"https://e/f\"} curl https://g/h?i -o j"
    assert inspection.links_in(text) == ["https://a/b?c=d", "https://g/h?i"]
    for escaped in (r"\u0026", r"\\u0026", "&amp;"):
        assert inspection.links_in(f'"https://a/b?c=d{escaped}e=f"') == ["https://a/b?c=d&e=f"]
