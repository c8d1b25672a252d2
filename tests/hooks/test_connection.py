"""A connection becomes the configuration of a store, or an error that names the field."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from aksk_provider.errors import ConnectionConfigError, TransportError
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.vendors import VENDORS
from tests.support.clouds import Cloud

Put = Callable[..., str]


def config(conn_id: str = "aksk_default") -> StoreConfig:
    return ObjectStorageHook(conn_id).store.config


@pytest.fixture
def refusal(oss: Cloud, in_environment: Put) -> Callable[..., str]:
    """Return the error of a connection, here an OSS one, with some fields changed."""

    def refuse(**changes: Any) -> str:
        in_environment(oss, **changes)
        with pytest.raises(ConnectionConfigError) as caught:
            config()
        return str(caught.value)

    return refuse


def test_a_json_connection_reads_every_field(oss: Cloud, in_environment: Put) -> None:
    extra = {
        "security_token": "token",
        "addressing": "virtual",
        "public_endpoint": "https://files.example.com",
        "verify": False,
        "proxies": {"https": "http://proxy.example.com:3128"},
        "connect_timeout": 2.5,
        "read_timeout": 7,
        "max_attempts": 3,
    }
    in_environment(oss, host="https://store.example.com:8443", extra=extra)
    made = config()
    assert (made.vendor, made.region, made.bucket) == (VENDORS["oss"], "cn-hangzhou", oss.bucket)
    assert (made.endpoint.scheme, made.endpoint.host) == ("https", "store.example.com:8443")
    assert made.endpoint.addressing == "virtual"
    assert made.public_endpoint.host == "files.example.com"
    assert (made.verify, made.proxies) == (False, extra["proxies"])
    assert (made.connect_timeout, made.read_timeout, made.max_attempts) == (2.5, 7.0, 3)
    credentials = made.credentials()
    assert (credentials.access_key, credentials.secret_key, credentials.token) == (
        oss.account.access_key,
        oss.account.secret_key,
        "token",
    )


def test_a_uri_connection_whose_extras_are_all_text_means_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    extra = {
        "vendor": "cos",
        "region": "ap-guangzhou",
        "security_token": "to/ken+=",
        "verify": "false",
        "proxies": '{"http": "http://proxy.example.com:3128"}',
        "connect_timeout": "2.5",
        "read_timeout": "7",
        "max_attempts": "3",
    }
    host = quote("http://127.0.0.1:9000", safe="")
    uri = f"aksk://ak:{quote('s/k+=', safe='')}@{host}/examplebucket-1250000000?{urlencode(extra)}"
    monkeypatch.setenv("AIRFLOW_CONN_AKSK_DEFAULT", uri)
    made = config()
    assert (made.endpoint.scheme, made.endpoint.host) == ("http", "127.0.0.1:9000")
    assert (made.bucket, made.region) == ("examplebucket-1250000000", "ap-guangzhou")
    assert (made.credentials().secret_key, made.credentials().token) == ("s/k+=", "to/ken+=")
    assert (made.verify, made.proxies) == (False, {"http": "http://proxy.example.com:3128"})
    assert (made.connect_timeout, made.read_timeout, made.max_attempts) == (2.5, 7.0, 3)


def test_a_uri_without_a_host_derives_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AKSK_DEFAULT", "aksk://ak:sk@/examplebucket?vendor=bos&region=bj")
    assert config().endpoint.host == "bj.bcebos.com"
    assert config().endpoint.scheme == "https"


def test_what_the_form_saves_for_empty_fields_counts_as_absent(oss: Cloud, in_environment: Put) -> None:
    empty = dict.fromkeys(("security_token", "public_endpoint", "proxies", "connect_timeout", "max_attempts"), "")
    saved = json.loads(oss.json(extra=empty | {"addressing": "auto"}))
    saved["extra"] |= {"verify": None, "read_timeout": None}
    assert "max_attempts" in saved["extra"]
    in_environment(Raw(saved))
    made = config()
    assert (made.verify, made.proxies, made.public_endpoint) == (True, {}, None)
    assert (made.connect_timeout, made.read_timeout, made.max_attempts) == (10.0, 60.0, 5)
    assert made.credentials().token is None


class Raw:
    """A connection that is put into the environment as it is."""

    def __init__(self, saved: dict[str, Any]) -> None:
        self.saved = saved

    def json(self) -> str:
        return json.dumps(self.saved)


def test_a_port_of_its_own_joins_the_host(oss: Cloud, in_environment: Put) -> None:
    in_environment(oss, host="http://127.0.0.1", port=9000)
    assert config().endpoint.host == "127.0.0.1:9000"


@pytest.mark.parametrize(("given", "expected"), [("true", True), ("False", False), (True, True), (False, False)])
def test_verify_reads_true_and_false_in_any_form(
    given: object, expected: bool, oss: Cloud, in_environment: Put
) -> None:
    in_environment(oss, extra={"verify": given})
    assert config().verify is expected


def test_verify_reads_the_path_of_a_ca_bundle(oss: Cloud, in_environment: Put, tmp_path: Path) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.touch()
    in_environment(oss, extra={"verify": str(bundle)})
    assert config().verify == str(bundle)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"extra": {"vendor": None}}, "extra vendor must be one of bos, oss, cos, not None"),
        ({"extra": {"vendor": "s3"}}, "extra vendor must be one of bos, oss, cos, not 's3'"),
        ({"extra": {"sk": "..."}}, "extra 'sk' is not known; known are addressing, "),
        ({"login": None}, "login (access key) is missing"),
        ({"password": None}, "password (secret key) is missing"),
        ({"login": None, "password": None, "extra": {"security_token": "t"}}, "login (access key) is missing"),
        ({"host": None, "extra": {"region": None}}, "give the region or the endpoint (host) of Alibaba OSS"),
        ({"extra": {"region": None}}, "region is missing"),
        ({"extra": {"addressing": "vhost"}}, "addressing must be auto, virtual, path or cname, not 'vhost'"),
        ({"host": "https://host/path"}, "host (endpoint) must be a host or a URL of a host only"),
        ({"host": "ftp://host"}, "host (endpoint) must be a host or a URL of a host only"),
        ({"host": "https://[host"}, "host (endpoint) must be a host or a URL of a host only"),
        ({"password": "has space"}, "secret_key is empty or holds a space"),
        ({"host": "https://"}, "host (endpoint) must be a host or a URL of a host only"),
        ({"extra": {"public_endpoint": "https://host/?a"}}, "public_endpoint must be a host or a URL of a host only"),
        ({"schema": "Bad_Bucket"}, "schema (default bucket) 'Bad_Bucket': Alibaba OSS buckets are named by 3 to 63"),
        (
            {"schema": "examplebucket", "extra": {"vendor": "cos"}},
            "schema (default bucket) 'examplebucket': Tencent COS buckets are named by BucketName-APPID",
        ),
        ({"extra": {"verify": "yes"}}, "extra verify must be true, false or the path of a CA bundle that is there"),
        ({"extra": {"proxies": "http://proxy"}}, "extra proxies must be a JSON object"),
        ({"extra": {"proxies": 5}}, "extra proxies must be a JSON object"),
        ({"extra": {"connect_timeout": "soon"}}, "extra connect_timeout must be a number of seconds"),
        ({"extra": {"read_timeout": 0}}, "read_timeout must be more than 0 seconds"),
        ({"extra": {"max_attempts": "2.5"}}, "extra max_attempts must be a whole number"),
        ({"extra": {"max_attempts": 0}}, "max_attempts must be at least 1"),
    ],
)
def test_a_wrong_field_is_named(changes: dict[str, Any], told: str, refusal: Callable[..., str]) -> None:
    message = refusal(**changes)
    assert message.startswith(f"connection aksk_default: {told}")


@pytest.mark.parametrize(
    "changes",
    [
        {"password": "very secret"},
        {"extra": {"security_token": "very secret"}},
        {"extra": {"proxies": '{"https": "http://user:very secret@proxy"'}},
        {"extra": {"sk": "very secret"}},
        {"host": "https://user:very-secret@host"},
        {"extra": {"public_endpoint": "https://user:very-secret@host"}},
    ],
)
def test_an_error_does_not_show_the_secret_that_is_wrong(changes: dict[str, Any], refusal: Callable[..., str]) -> None:
    assert not re.search("very.secret", refusal(**changes))


def test_a_proxy_that_fails_does_not_show_its_password(oss: Cloud, in_environment: Put) -> None:
    proxies = {"http": "http://user:proxy-password@127.0.0.1:1"}
    in_environment(oss, host="http://store.example.com", extra={"proxies": proxies, "max_attempts": 1})
    with pytest.raises(TransportError) as caught:
        ObjectStorageHook().head("key")
    assert "proxy-password" not in str(caught.value)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("alternative", range(2))
def test_without_a_key_pair_the_vendors_environment_variables_count(
    vendor: str, alternative: int, oss: Cloud, in_environment: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in zip(VENDORS[vendor].environment[alternative], ("ak-env", "sk-env", "token-env"), strict=True):
        monkeypatch.setenv(name, value)
    in_environment(oss, login=None, password=None, schema=None, extra={"vendor": vendor})
    credentials = config().credentials()
    assert (credentials.access_key, credentials.secret_key, credentials.token) == ("ak-env", "sk-env", "token-env")


def test_without_any_key_pair_the_error_names_fields_and_variables(refusal: Callable[..., str]) -> None:
    assert refusal(login=None, password=None) == (
        "connection aksk_default: no key pair for Alibaba OSS: set login (access key) and password (secret key) of the "
        "connection, or the environment's OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET or ALIBABA_CLOUD_ACCESS_KEY_ID "
        "and ALIBABA_CLOUD_ACCESS_KEY_SECRET"
    )


def test_nothing_is_read_until_it_is_needed() -> None:
    assert ObjectStorageHook("no_such_connection").aksk_conn_id == "no_such_connection"


def test_representations_show_no_secret(any_cloud: Cloud, in_environment: Put) -> None:
    in_environment(any_cloud, extra={"proxies": {"https": "http://user:proxy-password@proxy.example.com"}})
    hook = ObjectStorageHook()
    shown = f"{hook!r} {hook.store!r} {hook.store.config!r} {hook.store.config.credentials()!r} {vars(hook)!r}"
    account = any_cloud.account
    for secret in (account.secret_key, account.token or account.secret_key, "proxy-password"):
        assert secret not in shown
