"""What a URL addresses: vendor's host or another, bucket, key, region."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from aksk_provider.signing import Credentials, encoding
from aksk_provider.storage.config import Addressing, Endpoint, StoreConfig
from aksk_provider.storage.doctor.report import Finding
from aksk_provider.storage.presigning.lint import lint
from aksk_provider.storage.vendors import VENDORS, Vendor

_NOBODY = Credentials("nobody", "nothing")  # what there is to say of tokens is said elsewhere


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
    addressing: Addressing

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
    by_path = known or is_local(host)
    if not known:
        by_path = next((e.addressing == "path" for e in ours if e and e.host == parts.netloc), by_path)
    if by_path:
        bucket, _, key = path.partition("/")
        return Place(parts.scheme, host, bucket or None, key, _region(vendor, host), "path")
    return Place(parts.scheme, host, config.bucket if config else None, path, None, "cname")


def vendor_of_host(host: str) -> Vendor | None:
    """Return the vendor whose own host it is."""
    return next((vendor for vendor in VENDORS.values() if vendor.hosts.fullmatch(host)), None)


def host_findings(vendor: Vendor, place: Place) -> Iterator[Finding]:
    """Tell what cannot work about the host and bucket of a URL."""
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


def link_findings(vendor: Vendor, place: Place, method: str, given: Collection[str]) -> Iterator[Finding]:
    """Tell what may keep a link from working for the people it is meant for.

    :param given: names of its parameters and of the headers that are sent with it
    """
    host = place.host.removeprefix(f"{place.bucket}.") if place.addressing == "virtual" else place.host
    endpoint = Endpoint(place.scheme, host, place.addressing)
    for text in lint(vendor, endpoint, _NOBODY, method=method, key=place.key, given=given):
        yield Finding("warn", text.rstrip("."))


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


def is_local(host: str) -> bool:
    """Tell whether a host is an IP address or a single label."""
    return "." not in host or _ip(host) is not None


def _ip(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
