"""Signed requests of our own, to be sent as they are or after something was done to them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta, timezone
from typing import Any
from xml.etree import ElementTree as ET

import requests

from aksk_provider.emulator import Account, Emulator
from aksk_provider.signing import BosSigner, CosSigner, Credentials, OssSigner, Request, Signer, encoding

BUCKETS = {"bos": "examplebucket", "oss": "examplebucket-oss", "cos": "examplebucket-1250000000"}
VERSIONED = {"bos": "versionedbucket", "oss": "versionedbucket-oss", "cos": "versionedbucket-1250000000"}
PREFIX = {"bos": "x-bce-", "oss": "x-oss-", "cos": "x-cos-"}
VENDORS = tuple(BUCKETS)


def credentials_of(account: Account) -> Credentials:
    return Credentials(account.access_key, account.secret_key, account.token)


def signer_of(vendor: str, bucket: str, **options: Any) -> Signer:
    if vendor == "oss":
        return OssSigner(region="cn-hangzhou", bucket=bucket, **options)
    return {"bos": BosSigner, "cos": CosSigner}[vendor](**options)


@dataclass(frozen=True)
class Said:
    """An error as the vendor says it."""

    status: int
    code: str
    message: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Asker:
    """One vendor, one key pair, one form of the signature."""

    emulator: Emulator
    vendor: str
    credentials: Credentials
    form: str = "header"
    bucket: str = ""
    now: datetime | None = None
    expires_in: timedelta | None = None

    @property
    def prefix(self) -> str:
        return PREFIX[self.vendor]

    def but(self, **changes: Any) -> Asker:
        return replace(self, **changes)

    def request(
        self,
        method: str,
        key: str | None,
        params: Iterable[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        *,
        signed: bool = True,
    ) -> Request:
        """Return a request, signed in the header or in the URL."""
        bucket = self.bucket or BUCKETS[self.vendor]
        path = encoding.encode_path(f"/{bucket}/{key or ''}")
        request = Request(method, encoding.with_query(f"{self.emulator.endpoint}{path}", params), headers or {})
        if not signed:
            return request
        signer = signer_of(self.vendor, bucket)
        now = self.now or datetime.now(timezone.utc)
        if self.form == "header":
            return signer.sign(request, self.credentials, now=now, expires_in=self.expires_in)
        url = signer.presign(request, self.credentials, now=now, expires_in=self.expires_in)
        return Request(method, url.url, url.signed_headers)

    def ask(self, method: str, key: str | None, *args: Any, body: Any = None, **options: Any) -> requests.Response:
        """Send a signed request."""
        return send(self.request(method, key, *args, **options), body)

    def put(self, key: str, body: bytes = b"hello", headers: Mapping[str, str] | None = None) -> requests.Response:
        answer = self.ask("PUT", key, headers=headers, body=body)
        assert answer.status_code == 200, answer.text
        return answer


def send(request: Request, body: Any = None) -> requests.Response:
    """Send a request as it is."""
    with requests.Session() as session:
        session.trust_env = False
        return session.request(
            request.method, request.url, headers=dict(request.headers), data=body, timeout=30, allow_redirects=False
        )


def said(vendor: str, answer: requests.Response) -> Said:
    """Read an error, checking that it is in the vendor's format."""
    prefix = PREFIX[vendor]
    request_id = answer.headers[f"{prefix}request-id"]
    if answer.request.method == "HEAD":
        assert answer.content == b""
        if vendor != "oss":
            return Said(answer.status_code, "", "", {})
        body = base64.b64decode(answer.headers["x-oss-err"])
    else:
        body = answer.content
    if vendor == "bos":
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        fields = json.loads(body)
        assert set(fields) == {"code", "message", "requestId"}
        assert fields["requestId"] == request_id
        return Said(answer.status_code, fields["code"], fields["message"], fields)
    if answer.request.method != "HEAD":
        assert answer.headers["Content-Type"] == "application/xml"
    root = ET.fromstring(body)
    assert root.tag == "Error"
    fields = {node.tag: node.text or "" for node in root}
    assert fields["RequestId"] == request_id
    assert fields.keys() >= ({"HostId"} if vendor == "oss" else {"Resource", "TraceId"})
    return Said(answer.status_code, fields["Code"], fields["Message"], fields)
