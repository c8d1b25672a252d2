"""What is wrong with a connection: it is tried, step by step, with the least rights that tell something."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from aksk_provider.errors import (
    BucketNotFoundError,
    NotFoundError,
    ObjectStorageError,
    PermissionDeniedError,
    ServiceError,
    TransportError,
)
from aksk_provider.signing import Credentials
from aksk_provider.storage.doctor.links import token_finding
from aksk_provider.storage.doctor.network import reach
from aksk_provider.storage.doctor.places import host_findings, is_local, locate_url, region_finding
from aksk_provider.storage.doctor.report import Finding, Report, told
from aksk_provider.storage.responses import NAMES_ANOTHER
from aksk_provider.storage.store import ObjectStore

_SKEW = 30.0


def examine_store(store: ObjectStore, subject: str, now: datetime) -> Report:
    """Try a store and say what works and what does not.

    Sends at most three requests: one without a signature that tells the store's time, a listing of one name, and,
    when listing is refused, one for the properties of an object that is not there.

    :param subject: what the report calls it
    :param now: this machine's time, aware
    """
    findings = [*_settings(store)]
    try:
        credentials = store.config.credentials()
    except ObjectStorageError as error:
        return Report(subject, [*findings, Finding("error", str(error))])
    findings += _credentials(store, credentials, now)
    reached = [*_reach(store)]
    findings += reached
    if all(finding.level != "error" for finding in reached):
        findings += _accepted(store)
    return Report(subject, findings)


def _settings(store: ObjectStore) -> Iterator[Finding]:
    config = store.config
    url = config.endpoint.url(config.bucket, "")
    region = f", region {config.region}" if config.region else ""
    yield Finding("ok", f"{config.vendor.title} at {url} ({config.endpoint.addressing}){region}")
    place = locate_url(config.vendor, url, config)
    yield from host_findings(config.vendor, place)
    if place.scheme == "http" and not is_local(place.host):
        yield Finding("warn", "requests go out as plain HTTP, readable on the way", "write https:// in host")
    if wrong := region_finding(config.vendor, config.region, place.region):
        yield wrong
    if config.public_endpoint:
        yield Finding("ok", f"links are made for {config.public_endpoint.url(config.bucket, '')}")


def _credentials(store: ObjectStore, credentials: Credentials, now: datetime) -> Iterator[Finding]:
    kind = "a temporary key pair with a token" if credentials.token else "a key pair without a token"
    yield Finding("ok", f"access key {credentials.access_key}, {kind}")
    if found := token_finding(store.config.vendor.name, credentials.access_key, has_token=bool(credentials.token)):
        yield found
    if credentials.expires_at is not None:
        left = credentials.expires_at - now
        if left.total_seconds() <= 0:
            yield Finding("error", f"the credentials died {told(left)} ago", "get fresh ones")
        else:
            yield Finding("ok", f"the credentials live {told(left)} more")


def _reach(store: ObjectStore) -> Iterator[Finding]:
    """Ask without a signature; only when nothing answers is it looked at how far the connection comes."""
    config, transport = store.config, store.transport
    url = config.endpoint.url(config.bucket, "")
    try:
        date = transport.knock(url)
    except TransportError as error:
        proxy = transport.proxy(url)
        steps = [*reach(url, timeout=config.connect_timeout, verify=config.verify, proxy=proxy)]
        yield from steps
        if all(step.level == "ok" for step in steps):
            yield Finding("error", str(error), "look at firewall and proxy")
        return
    host = urlsplit(url).netloc
    through = " through a proxy" if transport.proxy(url) else ""
    yield Finding("ok", f"{host} answers{through}")
    if date is None:
        return
    skew = (parsedate_to_datetime(date) - transport.now()).total_seconds()
    if abs(skew) >= _SKEW:
        behind = "behind" if skew > 0 else "ahead of"
        yield Finding(
            "warn",
            f"this machine's clock is {abs(skew):.0f} s {behind} the store's",
            "set it: requests are corrected when they are refused, links that are handed out are not",
        )
    else:
        yield Finding("ok", "this machine's clock agrees with the store's")


def _accepted(store: ObjectStore) -> Iterator[Finding]:
    try:
        yield Finding("ok", store.check())
    except BucketNotFoundError as error:
        yield Finding(
            "error",
            f"there is no bucket {store.config.bucket} at {store.config.endpoint.host}",
            error.hint or str(error),
        )
    except PermissionDeniedError as error:
        yield from _listing_refused(store, error)
    except ServiceError as error:
        yield _refused(error)
    except ObjectStorageError as error:
        yield Finding("error", str(error))


def _listing_refused(store: ObjectStore, refusal: PermissionDeniedError) -> Iterator[Finding]:
    """Tell a key pair that is refused from one that may do other things than list."""
    if refusal.code != "AccessDenied" or not store.config.bucket or NAMES_ANOTHER in refusal.hint:
        yield _refused(refusal)
        return
    try:
        store.head(f"aksk-doctor-{secrets.token_hex(8)}")
    except BucketNotFoundError as error:
        yield Finding("error", f"there is no bucket {store.config.bucket}", error.hint)
    except NotFoundError:
        yield Finding(
            "warn", "the key pair may read objects of the bucket, but not list them", "grant that where needed"
        )
    except ObjectStorageError:
        yield Finding(
            "error",
            f"the key pair has no right on bucket {store.config.bucket}: neither listing it nor reading an object "
            f"is allowed ({_answer(refusal)})",
            "grant it rights on the bucket; a temporary key pair needs its token",
        )


def _refused(error: ServiceError) -> Finding:
    """Say in one sentence what was found out of a refusal, and what the store called it."""
    if not error.hint:
        return Finding("error", str(error))
    cause, _, advice = error.hint.partition(". ")
    return Finding("error", f"{cause} ({_answer(error)})", advice)


def _answer(error: ServiceError) -> str:
    told = f"the store answered HTTP {error.status} {error.code}".rstrip()
    return f"{told}, request id {error.request_id}" if error.request_id else told
