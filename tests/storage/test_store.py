"""What goes over the wire, what is sent again, and which error comes of which answer."""

from __future__ import annotations

import base64
import json
import logging
from datetime import datetime, timedelta, timezone

import pytest
import requests
import urllib3

from aksk_provider import errors
from aksk_provider.storage import retry, transfer
from aksk_provider.storage.config import Endpoint
from tests.storage.conftest import Answer, MakeStore, ScriptedServer

VENDORS = ("bos", "oss", "cos")


def error_body(vendor: str, code: str) -> bytes:
    if vendor == "bos":
        return json.dumps({"code": code, "message": "because", "requestId": "request-7"}).encode()
    return f"<Error><Code>{code}</Code><Message>because</Message><RequestId>request-7</RequestId></Error>".encode()


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize(
    ("status", "code", "kind", "retryable"),
    [
        (404, "NoSuchKey", errors.NotFoundError, False),
        (404, "NoSuchBucket", errors.BucketNotFoundError, False),
        (403, "AccessDenied", errors.PermissionDeniedError, False),
        (403, "SignatureDoesNotMatch", errors.PermissionDeniedError, False),
        (409, "Conflict", errors.ConflictError, False),
        (412, "PreconditionFailed", errors.PreconditionFailedError, False),
        (400, "InvalidArgument", errors.ServiceError, False),
        (400, "RequestTimeout", errors.ServiceError, True),
        (408, "RequestTimeout", errors.ServiceError, True),
        (429, "TooManyRequests", errors.ThrottledError, True),
        (503, "SlowDown", errors.ThrottledError, True),
        (500, "InternalError", errors.ServerError, True),
    ],
)
def test_an_error_carries_the_vendors_code_message_and_request_id(
    server: ScriptedServer,
    make_store: MakeStore,
    vendor: str,
    status: int,
    code: str,
    kind: type[errors.ServiceError],
    retryable: bool,
) -> None:
    server.answers = [Answer(status, error_body(vendor, code))]
    with pytest.raises(errors.ServiceError) as caught:
        make_store(vendor, max_attempts=1).get("folder/key")
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.code, error.message, error.request_id) == (status, code, "because", "request-7")
    assert error.retryable is retryable
    assert f"GET {vendor}://examplebucket" in str(error)


def test_an_error_without_a_body_is_read_from_the_headers(server: ScriptedServer, make_store: MakeStore) -> None:
    encoded = base64.b64encode(error_body("oss", "NoSuchBucket")).decode()
    server.answers = [Answer(404, headers={"x-oss-err": encoded, "x-oss-request-id": "request-8"})]
    with pytest.raises(errors.BucketNotFoundError, match="request-7"):
        make_store("oss").exists("key")
    server.answers = [Answer(404, headers={"x-cos-request-id": "request-9"})]
    with pytest.raises(errors.NotFoundError, match="request-9"):
        make_store("cos").head("key")


@pytest.mark.parametrize("vendor", ["bos", "cos"])
def test_a_head_without_a_code_is_explained_by_a_get(
    server: ScriptedServer, make_store: MakeStore, vendor: str
) -> None:
    store = make_store(vendor)
    for code, kind in (("NoSuchBucket", errors.BucketNotFoundError), ("NoSuchKey", errors.NotFoundError)):
        server.answers = [Answer(404), Answer(404, error_body(vendor, code))]
        with pytest.raises(kind, match=code):
            store.head("key")
    assert [asked.method for asked in server.asked] == ["HEAD", "GET", "HEAD", "GET"]
    server.answers = [Answer(404)]
    assert store.exists("key") is False
    assert len(server.asked) == 5
    server.answers = [Answer(403), Answer(403, error_body(vendor, "RequestExpired"))]
    with pytest.raises(errors.PermissionDeniedError, match="RequestExpired: because"):
        store.exists("key")


def test_an_error_page_that_is_not_the_vendors_is_still_an_error(server: ScriptedServer, make_store: MakeStore) -> None:
    server.answers = [Answer(502, b"<html>bad gateway", {"Content-Type": "text/html"})]
    for vendor in VENDORS:
        with pytest.raises(errors.ServerError, match="502"):
            make_store(vendor, max_attempts=1).head("key")


