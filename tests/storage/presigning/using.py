"""Links of every form, and people who have nothing but a link: curl and the standard library's HTTP client."""

from __future__ import annotations

import base64
import hashlib
import http.client
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.signing import Credentials, PresignedURL
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static

KEY = "目录/a b+c%20~*'()&=;é😀.csv"
CONTENT = b"a,b\n1,2\n"
MD5 = base64.b64encode(hashlib.md5(CONTENT).digest()).decode()
ACCOUNTS = {
    "permanent": Account("link-ak", "link-sk"),
    "temporary": Account("link-tmp-ak", "link-tmp-sk", "link-token/+="),
}
BUCKETS = {"bos": "examplebucket", "oss": "examplebucket", "cos": "examplebucket-1250000000"}
VERSIONED = {"bos": "versionedbucket", "oss": "versionedbucket", "cos": "versionedbucket-1250000000"}
REGIONS = {"bos": "bj", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}
SIGNATURES = {"bos": ("bos", None), "oss": ("oss", None), "oss v1": ("oss", "v1"), "cos": ("cos", None)}


class Clock:
    """A clock that stands still until it is set; server and signer share it."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 8, 0, tzinfo=timezone.utc)

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Place:
    """One vendor's store with one key pair, signing in one way."""

    emulator: Emulator
    clock: Clock
    signature: str
    account: Account

    @property
    def vendor(self) -> str:
        return SIGNATURES[self.signature][0]

    @property
    def prefix(self) -> str:
        return {"bos": "x-bce-", "oss": "x-oss-", "cos": "x-cos-"}[self.vendor]

    def store(self, credentials: Credentials | None = None) -> ObjectStore:
        account = self.account
        config = resolve(
            vendor=self.vendor,
            credentials=static(credentials or Credentials(account.access_key, account.secret_key, account.token)),
            endpoint=self.emulator.endpoint,
            region=REGIONS[self.vendor],
            bucket=BUCKETS[self.vendor],
            signature_version=SIGNATURES[self.signature][1],
        )
        return ObjectStore(config, clock=self.clock)


def serve(clock: Clock, *accounts: Account) -> Emulator:
    buckets = [Bucket(vendor, name) for vendor, name in BUCKETS.items()]
    buckets += [Bucket(vendor, name, versioned=True) for vendor, name in VERSIONED.items()]
    return Emulator(accounts=[*ACCOUNTS.values(), *accounts], buckets=buckets, clock=clock)


@dataclass(frozen=True)
class Form:
    """A form of a link: what is asked for, and how its use goes.

    :param asked: arguments of ``presign``; ``{prefix}`` in names stands for the vendor's
    :param answer: headers of the answer
    """

    asked: Mapping[str, Any]
    body: bytes | None = None
    status: int = 200
    content: bytes | None = None
    answer: Mapping[str, str] = field(default_factory=dict)
    versioned: bool = False

    @property
    def method(self) -> str:
        return str(self.asked.get("method", "GET"))


NAMED = "attachment; filename=\"Ubersicht__.csv\"; filename*=UTF-8''%C3%9Cbersicht%E6%8A%A5%E5%91%8A.csv"
FORMS = {
    "get": Form({}, content=CONTENT),
    "get a version": Form({}, content=b"first", versioned=True),
    "get under a name": Form({"filename": "Übersicht报告.csv"}, content=CONTENT, answer={"Content-Disposition": NAMED}),
    "get with overrides": Form(
        {
            "response_content_type": "text/plain; charset=utf-8",
            "response_content_disposition": 'inline; filename="a b.txt"',
            "response_content_language": "zh-CN, en",
            "response_cache_control": "no-store",
            "response_expires": "Fri, 27 Nov 2026 08:00:00 GMT",
        },
        content=CONTENT,
        answer={
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Disposition": 'inline; filename="a b.txt"',
            "Content-Language": "zh-CN, en",
            "Cache-Control": "no-store",
            "Expires": "Fri, 27 Nov 2026 08:00:00 GMT",
        },
    ),
    "get with a signed header": Form({"headers": {"{prefix}traffic-limit": "819200"}}, content=CONTENT),
    "get with signed parameters": Form(
        {"params": {"response-cache-control": "max-age=1, a/b+c", "response-content-type": "text/x-a"}},
        content=CONTENT,
        answer={"Cache-Control": "max-age=1, a/b+c", "Content-Type": "text/x-a"},
    ),
    "head": Form({"method": "HEAD"}, content=b"", answer={"Content-Length": str(len(CONTENT))}),
    "delete": Form({"method": "DELETE"}, status=204),
    "put": Form({"method": "PUT"}, CONTENT),
    "put fixed": Form(
        {
            "method": "PUT",
            "content_type": "text/csv",
            "content_length": len(CONTENT),
            "content_md5": hashlib.md5(CONTENT).hexdigest(),
            "headers": {"{prefix}meta-from": "a partner", "{prefix}storage-class": "STANDARD"},
        },
        CONTENT,
    ),
    "put fixed but for the size": Form({"method": "PUT", "content_type": "text/csv", "content_md5": MD5}, CONTENT),
    "post": Form({"method": "POST", "params": {"uploads": ""}, "content_type": "text/csv"}, b""),
}


