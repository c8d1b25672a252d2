"""What will keep a link from working for the people it is meant for, in short sentences that hold no secret."""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import lru_cache
from ipaddress import ip_address
from urllib.parse import urlsplit

from aksk_provider.signing import Credentials
from aksk_provider.storage.config import Endpoint
from aksk_provider.storage.vendors import Caution, Vendor

LOOPBACK = "The link leads to this machine itself: nobody else can use it. Name a public_endpoint."
PRIVATE = "The link leads to a host of a private network: only who is in it can use it. Name a public_endpoint."
PLAIN_HTTP = "The link is plain HTTP: whoever sees it pass can use it. Sign for an https:// endpoint."
UNKNOWN_END = "The link is signed with a token whose end is not known here: it dies with the token, maybe earlier."
_PRIVATE_NAMES = (".internal", ".local", ".lan", ".intranet", ".home.arpa", ".svc", ".svc.cluster.local")


def lint(
    vendor: Vendor,
    endpoint: Endpoint,
    credentials: Credentials,
    method: str,
    key: str,
    *,
    given: Collection[str] = (),
) -> tuple[str, ...]:
    """Return the reasons why a link may not work, none if nothing is known against it.

    :param endpoint: host that the link is signed for
    :param given: names of the signed headers, and of the signed parameters as OSS and COS spell them
    """
    return lint_of(vendor, endpoint, credentials, method, given)(key)


def lint_of(
    vendor: Vendor, endpoint: Endpoint, credentials: Credentials, method: str, given: Collection[str]
) -> Callable[[str], tuple[str, ...]]:
    """Return :func:`lint` for links that differ in their keys alone."""
    found, conditional, ends = _of_endpoint(vendor, endpoint, method)
    names = {name.lower() for name in given}
    asked = tuple(caution for caution in conditional if caution.unless not in names)
    last = (UNKNOWN_END,) if credentials.token and credentials.expires_at is None else ()
    always = found + last

    def doubts(key: str) -> tuple[str, ...]:
        if asked and key[-8:].lower().endswith(ends):
            return found + tuple(c.text for c in asked if key.lower().endswith(c.keys or "")) + last
        return always

    return doubts


@lru_cache(maxsize=256)
def _of_endpoint(
    vendor: Vendor, endpoint: Endpoint, method: str
) -> tuple[tuple[str, ...], tuple[Caution, ...], tuple[str, ...]]:
    """Return what is to say of every link to an endpoint, what depends on the link, and the ends of its keys."""
    host = urlsplit(f"//{endpoint.host}").hostname or ""
    local = _local(host)
    found = (local,) if local else (PLAIN_HTTP,) if endpoint.scheme == "http" else ()
    about = [
        caution
        for caution in vendor.cautions
        if (caution.hosts is None or caution.hosts.search(host))
        and caution.addressing in (None, endpoint.addressing)
        and (not caution.methods or method in caution.methods)
    ]
    conditional = tuple(caution for caution in about if caution.keys or caution.unless)
    ends = tuple(end for caution in conditional for end in caution.keys or ("",))
    return found + tuple(c.text for c in about if c not in conditional), conditional, ends


def _local(host: str) -> str | None:
    """Return what to say of a host that other people do not reach."""
    if host == "localhost" or host.endswith(".localhost"):
        return LOOPBACK
    try:
        address = ip_address(host)
    except ValueError:
        return PRIVATE if "." not in host or host.endswith(_PRIVATE_NAMES) else None
    if address.is_loopback or address.is_unspecified:
        return LOOPBACK
    return None if address.is_global else PRIVATE
