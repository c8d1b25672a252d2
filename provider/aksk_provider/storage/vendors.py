"""One frozen row per cloud: everything in which the vendors differ and that is not an algorithm.

Sources: the API references of Baidu BOS, Alibaba OSS and Tencent COS. A fourth cloud is a signer and a row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Literal

from aksk_provider.errors import ConnectionConfigError
from aksk_provider.signing import BosSigner, CosSigner, OssSigner, OssV1Signer, Signer, bos, cos, oss
from aksk_provider.signing.forms import FormSigner, bos_form, cos_form, oss_form
from aksk_provider.storage import consoles

MIB = 1024**2
_INSTALLERS = (".apk", ".ipa")
_SHOWN = (".html", ".htm", ".svg", ".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tiff", ".ico", ".heic")
_SHOWN_BY_BROWSERS = (*_SHOWN, ".pdf", ".txt", ".mp3", ".mp4")


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
class Lifetimes:
    """How long a presigned URL lives.

    :param default: when nothing is asked for
    :param longest: at most; ``None`` where no limit is documented
    :param longest_with_token: at most when a temporary key pair signed it
    """

    default: timedelta
    longest: timedelta | None = None
    longest_with_token: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Caution:
    """A reason why a presigned URL may not work for the people it is meant for.

    :param text: the reason and the way out; names nothing of the URL
    :param hosts: found in the hosts it is about; ``None``: any host
    :param addressing: how the bucket is named there
    :param methods: methods it is about; empty: any
    :param keys: ends of the keys it is about, in lower case; empty: any
    :param unless: signed header or parameter (as OSS and COS spell it) with which the reason is none
    """

    text: str
    hosts: re.Pattern[str] | None = None
    addressing: Literal["virtual", "path", "cname"] | None = None
    methods: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    unless: str = ""


# Compared by identity: a row is made once.
@dataclass(frozen=True, slots=True, eq=False)
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
    :param sign_form: signs an upload form
    :param console: address of a folder in the vendor's web console, from (region or ``None``, bucket, folder)
    :param lifetimes: of presigned URLs
    :param parameters: its own names of the query parameters that the others call alike
    :param temporary_key: what the access key of a temporary pair looks like, where it differs from a permanent one
    :param permanent_key: what a permanent access key looks like, where it differs from a temporary one
    :param cautions: what is known against presigned URLs
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
    sign_form: FormSigner
    console: Callable[[str | None, str, str], str]
    lifetimes: Lifetimes
    parameters: Mapping[str, str] = field(default_factory=dict)
    temporary_key: re.Pattern[str] | None = None
    permanent_key: re.Pattern[str] | None = None
    cautions: tuple[Caution, ...] = ()


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


def _oss_v1_signer(scope: Scope) -> Signer:
    return OssV1Signer(bucket=scope.bucket, path_style=scope.path_style, signed_headers=scope.signed_headers or ())


def _cos_signer(scope: Scope) -> Signer:
    return CosSigner(signed_headers=None if scope.signed_headers is None else {"host", *scope.signed_headers})


# The clouds' own domains, as far as they are public.
_OSS_DOMAIN = re.compile(r"(?<!-internal)\.aliyuncs\.com$")
_COS_DOMAIN = re.compile(r"(?:^|\.)cos\.[a-z0-9-]+\.(?:myqcloud\.com|tencentcos\.cn)$")
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
    sign_form=bos_form,
    console=consoles.bos,
    lifetimes=Lifetimes(bos.DEFAULT_LIFETIME),
    parameters={
        "response-content-type": "responseContentType",
        "response-content-language": "responseContentLanguage",
        "response-expires": "responseExpires",
        "response-cache-control": "responseCacheControl",
        "response-content-disposition": "responseContentDisposition",
        "response-content-encoding": "responseContentEncoding",
    },
    cautions=(
        Caution(
            "The link names the bucket in its path, which BOS refuses for newer buckets. Sign for bucket.region hosts.",
            hosts=re.compile(r"\.bcebos\.com$"),
            addressing="path",
        ),
    ),
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
    sign_form=oss_form,
    console=consoles.oss,
    temporary_key=re.compile(r"STS\..+"),
    permanent_key=re.compile(r"LTAI[0-9A-Za-z]+"),
    lifetimes=Lifetimes(oss.DEFAULT_LIFETIME, oss.MAX_LIFETIME, oss.MAX_LIFETIME_WITH_TOKEN),
    cautions=(
        Caution(
            "The link leads to OSS's internal endpoint, which only machines in that region's network reach. "
            "Name a public_endpoint.",
            hosts=re.compile(r"-internal\.aliyuncs\.com$"),
        ),
        Caution(
            "Accounts opened since 2025-03-20 cannot use objects through OSS's own domains in mainland China. "
            "Sign for a custom domain.",
            hosts=re.compile(
                r"(?:oss-cn-(?!hongkong)[a-z0-9-]+(?<!-internal)|cn-(?!hongkong)[a-z-]+\.oss)\.aliyuncs\.com$"
            ),
        ),
        Caution(
            "OSS hands out no .apk and .ipa through its own domains (ApkDownloadForbidden). Sign for a custom domain.",
            hosts=_OSS_DOMAIN,
            methods=("GET",),
            keys=_INSTALLERS,
        ),
        Caution(
            "Through OSS's own domains browsers save pages and pictures instead of showing them. "
            "Sign for a custom domain.",
            hosts=_OSS_DOMAIN,
            methods=("GET",),
            keys=_SHOWN,
            unless="response-content-disposition",
        ),
        Caution(
            "The link names the bucket in its path, which OSS refuses (SecondLevelDomainForbidden). "
            "Sign for bucket.region hosts.",
            hosts=re.compile(r"\.aliyuncs\.com$"),
            addressing="path",
        ),
        Caution(
            "The link fixes no Content-Type, so OSS refuses clients that send one, as browsers do. Give content_type.",
            methods=("PUT", "POST"),
            unless="content-type",
        ),
    ),
)
OSS_V1 = replace(
    OSS,
    signer=_oss_v1_signer,
    lifetimes=Lifetimes(oss.DEFAULT_LIFETIME),
    cautions=(
        *OSS.cautions,
        Caution("V1 signatures are being retired: new OSS accounts and buckets refuse them. Sign with v4 if you can."),
    ),
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
    sign_form=cos_form,
    console=consoles.cos,
    # Permanent SecretIds have 36 characters; temporary ones start alike and are longer
    temporary_key=re.compile(r"AKID.{33,}"),
    permanent_key=re.compile(r"AKID[0-9A-Za-z]{32}"),
    lifetimes=Lifetimes(cos.DEFAULT_LIFETIME),
    cautions=(
        Caution(
            "The link leads to COS's internal domain, which only machines in that region's network reach. "
            "Name a public_endpoint.",
            hosts=re.compile(r"(?:^|\.)cos-internal\."),
        ),
        Caution(
            "COS hands out no .apk and .ipa of buckets made since 2024 through its own domains (DownloadForbidden). "
            "Sign for a custom domain.",
            hosts=_COS_DOMAIN,
            methods=("GET",),
            keys=_INSTALLERS,
        ),
        Caution(
            "Through COS's own domains browsers save objects of buckets made since 2024 instead of showing them. "
            "Sign for a custom domain.",
            hosts=_COS_DOMAIN,
            methods=("GET",),
            keys=_SHOWN_BY_BROWSERS,
            unless="response-content-disposition",
        ),
        Caution(
            "The link names the bucket in its path, which COS refuses for buckets made since 2024 "
            "(PathStyleDomainForbidden). Sign for bucket.region hosts.",
            hosts=re.compile(r"\.(?:myqcloud\.com|tencentcos\.cn)$"),
            addressing="path",
        ),
    ),
)
VENDORS: Mapping[str, Vendor] = {vendor.name: vendor for vendor in (BOS, OSS, COS)}
# Of the clouds whose requests can be signed in several ways, the row for each.
SIGNATURE_VERSIONS: Mapping[str, Mapping[str, Vendor]] = {"oss": {"v4": OSS, "v1": OSS_V1}}