def possible(signature: str, form: str) -> bool:
    """Tell whether a way to sign has a form: OSS V1 cannot sign the size of what is uploaded."""
    return (signature, form) != ("oss v1", "put fixed")


def make(place: Place, form: Form, credentials: Credentials | None = None, **more: Any) -> PresignedURL:
    """Put there what a link is for, and make the link."""
    with place.store(credentials) as store:
        asked = dict(form.asked) | more
        if "headers" in asked:
            named = {name.format(prefix=place.prefix): value for name, value in asked["headers"].items()}
            if place.vendor == "oss":
                named = {n: v.title() if n.endswith("storage-class") else v for n, v in named.items()}
            asked["headers"] = named
        if form.versioned:
            bucket = VERSIONED[place.vendor]
            first = store.put(KEY, b"first", bucket)
            store.put(KEY, b"second", bucket)
            return store.presign(KEY, bucket, version_id=first.version_id, **asked)
        store.put(KEY, CONTENT, content_type="text/x-stored")
        return store.presign(KEY, **asked)


@dataclass(frozen=True)
class Used:
    """How the use of a link went."""

    status: int
    headers: Mapping[str, str]
    content: bytes


Client = Callable[[PresignedURL, Mapping[str, str], "bytes | None", Path], Used]


def with_http_client(link: PresignedURL, headers: Mapping[str, str], body: bytes | None, folder: Path) -> Used:
    parts = urlsplit(link.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(link.method, f"{parts.path}?{parts.query}", body, dict(headers))
        answer = connection.getresponse()
        return Used(answer.status, dict(answer.getheaders()), answer.read())
    finally:
        connection.close()


def with_curl(link: PresignedURL, headers: Mapping[str, str], body: bytes | None, folder: Path) -> Used:
    if not shutil.which("curl"):
        pytest.skip("curl is not installed")
    (folder / "sent").write_bytes(body or b"")
    (folder / "got").write_bytes(b"")
    how = {
        "GET": [],
        "HEAD": ["--head"],
        "PUT": ["--upload-file", str(folder / "sent")],
        "POST": ["--data-binary", f"@{folder / 'sent'}"],
    }.get(link.method, ["--request", link.method])
    command = ["curl", "--disable", "--silent", "--show-error", "--noproxy", "*", "--max-time", "30", *how]
    command += ["--output", str(folder / "got"), "--dump-header", str(folder / "headers"), link.url]
    command += [word for name, value in headers.items() for word in ("--header", f"{name}: {value}")]
    subprocess.run(command, check=True, capture_output=True)
    last = (folder / "headers").read_bytes().decode("latin-1").strip().split("\r\n\r\n")[-1]
    first, *lines = last.split("\r\n")
    told = dict(line.split(": ", 1) for line in lines)
    content = b"" if link.method == "HEAD" else (folder / "got").read_bytes()
    return Used(int(first.split(" ")[1]), told, content)


CLIENTS: dict[str, Client] = {"http.client": with_http_client, "curl": with_curl}


def use(link: PresignedURL, body: bytes | None = None, **changes: Any) -> Used:
    """Use a link by the standard library, after changing it."""
    link = replace(link, **changes)
    return with_http_client(link, link.signed_headers, body, Path())


def lifetime_of(link: PresignedURL, place: Place) -> timedelta:
    return link.expires_at - place.clock.now
