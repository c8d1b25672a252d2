"""What a store must know before it can send anything: endpoint, addressing, credentials, transport."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from aksk_provider.errors import ConnectionConfigError, InvalidRequestError
from aksk_provider.signing import encoding
from aksk_provider.storage.credentials import CredentialsProvider
from aksk_provider.storage.vendors import OSS, SIGNATURE_VERSIONS, VENDORS, Vendor

Addressing = Literal["virtual", "path", "cname"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where requests go and how the bucket is named there.

    :param scheme: ``https`` or ``http``
    :param host: host, with the port when it is not the scheme's
    :param addressing: ``virtual``: the bucket is a label before the host; ``path``: it is the first part of the
        path; ``cname``: the host stands for the bucket
    """

    scheme: str
    host: str
    addressing: Addressing

    def url(self, bucket: str | None, key: str | None, query: str = "") -> str:
        """Return the URL of an object, of a bucket (no key) or of the service (no bucket)."""
        host, path = self.host, encoding.encode_path(key or "")
        if bucket is not None and self.addressing == "virtual":
            host = f"{bucket}.{host}"
        elif bucket is not None and self.addressing == "path":
            path = f"{bucket}/{path}"
        return f"{self.scheme}://{host}/{path}{'?' if query else ''}{query}"


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """Everything about a store except what is asked of it. Make one with :func:`resolve`.

    :param vendor: the cloud
    :param credentials: returns the credentials to sign the next request with
    :param region: region id; ``None`` where the endpoint does not tell and the vendor does not need it
    :param endpoint: where requests go
    :param public_endpoint: where presigned URLs point to, when other people use another host
    :param bucket: bucket of calls that name none
    :param verify: whether to verify TLS certificates, or the path of a CA bundle
    :param proxies: proxy URL by scheme, over those of the environment
    :param connect_timeout: seconds to wait for a connection
    :param read_timeout: seconds to wait between two bytes of an answer
    :param max_attempts: how often a request is sent at most
    """

    vendor: Vendor
    credentials: CredentialsProvider = field(repr=False)
    endpoint: Endpoint
    region: str | None = None
    public_endpoint: Endpoint | None = None
    bucket: str | None = None
    verify: bool | str = True
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    connect_timeout: float = 10.0
    read_timeout: float = 60.0
    max_attempts: int = 5

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "read_timeout"):
            if getattr(self, name) <= 0:
                raise ConnectionConfigError(f"{name} must be more than 0 seconds")
        if self.max_attempts < 1:
            raise ConnectionConfigError("max_attempts must be at least 1")

    @property
    def service_host(self) -> str:
        """The vendor's own host in the region, whatever host requests go to."""
        return self.vendor.endpoint.format(region=self.region) if self.region else self.endpoint.host


def resolve(
    *,
    vendor: str,
    credentials: CredentialsProvider,
    endpoint: str | None = None,
    port: int | None = None,
    region: str | None = None,
    addressing: str = "auto",
    public_endpoint: str | None = None,
    bucket: str | None = None,
    signature_version: str | None = None,
    **transport: object,
) -> StoreConfig:
    """Return the configuration of a store, deriving the endpoint from the region or the region from the endpoint.

    :param endpoint: host, or URL of a host
    :param port: port, where the endpoint does not name one
    :param addressing: ``auto``, ``virtual``, ``path`` or ``cname``; ``auto`` reads it from the host: the vendor's own
        hosts are ``virtual``, IP addresses and single-label hosts ``path``, all others (custom domains) ``cname``
    :param signature_version: of OSS, ``v4`` (default) or ``v1``
    :param transport: ``verify``, ``proxies``, ``connect_timeout``, ``read_timeout``, ``max_attempts``
    :raises ConnectionConfigError: names the field that is missing or wrong
    """
    if vendor not in VENDORS:
        raise ConnectionConfigError(f"vendor must be one of {', '.join(VENDORS)}, not {vendor!r}")
    row = _row(vendor, signature_version)
    if addressing not in ("auto", "virtual", "path", "cname"):
        raise ConnectionConfigError(f"addressing must be auto, virtual, path or cname, not {addressing!r}")
    if not endpoint:
        if not region:
            raise ConnectionConfigError(f"give the region or the endpoint (host) of {row.title}")
        endpoint = row.endpoint.format(region=region)
    if port and not re.search(r":\d+/?$", endpoint):
        endpoint = f"{endpoint.rstrip('/')}:{port}"
    main, of_bucket, of_region = _parse_endpoint(row, "host (endpoint)", endpoint, addressing)
    public = _parse_endpoint(row, "public_endpoint", public_endpoint, "auto")[0] if public_endpoint else None
    region = region or of_region
    if row is OSS and not region:
        raise ConnectionConfigError(
            f"region is missing and {main.host} does not tell it; OSS signs it, e.g. cn-hangzhou"
        )
    return StoreConfig(
        vendor=row,
        credentials=credentials,
        endpoint=main,
        region=region,
        public_endpoint=public,
        bucket=bucket or of_bucket,
        **transport,  # type: ignore[arg-type]
    )