def test_only_a_404_means_absent(server: ScriptedServer, make_store: MakeStore) -> None:
    server.answers = [Answer(404)]
    assert make_store("bos").exists("key") is False
    for status in (403, 400, 301, 500):
        server.answers = [Answer(status)]
        with pytest.raises(errors.ServiceError):
            make_store("bos", max_attempts=1).exists("key")


@pytest.mark.parametrize("vendor", ["bos", "cos", "oss"])
def test_an_error_inside_a_200_is_raised_and_retried(
    server: ScriptedServer, make_store: MakeStore, naps: list[float], vendor: str
) -> None:
    head = Answer(200, headers={"Content-Length": "3"})
    server.answers = [head, Answer(200, error_body(vendor, "InternalError"))]
    with pytest.raises(errors.ServiceError, match="InternalError"):
        make_store(vendor, max_attempts=2).copy("a", "b")
    assert [asked.method for asked in server.asked] == ["HEAD", "PUT"]


def test_what_may_pass_is_sent_again_with_jitter_and_the_body_from_its_start(
    server: ScriptedServer, make_store: MakeStore, naps: list[float]
) -> None:
    server.answers = [Answer(503), Answer(drop=True), Answer(500), Answer(200)]
    transfer.upload(make_store("oss"), b"x" * 700_000, "key")
    assert [len(asked.body) for asked in server.asked] == [700_000] * 4
    assert len(naps) == 3
    assert all(0 <= nap <= 20 for nap in naps)


def test_the_store_says_how_long_to_wait(server: ScriptedServer, make_store: MakeStore, naps: list[float]) -> None:
    server.answers = [
        Answer(503, headers={"Retry-After": "7"}),
        Answer(429, headers={"Retry-After": "9999"}),
        Answer(200),
    ]
    make_store("oss").head("key")
    assert naps == [7.0, 120.0]


def test_attempts_end(server: ScriptedServer, make_store: MakeStore, naps: list[float]) -> None:
    server.answers = [Answer(500)]
    with pytest.raises(errors.ServerError):
        make_store("cos", max_attempts=3).head("key")
    assert len(server.asked) == 3


def test_a_refusal_is_not_sent_again(server: ScriptedServer, make_store: MakeStore) -> None:
    server.answers = [Answer(403, error_body("bos", "SignatureDoesNotMatch"))]
    with pytest.raises(errors.PermissionDeniedError, match="Check the secret key"):
        make_store("bos").get("key")
    assert len(server.asked) == 1


def test_no_answer_is_a_transport_error_that_names_the_object_and_the_endpoint(make_store: MakeStore) -> None:
    store = make_store("oss", endpoint="http://127.0.0.1:1", max_attempts=1)
    with pytest.raises(errors.TransportError, match=r"HEAD oss://examplebucket/key: .*127\.0\.0\.1:1") as caught:
        store.head("key")
    assert caught.value.retryable


def test_a_silent_server_times_out(server: ScriptedServer, make_store: MakeStore) -> None:
    server.answers = [Answer(200, b"x" * 10, sent=0)]
    server.answers[0].headers["Content-Length"] = "10"
    with pytest.raises(errors.TransportError):
        transfer.download(make_store("oss", max_attempts=1, read_timeout=1), "key", "never-made")


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_redirect_is_not_followed_and_the_named_endpoint_is_told(
    server: ScriptedServer, make_store: MakeStore, vendor: str
) -> None:
    server.answers = [Answer(307, headers={"Location": f"{server.endpoint}/elsewhere?token=1"})]
    with pytest.raises(errors.ServiceError, match="another endpoint, http://127") as caught:
        make_store(vendor).get("key")
    assert len(server.asked) == 1
    assert "token=1" not in str(caught.value)


