"""What the links of one moment have in common, kept by a store so that the next link costs little more than a hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from aksk_provider.errors import InvalidRequestError
from aksk_provider.signing import Credentials
from aksk_provider.signing.links import LinkTemplate, link_template
from aksk_provider.storage import operations
from aksk_provider.storage.config import Endpoint, StoreConfig, locate_bucket
from aksk_provider.storage.transport import Transport

_SECOND = timedelta(seconds=1)
_MOST = 64


@dataclass(frozen=True, slots=True)
class _Known:
    """A template, and when and with what it was made; signatures hold no part of a second."""

    start: datetime
    end: datetime
    credentials: Credentials = field(repr=False)
    template: LinkTemplate


class Templates:
    """The link templates of one store. They hold signing keys, and go when the store goes.

    A template is good for one second, for what was asked and for the credentials it was made with.
    """

    def __init__(self, config: StoreConfig, transport: Transport) -> None:
        self._config = config
        self._transport = transport
        self._known: dict[tuple[object, ...], _Known] = {}

    def get(
        self,
        bucket: str | None,
        method: str,
        *,
        expires_in: timedelta | None = None,
        expires_at: datetime | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        version_id: str | None = None,
        endpoint: Endpoint | None = None,
    ) -> LinkTemplate:
        """Return the template for links that are signed now.

        :param endpoint: host of the links, by default the public endpoint, or the endpoint where there is none
        """
        given = (tuple(headers.items()) if headers else None, tuple(params.items()) if params else None)
        asked = (bucket, method, expires_in, expires_at, version_id, endpoint, given)
        now, credentials, known = self._transport.now(), self._config.credentials(), self._known.get(asked)
        if (
            known is not None
            and known.start <= now < known.end
            and (known.credentials is credentials or known.credentials == credentials)
        ):
            return known.template
        operation = operations.own_operation(
            self._config.vendor, method, locate_bucket(self._config, bucket), None, headers, params, version_id
        )
        place = endpoint or self._config.public_endpoint or self._config.endpoint
        template = link_template(
            self._transport.signer(operation, place, list(operation.headers)),
            lambda key: self._transport.request(replace(operation, key=key), place),
            credentials,
            now=now,
            expires_in=lifetime(now, expires_in, expires_at),
        )
        if len(self._known) >= _MOST:
            self._known.clear()
        start = now.replace(microsecond=0)
        self._known[asked] = _Known(start, start + _SECOND, credentials, template)
        return template


def lifetime(now: datetime, expires_in: timedelta | None, expires_at: datetime | None) -> timedelta | None:
    """Return how long a link made now lives; its end wins over its length."""
    if expires_at is None:
        return expires_in
    if expires_at.tzinfo is None:
        raise InvalidRequestError("expires_at must be an aware datetime")
    if expires_at <= now:
        raise InvalidRequestError(f"expires_at {expires_at.isoformat()} has passed")
    return expires_at - now.replace(microsecond=0)
