"""What a connection and a call say about a link reaches it, and what is against it reaches the log once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
import requests
import structlog

from aksk_provider.errors import ConnectionConfigError, InvalidRequestError
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.signing import OssSigner, OssV1Signer
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.presigning.lint import LOOPBACK, UNKNOWN_END
from tests.support.clouds import Cloud

Put = Callable[..., str]
MD5 = hashlib.md5(b"a,b").hexdigest()


@pytest.fixture
def hook(cloud: Cloud, in_environment: Put) -> ObjectStorageHook:
    return ObjectStorageHook(in_environment(cloud))


def test_every_option_of_an_upload_reaches_the_link(hook: ObjectStorageHook) -> None:
    link = hook.presign("options/in", method="PUT", content_type="text/csv", content_length=3, content_md5=MD5)
    assert set(link.signed_headers) == {"Content-Type", "Content-Length", "Content-MD5"}
    assert requests.put(link.url, b"a,b", headers=dict(link.signed_headers), timeout=10).status_code == 200
    assert hook.head("options/in").content_type == "text/csv"


def test_every_option_of_a_download_reaches_the_link(hook: ObjectStorageHook) -> None:
    hook.upload(b"content", "options/out")
    named = requests.get(hook.presign("options/out", filename="报告.csv").url, timeout=10)
    assert named.headers["Content-Disposition"].endswith("; filename*=UTF-8''%E6%8A%A5%E5%91%8A.csv")
    answer = {
        "content_type": "text/plain",
        "content_disposition": "inline",
        "content_language": "zh",
        "content_encoding": "x-none",
        "cache_control": "no-store",
        "expires": "0",
    }
    link = hook.presign("options/out", **{f"response_{name}": value for name, value in answer.items()})
    told = requests.get(link.url, timeout=10).headers
    assert {name: told[name.replace("_", "-")] for name in answer} == answer


def test_an_endpoint_of_the_call_wins_over_that_of_the_connection(oss: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(oss, extra={"public_endpoint": "https://files.example.com"}))
    assert hook.presign("a").url.startswith("https://files.example.com/a?")
    assert hook.presign("a", endpoint="https://cdn.example.com").url.startswith("https://cdn.example.com/a?")


def test_warnings_are_in_the_result_and_once_in_the_log(hook: ObjectStorageHook) -> None:
    with structlog.testing.capture_logs() as logged:
        links = [hook.presign(key) for key in ("a", "b", "c")]
    assert all(LOOPBACK in link.warnings for link in links)
    lines = [entry["event"] for entry in logged if entry["log_level"] == "warning"]
    assert lines == [f"presigned link: {warning}" for warning in links[0].warnings]


def test_a_token_of_a_connection_has_no_known_end(any_cloud: Cloud, in_environment: Put) -> None:
    warnings = ObjectStorageHook(in_environment(any_cloud)).presign("a").warnings
    assert (UNKNOWN_END in warnings) == any_cloud.temporary


@pytest.mark.parametrize(("version", "signer"), [(None, OssSigner), ("v4", OssSigner), ("v1", OssV1Signer)])
@pytest.mark.parametrize("temporary", [False, True])
def test_an_oss_connection_may_sign_everything_with_v1(
    oss: Cloud, in_environment: Put, version: str | None, signer: type, temporary: bool
) -> None:
    cloud = Cloud("oss", oss.emulator, temporary=temporary)
    hook = ObjectStorageHook(in_environment(cloud, extra={"signature_version": version}))
    prefix = f"versions/{version}-{temporary} 1+1/"
    hook.upload(b"content", f"{prefix}a", metadata={"author": "李白"})
    hook.copy(f"{prefix}a", hook.uri(f"{prefix}b"))
    assert hook.head(f"{prefix}b").size == 7
    assert [info.key for info in hook.list(prefix)] == [f"{prefix}a", f"{prefix}b"]
    link = hook.presign(f"{prefix}a", filename="a.csv")
    assert requests.get(link.url, timeout=10).content == b"content"
    signed = hook.sign("GET", f"{prefix}a")
    assert requests.get(signed.url, headers=dict(signed.headers), timeout=10).content == b"content"
    hook.delete([f"{prefix}a", f"{prefix}b"])
    assert list(hook.list(prefix)) == []
    operation = Operation("GET", "examplebucket", "a")
    assert type(hook.store.transport.signer(operation, hook.store.config.endpoint)) is signer
    starts = "OSS " if version == "v1" else "OSS4-HMAC-SHA256 "
    assert hook.authorization("GET", "a").startswith(starts)


def test_v1_needs_no_region(oss: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(oss, extra={"signature_version": "v1", "region": None}))
    hook.upload(b"content", "versions/no region")
    assert requests.get(hook.presign("versions/no region").url, timeout=10).content == b"content"


@pytest.mark.parametrize("vendor", ["bos", "cos"])
def test_only_oss_has_signature_versions(oss: Cloud, in_environment: Put, vendor: str) -> None:
    hook = ObjectStorageHook(in_environment(Cloud(vendor, oss.emulator), extra={"signature_version": "v1"}))
    with pytest.raises(ConnectionConfigError, match="signature_version is for oss"):
        hook.presign("a")


def test_an_unknown_signature_version_is_refused(oss: Cloud, in_environment: Put) -> None:
    hook = ObjectStorageHook(in_environment(oss, extra={"signature_version": "v2"}))
    with pytest.raises(ConnectionConfigError, match="signature_version must be one of v4, v1, not 'v2'"):
        hook.presign("a")


@pytest.mark.parametrize(
    "asked",
    [
        {"filename": "a", "response_content_disposition": "inline"},
        {"content_type": "text/csv"},
        {"endpoint": "https://files.example.com/path"},
    ],
)
def test_what_cannot_be_is_refused(hook: ObjectStorageHook, asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError):
        hook.presign("a", **asked)
