"""Alibaba OSS, version 1: HMAC-SHA1, for buckets and tools that know no other.

Source: Alibaba Cloud OSS, "Include a V1 signature" in a header, and in a URL.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import unquote

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import encoding
from aksk_provider.signing.model import Credentials, PresignedURL, Request
from aksk_provider.signing.oss import DEFAULT_LIFETIME, TOKEN, resource, signed_by_default

SCHEME = "OSS"
TOKEN_PARAMETER = "security-token"
QUERY_NAMES = ("ossaccesskeyid", "expires", "signature", TOKEN_PARAMETER)
_HEADER_NAMES = ("authorization", "date", "x-oss-date", TOKEN, TOKEN_PARAMETER)
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The union of the vendor's page and of its two SDKs for Python; all of x-oss-* besides.
# fmt: off
SUB_RESOURCES = frozenset({
    "MetaQuery", "accessPoint", "accessPointPolicy", "acl", "action", "append", "asyncFetch",
    "bucketArchiveDirectRead", "bucketInfo", "callback", "callback-var", "cleanRestoredObject", "cloudboxes",
    "cname", "comp", "continuation-token", "cors", "dataPipeline", "delete", "encryption", "endTime", "group",
    "httpsConfig", "inventory", "inventoryId", "legalHold", "lifecycle", "link", "live", "location", "logging",
    "metaQuery", "metadataConfiguration", "metadataInventoryTable", "metadataJournalTable", "objectInfo",
    "objectMeta", "objectWorm", "overwriteConfig", "partNumber", "policy", "policyStatus", "position",
    "publicAccessBlock", "qos", "qosInfo", "quota", "redundancyTransition", "referer", "regionList",
    "replication", "replicationLocation", "replicationProgress", "requestPayment", "resourceGroup",
    "response-cache-control", "response-content-disposition", "response-content-encoding",
    "response-content-language", "response-content-type", "response-expires", "restore", "retention", "rtc",
    "seal", "security-token", "sequential", "startTime", "stat", "status", "style", "styleName", "symlink",
    "tagging", "transferAcceleration", "uploadId", "uploads", "userDefinedLogFieldsConfig", "versionId",
    "versioning", "versions", "vod", "website", "worm", "wormExtend", "wormId",
})
# fmt: on


def canonical_resource(url: str, path: str) -> str:
    """Return ``/bucket/key`` and its sub-resources ``?name=value&name``, sorted by name; nothing is encoded.

    Of the query only the sub-resources and ``x-oss-*`` count: those that choose what is read or written.

    :param path: ``/bucket/key``, ``/bucket/`` or ``/``, not encoded
    """
    pairs = [(unquote(n), unquote(v)) for n, v in encoding.query_pairs(encoding.split_url(url).query)]
    signed = sorted((n, v) for n, v in pairs if n in SUB_RESOURCES or n.startswith("x-oss-"))
    query = "&".join(f"{name}={value}" if value else name for name, value in signed)
    return f"{path}?{query}" if query else path


def string_to_sign(request: Request, path: str, date: str) -> str:
    r"""Return ``VERB \n Content-MD5 \n Content-Type \n Date \n CanonicalizedOSSHeaders CanonicalizedResource``.

    The headers are the ``name:value\n`` lines of all ``x-oss-*``, sorted by name; a header that is not sent leaves
    an empty line.

    :param date: value of ``x-oss-date``, or else of ``Date``; in a URL that of ``Expires``
    """
    headers = encoding.lower_names(request.headers)
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers) if name.startswith("x-oss-"))
    described = [headers.get(name, "").strip() for name in ("content-md5", "content-type")]
    return "\n".join([request.method.upper(), *described, date, lines + canonical_resource(request.url, path)])


def signature(secret_key: str, to_sign: str) -> str:
    """Return the HMAC-SHA1 of the string to sign under the secret key, in base64."""
    return base64.b64encode(hmac.digest(secret_key.encode(), to_sign.encode(), "sha1")).decode()


def http_date(now: datetime) -> str:
    """Return a time as the ``Date`` header has it, in English whatever the locale."""
    at = encoding.utc(now)
    return f"{_DAYS[at.weekday()]}, {at:%d} {_MONTHS[at.month - 1]} {at:%Y %H:%M:%S} GMT"


@dataclass(frozen=True, slots=True)
class OssV1Signer:
    """Signs for Alibaba OSS with version 1, which new accounts and buckets do not accept any more.

    :param bucket: bucket of the request; ``None`` for requests to the service
    :param path_style: whether the path of the URL starts with the bucket; by default read from the host
    :param signed_headers: names of headers that must be signed. V1 signs ``content-type``, ``content-md5`` and
        ``x-oss-*``, always; any other is refused.
    """

    bucket: str | None = None
    path_style: bool | None = None
    signed_headers: Collection[str] = ()

    def sign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> Request:
        """Return the request with ``Authorization``, ``Date`` and, for temporary keys, the token (signed).

        :param expires_in: has no meaning in a header: OSS allows 15 minutes from ``now``
        """
        encoding.refuse_expired(credentials, now)
        headers = self._signable(request) | {"Date": http_date(now)}
        if credentials.token:
            headers[TOKEN] = credentials.token
        signed = self._signature(replace(request, headers=headers), credentials, headers["Date"])
        return replace(request, headers=headers | {"Authorization": f"{SCHEME} {credentials.access_key}:{signed}"})

    def presign(
        self,
        request: Request,
        credentials: Credentials,
        *,
        now: datetime,
        expires_in: timedelta | None = None,
    ) -> PresignedURL:
        """Return the URL with the signature and, for temporary keys, the token (a signed sub-resource) in its query."""
        lifetime = DEFAULT_LIFETIME if expires_in is None else expires_in
        headers = self._signable(request)
        end = encoding.utc(now) + timedelta(seconds=encoding.whole_seconds(lifetime))
        expires = str(int(end.timestamp()))
        url = encoding.without_query(request.url, QUERY_NAMES)
        if credentials.token:
            url = encoding.with_query(url, [(TOKEN_PARAMETER, credentials.token)])
        signed = self._signature(replace(request, url=url, headers=headers), credentials, expires)
        fields = [("OSSAccessKeyId", credentials.access_key), ("Expires", expires), ("Signature", signed)]
        return PresignedURL(
            method=request.method.upper(),
            url=encoding.with_query(url, fields),
            expires_at=encoding.expiry(now, lifetime, credentials),
            signed_headers=encoding.required_headers(headers, filter(signed_by_default, encoding.lower_names(headers))),
        )

    def _signable(self, request: Request) -> dict[str, str]:
        for name in self.signed_headers:
            if not signed_by_default(name.lower()) and name.lower() != "host":
                raise InvalidRequestError(f"OSS V1 signatures cannot cover the header {name}: use signature_version v4")
        return encoding.signable_headers(request, without=_HEADER_NAMES)

    def _signature(self, request: Request, credentials: Credentials, date: str) -> str:
        path = resource(request.url, self.bucket, path_style=self.path_style)
        return signature(credentials.secret_key, string_to_sign(request, path, date))
