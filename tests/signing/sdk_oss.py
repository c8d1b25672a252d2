"""Alibaba's SDK as the oracle: ``alibabacloud-oss-v2``, client and signer, with a frozen clock."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote, urlencode

import alibabacloud_oss_v2 as oss
import time_machine
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from alibabacloud_oss_v2.presigner import PresignResult
from alibabacloud_oss_v2.signer import SignerV4
from alibabacloud_oss_v2.types import HttpRequest, OperationInput, SigningContext

from aksk_provider.signing import Credentials

BUCKET = "examplebucket"
REGION = "cn-hangzhou"
TOKEN = "x-oss-security-token"
SIGNATURE_FIELDS = (
    "x-oss-signature-version",
    "x-oss-credential",
    "x-oss-date",
    "x-oss-expires",
    "x-oss-signature",
    TOKEN,
)


@dataclass(frozen=True, slots=True)
class Place:
    """An endpoint as the SDK is configured for it, and the URL that it has to lead to."""

    base: str
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return self.base.split("/")[2]


PLACES = [
    Place("https://examplebucket.oss-cn-hangzhou.aliyuncs.com"),
    Place("http://examplebucket.oss-cn-hangzhou.aliyuncs.com", {"disable_ssl": True}),
    Place("https://examplebucket.oss-cn-hangzhou-internal.aliyuncs.com", {"use_internal_endpoint": True}),
    Place("https://examplebucket.oss-accelerate.aliyuncs.com", {"use_accelerate_endpoint": True}),
    Place("https://examplebucket.cn-hangzhou.oss.aliyuncs.com", {"use_dualstack_endpoint": True}),
    Place("https://oss-cn-hangzhou.aliyuncs.com/examplebucket", {"use_path_style": True}),
    Place("https://files.example.com", {"endpoint": "https://files.example.com", "use_cname": True}),
    Place("https://files.example.com:444", {"endpoint": "https://files.example.com:444", "use_cname": True}),
    Place(
        "https://examplebucket.oss-cn-hangzhou.aliyuncs.com:8443",
        {"endpoint": "https://oss-cn-hangzhou.aliyuncs.com:8443"},
    ),
    Place("http://192.0.2.7/examplebucket", {"endpoint": "http://192.0.2.7"}),
    Place("http://192.0.2.7:9000/examplebucket", {"endpoint": "http://192.0.2.7:9000"}),
    Place("http://localhost:9000/examplebucket", {"endpoint": "http://localhost:9000", "use_path_style": True}),
]


class RecordingSigner(SignerV4):
    """The SDK's signer, keeping the canonical request that it signs."""

    canonical_request = ""

    def _calc_canonical_request(self, *args: Any, **kwargs: Any) -> str:
        self.canonical_request = super()._calc_canonical_request(*args, **kwargs)
        return self.canonical_request


class Answer:
    """The 200 that the SDK's client gets for everything, holding the request that was to be sent."""

    status_code = 200
    reason = "OK"
    headers: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, request: HttpRequest) -> None:
        self.request = request


class NoNetwork:
    """An HTTP client for the SDK that sends nothing."""

    def send(self, request: HttpRequest, **_: Any) -> Answer:
        return Answer(request)


@dataclass(slots=True)
class Keys:
    """A credentials provider for the SDK, changed from example to example."""

    credentials: Any = None

    def get_credentials(self) -> Any:
        return self.credentials


def request(
    place: Place,
    method: str,
    bucket: str | None,
    key: str | None,
    params: Iterable[tuple[str, str]],
    headers: dict[str, str],
    credentials: Credentials,
    now: datetime,
    seconds: int | None = None,
) -> HttpRequest:
    """Return the request of the SDK's client, signed in its headers, or with a lifetime in its URL."""
    client = _client(place, credentials)
    operation = OperationInput("Any", method, headers=headers, parameters=list(params), bucket=bucket, key=key)
    with time_machine.travel(now, tick=False):
        if seconds is None:
            return client.invoke_operation(operation).http_response.request
        operation.op_metadata["expiration_time"] = datetime.now(timezone.utc) + timedelta(seconds=seconds)
        return client.invoke_operation(operation, auth_method="query").http_response.request


def presign(place: Place, operation: Any, credentials: Credentials, now: datetime, seconds: int) -> PresignResult:
    """Return the URL of the SDK's presigner for one of its request models."""
    client = _client(place, credentials)
    with time_machine.travel(now, tick=False):
        return client.presign(operation, expires=timedelta(seconds=seconds))


def signed_in_context(
    signer: SignerV4,
    method: str,
    url: str,
    key: str | None,
    params: Iterable[tuple[str, str]],
    headers: dict[str, str],
    credentials: Credentials,
    now: datetime,
    additional_headers: Iterable[str] = (),
    seconds: int | None = None,
    product: str = "oss",
    region: str = REGION,
    bucket: str = BUCKET,
) -> tuple[HttpRequest, SigningContext]:
    """Return what the SDK's signer makes of a request: the only way to give it additional headers."""
    query = urlencode(list(params), quote_via=quote)
    request = HttpRequest(method, f"{url}?{query}" if query else url, headers)
    context = SigningContext(
        product=product,
        region=region,
        bucket=bucket,
        key=key,
        request=request,
        credentials=_theirs(credentials),
        signing_time=now,
        additional_headers=set(additional_headers),
    )
    if seconds is not None:
        context.auth_method_query = True
        context.expiration_time = now + timedelta(seconds=seconds)
    signer.sign(context)
    return request, context


def _theirs(credentials: Credentials) -> Any:
    keys = (credentials.access_key, credentials.secret_key, credentials.token)
    return StaticCredentialsProvider(*keys).get_credentials()


def _client(place: Place, credentials: Credentials) -> oss.Client:
    client, keys = _cached_client(tuple(place.options.items()))
    keys.credentials = _theirs(credentials)
    return client


@functools.lru_cache
def _cached_client(options: tuple[tuple[str, Any], ...]) -> tuple[oss.Client, Keys]:
    keys = Keys()
    config = oss.config.load_default()
    config.region = REGION
    config.credentials_provider = keys
    config.http_client = NoNetwork()
    for name, value in options:
        setattr(config, name, value)
    return oss.Client(config), keys
