"""Endpoints, regions, addressing, buckets and keys are settled before anything is sent."""

from __future__ import annotations

import pytest

from aksk_provider.errors import ConnectionConfigError, InvalidRequestError
from aksk_provider.signing import Credentials
from aksk_provider.storage.config import StoreConfig, locate, resolve
from aksk_provider.storage.credentials import environment, static
from aksk_provider.storage.vendors import VENDORS

CREDENTIALS = static(Credentials("ak", "sk"))


def config(vendor: str, **settings: object) -> StoreConfig:
    return resolve(vendor=vendor, credentials=CREDENTIALS, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vendor", "settings", "url", "region"),
    [
        ("bos", {"region": "bj"}, "https://bucket.bj.bcebos.com/a", "bj"),
        ("bos", {"endpoint": "bj.bcebos.com"}, "https://bucket.bj.bcebos.com/a", "bj"),
        ("bos", {"endpoint": "http://gz.bcebos.com"}, "http://bucket.gz.bcebos.com/a", "gz"),
        ("bos", {"endpoint": "https://files.example.com"}, "https://files.example.com/a", None),
        ("bos", {"endpoint": "https://127.0.0.1:9000"}, "https://127.0.0.1:9000/bucket/a", None),
        ("bos", {"endpoint": "http://[::1]:9000"}, "http://[::1]:9000/bucket/a", None),
        ("bos", {"endpoint": "http://emulator:9000"}, "http://emulator:9000/bucket/a", None),
        ("bos", {"region": "bj", "port": 443}, "https://bucket.bj.bcebos.com/a", "bj"),
        ("bos", {"endpoint": "http://10.0.0.1", "port": 9000}, "http://10.0.0.1:9000/bucket/a", None),
        ("bos", {"endpoint": "http://10.0.0.1:8000", "port": 9000}, "http://10.0.0.1:8000/bucket/a", None),
        ("bos", {"region": "bj", "addressing": "path"}, "https://bj.bcebos.com/bucket/a", "bj"),
        ("oss", {"region": "cn-hangzhou"}, "https://bucket.oss-cn-hangzhou.aliyuncs.com/a", "cn-hangzhou"),
        (
            "oss",
            {"endpoint": "oss-cn-hangzhou-internal.aliyuncs.com"},
            "https://bucket.oss-cn-hangzhou-internal.aliyuncs.com/a",
            "cn-hangzhou",
        ),
        (
            "oss",
            {"endpoint": "cn-hangzhou.oss.aliyuncs.com"},
            "https://bucket.cn-hangzhou.oss.aliyuncs.com/a",
            "cn-hangzhou",
        ),
        (
            "oss",
            {"endpoint": "oss-accelerate.aliyuncs.com", "region": "cn-beijing"},
            "https://bucket.oss-accelerate.aliyuncs.com/a",
            "cn-beijing",
        ),
        (
            "oss",
            {"endpoint": "https://bucket.oss-cn-beijing.aliyuncs.com/"},
            "https://bucket.oss-cn-beijing.aliyuncs.com/a",
            "cn-beijing",
        ),
        (
            "cos",
            {"region": "ap-guangzhou"},
            "https://bucket-1250000000.cos.ap-guangzhou.myqcloud.com/a",
            "ap-guangzhou",
        ),
        (
            "cos",
            {"endpoint": "cos-internal.ap-guangzhou.tencentcos.cn"},
            "https://bucket-1250000000.cos-internal.ap-guangzhou.tencentcos.cn/a",
            "ap-guangzhou",
        ),
        (
            "cos",
            {"endpoint": "cos.accelerate.myqcloud.com"},
            "https://bucket-1250000000.cos.accelerate.myqcloud.com/a",
            None,
        ),
    ],
)
def test_endpoint_and_region_are_derived_from_each_other(
    vendor: str, settings: dict[str, object], url: str, region: str | None
) -> None:
    made = config(vendor, **settings)
    bucket = "bucket-1250000000" if vendor == "cos" else "bucket"
    assert made.endpoint.url(bucket, "a") == url
    assert made.region == region


