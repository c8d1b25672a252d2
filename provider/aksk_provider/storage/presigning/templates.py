"""What the links of one moment have in common, kept by a store so that the next link costs little more than a hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from aksk_provider.signing import Credentials, PresignedURL
from aksk_provider.signing.links import LinkTemplate, link_template
from aksk_provider.storage import operations
from aksk_provider.storage.config import StoreConfig, link_endpoint, locate_bucket
from aksk_provider.storage.presigning.lint import lint_of
from aksk_provider.storage.presigning.options import Special, settle
from aksk_provider.storage.transport import Transport

if TYPE_CHECKING:
    from typing_extensions import Unpack

_SECOND = timedelta(seconds=1)
_MOST = 64


@dataclass(frozen=True, slots=True)
class Common:
    """What links have in common.

    :param template: makes the URL of a key
    :param warnings: what is not as it was asked for, whatever the key
    :param doubts: returns what may keep the link of a key from working
    """

    template: LinkTemplate
    warnings: tuple[str, ...]
    doubts: Callable[[str], tuple[str, ...]] = field(repr=False)

    def presigned(self, key: str) -> PresignedURL:
        """Return the link of a key, which was checked."""
        template, warnings = self.template, self.warnings + self.doubts(key)
        headers = dict(template.signed_headers)
        return PresignedURL(template.method, template.link(key), template.expires_at, headers, warnings)


@dataclass(frozen=True, slots=True)
class _Known:
    """When and with what it was made; signatures hold no part of a second."""

    start: datetime
    end: datetime
    credentials: Credentials = field(repr=False)
    common: Common


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
        endpoint: str | None = None,
        clamp: bool = False,
        **special: Unpack[Special],
    ) -> Common:
        """Return what the links have in common that are signed now; see :meth:`.ObjectStore.presign`."""
        given = (tuple(headers.items()) if headers else None, tuple(params.items()) if params else None)
        values = tuple(special.values())
        named = None if values.count(None) == len(values) else tuple(special.items())
        asked = (bucket, method, expires_in, expires_at, version_id, endpoint, clamp, given, named)
        now, credentials, known = self._transport.now(), self._config.credentials(), self._known.get(asked)
        if (
            known is not None
            and known.start <= now < known.end
            and (known.credentials is credentials or known.credentials == credentials)
        ):
            return known.common
        config, bucket = self._config, locate_bucket(self._config, bucket)
        settled = settle(
            config.vendor,
            credentials,
            now=now,
            method=method,
            expires_in=expires_in,
            expires_at=expires_at,
            clamp=clamp,
            headers=headers,
            params=params,
            special=special,
        )
        door = config.public_endpoint or config.endpoint
        if endpoint is not None:
            door = link_endpoint(config.vendor, endpoint, bucket, config.region)
        operation = operations.own_operation(
            config.vendor, method, bucket, None, settled.headers, settled.params, version_id
        )
        template = link_template(
            self._transport.signer(operation, door, list(operation.headers)),
            lambda key: self._transport.request(replace(operation, key=key), door),
            credentials,
            now=now,
            expires_in=settled.expires_in,
        )
        names = (*settled.headers, *settled.params)
        doubts = lint_of(config.vendor, door, credentials, template.method, names)
        if len(self._known) >= _MOST:
            self._known.clear()
        start, common = now.replace(microsecond=0), Common(template, settled.warnings, doubts)
        self._known[asked] = _Known(start, start + _SECOND, credentials, common)
        return common