def test_the_endpoint_that_the_store_names_is_told(server: ScriptedServer, make_store: MakeStore) -> None:
    body = b"<Error><Code>AccessDenied</Code><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>"
    server.answers = [Answer(403, body)]
    with pytest.raises(errors.PermissionDeniedError, match=r"oss-cn-beijing\.aliyuncs\.com: set it as the host"):
        make_store("oss").get("key")


def test_a_proxy_of_the_connection_wins_over_the_environment(
    server: ScriptedServer, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    store = make_store("bos", endpoint="http://bj.bcebos.com", proxies={"http": server.endpoint})
    store.head("key")
    assert server.asked[0].path == "http://examplebucket.bj.bcebos.com/key"


def test_a_proxy_of_the_environment_is_used(
    server: ScriptedServer, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", server.endpoint)
    monkeypatch.setenv("no_proxy", "")
    make_store("bos", endpoint="http://bj.bcebos.com").head("key")
    assert server.asked[0].headers["Host"] == "examplebucket.bj.bcebos.com"


def test_netrc_never_replaces_the_signature(
    server: ScriptedServer, make_store: MakeStore, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    netrc = tmp_path / "netrc"  # type: ignore[operator]
    netrc.write_text("machine 127.0.0.1 login me password mine\n")
    monkeypatch.setenv("NETRC", str(netrc))
    make_store("oss").head("key")
    assert server.asked[0].headers["Authorization"].startswith("OSS4-HMAC-SHA256 ")


@pytest.mark.parametrize("vendor", VENDORS)
def test_secrets_are_in_no_log_and_no_error(
    server: ScriptedServer, make_store: MakeStore, naps: list[float], caplog: pytest.LogCaptureFixture, vendor: str
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answers = [Answer(503), Answer(drop=True), Answer(403)]
    store = make_store(vendor)
    with pytest.raises(errors.PermissionDeniedError) as caught:
        store.put("key", b"x")
    authorization = server.asked[-1].headers["Authorization"]
    signature = authorization.rpartition("/" if vendor == "bos" else "=")[2]
    shown = caplog.text + str(caught.value) + repr(caught.value) + repr(store.config)
    for secret in ("very-secret", "very-token", signature, authorization):
        assert secret not in shown


def test_bytes_are_asked_for_as_they_are_stored(server: ScriptedServer, make_store: MakeStore) -> None:
    server.answers = [Answer(200, b"gzipped?", {"Content-Encoding": "gzip"})]
    with make_store("oss").get("key", byte_range=(2, 5), headers={"If-Match": '"etag"'}) as response:
        assert response.read() == b"gzipped?"
    asked = server.asked[0].headers
    assert (asked["Accept-Encoding"], asked["Range"], asked["If-Match"]) == ("identity", "bytes=2-5", '"etag"')


@pytest.mark.parametrize("vendor", VENDORS)
def test_metadata_outside_ascii_makes_the_round_trip(
    server: ScriptedServer, make_store: MakeStore, vendor: str
) -> None:
    metadata = {"owner": "数据 team", "note": "50% + more", "padded": "  x "}
    make_store(vendor).put("key", b"x", metadata=metadata)
    prefix = {"bos": "x-bce-", "oss": "x-oss-", "cos": "x-cos-"}[vendor]
    sent = {n: v for n, v in server.asked[0].headers.items() if n.startswith(f"{prefix}meta-")}
    assert all(value.isascii() for value in sent.values())
    server.answers = [Answer(200, headers=sent)]
    assert make_store(vendor).head("key").metadata == metadata


@pytest.mark.parametrize(
    "headers", [{"Cache-Control": "no\r\ncache"}, {"Cache-Control": "中"}, {"x-oss-a": "1", "X-OSS-A": "2"}]
)
def test_a_header_that_cannot_be_signed_as_sent_is_refused(
    server: ScriptedServer, make_store: MakeStore, headers: dict[str, str]
) -> None:
    with pytest.raises(errors.InvalidRequestError):
        make_store("oss").put("key", b"x", headers=headers)
    assert server.asked == []


def test_an_existing_object_is_told_apart_when_overwriting_is_off(
    server: ScriptedServer, make_store: MakeStore
) -> None:
    for vendor, status in (("bos", 412), ("oss", 409), ("cos", 409)):
        server.answers = [Answer(status, error_body(vendor, "FileAlreadyExists"))]
        with pytest.raises(errors.ObjectExistsError):
            make_store(vendor).put("key", b"x", overwrite=False)
        sent = {name.lower(): value for name, value in server.asked[-1].headers.items()}
        assert [value for name, value in sent.items() if name.endswith("-forbid-overwrite")] == ["true"]


def test_a_listing_that_does_not_advance_ends_in_an_error(server: ScriptedServer, make_store: MakeStore) -> None:
    page = b"<ListBucketResult><IsTruncated>true</IsTruncated><NextMarker>m</NextMarker></ListBucketResult>"
    server.answers = [Answer(200, page)]
    with pytest.raises(errors.TransportError, match="does not advance"):
        list(make_store("cos").list())
    assert len(server.asked) == 2


def test_a_listing_is_lazy(server: ScriptedServer, make_store: MakeStore) -> None:
    page = {"isTruncated": True, "contents": [{"key": "a", "size": 1}, {"key": "b", "size": 2}]}
    server.answers = [Answer(200, json.dumps(page).encode())]
    first = next(make_store("bos").list())
    assert (first.key, first.size, len(server.asked)) == ("a", 1, 1)


def test_batch_failures_are_named_after_all_batches_were_tried(server: ScriptedServer, make_store: MakeStore) -> None:
    failed = {"errors": [{"key": "k3", "code": "AccessDenied", "message": "no"}]}
    server.answers = [Answer(200, json.dumps(failed).encode()), Answer(200)]
    with pytest.raises(errors.ObjectStorageError, match="1 objects could not be deleted: k3: AccessDenied no"):
        make_store("bos").delete_many(f"k{n}" for n in range(2500))
    assert [len(json.loads(asked.body)["objects"]) for asked in server.asked] == [1000, 1000, 500]


def test_a_presigned_url_is_made_for_the_public_endpoint_and_sends_nothing(
    server: ScriptedServer, make_store: MakeStore
) -> None:
    store = make_store("oss", public_endpoint="https://files.example.com")
    presigned = store.presign("a b", headers={"x-oss-request-payer": "requester", "If-Match": "e"}, version_id="v1")
    assert presigned.url.startswith("https://files.example.com/a%20b?versionId=v1&")
    assert presigned.signed_headers == {"x-oss-request-payer": "requester", "If-Match": "e"}
    assert "x-oss-additional-headers=if-match" in presigned.url
    assert server.asked == []


def test_expires_at_wins_over_expires_in(make_store: MakeStore) -> None:
    end = datetime(2100, 1, 1, tzinfo=timezone.utc)
    for vendor in ("bos", "cos"):
        assert make_store(vendor).presign("key", expires_in=timedelta(hours=1), expires_at=end).expires_at == end
    with pytest.raises(errors.InvalidRequestError, match="12:00:00 with a token"):
        make_store("oss").presign("key", expires_at=end)
    with pytest.raises(errors.InvalidRequestError, match="aware"):
        make_store("oss").presign("key", expires_at=datetime(2100, 1, 1))  # noqa: DTZ001


def test_what_is_signed_is_what_is_sent(server: ScriptedServer, make_store: MakeStore) -> None:
    key = "dir/a b+c%20~*'()?&#=;文件\U0001f600//x/"
    for vendor in VENDORS:
        make_store(vendor).put(key, b"x", content_type="text/plain")
        bucket = "examplebucket-1250000000" if vendor == "cos" else "examplebucket"
        assert requests.utils.unquote(server.asked[-1].path) == f"/{bucket}/{key}"


@pytest.mark.parametrize("error", [urllib3.exceptions.SSLError("bad"), requests.exceptions.SSLError("bad")])
def test_a_tls_failure_is_not_repeated(error: Exception) -> None:
    assert not retry.transport_error("GET oss://b/k", Endpoint("https", "host", "path"), error).retryable
