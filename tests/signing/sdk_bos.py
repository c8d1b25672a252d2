"""Baidu's SDK as the oracle: ``bce-python-sdk``, signer and client."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from baidubce import utils
from baidubce.auth import bce_v1_signer
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.services.bos.bos_client import BosClient

from aksk_provider.signing import Credentials

BUCKET = "examplebucket"
TOKEN = "x-bce-security-token"


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint as the SDK is configured for it, and the URL that it has to lead to."""

    endpoint: str
    base: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.base.split("/")[2]

    @property
    def prefix(self) -> str:
        """The path in front of the key's slash: the bucket in path style."""
        return "".join("/" + part for part in self.base.split("/")[3:])


PLACES = [
    Place("http://bj.bcebos.com", "http://examplebucket.bj.bcebos.com"),
    Place("https://su.bcebos.com", "https://examplebucket.su.bcebos.com"),
    Place("https://gz.bcebos.com:8443", "https://examplebucket.gz.bcebos.com:8443"),
    Place("https://examplebucket.hkg.bcebos.com", "https://examplebucket.hkg.bcebos.com"),
    Place("https://bj.bcebos.com", "https://bj.bcebos.com/examplebucket", {"path_style_enable": True}),
    Place("http://examplebucket.cdn.bcebos.com", "http://examplebucket.cdn.bcebos.com"),
    Place("https://files.example.com", "https://files.example.com", {"cname_enabled": True}),
    Place("https://files.example.com:444", "https://files.example.com:444", {"cname_enabled": True}),
    Place("http://192.0.2.7", "http://192.0.2.7/examplebucket"),
    Place("http://192.0.2.7:9000", "http://192.0.2.7:9000/examplebucket"),
    Place("http://localhost:9000", "http://localhost:9000/examplebucket"),
    Place("https://bj.bcebos.com:443", "https://examplebucket.bj.bcebos.com"),
]


class Pairs:
    """Query parameters with repetitions, in the only form in which the SDK's signer takes them."""

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = [(name.encode(), value.encode()) for name, value in pairs]

    def __bool__(self) -> bool:
        return bool(self._pairs)

    def items(self) -> list[tuple[bytes, bytes]]:
        return self._pairs


def names_to_sign(headers: dict[str, str], chosen: Iterable[str] | None = None) -> list[str]:
    """Return the list the vendor's formula asks for: of the headers that have a value, the default or chosen ones."""
    present = {name.lower() for name, value in headers.items() if value.strip()}
    if chosen is None:
        default = {"host", "content-type", "content-md5", "content-length"}
        return sorted(name for name in present if name in default or name.startswith("x-bce-"))
    return sorted(present & {"host", TOKEN, *(name.lower() for name in chosen)})


def sign(
    method: str,
    path: str,
    params: Iterable[tuple[str, str]],
    headers: dict[str, str],
    names: list[str],
    credentials: Credentials,
    now: datetime,
    seconds: int,
) -> str:
    """Return the authorization string of the SDK's signer for a decoded path."""
    signed: bytes = bce_v1_signer.sign(
        BceCredentials(credentials.access_key, credentials.secret_key),
        method.encode(),
        utils.normalize_string(path, False),
        {name.encode(): value.encode() for name, value in headers.items()},
        Pairs(params),
        int(now.timestamp()),
        seconds,
        [name.encode() for name in names],
    )
    return signed.decode()


def presign(
    place: Place,
    method: str,
    key: str,
    params: dict[str, str],
    headers: dict[str, str],
    names: list[str] | None,
    credentials: Credentials,
    now: datetime,
    seconds: int,
) -> str:
    """Return the URL of the SDK's client."""
    client = _client(place.endpoint, tuple(place.options.items()))
    client.config.credentials = BceCredentials(credentials.access_key, credentials.secret_key)
    client.config.security_token = credentials.token.encode() if credentials.token else None
    url: bytes = client.generate_pre_signed_url(
        BUCKET,
        key,
        timestamp=int(now.timestamp()),
        expiration_in_seconds=seconds,
        headers={name.encode(): value.encode() for name, value in headers.items()},
        params={name.encode(): value.encode() for name, value in params.items()},
        headers_to_sign=None if names is None else [name.encode() for name in names],
        httpmethod=method.encode(),
    )
    return url.decode()


@functools.lru_cache
def _client(endpoint: str, options: tuple[tuple[str, Any], ...]) -> BosClient:
    return BosClient(BceClientConfiguration(endpoint=endpoint, **dict(options)))


@contextmanager
def recorded() -> Iterator[list[str]]:
    """Record what the SDK's signer feeds to HMAC: the prefix of the authorization, then the canonical request."""
    messages: list[str] = []

    def new(key: bytes, message: bytes, digest: Any) -> Any:
        messages.append(message.decode())
        return real.new(key, message, digest)

    real = bce_v1_signer.hmac
    with patch.object(bce_v1_signer, "hmac", SimpleNamespace(new=new)):
        yield messages
