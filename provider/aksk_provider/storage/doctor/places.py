"""What a URL addresses: vendor's host or another, bucket, key, region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from aksk_provider.signing import encoding
from aksk_provider.storage.config import StoreConfig
from aksk_provider.storage.doctor.report import Finding
from aksk_provider.storage.vendors import VENDORS, Vendor


@dataclass(frozen=True, slots=True)
class Place:
    """Where a URL leads.

    :param bucket: bucket, as far as host or path tell
    :param key: decoded key
    :param region: region that the host names
    :param addressing: ``virtual``, ``path`` or ``cname`` (a custom domain)
    """

    scheme: str
    host: str
    bucket: str | None
    key: str
    region: str | None
    addressing: str

    @property
    def resource(self) -> str:
        """Decoded ``/bucket/key``, ``/bucket/`` or ``/``."""
        return f"/{self.bucket}/{self.key}" if self.bucket else "/"


def locate_url(vendor: Vendor, url: str, config: StoreConfig | None = None) -> Place:
    """Return where a URL leads.

    :param config: knows how its own endpoints name the bucket, and the bucket that a custom domain stands for
    """
    parts = urlsplit(url)
    host, path = parts.hostname or "", encoding.decode(parts.path).removeprefix("/")
    known = vendor.hosts.fullmatch(host)
    if known and known["bucket"]:
        return Place(parts.scheme, host, known["bucket"], path, _region(vendor, host), "virtual")
    ours = (config.endpoint, config.public_endpoint) if config else ()
    by_path = known or _is_local(host)
    if not known:
        by_path = next((e.addressing == "path" for e in ours if e and e.host == parts.netloc), by_path)
    if by_path:
        bucket, _, key = path.partition("/")
        return Place(parts.scheme, host, bucket or None, key, _region(vendor, host), "path")
    return Place(parts.scheme, host, config.bucket if config else None, path, None, "cname")


def vendor_of_host(host: str) -> Vendor | None:
    """Return the vendor whose own host it is."""
    return next((vendor for vendor in VENDORS.values() if vendor.hosts.fullmatch(host)), None)


def host_findings(vendor: Vendor, place: Place, *, handed_out: bool = True) -> Iterator[Finding]:
    """Tell what is to be said about the host of a URL.

    :param handed_out: the URL is a link for others, not where this machine sends its requests
    """
    owner = vendor_of_host(place.host)
    if owner and owner is not vendor:
        yield Finding(
            "error",
            f"the signature is one of {vendor.title}, the host {place.host} is one of {owner.title}",
            "sign for the vendor of the host",
        )
    if vendor.name == "bos" and place.bucket == "s3":
        yield Finding("error", f"{place.host} is the S3-compatible host, which knows no bce-auth-v1", "leave out 's3.'")
    elif place.bucket and not vendor.bucket_pattern.fullmatch(place.bucket):
        where = "host" if place.addressing == "virtual" else "path"
        yield Finding(
            "error",
            f"the bucket {place.bucket!r} in the {where} is no name of a bucket",
            f"name it by {vendor.bucket_rule}",
        )
    if place.addressing == "path" and owner and place.bucket:
        yield Finding(
            "warn",
            f"the bucket {place.bucket} is in the path",
            f"put it before the host, {place.bucket}.{place.host}: {vendor.title} refuses paths for newer buckets",
        )
    inside = "internal" in place.host or _is_private(place.host)
    if inside and handed_out:
        yield Finding(
            "warn",
            f"the host {place.host} is reached from inside only",
            "for other people, sign for the public_endpoint of the connection",
        )
    if place.scheme == "http" and (handed_out or not inside):
        yield Finding("warn", "the URL is plain HTTP: whoever sees it on the way can use it", "use https")


def region_finding(vendor: Vendor, signed: str | None, of_host: str | None) -> Finding | None:
    """Compare the region that was signed with that of the host."""
    if signed and of_host and signed != of_host:
        return Finding(
            "error",
            f"the region that was signed, {signed}, is not that of the host, {of_host}",
            f"set the region to {of_host}, or the host to {vendor.endpoint.format(region=signed)}",
        )
    return None


def _region(vendor: Vendor, host: str) -> str | None:
    known = vendor.hosts.fullmatch(host)
    groups = known.groupdict() if known else {}
    region = groups.get("region") or groups.get("dualstack")
    return None if region == "cdn" else region


def _is_local(host: str) -> bool:
    return "." not in host or _ip(host) is not None


def _is_private(host: str) -> bool:
    address = _ip(host)
    return host == "localhost" if address is None else address.is_private


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
