"""One frozen row per cloud: everything in which the vendors differ and that is not an algorithm.

Sources: the API references of Baidu BOS, Alibaba OSS and Tencent COS. A fourth cloud is a signer and a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from aksk_provider.errors import ConnectionConfigError
from aksk_provider.signing import BosSigner, CosSigner, OssSigner, Signer

MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Scope:
    """What a signer must know besides the request.

    :param region: region id
    :param bucket: bucket of the request, if it has one
    :param path_style: whether the path of the URL starts with the bucket
    :param signed_headers: names of the headers to sign; by default those the vendor's SDK signs
    """

    region: str | None
    bucket: str | None
    path_style: bool
    signed_headers: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """How one page of a listing is asked for.

    :param always: parameters of every request
    :param max_keys: name of the page size
    :param next_page: name of the parameter that asks for the next page
    """

    always: Mapping[str, str]
    max_keys: str
    next_page: str


@dataclass(frozen=True, slots=True)
class Vendor:
    """A cloud.

    :param name: ``bos``, ``oss`` or ``cos``; the scheme of its URIs
    :param title: the name its users know
    :param headers: prefix of its own headers
    :param endpoint: host of the service in ``{region}``
    :param hosts: matches the hosts of the service; groups ``bucket`` and ``region`` where the host has them
    :param bucket_pattern: what a bucket name looks like
    :param bucket_rule: the same in words
    :param key_bytes: longest key in UTF-8
    :param forbidden_key_start: characters a key must not start with
    :param dialect: how bodies are written
    :param listing: names of the listing's parameters
    :param checksum: name of the algorithm the store answers uploads and downloads with
    :param checksum_header: where it answers, as a decimal number
    :param checks_what_is_sent: whether an upload that tells its checksum in that header is refused when it differs
    :param min_part: smallest part of an upload in bytes, except the last
    :param replace_metadata: value of the metadata directive that replaces metadata on copy
    :param copy_source: source header of a copy from (service host, bucket, encoded key)
    :param environment: variables for access key, secret key and token, by preference
    :param signer: makes the signer for a scope
    :param parameters: its own names of the query parameters that the others call alike
    :param temporary_key: what the access key of a temporary pair looks like, where it differs from a permanent one
    :param permanent_key: what a permanent access key looks like, where it differs from a temporary one
    """

    name: str
    title: str
    headers: str
    endpoint: str
    hosts: re.Pattern[str]
    bucket_pattern: re.Pattern[str]
    bucket_rule: str
    key_bytes: int
    forbidden_key_start: tuple[str, ...]
    dialect: Literal["json", "xml"]
    listing: Listing
    checksum: Literal["crc64", "crc32"]
    checksum_header: str
    checks_what_is_sent: bool
    min_part: int
    replace_metadata: str
    copy_source: Callable[[str, str, str], str]
    environment: tuple[tuple[str, str, str], ...]
    signer: Callable[[Scope], Signer]
    parameters: Mapping[str, str] = field(default_factory=dict)
    temporary_key: re.Pattern[str] | None = None
    permanent_key: re.Pattern[str] | None = None


def _bos_signer(scope: Scope) -> Signer:
    return BosSigner(signed_headers=scope.signed_headers)


def _oss_signer(scope: Scope) -> Signer:
    if scope.region is None:
        raise ConnectionConfigError("region is missing: OSS signatures name it; set the region, e.g. cn-hangzhou")
    return OssSigner(
        region=scope.region,
        bucket=scope.bucket,
        path_style=scope.path_style,
        additional_headers=scope.signed_headers or (),
    )


def _cos_signer(scope: Scope) -> Signer:
    return CosSigner(signed_headers=None if scope.signed_headers is None else {"host", *scope.signed_headers})


BOS = Vendor(
    name="bos",
    title="Baidu BOS",
    headers="x-bce-",
    endpoint="{region}.bcebos.com",
    hosts=re.compile(r"(?:(?P<bucket>[a-z0-9-]+)\.)?(?P<region>[a-z]+)\.bcebos\.com"),
    bucket_pattern=re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
    bucket_rule="3 to 63 lower-case letters, digits and hyphens",
    key_bytes=1024,
    forbidden_key_start=(),
    dialect="json",
    listing=Listing(always={}, max_keys="maxKeys", next_page="marker"),
    checksum="crc32",
    checksum_header="x-bce-content-crc32",
    checks_what_is_sent=True,
    min_part=5 * MIB,
    replace_metadata="replace",
    copy_source=lambda _host, bucket, key: f"/{bucket}/{key}",
    environment=(
        ("BCE_ACCESS_KEY_ID", "BCE_SECRET_ACCESS_KEY", "BCE_SESSION_TOKEN"),
        ("BAIDUCLOUD_ACCESS_KEY", "BAIDUCLOUD_SECRET_KEY", "BCE_STS_TOKEN"),
    ),
    signer=_bos_signer,
    parameters={
        "response-content-type": "responseContentType",
        "response-content-language": "responseContentLanguage",
        "response-expires": "responseExpires",
        "response-cache-control": "responseCacheControl",
        "response-content-disposition": "responseContentDisposition",
        "response-content-encoding": "responseContentEncoding",
    },
)
OSS = Vendor(
    name="oss",
    title="Alibaba OSS",
    headers="x-oss-",
    endpoint="oss-{region}.aliyuncs.com",
    hosts=re.compile(
        r"(?:(?P<bucket>[a-z0-9-]+)\.)?"
        r"(?:oss-accelerate(?:-overseas)?|oss-(?P<region>[a-z0-9-]+?)(?:-internal)?|(?P<dualstack>[a-z0-9-]+)\.oss)"
        r"\.aliyuncs\.com"
    ),
    bucket_pattern=re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]"),
    bucket_rule="3 to 63 lower-case letters, digits and hyphens",
    key_bytes=1023,
    forbidden_key_start=("/", "\\"),
    dialect="xml",
    listing=Listing(
        always={"list-type": "2", "encoding-type": "url"}, max_keys="max-keys", next_page="continuation-token"
    ),
    checksum="crc64",
    checksum_header="x-oss-hash-crc64ecma",
    checks_what_is_sent=False,
    min_part=100 * 1024,
    replace_metadata="REPLACE",
    copy_source=lambda _host, bucket, key: f"/{bucket}/{key}",
    environment=(
        ("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"),
    ),
    signer=_oss_signer,
    temporary_key=re.compile(r"STS\..+"),
    permanent_key=re.compile(r"LTAI[0-9A-Za-z]+"),
)
COS = Vendor(
    name="cos",
    title="Tencent COS",
    headers="x-cos-",
    endpoint="cos.{region}.myqcloud.com",
    hosts=re.compile(
        r"(?:(?P<bucket>[a-z0-9-]+)\.)?"
        r"(?:cos\.accelerate|(?:cos|cos-internal)\.(?P<region>[a-z0-9-]+))\.(?:myqcloud\.com|tencentcos\.cn)"
    ),
    bucket_pattern=re.compile(r"[a-z0-9][a-z0-9-]*-[0-9]{5,}"),
    bucket_rule="BucketName-APPID, e.g. examplebucket-1250000000",
    key_bytes=850,
    forbidden_key_start=(),
    dialect="xml",
    listing=Listing(always={"encoding-type": "url"}, max_keys="max-keys", next_page="marker"),
    checksum="crc64",
    checksum_header="x-cos-hash-crc64ecma",
    checks_what_is_sent=False,
    min_part=MIB,
    replace_metadata="Replaced",
    copy_source=lambda host, bucket, key: f"{bucket}.{host}/{key}",
    environment=(
        ("COS_SECRET_ID", "COS_SECRET_KEY", "COS_TOKEN"),
        ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_SESSION_TOKEN"),
        ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_SESSIONTOKEN"),
    ),
    signer=_cos_signer,
    # Permanent SecretIds have 36 characters; temporary ones start alike and are longer
    temporary_key=re.compile(r"AKID.{33,}"),
    permanent_key=re.compile(r"AKID[0-9A-Za-z]{32}"),
)
VENDORS: Mapping[str, Vendor] = {vendor.name: vendor for vendor in (BOS, OSS, COS)}
