"""Which vendor, bucket and key a request is about, told from its host and the raw path."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from aksk_provider.emulator.model import Bucket, Inbound, Refused, decoded

_HOSTS = {
    "bos": re.compile(r"(?:(?P<bucket>[a-z0-9-]+)\.)?[a-z0-9-]+\.bcebos\.com"),
    "oss": re.compile(r"(?:(?P<bucket>[a-z0-9-]+)\.)?(?:oss-[a-z0-9-]+|[a-z0-9-]+\.oss)\.aliyuncs\.com"),
    "cos": re.compile(
        r"(?:(?P<bucket>[a-z0-9-]+-[0-9]+)\.)?(?:service\.cos|(?:cos|cos-internal)\.[a-z0-9-]+)"
        r"\.(?:myqcloud\.com|tencentcos\.cn)"
    ),
}
_AUTHORIZATIONS = {"bce-auth-v": "bos", "OSS": "oss", "q-": "cos"}
_PARAMS = {
    "authorization": "bos",
    "x-bce-security-token": "bos",
    "x-oss-signature-version": "oss",
    "x-oss-signature": "oss",
    "OSSAccessKeyId": "oss",
    "q-sign-algorithm": "cos",
    "q-signature": "cos",
    "sign": "cos",
}
_HEADERS = {"x-bce-": "bos", "x-oss-": "oss", "x-cos-": "cos"}


@dataclass(frozen=True, slots=True)
class Target:
    """What a request is about.

    :param vendor: ``bos``, ``oss`` or ``cos``
    :param bucket: bucket, ``None`` for the service
    :param path: key as the path has it, percent-encoded; empty for the bucket
    """

    vendor: str
    bucket: str | None = None
    path: str = ""

    @property
    def key(self) -> str:
        """The key verbatim; empty for the bucket."""
        return decoded(self.path)

    @property
    def resource(self) -> str:
        """``/bucket/key``, whatever the host: what OSS signs."""
        return "/" if self.bucket is None else f"/{self.bucket}/{self.key}"


def route(inbound: Inbound, buckets: Mapping[tuple[str, str], Bucket], domains: Mapping[str, Bucket]) -> Target:
    """Tell vendor, bucket and key; :class:`Refused` without a vendor when nothing names one."""
    host = inbound.host.lower()
    host = host[: -len(match[0])] if (match := re.search(r":\d*$", host)) else host
    path = inbound.path[1:]
    for vendor, pattern in _HOSTS.items():
        if matched := pattern.fullmatch(host):
            return Target(vendor, matched["bucket"], path) if matched["bucket"] else _path_style(vendor, inbound)
    if host in domains:
        return Target(domains[host].vendor, domains[host].name, path)
    told = _vendor_told(inbound)
    label, dot, _ = host.partition(".")
    owner = _owner(label, told, buckets) if dot else None
    if owner:
        return Target(owner, label, path)
    vendor_of_path = told or _owner(path.partition("/")[0], None, buckets)
    if vendor_of_path is None:
        raise Refused("UnknownVendor", "Neither host, signature, headers nor bucket tell the vendor of this request.")
    return _path_style(vendor_of_path, inbound)


def _path_style(vendor: str, inbound: Inbound) -> Target:
    bucket, _, path = inbound.path[1:].partition("/")
    return Target(vendor, bucket, path) if bucket or path else Target(vendor)


def _owner(name: str, told: str | None, buckets: Mapping[tuple[str, str], Bucket]) -> str | None:
    """Return the vendor that has a bucket of this name: the one the request tells, or the only one."""
    owners = [vendor for vendor, bucket in buckets if bucket == name]
    if told in owners:
        return told
    return owners[0] if len(owners) == 1 else None


def _vendor_told(inbound: Inbound) -> str | None:
    """Return the vendor whose signature, or else whose headers, the request has."""
    authorization = inbound.headers.get("authorization", "")
    for start, vendor in _AUTHORIZATIONS.items():
        if authorization.startswith(start):
            return vendor
    for name, vendor in _PARAMS.items():
        if name in inbound.params:
            return vendor
    return next((v for name in inbound.headers for start, v in _HEADERS.items() if name.startswith(start)), None)
