"""Using a multipart upload ticket: one file to its place, with nothing but the ticket.

Needs neither a connection nor Airflow. A partner without this package follows the same steps with curl; see
:func:`~aksk_provider.storage.presigning.ticket_script.multipart_script`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import requests

from aksk_provider.errors import IntegrityError, InvalidRequestError, TransportError
from aksk_provider.storage import responses, retry
from aksk_provider.storage.bodies import SliceBody, reader_at
from aksk_provider.storage.checksums import CHECKSUMS, verify
from aksk_provider.storage.operations import Operation
from aksk_provider.storage.responses import ObjectInfo
from aksk_provider.storage.vendors import VENDORS, Vendor

_ATTEMPTS = 5
_TIMEOUT = (10.0, 60.0)


def use_multipart_ticket(
    ticket: Mapping[str, Any],
    path: str | os.PathLike[str],
    *,
    session: requests.Session | None = None,
    progress: Callable[[int], None] | None = None,
) -> ObjectInfo:
    """Upload a file with a multipart ticket, part after part, without any key.

    A part that fails in a way that may pass is sent again. When it fails for good the upload stays open: call it again
    while the ticket lives, or :func:`abort_multipart_ticket`.

    :param session: sends the requests, for a caller with proxies or certificates of its own
    :param progress: called with the bytes sent so far
    :raises InvalidRequestError: the file has not the size that the ticket is for
    :raises ServiceError: the store refused a part or the whole
    """
    path, vendor = Path(path), VENDORS[ticket["vendor"]]
    if path.stat().st_size != ticket["size"]:
        raise InvalidRequestError(f"{path} has {path.stat().st_size} bytes, the ticket is for {ticket['size']}")
    etags = {}
    with path.open("rb") as file, _opened(session) as client:
        read_at, _, _ = reader_at(file)
        for part in ticket["parts"]:
            body = SliceBody(read_at, part["offset"], part["size"], CHECKSUMS[vendor.checksum])
            headers, _ = _send(client, ticket, part, body)
            what = f"{ticket['uri']}, part {part['number']}"
            etags[part["number"]] = _etag(vendor, what, headers, body.checksum)
            if progress:
                progress(part["offset"] + part["size"])
        headers, answer = _send(client, ticket, ticket["complete"], complete_body(ticket, etags))
    bucket, _, key = ticket["uri"].partition("://")[2].partition("/")
    etag = headers.get("ETag") or responses.field(vendor, answer, "eTag", "ETag")
    info = responses.object_info(vendor, bucket, key, headers, size=ticket["size"])
    return replace(info, etag=etag.strip('"') or None)


def abort_multipart_ticket(ticket: Mapping[str, Any], *, session: requests.Session | None = None) -> None:
    """Give up the upload of a multipart ticket; its parts are dropped."""
    with _opened(session) as client:
        _send(client, ticket, ticket["abort"], b"")


def complete_body(ticket: Mapping[str, Any], etags: Mapping[int, str]) -> bytes:
    """Return the body of the request that completes the upload.

    :param etags: ``ETag`` of each part without quotes, by number
    """
    body = ticket["complete"]["body"]
    parts = (body["part"].replace("{number}", str(n)).replace("{etag}", etags[n]) for n in sorted(etags))
    return f"{body['start']}{body['between'].join(parts)}{body['end']}".encode()


def _send(
    client: requests.Session, ticket: Mapping[str, Any], step: Mapping[str, Any], body: SliceBody | bytes
) -> tuple[Mapping[str, str], bytes]:
    vendor = VENDORS[ticket["vendor"]]
    bucket, _, key = ticket["uri"].partition("://")[2].partition("/")
    operation = Operation(step["method"], bucket, key, headers=step["headers"])
    doing = operation.describe(vendor) + (f", part {step['number']}" if "number" in step else "")

    def attempt() -> tuple[Mapping[str, str], bytes]:
        try:
            answer = client.request(
                step["method"],
                step["url"],
                headers=dict(step["headers"]),
                data=cast("Iterable[bytes] | None", body or None),
                auth=_unchanged,
                timeout=_TIMEOUT,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # The error's own text holds the URL, which is a secret.
            raise TransportError(f"{doing}: no complete answer ({type(error).__name__})") from None
        with answer:
            if answer.status_code >= 300 or responses.error_in_body(vendor, answer.content):
                raise responses.service_error(vendor, operation, answer.status_code, answer.headers, answer.content)
            return answer.headers, answer.content

    return retry.policy(_ATTEMPTS)(attempt)


def _etag(vendor: Vendor, what: str, headers: Mapping[str, str], sent: int) -> str:
    """Compare the store's checksum of a part with what was sent, and return its entity tag."""
    verify(what, vendor.checksum, headers.get(vendor.checksum_header), sent)
    if not headers.get("ETag"):
        raise IntegrityError(f"{what}: the store's answer has no ETag, without which the upload cannot be completed")
    return headers["ETag"].strip('"')


def _opened(session: requests.Session | None) -> requests.Session | nullcontext[requests.Session]:
    return nullcontext(session) if session else requests.Session()


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Keep requests from adding an Authorization of ``~/.netrc``."""
    return request
