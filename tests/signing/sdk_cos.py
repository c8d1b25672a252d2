"""Tencent's SDK as the oracle: ``cos-python-sdk-v5``, signer and client, with a frozen clock."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import requests
import time_machine
from qcloud_cos import CosConfig, CosS3Auth, CosS3Client, cos_auth

from aksk_provider.signing import Credentials

BUCKET = "examplebucket-1250000000"
TOKEN = "x-cos-security-token"


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint as the SDK is configured for it, and the URL that it has to lead to."""

    base: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.base.split("/")[2]


PLACES = [
    Place("https://examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com"),
    Place("http://examplebucket-1250000000.cos.ap-guangzhou.myqcloud.com", {"Scheme": "http"}),
    Place(
        "https://examplebucket-1250000000.cos.ap-guangzhou.tencentcos.cn",
        {"EnableOldDomain": False, "EnableInternalDomain": False},
    ),
    Place("https://examplebucket-1250000000.cos-internal.ap-guangzhou.tencentcos.cn", {"EnableOldDomain": False}),
    Place("https://examplebucket-1250000000.cos.accelerate.myqcloud.com", {"Endpoint": "cos.accelerate.myqcloud.com"}),
    Place("https://files.example.com", {"Domain": "files.example.com"}),
    Place("https://192.0.2.7", {"IP": "192.0.2.7"}),
]
PLACES_WITH_PORT = [
    Place("https://files.example.com:444", {"Domain": "files.example.com:444"}),
    Place("http://192.0.2.7:9000", {"IP": "192.0.2.7", "Port": 9000, "Scheme": "http"}),
    Place("http://localhost:9000", {"Domain": "localhost:9000", "Scheme": "http"}),
]

_session = requests.Session()


def client(place: Place, credentials: Credentials, **options: Any) -> CosS3Client:
    """Return a client of the SDK; it is built per example, which is cheap."""
    config = CosConfig(
        Region="ap-guangzhou",
        SecretId=credentials.access_key,
        SecretKey=credentials.secret_key,
        Token=credentials.token,
        **place.options,
        **options,
    )
    return CosS3Client(config, session=_session)


def sign(
    place: Place,
    method: str,
    key: str,
    params: dict[str, str],
    headers: dict[str, str],
    credentials: Credentials,
    now: datetime,
    seconds: int,
    *,
    sign_host: bool = True,
) -> str:
    """Return the Authorization of the SDK's signer, called as its ``get_auth`` calls it."""
    config = client(place, credentials)._conf
    request = requests.Request(method, f"{place.base}/", headers=dict(headers))
    with time_machine.travel(now, tick=False):
        signed = CosS3Auth(config, key, params, seconds, sign_host)(request)
    authorization: str = signed.headers["Authorization"]
    return authorization


def get_auth(
    place: Place,
    method: str,
    key: str,
    params: dict[str, str],
    headers: dict[str, str],
    credentials: Credentials,
    now: datetime,
    seconds: int,
) -> str:
    """Return the string that the SDK's client hands out for use by others."""
    with time_machine.travel(now, tick=False):
        authorization: str = client(place, credentials).get_auth(method, BUCKET, key, seconds, headers, params)
    return authorization


def presign(
    place: Place,
    method: str,
    key: str,
    params: dict[str, str],
    headers: dict[str, str],
    credentials: Credentials,
    now: datetime,
    seconds: int,
) -> str:
    """Return the URL of the SDK's client; for reading, by the function for downloads."""
    theirs = client(place, credentials)
    with time_machine.travel(now, tick=False):
        if method == "GET":
            return theirs.get_presigned_download_url(BUCKET, key, seconds, params, headers)
        return theirs.get_presigned_url(BUCKET, key, method, seconds, params, headers)


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record the SDK's canonical request, then what it feeds to HMAC: the key time and the string to sign."""
    messages: list[str] = []

    def debug(message: str, *_: Any) -> None:
        if message.startswith("format str: "):
            messages.append(message.removeprefix("format str: "))

    def new(key: bytes, message: bytes, digest: Any) -> Any:
        messages.append(message.decode())
        return real.new(key, message, digest)

    real = cos_auth.hmac
    with (
        patch.object(cos_auth, "hmac", SimpleNamespace(new=new)),
        patch.object(cos_auth, "logger", SimpleNamespace(debug=debug)),
    ):
        yield messages