def test_an_endpoint_that_names_the_bucket_gives_the_default_bucket() -> None:
    made = config("bos", endpoint="https://mybucket.bj.bcebos.com")
    assert (made.bucket, made.endpoint.host, made.region) == ("mybucket", "bj.bcebos.com", "bj")


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"vendor": "s3", "region": "bj"}, "vendor"),
        ({"vendor": "bos"}, "region"),
        ({"vendor": "oss", "endpoint": "https://files.example.com"}, "region"),
        ({"vendor": "bos", "region": "bj", "addressing": "dns"}, "addressing"),
        ({"vendor": "bos", "endpoint": "https://host/with/path"}, "endpoint"),
        ({"vendor": "bos", "endpoint": "ftp://host"}, "endpoint"),
        ({"vendor": "bos", "endpoint": "https://user:password@host"}, "endpoint"),
        ({"vendor": "bos", "endpoint": "https://host:port"}, "endpoint"),
        ({"vendor": "bos", "region": "bj", "public_endpoint": "https://a/b"}, "public_endpoint"),
        ({"vendor": "bos", "region": "bj", "read_timeout": 0}, "read_timeout"),
        ({"vendor": "bos", "region": "bj", "max_attempts": 0}, "max_attempts"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, object], named: str) -> None:
    with pytest.raises(ConnectionConfigError, match=named):
        resolve(credentials=CREDENTIALS, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("vendor", "key", "bucket", "found"),
    [
        ("oss", "a/b", "bucket", ("bucket", "a/b")),
        ("oss", "oss://other/a#b?c", None, ("other", "a#b?c")),
        ("bos", "//a//", "bucket", ("bucket", "//a//")),
        ("bos", "a://b", "bucket", ("bucket", "a://b")),
    ],
)
def test_a_key_is_taken_as_it_is_and_a_uri_names_its_bucket(
    vendor: str, key: str, bucket: str | None, found: tuple[str, str]
) -> None:
    assert locate(config(vendor, region="cn-hangzhou"), key, bucket) == found


@pytest.mark.parametrize(
    ("vendor", "key", "bucket", "told"),
    [
        ("oss", "cos://b/a", None, "Alibaba OSS"),
        ("oss", "oss://bucket/a", "bucket", "names its bucket"),
        ("oss", "a", None, "no bucket"),
        ("oss", "", "bucket", "1 to 1023 bytes"),
        ("oss", "中" * 342, "bucket", "1 to 1023 bytes"),
        ("oss", "/a", "bucket", "must not start"),
        ("cos", "a", "bucket", "BucketName-APPID"),
        ("bos", "a", "Bucket", "lower-case"),
        ("bos", "a/../b", "bucket", "segment"),
        ("bos", "./a", "bucket", "segment"),
    ],
)
def test_a_key_or_bucket_that_cannot_work_is_refused(vendor: str, key: str, bucket: str | None, told: str) -> None:
    with pytest.raises(InvalidRequestError, match=told):
        locate(config(vendor, region="cn-hangzhou"), key, bucket)


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)
def test_credentials_come_from_the_variables_of_the_vendors_tools(vendor: object) -> None:
    for names in vendor.environment:  # type: ignore[attr-defined]
        found = environment(vendor, dict(zip(names, ("ak", "sk", "token"), strict=True)))()  # type: ignore[arg-type]
        assert (found.access_key, found.secret_key, found.token) == ("ak", "sk", "token")


def test_half_a_key_pair_in_the_environment_is_none() -> None:
    with pytest.raises(ConnectionConfigError, match="OSS_ACCESS_KEY_ID"):
        environment(VENDORS["oss"], {"OSS_ACCESS_KEY_ID": "ak"})()


def test_a_configuration_shows_no_secret() -> None:
    made = resolve(
        vendor="bos",
        region="bj",
        credentials=static(Credentials("ak", "very-secret")),
        proxies={"https": "http://user:proxy-password@proxy"},
    )
    assert "secret" not in repr(made)
    assert "proxy-password" not in repr(made)
