"""Each form of link is the one that the vendor's SDK makes where that is right; where it is not, theirs is refused."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import alibabacloud_oss_v2 as oss
import pytest
import requests
import time_machine
from alibabacloud_oss_v2.credentials import StaticCredentialsProvider
from baidubce.auth.bce_credentials import BceCredentials
from baidubce.bce_client_configuration import BceClientConfiguration
from baidubce.services.bos.bos_client import BosClient
from qcloud_cos import CosConfig, CosS3Client

from aksk_provider.emulator import Emulator
from aksk_provider.signing import Credentials, PresignedURL
from aksk_provider.storage import ObjectStore
from aksk_provider.storage.config import resolve
from aksk_provider.storage.credentials import static
from tests.signing import sdk_bos
from tests.signing.strategies import target
from tests.storage.presigning.using import ACCOUNTS, BUCKETS, CONTENT, KEY, MD5, REGIONS, Clock, Place, serve, use

pytestmark = pytest.mark.filterwarnings("ignore:datetime.datetime.utc:DeprecationWarning")

NOW = datetime(2026, 11, 21, 8, 0, tzinfo=timezone.utc)
LIFETIME = timedelta(seconds=600)
BASE = "https://{bucket}.{host}"
HOSTS = {"bos": "bj.bcebos.com", "oss": "oss-cn-hangzhou.aliyuncs.com", "cos": "cos.ap-guangzhou.myqcloud.com"}
every_key_pair = pytest.mark.parametrize("keys", ACCOUNTS)
KEYS = ("a/b.csv", KEY, "a//b/")


def ours(vendor: str, keys: str, key: str, signature_version: str | None = None, **asked: Any) -> PresignedURL:
    account = ACCOUNTS[keys]
    config = resolve(
        vendor=vendor,
        credentials=static(Credentials(account.access_key, account.secret_key, account.token)),
        region=REGIONS[vendor],
        bucket=BUCKETS[vendor],
        signature_version=signature_version,
    )
    with ObjectStore(config, clock=lambda: NOW) as store:
        return store.presign(key, expires_in=LIFETIME, **asked)


def query(url: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


# OSS, both versions

OSS_FORMS: dict[str, tuple[dict[str, Any], Callable[..., Any]]] = {
    "get": ({}, oss.GetObjectRequest),
    "get a version": ({"version_id": "CAEQ"}, functools.partial(oss.GetObjectRequest, version_id="CAEQ")),
    "get with overrides": (
        {"response_content_disposition": "attachment", "response_content_type": "text/x a+b", "response_expires": "0"},
        functools.partial(
            oss.GetObjectRequest,
            response_content_disposition="attachment",
            response_content_type="text/x a+b",
            response_expires="0",
        ),
    ),
    "get under a name": (
        {"filename": "报告.csv"},
        functools.partial(
            oss.GetObjectRequest,
            response_content_disposition="attachment; filename=\"__.csv\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.csv",
        ),
    ),
    "get with signed headers": (
        {"headers": {"x-oss-range-behavior": "standard", "x-oss-request-payer": "requester"}},
        functools.partial(oss.GetObjectRequest, range_behavior="standard", request_payer="requester"),
    ),
    "head": ({"method": "HEAD"}, oss.HeadObjectRequest),
    "put": ({"method": "PUT"}, oss.PutObjectRequest),
    "put fixed": (
        {"method": "PUT", "content_type": "text/csv", "content_md5": MD5, "headers": {"x-oss-meta-a": "1"}},
        functools.partial(oss.PutObjectRequest, content_type="text/csv", content_md5=MD5, metadata={"a": "1"}),
    ),
    "post": ({"method": "POST", "params": {"uploads": ""}}, oss.InitiateMultipartUploadRequest),
    "delete the upload": (
        {"method": "DELETE", "params": {"uploadId": "id"}},
        functools.partial(oss.AbortMultipartUploadRequest, upload_id="id"),
    ),
}


def oss_client(keys: str, version: str, **options: Any) -> oss.Client:
    account = ACCOUNTS[keys]
    config = oss.config.load_default()
    config.region = "cn-hangzhou"
    provider = StaticCredentialsProvider(account.access_key, account.secret_key, account.token)
    config.credentials_provider = provider
    config.signature_version = version
    for name, value in options.items():
        setattr(config, name, value)
    return oss.Client(config)


@every_key_pair
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("version", ["v4", "v1"])
@pytest.mark.parametrize("form", OSS_FORMS)
def test_an_oss_link_is_the_sdks(form: str, version: str, key: str, keys: str) -> None:
    asked, request = OSS_FORMS[form]
    link = ours("oss", keys, key, version, **asked)
    with time_machine.travel(NOW, tick=False):
        theirs = oss_client(keys, version).presign(request(bucket=BUCKETS["oss"], key=key), expires=LIFETIME)
    assert target(link.url) == target(theirs.url)
    assert link.method == theirs.method
    lowered = {name.lower(): value for name, value in link.signed_headers.items()}
    assert lowered == {name.lower(): value for name, value in theirs.signed_headers.items()}


# BOS

BOS_FORMS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "get": ({}, {}),
    "get a version": ({"version_id": "AK1"}, {"versionId": "AK1"}),
    "get with overrides": (
        {"response_content_disposition": "attachment", "response_content_type": "text/x a+b", "response_expires": "0"},
        {
            "responseContentDisposition": "attachment",
            "responseContentType": "text/x a+b",
            "responseExpires": "0",
        },
    ),
    "get under a name": (
        {"filename": "报告.csv"},
        {"responseContentDisposition": ("attachment; filename=\"__.csv\"; filename*=UTF-8''%E6%8A%A5%E5%91%8A.csv")},
    ),
    "head": ({"method": "HEAD"}, {}),
    "put": ({"method": "PUT"}, {}),
    "post": ({"method": "POST", "params": {"append": ""}}, {"append": ""}),
    "delete": ({"method": "DELETE"}, {}),
}


@every_key_pair
@pytest.mark.parametrize("key", KEYS[:2])
@pytest.mark.parametrize("form", BOS_FORMS)
def test_a_bos_link_is_the_sdks(form: str, key: str, keys: str) -> None:
    """Its ``authorization`` is one parameter of the query, as the vendor's page has it.

    The SDK is told the list of signed headers, which it leaves empty otherwise: the signature is the same.
    """
    asked, params = BOS_FORMS[form]
    account = ACCOUNTS[keys]
    credentials = Credentials(account.access_key, account.secret_key, account.token)
    link = ours("bos", keys, key, **asked)
    place = sdk_bos.Place("https://bj.bcebos.com", BASE.format(bucket=BUCKETS["bos"], host=HOSTS["bos"]))
    theirs = sdk_bos.presign(place, link.method, key, params, {}, ["host"], credentials, NOW, 600)
    assert target(link.url) == target(theirs)
    assert query(link.url)["authorization"].startswith("bce-auth-v1/")


@every_key_pair
def test_a_bos_upload_with_fixed_headers_is_signed_as_the_sdks_signer_signs_it(keys: str) -> None:
    """The signer, not the client: that one signs headers beside the list that it writes into the URL, see below."""
    fixed = {"content-type": "text/csv", "content-length": "8", "content-md5": MD5, "x-bce-meta-a": "1"}
    link = ours(
        "bos",
        keys,
        KEY,
        method="PUT",
        content_type="text/csv",
        content_length=8,
        content_md5=MD5,
        headers={"x-bce-meta-a": "1"},
    )
    account = ACCOUNTS[keys]
    credentials = Credentials(account.access_key, account.secret_key, account.token)
    params = [(sdk_bos.TOKEN, account.token)] if account.token else []
    headers = {"host": f"{BUCKETS['bos']}.{HOSTS['bos']}"} | fixed
    theirs = sdk_bos.sign("PUT", f"/{KEY}", params, headers, sorted(headers), credentials, NOW, 600)
    assert query(link.url)["authorization"] == theirs
    assert {name.lower(): value for name, value in link.signed_headers.items()} == fixed


# COS

COS_FORMS: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str]]] = {
    "get": ({}, {}, {}),
    "get a version": ({"version_id": "MTg0"}, {"versionId": "MTg0"}, {}),
    "get with overrides": (
        {"response_content_disposition": "attachment", "response_content_type": "text/x-ab", "response_expires": "0"},
        {
            "response-content-disposition": "attachment",
            "response-content-type": "text/x-ab",
            "response-expires": "0",
        },
        {},
    ),
    "get with signed headers": ({"headers": {"Range": "bytes=0-6"}}, {}, {"Range": "bytes=0-6"}),
    "head": ({"method": "HEAD"}, {}, {}),
    "put": ({"method": "PUT"}, {}, {}),
    "put fixed": (
        {"method": "PUT", "content_type": "text/csv", "content_length": 8, "content_md5": MD5},
        {},
        {"Content-Type": "text/csv", "Content-Length": "8", "Content-MD5": MD5},
    ),
    "post": ({"method": "POST", "params": {"uploads": ""}}, {"uploads": ""}, {}),
    "delete": ({"method": "DELETE"}, {}, {}),
}


def cos_client(keys: str, **options: Any) -> CosS3Client:
    account = ACCOUNTS[keys]
    return CosS3Client(
        CosConfig(
            Region="ap-guangzhou",
            SecretId=account.access_key,
            SecretKey=account.secret_key,
            Token=account.token,
            **options,
        )
    )


@every_key_pair
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("form", COS_FORMS)
def test_a_cos_link_is_the_sdks(form: str, key: str, keys: str) -> None:
    """Told the token as a parameter: by itself the SDK leaves it out, see below."""
    asked, params, headers = COS_FORMS[form]
    link = ours("cos", keys, key, **asked)
    token = ACCOUNTS[keys].token
    params = params | ({"x-cos-security-token": token} if token else {})
    with time_machine.travel(NOW, tick=False):
        theirs = cos_client(keys).get_presigned_url(BUCKETS["cos"], key, link.method, 600, params, dict(headers))
    assert target(link.url) == target(theirs)
    assert link.signed_headers == headers


# Where the SDKs are wrong: both are used, against the same server.


@pytest.fixture(scope="module")
def served() -> Iterator[Emulator]:
    with serve(Clock()) as running:
        yield running


def place(served: Emulator, signature: str, keys: str) -> Place:
    clock = Clock()
    served.clock = clock
    return Place(served, clock, signature, ACCOUNTS[keys])


def send(method: str, url: str, headers: dict[str, str] | None = None, body: bytes | None = None) -> requests.Response:
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, headers=headers, data=body, timeout=30)


def test_the_cos_sdk_leaves_the_token_out_of_a_link(served: Emulator) -> None:
    here = place(served, "cos", "temporary")
    with here.store() as store:
        store.put("a", CONTENT)
        link = store.presign("a")
    sdk = cos_client("temporary", Domain=f"{served.host}:{served.port}/{BUCKETS['cos']}", Scheme="http")
    with time_machine.travel(here.clock.now, tick=False):
        theirs = sdk.get_presigned_download_url(BUCKETS["cos"], "a")
    assert "x-cos-security-token" not in query(theirs)
    assert send("GET", theirs).status_code == 403
    assert use(link).content == CONTENT


def bos_client(served: Emulator, keys: str) -> BosClient:
    account = ACCOUNTS[keys]
    credentials = BceCredentials(account.access_key, account.secret_key)
    return BosClient(BceClientConfiguration(credentials, endpoint=served.endpoint, security_token=account.token))


def encoded(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.encode(): value.encode() for name, value in headers.items()}


def test_the_bos_sdk_signs_upload_links_with_headers_that_never_work(served: Emulator) -> None:
    here = place(served, "bos", "permanent")
    kept = {"x-bce-storage-class": "STANDARD"}
    start = int(here.clock.now.timestamp())
    theirs = bos_client(served, "permanent").generate_pre_signed_url(
        BUCKETS["bos"], "a", start, 600, headers=encoded(kept), httpmethod=b"PUT"
    )
    refused = send("PUT", theirs.decode(), kept, CONTENT)
    assert (refused.status_code, refused.json()["code"]) == (400, "SignatureDoesNotMatch")
    with here.store() as store:
        link = store.presign("a", method="PUT", headers=kept)
    assert use(link, CONTENT).status == 200


def test_the_bos_sdk_does_not_fix_the_type_of_an_upload(served: Emulator) -> None:
    """Its link takes any type, though one was given; with ours another one is refused."""
    here = place(served, "bos", "permanent")
    start = int(here.clock.now.timestamp())
    theirs = bos_client(served, "permanent").generate_pre_signed_url(
        BUCKETS["bos"], "a", start, 600, headers={b"content-type": b"text/csv"}, httpmethod=b"PUT"
    )
    assert query(theirs.decode())["authorization"].split("/")[4] == "host"
    with here.store() as store:
        link = store.presign("a", method="PUT", content_type="text/csv")
    other = {"Content-Type": "text/html"}
    assert send("PUT", theirs.decode(), other, CONTENT).status_code == 200
    assert use(link, CONTENT, signed_headers=other).status == 400
    assert use(link, CONTENT).status == 200


def test_the_oss_sdk_does_not_fix_the_size_of_an_upload(served: Emulator) -> None:
    here = place(served, "oss", "temporary")
    with here.store() as store:
        link = store.presign("a", method="PUT", content_type="text/csv", content_length=len(CONTENT))
    sdk = oss_client("temporary", "v4", endpoint=served.endpoint, use_path_style=True)
    with time_machine.travel(here.clock.now, tick=False):
        request = oss.PutObjectRequest(bucket=BUCKETS["oss"], key="a", content_type="text/csv", content_length=8)
        theirs = sdk.presign(request)
    larger = CONTENT * 1000
    assert send("PUT", theirs.url, dict(theirs.signed_headers), larger).status_code == 200
    required = {name: value for name, value in link.signed_headers.items() if name != "Content-Length"}
    assert send("PUT", link.url, required, larger).status_code == 403
    assert use(link, CONTENT).status == 200


def test_the_oss_sdk_sends_no_token_that_v1_knows(served: Emulator) -> None:
    here = place(served, "oss v1", "temporary")
    with here.store() as store:
        store.put("a", CONTENT)
        assert store.head("a").size == len(CONTENT)
    sdk = oss_client("temporary", "v1", endpoint=served.endpoint, use_path_style=True, retry_max_attempts=1)
    with (
        time_machine.travel(here.clock.now, tick=False),
        pytest.raises(oss.exceptions.OperationError, match="InvalidAccessKeyId"),
    ):
        sdk.get_object(oss.GetObjectRequest(bucket=BUCKETS["oss"], key="a"))


def test_the_oss_sdk_is_right_about_v1_with_permanent_keys(served: Emulator) -> None:
    """So the server speaks the vendor's V1, in headers and in URLs."""
    here = place(served, "oss v1", "permanent")
    with here.store() as store:
        store.put("a", CONTENT)
    sdk = oss_client("permanent", "v1", endpoint=served.endpoint, use_path_style=True, retry_max_attempts=1)
    with time_machine.travel(here.clock.now, tick=False):
        assert sdk.get_object(oss.GetObjectRequest(bucket=BUCKETS["oss"], key="a")).body.content == CONTENT
        link = sdk.presign(oss.GetObjectRequest(bucket=BUCKETS["oss"], key="a"))
    assert send("GET", link.url).content == CONTENT


def test_the_oss_sdk_signs_v1_links_to_processed_objects_that_never_work(served: Emulator) -> None:
    here = place(served, "oss v1", "permanent")
    with here.store() as store:
        store.put("a", CONTENT)
        link = store.presign("a", params={"x-oss-process": "image/info"})
    sdk = oss_client("permanent", "v1", endpoint=served.endpoint, use_path_style=True)
    with time_machine.travel(here.clock.now, tick=False):
        theirs = sdk.presign(oss.GetObjectRequest(bucket=BUCKETS["oss"], key="a", process="image/info"))
    refused = send("GET", theirs.url)
    assert (refused.status_code, "SignatureDoesNotMatch" in refused.text) == (403, True)
    assert use(link).status == 200
