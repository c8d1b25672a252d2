"""Presign URLs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import pendulum
from airflow.sdk import BaseOperator, Context

from aksk_provider.errors import InvalidRequestError
from aksk_provider.hooks.links import mask_links
from aksk_provider.hooks.object_storage import ObjectStorageHook
from aksk_provider.signing import PresignedURL
from aksk_provider.storage.presigning.recipes import Recipe


class PresignURLOperator(BaseOperator):
    """Make a URL that anyone can use until it expires, or one for each key of a list.

    XCom: ``uri, method, url, expires_at, signed_headers``, or a list of them for a list of keys. The URL is a secret
    while it lives: it is masked in this task's log, not in XCom. With ``emit="recipe"`` XCom holds a recipe instead,
    which is no secret and is signed where it is used.

    :param key: key or URI, or a list of them
    :param bucket: bucket, by default the connection's
    :param method: the one HTTP method it is good for
    :param expires_in: lifetime, as a timedelta or in seconds; by default the vendor's: BOS 30, OSS 15, COS 5 minutes
    :param expires_at: end of the lifetime, as an aware datetime or ISO 8601 text; wins over ``expires_in``
    :param headers: headers to sign, which the user of the URL must then send
    :param params: query parameters to sign, e.g. ``{"response-content-disposition": "attachment"}``
    :param version_id: version of the object, by default the latest
    :param emit: ``url``, or ``recipe`` for ``FetchURLOperator``, ``ObjectStorageHook.sign_recipe`` and, in templates,
        ``macros.aksk.url``; the lifetime of a recipe begins when it is signed
    :param aksk_conn_id: id of a connection of type ``aksk``
    """

    template_fields: Sequence[str] = (
        "key",
        "bucket",
        "method",
        "expires_in",
        "expires_at",
        "headers",
        "query_params",
        "version_id",
        "aksk_conn_id",
    )
    ui_color = "#fff2cc"

    def __init__(
        self,
        *,
        key: str | Sequence[str],
        bucket: str | None = None,
        method: str = "GET",
        expires_in: timedelta | float | str | None = None,
        expires_at: datetime | str | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        version_id: str | None = None,
        emit: Literal["url", "recipe"] = "url",
        aksk_conn_id: str = ObjectStorageHook.default_conn_name,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.key = key
        self.bucket = bucket
        self.method = method
        self.expires_in = expires_in
        self.expires_at = expires_at
        self.headers = headers
        self.query_params = self._own_params(params)
        self.version_id = version_id
        if emit not in ("url", "recipe"):
            raise InvalidRequestError(f"emit must be url or recipe, not {emit!r}")
        self.emit = emit
        self.aksk_conn_id = aksk_conn_id

    def execute(self, context: Context) -> dict[str, Any] | list[dict[str, Any]]:
        """Sign, or leave that to whoever uses the recipe; nothing is sent."""
        hook = ObjectStorageHook(self.aksk_conn_id)
        keys = [self.key] if isinstance(self.key, str) else self.key
        made = [self._recipe(hook, key) for key in keys] if self.emit == "recipe" else self._links(hook, keys)
        return made[0] if isinstance(self.key, str) else made

    def _own_params(self, params: Mapping[str, Any] | None) -> dict[str, Any]:
        """Return the params given to this task: Airflow's constructor hands over those of the DAG as well."""
        of_dag = self.dag.params if self.has_dag() else {}  # type: ignore[no-untyped-call]
        given = params or {}
        return {name: given[name] for name in given if name not in of_dag}

    def _links(self, hook: ObjectStorageHook, keys: Sequence[str]) -> list[dict[str, Any]]:
        links = [
            hook.presign(
                key,
                self.bucket,
                expires_in=_lifetime(self.expires_in),
                expires_at=_instant(self.expires_at),
                **self._options(),
            )
            for key in keys
        ]
        mask_links(links, hook.store.config.credentials())
        return [self._result(hook, key, link) for key, link in zip(keys, links, strict=True)]

    def _result(self, hook: ObjectStorageHook, key: str, link: PresignedURL) -> dict[str, Any]:
        return {
            "uri": hook.uri(key, self.bucket),
            "method": link.method,
            "url": link.url,
            "expires_at": link.expires_at.isoformat(),
            "signed_headers": dict(link.signed_headers),
        }

    def _recipe(self, hook: ObjectStorageHook, key: str) -> dict[str, Any]:
        lifetime, instant = _lifetime(self.expires_in), _instant(self.expires_at)
        vendor, _, place = hook.uri(key, self.bucket).partition("://")
        bucket, _, name = place.partition("/")
        return Recipe(
            vendor=vendor,
            bucket=bucket,
            key=name,
            conn_id=self.aksk_conn_id,
            lifetime=None if lifetime is None else int(lifetime.total_seconds()),
            expires_at=None if instant is None else instant.isoformat(),
            **{name: value for name, value in self._options().items() if value is not None},
        ).to_dict()

    def _options(self) -> dict[str, Any]:
        """Return what ``presign`` and a recipe call by the same names."""
        return {
            "method": self.method,
            "headers": self.headers,
            "params": self.query_params,
            "version_id": self.version_id,
        }


def _lifetime(value: timedelta | float | str | None) -> timedelta | None:
    if value is None or isinstance(value, timedelta):
        return value
    try:
        return timedelta(seconds=float(value))
    except ValueError as error:
        raise InvalidRequestError(f"expires_in must be a timedelta or a number of seconds, not {value!r}") from error


def _instant(value: datetime | str | None) -> datetime | None:
    if value is None or isinstance(value, datetime):
        return value
    try:
        instant = pendulum.parse(value)
    except ValueError as error:
        raise InvalidRequestError(f"expires_at must be an ISO 8601 time, not {value!r}") from error
    if not isinstance(instant, pendulum.DateTime):
        raise InvalidRequestError(f"expires_at must be a point in time, not {value!r}")
    return instant