def _row(vendor: str, signature_version: str | None) -> Vendor:
    if signature_version is None:
        return VENDORS[vendor]
    versions = SIGNATURE_VERSIONS.get(vendor)
    if versions is None:
        raise ConnectionConfigError(
            f"signature_version is for {', '.join(SIGNATURE_VERSIONS)}: {VENDORS[vendor].title} has one way to sign"
        )
    if signature_version not in versions:
        raise ConnectionConfigError(
            f"signature_version must be one of {', '.join(versions)}, not {signature_version!r}"
        )
    return versions[signature_version]


@lru_cache(maxsize=256)
def link_endpoint(vendor: Vendor, text: str, bucket: str, region: str | None) -> Endpoint:
    """Return the endpoint that a link for a bucket is to be signed for.

    :param text: host or URL of a host: a custom domain, or one of the vendor's own
    :raises InvalidRequestError: it belongs to another bucket or region
    """
    endpoint, of_bucket, of_region = _parse_endpoint(vendor, "endpoint", text, "auto")
    if of_bucket not in (None, bucket):
        raise InvalidRequestError(f"endpoint {endpoint.host} is given for bucket {of_bucket}, the link is for {bucket}")
    if None not in (of_region, region) and of_region != region:
        raise InvalidRequestError(f"endpoint {endpoint.host} is in {of_region}, the connection's bucket in {region}")
    return endpoint


def _parse_endpoint(
    vendor: Vendor, field_name: str, text: str, addressing: str
) -> tuple[Endpoint, str | None, str | None]:
    """Return the endpoint, and the bucket and region its host names."""
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.path in ("", "/") and not parts.query
        host = encoding.host_header(parts) if valid and not parts.username else ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if not host:
        given = repr(text) if "@" not in text else "one with a user name"
        raise ConnectionConfigError(
            f"{field_name} must be a host or a URL of a host only, e.g. https://host, not {given}"
        )
    known = vendor.hosts.fullmatch(parts.hostname or "")
    bucket = known["bucket"] if known else None
    if addressing == "auto":
        addressing = "virtual" if known else "path" if _is_local(parts.hostname or "") else "cname"
    if bucket and addressing != "cname":
        host = host.removeprefix(f"{bucket}.")
    regions = known.groupdict() if known else {}
    endpoint = Endpoint(parts.scheme, host, addressing)  # type: ignore[arg-type]
    return endpoint, bucket, regions.get("region") or regions.get("dualstack")


def _is_local(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return "." not in host
    return True


def locate(config: StoreConfig, key: str, bucket: str | None) -> tuple[str, str]:
    """Return the bucket and key that a call means, checked before anything is sent.

    :param key: a key, or a URI (``oss://bucket/key``), which then names the bucket
    :param bucket: bucket, by default the one of the configuration
    """
    bucket, key = locate_prefix(config, key, bucket)
    check_key(config.vendor, key)
    return bucket, key


def locate_prefix(config: StoreConfig, prefix: str, bucket: str | None) -> tuple[str, str]:
    """Return the bucket and prefix that a listing means; as :func:`locate`, but the prefix need not be a key."""
    vendor = config.vendor
    scheme, separator, rest = prefix.partition("://")
    if separator and scheme in VENDORS:
        if scheme != vendor.name:
            raise InvalidRequestError(
                f"{prefix}: the connection is for {vendor.title}, whose URIs start with {vendor.name}://"
            )
        if bucket is not None:
            raise InvalidRequestError(f"{prefix} names its bucket: do not give bucket={bucket!r} as well")
        bucket, _, prefix = rest.partition("/")
    return locate_bucket(config, bucket), prefix


def locate_bucket(config: StoreConfig, bucket: str | None) -> str:
    """Return the bucket a call means, by default the one of the configuration."""
    bucket = bucket or config.bucket
    if not bucket:
        raise InvalidRequestError("no bucket: give one, a URI, or a default bucket (schema) in the connection")
    if not config.vendor.bucket_pattern.fullmatch(bucket):
        raise InvalidRequestError(
            f"bucket {bucket!r}: {config.vendor.title} buckets are named by {config.vendor.bucket_rule}"
        )
    return bucket


def check_key(vendor: Vendor, key: str) -> None:
    """Refuse a key that the vendor or an HTTP library would refuse or rewrite."""
    size = len(key.encode())
    if not 1 <= size <= vendor.key_bytes:
        raise InvalidRequestError(f"{vendor.title} keys have 1 to {vendor.key_bytes} bytes in UTF-8, not {size}")
    if key.startswith(vendor.forbidden_key_start):
        raise InvalidRequestError(f"key {key!r}: {vendor.title} keys must not start with {key[0]!r}")
    if any(segment in (".", "..") for segment in key.split("/")):
        raise InvalidRequestError(f"key {key!r} has a '.' or '..' segment, which HTTP libraries rewrite: rename it")
