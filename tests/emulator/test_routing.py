"""Vendor, bucket and key are told from the host and the raw path, and what was sent is what was signed."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from aksk_provider.emulator import Account, Bucket, Emulator
from aksk_provider.emulator.model import Inbound, Refused
from aksk_provider.emulator.routing import Target, route
from aksk_provider.signing import Credentials, Request, encoding
from tests.emulator.asking import BUCKETS, VENDORS, Asker, signer_of

CREDENTIALS = Credentials("AK", "SK")
DOMAINS = {f"{vendor}.example.com": Bucket(vendor, name) for vendor, name in BUCKETS.items()}
HOSTS = {
    "bos": ["{bucket}.bj.bcebos.com", "{bucket}.cdn.bcebos.com", "bos.example.com", "{bucket}.localhost:8080"],
    "oss": [
        "{bucket}.oss-cn-hangzhou.aliyuncs.com",
        "{bucket}.oss-cn-hangzhou-internal.aliyuncs.com",
        "{bucket}.oss-accelerate.aliyuncs.com",
        "{bucket}.cn-hangzhou.oss.aliyuncs.com",
        "oss.example.com",
        "{bucket}.localhost",
    ],
    "cos": [
        "{bucket}.cos.ap-guangzhou.myqcloud.com",
        "{bucket}.cos.ap-guangzhou.tencentcos.cn",
        "{bucket}.cos-internal.ap-guangzhou.tencentcos.cn",
        "{bucket}.cos.accelerate.myqcloud.com",
        "cos.example.com",
        "{bucket}.localhost",
    ],
}
SERVICE_HOSTS = {
    "bos": ["bj.bcebos.com", "127.0.0.1:9000", "localhost"],
    "oss": ["oss-cn-hangzhou.aliyuncs.com", "192.0.2.1", "localhost:9000"],
    "cos": ["cos.ap-guangzhou.myqcloud.com", "[::1]:9000", "store.internal"],
}
KEYS = [
    "a/b.txt",
    "a//b",
    "a b+c%2F%20",
    "目录/é🚀",
    "a%2e%2e/b",
    "dir/",
    "~'()*!$&,;=:@?#[]\"<>\\^`{|}",
    "%",
    "+",
    "a/.b/..c",
]


@pytest.fixture(scope="module")
def store() -> Iterator[Emulator]:
    buckets = [Bucket(vendor, name) for vendor, name in BUCKETS.items()]
    with Emulator(accounts=[Account("AK", "SK")], buckets=buckets, domains=DOMAINS) as running:
        yield running


def exchange(
    store: Emulator, request: Request, *, target: str | None = None, body: bytes | None = None
) -> tuple[int, bytes]:
    """Send a request to the emulator whatever its host is, byte for byte."""
    connection = http.client.HTTPConnection(store.host, store.port, timeout=30)
    try:
        path = "/" + request.url.split("/", 3)[3]
        connection.request(request.method, target or path, body=body, headers=dict(request.headers))
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def signed(vendor: str, method: str, url: str, *, form: str = "header", path_style: bool = False) -> Request:
    options = {"path_style": path_style} if vendor == "oss" else {}
    signer = signer_of(vendor, BUCKETS[vendor], **options)
    request = Request(method, url, {"Content-Type": "text/plain"} if method == "PUT" else {})
    if form == "header":
        return signer.sign(request, CREDENTIALS, now=datetime.now(timezone.utc))
    host = url.split("/")[2]
    presigned = signer.presign(request, CREDENTIALS, now=datetime.now(timezone.utc))
    return Request(method, presigned.url, {**presigned.signed_headers, "Host": host})


@pytest.mark.parametrize("form", ["header", "url"])
@pytest.mark.parametrize(("vendor", "host"), [(vendor, host) for vendor in HOSTS for host in HOSTS[vendor]])
def test_a_host_of_a_bucket_is_served(store: Emulator, vendor: str, host: str, form: str) -> None:
    base = f"http://{host.format(bucket=BUCKETS[vendor])}"
    assert exchange(store, signed(vendor, "PUT", f"{base}/a%20b", form=form), body=host.encode())[0] == 200
    assert exchange(store, signed(vendor, "GET", f"{base}/a%20b", form=form)) == (200, host.encode())
    assert Asker(store, vendor, CREDENTIALS).ask("GET", "a b").content == host.encode()


@pytest.mark.parametrize("form", ["header", "url"])
@pytest.mark.parametrize(("vendor", "host"), [(v, host) for v in SERVICE_HOSTS for host in SERVICE_HOSTS[v]])
def test_a_host_of_the_service_has_the_bucket_in_its_path(store: Emulator, vendor: str, host: str, form: str) -> None:
    url = f"http://{host}/{BUCKETS[vendor]}/a%20c"
    assert exchange(store, signed(vendor, "PUT", url, form=form, path_style=True), body=b"x")[0] == 200
    assert exchange(store, signed(vendor, "GET", url, form=form, path_style=True)) == (200, b"x")


@pytest.mark.parametrize(("vendor", "host"), [(vendor, HOSTS[vendor][0]) for vendor in HOSTS])
def test_it_serves_as_a_forward_proxy(store: Emulator, vendor: str, host: str) -> None:
    url = f"http://{host.format(bucket=BUCKETS[vendor])}/through//a%2Bproxy"
    put, get = signed(vendor, "PUT", url), signed(vendor, "GET", url, form="url")
    assert exchange(store, put, target=put.url, body=b"proxied")[0] == 200
    assert exchange(store, get, target=get.url) == (200, b"proxied")
    assert Asker(store, vendor, CREDENTIALS).ask("GET", "through//a+proxy").content == b"proxied"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_key_is_stored_verbatim(store: Emulator, vendor: str, key: str) -> None:
    url = f"http://{HOSTS[vendor][0].format(bucket=BUCKETS[vendor])}/{encoding.encode_path(key)}"
    assert exchange(store, signed(vendor, "PUT", url), body=key.encode())[0] == 200
    assert store.storage.objects.get(store.buckets[vendor, BUCKETS[vendor]], key).size == len(key.encode())
    assert exchange(store, signed(vendor, "GET", url, form="url")) == (200, key.encode())


@pytest.mark.parametrize("vendor", ["bos", "cos"])
def test_a_leading_slash_belongs_to_the_key(store: Emulator, vendor: str) -> None:
    url = f"http://{HOSTS[vendor][0].format(bucket=BUCKETS[vendor])}//slash"
    assert exchange(store, signed(vendor, "PUT", url), body=b"leading")[0] == 200
    assert store.storage.objects.get(store.buckets[vendor, BUCKETS[vendor]], "/slash").size == 7


@pytest.mark.parametrize("vendor", VENDORS)
def test_an_encoded_slash_is_a_slash(store: Emulator, vendor: str) -> None:
    url = f"http://{HOSTS[vendor][0].format(bucket=BUCKETS[vendor])}/one%2Ftwo"
    assert exchange(store, signed(vendor, "PUT", url), body=b"1/2")[0] == 200
    assert store.storage.objects.get(store.buckets[vendor, BUCKETS[vendor]], "one/two").size == 3


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("path", ["/a/../b", "/a/%2e%2E/b", "/.", "/%FF"])
def test_paths_that_mean_something_else_on_the_way_are_refused(store: Emulator, vendor: str, path: str) -> None:
    host = HOSTS[vendor][0].format(bucket=BUCKETS[vendor])
    request = replace(signed(vendor, "GET", f"http://{host}/x"), url=f"http://{host}{path}")
    status, body = exchange(store, request)
    codes = {"bos": b'"code": "InvalidURI"', "oss": b"<Code>InvalidObjectName<", "cos": b"<Code>InvalidURI<"}
    assert status == 400
    assert codes[vendor] in body


def test_cos_takes_a_signature_for_the_host_without_its_port(store: Emulator) -> None:
    url = f"http://{BUCKETS['cos']}.localhost/port"
    request = signed("cos", "PUT", url)
    assert exchange(store, replace(request, headers={**request.headers, "Host": f"{url.split('/')[2]}:8080"}))[0] == 200


def test_cos_reads_a_plus_in_the_query_as_a_space(store: Emulator) -> None:
    asker = Asker(store, "cos", CREDENTIALS)
    asker.put("spaced name.txt")
    request = asker.request("GET", None, [("prefix", "spaced name")])
    assert b"<Key>spaced name.txt</Key>" in exchange(store, replace(request, url=request.url.replace("%20", "+")))[1]


def test_a_request_that_tells_no_vendor_is_refused(store: Emulator) -> None:
    status, body = exchange(store, Request("GET", "http://localhost/nowhere/x", {"Host": "localhost"}))
    assert (status, body[:14]) == (400, b"UnknownVendor:")


def test_an_anonymous_path_style_request_is_answered_by_the_vendor_of_its_bucket(store: Emulator) -> None:
    status, body = exchange(store, Request("GET", f"http://localhost/{BUCKETS['oss']}/x", {"Host": "localhost"}))
    assert status == 403
    assert b"<Code>AccessDenied</Code>" in body


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_bucket_that_is_not_there_is_told_to_those_who_signed(store: Emulator, vendor: str) -> None:
    asker = Asker(store, vendor, CREDENTIALS, bucket="nothing-1250000000")
    answer = asker.ask("GET", "x")
    assert answer.status_code == 404
    assert "NoSuchBucket" in answer.text


def test_two_vendors_may_have_buckets_of_one_name() -> None:
    buckets = [Bucket("bos", "shared"), Bucket("oss", "shared")]
    with Emulator(accounts=[Account("AK", "SK")], buckets=buckets) as store:
        for vendor in ("bos", "oss"):
            Asker(store, vendor, CREDENTIALS, bucket="shared").put("x", vendor.encode())
        for vendor in ("bos", "oss"):
            assert Asker(store, vendor, CREDENTIALS, bucket="shared").ask("GET", "x").text == vendor
        url = "http://shared.localhost/x"
        request = signer_of("oss", "shared").sign(Request("GET", url), CREDENTIALS, now=datetime.now(timezone.utc))
        assert exchange(store, request) == (200, b"oss")


@pytest.mark.parametrize(
    ("query", "headers", "vendor"),
    [
        ("authorization=bce-auth-v1%2Fx", {}, "bos"),
        ("x-oss-signature-version=OSS4-HMAC-SHA256", {}, "oss"),
        ("q-sign-algorithm=sha1", {}, "cos"),
        ("", {"authorization": "bce-auth-v1/x"}, "bos"),
        ("", {"authorization": "OSS4-HMAC-SHA256 x"}, "oss"),
        ("", {"authorization": "q-sign-algorithm=sha1"}, "cos"),
        ("", {"x-bce-date": "x"}, "bos"),
        ("", {"x-oss-date": "x"}, "oss"),
        ("", {"x-cos-acl": "x"}, "cos"),
    ],
)
def test_the_form_of_the_signature_tells_the_vendor(query: str, headers: dict[str, str], vendor: str) -> None:
    inbound = Inbound("GET", "/anything/key", query, {"host": "127.0.0.1:1", **headers}, "ID")
    assert route(inbound, {}, {}) == Target(vendor, "anything", "key")


def test_hosts_are_read_without_their_case_and_port() -> None:
    domains = {"files.example.com": Bucket("cos", "x-1250000000")}
    inbound = Inbound("GET", "/a/b", "", {"host": "Files.Example.com:8080"}, "ID")
    assert route(inbound, {}, domains) == Target("cos", "x-1250000000", "a/b")


def test_nothing_tells_no_vendor() -> None:
    with pytest.raises(Refused, match="UnknownVendor"):
        route(Inbound("GET", "/a/b", "", {"host": "localhost"}, "ID"), {}, {})
